"""How much is under way at a time: found out by measuring, within what the settings allow. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

#: Twice as many documents in a request must not take this many times as long: each document then
#: takes at least a tenth less.
WORTH_IT = 1.8
#: Stages after which it is measured again whether as many documents in a request still pay.
CALM = 20
#: Answers by each connection after which one more is tried where the server has asked to wait.
CAUTION = 16
#: Answers that a stage takes at least, so that one odd answer does not decide.
SAMPLE = 4


@dataclass
class Pace:
    """Connections in use, and documents in a request; callers hold a lock around it.

    Connections begin at two. Every answer adds one, so that they double with each round trip;
    where the server asks to wait they are halved, and come back one by one, much later.

    Documents in a request begin at `least` and are doubled as long as that pays: where the round
    trip takes most of the time, twice as many take hardly longer. Where the server's work does,
    they take twice as long, and there are as few as before.
    """

    most_connections: int = 8
    least: int = 1
    most: int = 1
    connections: int = field(init=False)
    together: int = field(init=False)
    _seconds: list[float] = field(default_factory=list, init=False)
    #: Seconds that a request took with half as many documents, None before that is known.
    _before: float | None = field(default=None, init=False)
    _settled_for: int = field(default=0, init=False)
    _rising: bool = field(default=True, init=False)
    _since_throttled: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.connections = min(2, self.most_connections)
        self.together = self.least

    def answered(self, documents: int, seconds: float) -> None:
        """Note that a request with so many documents was answered, and how long that took."""
        self._add_connection()
        if documents != self.together or self.least == self.most:
            return  # asked before the last change, or there was no more to send
        self._seconds.append(seconds)
        if len(self._seconds) >= max(SAMPLE, self.connections):
            self._end_stage(median(self._seconds))

    def throttled(self) -> None:
        """Note that the server asked everybody to wait."""
        self.connections = max(1, self.connections // 2)
        self._since_throttled = 0

    def lost(self) -> None:
        """Note that the answer to several documents was lost: as few as possible, for a while."""
        self._change(self.least)
        self._rising = False
        self._settled_for = 0

    def _add_connection(self) -> None:
        if self._since_throttled is not None:
            self._since_throttled += 1
            if self._since_throttled < CAUTION * self.connections:
                return
            self._since_throttled = 0
        self.connections = min(self.most_connections, self.connections + 1)

    def _end_stage(self, seconds: float) -> None:
        self._seconds.clear()
        if self.connections < self.most_connections and self._since_throttled is None:
            return  # with more connections it takes another time
        if self._rising:
            self._rise(seconds)
            return
        self._settled_for += 1
        if self._settled_for >= CALM:
            self._look_again()

    def _rise(self, seconds: float) -> None:
        if self._before is not None and seconds > self._before * WORTH_IT:
            self._settle(max(self.least, self.together // 2))
        elif self.together == self.most:
            self._settle(self.most)
        else:
            self._change(min(self.most, self.together * 2))
            self._before = seconds

    def _settle(self, together: int) -> None:
        self._change(together)
        self._rising = False
        self._settled_for = 0

    def _look_again(self) -> None:
        """Measure with half as many, then rise from there."""
        self._change(max(self.least, self.together // 2))
        self._rising = True

    def _change(self, together: int) -> None:
        self.together = together
        self._before = None
        self._seconds.clear()
