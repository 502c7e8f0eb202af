"""Told once: held against a hook that plainly remembers what it heard."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from singer_delivery.watching.alert import Alert, Kind, Severity, Sighting
from singer_delivery.watching.telling import Occasion, Told, after_telling, news

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


@given(st.lists(steps, max_size=12), st.sampled_from([None, 24 * HOUR]))
def test_a_hook_hears_all_that_changes_and_nothing_twice(
    course: list[tuple[Sighting, bool, int]], remind_after: timedelta | None
) -> None:
    told: dict[tuple[str, str], Told] = {}
    open_at_hook: dict[str, datetime] = {}
    last_seen: dict[str, Alert] = {}
    now = NOW
    for sighting, takes, hours in course:
        now += hours * HOUR
        fresh = news(sighting, told, now=now, remind_after=remind_after)
        seen = {one.subject: one for one in sighting.alerts}

        by_subject = {each.name[1]: each.occasion for each in fresh}
        assert len(by_subject) == len(fresh), "one piece of news about each alert"
        for subject, one in seen.items():
            heard_of = open_at_hook.get(subject)
            occasion = by_subject.get(subject)
            if heard_of is None:
                assert occasion is Occasion.RAISED
            elif remind_after and now - heard_of >= remind_after:
                assert occasion in {Occasion.REMINDER, Occasion.CHANGED}
            elif occasion is not None:
                assert occasion is Occasion.CHANGED
                before = last_seen[subject]
                grew = one.members - before.members or one.severity > before.severity
                assert grew
        for subject in SUBJECTS:
            ended = subject in open_at_hook and subject not in seen and not sighting.unseen
            assert (by_subject.get(subject) is Occasion.RESOLVED) == ended

        told = after_telling(told, sighting, fresh if takes else [], now)
        for subject, occasion in by_subject.items():
            if not takes:
                continue
            if occasion is Occasion.RESOLVED:
                del open_at_hook[subject]
            else:
                open_at_hook[subject] = now
                last_seen[subject] = seen[subject]
        for subject, one in seen.items():
            if subject in last_seen and subject not in by_subject:
                last_seen[subject] = one
            elif subject in last_seen and not takes and subject in open_at_hook:
                kept = last_seen[subject].members & one.members
                severity = min(last_seen[subject].severity, one.severity)
                last_seen[subject] = alert(subject, severity, kept)
        assert {name[1] for name in told} == set(open_at_hook)


def test_what_left_and_comes_back_is_news() -> None:
    both, one = alert(members=frozenset("12")), alert(members=frozenset("1"))
    told = after_telling({}, Sighting((both,)), news_of(both, {}), NOW)
    assert news_of(one, told) == []
    told = after_telling(told, Sighting((one,)), [], NOW)
    assert [each.occasion for each in news_of(both, told)] == [Occasion.CHANGED]


def news_of(one: Alert, told: dict[tuple[str, str], Told]) -> list:  # type: ignore[type-arg]
    return news(Sighting((one,)), told, now=NOW, remind_after=None)


def test_the_worst_comes_first_and_what_has_ended_last() -> None:
    found = [alert("a"), alert("b", Severity.CRITICAL)]
    told = after_telling({}, Sighting((alert("0"),)), news_of(alert("0"), {}), NOW)
    fresh = news(Sighting(tuple(found)), told, now=NOW, remind_after=None)
    assert [each.name[1] for each in fresh] == ["b", "a", "0"]
