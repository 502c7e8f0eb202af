"""Checking the audit trail: that every link holds, that none is missing, and what it says.

The chain shows what was changed, deleted, inserted or moved. That its end was cut off, or that
all of it was written anew, only shows against anchors: heads that were noted elsewhere before.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, select

from singer_delivery.chain import GENESIS, link_hash
from singer_delivery.database import reading
from singer_delivery.errors import LedgerError
from singer_delivery.payloads import content_kept, digest_of
from singer_delivery.schema import documents, events, payloads
from singer_delivery.trail import HEAD, STANDING, Head, Kind

PAGE = 1000


@dataclass(frozen=True)
class Fault:
    """Something that is not as it was written; `number` is the entry's, 0 where it is none's."""

    number: int
    words: str


@dataclass
class Verdict:
    """How many entries were checked, and what is wrong with them.

    `untracked` counts documents that were delivered before the ledger had a trail.
    """

    events: int = 0
    head: Head = field(default_factory=lambda: Head(0, GENESIS, ""))
    faults: list[Fault] = field(default_factory=list)
    untracked: int = 0

    @property
    def intact(self) -> bool:
        """Nothing is wrong."""
        return not self.faults


@dataclass(frozen=True)
class Anchor:
    """A head of the chain that was noted outside the ledger; `at` is ISO 8601, UTC."""

    number: int
    hash: str
    at: str


def read_anchors(file: Path) -> list[Anchor]:
    """Return the anchors in a file, one JSON object a line. Raises LedgerError in words."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"the anchor file {file} cannot be read: {error}"
        raise LedgerError(msg) from None
    anchors = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
            anchors.append(Anchor(int(found["number"]), str(found["hash"]), str(found["at"])))
        except (ValueError, KeyError, TypeError):
            msg = f"line {number} of the anchor file {file} is no anchor"
            raise LedgerError(msg) from None
    return anchors


def append_anchor(file: Path, head: Head) -> None:
    """Note the end of the chain in a file. Raises LedgerError in words."""
    line = json.dumps({"number": head.number, "hash": head.hash, "at": head.at})
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as anchors:
            anchors.write(line + "\n")
    except OSError as error:
        msg = f"the anchor file {file} cannot be written: {error}"
        raise LedgerError(msg) from None


def verify(engine: Engine, anchors: Iterable[Anchor] = ()) -> Verdict:
    """Check the chain, the anchors, the kept records, and documents against their last entries.

    Reads everything in one transaction, page by page, in flat memory but for one short text a
    document. Raises LedgerError where the ledger cannot be read.
    """
    verdict = Verdict()
    wanted: dict[int, list[Anchor]] = {}
    for anchor in anchors:
        wanted.setdefault(anchor.number, []).append(anchor)
    standing: dict[tuple[str, str, str], tuple[int, str]] = {}
    named: Counter[tuple[str, str, str, str]] = Counter()
    with reading(engine) as connection:
        _check_chain(connection, verdict, wanted, standing, named)
        _check_head(connection, verdict)
        _check_anchors(verdict, wanted)
        _check_payloads(connection, verdict, named)
        _check_documents(connection, verdict, standing)
    return verdict


def _check_chain(
    connection: Connection,
    verdict: Verdict,
    wanted: dict[int, list[Anchor]],
    standing: dict[tuple[str, str, str], tuple[int, str]],
    named: Counter[tuple[str, str, str, str]],
) -> None:
    expected, previous = 1, GENESIS
    for row in _pages(connection):
        if row.number != expected:
            words = (
                f"entry {expected} is missing" if row.number > expected else "it is out of order"
            )
            verdict.faults.append(Fault(expected, words))
        elif row.previous != previous:
            verdict.faults.append(Fault(row.number, "it does not follow the entry before it"))
        if problem := _problem(row):
            verdict.faults.append(Fault(row.number, problem))
        for anchor in wanted.pop(row.number, ()):
            if anchor.hash != row.hash:
                words = f"it is another one than on {anchor.at[:19]}, when it was anchored"
                verdict.faults.append(Fault(row.number, words))
        document = row.system, row.stream, row.key
        if row.kind in STANDING:
            standing[document] = row.number, _standing(row)
        if row.payload:
            named[*document, row.payload] += 1
        verdict.events += 1
        verdict.head = Head(row.number, row.hash, row.at)
        expected, previous = row.number + 1, row.hash


