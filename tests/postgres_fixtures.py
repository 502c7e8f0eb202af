"""An empty PostgreSQL schema, for every test that wants one; skipped where there is no server."""

from __future__ import annotations

import importlib.util
import os
import uuid
from collections.abc import Iterator

import pytest
import sqlalchemy

from tests.singer_delivery import postgres


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip("psycopg is not installed: install singer-delivery[postgres]")
    if given := os.environ.get("TEST_POSTGRES_URL"):
        yield given
        return
    folder = postgres.binaries()
    if folder is None:
        pytest.skip(
            "no PostgreSQL: install it (apt-get install postgresql) or set TEST_POSTGRES_URL"
        )
    with postgres.running(folder) as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of an empty schema."""
    url = sqlalchemy.make_url(postgres_server).set(drivername="postgresql+psycopg")
    schema = f"ledger_{uuid.uuid4().hex}"
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(f"CREATE SCHEMA {schema}"))
    options = url.update_query_dict({"options": f"-csearch_path={schema}"})
    yield options.render_as_string(hide_password=False)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()
