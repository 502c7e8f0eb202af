"""Four eyes: what one person asks for, another one approves, and it is carried out once."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from tests.operator.office import REJECTED, Office, invoice


def asked(office: Office, *arguments: str, **more: Any) -> str:
    """Ask for a replay and return the id of the request."""
    done = office.run("replay", "--request", *arguments, **more)
    assert done.stdout == ""
    found = re.search(r"request ([0-9a-f]{10}):", done.stderr)
    assert found
    return found[1]


def approve(office: Office, name: str, by: str = "bob") -> str:
    return office.run("approve", name, "--yes", SINGER_DELIVERY_USER=by).stderr


@pytest.fixture
def strict(office: Office) -> Office:
    """Four eyes are on, and a document is rejected."""
    office.run("four-eyes", "on")
    office.deliver([invoice("a")], REJECTED)
    return office


def test_it_is_switched_on_in_the_trail(office: Office) -> None:
    assert office.run("four-eyes").stdout == "four eyes are off\n"
    office.run("four-eyes", "on")
    [policy] = office.events("policy")
    assert policy.detail == {"four_eyes": True}
    assert office.run("four-eyes").stdout == "four eyes are on\n"
    office.run("four-eyes", "on")
    assert len(office.events("policy")) == 1


def test_nothing_is_replayed_alone(strict: Office) -> None:
    assert "four eyes are on: ask with" in strict.refused("replay", "a")
    assert "four eyes are on: ask with" in strict.refused("replay", "--all-rejected", "--yes")
    assert not strict.events("replayed")


def test_an_approved_request_is_carried_out_once(strict: Office) -> None:
    name = asked(strict, "a", "--reason", "vendor created")
    assert "waits for approval" in strict.refused("replay", "--approved", name)
    assert "vendor created" in approve(strict, name)
    messages = strict.messages("replay", "--approved", name)
    assert messages[1]["record"]["invoiceId"] == "a"
    assert "each approval holds for one replay" in strict.refused("replay", "--approved", name)
    strict.run("verify")


def test_the_document_tells_who_asked_and_who_approved(strict: Office) -> None:
    name = asked(strict, "a", "--reason", "vendor created")
    approve(strict, name)
    strict.run("replay", "--approved", name)
    told = strict.run("show", "a").stdout
    assert f"replay requested as {name} (payload " in told
    assert re.search(r"vendor created, by \S+ \(account on \S+, claimed to be alice\)", told)
    assert f"request {name} approved (payload " in told
    assert re.search(r"\(identities claimed, not proved\), by .* claimed to be bob\)", told)
    assert f"as approved in request {name}" in told


@pytest.mark.parametrize("who", ["alice", " ALICE", ""])
def test_nobody_approves_their_own_request(strict: Office, who: str) -> None:
    name = asked(strict, "a")
    words = strict.refused("approve", name, "--yes", SINGER_DELIVERY_USER=who)
    assert words.startswith(f"request {name} is not approved: both were made")
    assert not strict.events("approved")


def test_without_claims_one_account_proves_nothing(strict: Office) -> None:
    name = asked(strict, "a", SINGER_DELIVERY_USER="")
    words = strict.refused("approve", name, "--yes")
    assert "keep the ledger in PostgreSQL with a login each" in words
    assert "SINGER_DELIVERY_USER" in words


def test_a_request_is_approved_once(strict: Office) -> None:
    name = asked(strict, "a")
    approve(strict, name)
    assert "is approved already" in strict.refused("approve", name, "--yes")


def test_what_is_approved_is_what_goes_out(strict: Office, tmp_path: Path) -> None:
    edited = json.loads(strict.run("payload", "a").stdout) | {"supplierCode": "US-0001"}
    file = tmp_path / "edited.json"
    file.write_text(json.dumps(edited))
    name = asked(strict, "a", "--edit", str(file))
    file.write_text("{}")
    for told in (approve(strict, name), strict.run("requests", name).stderr):
        assert 'supplierCode: "US-9999" -> "US-0001"' in told
    messages = strict.messages("replay", "--approved", name)
    assert messages[1]["record"]["supplierCode"] == "US-0001"
    assert messages[1]["record"]["supplierBankIBAN"].startswith("FI21")


def test_an_edit_that_nobody_approved_goes_nowhere(strict: Office) -> None:
    edited = json.dumps({"invoiceId": "a", "supplierCode": "US-6666"})
    strict.run("replay", "--request", "a", "--edit", "-", typed=edited)
    name = asked(strict, "a")
    approve(strict, name)
    messages = strict.messages("replay", "--approved", name)
    assert messages[1]["record"]["supplierCode"] == "US-9999"
    strict.run("verify")


def test_what_came_in_anew_has_to_be_asked_for_anew(strict: Office) -> None:
    name = asked(strict, "a")
    approve(strict, name)
    strict.deliver([invoice("a", content=2)], REJECTED)
    assert "came in with other content" in strict.refused("replay", "--approved", name)
    strict.deliver([invoice("a")], REJECTED)
    strict.messages("replay", "--approved", name)


def test_what_was_erased_is_refused_and_the_approval_not_used_up(strict: Office) -> None:
    name = asked(strict, "a")
    approve(strict, name)
    strict.run("erase", "--key", "a", "--yes")
    assert "was erased on" in strict.refused("replay", "--approved", name)
    assert not strict.events("replayed")


def test_requests_are_listed_until_they_are_used(strict: Office) -> None:
    assert strict.run("requests").stderr == "no request is open\n"
    name = asked(strict, "--all-rejected", "--reason", "mapping")
    told = strict.run("requests").stdout
    assert told.startswith(f"{name} waiting replay of 1, asked for 20")
    assert told.rstrip().endswith(": mapping")
    approve(strict, name)
    assert " approved " in strict.run("requests").stdout
    strict.messages("replay", "--approved", name)
    assert strict.run("requests").stdout == ""
    assert " used " in strict.run("requests", "--all").stdout


def test_switching_off_takes_two(strict: Office) -> None:
    told = strict.run("four-eyes", "off", "--reason", "holidays").stdout
    [name] = re.findall(r"approve ([0-9a-f]{10})", told)
    assert strict.run("four-eyes").stdout == "four eyes are on\n"
    strict.refused("approve", name, "--yes")
    assert "four eyes are off" in approve(strict, name)
    assert strict.run("four-eyes").stdout == "four eyes are off\n"
    strict.messages("replay", "a")
    strict.run("four-eyes", "on")
    assert "is used already" in strict.refused("approve", name, "--yes", SINGER_DELIVERY_USER="c")


def test_a_request_to_switch_off_is_no_replay(strict: Office) -> None:
    [name] = re.findall(r"approve ([0-9a-f]{10})", strict.run("four-eyes", "off").stdout)
    assert "not a replay" in strict.refused("replay", "--approved", name)


def test_a_name_that_is_none_is_said(strict: Office) -> None:
    assert "there is no request four_eyes" in strict.refused("approve", "four_eyes", "--yes")


def test_without_a_terminal_an_approval_needs_a_yes(strict: Office) -> None:
    name = asked(strict, "a")
    done = strict.run("approve", name, code=1, SINGER_DELIVERY_USER="bob")
    assert "add --yes" in done.stderr
    assert not strict.events("approved")


# PostgreSQL knows who is who


def test_in_postgresql_the_login_decides_and_not_the_name(postgres_office: Office) -> None:
    office = postgres_office
    engine = sqlalchemy.create_engine(office.url)
    with engine.begin() as connection:
        schema = connection.execute(sqlalchemy.text("SELECT current_schema()")).scalar_one()
        connection.execute(sqlalchemy.text(f"CREATE ROLE {schema}_bob LOGIN IN ROLE ledger"))
    engine.dispose()
    office.run("four-eyes", "on")
    office.deliver([invoice("a")], REJECTED)
    name = asked(office, "a")
    words = office.refused("approve", name, "--yes", SINGER_DELIVERY_USER="bob")
    assert "PostgreSQL login ledger: somebody else approves" in words
    bobs = sqlalchemy.make_url(office.url).set(username=f"{schema}_bob")
    url = bobs.render_as_string(hide_password=False)
    office.run("--ledger-url", url, "approve", name, "--yes", SINGER_DELIVERY_USER="bob")
    [_, approved] = office.events("approved")
    assert approved.actor.startswith(f"{schema}_bob (PostgreSQL login")
    assert approved.detail["proof"] == "proved"
    assert len(office.messages("replay", "--approved", name)) == 2
