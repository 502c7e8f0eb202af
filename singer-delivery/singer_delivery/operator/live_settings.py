"""Where the settings of the two live systems come from: one place, which is the plugins' own.

A file, if one is given; else Meltano, inside a Meltano project; else the environment variables of
the plugin (TARGET_D365FO_…). Meltano goes before the environment because it knows that as well.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from singer_delivery.command_line import settings_file, settings_in
from singer_delivery.errors import SetupError

PROJECT = "MELTANO_PROJECT_ROOT"
ENVIRONMENT = "MELTANO_ENVIRONMENT"
#: Meltano takes some seconds to start.
PATIENCE_SECONDS = 120


def config_files(given: Sequence[str]) -> dict[str, Path]:
    """Return the files of `PLUGIN=FILE` options by plugin. Raises SetupError."""
    files = {}
    for text in given:
        plugin, found, file = text.partition("=")
        if not (found and plugin and file):
            msg = f"--config {text!r}: write it like target-d365fo=settings.json"
            raise SetupError(msg)
        files[plugin.strip()] = Path(file.strip())
    return files


def plugin_settings(plugin: str, files: Mapping[str, Path]) -> dict[str, Any]:
    """Return a plugin's settings; empty means that its environment variables hold them.

    Raises SetupError. No value is ever part of a message.
    """
    if plugin in files:
        return settings_file(files[plugin])
    project = os.environ.get(PROJECT)
    if not project:
        return {}
    return _from_meltano(plugin, Path(project))


def _from_meltano(plugin: str, project: Path) -> dict[str, Any]:
    environment = os.environ.get(ENVIRONMENT)
    chosen = [f"--environment={environment}"] if environment else []
    command = ("config", "--unsafe", "print", plugin, "--format=json")
    advice = f"`meltano {' '.join([*chosen, 'config', 'print', plugin])}` shows what is wrong"
    try:
        done = subprocess.run(  # noqa: S603 - our own command line
            [_meltano(project), *chosen, *command],
            cwd=project,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        msg = f"Meltano does not tell the settings of {plugin} ({type(error).__name__}): {advice}"
        raise SetupError(msg) from None
    try:
        return settings_in(done.stdout.decode())
    except ValueError:
        msg = f"Meltano does not tell the settings of {plugin} (exit {done.returncode}): {advice}"
        raise SetupError(msg) from None


def _meltano(project: Path) -> str:
    """Return the program: the one that runs this, or that of path, project or environment."""
    beside = (project / ".venv" / "bin" / "meltano", Path(sys.executable).parent / "meltano")
    places = (_caller(), shutil.which("meltano") or "", *map(str, beside))
    found = next((place for place in places if place and Path(place).is_file()), "")
    if not found:
        msg = (
            "this is a Meltano project, but the program meltano is not found: put it on the PATH, "
            "or give --config target-d365fo=FILE --config target-basware=FILE"
        )
        raise SetupError(msg)
    return found


def _caller() -> str:
    """Return the Meltano that started this process, as `meltano invoke` does, or ""."""
    try:
        words = [word for parent in psutil.Process().parents()[:2] for word in parent.cmdline()[:2]]
    except psutil.Error:
        return ""
    return next((word for word in words if Path(word).name == "meltano"), "")
