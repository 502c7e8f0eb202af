"""Sends master data: arrays of whole records, each overwriting what is there (reference 4)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from singer_delivery.bulk import BulkCourier, Receipt, RecordRefusal
from singer_delivery.document import Document, Entry, Outcome, Status, fingerprint
from singer_delivery.errors import InDoubt, Refused
from singer_delivery.exact_json import encode_json
from tap_basware import client as basware
from tap_basware.client import BaswareClient, RefusedRecords

from target_basware.masking import mask_accounts
from target_basware.request_status import RequestDesk
from target_basware.resources import LARGEST_BODY, Resource

#: Version of a ledger entry whose record was inactivated, because its source has it no more.
WITHDRAWN = "withdrawn"
#: Refusals of the address, whatever the records are.
NO_SUCH_API = frozenset({404, 405})
NOT_FOUND = 404
#: How far before a send its errors are looked for: clocks differ.
OVERLAP = timedelta(minutes=10)
#: The same where an earlier run was interrupted, and when is not known.
INTERRUPTED = timedelta(days=1)

REMEDY = (
    "change something in the record, or have Basware redistribute it: P2P does not take up "
    "content that it was given before"
)

Companies = Sequence[Mapping[str, Any]]


@dataclass
class MasterCourier(BulkCourier):
    """One import API; `desk` None leaves the request status alone.

    A document's payload is the entity. Its detail holds what withdraws it later: `companies`,
    each [{companyCode, active, inherit?}], and the `name` of a company.
    """

    resource: Resource
    client: BaswareClient
    desk: RequestDesk | None = None
    #: Why P2P refused a record at an earlier time, of those that are sent once more.
    _refused: dict[str, str] = field(default_factory=dict)
    #: Records that were sent without an answer, and since when that request may be listed.
    _repeated: dict[str, datetime] = field(default_factory=dict)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        self.stream = self.resource.name
        self.rank = self.resource.rank
        self.max_records = self.resource.max_records
        # A comma follows each record but the last, which leaves one byte for the second bracket.
        self.max_bytes = LARGEST_BODY - 1

    def size(self, document: Document) -> int:
        """Return the bytes of an entity and its comma, as they are sent."""
        return len(encode_json(document.payload)) + 1

    def send(self, documents: Sequence[Document]) -> Receipt:
        """Post the entities as one array."""
        try:
            receipt = self.client.post(self.resource.path, [d.payload for d in documents])
        except InDoubt:
            since = self.clock() - OVERLAP
            for document in documents:
                self._repeated.setdefault(document.key, since)
            raise
        except Refused as error:
            raise self._refusal(error, documents) from error
        return self._receipt(receipt, documents)

    def merge(self, document: Document, known: Entry | None) -> Document:
        """Add the companies that the record was in before: there it becomes inactive.

        An entity that is posted without one of its companies would stay visible there.
        """
        if known is None:
            return document
        if known.status is Status.REJECTED and known.detail.get("request_status"):
            self._refused[document.key] = known.reason
        elif known.status is Status.NOT_SENT and known.attempts:
            self._repeated.setdefault(document.key, self.clock() - INTERRUPTED)
        if not self.resource.by_company:
            return document
        companies = list(document.detail.get("companies") or ())
        codes = {company["companyCode"] for company in companies}
        dropped = [c for c in _inactive(known) if c["companyCode"] not in codes]
        if not dropped:
            return document
        content = [*(document.payload.get("companies") or ()), *dropped]
        return replace(
            document,
            payload={**document.payload, "companies": content},
            detail={**document.detail, "companies": [*companies, *dropped]},
        )

    def confirm(self, request_id: str, keys: Collection[str]) -> Mapping[str, Outcome]:
        """Look once at what P2P made of a request."""
        if self.desk is None:
            outcome = Outcome(Status.DELIVERED, "not confirmed", request_id=request_id)
            return dict.fromkeys(keys, outcome)
        found = self.desk.look(request_id, keys)
        same = {key for key, outcome in found.items() if _same_as_before(outcome)}
        before = self._before(self.desk, same)
        return {key: self._judged(outcome, before.get(key)) for key, outcome in found.items()}

    def withdrawal(self, entry: Entry) -> Document | None:
        """Return the change that inactivates a record, by what the ledger knows of it."""
        payload = self._inactivated(entry)
        if payload is None:
            return None
        return Document(
            key=entry.key,
            payload=payload,
            fingerprint=fingerprint([WITHDRAWN, payload]),
            version=WITHDRAWN,
            label=str(entry.detail.get("label") or entry.key),
            detail=entry.detail,
            source=entry.source,
            scope=entry.scope,
        )

    def withdraw(self, document: Document) -> Receipt:
        """Merge the inactivation into the record that Basware has; it may have none."""
        if not self.resource.patchable:
            return self.send([document])
        path = f"{self.resource.path}/{quote(document.key, safe='')}"
        try:
            receipt = self.client.patch(path, document.payload, accept={NOT_FOUND})
        except Refused as error:
            raise self._refusal(error, [document]) from error
        if receipt.status == NOT_FOUND:
            gone = Outcome(Status.UNCHANGED, "Basware does not have it (any more)")
            return Receipt(outcomes={document.key: gone})
        return self._receipt(receipt, [document])

    def _inactivated(self, entry: Entry) -> dict[str, Any] | None:
        resource, detail = self.resource, entry.detail
        identity = {resource.key: entry.key}
        if not resource.by_company:
            # A company is posted, which takes all that is required.
            named = {} if resource.patchable else {"name": detail.get("name") or entry.key}
            return {**identity, **named, **(resource.off or {})}
        companies = _inactive(entry)
        return {**identity, "companies": companies} if companies else None

    def _receipt(self, receipt: basware.Receipt, documents: Sequence[Document]) -> Receipt:
        request = receipt.request_id
        if self.desk is not None and self.resource.entity_type is not None:
            self.desk.posted(request)
            return Receipt(request)
        delivered = Outcome(Status.DELIVERED, request_id=request)
        return Receipt(outcomes={document.key: delivered for document in documents})

    def _refusal(self, error: Refused, documents: Sequence[Document]) -> RecordRefusal:
        keys = [document.key for document in documents]
        culprits: dict[str, str] = {}
        if error.status in NO_SUCH_API:
            culprits = dict.fromkeys(keys, f"Basware has no {self.resource.path}: {error}")
        elif isinstance(error, RefusedRecords):
            culprits = _culprits(error.errors, keys)
        return RecordRefusal(
            self._words(str(error)),
            culprits={key: self._words(words) for key, words in culprits.items()},
            status=error.status,
            request_id=error.request_id,
        )

    def _before(self, desk: RequestDesk, same: Collection[str]) -> dict[str, str]:
        """Return why P2P refused the content that it says it has, where it did."""
        before = {key: self._refused[key] for key in same if key in self._refused}
        # Of a request without an answer we have no id to ask about, but Basware lists its errors.
        repeated = [key for key in same if key in self._repeated and key not in before]
        if repeated and self.resource.entity_type:
            since = min(self._repeated[key] for key in repeated)
            errors = desk.errors_since(self.resource.entity_type, since)
            before |= {key: errors[key] for key in repeated if key in errors}
        return before

    def _judged(self, outcome: Outcome, before: str | None) -> Outcome:
        """Word an outcome; "the same as before" is no success where that was refused."""
        if before is None:
            reason = self._words(outcome.reason)
            return outcome if reason == outcome.reason else replace(outcome, reason=reason)
        words = before if REMEDY in before else f"{before}; {REMEDY}"
        return replace(outcome, status=Status.REJECTED, reason=self._words(words))

    def _words(self, text: str) -> str:
        return mask_accounts(text) if self.resource.name == "vendors" else text


def _same_as_before(outcome: Outcome) -> bool:
    return outcome.detail.get("request_status") == "NotProcessed"


def companies_of(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the ledger keeps of an entity's companies, to inactivate it there later."""
    kept = ("companyCode", "inherit", "active")
    return [
        {name: company[name] for name in kept if name in company}
        for company in content.get("companies") or ()
    ]


def _inactive(entry: Entry) -> list[dict[str, Any]]:
    return [{**company, "active": False} for company in entry.detail.get("companies") or ()]


def _culprits(errors: Iterable[Mapping[str, Any]], keys: Collection[str]) -> dict[str, str]:
    """Return what Basware says of each record that it names."""
    said: dict[str, list[str]] = {}
    for error in errors:
        key = error.get("externalCode")
        if key in keys:
            words = str(error.get("message") or error.get("info") or "refused without a reason")
            code = f" [{error['code']}]" if error.get("code") else ""
            said.setdefault(str(key), []).append(f"{words}{code}")
    return {key: "; ".join(dict.fromkeys(words)) for key, words in said.items()}
