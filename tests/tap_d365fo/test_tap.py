from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from singer_delivery.document import Document, Outcome, Status
from singer_delivery.ledger import Ledger
from singer_sdk.testing import get_tap_test_class
from tap_d365fo.tap import TapD365FO

from tests.readme_settings import assert_current

ENVIRONMENT = "https://contoso.operations.dynamics.com"
CONFIG = {
    "base_url": f"{ENVIRONMENT}/data/",
    "tenant_id": "contoso.example",
    "client_id": "app-1",
    "client_secret": "very-secret-value",
}
SETTLED = Outcome(Status.DELIVERED, remote_key="BW1")
REJECTED = Outcome(Status.REJECTED, reason="vendor 10045 is on hold for invoices")

SUITE = get_tap_test_class(TapD365FO, config=CONFIG | {"ledger_url": "sqlite:///suite.db"})


class TestStandardSuite(SUITE):  # type: ignore[misc, valid-type]
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def ledger(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        before = Path.cwd()
        os.chdir(tmp_path_factory.mktemp("suite"))
        write_outcome("sqlite:///suite.db", "a", SETTLED)
        write_outcome("sqlite:///suite.db", "b", REJECTED)
        yield
        os.chdir(before)


def write_outcome(url: str, key: str, outcome: Outcome, system: str = ENVIRONMENT) -> None:
    ledger = Ledger.open(url, system)
    document = Document(key, payload=None, fingerprint="f", detail={"legal_entity": "usmf"})
    ledger.settle("vendor_invoices", document, outcome, "run-1")
    ledger.close()


Run = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def ledger_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def settle(ledger_url: str) -> Callable[..., None]:
    return functools.partial(write_outcome, ledger_url)


@pytest.fixture
def run(ledger_url: str, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the tap and return its messages of one type."""

    def messages(kind: str, state: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        TapD365FO(config=CONFIG | {"ledger_url": ledger_url}, state=state).sync_all()
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return [line for line in lines if line["type"] == kind]

    return messages


def test_each_settled_invoice_is_told_once(settle: Callable[..., None], run: Run) -> None:
    settle("a", SETTLED)
    settle("b", REJECTED)

    records = [message["record"] for message in run("RECORD")]

    assert [(record["document_id"], record["success"]) for record in records] == [
        ("a", True),
        ("b", False),
    ]
    assert records[1]["message"] == "Legal entity usmf: vendor 10045 is on hold for invoices"


def test_only_what_is_new_since_the_bookmark_is_told(settle: Callable[..., None], run: Run) -> None:
    settle("a", SETTLED)
    settle("b", REJECTED)
    state = run("STATE")[-1]["value"]
    assert run("RECORD", state) == []

    settle("b", SETTLED)
    (message,) = run("RECORD", state)

    assert message["record"]["document_id"] == "b"
    assert message["record"]["success"]


def test_a_document_is_told_with_its_latest_outcome(settle: Callable[..., None], run: Run) -> None:
    settle("a", REJECTED)
    settle("b", SETTLED)
    settle("a", SETTLED)

    records = [message["record"] for message in run("RECORD")]

    assert [(record["document_id"], record["success"]) for record in records] == [
        ("b", True),
        ("a", True),
    ]


def test_nothing_is_skipped_beyond_one_page(
    settle: Callable[..., None], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tap_d365fo.streams.PAGE", 2)
    for number in range(5):
        settle(f"doc-{number}", SETTLED)

    assert len(run("RECORD")) == 5


def test_outcomes_of_another_environment_stay_out(settle: Callable[..., None], run: Run) -> None:
    settle("a", SETTLED, system="https://other.operations.dynamics.com")

    assert run("RECORD") == []


def test_without_a_ledger_there_is_nothing_to_tell_and_none_is_made(
    ledger_url: str, run: Run
) -> None:
    assert run("RECORD") == []
    assert not Path(ledger_url.removeprefix("sqlite:///")).exists()


# The command line


def tap(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tap_d365fo.tap", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def settings(config: dict[str, Any]) -> dict[str, str]:
    return {f"TAP_D365FO_{name.upper()}": str(value) for name, value in config.items()}


def test_the_connection_check_of_the_command_line(config: dict[str, Any]) -> None:
    done = tap("--config=ENV", "--test", **settings(config))

    assert done.returncode == 0, done.stderr
    assert "answers; first legal entity demf" in done.stderr
    assert done.stdout == ""


def test_a_failing_connection_check_says_why_in_one_line(config: dict[str, Any]) -> None:
    done = tap("--config=ENV", "--test", **settings(config | {"client_secret": "wrong-word"}))

    assert done.returncode == 1
    assert "client secret is wrong" in done.stderr
    assert "Traceback" not in done.stderr
    assert "wrong-word" not in done.stderr


def test_a_ledger_that_is_none_is_said_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    file.write_text("not a database, and long enough to be looked at " * 20)

    done = tap("--config=ENV", **settings(CONFIG | {"ledger_url": f"sqlite:///{file}"}))

    assert done.returncode == 1
    assert "the ledger at sqlite:///" in done.stderr
    assert "Traceback" not in done.stderr


def test_about_marks_what_is_secret() -> None:
    properties = TapD365FO.config_jsonschema["properties"]

    assert {name for name, schema in properties.items() if schema.get("secret")} == {
        "client_secret",
        "client_certificate",
        "client_certificate_password",
        "ledger_url",
    }
    assert all(schema["title"] and schema["description"] for schema in properties.values())


def test_the_readme_shows_the_settings_as_they_are() -> None:
    assert_current("tap-d365fo")
