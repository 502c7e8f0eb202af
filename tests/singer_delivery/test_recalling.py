"""Sparing the mapping of records that are the same changes nothing but the time it takes."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from singer_delivery import reader
from singer_delivery.bulk import intake, recalling, vanished
from singer_delivery.document import Document
from singer_delivery.errors import DeliveryError
from singer_delivery.ledger import Ledger
from singer_delivery.recollections import Days, Made, Recollection
from singer_sdk.sinks import Sink

from tests.singer_delivery.bulk_target import SYSTEM, AccountSink, BulkTarget
from tests.singer_delivery.fake_bulk import Register

SCHEMA = {
    "type": "SCHEMA",
    "stream": "main_accounts",
    "schema": {"properties": {"id": {"type": "string"}, "content": {"type": "integer"}}},
    "key_properties": ["id"],
}
CRAWLED = {"type": "ACTIVATE_VERSION", "stream": "main_accounts", "version": 1}


class MarkedSink(AccountSink):
    """Notes which records it maps."""

    current_mark = "1"
    mapped: list[str]

    @property
    def mark(self) -> str:
        return self.current_mark

    def documents(self, record: Mapping[str, Any]) -> Iterator[tuple[str, Document]]:
        self.mapped.append(str(record["id"]))
        return super().documents(record)


class World:
    """A register and the ledger of what it was told; `mark` "" maps every record."""

    def __init__(self, folder: Path, blank: Path, mark: str = "1") -> None:
        self.register = Register()
        self.mapped: list[str] = []
        self.mark = mark
        self.url = f"sqlite:///{shutil.copy(blank, folder / 'ledger.db')}"

    def run(self, *messages: Any) -> dict[str, Any]:
        """Return all that came of one run."""
        sink: type[Sink] = type(
            "TheSink", (MarkedSink,), {"mapped": self.mapped, "current_mark": self.mark}
        )
        parts = {"registry": self.register, "sink_for": lambda *_: sink, "__doc__": "Bulk."}
        target = type("TheTarget", (BulkTarget,), parts)(config={"ledger_url": self.url})
        self.mapped.clear()
        self.register.requests.clear()
        self.register.withdrawals.clear()
        lines = "".join(f"{m if isinstance(m, str) else json.dumps(m)}\n" for m in messages)
        said, problem = io.StringIO(), ""
        with redirect_stdout(said):
            try:
                target.listen(io.StringIO(lines))
            except DeliveryError as error:
                problem = str(error)
        tally = target._tallies()
        bad = list(target._bad_lines)
        target.ledger.close()
        return {
            "states": said.getvalue().splitlines(),
            "problem": problem,
            "bad": sorted(bad),
            "tally": tally,
            # Several are under way at once: their order is anybody's.
            "requests": sorted(self.register.requests),
            "withdrawals": sorted(self.register.withdrawals),
            "rows": json.loads(json.dumps(self.register.rows)),
            "entries": self.entries(),
        }

    def entries(self) -> list[tuple[Any, ...]]:
        with closing(Ledger.open(self.url, SYSTEM)) as ledger:
            found = [
                entry
                for stream in ("accounts", "accounts2")
                for entry in ledger.lookup(
                    stream, [*KEYS, *(f"unmapped {k}" for k in KEYS)]
                ).values()
            ]
        return sorted(
            (e.stream, e.key, e.status, e.fingerprint, e.reason, e.source, e.scope, str(e.detail))
            for e in found
        )


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new ledger, to be copied."""
    file = tmp_path_factory.mktemp("blank") / "ledger.db"
    Ledger.open(f"sqlite:///{file}", SYSTEM).close()
    return file


@pytest.fixture
def world(tmp_path: Path, blank: Path) -> World:
    return World(tmp_path, blank)


def account(key: str, content: Any = 1, **more: Any) -> dict[str, Any]:
    record = {"id": key, "content": content, **more}
    return {"type": "RECORD", "stream": "main_accounts", "record": record}


def state(value: int) -> dict[str, Any]:
    return {"type": "STATE", "value": {"at": value}}


# The same in every respect


KEYS = "abc"
RECORDS = st.one_of(
    st.builds(account, st.sampled_from(KEYS), st.integers(1, 2)),
    st.builds(
        lambda key, charts: account(key, charts=charts),
        st.sampled_from(KEYS),
        st.lists(st.sampled_from(["accounts", "accounts2"]), unique=True),
    ),
    st.builds(
        lambda key, why: account(key, unmapped=why),
        st.sampled_from(KEYS),
        st.sampled_from(["X1", "nameless"]),
    ),
)
MESSAGES = st.lists(
    RECORDS
    | RECORDS
    | st.builds(state, st.integers(1, 9))
    | st.sampled_from([CRAWLED, SCHEMA, "broken"]),
    max_size=8,
)
RUNS = st.lists(st.tuples(MESSAGES, st.sets(st.sampled_from(KEYS))), min_size=2, max_size=4)


