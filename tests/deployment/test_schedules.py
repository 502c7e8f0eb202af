"""What runs by the clock: meltano.yml, crontab, timers and CronJobs say the same."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployment.files import ROOT, Project, crontab

DEPLOY = ROOT / "deploy"
MELTANO: dict[str, Any] = yaml.safe_load((ROOT / "meltano.yml").read_text())
SCHEDULED = {each["job"]: each["interval"] for each in MELTANO["schedules"]}
#: The same times, as systemd writes them.
CALENDAR = {
    "5 * * * *": "*-*-* *:05:00",
    "*/15 * * * *": "*-*-* *:00/15:00",
    "35 * * * *": "*-*-* *:35:00",
}


def test_cron_has_the_times_of_meltano() -> None:
    assert {job: time for job, (time, _, _) in crontab().items()} == SCHEDULED


def test_systemd_has_the_times_of_meltano() -> None:
    timers = {
        job: re.findall(r"^OnCalendar=(.*)$", file.read_text(), re.MULTILINE)
        for job in SCHEDULED
        if (file := DEPLOY / f"systemd/basware-d365fo@{job}.timer")
    }
    assert timers == {job: [CALENDAR[interval]] for job, interval in SCHEDULED.items()}


def test_kubernetes_has_the_times_of_meltano() -> None:
    jobs = list(yaml.safe_load_all((DEPLOY / "kubernetes/jobs.yaml").read_text()))
    pods = [each["spec"]["jobTemplate"]["spec"]["template"]["spec"] for each in jobs]
    assert {
        pod["containers"][0]["args"][-1]: each["spec"]["schedule"]
        for each, pod in zip(jobs, pods, strict=True)
    } == SCHEDULED
    assert {each["spec"]["concurrencyPolicy"] for each in jobs} == {"Forbid"}


def test_one_job_has_it_all_in_the_order_of_a_first_run() -> None:
    tasks = {job["name"]: job["tasks"] for job in MELTANO["jobs"]}
    assert tasks["all"] == tasks["masters"] + tasks["invoices"] + tasks["payments"]


def test_environments_differ_only_in_what_a_user_sets() -> None:
    test, production = (
        next(each for each in MELTANO["environments"] if each["name"] == name)
        for name in ("test", "production")
    )
    yours = MELTANO["annotations"]["yours"]
    assert set(yours["test"]) == set(yours["production"])
    for values in yours["test"].values():
        for name in values:
            assert name in str(test), name
    text = str(test["config"])
    for section, values in yours["test"].items():
        for name, value in values.items():
            other = yours["production"][section][name]
            text = text.replace(f"'{name}': {value!r}", f"'{name}': {other!r}")
    assert text == str(production["config"])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_understands_the_units(project: Project, tmp_path: Path) -> None:
    units = tmp_path / "units"
    units.mkdir()
    for file in (DEPLOY / "systemd").glob("basware-*"):
        (units / file.name).write_text(project.setting(file.read_text()))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sorted(units.iterdir())],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "basware" in line]
    assert ours == []
    assert done.returncode == 0, done.stderr
