"""Told once: held against a hook that plainly remembers what it heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from singer_delivery.watching.alert import Alert, Kind, Severity, Sighting
from singer_delivery.watching.telling import News, Occasion, Told, after_telling, news

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
SUBJECTS = ("a", "b")


def alert(
    subject: str = "a", severity: Severity = Severity.WARNING, members: frozenset[str] = frozenset()
) -> Alert:
    return Alert(Kind.STUCK, subject, severity, f"{subject} is stuck", "look", members=members)


alerts = st.builds(
    alert,
    st.sampled_from(SUBJECTS),
    st.sampled_from(Severity),
    st.frozensets(st.sampled_from("123"), max_size=3),
)
#: Of each subject there is one alert at a time; sometimes nothing can be seen at all.
sightings = st.one_of(
    st.lists(alerts, max_size=2, unique_by=lambda one: one.subject).map(
        lambda found: Sighting(tuple(found))
    ),
    st.just(Sighting((), frozenset({(Kind.STUCK, "")}))),
)
#: What is seen, whether the hook takes what it is told, and hours that pass.
steps = st.tuples(sightings, st.booleans(), st.integers(1, 30))


@dataclass
class Hearer:
    """What somebody at the other end of a hook knows, by subject, and when it was heard."""

    known: dict[str, tuple[Alert, datetime]] = field(default_factory=dict)

    def expects(
        self, sighting: Sighting, now: datetime, remind_after: timedelta | None
    ) -> dict[str, Occasion]:
        expected = {}
        for one in sighting.alerts:
            if one.subject not in self.known:
                expected[one.subject] = Occasion.RAISED
                continue
            before, heard_at = self.known[one.subject]
            if one.severity > before.severity or not one.members <= before.members:
                expected[one.subject] = Occasion.CHANGED
            elif remind_after and now - heard_at >= remind_after:
                expected[one.subject] = Occasion.REMINDER
        gone = self.known.keys() - {one.subject for one in sighting.alerts}
        if not sighting.unseen:
            expected |= dict.fromkeys(gone, Occasion.RESOLVED)
        return expected

    def hears(self, fresh: Sequence[News], now: datetime) -> None:
        for each in fresh:
            if each.alert is None:
                del self.known[each.name[1]]
            else:
                self.known[each.name[1]] = each.alert, now

    def forgets_what_left(self, sighting: Sighting) -> None:
        for one in sighting.alerts:
            if one.subject in self.known:
                before, heard_at = self.known[one.subject]
                severity = min(before.severity, one.severity)
                kept = alert(one.subject, severity, before.members & one.members)
                self.known[one.subject] = kept, heard_at


@given(st.lists(steps, max_size=12), st.sampled_from([None, 24 * HOUR]))
def test_a_hook_hears_all_that_changes_and_nothing_twice(
    course: list[tuple[Sighting, bool, int]], remind_after: timedelta | None
) -> None:
    told: dict[tuple[str, str], Told] = {}
    hearer = Hearer()
    now = NOW
    for sighting, takes, hours in course:
        now += hours * HOUR
        fresh = news(sighting, told, now=now, remind_after=remind_after)
        occasions = {each.name[1]: each.occasion for each in fresh}
        assert len(fresh) == len(occasions)
        assert occasions == hearer.expects(sighting, now, remind_after)

        heard = fresh if takes else []
        told = after_telling(told, sighting, heard, now)
        hearer.forgets_what_left(sighting)
        hearer.hears(heard, now)


def test_what_left_and_comes_back_is_news() -> None:
    both, one = alert(members=frozenset("12")), alert(members=frozenset("1"))
    told = after_telling({}, Sighting((both,)), news_of(both, {}), NOW)
    assert news_of(one, told) == []
    told = after_telling(told, Sighting((one,)), [], NOW)
    assert [each.occasion for each in news_of(both, told)] == [Occasion.CHANGED]


def news_of(one: Alert, told: dict[tuple[str, str], Told]) -> list[News]:
    return news(Sighting((one,)), told, now=NOW, remind_after=None)


def test_the_worst_comes_first_and_what_has_ended_last() -> None:
    found = [alert("a"), alert("b", Severity.CRITICAL)]
    told = after_telling({}, Sighting((alert("0"),)), news_of(alert("0"), {}), NOW)
    fresh = news(Sighting(tuple(found)), told, now=NOW, remind_after=None)
    assert [each.name[1] for each in fresh] == ["b", "a", "0"]
