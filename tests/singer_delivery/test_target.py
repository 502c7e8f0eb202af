"""A target run as Meltano runs it: lines in, STATE and an exit code out."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from singer_delivery.document import FINAL, Status
from singer_delivery.errors import AccessDenied
from singer_delivery.ledger import Ledger

from tests.singer_delivery.failing_ledger import bury, refusals, refused
from tests.singer_delivery.fake_system import FakeSystem, Fault, record
from tests.singer_delivery.tiny_target import SYSTEM, TinyTarget

ROOT = Path(__file__).parents[2]
SCHEMA = {
    "type": "SCHEMA",
    "stream": "invoices",
    "schema": {"properties": {"id": {"type": "string"}, "number": {"type": "string"}}},
    "key_properties": ["id"],
}


def lines(*messages: Any) -> str:
    """Return messages as Singer lines; text is taken as it is."""
    return "".join(f"{m if isinstance(m, str) else json.dumps(m)}\n" for m in messages)


def offered(key: str | None, number: str = "", stream: str = "invoices") -> dict[str, Any]:
    return {"type": "RECORD", "stream": stream, "record": record(key, number)}


def state(value: Any) -> dict[str, Any]:
    return {"type": "STATE", "value": {"at": value}}


@dataclass
class Result:
    exit_code: int
    states: list[Any]
    output: str


@dataclass
class Runner:
    """Runs the command line on lines of input, and knows what the system then holds."""

    folder: Path
    caplog: pytest.LogCaptureFixture
    system: FakeSystem = field(default_factory=FakeSystem)
    config: dict[str, Any] = field(default_factory=lambda: {"read_back_wait_seconds": 0})

    @property
    def ledger_url(self) -> str:
        return f"sqlite:///{self.folder}/ledger.db"

    def target(self) -> type[TinyTarget]:
        return type("TinyTarget", (TinyTarget,), {"remote": self.system, "__doc__": "Tiny."})

    def run(self, *messages: Any, arguments: tuple[str, ...] = ()) -> Result:
        return self.run_bytes(lines(*messages).encode(), arguments)

    def run_bytes(self, given: bytes, arguments: tuple[str, ...] = ()) -> Result:
        config = self.folder / "config.json"
        config.write_text(json.dumps({"ledger_url": self.ledger_url, **self.config}))
        self.caplog.clear()
        result = CliRunner().invoke(
            self.target().get_singer_command(), ["--config", str(config), *arguments], input=given
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        found = [json.loads(line)["at"] for line in result.stdout.splitlines() if line[:1] == "{"]
        output = f"{result.output}\n{self.caplog.text}"
        assert "Traceback" not in output
        return Result(result.exit_code, found, output)

    def statuses(self, stream: str = "invoices", keys: str = "abcdefgh") -> dict[str, Status]:
        ledger = Ledger.open(self.ledger_url, SYSTEM)
        found = ledger.lookup(stream, keys)
        ledger.close()
        return {key: entry.status for key, entry in sorted(found.items())}

    def held(self) -> list[str]:
        return sorted(row.key for row in self.system.rows)


@pytest.fixture
def runner(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Runner]:
    """A runner; the process-wide hooks of the SDK are put back afterwards."""
    hooks = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
    excepthook = sys.excepthook
    caplog.set_level(logging.INFO)
    yield Runner(tmp_path, caplog)
    logging.captureWarnings(capture=False)
    sys.excepthook = excepthook
    for name, hook in hooks.items():
        signal.signal(name, hook)


# STATE


def test_everything_delivered_ends_with_the_last_state_and_exit_code_0(runner: Runner) -> None:
    result = runner.run(SCHEMA, offered("a"), offered("b"), state(1), offered("c"), state(2))
    assert (result.exit_code, result.states[-1]) == (0, 2)
    assert runner.held() == ["a", "b", "c"]
    assert "invoices: 3 delivered (run " in result.output


def test_a_state_waits_for_the_documents_before_it(runner: Runner) -> None:
    seen: list[tuple[Any, list[str]]] = []

    class Watched(TinyTarget):
        remote = runner.system

        def _write_state_message(self, state: dict[str, Any]) -> None:
            settled = self.ledger.lookup("invoices", "abcdef")
            seen.append((state["at"], sorted(k for k, e in settled.items() if e.status in FINAL)))
            super()._write_state_message(state)

    runner.target = lambda: Watched  # type: ignore[method-assign]
    runner.config["batch_size_rows"] = 2
    runner.run(
        *(SCHEMA, state(0), offered("a"), state(1), offered("b"), state(2)),
        *(offered("c"), state(3), offered("d"), offered("e"), state(5)),
    )
    covered = {0: "", 1: "a", 2: "ab", 3: "abc", 5: "abcde"}
    assert seen
    for value, settled in seen:
        assert set(covered[value]) <= set(settled)


def test_a_state_comes_at_once_when_nothing_waits_for_delivery(runner: Runner) -> None:
    runner.config["batch_size_rows"] = 2
    result = runner.run(
        *(SCHEMA, state("start"), offered("a"), state("a"), offered("b"), state("b"), "broken")
    )
    assert result.states[:2] == ["start", "b"]


def test_a_state_with_a_fraction_keeps_its_digits(runner: Runner) -> None:
    text = '{"type": "STATE", "value": {"at": 1.10, "big": 12345678901234567890.123456789}}'
    config = runner.folder / "config.json"
    config.write_text(json.dumps({"ledger_url": runner.ledger_url}))
    command = runner.target().get_singer_command()
    result = CliRunner().invoke(command, ["--config", str(config)], input=f"{text}\n")
    assert result.stdout.splitlines()[-1] == '{"at":1.10,"big":12345678901234567890.123456789}'


@pytest.mark.parametrize("fault", [[Fault.LOST_BEFORE] * 3, [Fault.DOWN]])
def test_a_document_without_an_outcome_holds_back_every_state_that_covers_it(
    runner: Runner, fault: list[Fault]
) -> None:
    runner.config["batch_size_rows"] = 1
    runner.system.faults = {"b": list(fault)}
    result = runner.run(
        *(SCHEMA, offered("a"), state("a"), offered("b"), state("b"), offered("c"), state("c"))
    )
    assert result.exit_code == 1
    assert set(result.states) == {"a"}
    assert runner.held() == ["a", "c"]
    assert "not everything has an outcome: 1 of invoices; STATE was held back" in result.output


def test_a_rejected_document_is_an_outcome(runner: Runner) -> None:
    runner.system.faults = {"a": [Fault.REFUSED]}
    result = runner.run(SCHEMA, offered("a"), offered("b"), state(2))
    assert (result.exit_code, result.states) == (0, [2])
    assert runner.statuses() == {"a": Status.REJECTED, "b": Status.DELIVERED}


def test_a_rejected_document_ends_the_run_where_that_is_wanted(runner: Runner) -> None:
    runner.config |= {"on_reject": "abort", "batch_size_rows": 2}
    runner.system.faults = {"a": [Fault.REFUSED]}
    result = runner.run(SCHEMA, offered("a"), offered("b"), offered("c"), state(3))
    assert (result.exit_code, result.states) == (1, [])
    assert runner.held() == ["b"]
    assert "on_reject is abort" in result.output


def test_the_next_run_settles_what_this_one_left(runner: Runner) -> None:
    runner.system.faults = {"a": [Fault.LOST_AFTER]}
    runner.system.reads_down = [False, True]
    result = runner.run(SCHEMA, offered("a"), state(1))
    assert (result.exit_code, result.states) == (1, [])
    assert runner.statuses() == {"a": Status.IN_DOUBT}
    result = runner.run(SCHEMA, offered("a"), state(1))
    assert (result.exit_code, result.states[-1]) == (0, 1)
    assert runner.system.sends == {"a": 1}


def test_two_streams_are_delivered_one_after_the_other(runner: Runner) -> None:
    vendors = {**SCHEMA, "stream": "vendors"}
    result = runner.run(SCHEMA, vendors, offered("a"), offered("b", stream="vendors"), state(1))
    assert result.states == [1]
    assert runner.statuses("invoices") == {"a": Status.DELIVERED}
    assert runner.statuses("vendors") == {"b": Status.DELIVERED}


def test_a_changed_schema_does_not_change_the_order_of_versions(runner: Runner) -> None:
    runner.config["batch_size_rows"] = 2
    wider = {**SCHEMA, "schema": {"properties": {"id": {}, "number": {}, "new": {}}}}
    newer = {"type": "RECORD", "stream": "invoices", "record": record("a", "F-1", content=2)}
    runner.run(SCHEMA, offered("a", "F-1"), wider, newer, offered("b", "F-2"), state(1))
    ledger = Ledger.open(runner.ledger_url, SYSTEM)
    assert ledger.lookup("invoices", ["a"])["a"].version == "2"
    ledger.close()


def test_nothing_in_nothing_out(runner: Runner) -> None:
    assert (runner.run().exit_code, runner.run().states) == (0, [])


message = st.one_of(
    st.sampled_from("abcdef"),
    st.just("STATE"),
    st.sampled_from(['{"type": "REC', "{}", '{"type": "RECORD", "stream": "x", "record": {}}']),
)


@given(
    st.lists(message, max_size=10),
    st.dictionaries(
        st.sampled_from("abcdef"),
        st.sampled_from(
            [
                [Fault.LOST_BEFORE] * 3,
                [Fault.LOST_AFTER],
                [Fault.REFUSED],
                [Fault.DOWN],
                [Fault.DENIED],
            ]
        ),
        max_size=2,
    ),
    st.integers(1, 3),
)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_state_ever_covers_what_has_no_outcome(
    runner: Runner, plan: list[str], faults: dict[str, list[Fault]], batch: int
) -> None:
    (runner.folder / "ledger.db").unlink(missing_ok=True)
    runner.system = FakeSystem(faults={key: list(value) for key, value in faults.items()})
    runner.config["batch_size_rows"] = batch
    sent: list[Any] = [
        state(n) if entry == "STATE" else offered(entry) if len(entry) == 1 else entry
        for n, entry in enumerate(plan)
    ]
    result = runner.run(SCHEMA, *sent)
    statuses = runner.statuses()
    bad = [n for n, entry in enumerate(plan) if entry != "STATE" and len(entry) > 1]
    for at in result.states:
        assert not any(n < at for n in bad)
        assert all(statuses[key] in FINAL for key in plan[:at] if len(key) == 1)
    unfinished = [key for key in plan if len(key) == 1 and statuses.get(key) not in FINAL]
    if bad or unfinished:
        assert result.exit_code == 1
    if not bad and not faults:
        assert result.exit_code == 0
    if result.exit_code == 0 and "STATE" in plan:
        assert result.states[-1] == max(n for n, entry in enumerate(plan) if entry == "STATE")


@pytest.mark.parametrize("lasting", [False, True])
def test_a_ledger_that_fails_at_any_moment_loses_nothing(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, lasting: bool
) -> None:
    given_lines = []
    for key in "abcd":
        given_lines += [offered(key, f"N-{key}" if key == "c" else "N"), state(key)]
    runner.config["batch_size_rows"] = 2
    ledger = runner.folder / "ledger.db"
    for refusal in refusals(lasting=lasting):
        ledger.unlink(missing_ok=True)
        runner.system = FakeSystem(faults={"a": [Fault.LOST_BEFORE], "c": [Fault.LOST_AFTER]})
        with refused(refusal, monkeypatch):
            result = runner.run(SCHEMA, *given_lines)
        statuses = runner.statuses()
        for last in result.states:
            covered = "abcd"[: "abcd".index(last) + 1]
            assert {statuses.get(key) for key in covered} <= FINAL, (refusal.at, last)
        assert result.exit_code == (1 if refusal.happened else 0)
        bury(ledger)
        assert runner.run(SCHEMA, *given_lines).exit_code == 0
        assert runner.held() == ["a", "c"]
        assert set(runner.statuses().values()) <= FINAL
    assert refusal.at > 20


# Garbled lines

GARBLED: dict[str, tuple[Any, str]] = {
    "cut off": ('{"type": "RECORD", "stream": "invoices", "rec', "no JSON (column"),
    "no JSON": ("IBAN DE00 1234", "no JSON"),
    "no object": ('["IBAN DE00"]', "it has no type"),
    "no type": ('{"stream": "invoices", "record": {"id": "IBAN"}}', "it has no type"),
    "strange type": ('{"type": 7}', "it has no type"),
    "unknown type": ({"type": "RECROD", "record": {"id": "IBAN"}}, "unknown message type 'RECROD'"),
    "NaN": ('{"type": "RECORD", "stream": "invoices", "record": {"id": "x", "n": NaN}}', "no JSON"),
    "deep": ("[" * 100_000, "no JSON"),
    "before its schema": (offered("x", stream="others"), "RECORD before the SCHEMA"),
    "without key": (offered(None), "without its key id"),
    "empty key": (offered(""), "without its key id"),
    "no record": ({"type": "RECORD", "stream": "invoices"}, "a required part is missing"),
    "null record": ({**offered("x"), "record": None}, "its record is not an object"),
    "list record": ({**offered("x"), "record": ["IBAN"]}, "its record is not an object"),
    "no stream": ({"type": "RECORD", "record": {"id": "IBAN"}}, "a required part is missing"),
    "strange stream": ({**offered("x"), "stream": ["IBAN"]}, "its stream is not a name"),
    "schema without properties": ({**SCHEMA, "schema": {}}, "a required part is missing"),
    "schema that is none": ({**SCHEMA, "schema": "IBAN"}, "its schema is not an object"),
    "schema with odd properties": ({**SCHEMA, "schema": {"properties": 1}}, "cannot be read"),
    "schema with odd keys": ({**SCHEMA, "key_properties": [["IBAN"]]}, "cannot be read"),
    "schema with a number as key": ({**SCHEMA, "key_properties": 5}, "not a list of names"),
    "state without value": ({"type": "STATE"}, "a required part is missing"),
    "state that is none": ({"type": "STATE", "value": "IBAN"}, "its value is not an object"),
    "version of nothing": (
        {"type": "ACTIVATE_VERSION", "stream": "others", "version": 1},
        "belongs to a stream that had no SCHEMA",
    ),
    "version without stream": ({"type": "ACTIVATE_VERSION", "version": 1}, "part is missing"),
    "batch": ({"type": "BATCH", "stream": "invoices"}, "BATCH message, which is not supported"),
}


@pytest.mark.parametrize(("line", "words"), GARBLED.values(), ids=GARBLED.keys())
def test_a_garbled_line_costs_only_itself_and_the_exit_code(
    runner: Runner, line: Any, words: str
) -> None:
    result = runner.run(SCHEMA, offered("a"), state("a"), line, offered("b"), state("b"))
    assert result.exit_code == 1
    assert runner.held() == ["a", "b"]
    assert result.states == ["a"]
    assert "line 4 of the input" in result.output
    assert words in result.output
    assert "IBAN" not in result.output


def test_bytes_that_are_no_utf_8_cost_only_their_line(runner: Runner) -> None:
    before, after = lines(SCHEMA, offered("a")), lines(offered("b", "Größe"))
    result = runner.run_bytes(before.encode() + b'{"type": "\xff\xfe"}\n\n' + after.encode())
    assert result.exit_code == 1
    assert "line 3 of the input is not a Singer message: it is no UTF-8" in result.output
    assert runner.system.find(key="b")[0].natural_key == "Größe"


def test_a_version_message_of_a_known_stream_is_taken(runner: Runner) -> None:
    version = {"type": "ACTIVATE_VERSION", "stream": "invoices", "version": 1}
    assert runner.run(SCHEMA, offered("a"), version, state(1)).exit_code == 0


def test_a_stream_that_cannot_be_delivered_ends_the_run_in_words(runner: Runner) -> None:
    result = runner.run({**SCHEMA, "stream": "unknown"}, state(1))
    assert (result.exit_code, result.states) == (1, [])
    assert "no way to deliver the stream unknown" in result.output


# Errors in words


def test_missing_rights_end_the_run_in_one_line(runner: Runner) -> None:
    runner.system.faults = {"a": [Fault.DENIED]}
    result = runner.run(SCHEMA, offered("a"), offered("b"), state(1))
    assert (result.exit_code, result.states) == (1, [])
    assert "the role is missing" in result.output


def test_a_ledger_that_cannot_be_opened_ends_the_run_in_one_line(runner: Runner) -> None:
    runner.config["ledger_url"] = "postgresql://user:s3cret@host:port/db"
    result = runner.run(SCHEMA, offered("a"), state(1))
    assert (result.exit_code, result.states) == (1, [])
    assert "ledger_url is not the address" in result.output
    assert "s3cret" not in result.output
    assert runner.held() == []


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("max_connections", 0),
        ("max_sends", 0),
        ("batch_size_rows", 0),
        ("read_back_wait_seconds", -1),
        ("max_attempts", 0),
        ("on_reject", "ignore"),
    ],
)
def test_settings_that_make_no_sense_are_refused(runner: Runner, setting: str, value: Any) -> None:
    runner.config[setting] = value
    result = runner.run(SCHEMA, offered("a"))
    assert result.exit_code == 1
    assert setting in result.output


@pytest.mark.parametrize("content", [None, "s3cret", '{"client_secret": "s3cret"', "[1]", "5"])
def test_a_configuration_that_cannot_be_read_in_words(runner: Runner, content: str | None) -> None:
    path = runner.folder / "other.json"
    if content is not None:
        path.write_text(content)
    result = runner.run(arguments=("--config", str(path)))
    assert result.exit_code == 1
    assert "a configuration file cannot be read" in result.output
    assert "s3cret" not in result.output


# Connection check and --about

MELTANO_TEST = [
    {
        "type": "SCHEMA",
        "stream": "meltano_test_stream",
        "schema": {"type": "object", "properties": {"id": {"type": "integer"}}},
        "key_properties": ["id"],
    },
    {"type": "RECORD", "stream": "meltano_test_stream", "record": {"id": 1}},
    {"type": "STATE", "value": {"at": "tested"}},
]


def test_meltanos_test_checks_the_connection_and_writes_nothing(runner: Runner) -> None:
    result = runner.run(*MELTANO_TEST)
    assert result.exit_code == 0
    assert "Connection test passed: the fake system answers" in result.output
    assert runner.held() == []
    assert not (runner.folder / "ledger.db").exists()


def test_the_test_option_checks_the_connection_and_reads_no_input(runner: Runner) -> None:
    result = runner.run(SCHEMA, offered("a"), arguments=("--test",))
    assert result.exit_code == 0
    assert "Connection test passed: the fake system answers" in result.output
    assert runner.held() == []


@pytest.mark.parametrize("arguments", [(), ("--test",)])
def test_a_failing_connection_check_names_what_is_missing(
    runner: Runner, arguments: tuple[str, ...]
) -> None:
    runner.system.read_faults = [AccessDenied("the app is not registered in the environment")]
    result = runner.run(*MELTANO_TEST, arguments=arguments)
    assert result.exit_code == 1
    assert "the app is not registered" in result.output


def test_about_lists_every_setting_with_its_title(runner: Runner) -> None:
    command = runner.target().get_singer_command()
    result = CliRunner().invoke(command, ["--about", "--format=json"])
    about = json.loads(result.stdout)["settings"]["properties"]
    for name in ("ledger_url", "on_reject", "max_sends", "ca_file", "stream_maps"):
        assert about[name]["title"]
        assert about[name]["description"]
    assert about["ledger_url"]["secret"]
    assert "load_method" not in about


# Signals and pipes


def test_a_termination_while_waiting_for_input_emits_no_state_for_what_waits(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_lines = lines(SCHEMA, offered("a"), state(1)).splitlines()

    def input_lines() -> Iterator[str]:
        yield from given_lines
        os.kill(os.getpid(), signal.SIGTERM)
        yield json.dumps(offered("b"))

    target = runner.target()(config={"ledger_url": runner.ledger_url})
    written: list[Any] = []
    monkeypatch.setattr(target, "_write_state_message", written.append)
    with pytest.raises(SystemExit) as caught:
        target.listen(input_lines())  # type: ignore[arg-type]
    assert caught.value.code == 1
    assert written == []
    assert runner.held() == []


def test_a_termination_in_a_batch_stops_after_what_is_in_flight(runner: Runner) -> None:
    def terminate(event: str) -> None:
        if event == "b about to be stored":
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    runner.system.event = terminate
    runner.config["max_connections"] = 1
    result = runner.run(SCHEMA, *(offered(key) for key in "abcd"), state(4))
    assert (result.exit_code, result.states) == (1, [])
    assert runner.statuses() == {
        "a": Status.DELIVERED,
        "b": Status.DELIVERED,
        "c": Status.NOT_SENT,
        "d": Status.NOT_SENT,
    }


def started(folder: Path, config: dict[str, Any]) -> subprocess.Popen[str]:
    (folder / "config.json").write_text(json.dumps(config))
    program = [sys.executable, "-m", "tests.singer_delivery.tiny_target", str(folder)]
    return subprocess.Popen(
        [*program, "--config", str(folder / "config.json")],
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_terminated_process_finishes_what_is_in_flight_and_exits_with_1(
    runner: Runner,
) -> None:
    process = started(runner.folder, {"ledger_url": runner.ledger_url, "max_connections": 1})
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write(lines(SCHEMA, *(offered(key) for key in "abcd"), state(4)))
    process.stdin.close()
    while not (runner.folder / "started").exists():
        assert process.poll() is None
        time.sleep(0.005)
    process.terminate()
    heard = ""
    while "SIGTERM" not in heard:
        heard += process.stderr.readline()
    (runner.folder / "go").touch()
    rest = process.stderr.read()
    assert process.wait(20) == 1
    assert process.stdout is not None
    assert process.stdout.read() == ""
    assert "Traceback" not in heard + rest
    stored = (runner.folder / "events").read_text()
    assert "b stored" in stored
    assert "c about to be stored" not in stored
    assert runner.statuses()["b"] is Status.DELIVERED
    assert runner.statuses()["d"] is Status.NOT_SENT
    process.stdout.close()
    process.stderr.close()


def test_a_broken_pipe_is_silent(runner: Runner) -> None:
    process = started(runner.folder, {"ledger_url": runner.ledger_url})
    assert process.stdout is not None
    process.stdout.close()
    assert process.stdin is not None
    process.stdin.write(lines(SCHEMA, offered("a"), state(1)))
    process.stdin.close()
    assert process.stderr is not None
    output = process.stderr.read()
    assert process.wait(20) == 1
    assert "Traceback" not in output
    assert "BrokenPipe" not in output
    assert runner.statuses() == {"a": Status.DELIVERED}
    process.stderr.close()
