"""Records go out together, in order, and never behind a STATE that covers them."""

from __future__ import annotations

import io
import json
import time
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_delivery import writer as writing
from singer_delivery.errors import Unavailable
from singer_delivery.exact_json import parse_json
from singer_delivery.stopping import Stopped
from singer_delivery.writer import ROOM, WholeLines
from singer_sdk.singerlib import ActivateVersionMessage, RecordMessage, StateMessage


class Pipe(io.RawIOBase):
    """Keeps each write to it; may be closed at the other end, or be interrupted by a signal."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.broken = False
        self.interrupted: WholeLines | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if self.broken:
            raise BrokenPipeError
        if self.interrupted:
            self.interrupted.stop(Stopped("SIGTERM"))
        self.writes.append(bytes(data))
        return len(self.writes[-1])

    def as_sys(self) -> SimpleNamespace:
        """Return what the writer takes for the module, in which pytest has its own stdout."""
        return SimpleNamespace(stdout=io.TextIOWrapper(io.BufferedWriter(self), "ascii"))

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What came, parsed; fails for half a line."""
        content = b"".join(self.writes)
        assert content == b"" or content.endswith(b"\n")
        return [parse_json(line) for line in content.splitlines()]

    def numbers(self) -> list[int | str]:
        """The records by their number, other messages by their type."""
        return [m["record"]["n"] if m["type"] == "RECORD" else m["type"] for m in self.messages]


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Pipe:
    opened = Pipe()
    monkeypatch.setattr(writing, "sys", opened.as_sys())
    return opened


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing goes out because time has passed."""
    monkeypatch.setattr(writing, "LINGER", 3600.0)


def record(number: int, text: str = "") -> dict[str, Any]:
    return {"type": "RECORD", "stream": "things", "record": {"n": number, "text": text}}


def fill(writer: WholeLines, *numbers: int) -> None:
    # The first after a long time goes out at once.
    writer._written_at = time.monotonic()
    for number in numbers:
        writer.write_record(record(number))


@pytest.mark.usefixtures("patient")
def test_records_go_out_together_and_before_the_state_that_covers_them(pipe: Pipe) -> None:
    with WholeLines() as writer:
        fill(writer, 1, 2, 3)
        assert pipe.writes == []
        writer.write_message(StateMessage({"at": 3}))
        assert pipe.numbers() == [1, 2, 3, "STATE"]
        assert len(pipe.writes) == 2
        fill(writer, 4)
        writer.write_message(ActivateVersionMessage("things", 1))
        fill(writer, 5)
    assert pipe.numbers() == [1, 2, 3, "STATE", 4, "ACTIVATE_VERSION", 5]
    assert writer.records == {"things": 5}


@pytest.mark.usefixtures("patient")
def test_so_much_waits_and_no_more(pipe: Pipe) -> None:
    with WholeLines() as writer:
        writer._written_at = time.monotonic()
        for number in range(100):
            writer.write_record(record(number, "x" * 10_000))
            assert len(writer._waiting) <= ROOM
        assert 10 <= len(pipe.writes) <= 20
    assert pipe.numbers() == list(range(100))


def test_a_record_that_nothing_follows_goes_out_in_time(pipe: Pipe) -> None:
    with WholeLines() as writer:
        fill(writer, 1)
        end = time.monotonic() + 10
        while not pipe.writes:
            assert time.monotonic() < end
            time.sleep(0.005)
        assert pipe.numbers() == [1]


def test_outside_of_a_run_nothing_waits(pipe: Pipe) -> None:
    writer = WholeLines()
    for number in range(3):
        writer.write_message(RecordMessage("things", {"n": number}))
    assert len(pipe.writes) == 3


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("end", [Stopped("SIGTERM"), Unavailable("503"), KeyError("a bug")])
def test_what_was_read_is_written_however_a_run_ends(pipe: Pipe, end: BaseException) -> None:
    def run() -> None:
        with WholeLines() as writer:
            fill(writer, 1, 2)
            raise end

    with pytest.raises(type(end)):
        run()
    assert pipe.numbers() == [1, 2]


@pytest.mark.usefixtures("patient")
def test_a_signal_amid_a_write_ends_the_run_after_it(pipe: Pipe) -> None:
    writer = WholeLines()

    def run() -> None:
        with writer:
            fill(writer, 1, 2)
            pipe.interrupted = writer
            writer.write_message(StateMessage({"at": 2}))
            fill(writer, 3)

    with pytest.raises(Stopped):
        run()
    assert pipe.numbers() == [1, 2, "STATE"]
    with pytest.raises(Stopped):
        writer.stop(Stopped("SIGINT"))


@pytest.mark.usefixtures("patient")
def test_a_signal_between_two_records_ends_the_run_at_once(pipe: Pipe) -> None:
    def run() -> None:
        with WholeLines() as writer:
            fill(writer, 1)
            writer.stop(Stopped("SIGTERM"))
            fill(writer, 2)

    with pytest.raises(Stopped):
        run()
    assert pipe.numbers() == [1]


def test_a_pipe_that_breaks_while_a_record_waits_breaks_the_run(pipe: Pipe) -> None:
    pipe.broken = True
    writer = WholeLines()

    def run() -> None:
        with writer:
            fill(writer, 1)
            end = time.monotonic() + 10
            while not writer._failure and time.monotonic() < end:
                time.sleep(0.005)
            fill(writer, 2)
            pytest.fail("nobody listens")

    with pytest.raises(BrokenPipeError):
        run()


@pytest.mark.usefixtures("patient")
def test_an_error_says_more_than_a_pipe_that_is_broken_as_well(pipe: Pipe) -> None:
    pipe.broken = True

    def run(end: BaseException) -> None:
        with WholeLines() as writer:
            fill(writer, 1)
            raise end

    with pytest.raises(Unavailable):
        run(Unavailable("503"))
    with pytest.raises(BrokenPipeError):
        run(Stopped("SIGTERM"))


def test_a_stdout_of_text_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    text = io.StringIO()
    monkeypatch.setattr(writing, "sys", SimpleNamespace(stdout=text))
    with WholeLines() as writer:
        writer.write_record(record(1, "Å"))
    assert json.loads(text.getvalue())["record"]["text"] == "Å"


# What stands in a line


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**100), 2**100)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_a_record_is_read_as_it_was_written(value: Any) -> None:
    pipe = Pipe()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "sys", pipe.as_sys())
        WholeLines().write_record({**record(1), "record": {"value": value}})
    (message,) = pipe.messages
    assert repr(message["record"]["value"]) == repr(_read(value))


def _read(value: Any) -> Any:
    """What JSON makes of it: a Decimal without fraction or exponent is an integer."""
    match value:
        case Decimal():
            return parse_json(str(value))
        case list():
            return [_read(each) for each in value]
        case dict():
            return {name: _read(each) for name, each in value.items()}
    return value


def test_times_of_a_record(pipe: Pipe) -> None:
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    WholeLines().write_message(RecordMessage("things", {}, version=7, time_extracted=noon))
    (message,) = pipe.messages
    assert message["version"] == 7
    assert datetime.fromisoformat(message["time_extracted"]) == noon
    assert not pipe.writes[0].count(b": ")
