"""The code location on the sandbox of the test, with the real Meltano."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from orchestrate.configuration import Configuration, load_configuration
from orchestrate.definitions import build
from sandbox.server import Sandbox

from tests.pipelines.conftest import Meltano, installed_plugins, new_meltano

__all__ = ["installed_plugins", "new_meltano"]


@dataclass(frozen=True)
class Location:
    """A code location with one tenant named `acme`, and an instance of Dagster for it."""

    configuration: Configuration
    instance: dg.DagsterInstance

    def run(self, job: str, partition: str = "", *assets: str) -> dg.ExecuteInProcessResult:
        """Run a job of the tenant in this process; what fails is told, not raised."""
        found = build(self.configuration).resolve_job_def(f"acme_{job}")
        chosen = [dg.AssetKey(["acme", *asset.split("/")]) for asset in assets]
        return found.execute_in_process(
            instance=self.instance,
            partition_key=partition or None,
            asset_selection=chosen or None,
            raise_on_error=False,
        )


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


CONFIGURATION = """
executor: in_process
retries: {most: 2, pause_seconds: 0.1}
tenants:
  acme: {environment: sandbox}
"""


@pytest.fixture
def location(
    sandbox: Sandbox,
    new_meltano: Callable[[Sandbox], Meltano],
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Location:
    """A tenant on the sandbox, without state or ledger."""
    for name, value in new_meltano(sandbox).variables().items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "orchestrate.yml"
    file.write_text(CONFIGURATION)
    monkeypatch.setenv("ORCHESTRATE_CONFIG", str(file))
    return Location(load_configuration(), instance)
