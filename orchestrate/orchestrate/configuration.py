"""Which tenants there are, and how they are run: orchestrate.yml, or one tenant without it.

A tenant is a Basware tenant with its Meltano environment, mapping.yml and ledger. Legal entities
come from mapping.yml, intervals from the schedules of meltano.yml: neither is said twice.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from ap_mapping import Mapping as ApMapping
from ap_mapping import MappingError, load_mapping
from singer_delivery.errors import SetupError

FILE_VARIABLE = "ORCHESTRATE_CONFIG"
PROJECT_VARIABLE = "MELTANO_PROJECT_ROOT"
ENVIRONMENT_VARIABLE = "MELTANO_ENVIRONMENT"
#: Both plugins that read the mapping are told which one.
MAPPING_VARIABLES = ("TARGET_D365FO_MAPPING_FILE", "TARGET_BASWARE_MAPPING_FILE")
FILE_NAME = "orchestrate.yml"
#: Dagster's names of assets and jobs.
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
#: Jobs of Dagster with a schedule. `reconcile` has none in meltano.yml.
JOBS = ("masters", "invoices", "payments", "reconcile")
RECONCILE_CRON = "50 * * * *"
EXECUTORS = ("in_process", "multiprocess", "celery", "k8s_job")


@dataclass(frozen=True)
class Retries:
    """How often a run that may heal is tried again: after `pause_seconds`, then twice that, …"""

    most: int = 3
    pause_seconds: float = 60.0


@dataclass(frozen=True)
class Tenant:
    """One tenant. `schedules` are cron texts in UTC by job; `variables` go to its runs."""

    name: str
    environment: str
    project: Path
    mapping: ApMapping
    variables: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    schedules: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    started: bool = False
    retries: Retries = Retries()

    @property
    def legal_entities(self) -> tuple[str, ...]:
        """The legal entities of mapping.yml, in file order."""
        return self.mapping.legal_entities


@dataclass(frozen=True)
class Configuration:
    """All tenants, and the executor of every job with its settings."""

    tenants: tuple[Tenant, ...]
    executor: str = "multiprocess"
    executor_settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


def load_configuration(environ: Mapping[str, str] | None = None) -> Configuration:
    """Return what orchestrate.yml says, or the tenant of the Meltano environment without it.

    Raises SetupError that names file, key and remedy.
    """
    environ = os.environ if environ is None else environ
    project = _project(environ)
    given = environ.get(FILE_VARIABLE)
    file = Path(given) if given else project / FILE_NAME
    meltano = _yaml(project / "meltano.yml")
    if not given and not file.is_file():
        environment = environ.get(ENVIRONMENT_VARIABLE) or str(meltano["default_environment"])
        content: dict[str, Any] = {"tenants": {environment: {}}}
    else:
        content = _yaml(file)
    return _Reader(file, project, _intervals(meltano), environ).configuration(content)


@dataclass(frozen=True)
class _Reader:
    """Reads the content of one file; every complaint names it."""

    file: Path
    project: Path
    intervals: Mapping[str, str]
    environ: Mapping[str, str]

    def configuration(self, content: Mapping[str, Any]) -> Configuration:
        self._known(content, {"tenants", "executor", "executor_settings", "retries"}, "")
        tenants = self._mapping(content, "tenants", "")
        if not tenants:
            raise self._wrong("tenants", "names no tenant: give at least one")
        executor = content.get("executor", "multiprocess")
        if executor not in EXECUTORS:
            raise self._wrong("executor", f"is {executor!r}: it is one of {', '.join(EXECUTORS)}")
        retries = self._retries(self._mapping(content, "retries", ""))
        return Configuration(
            tuple(self._tenant(name, given or {}, retries) for name, given in tenants.items()),
            executor,
            MappingProxyType(dict(self._mapping(content, "executor_settings", ""))),
        )

    def _retries(self, given: Mapping[str, Any]) -> Retries:
        self._known(given, {"most", "pause_seconds"}, "retries.")
        most = given.get("most", Retries.most)
        pause = given.get("pause_seconds", Retries.pause_seconds)
        if type(most) is not int or not 0 <= most <= 20:
            raise self._wrong("retries.most", f"is {most!r}: a whole number from 0 to 20")
        if isinstance(pause, bool) or not isinstance(pause, int | float) or pause < 0:
            raise self._wrong("retries.pause_seconds", f"is {pause!r}: a number of seconds")
        return Retries(most, float(pause))

    def _tenant(self, name: Any, given: Any, retries: Retries) -> Tenant:
        where = f"tenants.{name}"
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise self._wrong(where, "has a name with more than letters, digits and underscores")
        if not isinstance(given, Mapping):
            raise self._wrong(where, "is no mapping of settings")
        names = {"environment", "mapping_file", "variables", "schedules", "started"}
        self._known(given, names, f"{where}.")
        started = given.get("started", False)
        if not isinstance(started, bool):
            raise self._wrong(f"{where}.started", f"is {started!r}: true or false")
        variables = self._texts(given, "variables", where)
        mapping_file = self._mapping_file(given.get("mapping_file"), variables)
        if "mapping_file" in given:
            variables |= dict.fromkeys(MAPPING_VARIABLES, str(mapping_file))
        try:
            mapping = load_mapping(mapping_file)
        except MappingError as error:
            raise SetupError(str(error)) from None
        return Tenant(
            name=name,
            environment=str(given.get("environment") or name),
            project=self.project,
            mapping=mapping,
            variables=MappingProxyType(variables),
            schedules=MappingProxyType(self._schedules(given, where)),
            started=started,
            retries=retries,
        )

    def _mapping_file(self, given: Any, variables: Mapping[str, str]) -> Path:
        known = {**self.environ, **variables}.get(MAPPING_VARIABLES[0])
        return self.project / str(given or known or "mapping.yml")

    def _schedules(self, given: Mapping[str, Any], where: str) -> dict[str, str]:
        own = self._mapping(given, "schedules", f"{where}.")
        self._known(own, set(JOBS), f"{where}.schedules.")
        both = {"reconcile": RECONCILE_CRON, **self.intervals, **own}
        return {job: str(cron) for job, cron in both.items() if job in JOBS and cron}

    def _texts(self, given: Mapping[str, Any], key: str, where: str) -> dict[str, str]:
        found = self._mapping(given, key, f"{where}.")
        for name, value in found.items():
            if not isinstance(value, str):
                raise self._wrong(f"{where}.{key}.{name}", "is no text: put it in quotes")
        return {str(name): value for name, value in found.items()}

    def _mapping(self, given: Mapping[str, Any], key: str, before: str) -> Mapping[str, Any]:
        found = given.get(key) or {}
        if not isinstance(found, Mapping):
            raise self._wrong(f"{before}{key}", "is no mapping of names to values")
        return found

    def _known(self, given: Mapping[str, Any], names: set[str], before: str) -> None:
        for name in given:
            if name not in names:
                listed = ", ".join(sorted(names))
                raise self._wrong(f"{before}{name}", f"is not known here, only {listed}")

    def _wrong(self, key: str, problem: str) -> SetupError:
        return SetupError(f"{self.file}: {key} {problem}")


def _project(environ: Mapping[str, str]) -> Path:
    places = [Path.cwd(), Path(__file__).parents[2]]
    if given := environ.get(PROJECT_VARIABLE):
        places = [Path(given)]
    for place in places:
        if (place / "meltano.yml").is_file():
            return place.resolve()
    msg = (
        f"no meltano.yml in {' or '.join(map(str, places))}: set {PROJECT_VARIABLE} to the folder "
        "of the Meltano project"
    )
    raise SetupError(msg)


def _yaml(file: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"{file} cannot be read: {error.strerror}"
        raise SetupError(msg) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        place = getattr(error, "problem_mark", None)
        msg = f"{file} is no YAML{f', see line {place.line + 1}' if place else ''}"
        raise SetupError(msg) from None
    if not isinstance(found, dict):
        msg = f"{file} is no mapping of names to values"
        raise SetupError(msg)
    return found


def _intervals(meltano: Mapping[str, Any]) -> dict[str, str]:
    """Return the cron texts of meltano.yml's schedules by job; those without a time are left out"""
    schedules = [each for each in meltano.get("schedules") or () if each.get("job")]
    return {
        str(each["job"]): str(each["interval"])
        for each in schedules
        if each.get("interval") not in (None, "@once", "@manual", "@none")
    }
