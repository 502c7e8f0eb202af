"""Master data at volume: `python -m bench.masters` measures tap-d365fo | target-basware.

Seeds the sandbox with vendors and dimension values, runs the two plugins as the processes that
Meltano would start, three times (everything new, nothing changed, one percent changed), and prints
for each run the time, the peak memory of either process and the number of requests to Basware
beside the smallest number that Basware's limits allow.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.demo_tenants import cut_mapping
from sandbox.journal import Exchange, RequestJournal
from sandbox.seed import small_world
from sandbox.server import Sandbox
from target_basware.masters import FIELDS
from target_basware.resources import resource

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[1]
STREAMS = ("legal_entities", "payment_terms", "dimension_values", "vendors")


@dataclass(frozen=True)
class Run:
    """One run of the pipe: seconds, peak memory in MB by process, requests and records sent."""

    name: str
    seconds: float
    memory: Mapping[str, float]
    requests: Mapping[str, int]
    records: Mapping[str, int]

    def minimum(self) -> int:
        """The fewest writes that Basware's limits on records allow."""
        return sum(math.ceil(n / _limit(name)) for name, n in self.records.items())


def _limit(name: str) -> int:
    found = resource(name)
    assert found, name
    return found.max_records


def seed(sandbox: Sandbox, vendors: int, values: int) -> None:
    """Load one legal entity's masters, `vendors` vendors and `values` cost centres."""
    world = small_world(("usmf",))
    rows = world.d365fo
    first = dict(rows["VendorsV3"][0])
    rows["VendorsV3"] = [
        {
            **first,
            "VendorAccountNumber": f"V{number:07d}",
            "VendorOrganizationName": f"Vendor {number}",
        }
        for number in range(vendors)
    ]
    rows["VendorBankAccounts"] = [
        {
            "dataAreaId": "usmf",
            "VendorAccountNumber": f"V{number:07d}",
            "VendorBankAccountId": "MAIN",
            "BankAccountNumber": f"{number:012d}",
        }
        for number in range(0, vendors, 2)
    ]
    for name in [name for name in rows if name.startswith(("PurchaseOrder", "ProductReceipt"))]:
        del rows[name]
    rows["FinancialDimensionValues"] = [
        {
            "FinancialDimension": "CostCenter",
            "LegalEntityId": "",
            "DimensionValue": f"C{number:07d}",
            "Description": f"Cost center {number}",
        }
        for number in range(values)
    ]
    world.basware.clear()
    sandbox.load(world)


def catalog(tap_config: Path, work: Path) -> Path:
    """Return a catalog that selects the fields that target-basware reads."""
    found = json.loads(
        subprocess.run(
            [BIN / "tap-d365fo", "--config", tap_config, "--discover"],
            check=True,
            capture_output=True,
        ).stdout
    )
    for stream in found["streams"]:
        chosen = stream["tap_stream_id"] in STREAMS
        wanted = set(FIELDS.get(stream["tap_stream_id"], ()))
        for entry in stream["metadata"]:
            inside = entry["breadcrumb"]
            entry["metadata"]["selected"] = chosen and (not inside or inside[1] in wanted)
    file = work / "catalog.json"
    file.write_text(json.dumps(found))
    return file


def run(name: str, sandbox: Sandbox, configs: Mapping[str, Path], selection: Path) -> Run:
    """Run the pipe once. Raises RuntimeError with the end of the log when it fails."""
    sandbox.journal.clear()
    logs = {plugin: config.with_suffix(".log").open("wb") for plugin, config in configs.items()}
    start = time.monotonic()
    tap = subprocess.Popen(
        [BIN / "tap-d365fo", "--config", configs["tap-d365fo"], "--catalog", selection],
        stdout=subprocess.PIPE,
        stderr=logs["tap-d365fo"],
    )
    target = subprocess.Popen(
        [BIN / "target-basware", "--config", configs["target-basware"]],
        stdin=tap.stdout,
        stdout=subprocess.DEVNULL,
        stderr=logs["target-basware"],
    )
    assert tap.stdout
    tap.stdout.close()
    peaks = {"tap-d365fo": Peak(tap.pid), "target-basware": Peak(target.pid)}
    codes = (target.wait(), tap.wait())
    seconds = time.monotonic() - start
    memory = {plugin: peak.stop() for plugin, peak in peaks.items()}
    if any(codes):
        tail = "".join(
            config.with_suffix(".log").read_text()[-2000:] for config in configs.values()
        )
        raise RuntimeError(f"exit codes {codes}\n{tail}")
    requests, records = sent(sandbox.journal.requests("basware"))
    return Run(name, seconds, memory, requests, records)


