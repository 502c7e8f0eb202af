"""What a program loads before it knows whether there is anything to do.

`meltano run` starts a tap twice and a target once, mostly for nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest
from singer_delivery.operator.cli import COMMANDS, main

#: Takes as long to load as the SDK itself, or is for few users.
SLOW = {
    "alembic",
    "apprise",
    "azure",
    "cryptography.x509",
    "jinja2",
    "keyring",
    "opentelemetry",
    "prometheus_client",
    "psycopg",
    "starlette",
}


def loaded(code: str) -> set[str]:
    """The modules of a new process after it has run this."""
    told = f"{code}\nimport json, sys\nprint(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("tap_basware.tap", SLOW | {"sqlalchemy", "yaml", "msal", "ap_mapping"}),
        ("tap_d365fo.tap", SLOW | {"sqlalchemy", "yaml", "ap_mapping"}),
        ("target_basware.target", SLOW | {"msal"}),
        ("target_d365fo.target", SLOW | {"tap_d365fo.entity_stream"}),
    ],
)
def test_a_plugin_starts_without_what_few_runs_need(module: str, without: set[str]) -> None:
    assert not loaded(f"import {module}") & without


@pytest.mark.parametrize(
    ("arguments", "without"),
    [
        (["--help"], SLOW | {"sqlalchemy", "requests", "singer_sdk"}),
        (["list", "--help"], SLOW | {"requests", "singer_sdk"}),
    ],
)
def test_a_command_starts_without_what_others_need(arguments: list[str], without: set[str]) -> None:
    code = (
        "from singer_delivery.operator.cli import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: pass"
    )
    assert not loaded(code) & without


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_where_its_name_leads(name: str) -> None:
    command = main.get_command(click.Context(main), name)

    assert command is not None
    assert command.name == name


def test_a_plugin_takes_what_it_has_loaded_out_of_the_search_for_garbage() -> None:
    code = (
        "import gc, json, sys\n"
        "from tap_basware.tap import TapBasware\n"
        "try: TapBasware.cli(['--about', '--format', 'json'])\n"
        "except SystemExit: pass\n"
        "print(json.dumps(gc.get_freeze_count()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert int(done.stdout.splitlines()[-1]) > 10_000
