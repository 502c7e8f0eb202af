"""`export`: all of the trail, so that anybody can compute it again."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc

import pytest
from singer_delivery.chain import GENESIS, link_hash
from singer_delivery.database import open_database
from singer_delivery.document import Outcome, Status
from singer_delivery.trail import Event, Kind, Trail

from tests.operator.office import PORTAL, REJECTED, Office, invoice

HASHED = ("number", "at", "system", "stream", "key", "kind", "run_id", "actor", "detail", "payload")


def exported(office: Office, *options: str) -> list[dict[str, object]]:
    rows = [json.loads(line) for line in office.run("export", *options).stdout.splitlines()]
    assert rows[-1] == {"exported": len(rows) - 2}
    return rows


def test_the_chain_can_be_computed_from_the_export(any_office: Office) -> None:
    any_office.deliver([invoice("å", "=1+1"), invoice("b")], REJECTED)
    header, *rows, _ = exported(any_office)
    previous = GENESIS
    for row in rows:
        digest = link_hash(1, [str(row[name]) for name in HASHED], previous)
        assert (row["previous"], row["hash"]) == (previous, digest)
        previous = digest
    assert header["head"] == {"number": len(rows), "hash": previous, "at": rows[-1]["at"]}
    assert len(rows) == len(any_office.events())


def test_the_ledgers_password_is_not_exported(postgres_office: Office) -> None:
    url = postgres_office.url.replace("ledger@", "ledger:geheim@")
    done = postgres_office.run("--ledger-url", url, "export")
    assert "geheim" not in done.output


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        (["--stream", "vendor_invoices"], {"a", "b"}),
        (["--entity", "DEMF"], {"b"}),
        (["--system", "portal"], {"", "a"}),
        (["--status", "rejected"], {"b"}),
        (["--since", "2999-01-01"], set()),
        (["--until", "2999-01-01", "--number", "INV-b"], {"b"}),
    ],
)
def test_events_can_be_chosen(office: Office, options: list[str], keys: set[str]) -> None:
    office.deliver([invoice("a")])
    office.deliver([invoice("b", entity="demf")], REJECTED)
    office.deliver([invoice("a")], stream="transfer_responses", system=PORTAL)
    assert {row["key"] for row in exported(office, *options)[1:-1]} == keys


def test_documents_are_exported_where_they_stand(any_office: Office) -> None:
    any_office.deliver([invoice(f"k{n:04}") for n in range(1200)])
    any_office.deliver([invoice("k0001")], stream="transfer_responses", system=PORTAL)
    rows = exported(any_office, "--what", "documents")[1:-1]
    assert len({(row["stream"], row["key"]) for row in rows}) == len(rows) == 1201


def test_csv_has_no_formula_and_every_event(office: Office) -> None:
    office.deliver([invoice("=cmd()", "+1")], Outcome(Status.REJECTED, "-1\n2"))
    rows = list(csv.DictReader(io.StringIO(office.run("export", "--format", "csv").stdout)))
    assert len(rows) == len(office.events())
    assert {row["key"] for row in rows} == {"", "'=cmd()"}
    told = office.run("export", "--format", "csv", "--what", "documents").stdout
    [document] = csv.DictReader(io.StringIO(told))
    assert (document["number"], document["reason"]) == ("'+1", "'-1\n2")


def test_memory_stays_flat(office: Office) -> None:
    def peak() -> int:
        tracemalloc.start()
        office.run("export", "--since", "2999-01-01")
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    def grow(number: int) -> None:
        engine = open_database(office.url)
        Trail(engine).record([Event(Kind.ANSWERED, "s", f"k{n}", {"n": n}) for n in range(number)])
        engine.dispose()

    grow(2_000)
    peak()
    before = peak()
    grow(12_000)
    assert peak() < before * 1.5
