"""The command as a program: in a pipe with a target, and with somebody who stops reading."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from singer_delivery.document import Status

from tests.operator.office import REJECTED, Office, environment, invoice

OPERATOR = [sys.executable, "-c", "from singer_delivery.operator.cli import main; main()"]
TARGET = [sys.executable, "-m", "tests.singer_delivery.tiny_target"]
ROOT = Path(__file__).parents[2]


def target(folder: Path, url: str, messages: bytes) -> subprocess.CompletedProcess[bytes]:
    """Run the tiny target as a program on these Singer messages."""
    (folder / "config.json").write_text(json.dumps({"ledger_url": url}))
    return subprocess.run(
        [*TARGET, str(folder), "--config", str(folder / "config.json")],
        input=messages,
        capture_output=True,
        check=False,
        cwd=ROOT,
        timeout=60,
    )


def test_an_edited_replay_in_a_pipe_delivers_what_was_rejected(
    office: Office, tmp_path: Path
) -> None:
    bad = {"id": "a", "number": "INV-1", "content": 1, "unmapped": "VAT25", "gross": 100.10}
    shape = {"type": "object", "properties": {"id": {"type": "string"}}}
    schema = {"type": "SCHEMA", "stream": "invoices", "schema": shape, "key_properties": ["id"]}
    first = [schema, {"type": "RECORD", "stream": "invoices", "record": bad}]
    lines = "".join(f"{json.dumps(message)}\n" for message in first).encode()
    assert target(tmp_path, office.url, lines).returncode == 0
    assert office.entry("a", "invoices").status is Status.REJECTED

    edited = json.loads(office.run("payload", "a").stdout)
    del edited["unmapped"]
    (tmp_path / "edited.json").write_text(json.dumps(edited))
    command = [*OPERATOR, "replay", "a", "--edit", str(tmp_path / "edited.json")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(office.url)
    ) as operator:
        messages, words = operator.communicate(timeout=60)
    assert operator.returncode == 0
    assert words.decode().splitlines() == [
        'unmapped: taken out, was "VAT25"',
        "1 document(s) replayed",
    ]
    done = target(tmp_path, office.url, messages)
    assert done.returncode == 0, done.stderr
    assert office.entry("a", "invoices").status is Status.DELIVERED
    assert "a stored" in (tmp_path / "events").read_text()
    office.run("verify")


def test_somebody_who_stops_reading_gets_no_traceback(office: Office) -> None:
    office.deliver([invoice(f"k{n:04}") for n in range(600)], REJECTED)
    with subprocess.Popen(
        [*OPERATOR, "export"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(office.url),
    ) as operator:
        assert operator.stdout
        assert operator.stderr
        operator.stdout.readline()
        operator.stdout.close()
        words = operator.stderr.read()
        assert operator.wait(timeout=60) != 0
    assert words == b""


def test_an_error_is_one_line_without_a_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [*OPERATOR, "verify"],
        capture_output=True,
        check=False,
        env=environment(f"sqlite:///{tmp_path}/none.db"),
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (1, b"")
    [line] = done.stderr.decode().splitlines()
    assert line.startswith("Error: there is no ledger at ")
