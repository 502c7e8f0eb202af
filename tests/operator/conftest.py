"""Ledgers to work at: a SQLite file, and PostgreSQL where there is one."""

from __future__ import annotations

import importlib.util
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy

from tests.operator.office import Office
from tests.singer_delivery import postgres


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """An operator at a SQLite ledger with nothing in it."""
    made = Office(f"sqlite:///{tmp_path}/ledger.db")
    made.deliver([])
    return made


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip("psycopg is not installed: install singer-delivery[postgres]")
    if given := os.environ.get("TEST_POSTGRES_URL"):
        yield given
        return
    folder = postgres.binaries()
    if folder is None:
        pytest.skip("no PostgreSQL: install it or set TEST_POSTGRES_URL")
    with postgres.running(folder) as url:
        yield url


@pytest.fixture
def postgres_office(server: str) -> Iterator[Office]:
    """An operator at an empty PostgreSQL ledger, in a schema of its own."""
    url = sqlalchemy.make_url(server).set(drivername="postgresql+psycopg")
    schema = f"ledger_{uuid.uuid4().hex}"
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(f"CREATE SCHEMA {schema}"))
    options = url.update_query_dict({"options": f"-csearch_path={schema}"})
    made = Office(options.render_as_string(hide_password=False))
    made.deliver([])
    yield made
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def any_office(request: pytest.FixtureRequest) -> Office:
    name = "office" if request.param == "sqlite" else "postgres_office"
    made = request.getfixturevalue(name)
    assert isinstance(made, Office)
    return made
