"""Sinks: which records they take, how they deliver them, and what they hand on."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from singer_delivery.delivery import Delivery, DeliveryOptions
from singer_delivery.document import Document
from singer_delivery.errors import BadInput
from singer_delivery.payloads import SingerStream
from singer_delivery.sink import DeliverySink
from singer_delivery.stopping import PROCESS

from tests.singer_delivery.bulk_target import AccountSink, BulkTarget
from tests.singer_delivery.fake_system import record
from tests.singer_delivery.tiny_target import TinySink, TinyTarget

SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}, "line": {"type": "integer"}}}


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    return {"ledger_url": f"sqlite:///{tmp_path}/ledger.db"}


def sink_of(config: dict[str, Any], *keys: str) -> TinySink:
    return TinySink(TinyTarget(config=config), "invoices", SCHEMA, keys or ["id"])


class Bulk:
    """Notes what a bulk sink hands over."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.calls.append((name, *arguments))


@pytest.fixture
def accounts(config: dict[str, Any]) -> tuple[AccountSink, Bulk]:
    """A bulk sink, and what it has handed over."""
    target, bulk = BulkTarget(config=config), Bulk()
    vars(target)["bulk"] = bulk
    return AccountSink(target, "gl_accounts", SCHEMA, ["id"]), bulk


# What is taken


@pytest.mark.parametrize("blank", [{}, {"line": None}, {"line": ""}], ids=["none", "null", "empty"])
def test_a_record_without_part_of_its_key_is_refused_by_the_name_of_that_part(
    config: dict[str, Any], blank: dict[str, Any]
) -> None:
    sink = sink_of(config, "id", "line")
    sink._singer_validate_message({"id": "1", "line": 0})
    with pytest.raises(BadInput) as caught:
        sink._singer_validate_message({"id": "1", **blank})
    assert str(caught.value) == (
        "has a record of stream invoices without its key line: it cannot be told apart from "
        "others, and is left out"
    )
    with pytest.raises(BadInput, match="without its key id, line: it"):
        sink._singer_validate_message({})


def test_one_of_several_keys_may_be_empty_in_bulk_but_not_missing_nor_all_of_them(
    config: dict[str, Any],
) -> None:
    sink = AccountSink(BulkTarget(config=config), "accounts", SCHEMA, ["chart", "id"])
    sink._singer_validate_message({"chart": "", "id": "1"})
    refusals: list[tuple[dict[str, Any], str]] = [
        ({"chart": None, "id": "1"}, "chart"),
        ({"id": "1"}, "chart"),
        ({"chart": "", "id": ""}, "chart, id"),
        ({"chart": "", "id": None}, "chart, id"),
        ({"id": ""}, "chart, id"),
    ]
    for refused, names in refusals:
        with pytest.raises(BadInput, match=f"without its key {names}: it"):
            sink._singer_validate_message(refused)


