"""A remote system that behaves: it stores documents, and fails in every way that a network can.

It refuses no second copy by itself: that nothing is held twice is up to what is tested.
"""

from __future__ import annotations

import enum
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from singer_delivery.courier import Courier
from singer_delivery.document import Document, Entry, Outcome, Status, fingerprint
from singer_delivery.errors import (
    AccessDenied,
    BadInput,
    InDoubt,
    Refused,
    Rejected,
    Unavailable,
)


class Crash(BaseException):
    """The process dies here."""


class Fault(enum.Enum):
    """What happens to one send."""

    LOST_BEFORE = "the request is lost"
    LOST_AFTER = "the answer is lost"
    HALF = "half of it is stored, the answer is lost"
    REFUSED = "the system says no"
    REJECTED = "the courier finds something wrong"
    DOWN = "no connection"
    DENIED = "no right"
    CRASH_BEFORE = "the process dies before the request"
    CRASH_AFTER = "the process dies before the answer"


@dataclass
class Row:
    """A document as the system holds it."""

    key: str
    natural_key: str
    fingerprint: str
    whole: bool = True


@dataclass
class FakeSystem:
    """`faults` are used up by the sends of a key in order; `read_faults` by reads;
    `reads_down` says of each coming read whether the system is down for it.
    """

    rows: list[Row] = field(default_factory=list)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    read_faults: list[Exception] = field(default_factory=list)
    reads_down: list[bool] = field(default_factory=list)
    sends: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    most_in_flight: int = 0
    event: Callable[[str], None] = lambda _: None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, **wanted: str) -> list[Row]:
        """Return the rows with these values."""
        return [
            row
            for row in self.rows
            if all(getattr(row, name) == value for name, value in wanted.items())
        ]

    def store(self, document: Document, *, whole: bool = True) -> None:
        """Commit a new document, or the new version of one that is there."""
        self.event(f"{document.key} about to be stored")
        row = Row(document.key, document.natural_key, document.fingerprint, whole)
        same = [n for n, held in enumerate(self.rows) if held.key == document.key]
        if same and document.payload["replace"]:
            self.rows[same[0]] = row
        else:
            self.rows.append(row)
        self.event(f"{document.key} stored")

    def write(self, document: Document) -> None:
        """Answer one request to store a document."""
        with self.lock:
            self.sends[document.key] += 1
            planned = self.faults.get(document.key, [])
            fault = planned.pop(0) if planned else None
            match fault:
                case Fault.CRASH_BEFORE:
                    raise Crash
                case Fault.LOST_BEFORE:
                    raise InDoubt("reset", request_id="r-1")
                case Fault.DOWN:
                    raise Unavailable("no connection")
                case Fault.DENIED:
                    raise AccessDenied("the role is missing", status=403)
                case Fault.REFUSED:
                    raise Refused("the vendor is on hold", status=400, request_id="r-2")
                case Fault.REJECTED:
                    raise Rejected("the amounts do not add up")
            self.store(document, whole=fault is not Fault.HALF)
            if fault is Fault.CRASH_AFTER:
                raise Crash
            if fault in {Fault.LOST_AFTER, Fault.HALF}:
                raise InDoubt("timeout")

    def read(self) -> None:
        """Answer one request to look."""
        self.event("read")
        if self.reads_down and self.reads_down.pop(0):
            raise Unavailable("down for a moment")
        if self.read_faults:
            raise self.read_faults.pop(0)


def record(key: str | None, number: str = "", content: int = 1, **more: Any) -> dict[str, Any]:
    """Return an invoice as a record."""
    return {"id": key, "number": number, "content": content, **more}


@dataclass
class FakeCourier(Courier):
    """Delivers records of `record` to a FakeSystem."""

    system: FakeSystem
    stream: str = "invoices"

    def prepare(self, record: Mapping[str, Any]) -> Document:
        if "unmapped" in record:
            msg = f"the mapping has no tax code {record['unmapped']}"
            raise Rejected(msg)
        content = fingerprint(dict(record))
        return Document(
            *(self._key(record), {"replace": False}, content),
            natural_key=record["number"],
            version=str(record["content"]),
            label=f"invoice {record['number']}",
            detail={"company": "1000"},
        )

    def identify(self, record: Mapping[str, Any]) -> Document:
        return Document(self._key(record), None, "", version=str(record.get("content", "")))

    @staticmethod
    def _key(record: Mapping[str, Any]) -> str:
        if not record["id"]:
            msg = "a record of invoices has no id"
            raise BadInput(msg)
        return str(record["id"])

    def survey(
        self, batch: Sequence[Document], known: Mapping[str, Entry]
    ) -> Mapping[str, Outcome | Any]:
        self.system.read()
        return {document.key: self._decide(document) for document in batch}

    def _decide(self, document: Document) -> Outcome | Any:
        natural = document.natural_key
        same_number = self.system.find(natural_key=natural) if natural else []
        if any(row.key != document.key for row in same_number):
            return Outcome(Status.REJECTED, f"number {natural} is another invoice")
        for row in self.system.find(key=document.key):
            if row.fingerprint == document.fingerprint:
                return Outcome(Status.UNCHANGED, remote_key=f"R-{row.key}")
            return "replace"
        return "create"

    def send(self, document: Document, plan: Any) -> Outcome:
        document.payload["replace"] = plan == "replace"
        with self.system.lock:
            self.system.in_flight += 1
            self.system.most_in_flight = max(self.system.in_flight, self.system.most_in_flight)
        try:
            self.system.write(document)
        finally:
            with self.system.lock:
                self.system.in_flight -= 1
        return Outcome(Status.DELIVERED, remote_key=f"R-{document.key}", detail={"voucher": "V1"})

    def read_back(self, entries: Sequence[Entry]) -> Mapping[str, Outcome]:
        self.system.read()
        wanted = {entry.key: entry.fingerprint for entry in entries}
        system = self.system
        system.rows = [row for row in system.rows if row.whole or row.key not in wanted]
        return {
            row.key: Outcome(Status.DELIVERED, remote_key=f"R-{row.key}")
            for row in system.rows
            if wanted.get(row.key) == row.fingerprint
        }
