from __future__ import annotations

from pathlib import Path

import pytest
from singer_delivery.secrets.keys import KeyFile
from singer_delivery.secrets.vault import VAULT_VARIABLE, Vault, editing

from tests.webhook.receiving import SECRET


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A vault that keeps the webhook's secret under the name hook."""
    path = tmp_path / "secrets.vault"
    monkeypatch.setenv(VAULT_VARIABLE, str(path))
    (tmp_path / "keys").mkdir()
    Vault.create(path, KeyFile.create(tmp_path / "keys" / "a.key"))
    with editing(path) as opened:
        opened.set("hook", SECRET)
    return path
