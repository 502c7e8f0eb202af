"""Whatever people, networks and power cuts do, in any order: never twice, never lost, never half.

At length: `python -m tests.model --steps 20000 --seed 1`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model import weaknesses
from tests.model.machine import DerivedReferences, Model, NumberSequence
from tests.model.promises import Broken

QUICK = settings(
    max_examples=10,
    stateful_step_count=60,
    database=None,
    deadline=None,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
)
#: A weak product is found out in so many examples, whichever come first.
FOUND = settings(
    QUICK,
    max_examples=30,
    stateful_step_count=50,
    phases=[Phase.generate],
    verbosity=Verbosity.quiet,
)


@pytest.mark.parametrize("machine", [DerivedReferences, NumberSequence])
def test_no_sequence_of_events_breaks_a_promise(machine: type[Model]) -> None:
    run_state_machine_as_test(seed(4)(machine), settings=QUICK)


@pytest.mark.parametrize(
    ("weaken", "machine"),
    [
        (weaknesses.without_reading_back, NumberSequence),
        (weaknesses.without_looking, NumberSequence),
        (weaknesses.settled_before_sending, DerivedReferences),
        (weaknesses.told_before_delivery, NumberSequence),
    ],
)
def test_a_weaker_product_is_found_out(
    weaken: Callable[[], AbstractContextManager[Any]], machine: type[Model]
) -> None:
    with weaken(), pytest.raises(Broken):
        run_state_machine_as_test(seed(1)(machine), settings=FOUND)
