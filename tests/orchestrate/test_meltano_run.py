"""The process, with a program in Meltano's place that tells how it was called."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import orchestrate.meltano_run
import psutil
import pytest
from orchestrate.configuration import Tenant, load_configuration
from orchestrate.meltano_run import run
from singer_delivery.errors import SetupError

from orchestrate import flows

ROOT = Path(__file__).parents[2]
PROGRAM = """#!{python}
import json, os, pathlib, signal, sys, time
here = pathlib.Path({folder!r})
told = {{name: value for name, value in os.environ.items() if "_D365FO_" in name}}
told["system"] = os.environ["MELTANO_SYS_DIR_ROOT"]
(here / "called.json").write_text(json.dumps([sys.argv[1:], told]))
def stop(number, frame):
    (here / "stopped").touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, stop)
print("2026-11-23T20:07:45Z [warning  ] meltano      No state was found", flush=True)
print("plain", flush=True)
pathlib.Path(os.environ["SINGER_DELIVERY_NOTES"]).write_text('{{"plugin": "t", "run_id": "r"}}')
time.sleep(60 * os.path.exists(here / "slow"))
sys.exit(1)
"""


@pytest.fixture
def tenant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tenant:
    program = tmp_path / "meltano"
    program.write_text(PROGRAM.format(python=sys.executable, folder=str(tmp_path)))
    program.chmod(0o700)
    monkeypatch.setattr(orchestrate.meltano_run, "program", lambda: str(program))
    monkeypatch.setenv("MELTANO_SYS_DIR_ROOT", str(tmp_path / "system"))
    (tmp_path / "system" / "extractors" / "tap-x" / "venv").mkdir(parents=True)
    return load_configuration({"MELTANO_PROJECT_ROOT": str(ROOT)}).tenants[0]


def test_a_run_is_narrowed_followed_and_told(tenant: Tenant, tmp_path: Path) -> None:
    said: list[tuple[str, str]] = []
    flow = flows.entity_masters("demf", ["vendors", "payment_terms"])
    ended = run(tenant, flow, lambda level, line: said.append((level, line)))
    assert (ended.code, ended.run_ids, ended.failures) == (1, ("r",), ())
    assert [level for level, _ in said] == ["warning", "info"]
    arguments, told = json.loads((tmp_path / "called.json").read_text())
    assert arguments == ["run", "--state-id-suffix=demf", "tap-d365fo-masters", "target-basware"]
    assert told["TAP_D365FO_MASTERS_COMPANIES"] == '["demf"]'
    assert told["TAP_D365FO_MASTERS__SELECT_FILTER"] == '["payment_terms", "vendors"]'
    own = Path(told["system"])
    assert (own / "extractors" / "tap-x" / "venv").is_symlink()
    run(tenant, flows.entity_masters("usmf", ["vendors"]), lambda *_: None)
    _, other = json.loads((tmp_path / "called.json").read_text())
    assert other["system"] != str(own)  # two at a time do not overwrite each other's catalogs


def test_an_interruption_stops_the_run(tenant: Tenant, tmp_path: Path) -> None:
    (tmp_path / "slow").touch()

    def interrupted(_level: str, line: str) -> None:
        if line == "plain":
            raise KeyboardInterrupt

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(tenant, flows.payments("usmf"), interrupted)
    assert (tmp_path / "stopped").exists()
    assert time.monotonic() - begun < 30
    assert not [child for child in psutil.Process().children() if child.name() == "meltano"]


def test_plugins_that_are_not_installed_are_named(
    tenant: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MELTANO_SYS_DIR_ROOT", str(tmp_path / "elsewhere"))
    with pytest.raises(SetupError, match="run `meltano install`"):
        run(tenant, flows.payments("usmf"), lambda *_: None)


def test_every_company_is_in_exactly_one_partition(tenant: Tenant) -> None:
    codes = [
        code
        for entity in tenant.legal_entities
        for code in json.loads(flows.invoices(tenant, entity).settings["TAP_BASWARE_COMPANY_CODES"])
    ]
    assert sorted(codes) == sorted(tenant.mapping.companies)
    rest = flows.invoices(tenant, flows.UNMAPPED).settings["TAP_BASWARE_STREAM_MAPS"]
    condition = json.loads(rest)["accounting_documents"]["__filter__"]
    assert condition == f"companyCode not in {sorted(codes)!r}"


def test_shared_masters_are_never_narrowed(tenant: Tenant) -> None:
    settings = flows.shared_masters(flows.SHARED_STREAMS).settings
    assert not [name for name in settings if "COMPANIES" in name]
    assert not set(flows.SHARED_STREAMS) & set(flows.ENTITY_STREAMS)
