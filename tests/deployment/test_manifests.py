"""The image, the Compose file and the Kubernetes manifests, held against what reads them."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployment.files import BIN, ROOT
from tests.meltano_settings import PLUGINS, UTILITY, definition

DOCKERFILE = (ROOT / "Dockerfile").read_text()
KUBERNETES = sorted((ROOT / "deploy/kubernetes").glob("*.yaml"))
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
MELTANO: dict[str, Any] = yaml.safe_load((ROOT / "meltano.yml").read_text())
JOBS = {job["name"] for job in MELTANO["jobs"]}


def manifests() -> list[dict[str, Any]]:
    return [each for file in KUBERNETES for each in yaml.safe_load_all(file.read_text())]


def containers() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each container of the manifests, with its pod."""
    for manifest in manifests():
        spec = manifest.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        for container in template["spec"]["containers"] if template else ():
            yield template["spec"], container


@pytest.mark.skipif(not (BIN / "hadolint").exists(), reason="uv sync --group deployment")
def test_a_linter_finds_nothing_in_the_dockerfile() -> None:
    done = subprocess.run(
        [BIN / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_has_every_package_and_no_more_of_the_project() -> None:
    """What a COPY names is let through by .dockerignore, which keeps everything else out."""
    packages = {file.parent.name for file in ROOT.glob("*/pyproject.toml")} - {"sandbox"}
    copied = set(re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE))
    names = {name for each in copied for name in each.split()}
    assert packages <= names
    rules = (ROOT / ".dockerignore").read_text().split("\n")
    assert rules[1] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == names
    for secret in (".env", "ledger", "secrets.vault", "sandbox", ".git"):
        assert secret not in names


def test_no_secret_is_asked_for_at_build() -> None:
    given = re.findall(r"^ARG (\w+)", DOCKERFILE, re.MULTILINE)
    assert given == ["PYTHON_IMAGE", "UV_VERSION"]
    assert "--mount=type=secret" not in DOCKERFILE


@pytest.mark.skipif(
    importlib.util.find_spec("kubernetes_validate") is None, reason="uv sync --group deployment"
)
def test_kubernetes_knows_every_field() -> None:
    import kubernetes_validate

    assert len(manifests()) == 8
    for manifest in manifests():
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_pods_run_jobs_that_are_there() -> None:
    commands = [container["args"] for _, container in containers()]
    commands += [
        service["command"] for service in COMPOSE["services"].values() if "command" in service
    ]
    for command in commands:
        assert command[-1].rpartition(" ")[2].removeprefix("--run=") in JOBS, command
    webhook = [command for command in commands if "serve" in command]
    assert len(webhook) == 2
    for command in webhook:
        script = command[-1].removeprefix("--run=/opt/basware-d365fo/").split()[0]
        assert (ROOT / script).is_file()


def test_pods_have_time_to_stop_and_nothing_to_write() -> None:
    for pod, container in containers():
        patience = 60 if "serve" in container["args"] else 25
        assert pod["terminationGracePeriodSeconds"] >= patience + 5
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert str(pod["securityContext"]["runAsUser"]) in DOCKERFILE
        mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounted == {"/tmp", "/opt/basware-d365fo/.meltano/run", "/var/lib/basware-d365fo"}


def known_variables() -> set[str]:
    """The environment variables of all settings of the plugins and their instances."""
    owners: dict[str, str] = {}
    settings: dict[str, list[str]] = {}
    for name in (*PLUGINS, UTILITY):
        for plugins in yaml.safe_load(definition(name))["plugins"].values():
            for plugin in plugins:
                owners[plugin["name"]] = plugin.get("inherit_from", plugin["name"])
                settings[plugin["name"]] = [each["name"] for each in plugin.get("settings", ())]
    for plugin in MELTANO["plugins"]["extractors"]:
        owners[plugin["name"]] = plugin["inherit_from"]
    return {
        f"{name}_{setting}".replace("-", "_").upper()
        for name, owner in owners.items()
        for setting in settings[owner]
    }


def test_what_is_set_are_settings() -> None:
    """A name with a slip of the pen would be ignored without a word."""
    given: set[str] = set()
    references: set[str] = set()
    secrets: set[str] = set()
    for manifest in manifests():
        if manifest["kind"] == "ConfigMap":
            given |= set(manifest["data"])
            values = manifest["data"].values()
            references = {value[4:] for value in values if value.startswith("env:")}
        if manifest["kind"] == "Secret":
            secrets |= set(manifest["stringData"])
    assert references | {"MELTANO_DATABASE_URI"} == secrets
    given |= {each["name"] for _, container in containers() for each in container.get("env", ())}
    for service in COMPOSE["services"].values():
        if service["image"] == "basware-d365fo":
            given |= set(service["environment"])
    meltano_s = {"MELTANO_ENVIRONMENT", "MELTANO_DATABASE_URI"}
    assert given - meltano_s <= known_variables()


def test_no_secret_stands_in_the_files() -> None:
    for file in sorted(Path(ROOT / "deploy").rglob("*")):
        text = file.read_text() if file.is_file() else ""
        found = re.findall(r"(?:SECRET|PASSWORD|_URL|_URI): *\"?([^\s\"]+)", text)
        assert [
            value
            for value in found
            if "example" not in value
            and "${LEDGER_PASSWORD" not in value
            and not value.startswith(("env:", "&", "*", "#"))
        ] == [], file
