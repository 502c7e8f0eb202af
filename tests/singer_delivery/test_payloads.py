"""Kept records: each is kept whole and once, found by its document, and erased by its age."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy
from singer_delivery import payloads
from singer_delivery.database import writing
from singer_delivery.ledger import Ledger
from singer_delivery.payloads import SingerStream
from singer_delivery.trail import Pen

SYSTEM = "https://usmf.example"
NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
SINGER = SingerStream("offers", {"type": "object", "title": "Größe"}, ["id", "line"])


def keep(
    ledger: Ledger,
    records: Mapping[str, Mapping[str, Any]],
    *,
    days: int = 0,
    system: str = SYSTEM,
    stream: str = "invoices",
) -> dict[str, str]:
    """Keep records that came in so many days ago."""
    with writing(ledger._engine) as connection:
        pen = Pen(connection, now=NOW - timedelta(days=days))
        return payloads.keep(pen, system, stream, records, SINGER)


def rows(ledger: Ledger, columns: str) -> list[tuple[Any, ...]]:
    with ledger._engine.connect() as connection:
        query = f"SELECT {columns} FROM payloads ORDER BY system, stream, key"
        return [tuple(row) for row in connection.execute(sqlalchemy.text(query))]


# Keeping


def test_a_kept_record_comes_back_as_it_was(ledger: Ledger) -> None:
    record = {"id": "1", "gross": Decimal("1.10"), "big": 10**30, "text": "é", "lines": [None]}
    digest = keep(ledger, {"1": record})["1"]
    kept = payloads.load(ledger._engine, SYSTEM, "invoices", "1")
    assert kept is not None
    assert kept.singer is not None
    assert (kept.system, kept.stream, kept.key, kept.digest) == (SYSTEM, "invoices", "1", digest)
    assert (kept.source, kept.received_at, kept.erased_at) == ("offers", NOW, None)
    assert kept.record == record
    assert str(kept.record["gross"]) == "1.10"
    assert (kept.singer.stream, list(kept.singer.key_properties)) == ("offers", ["id", "line"])
    assert kept.singer.schema["type"] == "object"


def test_a_digest_is_of_salt_and_content_and_no_two_salts_are_alike(ledger: Ledger) -> None:
    digests = keep(ledger, {"1": {"b": 1, "a": "é"}, "2": {"a": "é", "b": 1}})
    content = '{"a":"é","b":1}'.encode()
    found = rows(ledger, "key, digest, salt, content")
    assert [row[0] for row in found] == ["1", "2"]
    for key, digest, salt, stored in found:
        assert zlib.decompress(bytes(stored)) == content
        assert digests[key] == digest == hashlib.sha256(bytes.fromhex(salt) + content).hexdigest()
    assert len({row[2] for row in found}) == 2
    assert {len(row[2]) for row in found} == {32}


def test_only_what_is_new_is_kept_among_what_is_known(ledger: Ledger) -> None:
    first = keep(ledger, {"1": {"n": 1}, "2": {"n": 2}})
    second = keep(ledger, {"1": {"n": 1}, "2": {"n": 20}, "3": {"n": 3}})
    assert second["1"] == first["1"]
    assert second["2"] != first["2"]
    assert len(rows(ledger, "key")) == 4
    assert keep(ledger, {}) == {}


def test_a_record_is_known_in_its_own_stream_and_system_only(ledger: Ledger) -> None:
    record = {"1": {"n": 1}}
    digests = [
        keep(ledger, record)["1"],
        keep(ledger, record, stream="payments")["1"],
        keep(ledger, record, system="https://sandbox.example")["1"],
    ]
    assert len(set(digests)) == 3
    for stream, system, digest in zip(
        ("invoices", "payments", "invoices"),
        (SYSTEM, SYSTEM, "https://sandbox.example"),
        digests,
        strict=True,
    ):
        found = payloads.load(ledger._engine, system, stream, "1")
        assert found is not None
        assert found.digest == digest
    for system, stream, key in [
        *[("https://other.example", "invoices", "1"), (SYSTEM, "orders", "1")],
        (SYSTEM, "invoices", "2"),
    ]:
        assert payloads.load(ledger._engine, system, stream, key) is None


def test_a_thousand_records_are_kept_and_known_again(ledger: Ledger) -> None:
    records = {f"{n:04}": {"n": n} for n in range(1001)}
    assert keep(ledger, records) == keep(ledger, records)
    assert rows(ledger, "key")[-1] == ("1000",)
    assert len(rows(ledger, "key")) == 1001


def test_the_latest_record_is_found_unless_another_is_asked_for(ledger: Ledger) -> None:
    old = keep(ledger, {"1": {"n": 1}}, days=2)["1"]
    keep(ledger, {"1": {"n": 2}}, days=1)
    keep(ledger, {"2": {"n": 3}})
    latest = payloads.load(ledger._engine, SYSTEM, "invoices", "1")
    earlier = payloads.load(ledger._engine, SYSTEM, "invoices", "1", old)
    assert latest is not None
    assert earlier is not None
    assert (latest.record, earlier.record) == ({"n": 2}, {"n": 1})
    assert payloads.load(ledger._engine, SYSTEM, "invoices", "2", old) is None


def test_a_record_whose_schema_is_gone_is_found_without_it(ledger: Ledger) -> None:
    keep(ledger, {"1": {"n": 1}})
    with ledger._engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM schemas")
    kept = payloads.load(ledger._engine, SYSTEM, "invoices", "1")
    assert kept is not None
    assert (kept.record, kept.singer) == ({"n": 1}, None)


def test_a_schema_is_the_same_text_for_equal_ones_and_kept_once(ledger: Ledger) -> None:
    keep(ledger, {"1": {}})
    keep(ledger, {"2": {}})
    with ledger._engine.connect() as connection:
        found = connection.execute(sqlalchemy.text("SELECT digest, content FROM schemas")).all()
    one = SingerStream("s", {"b": Decimal("1.0"), "a": "é"}, ("id",)).content()
    assert one == r'{"key_properties":["id"],"schema":{"a":"\u00e9","b":1.0},"stream":"s"}'
    assert len(found) == 1
    assert {digest for (digest,) in rows(ledger, "schema_digest")} == {found[0].digest}


def test_damaged_content_is_none() -> None:
    assert payloads.content_kept(zlib.compress(b"{}")) == b"{}"
    assert payloads.content_kept(b"{}") is None


# Erasing


@pytest.fixture
def full(ledger: Ledger) -> Ledger:
    """A ledger with records of several days, streams and systems."""
    keep(ledger, {"a": {}, "b": {}}, days=9)
    keep(ledger, {"a": {}}, days=9, stream="payments")
    keep(ledger, {"a": {}}, days=9, system="https://sandbox.example")
    keep(ledger, {"c": {}}, days=1)
    return ledger


def left(ledger: Ledger) -> list[tuple[Any, ...]]:
    found = rows(ledger, "system, stream, key, content, salt, erased_at")
    for *_, content, salt, erased_at in found:
        assert (content is None) == (salt == "") == (erased_at is not None)
    return [(row[0][8], row[1][0], row[2]) for row in found if row[3] is not None]


WEEK = NOW - timedelta(days=7)


def test_only_what_is_older_is_erased_and_said_by_stream(full: Ledger) -> None:
    engine, now = full._engine, NOW + timedelta(hours=1)
    assert payloads.erase(engine, WEEK, run_id="run-1", actor="officer", now=now) == 4
    assert left(full) == [("u", "i", "c")]
    told = [
        (link.system[8], link.stream, link.key, link.detail["records"])
        for link in full.trail.links()
    ]
    assert told == [("s", "invoices", "", 1), ("u", "invoices", "", 2), ("u", "payments", "", 1)]
    for link in full.trail.links():
        assert (link.kind, link.run_id, link.actor, link.at) == ("erased", "run-1", "officer", now)
        assert link.detail["received_before"] == WEEK.isoformat()
    kept = payloads.load(engine, SYSTEM, "invoices", "a")
    assert kept is not None
    assert (kept.record, kept.erased_at, kept.received_at) == (None, now, NOW - timedelta(days=9))
    # Nothing is left to be erased, and nothing is said.
    assert payloads.erase(engine, WEEK) == 0
    assert full.trail.head().number == 3


@pytest.mark.parametrize(
    ("chosen", "gone"),
    [
        ({"key": "a"}, {("s", "i", "a"), ("u", "i", "a"), ("u", "p", "a")}),
        ({"system": "https://sandbox.example"}, {("s", "i", "a")}),
        ({"system": SYSTEM, "key": "b"}, {("u", "i", "b")}),
        ({"key": "c"}, set()),
    ],
)
def test_a_key_and_a_system_narrow_down_what_is_erased(
    full: Ledger, chosen: dict[str, Any], gone: set[tuple[str, str, str]]
) -> None:
    before = set(left(full))
    assert payloads.erase(full._engine, WEEK, **chosen) == len(gone)
    assert before - set(left(full)) == gone
    assert {link.key for link in full.trail.links()} == ({chosen.get("key", "")} if gone else set())


def test_erasing_goes_by_the_moment_wherever_it_is_told(full: Ledger) -> None:
    received = NOW - timedelta(days=9)
    assert payloads.erase(full._engine, received) == 0
    abroad = received.astimezone(timezone(timedelta(hours=-5))) + timedelta(microseconds=1)
    started = datetime.now(UTC)
    assert payloads.erase(full._engine, abroad) == 4
    [moment] = {link.at for link in full.trail.links()}
    assert started <= moment <= datetime.now(UTC)
    assert {(link.run_id, link.actor) for link in full.trail.links()} == {("", "")}
    assert {told for (told,) in rows(full, "erased_at")} == {moment.isoformat(), None}
