"""Writing one invoice: in one atomic changeset, or header and lines one by one with clean-up."""

from __future__ import annotations

from singer_delivery.document import Document, Outcome, Status
from singer_delivery.errors import ApiError, InDoubt, SetupError
from tap_d365fo.client import D365Client
from tap_d365fo.errors import BusinessRefusal, is_missing_for_update

from target_d365fo.judgement import Plan
from target_d365fo.lookup import Pending
from target_d365fo.payload import HEADERS, LINES, InvoiceRows

#: Part of the infolog that is not translated: the header's key itself was refused.
REFUSED_NUMBER = "'VendorInvoiceHeaderEntity.HeaderReference'"
MANUAL_NUMBER = (
    "Dynamics does not take our HeaderReference: allow manual numbers (user changes to a lower and "
    "a higher number) in the number sequence of pending vendor invoices, or set header_reference "
    "to number_sequence"
)
REMEDY = "correct it in Dynamics or in Basware, then transfer the invoice again"
GONE = (
    "the earlier version was posted or deleted in Dynamics at this moment; the next run looks again"
)


class Sender:
    """Creates invoices; safe to share between threads."""

    def __init__(self, client: D365Client, *, derived_reference: bool = True) -> None:
        self._client = client
        self._derived = derived_reference

    def send(self, document: Document, plan: Plan) -> Outcome:
        """Create the invoice in place of its earlier versions.

        Returns DELIVERED, or REJECTED with the infolog's words. Raises InDoubt, Unavailable,
        AccessDenied, or SetupError where the environment forbids manual numbers.
        """
        try:
            send = self._in_one_changeset if self._derived else self._one_by_one
            return send(document, plan)
        except BusinessRefusal as refusal:
            return self._refused(document, plan, refusal)

    def _in_one_changeset(self, document: Document, plan: Plan) -> Outcome:
        rows: InvoiceRows = document.payload
        reference = {"HeaderReference": document.remote_key}
        parts = self._client.changeset(
            [
                *(self._client.deletion(HEADERS, key) for key in plan.replaces),
                self._client.creation(HEADERS, {**rows.header, **reference}),
                *(self._client.creation(LINES, {**line, **reference}) for line in rows.lines),
            ]
        )
        request_id = str(parts[0].headers.get("ms-dyn-aid") or "")
        return _delivered(document.remote_key, request_id)

    def _one_by_one(self, document: Document, plan: Plan) -> Outcome:
        """Let F&O number the header; a failed document is removed again."""
        rows: InvoiceRows = document.payload
        for key in plan.replaces:
            self._client.delete(HEADERS, key)
        header = self._client.create(HEADERS, rows.header)
        key = {name: str(header[name]) for name in ("dataAreaId", "HeaderReference")}
        try:
            # In order: parallel inserts below one header are update conflicts.
            for line in rows.lines:
                self._client.create(LINES, {**line, "HeaderReference": key["HeaderReference"]})
        except ApiError as error:
            self._remove(key, error)
            raise
        return _delivered(key["HeaderReference"], "")

    def _remove(self, key: dict[str, str], cause: ApiError) -> None:
        """Delete the header, its lines go with it; InDoubt when even that fails."""
        try:
            self._client.delete(HEADERS, key)
        except ApiError as error:
            msg = f"{cause}; and the half invoice {key['HeaderReference']} is still there: {error}"
            raise InDoubt(msg, status=cause.status, request_id=cause.request_id) from None

    def _refused(self, document: Document, plan: Plan, refusal: BusinessRefusal) -> Outcome:
        problem = refusal.problem
        if self._derived and any(REFUSED_NUMBER in message for message in problem.messages):
            msg = f"{MANUAL_NUMBER} ({problem.text})"
            raise SetupError(msg) from None
        if is_missing_for_update(problem) and plan.replaces:
            return Outcome(Status.NOT_SENT, GONE, request_id=refusal.request_id or "")
        if self._exists(document, plan):
            msg = f"Dynamics says that {document.remote_key} is already there"
            raise InDoubt(msg, status=refusal.status, request_id=refusal.request_id) from None
        reason = f"{problem.text.rstrip('.')}; {REMEDY}"
        if plan.replaces and self._derived:
            kept = ", ".join(key["HeaderReference"] for key in plan.replaces)
            reason = f"{reason} (the earlier version is still pending as {kept})"
        return Outcome(Status.REJECTED, reason, request_id=refusal.request_id or "")

    def _exists(self, document: Document, plan: Plan) -> bool:
        """Tell whether a create was refused because an earlier attempt had arrived after all.

        The infolog speaks the language of the service user, so the key itself is asked for.
        """
        if not self._derived or plan.replaces:
            return False
        rows: InvoiceRows = document.payload
        key = {"dataAreaId": rows.header["dataAreaId"], "HeaderReference": document.remote_key}
        return self._client.get_row(HEADERS, key, select=["HeaderReference"]) is not None


def _delivered(reference: str, request_id: str) -> Outcome:
    detail = {"header_reference": reference}
    return Outcome(Status.DELIVERED, remote_key=reference, request_id=request_id, detail=detail)


def remove_half(client: D365Client, pending: Pending) -> None:
    """Delete what an interrupted sequential delivery left behind."""
    client.delete(HEADERS, pending.key)
