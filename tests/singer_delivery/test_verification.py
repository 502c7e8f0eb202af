"""The audit trail: whatever is done to it behind the ledger's back is found."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from singer_delivery import payloads
from singer_delivery.chain import GENESIS, link_hash
from singer_delivery.database import open_database
from singer_delivery.document import Document, Outcome, Status
from singer_delivery.errors import LedgerError
from singer_delivery.exchanges import Exchange
from singer_delivery.ledger import Ledger
from singer_delivery.payloads import SingerStream
from singer_delivery.trail import Head, Kind
from singer_delivery.verification import Anchor, append_anchor, read_anchors, verify

SYSTEM = "https://usmf.example"
NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
SINGER = SingerStream("invoices", {"type": "object"}, ["id"])
COLUMNS = (
    *("form", "at", "system", "stream", "key", "kind"),
    *("run_id", "actor", "detail", "payload", "previous", "hash"),
)
MUTATIONS = 1200


def deliver(ledger: Ledger, number: int) -> None:
    """Receive, send and settle so many documents, one of them in each way."""
    documents = [
        Document(
            f"key-{n}",
            {"n": n},
            f"{n:064x}",
            natural_key=f"usmf/V1/{n}",
            version=str(n),
            record={"id": f"key-{n}", "n": n, "text": "é"},
        )
        for n in range(number)
    ]
    exchange = Exchange("POST", "/data/$batch", 200, "a" * 64, "b" * 64, "req", NOW, NOW)
    ledger.receive("invoices", documents, SINGER, "run-1")
    ledger.intend("invoices", documents, "run-1")
    outcomes = [
        Outcome(Status.DELIVERED, remote_key="BW1", request_id="req", exchanges=[exchange]),
        Outcome(Status.REJECTED, "the vendor is on hold"),
        Outcome(Status.IN_DOUBT, "reset"),
        Outcome(Status.UNCHANGED, remote_key="BW4"),
    ]
    for n, document in enumerate(documents):
        ledger.settle("invoices", document, outcomes[n % len(outcomes)], "run-1")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with a trail, as one file."""
    file = tmp_path_factory.mktemp("trail") / "ledger.db"
    ledger = Ledger.open(f"sqlite:///{file}", SYSTEM, actor="tester")
    deliver(ledger, 12)
    ledger.close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    return file


@pytest.fixture
def copied(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(written, tmp_path / "ledger.db"))


def faults(file: Path, *anchors: Anchor) -> list[tuple[int, str]]:
    engine = sqlalchemy.create_engine(f"sqlite:///{file}")
    found = [(fault.number, fault.words) for fault in verify(engine, anchors).faults]
    engine.dispose()
    return found


