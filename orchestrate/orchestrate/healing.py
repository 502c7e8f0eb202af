"""Which failure heals by itself, so that a repetition makes sense, and which one a person ends.

Judged by what the plugins noted and by the ledger, never by words of the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from singer_delivery.notes import Note

#: The other side was away, an answer was lost, or another run was at it.
HEALING = frozenset({"Unavailable", "InDoubt", "Busy"})
#: "Not everything has an outcome": it heals where documents are open in the ledger.
SUMMARY = "DeliveryError"


def heals(failures: Iterable[Note], open_documents: int) -> bool:
    """Tell whether the same run may succeed later without anybody doing anything."""
    kinds = {failure.kind for failure in failures}
    if open_documents:
        kinds -= {SUMMARY}
    return kinds <= HEALING and bool(kinds or open_documents)


def words(failures: Sequence[Note], last_lines: Sequence[str]) -> str:
    """Return why a run failed; where no plugin said so, the end of the log."""
    if failures:
        return "; ".join(f"{failure.plugin}: {failure.words}" for failure in failures)
    return "\n".join(["no plugin said why; the log ends with:", *last_lines[-10:]])


def pause(first: float, tried: int) -> float:
    """Return the seconds before the next try: the first pause, doubled each time."""
    return first * float(2**tried)
