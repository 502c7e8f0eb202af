"""Plugins and commands with references in their settings, against the sandbox."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sandbox.seed import small_world
from sandbox.server import Sandbox
from singer_delivery.ledger import Ledger
from singer_delivery.operator.cli import main as operator
from singer_delivery.secrets.keys import KeyFile
from singer_delivery.secrets.vault import Vault
from tap_basware.tap import TapBasware
from tap_d365fo.tap import TapD365FO
from target_basware.target import TargetBasware
from target_d365fo.target import TargetD365FO

PLUGINS = (TapBasware, TapD365FO, TargetBasware, TargetD365FO)
SECRETS = {"basware": "basware-secret", "dynamics": "entra-secret"}


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    vault = Vault.create(tmp_path / "secrets.vault", KeyFile.create(tmp_path / "k" / "key"))
    for name, value in SECRETS.items():
        vault.set(name, value)
    vault.set("ledger", f"sqlite:///{tmp_path / 'kept.db'}")
    vault.save()
    return vault


def settings(plugin: type[Any], sandbox: Sandbox, **more: str) -> dict[str, Any]:
    prefix = f"{plugin.name.replace('-', '_').upper()}_"
    found = {
        name.removeprefix(prefix).lower(): value
        for name, value in sandbox.environment().items()
        if name.startswith(prefix)
    }
    return found | more


def connect(plugin: type[Any], config: Mapping[str, Any], tmp_path: Path) -> tuple[int, str]:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config))
    result = CliRunner().invoke(plugin.cli, [f"--config={file}", "--test"])
    return result.exit_code, result.output


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_a_plugin_connects_with_a_secret_of_the_vault(
    plugin: type[Any], vault: Vault, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.load(small_world())
    name = "basware" if "basware" in plugin.name else "dynamics"
    config = settings(plugin, sandbox, client_secret=f"vault:{name}")

    code, said = connect(plugin, config, tmp_path)

    assert code == 0, said
    assert "-secret" not in said


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_a_reference_that_leads_nowhere_is_one_line(
    plugin: type[Any],
    vault: Vault,
    sandbox: Sandbox,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = settings(plugin, sandbox, client_secret="vault:bsware")

    code, _ = connect(plugin, config, tmp_path)

    assert code == 1
    assert "client_secret: vault " in caplog.text
    assert "has no secret 'bsware'; `singer-secrets set bsware` adds it" in caplog.text
    assert "Traceback" not in caplog.text


def test_the_ledgers_address_may_be_in_the_vault(vault: Vault, tmp_path: Path) -> None:
    Ledger.open(f"sqlite:///{tmp_path / 'kept.db'}", "https://x").close()

    result = CliRunner().invoke(operator, ["--ledger-url=vault:ledger", "verify"])

    assert result.exit_code == 0, result.output

    lost = CliRunner().invoke(operator, ["--ledger-url=vault:ledgr", "verify"])

    assert lost.exit_code == 1
    assert "ledger_url: vault" in lost.output
