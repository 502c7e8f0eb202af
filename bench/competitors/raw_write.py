"""The limit of writing: the same invoices in as many requests, on as many connections, no more.

No Singer, no validation, no ledger, no look at the answers beyond their statuses. `--reads` looks
for doubles are made beside the writes, so that the requests are the same; nothing waits for them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import queue
import sys
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import urllib3


def rows(record: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the header and the lines."""
    reference = hashlib.sha256(record["invoiceId"].encode()).hexdigest()[:20].upper()
    key = {"dataAreaId": "usmf", "HeaderReference": reference}
    header = {
        **key,
        "InvoiceAccount": record["supplierCode"],
        "InvoiceNumber": record["invoiceNumber"],
        "InvoiceDate": f"{record['invoiceDate'][:10]}T12:00:00Z",
        "Date": f"{record['voucherDate'][:10]}T12:00:00Z",
        "DueDate": f"{record['dueDate'][:10]}T12:00:00Z",
        "Currency": record["currencyCode"],
        "TermsOfPayment": "Net30",
        "MethodOfPayment": "ELECTRONIC",
        "SalesTaxGroup": "US-CA",
        "InvoiceDescription": f"Basware {record['invoiceId']}",
        "ImportedAmount": record["grossSum"],
        "ImportedSalesTax": record["taxSum1"],
        "IsOnHold": "No",
    }
    lines = [
        {
            **key,
            "InvoiceLineNumber": row["rowIndex"],
            "MainAccountDisplayValue": f"{row['accountCode']}----",
            "ReceiveNow": 1,
            "UnitPrice": row["netTotal"],
            "PriceUnit": 1,
            "NetAmount": row["netTotal"],
            "Currency": record["currencyCode"],
            "SalesTaxGroup": "US-CA",
            "ItemSalesTax": "FULL",
        }
        for row in record["codingRows"]
    ]
    return [("VendorInvoiceHeaders", header), *(("VendorInvoiceLines", line) for line in lines)]


def batch(url: str, records: list[dict[str, Any]]) -> tuple[str, str]:
    """Return content type and body: a changeset for each invoice."""
    outer = f"batch_{uuid.uuid4()}"
    text = []
    for record in records:
        inner = f"changeset_{uuid.uuid4()}"
        text.append(f"--{outer}\r\nContent-Type: multipart/mixed; boundary={inner}\r\n\r\n")
        for number, (name, row) in enumerate(rows(record), start=1):
            body = json.dumps(row, separators=(",", ":"))
            text.append(
                f"--{inner}\r\nContent-Type: application/http\r\n"
                f"Content-Transfer-Encoding: binary\r\nContent-ID: {number}\r\n\r\n"
                f"POST {url}/data/{name}?cross-company=true HTTP/1.1\r\n"
                "Accept: application/json\r\nContent-Type: application/json; charset=utf-8\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}\r\n"
            )
        text.append(f"--{inner}--\r\n\r\n")
    return f"multipart/mixed; boundary={outer}", "".join([*text, f"--{outer}--\r\n"])


class Loop:
    """Requests in the order they were added, each by the first connection that is free."""

    def __init__(self, url: str, connections: int) -> None:
        self.url, self.failed = url, list[str]()
        self._pool = urllib3.PoolManager(maxsize=connections, block=True)
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._worker) for _ in range(connections)]
        for thread in self._threads:
            thread.start()

    def add(self, task: Callable[[list[dict[str, Any]]], None], records: list[Any]) -> None:
        """Have `read` or `write` done for these invoices."""
        self._work.put(lambda: task(records))

    def finish(self) -> None:
        """Return when all is done."""
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join()

    def write(self, records: list[dict[str, Any]]) -> None:
        """Create invoices, and count what was created."""
        content_type, body = batch(self.url, records)
        headers = {"Content-Type": content_type, "Accept": "multipart/mixed"}
        url = f"{self.url}/data/$batch"
        answer = self._pool.request("POST", url, body=body, headers=headers)
        done = answer.data.count(b"HTTP/1.1 201 ")
        if answer.status != 200 or done != sum(1 + len(each["codingRows"]) for each in records):
            self.failed.append(f"{answer.status}: {done} rows")

    def read(self, records: list[dict[str, Any]]) -> None:
        """Look for doubles."""
        wanted = " or ".join(f"InvoiceNumber eq '{each['invoiceNumber']}'" for each in records)
        url = f"{self.url}/data/VendorInvoiceHeaders?$filter={quote(wanted)}&cross-company=true"
        if json.loads(self._pool.request("GET", url).data)["value"]:
            self.failed.append("it is there")

    def _worker(self) -> None:
        while task := self._work.get():
            task()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--input", type=Path, required=True, help="Singer messages")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--changesets", type=int, default=1, help="in a $batch")
    parser.add_argument("--reads", type=int, default=0)
    given = parser.parse_args()
    loop = Loop(given.url, given.connections)
    messages = (json.loads(line) for line in given.input.open() if '"type":"RECORD"' in line[:40])
    records = [message["record"] for message in messages]
    looks = [round(n * len(records) / given.reads) for n in range(given.reads)]
    for start in range(0, len(records), given.changesets):
        end = start + given.changesets
        for at in [at for at in looks if start <= at < end]:
            loop.add(loop.read, records[at : at + 40])
        loop.add(loop.write, records[start:end])
    loop.finish()
    if loop.failed:
        sys.exit(f"{len(loop.failed)} requests failed: {loop.failed[0]}")


if __name__ == "__main__":
    main()