def rows(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    names = ("number", *COLUMNS)
    query = f"SELECT {', '.join(names)} FROM events ORDER BY number"
    return [dict(zip(names, row, strict=True)) for row in connection.execute(query)]


def write(connection: sqlite3.Connection, changed: list[dict[str, Any]]) -> None:
    connection.execute("DELETE FROM events")
    names = ("number", *COLUMNS)
    places = ", ".join("?" * len(names))
    connection.executemany(
        f"INSERT INTO events ({', '.join(names)}) VALUES ({places})",
        [[row[name] for name in names] for row in changed],
    )


# The chain by itself


def test_an_untouched_trail_is_intact(ledger_url: str) -> None:
    ledger = Ledger.open(ledger_url, SYSTEM)
    deliver(ledger, 30)
    engine = open_database(ledger_url)
    verdict = verify(engine)
    assert verdict.intact, verdict.faults
    assert verdict.events == ledger.trail.head().number > 30 * 4
    engine.dispose()
    ledger.close()


def flip(rng: random.Random, links: list[dict[str, Any]]) -> str:
    link = rng.choice(links)
    name = rng.choice(COLUMNS)
    value = link[name]
    if name == "form":
        link[name] = value + rng.choice([-1, 1])
        return f"form of {link['number']}"
    place = rng.randrange(len(value) + 1)
    letter = rng.choice([c for c in "x7{ é" if c != value[place : place + 1]])
    link[name] = value[:place] + letter + value[place + 1 :]
    return f"{name} of {link['number']} at {place}"


def delete(rng: random.Random, links: list[dict[str, Any]]) -> str:
    start = rng.randrange(len(links))
    stop = min(len(links), start + rng.randint(1, 5))
    del links[start:stop]
    return f"{start} to {stop}"


def insert(rng: random.Random, links: list[dict[str, Any]]) -> str:
    """Put a link in with a hash of its own that fits, and number the others anew."""
    place = rng.randrange(len(links) + 1)
    previous = links[place - 1]["hash"] if place else GENESIS
    forged = {**links[min(place, len(links) - 1)], "number": place + 1, "previous": previous}
    links.insert(place, rehashed(forged))
    for number, link in enumerate(links, start=1):
        link["number"] = number
    return f"at {place}"


def reorder(rng: random.Random, links: list[dict[str, Any]]) -> str:
    one, other = rng.sample(range(len(links)), 2)
    if rng.random() < 0.5:
        links[one], links[other] = links[other], links[one]
        for number, link in enumerate(links, start=1):
            link["number"] = number
    else:
        numbers = links[one]["number"], links[other]["number"]
        links[other]["number"], links[one]["number"] = numbers
    return f"{one} and {other}"


def truncate(rng: random.Random, links: list[dict[str, Any]]) -> str:
    """Cut the end off, and let the head of the chain say so too, as somebody careful would."""
    left = rng.randrange(len(links))
    del links[left:]
    return f"after {left}"


def rewrite(rng: random.Random, links: list[dict[str, Any]]) -> str:
    """Change a link and hash everything behind it anew: only an anchor shows that."""
    place = rng.randrange(len(links))
    links[place]["detail"] = '{"status":"delivered"}'
    links[place]["actor"] = "nobody"
    previous = links[place - 1]["hash"] if place else GENESIS
    for index in range(place, len(links)):
        links[index] = rehashed({**links[index], "previous": previous})
        previous = links[index]["hash"]
    return f"from {place}"


def rehashed(link: dict[str, Any]) -> dict[str, Any]:
    fields = (str(link["number"]), *(link[name] for name in COLUMNS[1:10]))
    return {**link, "hash": link_hash(1, fields, link["previous"])}


KINDS: list[Callable[[random.Random, list[dict[str, Any]]], str]] = [
    *(flip, flip, flip, delete, insert, reorder, truncate, rewrite)
]


def test_every_mutation_is_found(copied: Path) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{copied}")
    with closing(sqlite3.connect(copied)) as connection:
        original = rows(connection)
        end = original[-1]
        anchor = Anchor(end["number"], end["hash"], end["at"])
        missed = []
        for seed in range(MUTATIONS):
            rng = random.Random(seed)
            links = [dict(link) for link in original]
            mutate = KINDS[seed % len(KINDS)]
            what = f"{mutate.__name__} {mutate(rng, links)}"
            write(connection, links)
            last = links[-1] if links else {"number": 0, "hash": GENESIS}
            forged = mutate in {truncate, rewrite}
            head = (last if forged else end)["number"], (last if forged else end)["hash"]
            connection.execute("UPDATE chain SET number = ?, hash = ?", head)
            connection.commit()
            if verify(engine, [anchor]).intact:
                missed.append(f"seed {seed}: {what}")
        assert missed == []
    engine.dispose()


def test_the_first_broken_entry_is_named(copied: Path) -> None:
    with closing(sqlite3.connect(copied)) as connection:
        connection.execute("UPDATE events SET actor = 'nobody' WHERE number = 7")
        connection.commit()
    assert faults(copied) == [(7, "it was changed: its hash does not fit")]


def test_a_missing_entry_is_named(copied: Path) -> None:
    with closing(sqlite3.connect(copied)) as connection:
        connection.execute("DELETE FROM events WHERE number = 5")
        connection.commit()
    found = faults(copied)
    assert found[0] == (5, "entry 5 is missing")


def test_a_form_of_a_newer_version_is_named(copied: Path) -> None:
    with closing(sqlite3.connect(copied)) as connection:
        connection.execute("UPDATE events SET form = 2 WHERE number = 3")
        connection.commit()
    [(number, words)] = faults(copied)
    assert (number, "upgrade" in words) == (3, True)


def test_a_head_that_was_set_back_or_removed_is_found(copied: Path) -> None:
    with closing(sqlite3.connect(copied)) as connection:
        connection.execute("UPDATE chain SET number = number - 1")
        connection.commit()
        assert len(faults(copied)) == 1
        connection.execute("DELETE FROM chain")
        connection.commit()
    assert faults(copied) == [(0, "the head of the chain is gone")]
    ledger = Ledger.open(f"sqlite:///{copied}", SYSTEM)
    with pytest.raises(LedgerError, match="tampered"):
        ledger.intend("invoices", [Document("x", None, "f")], "run-2")
    ledger.close()


# Anchors


def test_only_an_anchor_shows_a_careful_truncation(copied: Path, tmp_path: Path) -> None:
    ledger = Ledger.open(f"sqlite:///{copied}", SYSTEM)
    file = tmp_path / "on" / "another disk" / "anchors.jsonl"
    append_anchor(file, ledger.trail.head())
    length = ledger.trail.head().number
    ledger.close()
    with closing(sqlite3.connect(copied)) as connection:
        # Together with what would tell of it.
        connection.execute("UPDATE documents SET status = 'intended' WHERE key = 'key-11'")
        links = [link for link in rows(connection) if link["number"] < length]
        write(connection, links)
        head = links[-1]["number"], links[-1]["hash"]
        connection.execute("UPDATE chain SET number = ?, hash = ?", head)
        connection.commit()
    [(number, words)] = faults(copied, *read_anchors(file))
    assert (number, words.endswith("the trail was cut off")) == (length, True)


@pytest.mark.parametrize("line", ["{", "[]", '{"number": "x", "hash": "", "at": ""}', "7"])
def test_an_anchor_file_that_is_none_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "anchors"
    file.write_text(f'\n{{"number": 1, "hash": "{"0" * 64}", "at": "2026-11-23"}}\n{line}\n')
    with pytest.raises(LedgerError, match="line 3 of the anchor file"):
        read_anchors(file)


def test_each_run_adds_its_anchor(tmp_path: Path) -> None:
    heads = [Head(1, "a" * 64, "2026-01-05"), Head(2, "b" * 64, "2026-01-06")]
    for head in heads:
        append_anchor(tmp_path / "anchors", head)
    assert read_anchors(tmp_path / "anchors") == [Anchor(*head) for head in heads]


def test_an_anchor_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="cannot be read"):
        read_anchors(tmp_path / "nothing")
    ledger = Ledger.open(f"sqlite:///{tmp_path}/ledger.db", SYSTEM)
    with pytest.raises(LedgerError, match="cannot be written"):
        append_anchor(tmp_path, ledger.trail.head())
    ledger.close()


