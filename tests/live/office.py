"""Both systems, one ledger, and the whole way of invoices and payments in this process."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import simplejson
from click.testing import CliRunner, Result
from sandbox.seed import small_world
from sandbox.seed.builders import accounting_document, coding_row
from sandbox.server import Sandbox
from singer_delivery.document import Entry
from singer_delivery.ledger import Ledger
from singer_delivery.operator.cli import main as operator
from singer_delivery.operator.live_commands import rebuild, reconcile
from singer_delivery.target import DeliveryTarget
from tap_d365fo.tap import TapD365FO
from target_basware.target import TargetBasware
from target_d365fo.target import TargetD365FO

from tests.tap_d365fo.tap_run import discover, select

ROOT = Path(__file__).parents[2]
Row = dict[str, Any]
TAP_SETTINGS = {"base_url", "client_id", "client_secret", "ca_file"}
WAITING = {"WaitingForTransfer", "TransferInProgress"}


@dataclass
class Office:
    """Deliver, post, pay, break, and ask `reconcile`."""

    sandbox: Sandbox
    directory: Path
    documents: dict[str, Row] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, sandbox: Sandbox, directory: Path) -> Office:
        """Four invoices and a credit note of usmf and demf, one of them with an unknown account."""
        rows = {
            "plain": accounting_document(number="INV-1", rows=[coding_row(net="100.10")]),
            "two lines": accounting_document(
                number="INV-2", rows=[coding_row(net="20.05"), coding_row(net="30.05")]
            ),
            "credit": accounting_document(number="CR-1", rows=[coding_row(net="-40.00")]),
            "bad": accounting_document(number="BAD-1", taxCode="NONE", rows=[coding_row(net="1")]),
        }
        rows["bad"]["codingRows"][0]["taxCode"] = "NONE"
        world = small_world(("usmf", "demf"))
        world.add(basware={"accountingDocuments": list(rows.values())})
        sandbox.load(world)
        return cls(sandbox, directory, rows)

    # Settings

    @property
    def ledger_file(self) -> Path:
        return self.directory / "ledger.db"

    @property
    def dynamics_settings(self) -> Row:
        return {
            "base_url": self.sandbox.d365fo_url,
            "authority": self.sandbox.entra_url,
            "tenant_id": "11111111-2222-3333-4444-555555555555",
            "client_id": "99999999-8888-7777-6666-555555555555",
            "client_secret": "entra-secret",
            "ca_file": str(self.sandbox.ca_file),
            "ledger_url": f"sqlite:///{self.ledger_file}",
        }

    @property
    def target_settings(self) -> dict[str, Row]:
        common = {
            "mapping_file": str(ROOT / "mapping.yml"),
            "read_back_wait_seconds": 0,
            "max_connections": 2,
        }
        basware = {
            "base_url": self.sandbox.basware_url,
            "client_id": "basware-client",
            "client_secret": "basware-secret",
            "ca_file": str(self.sandbox.ca_file),
            "ledger_url": f"sqlite:///{self.ledger_file}",
            "confirm_wait_seconds": 5,
        }
        return {
            "target-d365fo": {**self.dynamics_settings, **common, **self.settings},
            "target-basware": {**basware, **common},
            "tap-basware": {n: basware[n] for n in basware if n in TAP_SETTINGS},
        }

    # The flows

    def deliver(self) -> None:
        """What waits in Basware goes to Dynamics, and the outcomes go back."""
        self.post_invoices()
        self.tell_outcomes()

    def post_invoices(self) -> None:
        """Only the first half: Basware does not know yet."""
        waiting = [d for d in self.held_documents() if d["processingStatus"] in WAITING]
        self.post_these(waiting)

    def post_these(self, records: list[Row]) -> None:
        """The same for records at hand."""
        self._run(TargetD365FO, "accounting_documents", ["invoiceId"], records)

    def tell_outcomes(self, state: Row | None = None) -> None:
        """The second half: what the ledger has as outcomes, from the beginning."""
        records = self._tap("transfer_outcomes", state)
        self._run(TargetBasware, "transfer_outcomes", ["document_id"], records)

    def tell_payments(self) -> None:
        """All that was paid in Dynamics is offered to Basware, from the beginning."""
        records = self._tap("vendor_payments", None)
        keys = ["data_area_id", "settlement_id"]
        self._run(TargetBasware, "vendor_payments", keys, records)

    def post_all(self) -> dict[str, str]:
        """People in Dynamics post what is pending; vouchers by invoice number."""
        return {
            row["InvoiceNumber"]: self.sandbox.d365fo.post_invoice(
                row["dataAreaId"], row["HeaderReference"]
            )
            for row in self.sandbox.d365fo.rows("VendorInvoiceHeaders")
        }

    def _tap(self, stream: str, state: Row | None) -> list[Row]:
        config = {**self.dynamics_settings, "metadata_cache": str(self.directory / "metadata")}
        tap = TapD365FO(config=config, catalog=select(_offered(self, config), stream), state=state)
        out = io.StringIO()
        with redirect_stdout(out):
            tap.sync_all()
        messages = (
            simplejson.loads(line, use_decimal=True) for line in out.getvalue().splitlines()
        )
        return [message["record"] for message in messages if message["type"] == "RECORD"]

    def _run(
        self, plugin: type[DeliveryTarget], stream: str, keys: list[str], records: list[Row]
    ) -> None:
        target = plugin(config=self.target_settings[plugin.name])
        schema = {"type": "SCHEMA", "stream": stream, "schema": {"properties": {}}}
        lines: list[Mapping[str, Any]] = [
            {**schema, "key_properties": keys},
            *({"type": "RECORD", "stream": stream, "record": record} for record in records),
        ]
        text = "".join(simplejson.dumps(line, use_decimal=True) + "\n" for line in lines)
        with redirect_stdout(io.StringIO()):
            target.listen(io.StringIO(text))
        target.ledger.close()

    # What there is

    def held_documents(self) -> list[Row]:
        return self.sandbox.basware.documents()

    def held(self, name: str) -> Row:
        """What Basware holds of a document."""
        return self.sandbox.basware.document(self.documents[name]["invoiceId"])

    def ledger(self, system: str = "") -> Ledger:
        return Ledger.open(f"sqlite:///{self.ledger_file}", system or self.sandbox.d365fo_url)

    def entry(self, name: str, stream: str = "vendor_invoices") -> Entry:
        key = self.documents[name]["invoiceId"]
        system = (
            self.sandbox.d365fo_url if stream == "vendor_invoices" else self.sandbox.basware_url
        )
        ledger = self.ledger(system)
        try:
            return ledger.lookup(stream, [key])[key]
        finally:
            ledger.close()

    def delete_row(self, name: str) -> None:
        """Take an invoice out of the ledger, behind its back."""
        with sqlite3.connect(self.ledger_file) as database:
            key = self.documents[name]["invoiceId"]
            query = "DELETE FROM documents WHERE stream = 'vendor_invoices' AND key = ?"
            assert database.execute(query, (key,)).rowcount == 1
        database.close()

    def leave_in_doubt(self, name: str) -> None:
        """Make an invoice in the ledger one whose answer was lost."""
        with sqlite3.connect(self.ledger_file) as database:
            key = self.documents[name]["invoiceId"]
            query = (
                "UPDATE documents SET status = 'in_doubt' "
                "WHERE stream = 'vendor_invoices' AND key = ?"
            )
            assert database.execute(query, (key,)).rowcount == 1
        database.close()

    def lose_ledger(self) -> None:
        for file in self.directory.glob("ledger.db*"):
            file.unlink()

    def writes(self, since: int) -> list[str]:
        """The requests after an exchange that changed something in either system."""
        found = self.sandbox.journal.requests(since=since)
        return [
            f"{each.method} {each.path}"
            for each in found
            if each.system in {"basware", "d365fo"}
            and each.method in {"POST", "PATCH", "DELETE"}
            and "/tokens" not in each.path
            and "requestStatus" not in each.path
        ]

    def mark(self) -> int:
        return int(self.sandbox.journal.requests()[-1].number)

    # The commands

    def reconcile(self, *arguments: str) -> Answer:
        """Run `reconcile` and return what it said."""
        words = ["--format", "jsonl", *self.configs(), *arguments]
        return Answer(CliRunner().invoke(reconcile, words))

    def table(self, *arguments: str) -> Result:
        return CliRunner().invoke(reconcile, [*self.configs(), *arguments])

    def csv(self) -> list[dict[str, str]]:
        result = CliRunner().invoke(reconcile, [*self.configs(), "--format", "csv"])
        return list(csv.DictReader(io.StringIO(result.stdout)))

    def rebuild(self, *arguments: str) -> Result:
        return CliRunner().invoke(rebuild, [*self.configs(), *arguments])

    def dry_run(self, *arguments: str, stdin: str | None = None) -> Result:
        """Run `dry-run`, as its own user would."""
        words = ["dry-run", *self.configs(), *arguments]
        return CliRunner().invoke(operator, words, input=stdin)

    def mapping_diff(self, *arguments: str, stdin: str | None = None) -> Result:
        """Run `mapping-diff`."""
        words = ["mapping-diff", *self.configs(), *arguments]
        return CliRunner().invoke(operator, words, input=stdin)

    def configs(self) -> Iterator[str]:
        for plugin, settings in self.target_settings.items():
            file = self.directory / f"{plugin}.json"
            file.write_text(json.dumps(settings))
            yield from ("--config", f"{plugin}={file}")


_catalogs: dict[str, Row] = {}


def _offered(office: Office, config: Row) -> Row:
    """The tap's catalog, which is the same for every test on one sandbox."""
    url = office.sandbox.d365fo_url
    if url not in _catalogs:
        _catalogs[url] = discover(config)
    return _catalogs[url]


@dataclass
class Answer:
    """What `reconcile` said, and how it ended."""

    result: Result

    @property
    def lines(self) -> list[Row]:
        assert self.result.exception is None or isinstance(self.result.exception, SystemExit), (
            self.result.exception
        )
        return [json.loads(line) for line in self.result.stdout.splitlines()]

    @property
    def code(self) -> int:
        return self.result.exit_code

    @property
    def differences(self) -> list[tuple[str, str]]:
        """Kind and invoice number of each difference."""
        return [(d["kind"], d["number"]) for d in self.lines if d["type"] == "difference"]

    @property
    def words(self) -> str:
        return "\n".join(d["words"] for d in self.lines if d["type"] == "difference")

    @property
    def verdict(self) -> Row:
        return self.lines[-1]

    def sum(self, name: str) -> tuple[int, Decimal]:
        """Count and sum of a column over all groups."""
        sums = [line[name] for line in self.lines if line["type"] == "sums"]
        return sum(s["count"] for s in sums), sum((Decimal(s["sum"]) for s in sums), Decimal(0))
