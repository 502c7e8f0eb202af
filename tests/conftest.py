"""Fixtures and settings of all tests."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings
from singer_delivery.stopping import PROCESS

pytest_plugins = [
    "sandbox.fixtures",
    "tests.browser_fixtures",
    "tests.office_fixtures",
    "tests.postgres_fixtures",
]

# A slow machine is no failure: no test here is about time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

SetUp = tuple[int, list[logging.Handler], bool, bool]
NEW: SetUp = (logging.NOTSET, [], True, False)


@pytest.fixture(autouse=True)
def nobody_stops() -> Iterator[None]:
    """Forget a stop that a test requested, and its grace, which would end the process."""
    yield
    PROCESS.clear()


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """Take back how a plugin or a command that ran in this process has set up logging."""
    before = {logger: _set_up(logger) for logger in _loggers()}
    yield
    for logger in _loggers():
        if (now := _set_up(logger)) == (then := before.get(logger, NEW)):
            continue
        level, handlers, logger.propagate, logger.disabled = then
        logger.handlers[:] = handlers
        if level != now[0]:
            logger.setLevel(level)


def _loggers() -> list[logging.Logger]:
    known = list(logging.root.manager.loggerDict.values())
    return [logging.root, *(each for each in known if isinstance(each, logging.Logger))]


def _set_up(logger: logging.Logger) -> SetUp:
    return logger.level, list(logger.handlers), logger.propagate, logger.disabled
