"""A target with bulk deliveries, as Meltano runs it: lines in, STATE and an exit code out."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from singer_delivery.document import FINAL, Document, Status
from singer_delivery.errors import AccessDenied, InDoubt
from singer_delivery.ledger import Ledger

from tests.singer_delivery.bulk_target import SYSTEM, BulkTarget
from tests.singer_delivery.failing_ledger import bury, refusals, refused
from tests.singer_delivery.fake_bulk import Register
from tests.singer_delivery.fake_system import FakeSystem, Fault

ROOT = Path(__file__).parents[2]
SCHEMA = {
    "type": "SCHEMA",
    "stream": "main_accounts",
    "schema": {"properties": {"id": {"type": "string"}, "content": {"type": "integer"}}},
    "key_properties": ["id"],
}
INVOICES = {**SCHEMA, "stream": "invoices"}


def account(key: str | None, content: int = 1, **more: Any) -> dict[str, Any]:
    record = {"id": key, "content": content, **more}
    return {"type": "RECORD", "stream": "main_accounts", "record": record}


def invoice(key: str) -> dict[str, Any]:
    record = {"id": key, "number": key, "content": 1}
    return {"type": "RECORD", "stream": "invoices", "record": record}


def state(value: Any) -> dict[str, Any]:
    return {"type": "STATE", "value": {"at": value}}


CRAWLED = {"type": "ACTIVATE_VERSION", "stream": "main_accounts", "version": 1}


@dataclass
class Result:
    exit_code: int
    states: list[Any]
    output: str


@dataclass
class Runner:
    """Runs the command line on lines of input, and knows what the register then holds."""

    folder: Path
    caplog: pytest.LogCaptureFixture
    register: Register = field(default_factory=Register)
    system: FakeSystem = field(default_factory=FakeSystem)
    config: dict[str, Any] = field(default_factory=lambda: {"read_back_wait_seconds": 0})

    @property
    def ledger_url(self) -> str:
        return f"sqlite:///{self.folder}/ledger.db"

    def target(self) -> type[BulkTarget]:
        remotes = {"registry": self.register, "remote": self.system, "__doc__": "Bulk."}
        return type("BulkTarget", (BulkTarget,), remotes)

    def run(self, *messages: Any) -> Result:
        lines = "".join(f"{m if isinstance(m, str) else json.dumps(m)}\n" for m in messages)
        config = self.folder / "config.json"
        config.write_text(json.dumps({"ledger_url": self.ledger_url, **self.config}))
        self.caplog.clear()
        self.register.requests.clear()
        self.register.withdrawals.clear()
        command = self.target().get_singer_command()
        result = CliRunner().invoke(command, ["--config", str(config)], input=lines)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        found = [json.loads(line)["at"] for line in result.stdout.splitlines() if line[:1] == "{"]
        output = f"{result.output}\n{self.caplog.text}"
        assert "Traceback" not in output
        return Result(result.exit_code, found, output)

    def statuses(self, stream: str = "accounts") -> dict[str, Status]:
        ledger = Ledger.open(self.ledger_url, SYSTEM)
        found = ledger.lookup(stream, [*"abcdef", "unmapped a", "unmapped b"])
        ledger.close()
        return {key: entry.status for key, entry in sorted(found.items())}


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


def test_everything_is_sent_at_the_end_and_then_the_last_state_goes_out(runner: Runner) -> None:
    result = runner.run(SCHEMA, account("a"), state(1), account("b"), state(2), account("c"))
    assert (result.exit_code, result.states) == (0, [2])
    assert runner.register.held("accounts") == ["a", "b", "c"]
    assert "accounts: 3 delivered in 2 requests (the fewest possible: 2) (run " in result.output


def test_a_state_goes_out_at_once_while_nothing_has_changed(runner: Runner) -> None:
    runner.run(SCHEMA, account("a"), account("b"))
    result = runner.run(
        *(SCHEMA, state(0), account("a"), state(1), account("b", 2), state(2), account("c")),
        *(state(3), "broken"),
    )
    assert result.states == [0, 1, 3]


@pytest.mark.parametrize("lasting", [False, True])
def test_a_ledger_that_fails_at_any_moment_loses_nothing(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, lasting: bool
) -> None:
    given_lines = [SCHEMA, INVOICES]
    for key in "abc":
        given_lines += [account(key), invoice(key), state(key)]
    runner.config["batch_size_rows"] = 2
    ledger = runner.folder / "ledger.db"
    for refusal in refusals(lasting=lasting):
        ledger.unlink(missing_ok=True)
        runner.register, runner.system = Register(), FakeSystem()
        with refused(refusal, monkeypatch):
            result = runner.run(*given_lines)
        accounts, invoices = runner.statuses(), runner.statuses("invoices")
        for last in result.states:
            covered = "abc"[: "abc".index(last) + 1]
            found = {stand.get(key) for stand in (accounts, invoices) for key in covered}
            assert found <= FINAL, (refusal.at, last)
        assert result.exit_code == (1 if refusal.happened else 0)
        bury(ledger)
        assert runner.run(*given_lines).exit_code == 0
        assert runner.register.held("accounts") == ["a", "b", "c"]
        assert sorted(row.key for row in runner.system.rows) == ["a", "b", "c"]
    assert refusal.at > 20


def test_no_state_goes_out_for_what_waits_whatever_drains(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Any, bool]] = []

    class Watched(BulkTarget):
        registry, remote = runner.register, runner.system

        def _write_state_message(self, state: dict[str, Any]) -> None:
            seen.append((state["at"], "a" in runner.register.held("accounts")))
            super()._write_state_message(state)

    monkeypatch.setattr(runner, "target", lambda: Watched)
    # Every record is too old: the SDK drains after each of them.
    monkeypatch.setattr(BulkTarget, "_MAX_RECORD_AGE_IN_MINUTES", -1)
    runner.config["batch_size_rows"] = 1
    wider = {**SCHEMA, "schema": {"properties": {"id": {}, "content": {}, "new": {}}}}
    runner.run(
        *(SCHEMA, INVOICES, state(0), account("a"), state(1), invoice("i"), state(2)),
        *(wider, account("b"), invoice("j"), state(3)),
    )
    assert [at for at, held in seen if not held] == [0] * sum(not held for _, held in seen)
    assert (seen[-1], len(runner.system.rows)) == ((3, True), 2)


@pytest.mark.parametrize("error", [InDoubt("timeout"), AccessDenied("a scope is missing")])
def test_what_was_not_sent_holds_back_the_state(runner: Runner, error: Exception) -> None:
    def fail(batch: Sequence[Document]) -> None:
        raise error

    runner.config["max_sends"] = 1
    runner.register.failing = fail
    result = runner.run(SCHEMA, state(0), account("a"), state(1))
    assert (result.exit_code, result.states[:1], result.states[-1]) == (1, [0], 0)
    assert runner.statuses() == {"a": Status.NOT_SENT}
    assert "accounts: 1 not sent" in result.output
    runner.register.failing = lambda _: None
    result = runner.run(SCHEMA, account("a"), state(1))
    assert (result.exit_code, result.states) == (0, [1])


def test_a_document_of_another_stream_without_outcome_holds_back_the_state_too(
    runner: Runner,
) -> None:
    runner.system.faults = {"i": [Fault.DOWN]}
    result = runner.run(SCHEMA, INVOICES, account("a"), invoice("i"), state(1))
    assert (result.exit_code, result.states) == (1, [])
    assert runner.register.held("accounts") == ["a"]


def test_a_rejected_record_is_an_outcome_unless_it_is_to_abort(runner: Runner) -> None:
    runner.register.invalid = {"b": "the name is missing"}
    given = (SCHEMA, *(account(key) for key in "abc"), state(1))
    result = runner.run(*given)
    assert (result.exit_code, result.states) == (0, [1])
    assert runner.statuses()["b"] is Status.REJECTED
    assert "accounts: b: rejected: the name is missing" in result.output
    runner.config["on_reject"] = "abort"
    result = runner.run(*given)
    assert (result.exit_code, result.states) == (1, [])
    assert "on_reject is abort" in result.output


def test_a_record_that_is_stuck_is_told_loudly(runner: Runner) -> None:
    runner.config["max_tries"] = 1
    runner.register.invalid = {"b": "the name is missing"}
    runner.run(SCHEMA, account("b"), state(1))
    result = runner.run(SCHEMA, account("b"), state(1))
    assert (result.exit_code, result.states[-1], runner.register.requests) == (0, 1, [])
    assert "1 record(s) are STILL REJECTED" in result.output
    assert "raise max_tries" in result.output


# Records


def test_one_record_may_become_several_or_none(runner: Runner) -> None:
    runner.run(SCHEMA, account("a", charts=["accounts", "accounts2"]), account("b", charts=[]))
    assert (runner.register.held("accounts"), runner.register.held("accounts2")) == (["a"], ["a"])


def test_a_record_that_cannot_be_mapped_is_rejected_and_costs_no_other(runner: Runner) -> None:
    result = runner.run(SCHEMA, account("a", unmapped="US99"), account("b"), state(1))
    assert (result.exit_code, result.states) == (0, [1])
    assert runner.statuses() == {"b": Status.DELIVERED, "unmapped a": Status.REJECTED}
    assert "unmapped a: rejected: the mapping has no chart US99" in result.output


def test_a_record_that_cannot_even_be_named_costs_its_line_and_the_exit_code(
    runner: Runner,
) -> None:
    result = runner.run(SCHEMA, account("a", unmapped="nameless"), account("b"), state(1))
    assert (result.exit_code, result.states) == (1, [])
    assert "line 2 of the input has a record that cannot be named" in result.output
    assert runner.register.held("accounts") == ["b"]


@pytest.mark.parametrize(
    ("record", "taken"),
    [
        ({"le": "", "id": "a"}, True),
        ({"le": "", "id": ""}, False),
        ({"le": None, "id": "a"}, False),
        ({"id": "a"}, False),
    ],
)
def test_a_part_of_the_key_may_be_empty_but_not_missing(
    runner: Runner, record: dict[str, Any], taken: bool
) -> None:
    schema: dict[str, Any] = {"properties": {"le": {}, "id": {}}}
    result = runner.run(
        {**SCHEMA, "schema": schema, "key_properties": ["le", "id"]},
        {"type": "RECORD", "stream": "main_accounts", "record": record},
    )
    assert result.exit_code == (0 if taken else 1)
    assert runner.register.held("accounts") == (["a"] if taken else [])


def test_a_record_of_a_resource_that_nobody_delivers_ends_the_run(runner: Runner) -> None:
    result = runner.run(SCHEMA, account("a", charts=["elsewhere"]), state(1))
    assert (result.exit_code, result.states) == (1, [])
    assert "does not deliver elsewhere in bulk" in result.output


# What vanished


def test_what_a_complete_crawl_does_not_show_is_inactivated(runner: Runner) -> None:
    runner.run(SCHEMA, *(account(key) for key in "abc"), CRAWLED, state(1))
    result = runner.run(SCHEMA, *(account(key) for key in "ac"), CRAWLED, state(2))
    assert runner.register.withdrawals == ["b"]
    assert (result.exit_code, result.states) == (0, [2])
    assert "1 inactivation among them" in result.output
    runner.run(SCHEMA, *(account(key) for key in "ac"), CRAWLED, state(3))
    assert (runner.register.requests, runner.register.withdrawals) == ([], [])


def test_without_the_message_nothing_is(runner: Runner) -> None:
    runner.run(SCHEMA, *(account(key) for key in "abc"), CRAWLED)
    runner.run(SCHEMA, account("a"))
    runner.config["on_vanished"] = "ignore"
    result = runner.run(SCHEMA, account("a"), CRAWLED, state(1))
    assert runner.register.withdrawals == []
    assert result.states[-1] == 1


@pytest.mark.parametrize(
    "line",
    ['{"type": "REC', account(None), account("b", unmapped="nameless")],
    ids=["garbled", "without key", "without name"],
)
def test_a_line_that_cannot_be_read_may_hold_what_is_missing(runner: Runner, line: Any) -> None:
    runner.run(SCHEMA, *(account(key) for key in "abc"), CRAWLED)
    result = runner.run(SCHEMA, account("a"), line, CRAWLED, state(1))
    assert (result.exit_code, result.states) == (1, [])
    assert runner.register.withdrawals == []


def test_a_record_that_cannot_be_mapped_any_more_has_not_vanished(runner: Runner) -> None:
    runner.run(SCHEMA, *(account(key) for key in "abc"), CRAWLED)
    runner.run(SCHEMA, account("a"), account("b", unmapped="US99"), CRAWLED)
    # It is rejected under another name than the one that it was delivered under.
    assert runner.register.withdrawals == ["c"]


def test_too_much_at_once_is_refused_and_the_state_held_back(runner: Runner) -> None:
    many = [account(f"{n}") for n in range(60)]
    runner.run(SCHEMA, *many, CRAWLED, state(1))
    result = runner.run(SCHEMA, *many[:30], CRAWLED, state(2))
    assert (result.exit_code, result.states) == (1, [])
    assert runner.register.withdrawals == []
    assert "30 of 60 accounts (50 %) are missing from a complete crawl" in result.output
    assert "run once with max_vanished_percent 50" in result.output
    runner.config["max_vanished_percent"] = 50
    result = runner.run(SCHEMA, *many[:30], CRAWLED, state(2))
    assert (result.exit_code, result.states, len(runner.register.withdrawals)) == (0, [2], 30)


# Signals


def test_a_terminated_process_finishes_what_flies_and_starts_nothing_new(runner: Runner) -> None:
    config = {"ledger_url": runner.ledger_url, "max_connections": 1}
    (runner.folder / "config.json").write_text(json.dumps(config))
    program = [sys.executable, "-m", "tests.singer_delivery.bulk_target", str(runner.folder)]
    temporary = runner.folder / "tmp"
    temporary.mkdir()
    process = subprocess.Popen(
        [*program, "--config", str(runner.folder / "config.json")],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    messages = (SCHEMA, *(account(key) for key in "abcdef"), CRAWLED, state(1))
    process.stdin.write("".join(f"{json.dumps(message)}\n" for message in messages))
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
    assert process.stdout.read() == ""
    assert "Traceback" not in heard + rest
    assert (runner.folder / "events").read_text() == "a request\n"
    assert "accounts: 2 delivered in 1 request (the fewest possible: 1), 4 not sent (run " in rest
    assert runner.statuses() == {"a": Status.DELIVERED, "b": Status.DELIVERED}
    assert list(temporary.iterdir()) == []
    process.stdout.close()
    process.stderr.close()


def test_the_settings_have_titles_and_limits(runner: Runner) -> None:
    command = runner.target().get_singer_command()
    result = CliRunner().invoke(command, ["--about", "--format=json"])
    about = json.loads(result.stdout)["settings"]["properties"]
    for name in ("on_vanished", "max_vanished_percent", "max_tries"):
        assert about[name]["title"]
        assert about[name]["description"]
    runner.config["max_vanished_percent"] = 101
    assert runner.run(SCHEMA).exit_code == 1
