"""How a bulk delivery runs."""

from __future__ import annotations

from dataclasses import dataclass

from singer_delivery.errors import SetupError


@dataclass(frozen=True)
class BulkOptions:
    """Limits of a run. Times in seconds.

    `max_sends` bounds how often one request is sent when its answer is lost; `confirm_wait` how
    long the run waits for what the target makes of one accepted request. Documents that vanished
    from their source are withdrawn when `withdraw` is set and no more than `vanish_floor` or
    `vanish_limit_percent` of those held are missing. Unchanged content that was rejected is sent
    at most `max_tries` times, over all runs. Without `confirm`, what is accepted is delivered.
    A resource that another run delivers is waited for, `claim_wait` long.
    """

    connections: int = 8
    max_sends: int = 3
    confirm_wait: float = 60.0
    confirm: bool = True
    vanish_limit_percent: float = 20.0
    vanish_floor: int = 20
    withdraw: bool = True
    max_tries: int = 5
    claim_wait: float = 300.0

    def __post_init__(self) -> None:
        if min(self.connections, self.max_sends, self.max_tries) < 1 or self.confirm_wait < 0:
            msg = "max_connections, max_sends and max_tries must be 1 or more, and no wait below 0"
            raise SetupError(msg)
