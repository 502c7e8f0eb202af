"""Writing one invoice: in one atomic changeset, or header and lines one by one with clean-up.

One by one, a header says that it is incomplete, and is on hold, until all of its lines are there:
Dynamics posts nothing that is on hold. The last step takes both back, and makes the invoice whole.
A half is deleted only while it says so, and only as it was seen, so that of a writer that finishes
and another run that clears away one is refused, and knows it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from singer_delivery.courier import Sent
from singer_delivery.dispatch import Dispatch
from singer_delivery.document import Document, Outcome, Status
from singer_delivery.errors import (
    ApiError,
    DeliveryError,
    InDoubt,
    Refused,
    SetupError,
    Unavailable,
)
from singer_delivery.exchanges import recorded
from tap_d365fo.batch import Changeset, Operation
from tap_d365fo.changesets import ChangesetResult
from tap_d365fo.client import D365Client
from tap_d365fo.errors import BusinessRefusal, is_absence, is_missing_for_update
from tap_d365fo.natural_key import natural_key_text

from target_d365fo.halves import whole_header
from target_d365fo.judgement import Plan
from target_d365fo.lookup import InvoiceKey, InvoiceLookup, Pending, Posted
from target_d365fo.operations import (
    change_as_seen,
    changeset,
    deletion_as_seen,
    half_row,
    line_rows,
    one_by_one,
    part,
)
from target_d365fo.payload import HEADERS, LINES, InvoiceRows

#: Part of the infolog that is not translated: the header's key itself was refused.
REFUSED_NUMBER = "'VendorInvoiceHeaderEntity.HeaderReference'"
MANUAL_NUMBER = (
    "Dynamics does not take our HeaderReference: allow manual numbers (user changes to a lower and "
    "a higher number) in the number sequence of pending vendor invoices, or set header_reference "
    "to number_sequence"
)
REMEDY = "correct it in Dynamics or in Basware, then transfer the invoice again"
#: Seconds between two looks at what another run may be writing, and how often it is looked at.
PAUSE = 0.25
LOOKS = 4
#: How often a header that Dynamics numbers is created before its refusal is believed.
HEADER_TRIES = 3


class Sender:
    """Creates invoices; safe to share between threads."""

    def __init__(
        self,
        client: D365Client,
        lookup: InvoiceLookup,
        *,
        derived_reference: bool = True,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._lookup = lookup
        self._derived = derived_reference
        self._sleep = sleep

    def send(self, document: Document, plan: Plan) -> Outcome:
        """Create the invoice in place of its earlier versions.

        Returns DELIVERED, or REJECTED with the infolog's words. Raises InDoubt, Unavailable,
        AccessDenied, or SetupError where the environment forbids manual numbers.
        """
        _check_no_half(document, plan)
        try:
            send = self._in_one_changeset if self._derived else self._one_by_one
            return send(document, plan)
        except BusinessRefusal as refusal:
            return self._refused(document, plan, refusal)

    def send_together(self, pairs: Sequence[tuple[Document, Plan]]) -> list[Sent]:
        """Send several invoices in one request, each in a changeset of its own.

        Only with derived references. Returns what came of each, in their order, as `send` would.
        """
        found: dict[int, Sent] = {}
        changesets: dict[int, Changeset] = {}
        for number, (document, plan) in enumerate(pairs):
            try:
                _check_no_half(document, plan)
            except InDoubt as error:
                found[number] = Sent(error)
            else:
                operations = changeset(self._client, document, plan)
                changesets[number] = Changeset(tuple(operations))
        results = self._client.batch(list(changesets.values()))
        for number, result in zip(changesets, results, strict=True):
            found[number] = self._sent(*pairs[number], result)
        return [found[number] for number in range(len(pairs))]

    def _sent(self, document: Document, plan: Plan, result: ChangesetResult) -> Sent:
        """Return what came of an invoice; asks Dynamics where a refusal leaves it open."""
        outcome: Outcome | DeliveryError
        with recorded() as asked:
            try:
                outcome = self._outcome(document, plan, result)
            except DeliveryError as error:
                outcome = error
        return Sent(outcome, (*result.exchanges, *asked))

    def _outcome(self, document: Document, plan: Plan, result: ChangesetResult) -> Outcome:
        if isinstance(result.error, BusinessRefusal):
            return self._refused(document, plan, result.error)
        if result.error:
            raise result.error
        request_id = str(result.responses[0].headers.get("ms-dyn-aid") or "")
        return _delivered(document.remote_key, request_id)

    def dispatch(self, document: Document, plan: Plan) -> Dispatch:
        """Return what `send` puts on the wire where Dynamics takes it. Raises InDoubt as it does.

        What `send` reads in between, and takes back where it fails, is none of it.
        """
        _check_no_half(document, plan)
        operations = (changeset if self._derived else one_by_one)(self._client, document, plan)
        return Dispatch(tuple(map(part, operations)), whole=self._derived)

    def _in_one_changeset(self, document: Document, plan: Plan) -> Outcome:
        parts = self._client.changeset(changeset(self._client, document, plan))
        request_id = str(parts[0].headers.get("ms-dyn-aid") or "")
        return _delivered(document.remote_key, request_id)

    def _one_by_one(self, document: Document, plan: Plan) -> Outcome:
        """Let F&O number the header; a failed document is removed again."""
        for earlier in plan.replaces:
            if delete_as_seen(self._client, earlier) is Deletion.CHANGED:
                msg = f"{earlier}, which is to be replaced, was changed in Dynamics meanwhile"
                raise InDoubt(msg)
        own = self._header(document)
        try:
            self._check_alone(document, own)
            # In order: parallel inserts below one header are update conflicts.
            for line in line_rows(document, own.reference):
                self._client.create(LINES, line)
        except DeliveryError as error:
            self._withdraw(document, own, error)
            raise
        self._finish(document, own)
        return _delivered(own.reference, "")

    def _header(self, document: Document) -> Pending:
        row = self._create_header(document, half_row(document))
        if not (row.get("dataAreaId") and row.get("HeaderReference")):
            msg = "Dynamics did not say under which number it created the header"
            raise InDoubt(msg)
        return Pending(row)

    def _create_header(self, document: Document, header: dict[str, Any]) -> dict[str, Any]:
        """Create it; again where Dynamics refuses it and holds nothing that could be the cause.

        A half of the same invoice that another run was writing may have been: Dynamics saw its
        number, and now it is gone. Raises as `send` does.
        """
        for _ in range(HEADER_TRIES - 1):
            try:
                return self._client.create(HEADERS, header)
            except BusinessRefusal:
                if self._lookup.others(InvoiceKey.of(document)):
                    raise
                self._sleep(PAUSE)
        return self._client.create(HEADERS, header)

    def _check_alone(self, document: Document, own: Pending) -> None:
        """Look whether another run delivers the same invoice; raises InDoubt where one does.

        Of two that are created, the one that looks later sees both, so two never stay. The lower
        number looks again while the higher one, which sees it, withdraws: not both have to.
        """
        key = InvoiceKey.of(document)
        for look in range(1, LOOKS + 1):
            others = self._lookup.others(key, own)
            if not others:
                return
            if look == LOOKS or not all(_gives_way(other, own, key) for other in others):
                msg = f"another run delivers the same invoice: {others[0]} is there as well"
                raise InDoubt(msg)
            self._sleep(PAUSE)

    def _finish(self, document: Document, own: Pending) -> None:
        """Make the invoice whole; after a lost answer it may be, so it is left as it is."""
        try:
            self._client.update(HEADERS, own.key, whole_header(document.detail))
        except InDoubt:
            raise
        except DeliveryError as error:
            self._withdraw(document, own, error)
            raise

    def _withdraw(self, document: Document, own: Pending, cause: DeliveryError) -> None:
        """Delete our half; InDoubt when that fails, or when another run did it, or finished it."""
        try:
            removed = remove_half(self._client, own, document.key)
        except ApiError as error:
            msg = f"{cause}; and the half invoice {own.reference} is still there: {error}"
            raise _in_doubt(msg, cause) from None
        if not removed:
            msg = f"another run removed invoice {own.reference} while it was written ({cause})"
            raise _in_doubt(msg, cause) from None

    def _refused(self, document: Document, plan: Plan, refusal: BusinessRefusal) -> Outcome:
        problem = refusal.problem
        if self._derived and any(REFUSED_NUMBER in message for message in problem.messages):
            msg = f"{MANUAL_NUMBER} ({problem.text})"
            raise SetupError(msg) from None
        if is_missing_for_update(problem) and plan.replaces:
            msg = "the earlier version was posted, replaced or deleted in Dynamics at this moment"
            raise _in_doubt(msg, refusal) from None
        if self._exists(document, plan):
            msg = f"Dynamics says that {document.remote_key or document} is already there"
            raise _in_doubt(msg, refusal) from None
        reason, natural = f"{problem.text.rstrip('.')}; {REMEDY}", ""
        if plan.replaces and self._derived:
            kept = ", ".join(earlier.reference for earlier in plan.replaces)
            reason = f"{reason} (the earlier version is still pending as {kept})"
            natural = natural_key_text(plan.replaces[0].natural)
        request_id = refusal.request_id or ""
        return Outcome(Status.REJECTED, reason, request_id=request_id, natural_key=natural)

    def _exists(self, document: Document, plan: Plan) -> bool:
        """Tell whether a create was refused because an earlier attempt had arrived after all.

        Or that of another run. The infolog speaks the language of the service user, so Dynamics
        itself is asked.
        """
        if not self._derived:
            key = InvoiceKey.of(document)
            return bool(self._lookup.others(key))
        if plan.replaces:
            return False
        rows: InvoiceRows = document.payload
        key_fields = {
            "dataAreaId": rows.header["dataAreaId"],
            "HeaderReference": document.remote_key,
        }
        return self._client.get_row(HEADERS, key_fields, select=["HeaderReference"]) is not None


def _check_no_half(document: Document, plan: Plan) -> None:
    half = next((p for p in plan.replaces if p.is_unfinished(document.key)), None)
    if half:
        msg = f"{half} is there, of a run that was interrupted or is writing it now"
        raise InDoubt(msg)


def _gives_way(other: Pending | Posted, own: Pending, key: InvoiceKey) -> bool:
    """Tell whether another copy will see ours and withdraw."""
    return (
        isinstance(other, Pending)
        and other.is_unfinished(key.document_id)
        and _rank(own) < _rank(other)
    )


def _rank(pending: Pending) -> tuple[int, tuple[str, ...]]:
    return len(pending.reference), pending.identity


def _delivered(reference: str, request_id: str) -> Outcome:
    detail = {"header_reference": reference}
    return Outcome(Status.DELIVERED, remote_key=reference, request_id=request_id, detail=detail)


def _in_doubt(text: str, cause: DeliveryError) -> InDoubt:
    if isinstance(cause, ApiError):
        return InDoubt(text, status=cause.status, request_id=cause.request_id)
    return InDoubt(text)


class Deletion(Enum):
    """What became of a deletion under a condition."""

    DONE = "done"
    GONE = "it was not there any more"
    CHANGED = "it is no longer what was seen"


def delete_as_seen(client: D365Client, pending: Pending) -> Deletion:
    """Delete a header with its lines, unless it has changed since it was read.

    Raises ApiError for any other refusal, and InDoubt when the answer is lost.
    """
    return _as_seen(client, deletion_as_seen(client, pending))


def remove_half(client: D365Client, pending: Pending, document_id: str) -> bool:
    """Delete a header that is still incomplete; False where somebody else had done it.

    Raises InDoubt where it was finished, so that it is no half any more, and ApiError.
    """
    for _ in range(LOOKS):
        row = client.get_row(HEADERS, pending.key)
        if row is None:
            return False
        now = Pending(row)
        if not now.is_unfinished(document_id):
            break
        done = delete_as_seen(client, now)
        if done is not Deletion.CHANGED:
            return done is Deletion.DONE
    msg = f"{pending} was finished or changed by somebody else"
    raise InDoubt(msg)


def finish_half(client: D365Client, pending: Pending, changes: dict[str, str]) -> None:
    """Make a header that has all its lines whole; `changes` as of `whole_header`.

    Raises InDoubt where it has changed since it was read, or is gone, and ApiError.
    """
    done = _as_seen(client, change_as_seen(client, pending, changes))
    if done is not Deletion.DONE:
        msg = f"{pending} was finished or removed by somebody else"
        raise InDoubt(msg)


def finish_together(
    client: D365Client, halves: Sequence[tuple[Pending, dict[str, str]]]
) -> list[ApiError | None]:
    """Make several headers whole in one request; return, in their order, what kept one from it.

    As `finish_half`, each is changed by itself and only as it was seen.
    """
    changes = [
        Changeset((change_as_seen(client, pending, changes),)) for pending, changes in halves
    ]
    return [result.error for result in client.batch(changes)]


def _as_seen(client: D365Client, operation: Operation) -> Deletion:
    method, url = operation.method, operation.url
    try:
        response = client.request(
            method,
            url,
            json_body=operation.body,
            headers=operation.headers,
            accept=frozenset({404, 412}),
        )
    except BusinessRefusal as error:
        if is_missing_for_update(error.problem):
            return Deletion.GONE
        raise
    except Unavailable as error:
        # An update conflict, which some releases say instead of 412, however often it is asked.
        if error.status in {400, 412, 500}:
            return Deletion.CHANGED
        raise
    if response.status_code == 412:
        return Deletion.CHANGED
    if response.status_code == 404:
        if is_absence(response):
            return Deletion.GONE
        msg = f"{method} {HEADERS}: 404 {client.explain(response)}"
        raise Refused(msg, status=404, request_id=client.request_id(response))
    return Deletion.DONE
