"""Dagster's web page in a real browser: the lineage, and a run that is started there."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Page, expect
from sandbox.seed import small_world
from sandbox.server import Sandbox

from tests.orchestrate.conftest import Location
from tests.pipelines.masters import Held

INSTANCE = """
run_coordinator: {module: dagster.core.run_coordinator, class: DefaultRunCoordinator}
telemetry: {enabled: false}
nux: {enabled: false}
"""
PATIENCE_SECONDS = 120


@pytest.fixture
def address(location: Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The page of an instance of its own, whose runs are processes with the default executor."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text(INSTANCE)
    file = tmp_path / "orchestrate.yml"
    file.write_text(file.read_text().replace("in_process", "multiprocess"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = str(Path(sys.executable).parent / "dagster-webserver")
    command = [program, "-m", "orchestrate.definitions", "-h", "127.0.0.1", "-p", str(port)]
    url = f"http://127.0.0.1:{port}"
    with (tmp_path / "web.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env={**os.environ, "DAGSTER_HOME": str(home)},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_for(url)
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait_for(url: str) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with urlopen(f"{url}/server_info", timeout=5):
                return
        except (URLError, OSError):
            assert time.monotonic() < until, "the page does not come up"
            time.sleep(0.3)


def test_the_lineage_is_seen_and_a_run_is_started(
    sandbox: Sandbox, address: str, page: Page
) -> None:
    sandbox.load(small_world(("usmf",)))
    sandbox.switches.update({"basware.settle_seconds": 0})
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    page.set_viewport_size({"width": 1700, "height": 1000})
    page.goto(f"{address}/asset-groups")
    for name in ("approved_invoices", "vendor_invoices", "transfer_confirmations", "payments"):
        expect(page.get_by_text(name).first).to_be_visible()
    shoot(page, "lineage")
    page.goto(f"{address}/assets/acme/basware/legal_entities")
    page.get_by_role("button", name="Materialize").first.click()
    expect(page.get_by_text("Launched run").first).to_be_visible()
    page.goto(f"{address}/runs")
    expect(page.get_by_text("Success").first).to_be_visible()
    page.goto(f"{address}/assets/acme/basware/legal_entities?view=overview")
    expect(page.get_by_text("how_to_see_them").first).to_be_visible()
    expect(page.get_by_text("delivered").first).to_be_visible()
    shoot(page, "materialized")
    assert Held.of(sandbox)["companies"]


def shoot(page: Page, name: str) -> None:
    """Keep a picture where a person wants to look at it."""
    if folder := os.environ.get("TEST_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/dagster-{name}.png")
