"""An accounts payable desk in the sandbox, and a tap with the stream of vendor payments alone."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

from sandbox.d365fo.state import D365State
from sandbox.d365fo.tokens import CLIENT_ID, CLIENT_SECRET, TENANT_ID
from sandbox.server import Sandbox
from tap_d365fo.tap import TapD365FO

from tests.sandbox.d365fo_client import world
from tests.tap_d365fo.tap_run import discover, select

Record = dict[str, Any]
#: In the past: the server's time, which no bookmark goes beyond, is that of the machine.
START = datetime.now(UTC).replace(hour=8, minute=0, second=0, microsecond=0) - timedelta(days=30)


def config_of(sandbox: Sandbox) -> dict[str, Any]:
    return {
        "base_url": sandbox.d365fo_url,
        "authority": sandbox.entra_url,
        "tenant_id": TENANT_ID,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "ca_file": str(sandbox.ca_file),
    }


def offer(sandbox: Sandbox, folder: Path) -> Offer:
    """What a tap needs to be run: settings, with $metadata cached in `folder`, and a catalog."""
    config = config_of(sandbox) | {"metadata_cache": str(folder)}
    offered = discover(config)
    one = [s for s in offered["streams"] if s["tap_stream_id"] == "vendor_payments"]
    return Offer(config, select({"streams": one}, "vendor_payments"))


@dataclass(frozen=True)
class Offer:
    """Settings of the tap, and a catalog with vendor_payments selected."""

    config: dict[str, Any]
    catalog: dict[str, Any]


@dataclass
class Desk:
    """Posts and pays invoices in the sandbox, and reads what the tap says about it."""

    sandbox: Sandbox
    offer: Offer
    state: dict[str, Any] = field(default_factory=dict)
    numbers: Any = field(default_factory=lambda: count(1))

    @classmethod
    def open(cls, sandbox: Sandbox, offer: Offer) -> Desk:
        """A desk on the morning of START, with two legal entities and euro rates."""
        sandbox.clock.set(START)
        sandbox.d365fo.load(world(), default_company="usmf")
        rate = {"RateTypeName": "Default", "StartDate": "2020-01-01", "ConversionFactor": "Hundred"}
        pairs = (("EUR", "USD", "110"), ("USD", "EUR", "90.909091"))
        sandbox.d365fo.load(
            {
                "ExchangeRates": [
                    rate | {"FromCurrency": one, "ToCurrency": other, "Rate": value}
                    for one, other, value in pairs
                ],
                "VendorPaymentMethods": [
                    {
                        "dataAreaId": "usmf",
                        "Name": "ELECTRONIC",
                        "PaymentType": "ElectronicPayment",
                    },
                    {"dataAreaId": "usmf", "Name": "CHEQUE", "PaymentType": "Check"},
                ],
            }
        )
        return cls(sandbox, offer)

    @property
    def dynamics(self) -> D365State:
        return self.sandbox.d365fo

    def post(self, amount: str, *, company: str = "usmf", vendor: str = "V1", **more: Any) -> str:
        """Post an invoice, or a credit note of a negative amount; returns its voucher."""
        number = next(self.numbers)
        key = {"dataAreaId": company, "HeaderReference": f"BW-{number}"}
        header = {
            "InvoiceAccount": vendor,
            "InvoiceNumber": f"INV-{number}",
            "InvoiceDate": "2026-10-30",
            "Date": "2026-11-01",
            "Currency": "USD" if company == "usmf" else "EUR",
        }
        line = {"InvoiceLineNumber": 1, "NetAmount": Decimal(amount)}
        self.dynamics.load(
            {
                "VendorInvoiceHeaders": [key | header | more],
                "VendorInvoiceLines": [key | line],
            }
        )
        return self.dynamics.post_invoice(company, key["HeaderReference"])

    def transaction(self, voucher: str) -> Mapping[str, Any]:
        """The vendor transaction of a voucher."""
        found = self.dynamics.first("VendTransBiEntities", Voucher=voucher)
        assert found is not None
        return found.values

    def later(self, minutes: float = 60) -> None:
        """Let time pass."""
        self.sandbox.clock.advance(minutes * 60)

    def read(self, **settings: Any) -> list[Record]:
        """Run the tap from where it was; returns its records."""
        config = self.offer.config | settings
        tap = TapD365FO(config=config, catalog=self.offer.catalog, state=self.state)
        tap.reader.client.sleep = lambda _: None
        out = io.StringIO()
        with redirect_stdout(out):
            tap.sync_all()
        messages = [json.loads(line, parse_float=Decimal) for line in out.getvalue().splitlines()]
        self.state = next(
            (m["value"] for m in reversed(messages) if m["type"] == "STATE"), self.state
        )
        return [message["record"] for message in messages if message["type"] == "RECORD"]

    def read_all(self, **settings: Any) -> list[Record]:
        """Run the tap from the beginning, and leave its state alone."""
        before, self.state = self.state, {}
        try:
            return self.read(**settings)
        finally:
            self.state = before


def last_by_invoice(records: Sequence[Record]) -> dict[str, Record]:
    """The last record of each invoice, by voucher."""
    return {record["invoice_voucher"]: record for record in records}
