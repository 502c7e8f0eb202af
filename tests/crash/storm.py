"""What happens in a seed: chance, kills, losses, runners, and what people do meanwhile."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.chaos import ChaosPlan

#: Headers numbered by the target or by Dynamics: the setting header_reference.
MODES = ("derived", "number_sequence")
PACKAGE = "package"
#: Runners at once, and the ledgers that they have between them.
OFFICES = ("one runner", "two runners, one ledger", "two runners, two ledgers")
#: A process may be killed at one of its first events; many have fewer.
LATEST_EVENT = 150


@dataclass(frozen=True)
class Round:
    """One start of each job, and what happens before it.

    `kills` maps (runner, stage, process) to the number of the event at which that process is
    killed. `edited` and `sent_again` are how many invoices are changed, or only sent out again, in
    Basware; `posts` and `pays` tell whether people in Dynamics post some invoices, and pay.
    """

    kills: Mapping[tuple[int, str, str], int]
    state_lost: bool
    ledger_lost: bool
    edited: int
    sent_again: int
    posts: bool
    pays: bool


@dataclass(frozen=True)
class Plan:
    """Everything that follows from a seed. `settings` are the plugins', by plugin.

    People in Basware change an invoice after it was answered, as P2P has it. `edits_waiting`: also
    while it waits, so that what became of its earlier version may be told of the later one.
    """

    seed: int
    invoices: int
    mode: str
    offices: str
    duplicate_check: bool
    connections: int
    chaos: ChaosPlan
    rounds: tuple[Round, ...]
    edits_waiting: bool = False
    continuous_numbers: bool = False
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return it in words."""
        kills = sum(len(each.kills) for each in self.rounds)
        words = [
            self.mode,
            self.offices,
            f"{self.invoices} invoices",
            f"{self.connections} connections",
            f"{self.chaos.lost_answers:.0%} of the answers lost",
            f"{kills} kills",
        ]
        words += ["edited while they wait"] * self.edits_waiting
        words += ["state lost"] * any(each.state_lost for each in self.rounds)
        words += ["ledger lost"] * any(each.ledger_lost for each in self.rounds)
        words += ["no duplicate check in Dynamics"] * (not self.duplicate_check)
        words += ["freed numbers given out again"] * self.continuous_numbers
        return ", ".join(words)

    @property
    def editable(self) -> frozenset[str]:
        """The processing statuses of invoices that may be edited."""
        answered = {"Transferred", "TransferFailed"}
        return frozenset(answered | {"WaitingForTransfer"} if self.edits_waiting else answered)

    @property
    def runners(self) -> int:
        """How many run at once."""
        return 1 if self.offices == OFFICES[0] else 2


def draw(seed: int, *, edits_waiting: bool = False, packages: bool = False) -> Plan:
    """The plan of a seed; with `packages`, invoices go in those, whatever else it says."""
    rng = random.Random(f"storm {seed}")
    offices = rng.choices(OFFICES, (6, 2, 2))[0]
    runners = 1 if offices == OFFICES[0] else 2
    # Ledgers that know nothing of each other are protected by Dynamics' own check alone.
    duplicate_check = offices == OFFICES[2] or rng.random() < 0.6
    invoices, mode = rng.randint(6, 10), rng.choice(MODES)
    return Plan(
        seed=seed,
        edits_waiting=edits_waiting,
        # By a die of its own, so that seeds from before there was such a thing are what they were.
        continuous_numbers=random.Random(f"numbers {seed}").random() < 0.5,
        invoices=invoices,
        mode=PACKAGE if packages else mode,
        offices=offices,
        duplicate_check=duplicate_check,
        connections=rng.choice((1, 1, 3)),
        chaos=_chaos(seed, rng),
        rounds=tuple(_round(rng, number, runners) for number in range(rng.choice((1, 2, 2, 3)))),
        settings={
            "tap-basware": {"page_size": rng.choice((2, 3, 100))},
            "target-d365fo": {"batch_size_rows": rng.choice((2, 5, 100)), **_together(seed)},
            "target-basware": {"batch_size_rows": rng.choice((2, 5, 100))},
        },
    )


def _together(seed: int) -> dict[str, int]:
    """How many invoices go into one request: as always, measured, or so many."""
    # By a die of its own, so that seeds from before there was such a thing are what they were.
    least, most = random.Random(f"together {seed}").choice(((1, 1), (1, 10), (3, 3), (10, 10)))
    return {"min_invoices_per_request": least, "max_invoices_per_request": most}


def _chaos(seed: int, rng: random.Random) -> ChaosPlan:
    """Lost answers: 10 % for half of the seeds, 50 % for a tenth."""
    return ChaosPlan(
        seed=seed,
        lost_answers=rng.choices((0.0, 0.1, 0.5), (4, 5, 1))[0],
        resets=rng.choice((0.0, 0.05)),
        unavailable=rng.choice((0.0, 0.05)),
        throttled=rng.choice((0.0, 0.05)),
        longest_retry_after=rng.choices((0, 1), (7, 1))[0],
        expired_tokens=rng.choice((0.0, 0.05)),
        repeated_pages=rng.choice((0.0, 0.4)),
        shuffled_rows=rng.choice((0.0, 0.5)),
        slow=rng.choice((0.0, 0.1)),
        longest_delay=0.03,
    )


def _round(rng: random.Random, number: int, runners: int) -> Round:
    kills = {
        (runner, stage, process): rng.randint(1, LATEST_EVENT)
        for runner in range(runners)
        for stage in ("invoices", "outcomes", "payments")
        for process in ("tap", "target")
        if rng.random() < (0.45 if process == "target" else 0.15)
    }
    later = number > 0
    return Round(
        kills=kills,
        state_lost=later and rng.random() < 0.2,
        ledger_lost=later and rng.random() < 0.2,
        edited=rng.choice((0, 0, 1, 2)) if later else 0,
        sent_again=rng.choice((0, 0, 1)) if later else 0,
        posts=later and rng.random() < 0.6,
        pays=later and rng.random() < 0.7,
    )
