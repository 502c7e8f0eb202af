"""A ledger whose database refuses work at any one moment, or from there on, as a full disk does."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from singer_delivery import database
from singer_delivery.errors import LedgerError


@dataclass
class Refusal:
    """Refuses the transaction with this number, and with `lasting` all after it."""

    at: int
    lasting: bool
    count: int = 0

    @property
    def happened(self) -> bool:
        """There were as many transactions."""
        return self.count >= self.at

    def instead_of(
        self, transaction: Callable[..., AbstractContextManager[Any]]
    ) -> Callable[..., AbstractContextManager[Any]]:
        """Return what stands in for the function that begins a transaction."""

        def begin(*given: Any, **more: Any) -> AbstractContextManager[Any]:
            self.count += 1
            if self.count == self.at or (self.lasting and self.happened):
                msg = "the ledger cannot be used: database or disk is full"
                raise LedgerError(msg)
            return transaction(*given, **more)

        return begin


def refusals(*, lasting: bool) -> Iterator[Refusal]:
    """Yield one for each transaction of what is run with it, until there are no more."""
    at = 1
    while True:
        refusal = Refusal(at, lasting)
        yield refusal
        if not refusal.happened:
            return
        at += 1


@contextmanager
def refused(refusal: Refusal, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have it happen inside."""
    with monkeypatch.context() as patched:
        patched.setattr(database, "transaction", refusal.instead_of(database.transaction))
        yield


def bury(ledger: Path) -> None:
    """Note that all runs are over: their processes would be gone."""
    with sqlite3.connect(ledger) as connection:
        connection.execute("UPDATE runs SET ended_at = started_at")
    connection.close()
