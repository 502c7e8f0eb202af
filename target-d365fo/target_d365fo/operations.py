"""The requests that write one invoice, in order: what `sending` sends and a dry run shows. Pure."""

from __future__ import annotations

from typing import Any

from singer_delivery.dispatch import Part
from singer_delivery.document import Document
from tap_d365fo.batch import Operation
from tap_d365fo.client import D365Client

from target_d365fo.halves import half_header, whole_header
from target_d365fo.judgement import Plan
from target_d365fo.lookup import Pending
from target_d365fo.payload import HEADERS, LINES, InvoiceRows

#: Stands where a number does that Dynamics gives when it creates the header.
NUMBER_TO_COME = "NUMBER-GIVEN-BY-DYNAMICS"


def changeset(client: D365Client, document: Document, plan: Plan) -> list[Operation]:
    """Return the invoice, under its derived reference, in place of its earlier versions."""
    rows: InvoiceRows = document.payload
    header = {**rows.header, "HeaderReference": document.remote_key}
    return [
        *(client.deletion(HEADERS, earlier.key) for earlier in plan.replaces),
        client.creation(HEADERS, header),
        *(client.creation(LINES, line) for line in line_rows(document, document.remote_key)),
    ]


def one_by_one(client: D365Client, document: Document, plan: Plan) -> list[Operation]:
    """Return the same where Dynamics numbers the header, with NUMBER_TO_COME for the number.

    The last operation makes a whole invoice of the half that it was until then.
    """
    rows: InvoiceRows = document.payload
    key = {"dataAreaId": rows.header["dataAreaId"], "HeaderReference": NUMBER_TO_COME}
    return [
        *(deletion_as_seen(client, earlier) for earlier in plan.replaces),
        client.creation(HEADERS, half_row(document)),
        *(client.creation(LINES, line) for line in line_rows(document, NUMBER_TO_COME)),
        client.change(HEADERS, key, whole_header(document.detail)),
    ]


def half_row(document: Document) -> dict[str, Any]:
    """Return the header that is created first, where lines follow one by one."""
    rows: InvoiceRows = document.payload
    return {**rows.header, **half_header(document.key)}


def line_rows(document: Document, reference: str) -> list[dict[str, Any]]:
    """Return the lines below a header."""
    rows: InvoiceRows = document.payload
    return [{**line, "HeaderReference": reference} for line in rows.lines]


def deletion_as_seen(client: D365Client, pending: Pending) -> Operation:
    """Return the operation that deletes a header unless it has changed since it was read."""
    return Operation("DELETE", client.url(HEADERS, pending.key), headers=_as_read(pending))


def change_as_seen(client: D365Client, pending: Pending, changes: dict[str, str]) -> Operation:
    """Return the operation that changes a header under the same condition."""
    return Operation("PATCH", client.url(HEADERS, pending.key), changes, _as_read(pending))


def _as_read(pending: Pending) -> dict[str, str]:
    return {"If-Match": pending.version} if pending.version else {}


def part(operation: Operation) -> Part:
    """Return an operation as it goes over the wire."""
    return Part.of(operation.method, operation.url, operation.body, operation.headers)
