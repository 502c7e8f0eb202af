"""A server that takes a fixed number of invoices a second, and asks whoever comes for more to wait.

It saves up two seconds of its capacity, begins with none, and answers 429 with a Retry-After of
whole seconds. What target-d365fo gets through is compared with what the server could have taken
from the first write to the last. A request before the end of a wait counts as early, unless it may
have been on its way when the server began to refuse: the first of its connection, within 250 ms.
"""

from __future__ import annotations

from bench.findings import Finding, Goal, at_least
from bench.invoice_rate import LINES, documents, ours
from bench.measure import Spread, number
from bench.place import Place, check


def measure(place: Place) -> Finding:
    """Measure share and manners."""
    size, seen = place.size, []
    file = documents(place, size.throttled_invoices)
    place.say(f"  {size.throttled_invoices} invoices at {size.capacity}/s, {size.rounds} rounds")
    options = ("--latency", str(size.latency / 2), "--capacity", str(size.capacity))
    with place.serving("invoice_server", *options) as server:
        for _ in range(size.rounds):
            server.forget()
            ours(place, server)(file)
            counted = server.counted()
            expected = (size.throttled_invoices, LINES * size.throttled_invoices)
            check((counted["headers"], counted["lines"]), expected, "headers and lines")
            seen.append(counted)
    shares = Spread.of(
        each["headers"] / (size.capacity * (each["last"] - each["first"])) for each in seen
    )
    early = sum(each["early"] for each in seen)
    what = f"throttled server, {number(size.capacity)} invoices/s"
    return Finding(
        "throttled",
        "A server that throttles",
        [
            at_least(what, "≥ 0.95 of its capacity", 0.95, shares),
            Goal(what, "no request before its Retry-After", str(early), early == 0),
        ],
        [
            "round",
            "share of capacity",
            "429 answers",
            "before Retry-After",
            "on their way",
            "the latest, ms after a 429",
        ],
        [
            [
                str(number_ + 1),
                number(each["headers"] / (size.capacity * (each["last"] - each["first"]))),
                *(str(each[name]) for name in ("throttled", "early", "crossing")),
                f"{1000 * each['latest']:.0f}",
            ]
            for number_, each in enumerate(seen)
        ],
        [f"{size.latency * 500:.0f} ms round trip."],
    )