class Peak:
    """Watches the peak resident memory of a process, in MB."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._peak = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            try:
                lines = self._status.read_text().splitlines()
            except OSError:
                return
            high = next((line for line in lines if line.startswith("VmHWM")), "")
            if high:
                self._peak = int(high.split()[1]) / 1024

    def stop(self) -> float:
        """Stop watching and return the peak."""
        self._ended.set()
        self._thread.join()
        return self._peak


def sent(requests: Iterable[Exchange]) -> tuple[Counter[str], Counter[str]]:
    """Return how many writes went to each resource and how many records they carried."""
    counts: Counter[str] = Counter()
    records: Counter[str] = Counter()
    for request in requests:
        parts = request.path.split("/")[2:]
        name = "/".join(parts[:2]) if parts[0] == "lists" else parts[0]
        if request.method in {"POST", "PATCH"} and name not in {"tokens", "requestStatus"}:
            counts[name] += 1
            records[name] += len(json.loads(request.body)) if request.method == "POST" else 1
    return counts, records


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vendors", type=int, default=100_000)
    parser.add_argument("--values", type=int, default=200_000)
    given = parser.parse_args()
    box = Sandbox()
    # Every body of every request is kept, to count what was sent.
    box.journal = RequestJournal(box.clock, max_exchanges=10**6, max_bytes=16 * 1024**3)
    with tempfile.TemporaryDirectory() as folder, box as sandbox:
        work = Path(folder)
        seed(sandbox, given.vendors, given.values)
        configs = write_configs(sandbox, work)
        selection = catalog(configs["tap-d365fo"], work)
        show(run("all new", sandbox, configs, selection))
        show(run("nothing changed", sandbox, configs, selection))
        change(sandbox, max(1, given.vendors // 100))
        show(run("1 % of vendors changed", sandbox, configs, selection))


def show(found: Run) -> None:
    """Print one run."""
    memory = ", ".join(f"{name} {peak:.0f} MB" for name, peak in found.memory.items())
    total, least = sum(found.requests.values()), found.minimum()
    ratio = f" = {total / least:.3f} x the minimum of {least}" if least else ""
    print(
        f"{found.name}: {found.seconds:.1f} s; {memory}; {sum(found.records.values())} records "
        f"in {total} writes{ratio} {dict(found.requests)}"
    )


def write_configs(sandbox: Sandbox, work: Path) -> dict[str, Path]:
    """Write the settings of all plugins for this sandbox."""
    environment = sandbox.environment()
    configs = {}
    for plugin in ("tap-basware", "tap-d365fo", "target-basware", "target-d365fo"):
        prefix = plugin.upper().replace("-", "_") + "_"
        settings = {
            name.removeprefix(prefix).lower(): value
            for name, value in environment.items()
            if name.startswith(prefix)
        }
        if plugin != "tap-basware":
            settings["ledger_url"] = f"sqlite:///{work}/ledger.db"
        if plugin.startswith("target-"):
            settings["mapping_file"] = str(work / "mapping.yml")
        if plugin == "tap-d365fo":
            settings["metadata_cache"] = str(work / "cache")
        configs[plugin] = work / f"{plugin}.json"
        configs[plugin].write_text(json.dumps(settings))
    mapping = cut_mapping((ROOT / "mapping.yml").read_text(), ["1000"], ["usmf"])
    (work / "mapping.yml").write_text(mapping)
    return configs


def change(sandbox: Sandbox, vendors: int) -> None:
    """Rename that many vendors in Dynamics."""
    for record in sandbox.d365fo.records("VendorsV3")[:vendors]:
        name = f"{record.values['VendorOrganizationName']} renamed"
        sandbox.d365fo.update("VendorsV3", record, {"VendorOrganizationName": name})


if __name__ == "__main__":
    main()
