"""`python -m tests.model --steps 20000 --seed 1`: the stateful model at length."""

from __future__ import annotations

import argparse
import sys
import time

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import DerivedReferences, Model, NumberSequence, Tally

#: Examples of one kind that run under one seed.
PORTION = 10


def options(examples: int, steps: int, *, shrink: bool = True) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        database=None,
        deadline=None,
        phases=[Phase.generate, *([Phase.shrink] if shrink else [])],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-shrink", action="store_true", help="stop at the first finding")
    parser.add_argument("--length", type=int, default=100, help="steps of an example, at most")
    given = parser.parse_args()
    machines: tuple[type[Model], ...] = (DerivedReferences, NumberSequence)
    violations, number = 0, given.seed * 1000
    begun, busy = time.monotonic(), time.process_time()
    while Tally.steps < given.steps and not violations:
        machine = machines[number % 2]
        try:
            run_state_machine_as_test(
                seed(number)(machine),
                settings=options(PORTION, given.length, shrink=not given.no_shrink),
            )
        except Exception as problem:  # noqa: BLE001 - hypothesis has printed how to get there
            violations += 1
            print(f"seed {number}: {type(problem).__name__}: {problem}")
            for note in getattr(problem, "__notes__", ()):
                print(note)
        number += 1
        print(f"seeds to {number}: {Tally.steps} steps", file=sys.stderr, flush=True)
    elapsed, busy = time.monotonic() - begun, time.process_time() - busy
    print(f"steps: {Tally.steps}, examples: {Tally.examples}, violations: {violations}")
    print(f"{elapsed:.0f} s, {1000 * busy / max(Tally.steps, 1):.1f} ms of processor time a step")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
