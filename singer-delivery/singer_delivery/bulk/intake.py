"""Sorting what comes in: what the target has already, what it must get, what cannot be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

from singer_delivery.bulk.book import Book
from singer_delivery.bulk.spool import Spool
from singer_delivery.document import TAKEN, Document, Entry, Outcome, Status
from singer_delivery.document_rows import Standing
from singer_delivery.errors import BadInput
from singer_delivery.recollections import Made
from singer_delivery.schema import KEY_LENGTH, storable

#: Documents that are looked up in the ledger at a time.
CHUNK = 500
#: Records that are still rejected and are named in the summary.
NAMED = 10
#: What need not be sent again while it is the same.
DONE = TAKEN | {Status.SKIPPED}

Known = Mapping[str, Entry]
Whole: TypeAlias = Callable[[], Document]
#: A document, and why it cannot be used, if it cannot.
Came: TypeAlias = tuple[Document, str]


class Outline(NamedTuple):
    """A document without what is in it; `whole` returns it, should it be needed."""

    made: Made
    whole: Whole


@dataclass
class Intake:
    """Takes documents of any resource; `waiting` names the resources with something to send.

    `still_rejected` counts documents that were rejected too often and are not sent again, and
    `stuck` names some of them.
    """

    book: Book
    spool: Spool
    max_tries: int
    waiting: set[str] = field(default_factory=set)
    still_rejected: Counter[str] = field(default_factory=Counter)
    stuck: dict[str, list[str]] = field(default_factory=dict)
    #: How many of what the target holds came unchanged, by source and resource; each counts once.
    came_again: Counter[tuple[str, str]] = field(default_factory=Counter)
    _fresh: dict[str, dict[str, Came | Outline]] = field(default_factory=dict)
    _count: int = 0

    def take(self, stream: str, document: Document, reason: str = "") -> None:
        """Take a document, or its rejection; the later one of a key counts. Raises BadInput."""
        document, reason = _storable(stream, document, reason)
        self.keep(stream, document.key, (document, reason))

    def keep(self, stream: str, key: str, came: Came | Outline) -> None:
        """Take what can be stored; the later one of a key counts."""
        fresh = self._fresh.get(stream)
        if fresh is None:
            fresh = self._fresh[stream] = {}
        if key not in fresh:
            self._count += 1
        fresh[key] = came
        if self._count >= CHUNK:
            self.look_up()

    def look_up(self) -> None:
        """Sort what came since the last time."""
        fresh, self._fresh, self._count = self._fresh, {}, 0
        for stream, came in fresh.items():
            standings = self.book.ledger.standings(stream, came)
            same, by_key = _settled(came, standings)
            new = self._see(stream, came, same, by_key)
            if new == len(came):  # else it is not known which of them have been counted
                self.came_again.update(
                    (made.source, stream) for made in same if standings[made.key].held
                )
            if same:
                self.book.tally[stream, Status.UNCHANGED] += len(same)
            known = self._known(stream, by_key, standings)
            rejected = [(document, reason) for document, reason in by_key.values() if reason]
            offered = [document for document, reason in by_key.values() if not reason]
            self._spool(stream, came, offered, known)
            outcomes = [
                (with_known(document, known.get(document.key)), Outcome(Status.REJECTED, reason))
                for document, reason in rejected
            ]
            self.book.settle(stream, outcomes)
            self._follow(stream, offered, known)

    def _known(
        self, stream: str, by_key: Mapping[str, Came], standings: Mapping[str, Standing]
    ) -> Known:
        """Return what the ledger knows of those of which more than their standing counts.

        What is to be sent with other content than before is looked at when it is loaded.
        """
        wanted = [
            key
            for key, (document, reason) in by_key.items()
            if key in standings and (reason or standings[key].fingerprint == document.fingerprint)
        ]
        return self.book.ledger.lookup(stream, wanted) if wanted else {}

    def _see(
        self, stream: str, keys: Iterable[str], same: Iterable[Made], others: Mapping[str, Came]
    ) -> int:
        """Note what shows that nothing of it has vanished; return how many keys are new."""
        new = self.spool.see(stream, keys)
        scopes: dict[str, set[str]] = {}
        for source, scope in {(made.source, made.scope) for made in same}:
            scopes.setdefault(source, set()).add(scope)
        for document, reason in others.values():
            if not reason:
                scopes.setdefault(document.source, set()).add(document.scope)
            elif record := document.detail.get("_record"):
                self.spool.refuse(document.source, record)
        for source, shown in scopes.items():
            self.spool.show(source, shown)
        return new

    def _spool(
        self, stream: str, came: Iterable[str], offered: Iterable[Document], known: Known
    ) -> None:
        to_send = {
            document.key: document
            for document in offered
            if self._has_to_go(stream, document, known.get(document.key))
        }
        if stream in self.waiting:
            # An earlier version in this run may wait that is obsolete now.
            self.spool.drop(stream, (key for key in came if key not in to_send))
            if not self.spool.count(stream):
                self.waiting.discard(stream)
        if to_send:
            self.spool.add(stream, to_send.values())
            self.waiting.add(stream)

    def _has_to_go(self, stream: str, document: Document, known: Entry | None) -> bool:
        if known is None or known.fingerprint != document.fingerprint:
            return True
        if known.status in DONE:
            self.book.tally[stream, Status.UNCHANGED] += 1
            return False
        if known.status is Status.REJECTED and tries(known) >= self.max_tries:
            self.still_rejected[stream] += 1
            named = self.stuck.setdefault(stream, [])
            if len(named) < NAMED:
                named.append(str(document))
            return False
        return True

    def _follow(self, stream: str, offered: Iterable[Document], known: Known) -> None:
        """Note where unchanged documents come from now: it is there that they may vanish."""
        moved = []
        for document in offered:
            entry = known.get(document.key)
            if entry is None or entry.fingerprint != document.fingerprint:
                continue
            came = (document.source, document.scope)
            if entry.status in DONE and came != (entry.source, entry.scope):
                same = Outcome(entry.status, entry.reason, entry.remote_key, entry.request_id)
                kept = replace(document, version=entry.version, detail=entry.detail)
                moved.append((kept, same))
        self.book.ledger.settle_many(stream, moved, self.book.run_id)


def _storable(stream: str, document: Document, reason: str) -> Came:
    """Return a document as the ledger can hold it, which may be a rejection. Raises BadInput."""
    if not storable(document.key, KEY_LENGTH):
        msg = f"a record of {stream} has a key that cannot be stored"
        raise BadInput(msg)
    parts = (document.natural_key, document.version, document.remote_key, document.scope)
    if not all(map(storable, parts)):
        reason = reason or "its number, version or scope holds characters that cannot be stored"
        plain = replace(document, natural_key="", version="", remote_key="", scope="")
        document = replace(plain, label="")
    return document, reason


def _settled(
    came: Mapping[str, Came | Outline], standings: Mapping[str, Standing]
) -> tuple[list[Made], dict[str, Came]]:
    """Return the outlines of which the ledger has everything just so, and all others whole."""
    same: list[Made] = []
    others: dict[str, Came] = {}
    for key, one in came.items():
        if not isinstance(one, Outline):
            others[key] = one
        elif _is_settled(one.made, standings.get(key)):
            same.append(one.made)
        else:
            others[key] = (one.whole(), "")
    return same, others


def _is_settled(made: Made, known: Standing | None) -> bool:
    """Tell whether the ledger has it just so: nothing is to be sent, and nothing to be noted."""
    return (
        known is not None
        and known.fingerprint == made.fingerprint
        and known.status in DONE
        and known.source == made.source
        and known.scope == made.scope
    )


def tries(entry: Entry | None) -> int:
    """Return how often the target rejected what the entry stands for."""
    return int(entry.detail.get("tries", 0)) if entry else 0


def with_known(document: Document, known: Entry | None) -> Document:
    """Return a document to be rejected: what the target holds of it must not be forgotten."""
    detail = {**(known.detail if known else {}), **document.detail}
    detail.pop("tries", None)
    return replace(document, detail=detail)
