"""What `dry-run` and `mapping-diff` try, and on what: the target without its writes, and records.

The records come from Singer messages at hand, or from what waits at the source.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import click

from singer_delivery.errors import SetupError
from singer_delivery.live import offered
from singer_delivery.operator.live_settings import plugin_settings
from singer_delivery.rehearsal import GROUP, WAITING, Rehearsing

#: Name, plugin and, where no entry point is registered, place of what is tried and of its source.
TARGET = ("d365fo", "target-d365fo", "target_d365fo.rehearsal:open_rehearsal")
SOURCE = ("basware", "tap-basware", "tap_basware.waiting:open_waiting")

Lines = Iterable[str]


@contextmanager
def opened_target(
    settings: Mapping[str, Any], ledger_url: str = "", mapping_file: str = ""
) -> Iterator[Rehearsing]:
    """Give the target with these settings, and with another ledger or mapping where given.

    Raises DeliveryError.
    """
    name, _, place = TARGET
    opener: Callable[[Mapping[str, Any]], Rehearsing] = offered(GROUP, name, place)
    target = opener(settings)
    if mapping_file:
        # Settings of the environment count only where no others are given.
        target = opener({**target.config, "mapping_file": mapping_file})
    target.ledger_at = ledger_url
    try:
        yield target
    finally:
        target.close()


def target_settings(files: Mapping[str, Path]) -> dict[str, Any]:
    """Return the settings of the target. Raises SetupError."""
    return plugin_settings(TARGET[1], files)


def waiting_lines(files: Mapping[str, Path], scopes: Sequence[str]) -> Iterator[str]:
    """Yield what waits at the source as Singer messages. Raises DeliveryError."""
    name, plugin, place = SOURCE
    opener: Callable[..., Iterator[str]] = offered(WAITING, name, place)
    yield from opener(plugin_settings(plugin, files), scopes)


@contextmanager
def lines_of(file: str) -> Iterator[Lines]:
    """Open a file of Singer messages, or stdin for "-". Raises SetupError."""
    try:
        opened = click.open_file(file, encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        msg = f"{file} cannot be read: {error.strerror}"
        raise SetupError(msg) from None
    with opened as lines:
        yield _not_empty(lines, file)


def _not_empty(lines: Lines, file: str) -> Iterator[str]:
    """Yield lines; SetupError where there is none: a tap that has failed would look like that."""
    empty = True
    for line in lines:
        empty = False
        yield line
    if empty:
        place = "stdin" if file == "-" else file
        msg = f"{place} has no messages, not even a SCHEMA: look at what should have written them"
        raise SetupError(msg)


def listen(target: Rehearsing, lines: Lines) -> None:
    """Have the target read messages to their end. Raises DeliveryError."""
    target.listen(cast("IO[str]", lines))


def quiet() -> None:
    """Keep what plugins log of their own work off the terminal."""
    for name in (TARGET[1], SOURCE[1], "singer_sdk.metrics"):
        logging.getLogger(name).setLevel(logging.WARNING)
