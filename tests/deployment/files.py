"""A copy of the project to deploy: the same files, with its own .env, ledger and Meltano folder."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
#: Where the files in deploy/ expect the project.
INSTALLED = "/opt/basware-d365fo"
PLUGINS = tuple(file.parent.name for file in ROOT.glob("*/plugin.meltano.yml"))


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

    @classmethod
    def copy(cls, folder: Path) -> Project:
        """Copy what a server has: no secret, no ledger, no plugin environments."""
        folder.mkdir()
        for name in PLUGINS:
            (folder / name).mkdir()
            shutil.copy(ROOT / name / "plugin.meltano.yml", folder / name)
        for name in ("meltano.yml", "mapping.yml"):
            shutil.copy(ROOT / name, folder)
        shutil.copytree(ROOT / "deploy", folder / "deploy")
        (folder / ".venv").mkdir()
        (folder / ".venv" / "bin").symlink_to(BIN)
        return cls(folder)


def crontab() -> dict[str, tuple[str, str, str]]:
    """Time, user and command of each line, by its job."""
    lines = (ROOT / "deploy/cron/basware-d365fo").read_text().splitlines()
    jobs = [line for line in lines if line[:1] != "#"]
    found = [re.fullmatch(r"((?:\S+ ){4}\S+)\s+(\w+)\s+(\S+ \S+ (\S+))", line) for line in jobs]
    return {each[4]: (each[1], each[2], each[3]) for each in found if each}