# Documents and records


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE documents SET status = 'delivered' WHERE key = 'key-1'",
        "UPDATE documents SET remote_key = 'BW9' WHERE key = 'key-0'",
        "UPDATE documents SET request_id = 'other' WHERE key = 'key-0'",
        "DELETE FROM documents WHERE key = 'key-3'",
        "INSERT INTO documents SELECT system, stream, 'forged', natural_key, version, fingerprint, "
        "status, reason, remote_key, request_id, detail, attempts, sequence, run_id, intended_at, "
        "settled_at, source, scope, held, revision, doubts FROM documents WHERE key = 'key-0'",
        "UPDATE payloads SET content = x'00' WHERE key = 'key-2'",
        "UPDATE payloads SET content = NULL WHERE key = 'key-2'",
        "UPDATE payloads SET salt = '00' WHERE key = 'key-2'",
        "DELETE FROM payloads WHERE key = 'key-2'",
        "UPDATE payloads SET key = 'key-9999' WHERE key = 'key-2'",
    ],
)
def test_a_document_or_record_that_was_changed_is_found(copied: Path, change: str) -> None:
    with closing(sqlite3.connect(copied)) as connection:
        connection.execute(change)
        connection.commit()
    assert faults(copied)


@pytest.mark.parametrize("final", [Status.DELIVERED, Status.UNCHANGED, Status.REJECTED])
def test_what_was_confirmed_and_what_was_released_agree_with_the_trail(
    ledger: Ledger, final: Status
) -> None:
    document = Document("1", None, "f" * 64)
    ledger.settle("invoices", document, Outcome(Status.ACCEPTED, request_id="r"), "run-1")
    [accepted] = ledger.accepted_entries("invoices")
    ledger.settle_entry(accepted, Outcome(final, remote_key="BW1", request_id="r"), "run-1")
    assert verify(ledger._engine).intact
    if final is Status.REJECTED:
        assert ledger.release("invoices", "1", "run-1")
        assert verify(ledger._engine).intact
        with ledger._engine.begin() as connection:
            connection.exec_driver_sql("UPDATE documents SET status = 'rejected'")
        assert len(verify(ledger._engine).faults) == 1


def test_erased_records_leave_the_trail_intact(ledger_url: str) -> None:
    ledger = Ledger.open(ledger_url, SYSTEM)
    deliver(ledger, 5)
    engine = open_database(ledger_url)
    later = datetime.now(UTC) + timedelta(days=1)
    assert payloads.erase(engine, later, actor="officer", key="key-1") == 1
    assert payloads.erase(engine, later, actor="officer") == 4
    assert payloads.erase(engine, later, actor="officer") == 0
    assert verify(engine).intact
    kept = payloads.load(engine, SYSTEM, "invoices", "key-2")
    assert kept is not None
    assert (kept.record, kept.erased_at is None) == (None, False)
    erased = [link for link in ledger.trail.links() if link.kind == Kind.ERASED]
    assert [(link.key, link.actor, link.detail["records"]) for link in erased] == [
        ("key-1", "officer", 1),
        ("", "officer", 4),
    ]
    engine.dispose()
    ledger.close()


