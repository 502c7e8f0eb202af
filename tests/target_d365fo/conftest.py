"""The target in this process, on the sandbox of the test; the truth is what Dynamics holds."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import simplejson
from sandbox.faults import Fault
from sandbox.seed import small_world
from sandbox.server import Sandbox
from singer_delivery.document import Entry
from singer_delivery.errors import DeliveryError
from singer_delivery.ledger import Ledger
from target_d365fo.target import TargetD365FO

ROOT = Path(__file__).parents[2]
Row = Mapping[str, Any]
KEYS = {"accounting_documents": ["invoiceId"], "vendor_invoices": ["document_id"]}


def messages(
    stream: str, records: Iterable[Row], keys: list[str], schema: Row | None = None
) -> str:
    """A Singer stream: SCHEMA, the records, and a STATE that covers them."""
    lines: list[Row] = [
        {
            "type": "SCHEMA",
            "stream": stream,
            "schema": schema or {"properties": {}},
            "key_properties": keys,
        },
        *({"type": "RECORD", "stream": stream, "record": record} for record in records),
        {"type": "STATE", "value": {"bookmarks": {stream: {"done": True}}}},
    ]
    return "".join(simplejson.dumps(line, use_decimal=True, default=str) + "\n" for line in lines)


@dataclass
class Dynamics:
    """The sandbox's Dynamics with a target of its own settings and ledger."""

    sandbox: Sandbox
    directory: Path
    printed: pytest.CaptureFixture[str]
    targets: list[TargetD365FO] = field(default_factory=list)

    @property
    def ledger_file(self) -> Path:
        return self.directory / "ledger.db"

    def config(self, **settings: Any) -> dict[str, Any]:
        return {
            "base_url": self.sandbox.d365fo_url,
            "authority": self.sandbox.entra_url,
            "tenant_id": "11111111-2222-3333-4444-555555555555",
            "client_id": "99999999-8888-7777-6666-555555555555",
            "client_secret": "entra-secret",
            "ca_file": str(self.sandbox.ca_file),
            "mapping_file": str(ROOT / "mapping.yml"),
            "ledger_url": f"sqlite:///{self.ledger_file}",
            "read_back_wait_seconds": 0,
            "max_connections": 4,
            **settings,
        }

    def target(self, **settings: Any) -> TargetD365FO:
        target = TargetD365FO(config=self.config(**settings), parse_env_config=False)
        if "base_url" not in settings:
            target.client.sleep = lambda _: None
        self.targets.append(target)
        return target

    def close(self) -> None:
        """Close what the targets of this test left open; a real one ends with its process."""
        for target in self.targets:
            if "client" in vars(target):
                target.client.close()
            if "ledger" in vars(target):
                target.ledger.close()

    def deliver(
        self,
        *records: Row,
        stream: str = "accounting_documents",
        keys: list[str] | None = None,
        schema: Row | None = None,
        expect: type[DeliveryError] | None = None,
        **settings: Any,
    ) -> str:
        """Deliver records in a run of its own; return the STATE it emitted, or its error text."""
        target = self.target(**settings)
        self.printed.readouterr()
        text = messages(stream, records, keys if keys is not None else KEYS[stream], schema)
        error = ""
        if expect:
            with pytest.raises(expect) as failure:
                target.listen(io.StringIO(text))
            error = str(failure.value)
        else:
            target.listen(io.StringIO(text))
        state = self.printed.readouterr().out
        return error or state

    def headers(self) -> list[Row]:
        return list(self.sandbox.d365fo.rows("VendorInvoiceHeaders"))

    def lines(self) -> list[Row]:
        rows = self.sandbox.d365fo.rows("VendorInvoiceLines")
        return sorted(rows, key=lambda row: (row["HeaderReference"], row["InvoiceLineNumber"]))

    def fault(self, kind: str, **options: Any) -> None:
        self.sandbox.faults.add(Fault("d365fo", kind, **options))

    def entry(self, document: Row, stream: str = "vendor_invoices") -> Entry:
        """What the ledger says about a document."""
        ledger = Ledger.open(f"sqlite:///{self.ledger_file}", self.sandbox.d365fo_url)
        key = document.get("invoiceId") or document["document_id"]
        found = ledger.lookup(stream, [key])[key]
        ledger.close()
        return found

    def status(self, document: Row) -> str:
        return self.entry(document).status.value

    def reason(self, document: Row) -> str:
        return self.entry(document).reason

    def forget(self) -> None:
        """Lose the ledger."""
        for file in self.directory.glob("ledger.db*"):
            file.unlink()

    def requests(self, pattern: str) -> list[str]:
        """Method and path of the requests that Dynamics received and whose path has `pattern`."""
        found = self.sandbox.journal.requests(system="d365fo")
        return [f"{r.method} {r.path}" for r in found if pattern in r.path]


@pytest.fixture
def dynamics(
    sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Dynamics]:
    """Dynamics with the small world's masters and orders, and an empty ledger."""
    sandbox.load(small_world())
    dynamics = Dynamics(sandbox, tmp_path, capsys)
    yield dynamics
    dynamics.close()
