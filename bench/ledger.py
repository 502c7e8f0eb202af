"""What the ledger and the audit trail cost a document: `python -m bench.ledger [--documents N]`.

The same delivery to a courier that answers at once, over the ledger in a SQLite file with every
commit on disk, and over a ledger that only remembers. The difference is what safety costs.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from singer_delivery.courier import Courier
from singer_delivery.delivery import Delivery, DeliveryOptions
from singer_delivery.document import Document, Entry, Outcome, Status, fingerprint
from singer_delivery.exchanges import Exchange
from singer_delivery.ledger import Intended, Ledger
from singer_delivery.payloads import SingerStream
from singer_delivery.runs import Run

SYSTEM = "https://bench.example"
SINGER = SingerStream("invoices", {"type": "object"}, ["invoiceId"])
BATCH = 100
ROUNDS = 5


def invoice(number: int) -> dict[str, Any]:
    """Return an accounting document with five coding rows, about 3 kB of JSON."""
    rows = [
        {
            "rowIndex": index,
            "accountCode": "606100",
            "costCenterCode": "022",
            "projectCode": "P-000123",
            "taxCode": "VAT25",
            "netSum": Decimal("200.00"),
            "taxSum": Decimal("50.00"),
            "grossSum": Decimal("250.00"),
            "text": f"Consulting, week {index}, as agreed on with the project's manager",
            "dimensions": {f"dimCode{n}": f"VALUE-{n:04d}" for n in range(1, 11)},
        }
        for index in range(1, 6)
    ]
    return {
        "invoiceId": f"{number:032x}",
        "invoiceNumber": f"INV-{number}",
        "companyCode": "1000",
        "supplierCode": "US-111",
        "currencyCode": "USD",
        "grossSum": Decimal("1250.00"),
        "codingRows": rows,
    }


class Quick(Courier):
    """Takes everything at once, with the exchange that a $batch would leave."""

    stream = "vendor_invoices"

    def prepare(self, record: Mapping[str, Any]) -> Document:
        key = record["invoiceId"]
        return Document(
            *(key, record, fingerprint([record["invoiceNumber"], str(record["grossSum"])])),
            natural_key=f"usmf/us-111/{record['invoiceNumber']}",
            version="1",
            remote_key=f"BW{key[-10:]}",
            label=f"invoice {record['invoiceNumber']} in usmf ({key})",
            detail={"legal_entity": "usmf", "vendor": "US-111", "gross": "1250.00"},
        )

    def identify(self, record: Mapping[str, Any]) -> Document:
        return self.prepare(record)

    def survey(
        self,
        batch: Sequence[Document],
        known: Mapping[str, Entry],  # noqa: ARG002
    ) -> Mapping[str, Outcome | Any]:
        return {document.key: "create" for document in batch}

    def send(self, document: Document, plan: Any) -> Outcome:  # noqa: ARG002
        now = datetime.now(UTC)
        exchange = Exchange("POST", "/data/$batch", 200, "a" * 64, "b" * 64, "req-1", now, now)
        return Outcome(
            Status.DELIVERED,
            remote_key=document.remote_key,
            request_id="req-1",
            exchanges=[exchange],
        )

    def read_back(self, entries: Sequence[Entry]) -> Mapping[str, Outcome]:  # noqa: ARG002
        return {}


class Memory(Ledger):
    """Forgets everything at the end, and writes nothing."""

    def __init__(self) -> None:
        self._lease = None

    def lookup(self, *_: Any) -> dict[str, Entry]:
        return {}

    def neighbours(self, *_: Any) -> list[Entry]:
        return []

    def receive(self, *_: Any) -> None:
        return None

    def intend(self, _: str, intents: Sequence[Document], *__: Any, **___: Any) -> Intended:
        return Intended({document.key: 1 for document in intents}, {})

    def settle_many(self, *_: Any, **__: Any) -> set[str]:
        return set()


def deliver(ledger: Ledger, run_id: str, records: Sequence[dict[str, Any]]) -> float:
    """Deliver the records in batches; return milliseconds a document."""
    delivery = Delivery(Quick(), ledger, run_id, DeliveryOptions(), SINGER, sleep=lambda _: None)
    begun = time.perf_counter()
    for start in range(0, len(records), BATCH):
        delivery.run(records[start : start + BATCH])
    assert delivery.tally[Status.DELIVERED] == len(records)
    return (time.perf_counter() - begun) * 1000 / len(records)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=2000, metavar="N")
    documents = parser.parse_args().documents
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(ROUNDS):
            first = number * documents
            records = [invoice(n) for n in range(first, first + documents)]
            bare = deliver(Memory(), f"bare-{number}", records)
            file = Path(folder) / "ledger.db"
            ledger = Ledger.open(f"sqlite:///{file}", SYSTEM)
            ledger.begin_run(Run(f"run-{number}", SYSTEM))
            kept = deliver(ledger, f"run-{number}", records)
            ledger.end_run(f"run-{number}", {})
            ledger.close()
            pairs.append((kept, bare))
            size = file.stat().st_size / documents / (number + 1) / 1000
            print(
                f"round {number + 1}: {kept:.3f} ms a document with the ledger, {bare:.3f} without "
                f"(difference {kept - bare:.3f} ms, {size:.1f} kB a document on disk)"
            )
    costs = [kept - bare for kept, bare in pairs]
    print(
        f"the ledger adds {statistics.median(costs):.3f} ms a document "
        f"({min(costs):.3f} to {max(costs):.3f}; goal: at most 1 ms)"
    )


if __name__ == "__main__":
    main()
