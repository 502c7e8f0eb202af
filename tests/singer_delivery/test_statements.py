"""SQL in the driver's own form: the same in both databases, with failures in words."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from singer_delivery.database import open_database, reading, writing
from singer_delivery.errors import LedgerError
from singer_delivery.statements import Question, Statement
from sqlalchemy import Engine

KEEP = Statement(
    "INSERT INTO schemas (digest, content) VALUES (:digest, :content || '%' || :digest) "
    "ON CONFLICT (digest) DO UPDATE SET content = excluded.content",
    ("content", "digest"),
)
FIND = Question("SELECT digest, content FROM schemas WHERE content <> :not AND digest IN :among")


@pytest.fixture
def engine(ledger_url: str) -> Iterator[Engine]:
    engine = open_database(ledger_url)
    yield engine
    engine.dispose()


def test_values_have_names_and_may_stand_several_times(engine: Engine) -> None:
    with writing(engine) as connection:
        KEEP.run(connection, [("x", "a"), ("y", "b"), ("z", 'it\'s %s é "?" :c')])
        KEEP.run(connection, [("w", "a")])
        KEEP.run(connection, [])
    with reading(engine) as connection:
        found = FIND.ask(connection, {"a", 'it\'s %s é "?" :c', "?"}, **{"not": ""})
        assert sorted(found) == [("a", "w%a"), ('it\'s %s é "?" :c', 'z%it\'s %s é "?" :c')]
        assert FIND.ask(connection, ["a"], **{"not": "w%a"}) == []
        assert FIND.ask(connection, [], **{"not": ""}) == []


def test_thousands_of_keys(engine: Engine) -> None:
    keys = [f"{number}" for number in range(40_000)]
    with writing(engine) as connection:
        KEEP.run(connection, [("c", key) for key in keys])
    with reading(engine) as connection:
        assert len(FIND.ask(connection, keys, **{"not": ""})) == len(keys)


def test_a_failure_between_two_rows_is_told_in_words(engine: Engine) -> None:
    fails_late = Question(
        "SELECT CASE digest WHEN 'b' THEN abs(length(digest) - 9223372036854775807 - 2) ELSE 1 END "
        "FROM schemas WHERE digest IN :among ORDER BY digest"
    )
    with writing(engine) as connection:
        KEEP.run(connection, [("c", key) for key in "abc"])
    words = "the ledger cannot be read or written: "
    with pytest.raises(LedgerError, match=words), reading(engine) as connection:
        fails_late.ask(connection, "abc")


def test_a_statement_that_fails_is_told_in_words(engine: Engine) -> None:
    wrong = Statement("INSERT INTO schemas (digest) VALUES (:digest)", ["digest"])
    with pytest.raises(LedgerError) as told, writing(engine) as connection:
        wrong.run(connection, [("secret",)])
    assert "secret" not in str(told.value)
