"""`make demo`, as a newcomer runs it: interrupted, and then to the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.pipelines.conftest import ROOT, borrow_environments


@pytest.fixture
def environment(installed_plugins: Path, tmp_path: Path) -> dict[str, str]:
    """The environment of a demo with a Meltano folder of its own."""
    borrow_environments(installed_plugins, tmp_path / "system")
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {
        **os.environ,
        "PATH": programs,
        "MELTANO_SYS_DIR_ROOT": str(tmp_path / "system"),
        "MELTANO_AUTO_INSTALL": "false",
    }


@contextmanager
def demo(environment: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a small demo in a session of its own."""
    process = subprocess.Popen(
        ["sandbox", "demo", "--no-install", "--invoices", "24", "--dir", str(folder)],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_ctrl_c_stops_everything_and_the_next_one_reconciles(
    environment: dict[str, str], tmp_path: Path
) -> None:
    marker = str(tmp_path / "demo")
    with demo(environment, tmp_path / "demo") as process:
        assert process.stdout
        for line in process.stdout:
            if line.startswith("meltano run"):
                break
        time.sleep(3)  # the pipe is running by now
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130, printed
    assert "stopped" in printed
    # Every process of the demo has the ledger of this test in its environment.
    assert [pid for pid in _processes() if marker in _environment_of(pid)] == []

    with demo(environment, tmp_path / "demo") as process:
        printed, _ = process.communicate(timeout=480)
    assert process.returncode == 0, printed
    assert printed.splitlines()[-1] == "reconciled: yes"
    for legal_entity in ("usmf", "demf", "gbsi", "jpmf"):
        assert legal_entity in printed
    pages = [file.read_text() for file in (tmp_path / "demo").glob("*/report.html")]
    assert len(pages) == 2
    assert not any("could not be compared" in page for page in pages)


def _processes() -> list[str]:
    return [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _environment_of(pid: str) -> str:
    try:
        return (Path("/proc") / pid / "environ").read_bytes().decode(errors="replace")
    except OSError:
        return ""
