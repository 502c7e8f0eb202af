from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from orchestrate.healing import HEALING, heals, pause, words
from singer_delivery.notes import Note

LASTING = ("SetupError", "AccessDenied", "Refused", "LedgerError", "BadInput", "MappingError")
kinds = st.sampled_from([*sorted(HEALING), *LASTING, "DeliveryError"])
notes = st.lists(st.builds(Note, plugin=st.just("target-d365fo"), kind=kinds))


@given(notes, st.integers(0, 3))
def test_what_a_person_has_to_put_right_is_never_retried(found: list[Note], undone: int) -> None:
    lasting = any(note.kind in LASTING for note in found)
    if lasting or not (found or undone):
        assert not heals(found, undone)


@given(st.lists(st.builds(Note, plugin=st.just("tap"), kind=st.sampled_from(sorted(HEALING)))))
def test_an_outage_is_retried(found: list[Note]) -> None:
    assert heals(found, 0) == bool(found)
    assert heals(found, 1)


def test_a_summary_is_retried_for_what_is_open_and_not_for_what_has_vanished() -> None:
    summary = [Note("target-basware", kind="DeliveryError", words="not everything …")]
    assert heals(summary, 1)
    assert not heals(summary, 0)


def test_pauses_grow() -> None:
    assert [pause(60, tried) for tried in range(3)] == [60, 120, 240]


def test_the_reason_is_that_of_the_plugin_or_else_the_end_of_the_log() -> None:
    assert words([Note("tap-basware", kind="Refused", words="no")], ["x"]) == "tap-basware: no"
    assert words([], ["first", "last"]).endswith("last")
