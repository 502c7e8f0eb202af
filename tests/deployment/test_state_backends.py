"""Where Meltano keeps state, set as docs/deployment.md says, and held against the real thing.

The system database in SQLite and PostgreSQL, files, S3 and Google Cloud Storage by servers on this
machine. Of Azure there is none: only that the settings lead to its client.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy
from meltano.core.db import project_engine
from meltano.core.migration_service import MigrationService
from meltano.core.project import Project as MeltanoProject
from meltano.core.state_store import MeltanoState, state_store_manager_from_project_settings
from meltano.core.state_store.base import StateStoreManager

from tests.deployment.files import Project

#: What Google's client says beside Dagster's gRPC.
pytestmark = pytest.mark.filterwarnings("ignore:Please install grpcio-status:ImportWarning")

PIPE = "production:tap-basware-to-target-d365fo"
OTHER = "production:tap-d365fo-payments-to-target-basware"
STATE = {"singer_state": {"bookmarks": {"accounting_documents": {"token": "a/b=ü"}}}}
LATER = {"singer_state": {"bookmarks": {"accounting_documents": {"token": "c"}}}}


def needs(module: str) -> pytest.MarkDecorator:
    try:
        absent = importlib.util.find_spec(module) is None
    except ModuleNotFoundError:  # a package above it
        absent = True
    return pytest.mark.skipif(absent, reason="uv sync --group deployment installs what is asked")


@pytest.fixture
def meltano(project: Project, monkeypatch: pytest.MonkeyPatch) -> MeltanoProject:
    """Meltano in the project, with nothing set about state."""
    for name in ("MELTANO_DATABASE_URI", "MELTANO_STATE_BACKEND_URI", "MELTANO_SYS_DIR_ROOT"):
        monkeypatch.delenv(name, raising=False)
    (project.folder / ".meltano").mkdir()
    found = MeltanoProject(project.folder)
    found.activate_environment("production")
    return found


@contextmanager
def opened(meltano: MeltanoProject) -> Iterator[StateStoreManager]:
    """The store as a run opens it."""
    _, new_session = project_engine(meltano)
    with (
        closing(new_session()) as session,
        state_store_manager_from_project_settings(meltano.settings, session) as store,
    ):
        yield store


def keep_and_find(meltano: MeltanoProject) -> None:
    """What a run does with state, and what an operator does."""
    with opened(meltano) as store:
        assert store.get(PIPE) is None
        store.update(MeltanoState(PIPE, completed_state=STATE))
        store.update(MeltanoState(OTHER, completed_state=STATE))
    with opened(meltano) as store:
        assert _completed(store) == STATE
        store.update(MeltanoState(PIPE, completed_state=LATER))
        assert _completed(store) == LATER
        assert sorted(store.get_state_ids("production:*")) == [PIPE, OTHER]
        store.clear(PIPE)
        assert sorted(store.get_state_ids()) == [OTHER]


def _completed(store: StateStoreManager) -> object:
    found = store.get(PIPE)
    return found and found.completed_state


def migrated(meltano: MeltanoProject) -> sqlalchemy.Engine:
    engine, _ = project_engine(meltano)
    MigrationService(engine).upgrade()
    return engine


def test_by_default_it_is_in_the_project(meltano: MeltanoProject, project: Project) -> None:
    engine = migrated(meltano)
    keep_and_find(meltano)
    engine.dispose()

    assert (project.folder / ".meltano/meltano.db").exists()


def test_in_a_folder(
    meltano: MeltanoProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MELTANO_STATE_BACKEND_URI", f"file://{tmp_path}/state")
    keep_and_find(meltano)

    assert (tmp_path / "state" / OTHER / "state.json").exists()


def test_in_postgresql(
    meltano: MeltanoProject, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MELTANO_DATABASE_URI", postgres_url)
    engine = migrated(meltano)
    keep_and_find(meltano)
    with engine.connect() as connection:
        kept = connection.execute(sqlalchemy.text("SELECT state_id FROM state")).scalars().all()
    engine.dispose()

    assert kept == [OTHER]


@pytest.fixture
def bucket_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@needs("moto")
@pytest.mark.filterwarnings("default")
def test_in_s3(
    meltano: MeltanoProject, bucket_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3

    given = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    client = boto3.client("s3", region_name="us-east-1", endpoint_url=bucket_server, **given)
    client.create_bucket(Bucket="states")
    monkeypatch.setenv("MELTANO_STATE_BACKEND_URI", "s3://states/basware-d365fo")
    monkeypatch.setenv("MELTANO_STATE_BACKEND_S3_ENDPOINT_URL", bucket_server)
    for name, value in given.items():
        monkeypatch.setenv(f"MELTANO_STATE_BACKEND_S3_{name.upper()}", value)
    keep_and_find(meltano)

    [kept] = client.list_objects_v2(Bucket="states")["Contents"]
    assert kept["Key"] == f"basware-d365fo/{OTHER}/state.json"


@needs("gcp_storage_emulator")
@pytest.mark.filterwarnings("default")
def test_in_google_cloud_storage(meltano: MeltanoProject, monkeypatch: pytest.MonkeyPatch) -> None:
    from gcp_storage_emulator.server import create_server

    server = create_server("127.0.0.1", 0, in_memory=True, default_bucket="states")
    server.start()
    try:
        port = server._api._httpd.server_port
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "test")
        monkeypatch.setenv("MELTANO_STATE_BACKEND_URI", "gs://states/basware-d365fo")
        keep_and_find(meltano)
    finally:
        server.stop()


@needs("azure.storage.blob")
def test_in_azure_the_settings_lead_to_its_client(
    meltano: MeltanoProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = "https://account.blob.core.windows.net"
    monkeypatch.setenv("MELTANO_STATE_BACKEND_URI", "azure://states/basware-d365fo")
    monkeypatch.setenv("MELTANO_STATE_BACKEND_AZURE_STORAGE_ACCOUNT_URL", account)
    with opened(meltano) as store:
        assert store.client.url.rstrip("/") == account  # type: ignore[attr-defined]
        assert store.container_name == "states"  # type: ignore[attr-defined]
