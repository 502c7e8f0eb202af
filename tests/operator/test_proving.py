"""`verify` and `anchor`: what is broken is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy
from singer_delivery.database import open_database

from tests.operator.office import REJECTED, Office, invoice


def tamper(office: Office, statement: str) -> None:
    engine = open_database(office.url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(statement))
    engine.dispose()


@pytest.fixture
def kept(any_office: Office) -> Office:
    any_office.deliver([invoice("a"), invoice("b")])
    return any_office


def test_an_intact_chain_is_told_in_a_line(kept: Office) -> None:
    count = len(kept.events())
    assert kept.run("verify").stdout == f"{count} events, chain intact\n"


def test_the_broken_entry_is_named(kept: Office) -> None:
    tamper(kept, "UPDATE events SET actor = 'nobody' WHERE number = 4")
    told = kept.run("verify", code=1).stdout.splitlines()
    assert told[0].startswith("event 4: it was changed")
    assert told[-1].endswith("1 fault(s)")


def test_a_chain_that_was_cut_off_shows_against_an_anchor(kept: Office, tmp_path: Path) -> None:
    file = tmp_path / "anchors" / "ledger.jsonl"
    last = len(kept.events())
    assert kept.run("anchor", "--file", str(file)).stdout.startswith(f"event {last} of 20")
    kept.deliver([invoice("c")], REJECTED)
    kept.run("anchor", "--file", str(file))
    assert ", 2 anchor(s) met" in kept.run("verify", "--anchor", str(file)).stdout
    tamper(kept, f"DELETE FROM events WHERE number > {last}")
    tamper(kept, "DELETE FROM documents WHERE key = 'c'")
    tamper(kept, "DELETE FROM payloads WHERE key = 'c'")
    tamper(
        kept,
        "UPDATE chain SET number = (SELECT max(number) FROM events), hash = (SELECT hash FROM "
        "events WHERE number = (SELECT max(number) FROM events))",
    )
    kept.run("verify")
    told = kept.run("verify", "--anchor", str(file), code=1).stdout
    assert "the trail was cut off" in told


def test_a_file_that_holds_no_anchor_is_refused(kept: Office, tmp_path: Path) -> None:
    file = tmp_path / "anchors"
    assert "cannot be read" in kept.refused("verify", "--anchor", str(file))
    file.write_text("{}\n")
    assert "is no anchor" in kept.refused("verify", "--anchor", str(file))
