"""Settling the invoices of an import that is over: by what Dynamics holds, whatever it says.

What is whole is taken out of its mark and its hold, many in a request. What is half is removed
again. For what is not there then, the words of the import count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace

from singer_delivery.document import Entry, Outcome, Status
from singer_delivery.errors import ApiError
from tap_d365fo.client import D365Client
from tap_d365fo.errors import BusinessRefusal

from target_d365fo.executions import Executions
from target_d365fo.halves import whole_header
from target_d365fo.held import Held, is_complete, line_count, pending_whole
from target_d365fo.lookup import DRAFT, Pending
from target_d365fo.sending import (
    REMEDY,
    Deletion,
    delete_as_seen,
    finish_together,
    remove_half,
)

#: Invoices that are looked up together, and whose headers are finished in one request: all fields
#: of all their lines are in memory then, once for each connection.
TOGETHER = 40


@dataclass(frozen=True)
class ImportedInvoices:
    """Reads back, finishes and clears up in Dynamics, on as many connections as the client has.

    `held` reads what Dynamics holds of documents, by key. With `marked`, halves say that they are
    some: whatever does not is somebody's work.
    """

    client: D365Client
    held: Callable[[Sequence[Entry]], Mapping[str, Held]]
    marked: bool = True

    def settled(self, entries: Sequence[Entry], executions: Executions) -> dict[str, Outcome]:
        """Return the outcomes of documents whose imports are over, by key.

        A key that is missing is not in Dynamics, for no reason that it gave.
        """
        pieces = [entries[n : n + TOGETHER] for n in range(0, len(entries), TOGETHER)]
        outcomes: dict[str, Outcome] = {}
        with ThreadPoolExecutor(self.client.options.connections) as pool:
            # Each with the context of this thread: whoever takes note of exchanges still does.
            found = [pool.submit(copy_context().run, self._settle, piece) for piece in pieces]
            for one in found:
                outcomes |= one.result()
        for entry in entries:
            said = None if entry.key in outcomes else executions.outcome(entry)
            if said and said.status is Status.REJECTED:
                said = replace(said, reason=f"{said.reason}; {REMEDY}")
            if said:
                outcomes[entry.key] = said
        return outcomes

    def _settle(self, entries: Sequence[Entry]) -> dict[str, Outcome]:
        """Settle a piece by what Dynamics holds; what cannot be read stays in doubt."""
        try:
            held = self.held(entries)
        except ApiError as error:
            return {entry.key: _doubt(f"reading back failed: {error}") for entry in entries}
        outcomes: dict[str, Outcome] = {}
        to_finish: list[tuple[Held, Pending]] = []
        for found in held.values():
            key = found.entry.key
            whole = [half for half, lines in found.halves if is_complete(found.entry, half, lines)]
            if found.outcome or _unmarked(found):
                outcomes[key] = found.outcome or _unmarked(found)  # type: ignore[assignment]
                whole = []
            elif whole:
                to_finish.append((found, whole[0]))
            spare = [half for half, _ in found.halves if half not in whole[:1]]
            outcomes |= self._removed(found, spare)
        return outcomes | self._finished(to_finish)

    def _removed(self, found: Held, halves: Sequence[Pending]) -> dict[str, Outcome]:
        """Remove halves, and what an import left without all its lines; in doubt where it fails."""
        key = found.entry.key
        try:
            for half in halves:
                remove_half(self.client, half, key)
            for pending in () if self.marked or found.outcome else _torn(found):
                if delete_as_seen(self.client, pending) is Deletion.CHANGED:
                    return {key: _doubt(f"{pending} was changed by somebody else")}
        except ApiError as error:
            return {key: _doubt(f"a half of it is still there: {error}")}
        return {}

    def _finished(self, whole: Sequence[tuple[Held, Pending]]) -> dict[str, Outcome]:
        """Make halves whole that lack nothing; return what became of each, by key."""
        changes = [(half, whole_header(found.entry.detail)) for found, half in whole]
        errors = finish_together(self.client, changes) if changes else []
        return {
            found.entry.key: self._after(found, half, error)
            for (found, half), error in zip(whole, errors, strict=True)
        }

    def _after(self, found: Held, half: Pending, error: ApiError | None) -> Outcome:
        """Return what it means that a half was finished, or was not."""
        if error is None:
            return pending_whole(half)
        if not isinstance(error, BusinessRefusal):
            return _doubt(f"{half} is not finished: {error}")
        problem = self._removed(found, [half])
        reason = f"{error.problem.text.rstrip('.')}; {REMEDY}"
        return problem.get(found.entry.key) or Outcome(Status.REJECTED, reason)


def _unmarked(found: Held) -> Outcome | None:
    """Return that an import without marks has brought it whole."""
    complete = [p for p, lines in found.others if is_complete(found.entry, p, lines)]
    return pending_whole(complete[0]) if complete else None


def _torn(found: Held) -> list[Pending]:
    """Return the drafts of which lines are missing, and which do not say that they are halves."""
    few = line_count(found.entry)
    return [p for p, lines in found.others if p.status == DRAFT and len(lines) < few]


def _doubt(reason: str) -> Outcome:
    return Outcome(Status.IN_DOUBT, reason)
