"""`erase`: records go, what happened stays, and the chain stays verifiable."""

from __future__ import annotations

import pytest
import sqlalchemy
from singer_delivery.database import open_database
from singer_delivery.schema import payloads

from tests.operator.office import PORTAL, REJECTED, Office, invoice


def kept(office: Office) -> set[tuple[str, str]]:
    """Return stream and key of the records that the ledger still has."""
    engine = open_database(office.url)
    columns = payloads.c.stream, payloads.c.key
    with engine.connect() as connection:
        query = sqlalchemy.select(*columns).where(payloads.c.content.is_not(None))
        found = {(row.stream, row.key) for row in connection.execute(query)}
    engine.dispose()
    return found


@pytest.fixture
def full(any_office: Office) -> Office:
    any_office.deliver([invoice("a"), invoice("b")], REJECTED)
    any_office.deliver([invoice("a")], stream="transfer_responses", system=PORTAL)
    return any_office


def test_one_document_is_erased_everywhere_and_the_chain_verifies(full: Office) -> None:
    told = full.run("erase", "--key", "a", "--yes").stdout
    assert told.startswith("2 record(s) of a erased;")
    assert kept(full) == {("vendor_invoices", "b")}
    assert [event.key for event in full.events("erased")] == ["a", "a"]
    full.run("verify")


def test_only_what_is_old_enough_is_erased(full: Office) -> None:
    assert full.run("erase", "--older-than", "1").stdout.startswith("nothing to erase received")
    assert full.run("erase", "--before", "2020-01-01").stdout.startswith("nothing to erase")
    assert len(kept(full)) == 3
    full.run("erase", "--older-than", "0", "--system", PORTAL, "--yes")
    assert len(kept(full)) == 2
    full.run("erase", "--before", "2999-01-01", "--yes")
    assert kept(full) == set()
    full.run("verify")


def test_retention_asks_nobody(full: Office) -> None:
    assert full.run("erase", "--retention").stdout.startswith("nothing to erase")
    full.run("erase", "--retention", SINGER_DELIVERY_PAYLOAD_RETENTION_DAYS="0")
    assert kept(full) == set()


def test_without_a_terminal_it_needs_a_yes(full: Office) -> None:
    assert "Erase 2 record(s) of a, for good?" in full.refused("erase", "--key", "a")
    assert len(kept(full)) == 3


@pytest.mark.parametrize("options", [[], ["--older-than", "1", "--retention"]])
def test_what_is_meant_has_to_be_said(office: Office, options: list[str]) -> None:
    assert "--retention" in office.refused("erase", *options)
