"""How far a run is, in a line for people and facts for machines."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from singer_delivery import logs
from singer_delivery.progress import Progress, Standing, words
from singer_delivery.redaction import REDACTOR, install
from singer_delivery.throttle import Gate
from singer_sdk.logging import StructuredFormatter

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
IBAN = "FI2112345600000785"
STANDING = Standing({"": 1200}, "read", {"vendor_invoices": {"delivered": 320, "rejected": 3}}, 8)


def test_a_line_for_people() -> None:
    assert words(STANDING, 9.24, NOON + timedelta(seconds=190)) == (
        "1,200 records read; vendor_invoices: 320 delivered, 3 rejected; 8 in flight; 9.2/s; "
        "told to wait until 12:03:10 UTC"
    )
    assert words(Standing({"a": 10, "b": 2}, "written", {}), 0, None) == (
        "12 records written (a 10, b 2); 0/s"
    )


def test_pace_is_that_since_the_line_before(caplog: pytest.LogCaptureFixture) -> None:
    seconds = iter([0.0, 10.0, 20.0])
    counts = iter([100, 400])
    progress = Progress(
        lambda: Standing({"s": next(counts)}, "written", {}), 0, clock=lambda: next(seconds)
    )
    with caplog.at_level(logging.INFO):
        progress.say()
        progress.say()
    assert [line.partition("; ")[2] for line in caplog.messages] == ["10/s", "30/s"]
    facts = caplog.records[-1].__dict__["progress"]
    assert (facts["records"], facts["per_second"]) == ({"s": 400}, 30.0)


def test_the_pace_of_a_target_is_that_of_outcomes(caplog: pytest.LogCaptureFixture) -> None:
    seconds = iter([0.0, 10.0])
    with caplog.at_level(logging.INFO):
        Progress(lambda: STANDING, 0, clock=lambda: next(seconds)).say()
    assert caplog.messages[0].endswith("8 in flight; 32/s")


def test_what_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()
    gate.close_for(190)
    with caplog.at_level(logging.INFO):
        Progress(lambda: STANDING, 0, now=lambda: NOON).say()
    assert "told to wait until 12:03:" in caplog.text


def test_it_says_so_again_and_again_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        with Progress(lambda: STANDING, 0.005) as progress:
            while len(caplog.messages) < 3:
                pass
        assert not progress._thread.is_alive()
        with Progress(lambda: STANDING, 0) as progress:
            assert not progress._thread.is_alive()


# The form for machines


@pytest.fixture
def machine_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[io.StringIO]:
    """A log as Meltano sets it up, at its handler's end."""
    factory = logging.getLogRecordFactory()
    install()
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    handler.setFormatter(StructuredFormatter())
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [handler])
    # pytest has one of its own there, for all tests; it must not write JSON for good.
    monkeypatch.setattr(caplog.handler, "formatter", caplog.handler.formatter)
    yield said
    logging.setLogRecordFactory(factory)


def test_json_lines_hold_no_secret_wherever_it_stands(machine_log: io.StringIO) -> None:
    REDACTOR.add('s3cret"value')
    logs.prepare()
    log = logging.getLogger("plugin")
    facts = {"document_label": f"paid to {IBAN}", "progress": {"why": ['is s3cret"value']}}
    log.warning("pay %s", IBAN, extra=facts)
    try:
        msg = f'no token for s3cret"value, account {IBAN}'
        raise ValueError(msg)
    except ValueError:
        log.exception("failed")

    first, second = map(json.loads, machine_log.getvalue().splitlines())
    assert first["message"] == "pay …0785"
    assert first["extra"]["document_label"] == "paid to …0785"
    assert first["extra"]["progress"] == {"why": ["is [redacted]"]}
    assert second["exception"]["message"] == "no token for [redacted], account …0785"
    assert {"level", "pid", "logger_name", "ts", "thread_name", "app_name"} <= first.keys()


def test_people_get_no_json(machine_log: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = logging.getLogger().handlers[0]
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logs.prepare()
    logging.getLogger("plugin").warning("pay %s", IBAN)
    monkeypatch.setenv(logs.FORMAT_VARIABLE, "json")
    logs.prepare()
    logging.getLogger("plugin").warning("pay %s", IBAN)
    plain, structured = machine_log.getvalue().splitlines()
    assert plain == "WARNING pay …0785"
    assert json.loads(structured)["message"] == "pay …0785"
