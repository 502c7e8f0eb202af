"""What became of the documents of a resource, in one line for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from singer_delivery.document import Status

#: What requests led to; with what an earlier run sent and this one confirmed.
SENT = (Status.ACCEPTED, Status.DELIVERED)
OTHERS = tuple(status for status in Status if status not in SENT)


def summary(
    counts: Mapping[Status, int],
    *,
    still_rejected: int = 0,
    inactivations: int = 0,
    requests: int = 0,
    fewest: int = 0,
) -> str:
    """Return the outcomes in words, like "31 delivered in 1 request (the fewest possible: 1)".

    `still_rejected` are not in `counts`, and `inactivations` are. `fewest` is the number of
    requests that no way of packing could go below; inactivations are not among the requests.
    """
    sent, others = _listed(counts, SENT), _listed(counts, OTHERS)
    words = [*sent, *others]
    if requests:
        taken = ", ".join(sent) or "nothing taken"
        words = [f"{taken} in {_number(requests, 'request')} (the fewest possible: {fewest})"]
        words += others
    if still_rejected:
        words.append(f"{still_rejected} still rejected")
    if inactivations:
        words.append(f"{_number(inactivations, 'inactivation')} among them")
    if not (sent or requests or inactivations or counts.get(Status.NOT_SENT)):
        words.append("nothing sent")
    return ", ".join(words)


def _listed(counts: Mapping[Status, int], statuses: Iterable[Status]) -> list[str]:
    return [
        f"{counts[status]} {status.value.replace('_', ' ')}"
        for status in statuses
        if counts.get(status)
    ]


def _number(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