def _pages(connection: Connection) -> Iterator[Row[Any]]:
    after = -(2**63)
    while True:
        query = select(events).where(events.c.number > after).order_by(events.c.number)
        page = connection.execute(query.limit(PAGE)).all()
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].number


def _problem(row: Row[Any]) -> str:
    """Return what is wrong with an entry by itself."""
    fields = (
        str(row.number),
        *(row.at, row.system, row.stream, row.key, row.kind),
        *(row.run_id, row.actor, row.detail, row.payload),
    )
    try:
        found = link_hash(row.form, fields, row.previous)
    except LedgerError as error:
        return str(error)
    except TypeError:
        return "its fields are no text"
    return "" if found == row.hash else "it was changed: its hash does not fit"


def _standing(row: Row[Any]) -> str:
    """Return in short where an entry leaves its document."""
    try:
        detail = json.loads(row.detail)
    except ValueError:
        return ""
    status = STANDING[row.kind].value
    if row.kind in {Kind.INTENDED, Kind.RELEASED} or not isinstance(detail, dict):
        return status
    return f"{status} {detail.get('request_id', '')} {detail.get('remote_key', '')}".rstrip()


def _check_head(connection: Connection, verdict: Verdict) -> None:
    head = connection.execute(HEAD).one_or_none()
    if head is None:
        verdict.faults.append(Fault(0, "the head of the chain is gone"))
    elif (head.number, head.hash) != verdict.head[:2]:
        words = f"the chain ends at entry {verdict.head.number}, and its head says {head.number}"
        if head.number == verdict.head.number:
            words = "the head of the chain does not fit the last entry"
        verdict.faults.append(Fault(head.number, words))


def _check_anchors(verdict: Verdict, missing: Mapping[int, Iterable[Anchor]]) -> None:
    for number, anchors in sorted(missing.items()):
        for anchor in anchors:
            if anchor.number == 0 and anchor.hash == GENESIS:
                continue
            words = f"it was there on {anchor.at[:19]}, and is gone: the trail was cut off"
            verdict.faults.append(Fault(number, words))


def _check_payloads(
    connection: Connection, verdict: Verdict, named: Counter[tuple[str, str, str, str]]
) -> None:
    for row in connection.execution_options(yield_per=PAGE).execute(select(payloads)):
        about = f"the record of {row.stream} {row.key}"
        if not named.pop((row.system, row.stream, row.key, row.digest), 0):
            verdict.faults.append(Fault(0, f"{about} is in no entry of the trail"))
        if row.content is None:
            if not row.erased_at:
                verdict.faults.append(Fault(0, f"{about} is empty, and was not erased"))
            continue
        content = content_kept(row.content)
        if content is None or not row.salt or digest_of(row.salt, content) != row.digest:
            verdict.faults.append(Fault(0, f"{about} was changed"))
    for _system, stream, key, _digest in named:
        verdict.faults.append(Fault(0, f"a record of {stream} {key} is gone without being erased"))


def _check_documents(
    connection: Connection,
    verdict: Verdict,
    standing: dict[tuple[str, str, str], tuple[int, str]],
) -> None:
    d = documents.c
    columns = d.system, d.stream, d.key, d.status, d.request_id, d.remote_key, d.revision
    for row in connection.execution_options(yield_per=PAGE).execute(select(*columns)):
        found = standing.pop((row.system, row.stream, row.key), None)
        if found is None:
            if row.revision:
                words = f"document {row.key} of {row.stream} is {row.status}, which no entry says"
                verdict.faults.append(Fault(0, words))
            else:
                verdict.untracked += 1
            continue
        number, said = found
        if not _agrees(said, row):
            words = f"document {row.key} of {row.stream} is {row.status} in the ledger, and here "
            verdict.faults.append(Fault(number, f"{words}{said.partition(' ')[0]}"))
    for (_system, stream, key), (number, said) in standing.items():
        words = (
            f"document {key} of {stream} is {said.partition(' ')[0]} here, and not in the ledger"
        )
        verdict.faults.append(Fault(number, words))


def _agrees(said: str, row: Row[Any]) -> bool:
    status, _, rest = said.partition(" ")
    if status != row.status:
        return False
    request_id, _, remote_key = rest.partition(" ")
    return not (
        (request_id and request_id != row.request_id)
        or (remote_key and remote_key != row.remote_key)
    )