def test_a_record_is_kept_once_however_often_it_comes(ledger_url: str) -> None:
    ledger = Ledger.open(ledger_url, SYSTEM)
    deliver(ledger, 2)
    deliver(ledger, 2)
    first = [link.payload for link in ledger.trail.of("key-0") if link.kind == Kind.RECEIVED]
    assert len(first) == 2
    assert len(set(first)) == 1
    changed = Document("key-0", {}, "c" * 64, record={"id": "key-0", "n": 99})
    ledger.receive("invoices", [changed], SINGER, "run-2")
    engine = open_database(ledger_url)
    kept = payloads.load(engine, SYSTEM, "invoices", "key-0")
    assert kept is not None
    assert (kept.record, kept.singer) == ({"id": "key-0", "n": 99}, SINGER)
    earlier = payloads.load(engine, SYSTEM, "invoices", "key-0", first[0])
    assert earlier is not None
    assert earlier.record == {"id": "key-0", "n": 0, "text": "é"}
    assert verify(engine).intact
    engine.dispose()
    ledger.close()


def test_documents_from_before_the_trail_are_counted_not_blamed(copied: Path) -> None:
    with closing(sqlite3.connect(copied)) as connection:
        connection.execute(
            "INSERT INTO documents SELECT system, stream, 'old', natural_key, version, "
            "fingerprint, status, reason, remote_key, request_id, detail, attempts, sequence, "
            "run_id, intended_at, settled_at, source, scope, held, 0, 0 FROM documents "
            "WHERE key = 'key-0'"
        )
        connection.commit()
    engine = sqlalchemy.create_engine(f"sqlite:///{copied}")
    verdict = verify(engine)
    assert (verdict.intact, verdict.untracked) == (True, 1)
    engine.dispose()


# What is written


def test_the_trail_tells_what_happened_in_order(ledger: Ledger) -> None:
    deliver(ledger, 1)
    links = ledger.trail.of("key-0", stream="invoices")
    assert [link.kind for link in links] == [
        *("received", "mapped", "intended", "sent", "answered", "delivered")
    ]
    assert links[3].detail == {
        "method": "POST",
        "path": "/data/$batch",
        "request_sha256": "a" * 64,
    }
    assert links[5].detail["remote_key"] == "BW1"
    assert {link.run_id for link in links} == {"run-1"}


def test_a_clock_set_back_stops_everything_before_it_is_sent(ledger: Ledger) -> None:
    document = Document("1", None, "f" * 64)
    ledger._clock = lambda: NOW
    ledger.intend("invoices", [document], "run-1")
    ledger.settle("invoices", document, Outcome(Status.DELIVERED), "run-1")
    ledger._clock = lambda: NOW - timedelta(minutes=4)
    ledger.intend("invoices", [replace(document, key="2")], "run-1")
    ledger._clock = lambda: NOW - timedelta(minutes=6)
    # What was under way may still be finished.
    ledger.settle("invoices", replace(document, key="2"), Outcome(Status.DELIVERED), "run-1")
    with pytest.raises(LedgerError, match="clock of this machine says 2026-01-05 09:54:00"):
        ledger.intend("invoices", [replace(document, key="3")], "run-1")
    assert "3" not in ledger.lookup("invoices", ["3"])


@pytest.fixture
def ledgers(ledger_url: str) -> Iterator[list[Ledger]]:
    opened = [Ledger.open(ledger_url, f"https://{n}.example") for n in range(2)]
    yield opened
    for ledger in opened:
        ledger.close()


def test_all_systems_of_a_ledger_share_one_chain(ledgers: list[Ledger]) -> None:
    for ledger in ledgers:
        ledger.intend("invoices", [Document("1", None, "f" * 64)], "run-1")
    links = ledgers[0].trail.of("1")
    assert [(link.number, link.system) for link in links] == [
        (1, "https://0.example"),
        (2, "https://1.example"),
    ]
    assert links[1].previous == links[0].hash


def test_half_a_surrogate_pair_from_outside_stops_nothing(ledger: Ledger) -> None:
    half = "\ud800"
    document = Document("1", {}, "f" * 64, scope=half, source=half, record={"text": half})
    ledger.receive("s", [document], SingerStream("s", {"title": half}, ["id"]), "run-1")
    ledger.intend("s", [document], "run-1")
    ledger.settle("s", document, Outcome(Status.ACCEPTED, half, half, half, {"x": half}), "run-1")
    [accepted] = ledger.accepted_entries("s")
    ledger.settle_entry(accepted, Outcome(Status.DELIVERED, half, half, half), "run-1")
    assert ledger.lookup("s", ["1"])["1"].remote_key == "?"
    assert verify(ledger._engine).intact
