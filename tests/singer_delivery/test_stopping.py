"""A stop cuts waits short, lets what is in flight finish, and ends in time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from singer_delivery.errors import InDoubt, Unavailable
from singer_delivery.http import ApiSession, HttpOptions
from singer_delivery.stopping import ECHO, GLANCE, PROCESS, Stop, Stopped
from singer_delivery.throttle import Gate

from tests.singer_delivery.web import Answer, ScriptedServer, Silence, Step

ROOT = Path(__file__).parents[2]
ASKED_TO_WAIT = Answer(429, headers={"Retry-After": "60"})


@pytest.fixture(autouse=True)
def process_goes_on() -> Iterator[None]:
    yield
    PROCESS.clear()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def stop() -> Stop:
    return Stop()


@pytest.fixture
def session(server: ScriptedServer, stop: Stop) -> Iterator[ApiSession]:
    opened = ApiSession(
        server.url,
        options=HttpOptions(read_timeout=5, max_attempts=3, connections=16),
        gate=Gate(sleep=stop.sleep),
        request_id=lambda answer: answer.headers.get("ms-request-id"),
        stop=stop,
        sleep=stop.sleep,
    )
    yield opened
    opened.close()


def soon(condition: Callable[[], bool]) -> None:
    """Wait until this is so."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


# The stop itself


class Naps:
    """A clock that only naps move; what is done in the n-th nap is told by `then`."""

    def __init__(self) -> None:
        self.now = 50.0
        self.taken: list[float] = []
        self.then: dict[int, Callable[[], object]] = {}

    def clock(self) -> float:
        return self.now

    def nap(self, seconds: float) -> None:
        self.taken.append(seconds)
        self.now += seconds
        self.then.get(len(self.taken), lambda: None)()


@pytest.fixture
def naps() -> Naps:
    return Naps()


def test_a_sleep_lasts_as_long_as_it_was_meant_to(naps: Naps) -> None:
    Stop(naps.clock, naps.nap).sleep(60)
    assert naps.now == pytest.approx(110)
    assert max(naps.taken) <= GLANCE
    assert GLANCE <= 0.2


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_no_sleep_at_all(naps: Naps, seconds: float) -> None:
    Stop(naps.clock, naps.nap).sleep(seconds)
    assert naps.taken == []


def test_a_short_sleep_is_not_longer_than_asked(naps: Naps) -> None:
    Stop(naps.clock, naps.nap).sleep(0.01)
    assert naps.taken == [pytest.approx(0.01)]


def test_a_sleep_ends_with_the_nap_in_which_the_stop_was_requested(naps: Naps) -> None:
    stop = Stop(naps.clock, naps.nap)
    naps.then[3] = stop.request
    stop.sleep(60)
    assert len(naps.taken) == 3
    stop.sleep(60)
    assert len(naps.taken) == 3


def test_a_second_request_insists_only_when_it_is_no_echo_of_the_first(naps: Naps) -> None:
    stop = Stop(naps.clock, naps.nap)
    assert not stop.requested
    assert stop.request() is False
    assert stop.requested
    naps.now += ECHO
    assert stop.request() is False
    naps.now += 0.001
    assert stop.request() is True
    assert stop.requested
    assert 1 <= ECHO <= 5  # Meltano's SIGTERM comes within a second of Ctrl-C


def test_a_cleared_stop_is_as_new(naps: Naps) -> None:
    stop = Stop(naps.clock, naps.nap)
    stop.request()
    naps.now += 100
    stop.clear()
    assert not stop.requested
    assert stop.request() is False
    assert Stop(naps.clock, naps.nap).requested is False


def test_the_grace_ends_once_and_after_its_time(naps: Naps) -> None:
    over = threading.Event()
    stop = Stop(naps.clock, naps.nap)
    stop.request()
    stop.grace(25, over.set)
    assert over.wait(5)
    assert naps.taken == [25]


def test_a_grace_that_was_cleared_ends_nothing(naps: Naps) -> None:
    over, woken = threading.Event(), threading.Event()
    stop = Stop(naps.clock, naps.nap)

    def done() -> None:
        stop.clear()
        woken.set()

    naps.then[1] = done
    stop.grace(25, over.set)
    assert woken.wait(5)
    assert not over.wait(0.05)


def test_a_grace_belongs_to_one_run(naps: Naps) -> None:
    over, woken = threading.Event(), threading.Event()
    stop = Stop(naps.clock, naps.nap)
    stop.clear()

    def done() -> None:
        stop.clear()
        woken.set()

    naps.then[1] = done
    stop.grace(25, over.set)
    assert woken.wait(5)
    assert not over.wait(0.05)


