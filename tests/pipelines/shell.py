"""Plugins as plain programs in a shell pipe, configured by the environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sandbox.demo import LEDGER_KEEPERS
from sandbox.server import Sandbox

#: Foreign plugins, each in an environment of its own.
TARGET_JSONL = "uv tool run --quiet --from target-jsonl==0.1.4 target-jsonl"
TAP_JSONL = "uv tool run --quiet --from tap-jsonl==0.3.1 tap-jsonl"
MAPPING = str(Path(__file__).parents[2] / "mapping.yml")


def shell(
    command: str, sandbox: Sandbox, directory: Path, **extra: str
) -> subprocess.CompletedProcess[str]:
    """Run a pipe in bash, in `directory`, with the plugins' settings for the sandbox."""
    ledger = f"sqlite:///{directory}/ledger.db"
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=directory,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            **sandbox.environment(),
            **{f"{plugin}_LEDGER_URL": ledger for plugin in LEDGER_KEEPERS},
            "TARGET_D365FO_MAPPING_FILE": MAPPING,
            "TARGET_BASWARE_MAPPING_FILE": MAPPING,
            "TAP_D365FO_METADATA_CACHE": str(directory / "cache"),
            **extra,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
