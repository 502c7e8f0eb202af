"""A project as it is deployed: a folder with a .env, run by a line of the crontab."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from sandbox.seed import small_world
from sandbox.seed.builders import accounting_document
from sandbox.server import Sandbox

from tests.deployment.files import Project, crontab
from tests.pipelines.conftest import borrow_environments
from tests.pipelines.holdings import Holdings


def test_a_line_of_the_crontab_delivers(
    sandbox: Sandbox, installed_plugins: Path, tmp_path: Path
) -> None:
    """As cron runs it: /bin/sh, hardly an environment; all settings come from .env."""
    world = small_world()
    document = accounting_document(number="CRON-1")
    world.add(basware={"accountingDocuments": [document]})
    sandbox.load(world)
    project = Project.copy(tmp_path / "project")
    borrow_environments(installed_plugins, project.folder / ".meltano")
    project.write_env(
        {
            **sandbox.environment(),
            "MELTANO_AUTO_INSTALL": "false",
            "MELTANO_STATE_BACKEND_URI": f"file://{tmp_path}/state",
        }
    )
    _, _, command = crontab()["invoices"]
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        ["/bin/sh", "-c", project.setting(command).replace(" production ", " sandbox ")],
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(home),
            "LOGNAME": "basware",
            "SHELL": "/bin/sh",
            "LOG_FOLDER": str(tmp_path / "log"),
        },
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
    Holdings.of(sandbox).confirmed(document)
    assert (project.folder / "ledger/sandbox.db").exists()
    assert "Run completed" in (tmp_path / "log/sandbox-invoices.log").read_text()
    # So do its logs, of which Meltano would make one a run in the home folder.
    assert list((project.folder / ".meltano/run/state/meltano/log/elt").glob("*/*/elt.log"))
    assert not (home / ".local").exists()
    # State lies where .env says, by environment and pipe.
    state = tmp_path / "state/sandbox:tap-d365fo-to-target-basware/state.json"
    assert json.loads(state.read_text())["completed"]["singer_state"]["bookmarks"]