def test_a_handler_may_request_a_stop_at_any_moment_of_the_main_thread() -> None:
    # Hundreds of signals into the very sleep that they end: a lock in there would be held by then.
    before = signal.getsignal(signal.SIGALRM)
    stop = Stop(nap=lambda seconds: None)
    ended = 0
    try:
        signal.signal(signal.SIGALRM, lambda *_: stop.request())
        for number in range(300):
            stop.clear()
            signal.setitimer(signal.ITIMER_REAL, 0.0001 + number * 0.000003)
            stop.sleep(10)
            ended += stop.requested
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert ended == 300


def test_stopped_is_an_exit_with_code_1() -> None:
    stopped = Stopped("SIGTERM")
    assert isinstance(stopped, SystemExit)
    assert (stopped.code, stopped.signal_name) == (1, "SIGTERM")


# The session


def test_a_wait_for_retry_after_ends_and_the_request_was_not_sent(
    server: ScriptedServer, session: ApiSession, stop: Stop
) -> None:
    server.play(Answer(429, headers={"Retry-After": "60", "ms-request-id": "r-1"}))
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(session.request, "POST", "/x?token=s3cret", json_body={})
        soon(lambda: len(server.requests) == 1)
        stop.request()
        with pytest.raises(Unavailable, match=r"429.*the run is stopping, so it is not") as caught:
            sent.result(2)
    assert (caught.value.status, caught.value.request_id) == (429, "r-1")
    assert "s3cret" not in str(caught.value)
    assert len(server.requests) == 1


def test_every_thread_at_the_gate_wakes(
    server: ScriptedServer, session: ApiSession, stop: Stop
) -> None:
    session.gate.close_for(60)
    with ThreadPoolExecutor(12) as pool:
        sent = [pool.submit(session.request, "POST", f"/{n}", json_body={}) for n in range(12)]
        time.sleep(0.05)
        stop.request()
        asked = time.monotonic()
        for future in sent:
            words = rf"POST {server.url}/\d+: {server.url} asked to wait .* it was not sent"
            with pytest.raises(Unavailable, match=words) as caught:
                future.result(2)
            assert caught.value.status is None
    assert time.monotonic() - asked < 2
    assert server.requests == []


@pytest.mark.parametrize(("method", "fault"), [("POST", Answer(429)), ("GET", Answer(500))])
def test_a_back_off_ends_and_the_request_is_not_repeated(
    server: ScriptedServer, stop: Stop, method: str, fault: Step
) -> None:
    server.play(fault, fault)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        stop.request()

    session = ApiSession(server.url, stop=stop, sleep=sleep)
    words = rf"{method} {server.url}/x: \d+ [^;]*; the run is stopping, so it is not sent again"
    with pytest.raises(Unavailable, match=words):
        session.request(method, "/x")
    assert (len(server.requests), len(slept)) == (1, 1)
    with pytest.raises(Unavailable):
        session.request(method, "/x")
    assert (len(server.requests), len(slept)) == (2, 1)
    session.close()


def test_a_request_that_need_not_wait_is_sent_after_the_stop(
    server: ScriptedServer, session: ApiSession, stop: Stop
) -> None:
    stop.request()
    assert session.request("POST", "/lines", json_body={}).status_code == 200
    assert session.request("DELETE", "/header").status_code == 200
    assert len(server.requests) == 2


def test_what_was_lost_is_in_doubt_all_the_same(
    server: ScriptedServer, session: ApiSession, stop: Stop
) -> None:
    stop.request()
    server.play(Answer(500))
    with pytest.raises(InDoubt):
        session.request("POST", "/lines", json_body={})


def test_a_request_that_is_under_way_is_finished(
    server: ScriptedServer, stop: Stop, session: ApiSession
) -> None:
    server.play(Silence())
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(session.request, "GET", "/x")
        soon(lambda: len(server.requests) == 1)
        stop.request()
        time.sleep(3 * GLANCE)
        assert not sent.done()
        server.closing.set()
        with pytest.raises(Unavailable):
            sent.result(5)


def test_a_session_of_its_own_listens_to_the_stop_of_the_process(server: ScriptedServer) -> None:
    session = ApiSession(server.url)
    session.gate.close_for(60)
    PROCESS.request()
    with pytest.raises(Unavailable, match="the run is stopping"):
        session.get("/x")
    assert server.requests == []
    session.close()


# Processes


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []

    def start_one(*arguments: str) -> subprocess.Popen[str]:
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "tests.singer_delivery.stopped", *arguments],
                cwd=ROOT,
                # Unbuffered, Python itself drops the rest of a write that a signal interrupts.
                env={**os.environ, "PYTHONUNBUFFERED": ""},
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )
        return processes[-1]

    yield start_one
    for process in processes:
        process.kill()
        process.communicate()


