"""A ledger with documents in it, and an operator in front of it."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from click.testing import CliRunner, Result
from singer_delivery.database import open_database
from singer_delivery.document import Document, Entry, Outcome, Status, fingerprint
from singer_delivery.ledger import Ledger
from singer_delivery.operator.cli import main
from singer_delivery.payloads import SingerStream
from singer_delivery.runs import Run
from singer_delivery.trail import Link, Trail

SYSTEM = "https://usmf.example"
PORTAL = "https://portal.example"
IBAN = "FI2112345600000785"
INVOICES = SingerStream(
    "accounting_documents",
    {"type": "object", "properties": {"invoiceId": {"type": "string"}}},
    ["invoiceId"],
)
REJECTED = Outcome(Status.REJECTED, "vendor US-9999 is not known")
DELIVERED = Outcome(Status.DELIVERED, remote_key="BW1", request_id="req-7")


def record(key: str, number: str, **more: Any) -> dict[str, Any]:
    return {
        "invoiceId": key,
        "invoiceNumber": number,
        "supplierCode": "US-9999",
        "supplierBankIBAN": IBAN,
        "grossSum": Decimal("100.10"),
        "codingRows": [{"rowIndex": 1, "netSum": Decimal("100.10")}],
        **more,
    }


def invoice(key: str, number: str = "", *, entity: str = "usmf", **more: Any) -> Document:
    """Return an invoice as its courier would make it of the record."""
    number = number or f"INV-{key}"
    came = record(key, number, **more)
    return Document(
        key=key,
        payload=came,
        fingerprint=fingerprint(came),
        natural_key=json.dumps([entity, "US-9999", number]),
        version="2026-11-23T10:00:00Z",
        label=f"invoice {number} in {entity} ({key})",
        detail={
            "legal_entity": entity,
            "vendor": "US-9999",
            "invoice_number": number,
            "currency": "EUR",
            "gross": "100.10",
            "label": f"invoice {number} in {entity} ({key})",
        },
        record=came,
    )


@dataclass
class Office:
    """`account` is who sits at the desk: the name that they claim on this machine."""

    url: str
    account: str = "alice"
    env: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, code: int = 0, typed: str | None = None, **env: str) -> Result:
        """Give a command and check its exit code."""
        around = {
            "SINGER_DELIVERY_LEDGER_URL": self.url,
            "SINGER_DELIVERY_USER": self.account,
            **self.env,
            **env,
        }
        done = CliRunner().invoke(main, arguments, env=around, input=typed)
        assert done.exit_code == code, (done.output, done.stderr, done.exception)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    def refused(self, *arguments: str, **more: Any) -> str:
        """Give a command that fails, and return its one line of words."""
        done = self.run(*arguments, code=1, **more)
        assert done.stdout == ""
        *_, line = done.stderr.splitlines()
        assert line.startswith("Error: ")
        return line.removeprefix("Error: ")

    def messages(self, *arguments: str, **more: Any) -> list[dict[str, Any]]:
        """Give a command and return the Singer messages on its stdout."""
        return [json.loads(line) for line in self.run(*arguments, **more).stdout.splitlines()]

    # What plugins do to the ledger

    def deliver(
        self,
        documents: Sequence[Document],
        outcome: Outcome = DELIVERED,
        *,
        stream: str = "vendor_invoices",
        system: str = SYSTEM,
        singer: SingerStream = INVOICES,
        intended: bool = True,
    ) -> str:
        """Run a plugin that offers documents and gets this outcome for each; return its run id."""
        run_id = uuid.uuid4().hex
        ledger = Ledger.open(self.url, system, actor="svc")
        ledger.begin_run(Run(run_id, system, "target-test", {"code": "1.0"}))
        ledger.receive(stream, documents, singer, run_id)
        if intended:
            ledger.intend(stream, documents, run_id)
        ledger.settle_many(stream, [(one, outcome) for one in documents], run_id)
        ledger.end_run(run_id, {"ending": "complete"})
        ledger.close()
        return run_id

    def at_work(self, documents: Sequence[Document], *, stream: str = "vendor_invoices") -> Ledger:
        """Start a run that has documents in flight; close the ledger to let it die."""
        run_id = uuid.uuid4().hex
        ledger = Ledger.open(self.url, SYSTEM, actor="svc")
        ledger.begin_run(Run(run_id, SYSTEM, "target-test"))
        ledger.intend(stream, documents, run_id)
        return ledger

    # What the ledger holds afterwards

    def entry(self, key: str, stream: str = "vendor_invoices", system: str = SYSTEM) -> Entry:
        ledger = Ledger.open(self.url, system)
        found = ledger.lookup(stream, [key])[key]
        ledger.close()
        return found

    def events(self, kind: str = "") -> list[Link]:
        """Return the events of the trail, all or of one kind."""
        engine = open_database(self.url)
        links = Trail(engine).links(limit=100_000)
        engine.dispose()
        return [link for link in links if not kind or link.kind == kind]


def environment(url: str, **more: str) -> Mapping[str, str]:
    """Return the environment of a real process."""
    return {**os.environ, "SINGER_DELIVERY_LEDGER_URL": url, **more}
