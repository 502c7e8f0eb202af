"""The four answers of an ERP to an invoice, as one table (reference 3.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.basware.errors import refused
from sandbox.basware.exact_json import stamp

if TYPE_CHECKING:
    from sandbox.basware.documents import Document, DocumentStore
    from sandbox.basware.switches import BaswareSwitches
    from sandbox.clock import Clock

KEPT = 100  # responses per invoice and kind


@dataclass(frozen=True)
class ResponseKind:
    """One kind of response: where it is allowed, what it leads to, what it leaves on the invoice.

    `saved` maps response fields to invoice fields and happens on success only; `failed` None means
    that a failure leaves the status alone. With `clears`, saved fields that were not sent go empty.
    """

    path: str
    entity: str
    entity_type: str
    allowed: frozenset[str]
    succeeded: str
    failed: str | None
    saved: dict[str, str]
    refusal: int
    clears: bool = False
    dated: str | None = None  # a date that defaults to today
    dropped_on_failure: frozenset[str] = field(default_factory=frozenset)


_VOUCHERS = {name: name for name in ("voucherNumber1", "voucherNumber2", "paymentBlock")}

KINDS = {
    kind.path: kind
    for kind in (
        ResponseKind(
            "transferResponses",
            "TransferResponseEntity",
            "TransferResponse",
            frozenset({"WaitingForTransfer", "TransferInProgress"}),
            "Transferred",
            "TransferFailed",
            _VOUCHERS,
            refusal=400,
            dropped_on_failure=frozenset({"voucherNumber1", "voucherNumber2", "transferDate"}),
        ),
        ResponseKind(
            "prebookResponses",
            "PrebookResponseEntity",
            "PrebookResponse",
            frozenset({"WaitingForPrebook", "PrebookInProgress"}),
            "Prebooked",
            "PrebookFailed",
            _VOUCHERS,
            refusal=409,
            dropped_on_failure=frozenset({"voucherNumber1", "voucherNumber2"}),
        ),
        ResponseKind(
            "paymentResponses",
            "PaymentResponseEntity",
            "PaymentResponse",
            frozenset({"Transferred", "Paid"}),
            "Paid",
            None,
            {
                "paymentTermCode": "paymentTermCode",
                "paymentBlock": "paymentBlock",
                "paymentMethod": "paymentMethod",
                "paymentMessage": "paymentMessage",
                "paymentReversalDocument": "paymentRevelsalDocument",  # the invoice's own spelling
            },
            refusal=409,
            clears=True,
            dated="paymentDate",
        ),
        ResponseKind(
            "enrichmentResponses",
            "EnrichmentResponseEntity",
            "EnrichmentTransferResponse",
            frozenset({"WaitingForEnrichmentTransfer", "EnrichmentTransferInProgress"}),
            "EnrichmentTransferred",
            "EnrichmentTransferFailed",
            {},
            refusal=400,
        ),
    )
}


class ResponseDesk:
    """Takes responses in and moves the invoices accordingly."""

    def __init__(self, clock: Clock, switches: BaswareSwitches, store: DocumentStore) -> None:
        self._clock = clock
        self._switches = switches
        self._store = store

    def accept(self, kind: ResponseKind, invoice_id: str, response: dict[str, Any]) -> None:
        """Save one valid response. Raises 404, or the refusal of a repeated or late one."""
        document = self._store.get(invoice_id)
        code = response["externalCode"]
        used = self._used_codes(document, kind)
        if code in used:
            raise refused(
                self._switches.repeated_external_code_status,
                "CONFLICT_IN_POST",
                f"{kind.path} with this externalCode exists already",
                code,
            )
        self._require_state(kind, document, code)
        used.add(code)
        history = [*document.content.get(kind.path, ()), self._as_saved(kind, response)]
        document.content[kind.path] = history[-KEPT:]
        self._move(kind, document, response)
        self._store.touch(document)

    def _used_codes(self, document: Document, kind: ResponseKind) -> set[str]:
        # the history forgets after 100 responses, uniqueness does not
        if kind.path not in document.used_codes:
            seeded = document.content.get(kind.path, ())
            document.used_codes[kind.path] = {earlier["externalCode"] for earlier in seeded}
        return document.used_codes[kind.path]

    def _require_state(self, kind: ResponseKind, document: Document, code: str) -> None:
        if document.status in kind.allowed:
            return
        if document.status == kind.failed and self._switches.response_after_failure:
            return
        transfer = kind.path == "transferResponses"
        raise refused(
            self._switches.already_transferred_status if transfer else kind.refusal,
            "DATA_VALIDATION_FAILED",
            f"{kind.path} not allowed, processingStatus of the document is {document.status}",
            code,
        )

    def _as_saved(self, kind: ResponseKind, response: dict[str, Any]) -> dict[str, Any]:
        if not response["success"]:
            dropped = kind.dropped_on_failure
            return {name: item for name, item in response.items() if name not in dropped}
        if kind.dated is None:
            return response
        return {kind.dated: stamp(self._clock.peek())[:10]} | response

    def _move(self, kind: ResponseKind, document: Document, response: dict[str, Any]) -> None:
        if not response["success"]:
            if kind.failed is not None:
                document.content["processingStatus"] = kind.failed
            return
        document.content["processingStatus"] = kind.succeeded
        for sent, stored in kind.saved.items():
            if sent in response:
                document.content[stored] = response[sent]
            elif kind.clears:
                document.content.pop(stored, None)
