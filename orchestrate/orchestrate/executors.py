"""The executor of all jobs, by its name in orchestrate.yml."""

from __future__ import annotations

import importlib
from typing import cast

import dagster as dg
from singer_delivery.errors import SetupError

from orchestrate.configuration import Configuration

#: Module and name of each, and the extra of this package that brings it.
PLACES = {
    "in_process": ("dagster", "in_process_executor", ""),
    "multiprocess": ("dagster", "multiprocess_executor", ""),
    "celery": ("dagster_celery", "celery_executor", "celery"),
    "k8s_job": ("dagster_k8s", "k8s_job_executor", "k8s"),
}


def executor(configuration: Configuration) -> dg.ExecutorDefinition:
    """Return the executor with its settings. Raises SetupError where its package is missing."""
    module, name, extra = PLACES[configuration.executor]
    try:
        found = cast("dg.ExecutorDefinition", getattr(importlib.import_module(module), name))
    except ImportError:
        msg = (
            f"executor {configuration.executor} needs {module.replace('_', '-')}: install "
            f"orchestrate[{extra}]"
        )
        raise SetupError(msg) from None
    settings = dict(configuration.executor_settings)
    return found.configured(settings) if settings else found