Start = Callable[..., subprocess.Popen[str]]


def read_first_record(process: subprocess.Popen[str]) -> None:
    """Take the lines until the first record from the pipe, and not a byte more."""
    assert process.stdout is not None
    line = b""
    while not line.endswith(b"\n") or b'"a"' not in line:
        line = b"" if line.endswith(b"\n") else line
        line += os.read(process.stdout.fileno(), 1)


def test_a_process_that_was_asked_to_wait_ends_within_two_seconds_of_sigterm(
    server: ScriptedServer, start: Start
) -> None:
    server.default = ASKED_TO_WAIT
    process = start("target", server.url, "25")
    soon(lambda: len(server.requests) >= 1)
    time.sleep(0.1)
    process.terminate()
    asked = time.monotonic()
    output, errors = process.communicate(timeout=10)
    assert time.monotonic() - asked < 2
    assert process.returncode == 1
    assert errors == ""
    said = output.splitlines()
    assert len(said) == 4
    assert all(line.startswith("Unavailable: POST ") for line in said)
    assert all("the run is stopping" in line for line in said)
    assert 1 <= len(server.requests) <= 4


def test_what_is_in_flight_gets_its_grace_and_no_more(server: ScriptedServer, start: Start) -> None:
    server.default = Silence()
    process = start("target", server.url, "0.5")
    soon(lambda: len(server.requests) == 4)
    process.terminate()
    asked = time.monotonic()
    output, errors = process.communicate(timeout=10)
    assert 0.5 <= time.monotonic() - asked < 2.5
    assert (process.returncode, output, errors) == (1, "the grace is over\n", "")


def test_the_echo_of_a_signal_changes_nothing_and_a_later_one_ends_at_once(
    server: ScriptedServer, start: Start
) -> None:
    server.default = Silence()
    process = start("target", server.url, "60")
    soon(lambda: len(server.requests) == 4)
    process.terminate()
    time.sleep(0.2)
    process.terminate()
    time.sleep(0.2)
    assert process.poll() is None
    time.sleep(ECHO)
    process.terminate()
    assert process.wait(2) == 7


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_tap_that_was_asked_to_wait_ends_in_words(
    server: ScriptedServer, start: Start, tmp_path: Path, signum: signal.Signals
) -> None:
    server.default = ASKED_TO_WAIT
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"url": server.url}))
    process = start("tap", str(config))
    soon(lambda: len(server.requests) == 1)
    time.sleep(0.1)
    process.send_signal(signum)
    asked = time.monotonic()
    output, errors = process.communicate(timeout=10)
    assert time.monotonic() - asked < 2
    assert process.returncode == 1
    assert f"{signum.name}: stopped before the end" in errors
    assert "Traceback" not in errors
    messages = [json.loads(line) for line in output.splitlines()]
    assert [message["type"] for message in messages] == ["SCHEMA", "RECORD", "RECORD"]


def test_a_tap_is_not_stopped_in_the_middle_of_a_line(start: Start, tmp_path: Path) -> None:
    size = 3_000_000
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"url": "http://localhost:1", "size": size}))
    process = start("tap", str(config))
    read_first_record(process)
    time.sleep(0.3)  # the pipe is full by now
    process.terminate()
    time.sleep(0.2)
    assert process.poll() is None
    output, errors = process.communicate(timeout=10)
    assert process.returncode == 1
    assert [len(json.loads(line)["record"]["id"]) for line in output.splitlines()] == [size]
    assert "Traceback" not in errors


def test_a_tap_whose_target_is_gone_ends_in_silence(start: Start, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"url": "http://localhost:1", "size": 3_000_000}))
    process = start("tap", str(config))
    read_first_record(process)
    time.sleep(0.3)
    process.terminate()
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait(10) == 1
    assert "Traceback" not in errors
    assert "BrokenPipe" not in errors


def test_a_tap_begins_without_a_stop() -> None:
    from tests.singer_delivery.stopped import WaitingTap

    hooks = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
    PROCESS.request()
    tap = WaitingTap(config={"url": "https://a.example"})
    try:
        assert not PROCESS.requested
        with pytest.raises(Stopped, match="1"):
            signal.raise_signal(signal.SIGTERM)
        assert PROCESS.requested
        tap.message_writer = None
        with pytest.raises(Stopped):
            tap._handle_termination(signal.SIGTERM, None)
    finally:
        for name, hook in hooks.items():
            signal.signal(name, hook)
