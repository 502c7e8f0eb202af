"""Fixtures and settings of all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings
from singer_delivery.stopping import PROCESS

pytest_plugins = ["sandbox.fixtures", "tests.browser_fixtures", "tests.postgres_fixtures"]

# A slow machine is no failure: no test here is about time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def nobody_stops() -> Iterator[None]:
    """Forget a stop that a test requested, and its grace, which would end the process."""
    yield
    PROCESS.clear()
