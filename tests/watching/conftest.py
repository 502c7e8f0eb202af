"""Ledgers to watch over, and receivers of what is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.singer_delivery.web import ScriptedServer


@pytest.fixture(autouse=True)
def _no_vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No vault, project or hooks of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MELTANO_PROJECT_ROOT", raising=False)
    monkeypatch.delenv("MELTANO_ENVIRONMENT", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def receiver() -> Iterator[ScriptedServer]:
    """A web server on this machine that takes everything."""
    with ScriptedServer() as server:
        yield server
