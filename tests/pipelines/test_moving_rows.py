"""Vendors come, go and change while a crawl of 20,000 turns its pages: none lost, none undone."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.seed import small_world
from sandbox.server import Sandbox
from target_basware.masters import FIELDS

from tests.pipelines.shell import shell
from tests.tap_d365fo.tap_run import select

VENDORS = 20_000
PAGE = 1_000
PIPE = "tap-d365fo --config=ENV --catalog catalog.json | target-basware --config=ENV > state.jsonl"


@dataclass
class Mover:
    """After each page of the crawl: vendors before and after it come, go and are renamed."""

    sandbox: Sandbox
    stayed: set[str]
    gone: set[str] = field(default_factory=set)
    new: set[str] = field(default_factory=set)
    pages: int = 0

    def move(self) -> None:
        """Move rows on both sides of every place that a crawl may be at."""
        store = self.sandbox.d365fo
        number = self.pages
        for key in (f"V{n:05d}" for n in range(number + 1, VENDORS, PAGE)):
            record = store.first("VendorsV3", dataAreaId="usmf", VendorAccountNumber=key)
            if record and key in self.stayed:
                store.delete("VendorsV3", record)
                self.stayed.discard(key)
                self.gone.add(key)
        for n in range(number + 500, VENDORS, PAGE):
            key = f"V{n:05d}N"
            store.insert(
                "VendorsV3",
                {
                    "dataAreaId": "usmf",
                    "VendorAccountNumber": key,
                    "VendorOrganizationName": f"New {n}",
                },
            )
            self.new.add(key)
        self.pages += 1

    @contextmanager
    def during(self) -> Iterator[None]:
        """Move rows whenever a page of vendors was read."""
        ended = threading.Event()
        thread = threading.Thread(target=self._watch, args=(ended,))
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _watch(self, ended: threading.Event) -> None:
        seen = self._read()
        while not ended.wait(0.01):
            if self._read() > seen:
                seen = self._read()
                self.move()

    def _read(self) -> int:
        return len(self.sandbox.journal.requests("d365fo", "GET", "/VendorsV3"))


def _active(sandbox: Sandbox) -> dict[str, bool]:
    return {
        row["vendorCode"]: row["processingStatus"]["active"]
        for row in sandbox.basware.p2p("vendors")
    }


def test_rows_that_move_are_neither_lost_nor_inactivated(sandbox: Sandbox, tmp_path: Path) -> None:
    world = small_world(("usmf",))
    del world.basware["vendors"]
    world.d365fo["VendorsV3"] = [
        {
            "dataAreaId": "usmf",
            "VendorAccountNumber": f"V{n:05d}",
            "VendorOrganizationName": f"Vendor {n}",
        }
        for n in range(VENDORS)
    ]
    sandbox.load(world)
    found = shell("tap-d365fo --config=ENV --discover", sandbox, tmp_path)
    catalog = select(json.loads(found.stdout), "vendors", fields=FIELDS)
    (tmp_path / "catalog.json").write_text(json.dumps(catalog))
    settings = {"TAP_D365FO_PAGE_SIZE": str(PAGE), "TAP_D365FO_FULL_REFRESH_HOURS": "0"}

    def run() -> None:
        done = shell(PIPE, sandbox, tmp_path, **settings)
        assert done.returncode == 0, done.stderr[-3000:]

    run()
    mover = Mover(sandbox, set(_active(sandbox)))
    assert len(mover.stayed) == VENDORS
    with mover.during():
        run()
    assert mover.pages >= VENDORS // PAGE
    active = _active(sandbox)
    assert {key for key in mover.stayed if not active.get(key)} == set()
    assert {key for key in active if not active[key]} <= mover.gone

    run()
    active = _active(sandbox)
    assert {key for key, is_active in active.items() if is_active} == mover.stayed | mover.new
    assert {key for key, is_active in active.items() if not is_active} == mover.gone