def test_a_record_stays_as_it_came_and_is_not_logged(
    config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sink = TinySink(
        TinyTarget(config=config), stream_name="invoices", schema=SCHEMA, key_properties=["id"]
    )
    given = {"id": 7, "iban": "DE00 1234", "when": "no date"}
    assert sink._validate_and_parse(given) is given
    sink._after_process_record({"records": [given]})
    assert "DE00" not in caplog.text


# How it is delivered


@pytest.mark.parametrize(("days", "keep"), [(0, False), (1, True)])
def test_a_delivery_goes_by_the_settings(config: dict[str, Any], days: int, keep: bool) -> None:
    config |= {"max_connections": 3, "max_sends": 4, "read_back_wait_seconds": 5}
    config |= {"max_lost_answers": 6, "claim_wait_seconds": 7, "payload_retention_days": days}
    sink = sink_of(config)
    delivery = sink.delivery
    assert delivery.options == DeliveryOptions(3, 4, 5, 6, 7, keep_records=keep)
    assert delivery.singer == SingerStream("invoices", SCHEMA, ("id",))
    assert delivery.courier is sink.courier
    assert (delivery.ledger, delivery.run_id) == (sink.target.ledger, sink.target.run_id)
    assert sink.delivery is delivery
    sink.target.ledger.close()


def test_a_delivery_stops_and_sleeps_with_its_process(config: dict[str, Any]) -> None:
    sink = sink_of(config)
    assert (sink.delivery.stopping(), sink.delivery.sleep) == (False, PROCESS.sleep)
    PROCESS.request()
    assert sink.delivery.stopping()
    sink.target.ledger.close()


@pytest.mark.parametrize(("rows", "size"), [(None, 100), (1, 1), (250, 250)])
def test_a_batch_is_as_large_as_wanted(config: dict[str, Any], rows: int | None, size: int) -> None:
    sink = sink_of(config | ({"batch_size_rows": rows} if rows else {}))
    assert sink.max_size == size


def test_a_stream_is_taken_up_before_its_batches_which_are_counted(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    sink: DeliverySink = sink_of(config)
    monkeypatch.setattr(sink.target, "begin", seen.append)
    monkeypatch.setattr(
        sink.target, "deliver", lambda delivery, batch: seen.append((delivery, batch))
    )
    counted: list[int] = []
    monkeypatch.setattr(sink, "tally_record_written", counted.append)
    batch = [record("a"), record("b")]
    sink.setup()
    sink.process_batch({"records": batch})
    sink.process_batch({})
    assert isinstance(sink.delivery, Delivery)
    assert seen == [sink.delivery, (sink.delivery, batch), (sink.delivery, [])]
    assert counted == [2, 0]
    sink.target.ledger.close()


# What is handed on in bulk


def test_all_that_a_record_becomes_is_handed_over_with_its_origin(
    accounts: tuple[AccountSink, Bulk], monkeypatch: pytest.MonkeyPatch
) -> None:
    sink, bulk = accounts
    counted: list[int] = []
    monkeypatch.setattr(sink, "tally_record_written", lambda *n: counted.append(sum(n) or 1))
    sink.process_record({"id": "é", "charts": ["accounts", "accounts2"]}, {})
    met, *taken = bulk.calls
    assert met == ("met", "gl_accounts")
    assert [(name, resource) for name, resource, _ in taken] == [
        ("take", "accounts"),
        ("take", "accounts2"),
    ]
    for _, _, document in taken:
        assert (document.key, document.source) == ("é", "gl_accounts")
        assert document.detail["_record"] == '["é"]'
    assert counted == [1]


def test_what_a_document_knows_of_itself_stays(accounts: tuple[AccountSink, Bulk]) -> None:
    sink, _ = accounts
    known = Document("k", 1, "f", source="orders", detail={"a": 1})
    traced = sink._traced({"id": 7}, known)
    assert (traced.source, traced.detail) == ("orders", {"a": 1, "_record": '["7"]'})
    assert (traced.key, traced.payload, traced.fingerprint) == ("k", 1, "f")


def test_a_stream_without_keys_leaves_no_trace_of_its_records(config: dict[str, Any]) -> None:
    sink = AccountSink(BulkTarget(config=config), "accounts", SCHEMA, [])
    assert sink._traced({"id": 7}, Document("k", 1, "f")).detail == {}


def test_a_record_that_cannot_be_used_is_handed_over_with_the_reason(
    accounts: tuple[AccountSink, Bulk],
) -> None:
    sink, bulk = accounts
    sink.process_record({"id": "7", "unmapped": "X1"}, {})
    [(name, resource, document, reason)] = bulk.calls
    assert (name, resource, reason) == ("reject", "accounts", "the mapping has no chart X1")
    assert (document.key, document.source, document.detail) == (
        *("unmapped 7", "gl_accounts", {"_record": '["7"]'}),
    )


def test_a_record_that_cannot_even_be_named_is_bad_input_for_both_reasons(
    accounts: tuple[AccountSink, Bulk],
) -> None:
    sink, bulk = accounts
    with pytest.raises(BadInput) as caught:
        sink.process_record({"id": "7", "unmapped": "nameless"}, {})
    assert str(caught.value) == (
        "has a record that cannot be named (the mapping has no chart nameless)"
    )
    assert caught.value.__cause__ is None
    assert bulk.calls == []


def test_a_rejected_document_may_tell_its_reason_itself(config: dict[str, Any]) -> None:
    class TellingSink(AccountSink):
        def rejected(self, record: Mapping[str, Any], reason: str) -> tuple[str, Document]:
            return "accounts", Document("k", None, "", label=reason)

    target, bulk = BulkTarget(config=config), Bulk()
    vars(target)["bulk"] = bulk
    sink = TellingSink(target, stream_name="gl", schema=SCHEMA, key_properties=["id"])
    sink.process_record({"id": "7", "unmapped": "X1"}, {})
    assert [call[2].label for call in bulk.calls] == ["the mapping has no chart X1"]


def test_the_end_of_a_crawl_is_handed_over(accounts: tuple[AccountSink, Bulk]) -> None:
    sink, bulk = accounts
    sink.activate_version(7)
    assert bulk.calls == [("complete", "gl_accounts")]
