"""The tap as a program: exit codes, and errors in plain words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from tap_basware.tap import TapBasware

START = "from tap_basware.tap import TapBasware; TapBasware.cli()"
Main = Callable[..., int]


@pytest.fixture
def main(config: dict[str, Any], tmp_path: Path) -> Main:
    """Run the command line in this process; returns the exit code."""

    def run(*arguments: str, **settings: Any) -> int:
        path = tmp_path / "config.json"
        path.write_text(json.dumps({**config, **settings}))
        command = TapBasware.get_singer_command()
        try:
            with command.make_context(
                "tap-basware", ["--config", str(path), *arguments]
            ) as context:
                # Not SingerCommand's own: it turns warnings into log lines for good.
                click.Command.invoke(command, context)
        except click.exceptions.Exit as end:
            return end.exit_code
        return 0

    return run


def catalog(tmp_path: Path, *streams: str) -> str:
    tap = TapBasware(config={}, validate_config=False)
    for name, stream in tap.streams.items():
        stream.selected = name in streams
    path = tmp_path / "catalog.json"
    path.write_text(tap.catalog_json_text)
    return str(path)


def test_in_a_bare_pipe(
    config: dict[str, Any], tmp_path: Path, invoices: Callable[..., list[str]]
) -> None:
    put = invoices(2)
    (tmp_path / "config.json").write_text(json.dumps(config))
    done = subprocess.run(
        [sys.executable, "-c", START, "--config", "config.json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=tmp_path,
    )
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    records = [message["record"] for message in messages if message["type"] == "RECORD"]
    assert sorted(record["invoiceId"] for record in records) == put


def test_a_wrong_secret_ends_with_exit_code_1_and_in_words(
    main: Main, caplog: pytest.LogCaptureFixture
) -> None:
    assert main(client_secret="not-the-secret") == 1
    assert caplog.records[-1].getMessage().startswith("Basware refused the client id or secret")
    assert "not-the-secret" not in caplog.text


def test_an_unknown_region_lists_the_choices(main: Main, caplog: pytest.LogCaptureFixture) -> None:
    assert main(base_url="", region="UK") == 1
    assert "region is 'UK': choose one of EU, US, AU, CA" in caplog.records[-1].getMessage()


def test_the_connection_check_reads_what_the_catalog_selects(
    main: Main,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("INFO")
    assert main("--test", "--catalog", catalog(tmp_path, "vendors", "accounts")) == 0
    passed = [r.getMessage() for r in caplog.records if "test passed" in r.getMessage()]
    assert passed == [
        "Connection test passed: accounts: readable, no records at the moment",
        "Connection test passed: vendors: readable, no records at the moment",
    ]
    assert capsys.readouterr().out == ""


def test_the_connection_check_fails_in_words(main: Main, caplog: pytest.LogCaptureFixture) -> None:
    assert main("--test", client_secret="wrong") == 1
    assert caplog.records[-1].getMessage().startswith("Basware refused the client id or secret")


def test_discovery_needs_no_settings(main: Main, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("--discover", base_url="", client_id="") == 0
    assert len(json.loads(capsys.readouterr().out)["streams"]) == 11


def test_test_schema_writes_the_schemas(main: Main, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("--test=schema") == 0
    assert len(capsys.readouterr().out.splitlines()) == 11


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PAGE_SIZE", "many", "TAP_BASWARE_PAGE_SIZE is no integer"),
        ("STREAM_MAPS", "{", "TAP_BASWARE_STREAM_MAPS is no object"),
    ],
)
def test_a_variable_that_cannot_be_read_is_named(name: str, value: str, words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", START, "--config=ENV"],
        env={**os.environ, f"TAP_BASWARE_{name}": value},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
