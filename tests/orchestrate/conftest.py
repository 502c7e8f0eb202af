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
        """Run a job of the tenant, or only these assets, in this process; failures are told."""
        definitions = build(self.configuration)
        name = f"acme_{job}"
        if assets:
            keys = [dg.AssetKey(["acme", *asset.split("/")]) for asset in assets]
            name, selection = "chosen", dg.AssetSelection.assets(*keys).without_checks()
            chosen = dg.Definitions(jobs=[dg.define_asset_job(name, selection)])
            definitions = dg.Definitions.merge(definitions, chosen)
        return definitions.resolve_job_def(name).execute_in_process(
            instance=self.instance, partition_key=partition or None, raise_on_error=False
        )


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
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
    given = new_meltano(sandbox).variables()
    given["SINGER_DELIVERY_LEDGER_URL"] = given["TARGET_D365FO_LEDGER_URL"]
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "orchestrate.yml"
    file.write_text(CONFIGURATION)
    monkeypatch.setenv("ORCHESTRATE_CONFIG", str(file))
    return Location(load_configuration(), instance)
