"""What the two systems hold after a run: the truth that pipeline tests assert on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.server import Sandbox

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Holdings:
    """A copy of both systems' content, taken at one moment."""

    documents: dict[str, Row]
    headers: list[Row]
    lines: list[Row]

    @classmethod
    def of(cls, sandbox: Sandbox) -> Holdings:
        """Return what the sandbox holds now."""
        return cls(
            {document["invoiceId"]: document for document in sandbox.basware.documents()},
            sandbox.d365fo.rows("VendorInvoiceHeaders"),
            sandbox.d365fo.rows("VendorInvoiceLines"),
        )

    def invoice(self, document: Row) -> tuple[Row, list[Row]]:
        """Return the one vendor invoice for a document, header and lines in order."""
        found = [
            header
            for header in self.headers
            if document["invoiceId"] in header["InvoiceDescription"]
        ]
        assert len(found) == 1, f"{len(found)} headers for {document['invoiceId']}"
        header = found[0]
        lines = [
            line
            for line in self.lines
            if (line["dataAreaId"], line["HeaderReference"])
            == (header["dataAreaId"], header["HeaderReference"])
        ]
        return header, sorted(lines, key=lambda line: line["InvoiceLineNumber"])

    def confirmed(self, document: Row) -> Row:
        """Return the one successful transfer response of a document that Basware holds."""
        held = self.documents[document["invoiceId"]]
        assert held["processingStatus"] == "Transferred"
        responses = held["transferResponses"]
        assert len(responses) == 1
        assert responses[0]["success"] is True
        return responses[0]

    def refusal(self, document: Row) -> str:
        """Return the reason with which Basware holds a document as failed; nothing was posted."""
        held = self.documents[document["invoiceId"]]
        assert held["processingStatus"] == "TransferFailed"
        assert not [h for h in self.headers if document["invoiceId"] in h["InvoiceDescription"]]
        responses = held["transferResponses"]
        assert len(responses) == 1
        assert responses[0]["success"] is False
        return str(responses[0]["responseMessage"])
