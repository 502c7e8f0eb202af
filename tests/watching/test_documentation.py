"""docs/monitoring.md and the rules for Prometheus say what is there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from singer_delivery.watching.alert import Kind
from singer_delivery.watching.limits import Limits
from singer_delivery.watching.metrics import RUN_GAUGES
from singer_delivery.watching.settings import SETTINGS

from tests.operator.office import Office, invoice

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "monitoring.md").read_text(encoding="utf-8")
RULES = DOCS / "prometheus-alerts.yml"


def anchors() -> set[str]:
    found = re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    return {heading.lower().replace(" ", "-") for heading in found}


def test_every_kind_has_a_section_that_messages_lead_to() -> None:
    assert {kind.value.replace("_", "-") for kind in Kind} <= anchors()


def test_every_setting_is_there_and_its_default_is_the_code_s() -> None:
    rows = {setting.name: setting.default for setting in SETTINGS}
    for name in ("in_doubt_minutes", "rejected_percent", "success_hours", "expiry_days"):
        assert f"`{name}` ({rows[name]})" in TEXT
        assert rows[name] == getattr(Limits(), name)
    hooks = {name for name in rows if name.startswith("alert_") and name != "alert_ca_file"}
    assert {name for name in hooks if name not in TEXT} == set()


@pytest.fixture
def figures(office: Office) -> set[str]:
    """The names of all metrics that there can be."""
    office.deliver([invoice("1")])
    said = office.run("metrics").output
    names = set(re.findall(r"^# TYPE (\S+)", said, re.MULTILINE))
    return names | {f"singer_delivery_{name}" for name in RUN_GAUGES}


def test_the_metrics_named_are_those_there_are(figures: set[str]) -> None:
    named = set(re.findall(r"`(singer_delivery_[a-z_]+)`", TEXT))
    assert named == figures


def test_rules_ask_for_what_is_there_and_lead_to_the_runbook(figures: set[str]) -> None:
    [group] = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        asked = set(re.findall(r"singer_delivery_\w+", rule["expr"]))
        assert asked
        assert asked <= figures, rule["alert"]
        assert rule["expr"].count("(") == rule["expr"].count(")")
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["runbook"].partition("#")[2] in anchors()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_takes_the_rules() -> None:
    subprocess.run(["promtool", "check", "rules", RULES], check=True, capture_output=True)
