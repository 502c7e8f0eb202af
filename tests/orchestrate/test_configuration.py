from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
import yaml
from orchestrate.configuration import Configuration, load_configuration
from orchestrate.executors import executor
from singer_delivery.errors import SetupError

ROOT = Path(__file__).parents[2]


def load(tmp_path: Path, content: object, **environ: str) -> Configuration:
    file = tmp_path / "orchestrate.yml"
    file.write_text(yaml.safe_dump(content))
    given = {"ORCHESTRATE_CONFIG": str(file), "MELTANO_PROJECT_ROOT": str(ROOT), **environ}
    return load_configuration(given)


def test_without_a_file_there_is_the_tenant_of_the_environment() -> None:
    [tenant] = load_configuration({"MELTANO_PROJECT_ROOT": str(ROOT)}).tenants
    assert (tenant.name, tenant.environment) == ("sandbox", "sandbox")
    assert tenant.legal_entities == ("usmf", "demf", "gbsi", "jpmf")
    assert tenant.schedules["invoices"] == "*/15 * * * *"  # as meltano.yml has it
    assert not tenant.started
    environ = {"MELTANO_PROJECT_ROOT": str(ROOT), "MELTANO_ENVIRONMENT": "production"}
    [tenant] = load_configuration(environ).tenants
    assert tenant.environment == "production"


def test_several_tenants_with_what_differs(tmp_path: Path) -> None:
    mapping = tmp_path / "other.yml"
    text = (ROOT / "mapping.yml").read_text().replace("1000: {legal", "1500: {legal")
    mapping.write_text(text)
    content = {
        "executor": "multiprocess",
        "executor_settings": {"max_concurrent": 2},
        "tenants": {
            "one": {"started": True},
            "two": {
                "environment": "test",
                "mapping_file": str(mapping),
                "schedules": {"payments": "0 6 * * *", "reconcile": None},
            },
        },
    }
    found = load(tmp_path, content)
    one, two = found.tenants
    assert one.started
    assert "TARGET_BASWARE_MAPPING_FILE" not in one.variables
    assert two.variables["TARGET_BASWARE_MAPPING_FILE"] == str(mapping)
    assert two.mapping.company_codes("usmf") == ("1500",)
    assert two.schedules["payments"] == "0 6 * * *"
    assert "reconcile" not in two.schedules
    assert executor(found).name == "multiprocess"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"tenants": {}}, "tenants names no tenant"),
        ({"tenants": {"a b": {}}}, "more than letters"),
        ({"tenants": {"a": {"environments": "x"}}}, "tenants.a.environments is not known here"),
        ({"tenants": {"a": {"started": "yes"}}}, "tenants.a.started is 'yes': true or false"),
        ({"tenants": {"a": {"variables": {"X": 1}}}}, "tenants.a.variables.X is no text"),
        ({"tenants": {"a": {"schedules": {"invoice": "x"}}}}, "schedules.invoice is not known"),
        ({"tenants": {"a": {"mapping_file": "none.yml"}}}, "none.yml"),
        ({"tenants": ["a"]}, "tenants is no mapping"),
        ({"tenants": {"a": {}}, "executor": "dask"}, "executor is 'dask'"),
        ({"tenants": {"a": {}}, "retries": {"most": -1}}, "retries.most is -1"),
        ({"tenants": {"a": {}}, "retries": {"most": True}}, "retries.most is True"),
        ("text", "is no mapping"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, content: object, words: str) -> None:
    with pytest.raises(SetupError, match=r"(orchestrate|none)\.yml") as raised:
        load(tmp_path, content)
    assert words in str(raised.value)


def test_no_project(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="set MELTANO_PROJECT_ROOT"):
        load_configuration({"MELTANO_PROJECT_ROOT": str(tmp_path)})


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("in_process", {}),
        ("multiprocess", {"max_concurrent": 4}),
        ("celery", {"broker": {"env": "CELERY_BROKER"}, "backend": {"env": "CELERY_BACKEND"}}),
        ("k8s_job", {"max_concurrent": 10}),
    ],
)
def test_each_executor_takes_the_settings_of_the_documentation(
    tmp_path: Path, name: str, settings: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERY_BROKER", "redis://localhost")
    monkeypatch.setenv("CELERY_BACKEND", "redis://localhost")
    content = {"tenants": {"a": {}}, "executor": name, "executor_settings": settings}
    assert executor(load(tmp_path, content)).name == name.replace("k8s_job", "k8s")

    @dg.job(executor_def=executor(load(tmp_path, {"tenants": {"a": {}}, "executor": name})))
    def empty() -> None:
        pass

    dg.validate_run_config(empty, {"execution": {"config": settings}})
    with pytest.raises(dg.DagsterInvalidConfigError):
        dg.validate_run_config(empty, {"execution": {"config": {"most": 1}}})
