"""Ledgers to work at: a SQLite file, and PostgreSQL where there is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.operator.office import Office


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """An operator at a SQLite ledger with nothing in it."""
    made = Office(f"sqlite:///{tmp_path}/ledger.db")
    made.deliver([])
    return made


@pytest.fixture
def postgres_office(postgres_url: str) -> Office:
    """An operator at an empty PostgreSQL ledger, in a schema of its own."""
    made = Office(postgres_url)
    made.deliver([])
    return made


@pytest.fixture(params=["sqlite", "postgresql"])
def any_office(request: pytest.FixtureRequest) -> Office:
    name = "office" if request.param == "sqlite" else "postgres_office"
    made = request.getfixturevalue(name)
    assert isinstance(made, Office)
    return made