@settings(max_examples=20)
@given(RUNS)
def test_whatever_comes_the_same_is_done(
    blank: Path, runs: Sequence[tuple[list[Any], set[str]]]
) -> None:
    with (
        tempfile.TemporaryDirectory() as one,
        tempfile.TemporaryDirectory() as other,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(recalling, "CHUNK", 3)
        patch.setattr(intake, "CHUNK", 2)
        sparing, thorough = World(Path(one), blank), World(Path(other), blank, mark="")
        for messages, invalid in (*runs, runs[-1]):
            found = []
            for world in (sparing, thorough):
                world.register.invalid = dict.fromkeys(invalid, "wrong")
                world.register.named = True
                found.append(world.run(SCHEMA, *messages))
            assert found[0] == found[1]


# What is spared, and what is not


def test_only_what_changed_is_mapped(world: World) -> None:
    world.run(SCHEMA, account("a"), account("b"), account("c", charts=[]), state(1))
    assert world.mapped == ["a", "b", "c"]
    found = world.run(SCHEMA, account("a"), account("b", 2), account("c", charts=[]), state(2))
    assert world.mapped == ["b"]
    assert found["tally"] == {"accounts": {"unchanged": 1, "delivered": 1}}
    assert found["states"] == ['{"at":2}']
    world.run(SCHEMA, account("a"), account("b", 2), account("c", charts=[]))
    assert world.mapped == []
    assert world.register.requests == []


def test_what_is_the_same_byte_for_byte_is_not_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [SCHEMA, account("a"), account("b"), account("c")]
    world.run(*lines)
    read: list[Any] = []
    real = reader.read_message
    for module in (reader, recalling):
        monkeypatch.setattr(module, "read_message", lambda line: read.append(line) or real(line))
    found = world.run(*lines[:3], account("c", 2), CRAWLED, state(1))
    assert sorted(json.loads(line)["type"] for line in read) == [
        *("ACTIVATE_VERSION", "RECORD", "SCHEMA", "STATE")
    ]
    assert (world.mapped, found["requests"]) == (["c"], [("accounts", ["c"])])
    assert (found["tally"], found["states"]) == (
        {"accounts": {"unchanged": 2, "delivered": 1}},
        ['{"at":1}'],
    )


@pytest.mark.parametrize(
    "spelled",
    [
        '{"record": {"id": "a", "content": 1}, "stream": "main_accounts", "type": "RECORD"}',
        '{"type": "RECORD", "type": "RECORD", "stream": "main_accounts", "version": 7, '
        '"record": {"id": "a", "content": 1}, "time_extracted": "2026-01-01T00:00:00Z"}',
    ],
)
def test_only_the_record_itself_counts(world: World, spelled: str) -> None:
    world.run(SCHEMA, account("a"))
    assert world.run(SCHEMA, spelled)["tally"] == {"accounts": {"unchanged": 1}}
    assert world.mapped == []


@pytest.mark.parametrize(
    "spelled",
    [
        '{"type":"RECORD","stream":"main_accounts","record":{"content":1,"id":"a"}}',
        '{"type":"RECORD","stream":"main_accounts","record":{"id":"b","content":1,"id":"a"}}',
        '{"type":"RECORD","stream":"main_accounts","record":{"id":"\\u0061","content":1}}',
    ],
)
def test_the_same_in_other_bytes_is_mapped_and_not_sent(world: World, spelled: str) -> None:
    world.run(SCHEMA, account("a"))
    found = world.run(SCHEMA, spelled, CRAWLED)
    assert (world.mapped, found["requests"], found["withdrawals"]) == (["a"], [], [])


@pytest.mark.parametrize(
    ("garbled", "words"),
    [
        ('"record": {"id": "a", "content": 1}', "it is no JSON"),
        ('"record": {"id": "a", "content": 1}, "x": nonsense}', "it is no JSON"),
        ('"record": {"id": "a", "content": }}', "it is no JSON"),
        ('"record": ["a"]}', "its record is not an object"),
        ('"record": {"content": 1}}', "has a record of stream main_accounts without its key id"),
        ('"record": {"id": "", "content": 1}}', "without its key id"),
    ],
)
def test_a_garbled_line_is_still_named(world: World, garbled: str, words: str) -> None:
    world.run(SCHEMA, account("a"), account("b"))
    line = f'{{"type": "RECORD", "stream": "main_accounts", {garbled}'
    found = world.run(SCHEMA, line, account("b"), CRAWLED, state(1))
    (problem,) = found["bad"]
    assert problem.startswith("line 2 of the input ")
    assert words in problem
    assert (found["withdrawals"], found["states"]) == ([], [])


def test_what_a_tap_adds_to_each_record_does_not_count(world: World) -> None:
    for moment in ("2026-01-01", "2026-01-02"):
        found = world.run(SCHEMA, account("a", _sdc_extracted_at=moment))
    assert (world.mapped, found["tally"]) == ([], {"accounts": {"unchanged": 1}})


def test_nothing_is_spared_where_what_decides_has_changed_or_is_not_known(world: World) -> None:
    for mark in ("1", "2", ""):
        world.mark = mark
        world.run(SCHEMA, account("a"))
        assert world.mapped == ["a"]


def test_a_rejected_record_is_judged_again(world: World) -> None:
    for _ in range(2):
        world.run(SCHEMA, account("a", unmapped="X1"))
        assert world.mapped == ["a"]


def test_what_the_target_does_not_have_is_mapped_and_sent_again(world: World) -> None:
    world.register.invalid = {"a": "wrong"}
    world.run(SCHEMA, account("a"), account("b"))
    world.register.invalid = {}
    found = world.run(SCHEMA, account("a"), account("b"))
    assert world.mapped == ["a"]
    assert found["requests"] == [("accounts", ["a"])]
    assert found["rows"]["accounts"].keys() == {"a", "b"}


def test_what_vanished_and_is_back_is_sent_again(world: World) -> None:
    world.run(SCHEMA, account("a"), account("b"))
    assert world.run(SCHEMA, account("a"), CRAWLED)["withdrawals"] == ["b"]
    assert world.run(SCHEMA, account("a"), account("b"), CRAWLED)["requests"] == [
        ("accounts", ["b"])
    ]
    assert world.run(SCHEMA, account("a"), account("b"), CRAWLED)["withdrawals"] == []


def test_where_all_of_it_came_nothing_is_looked_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []

    def find(self: Any, source: str, stream: str) -> str:
        looked.append(f"{stream} of {source}")
        return real(self, source, stream)

    real = vanished.Vanishing.find
    monkeypatch.setattr(vanished.Vanishing, "find", find)
    monkeypatch.setattr(intake, "CHUNK", 2)
    everything = [account("a"), account("b"), account("c", charts=["accounts", "accounts2"])]
    world.run(SCHEMA, *everything)
    assert world.run(SCHEMA, *everything, CRAWLED)["withdrawals"] == []
    assert looked == []
    # One that comes again and again does not stand for another.
    found = world.run(SCHEMA, everything[0], everything[2], state(1), *[everything[0]] * 4, CRAWLED)
    assert found["withdrawals"] == ["b"]
    assert looked == ["accounts of main_accounts"]
    assert world.run(SCHEMA, everything[0], everything[2], CRAWLED)["withdrawals"] == []
    assert looked == ["accounts of main_accounts"]
    assert world.run(SCHEMA, everything[0], CRAWLED)["withdrawals"] == ["c", "c"]


def test_an_earlier_version_in_the_same_run_is_not_sent(world: World) -> None:
    world.run(SCHEMA, account("a"))
    found = world.run(SCHEMA, account("a", 2), state(1), account("a"), state(2))
    assert (found["requests"], found["states"]) == ([], ['{"at":2}'])


def test_a_record_that_cannot_be_used_is_named_by_its_own_line(world: World) -> None:
    found = world.run(SCHEMA, account("a"), account("b", unmapped="nameless"), account("c"))
    (problem,) = found["bad"]
    assert problem.startswith("line 3 of the input has a record that cannot be named")
    assert found["problem"].startswith("not everything has an outcome: 1 unreadable input line")


def test_a_state_waits_for_the_records_before_it(world: World) -> None:
    found = world.run(SCHEMA, account("a", unmapped="nameless"), state(1), account("b"), state(2))
    assert found["states"] == []


def test_halves_of_pairs_and_long_keys_are_mapped_each_time(world: World) -> None:
    odd = [account("a", name="\ud800"), account("b" * 200 + "é" * 50, name="x" * 1000)]
    for _ in range(2):
        assert world.run(SCHEMA, *odd)["problem"] == ""
    assert world.mapped == ["a"]


# Other days


@pytest.mark.parametrize(
    ("days", "spared"),
    [
        (Days(), True),
        (Days("2026-01-05"), True),
        (Days(last="2026-01-05"), True),
        (Days("2026-01-01", "2026-01-31"), True),
        (Days("2026-01-06"), False),
        (Days(last="2026-01-04"), False),
    ],
)
def test_a_record_becomes_the_same_on_its_days(
    world: World, monkeypatch: pytest.MonkeyPatch, days: Days, spared: bool
) -> None:
    monkeypatch.setattr(AccountSink, "days", days)
    monkeypatch.setattr(AccountSink, "day", "2026-01-05")
    world.run(SCHEMA, account("a"))
    found = world.run(SCHEMA, account("a"))
    assert (world.mapped == [], found["tally"]) == (spared, {"accounts": {"unchanged": 1}})


# What is kept


def test_recollections_of_one_system_and_source(ledger_url: str) -> None:
    first = Recollection("d1", [Made("accounts", "k", "f", "s", "")])
    with (
        closing(Ledger.open(ledger_url, SYSTEM)) as ledger,
        closing(Ledger.open(ledger_url, "else")) as other,
    ):
        ledger.remember("s", {f"[{n}]": first for n in range(1200)})
        ledger.remember("s", {"[7]": Recollection("d2", [], Days("2026-01-01", ""))})
        ledger.remember("s", {})
        found = ledger.recall("s", [f"[{n}]" for n in range(1300)])
        assert len(found) == 1200
        assert (found["[8]"], found["[7]"]) == (
            first,
            Recollection("d2", [], Days("2026-01-01", "")),
        )
        assert ledger.recall("t", ["[8]"]) == other.recall("s", ["[8]"]) == {}
