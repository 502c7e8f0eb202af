"""deploy/run-job and deploy/cron/job, with a stand-in for Meltano that does what a test says."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.deployment.files import Project

#: What cron gives its children, and no more.
BARE = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LOGNAME": "basware", "SHELL": "/bin/sh"}


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """Instead of `meltano`: notes its arguments and environment; its behaviour is appended."""
    script = tmp_path / "meltano"
    script.write_text(
        f'#!/bin/sh\necho "$MELTANO_ENVIRONMENT $PWD $*" >>{tmp_path}/calls\necho working\n'
    )
    script.chmod(0o755)
    return script


def behave(stand_in: Path, line: str) -> None:
    stand_in.write_text(f"{stand_in.read_text()}{line}\n")


def run(project: Project, stand_in: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a line of a crontab as cron does: /bin/sh -c, with hardly any environment."""
    folder = project.folder.parent
    return subprocess.run(
        ["/bin/sh", "-c", project.setting(command)],
        env={**BARE, "MELTANO": str(stand_in), "LOG_FOLDER": str(folder / "log")},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30,
        check=False,
    )


@contextmanager
def running(project: Project, stand_in: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A run that is under way, and killed in the end."""
    log = project.folder.parent / "calls"
    process = subprocess.Popen(
        [project.folder / "deploy/run-job", *arguments],
        env={**BARE, "MELTANO": str(stand_in)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 20
        while not log.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield process
    finally:
        process.kill()
        process.wait()


def calls(project: Project) -> list[str]:
    log = project.folder.parent / "calls"
    return log.read_text().splitlines() if log.exists() else []


JOB = "/opt/basware-d365fo/deploy/run-job"
CRON = "/opt/basware-d365fo/deploy/cron/job"


def test_a_run_has_its_environment_and_the_project(project: Project, stand_in: Path) -> None:
    done = run(project, stand_in, f"{JOB} production invoices --full-refresh")

    assert (done.returncode, done.stdout) == (0, "working\n")
    assert calls(project) == [
        f"production {project.folder} --environment=production run --full-refresh invoices"
    ]


def test_the_exit_code_is_the_job_s(project: Project, stand_in: Path) -> None:
    behave(stand_in, "exit 3")

    assert run(project, stand_in, f"{JOB} production invoices").returncode == 3


@pytest.mark.parametrize(
    "arguments", ["", "production", "--wait production invoices", "--wait 1 test", "../x invoices"]
)
def test_a_wrong_call_starts_nothing(project: Project, stand_in: Path, arguments: str) -> None:
    done = run(project, stand_in, f"{JOB} {arguments}")

    assert done.returncode == 64
    assert done.stdout.startswith("usage: ")
    assert calls(project) == []


def test_what_is_not_installed_says_so(project: Project) -> None:
    done = run(project, project.folder / "nothing", f"{JOB} production invoices")

    assert done.returncode == 69
    assert "run `make install` in" in done.stdout


@pytest.mark.parametrize("running_job", ["invoices", "invoices-noted"])
def test_a_job_runs_once_at_a_time(project: Project, stand_in: Path, running_job: str) -> None:
    behave(stand_in, "exec sleep 20")
    with running(project, stand_in, "production", running_job):
        second = run(project, stand_in, f"{JOB} production invoices")
        waiting = run(project, stand_in, f"{JOB} --wait 0 production invoices-noted")

    assert (second.returncode, len(calls(project))) == (0, 1)
    assert "invoices in production runs already: nothing to do" in second.stdout
    assert waiting.returncode == 75


def test_other_jobs_and_environments_do_not_wait(project: Project, stand_in: Path) -> None:
    behave(stand_in, 'case "$*" in *production*invoices*) exec sleep 20 ;; esac')
    with running(project, stand_in, "production", "invoices"):
        assert run(project, stand_in, f"{JOB} production masters").stdout == "working\n"
        assert run(project, stand_in, f"{JOB} test invoices").stdout == "working\n"


def test_a_killed_run_leaves_no_lock(project: Project, stand_in: Path) -> None:
    behave(stand_in, '[ -e "$0.again" ] || exec sleep 20')
    with running(project, stand_in, "production", "invoices") as process:
        process.kill()
        process.wait()
    stand_in.with_suffix(".again").touch()

    assert run(project, stand_in, f"{JOB} production invoices").stdout == "working\n"


def test_signals_reach_meltano_itself(project: Project, stand_in: Path) -> None:
    noting = stand_in.read_text().removeprefix("#!/bin/sh\n")
    stand_in.write_text(f"#!/bin/sh\ntrap 'exit 143' TERM\n{noting}")
    behave(stand_in, "while :; do sleep 0.05; done")
    with running(project, stand_in, "production", "invoices") as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 143


def test_cron_is_told_of_failures_alone(project: Project, stand_in: Path) -> None:
    well = run(project, stand_in, f"{CRON} production invoices")
    behave(stand_in, "seq 100\necho broken\nexit 1")
    badly = run(project, stand_in, f"{CRON} production invoices")

    assert (well.returncode, well.stdout) == (0, "")
    assert badly.returncode == 1
    told = badly.stdout.splitlines()
    assert told[0].startswith("invoices in production ended with exit code 1. The end of /")
    assert told[-1] == "broken"
    assert len(told) == 42
    log = project.folder.parent / "log/production-invoices.log"
    assert log.read_text().count("working") == 2
    assert log.stat().st_mode & 0o077 == 0


def test_a_short_failure_shows_nothing_of_earlier_runs(project: Project, stand_in: Path) -> None:
    run(project, stand_in, f"{CRON} production invoices")
    behave(stand_in, "exit 1")

    assert run(project, stand_in, f"{CRON} production invoices").stdout.count("working") == 1


def test_old_logs_of_meltano_go(project: Project, stand_in: Path) -> None:
    logs = project.folder / ".meltano/run/state/meltano/log/elt/productionpipe"
    month = 31 * 24 * 3600
    for name, age in (("old", month), ("new", 3600)):
        (logs / name).mkdir(parents=True)
        log = logs / name / "elt.log"
        log.touch()
        os.utime(log, (time.time() - age, time.time() - age))
    run(project, stand_in, f"{JOB} production invoices")

    assert [log.parent.name for log in logs.glob("*/elt.log")] == ["new"]


def test_a_failure_under_systemd_is_told(project: Project, tmp_path: Path) -> None:
    """With stand-ins for systemctl and journalctl: there is no systemd where tests run."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, line in (
        ("systemctl", 'case "$*" in *InvocationID*) echo 4711 ;; *) echo Result=exit-code ;; esac'),
        ("journalctl", 'echo "lines of $*"'),
        ("pager", f'{{ echo "$@"; cat; }} >{tmp_path}/told'),
    ):
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    subprocess.run(
        [project.folder / "deploy/systemd/tell-failure", "basware-d365fo@invoices.service"],
        env={"PATH": f"{programs}:/usr/bin:/bin", "ALERT_COMMAND": "pager -x", "ALERT_TO": "ap@x"},
        check=True,
        timeout=10,
    )
    subject, result, _, lines = (tmp_path / "told").read_text().splitlines()
    assert subject.startswith("-x basware-d365fo@invoices.service failed on ")
    assert subject.endswith(" ap@x")
    assert result == "Result=exit-code"
    assert lines.endswith("_SYSTEMD_INVOCATION_ID=4711")
