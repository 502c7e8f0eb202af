"""A copy of the project to deploy: the same files, with its own .env, ledger and Meltano folder."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
#: Where the files in deploy/ expect the project.
INSTALLED = "/opt/basware-d365fo"
PACKAGES = (
    "ap-mapping",
    "singer-delivery",
    "tap-basware",
    "tap-d365fo",
    "target-basware",
    "target-d365fo",
)


@dataclass(frozen=True)
class Project:
    """A project folder, as it is on a server."""

    folder: Path

    def setting(self, text: str) -> str:
        """A text of deploy/ with this folder in the place of the one that it expects."""
        return text.replace(INSTALLED, str(self.folder))

    def write_env(self, settings: dict[str, str]) -> None:
        lines = [f"{name}={value}\n" for name, value in settings.items()]
        (self.folder / ".env").write_text("".join(lines))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "project"
    folder.mkdir()
    for name in PACKAGES:
        (folder / name).symlink_to(ROOT / name)
    for name in ("meltano.yml", "mapping.yml"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "deploy", folder / "deploy")
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(BIN)
    return Project(folder)
