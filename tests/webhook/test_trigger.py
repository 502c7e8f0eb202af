from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from singer_delivery.errors import SetupError
from tap_basware.notification import Notification
from tap_basware.webhook.metrics import Metrics
from tap_basware.webhook.serving import News
from tap_basware.webhook.settings import kinds
from tap_basware.webhook.trigger import Trigger, command_of

Scenario = Callable[[Trigger], Awaitable[Any]]


def run(script: str, scenario: Scenario, pauses: list[float] | None = None, **given: Any) -> None:
    """Let a trigger run a Python script while a scenario goes on."""

    async def sleep(seconds: float) -> None:
        if pauses is not None and seconds:
            pauses.append(seconds)
        await asyncio.sleep(0)

    async def both() -> None:
        trigger = Trigger(
            [sys.executable, "-c", script], Metrics(), delay_seconds=0, sleep=sleep, **given
        )
        loop = asyncio.create_task(trigger.loop())
        try:
            async with asyncio.timeout(30):
                await scenario(trigger)
        finally:
            loop.cancel()
            with suppress(asyncio.CancelledError):
                await loop
            if trigger._process:  # left alone by the trigger, not by us
                await trigger._process.wait()

    asyncio.run(both())


def counting(file: Path, then: str = "") -> str:
    return f"import sys, time; open({str(file)!r}, 'a').write('x'); {then}"


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def ended(trigger: Trigger, outcome: str = "ended") -> int:
    return int(trigger.metrics.runs.labels(outcome)._value.get())


def test_it_runs_at_the_start_and_after_a_notification(tmp_path: Path) -> None:
    async def scenario(trigger: Trigger) -> None:
        await until(lambda: ended(trigger) == 1)
        trigger.fire()
        await until(lambda: ended(trigger) == 2)

    run(counting(tmp_path / "runs"), scenario)
    assert (tmp_path / "runs").read_text() == "xx"


def test_any_number_during_a_run_is_one_more(tmp_path: Path) -> None:
    runs = tmp_path / "runs"

    async def scenario(trigger: Trigger) -> None:
        await until(runs.exists)
        for _ in range(50):
            trigger.fire()
        await until(lambda: ended(trigger) == 2)
        await asyncio.sleep(0.2)

    run(counting(runs, "time.sleep(0.3)"), scenario)
    assert runs.read_text() == "xx"


def test_a_failed_run_is_repeated_after_growing_pauses(tmp_path: Path) -> None:
    runs, pauses = tmp_path / "runs", list[float]()
    fails = counting(runs, f"sys.exit(len(open({str(runs)!r}).read()) < 4)")

    async def scenario(trigger: Trigger) -> None:
        await until(lambda: ended(trigger) == 1)
        assert trigger.metrics.failures._value.get() == 0

    run(fails, scenario, pauses)
    assert runs.read_text() == "xxxx"
    assert pauses == [10, 20, 40]


def test_pauses_have_an_end(tmp_path: Path) -> None:
    pauses: list[float] = []

    async def scenario(trigger: Trigger) -> None:
        await until(lambda: len(pauses) > 9)

    run("raise SystemExit(1)", scenario, pauses)
    assert pauses[:8] == [10, 20, 40, 80, 160, 320, 600, 600]


def test_a_command_that_is_not_there_is_a_failed_run() -> None:
    async def scenario() -> None:
        trigger = Trigger(["no-such-command"], Metrics(), delay_seconds=0)
        assert not await trigger._run()
        assert ended(trigger, "failed") == 1

    asyncio.run(scenario())


def test_a_stop_lets_the_run_end(tmp_path: Path) -> None:
    ready, last = tmp_path / "ready", tmp_path / "last"
    script = (
        "import signal, sys, time\n"
        f"last = lambda *_: (open({str(last)!r}, 'w').close(), sys.exit())\n"
        "signal.signal(signal.SIGTERM, last)\n"
        f"open({str(ready)!r}, 'w').close()\n"
        "time.sleep(60)"
    )

    async def scenario(_: Trigger) -> None:
        await until(ready.exists)

    run(script, scenario)
    assert last.exists()


def test_a_stop_does_not_wait_for_ever(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    script = (
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"open({str(ready)!r}, 'w').close()\n"
        "time.sleep(0.5)"
    )

    async def scenario(_: Trigger) -> None:
        await until(ready.exists)

    run(script, scenario, grace_seconds=0.1)


@pytest.mark.parametrize(
    ("run_on", "starts"),
    [
        ("AccountingDocuments", True),
        ("AccountingDocuments/WaitingForTransfer", True),
        ("AccountingDocuments/WaitingForPrebook", False),
        ("RequestStatus", False),
    ],
)
def test_only_news_of_its_kind_starts_a_run(run_on: str, starts: bool) -> None:
    trigger = Trigger(["meltano"], Metrics())
    news = News(trigger.metrics, trigger, kinds([run_on], "run_on"))
    news.tell(3, [])  # all of them were there before
    assert not trigger._wanted.is_set()
    waiting = Notification("t", "New", "AccountingDocuments", "WaitingForTransfer", "d")
    news.tell(1, [waiting])
    assert trigger._wanted.is_set() == starts
    assert trigger.metrics.repeated._value.get() == 3
    assert trigger.metrics.noted._value.get() == 1


def test_a_command_line_is_split_without_a_shell() -> None:
    assert command_of("meltano run 'my job'; rm x") == ["meltano", "run", "my job;", "rm", "x"]


@pytest.mark.parametrize("text", ["", "  ", "meltano 'run"])
def test_a_command_line_that_is_none(text: str) -> None:
    with pytest.raises(SetupError):
        command_of(text)
