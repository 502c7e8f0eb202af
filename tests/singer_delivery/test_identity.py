"""Two accounts are two people; one account is one, unless it is shared and they say so."""

from __future__ import annotations

import getpass

import pytest
import sqlalchemy
from singer_delivery.identity import Identity, current, proof, why_not_another


def person(account: str, claimed: str = "", realm: str = "os", host: str = "h1") -> Identity:
    return Identity(realm, account, host, claimed)


def test_two_accounts_are_two_people() -> None:
    assert why_not_another(person("alice"), person("bob")) == ""
    assert proof(person("alice"), person("bob")) == "proved"


def test_two_logins_to_postgresql_are_two_people_whatever_they_claim_not_to_be() -> None:
    login = {"realm": "postgresql"}
    assert why_not_another(person("a", "X", **login), person("b", "Y", **login)) == ""
    words = why_not_another(person("a", "X", **login), person("a", "Y", **login))
    assert "PostgreSQL login a" in words


def test_another_host_is_not_another_person() -> None:
    assert why_not_another(person("root", host="h1"), person("root", host="h2"))


def test_a_shared_account_takes_two_claims_and_says_so() -> None:
    assert why_not_another(person("svc", "Alice"), person("svc", "Bob")) == ""
    assert proof(person("svc", "Alice"), person("svc", "Bob")) == "claimed"


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ("", "", "two people cannot be told apart"),
        ("Alice", "", "two people cannot be told apart"),
        ("", "Bob", "two people cannot be told apart"),
        ("Alice", " alice ", "both were made by"),
    ],
)
def test_a_shared_account_is_one_person_otherwise(first: str, second: str, words: str) -> None:
    assert words in why_not_another(person("svc", first), person("svc", second))


def test_one_who_claims_the_same_name_in_two_accounts_is_one_person() -> None:
    assert "in two accounts" in why_not_another(person("a", "Alice"), person("b", "alice"))


def test_the_account_is_not_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = sqlalchemy.create_engine("sqlite://")
    with engine.connect() as connection:
        real = current(connection)
        for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
            monkeypatch.setenv(name, "somebody-else")
        monkeypatch.setenv("SINGER_DELIVERY_USER", " Alice  A. ")
        assert getpass.getuser() == "somebody-else"
        now = current(connection)
    engine.dispose()
    assert (now.realm, now.account, now.claimed) == ("os", real.account, "Alice A.")
    assert str(now) == f"{now.account} (account on {now.host}, claimed to be Alice A.)"


def test_facts_bring_back_what_counts() -> None:
    alice = person("svc", "Alice")
    assert Identity.of_facts(alice.facts()) == Identity("os", "svc", "", "Alice")
