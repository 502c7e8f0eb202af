"""What Dynamics holds of a batch of invoices, pending and posted, with few reads."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from typing import TypeVar

from singer_delivery.document import Document, Entry
from singer_delivery.errors import Refused, SetupError
from tap_d365fo.client import D365Client, LookUp
from tap_d365fo.natural_key import NaturalKey, folded, natural_key, read_natural_key
from tap_d365fo.odata import comparable

from target_d365fo.compare import Row
from target_d365fo.halves import half_description, is_half
from target_d365fo.payload import HEADERS, LINES

POSTED = "VendInvoiceJourBiEntities"
POSTED_FIELDS = (
    "dataAreaId",
    "SourceKey",
    "InvoiceId",
    "InvoiceAccount",
    "CurrencyCode",
    "InvoiceAmount",
    "ImportedAmount",
    "LedgerVoucher",
    "Description",
)
DRAFT = "Draft"


@dataclass(frozen=True)
class InvoiceKey:
    """What one document is looked up by: its own keys, and the vendor's invoice number.

    `description` is the one that it is sent with; it names the document. `references` are the
    header references under which it is sent, or was; `held_as` is the natural key under which the
    ledger has it: that of an earlier version may be another one.
    """

    document_id: str
    legal_entity: str
    vendor: str
    number: str
    description: str
    references: frozenset[str] = frozenset()
    held_as: NaturalKey | None = None

    @classmethod
    def of(cls, subject: Document | Entry, known: Entry | None = None) -> InvoiceKey:
        """Return the key of a document, or of what the ledger has of one; `known` is its entry."""
        detail = subject.detail
        sent = {subject.remote_key, str(detail.get("header_reference") or "")}
        if known:
            sent |= {known.remote_key, str(known.detail.get("header_reference") or "")}
        return cls(
            document_id=subject.key,
            legal_entity=str(detail["legal_entity"]),
            vendor=str(detail["vendor"]),
            number=str(detail["invoice_number"]),
            description=str(detail["description"]),
            references=frozenset(reference for reference in sent if reference),
            held_as=read_natural_key((known or subject).natural_key),
        )

    @property
    def natural(self) -> NaturalKey:
        """Legal entity, vendor and number as F&O compares them."""
        return natural_key(self.legal_entity, self.vendor, self.number)

    def has_reference(self, pending: Pending) -> bool:
        """Tell whether a pending invoice has one of the references, in whatever legal entity."""
        return folded(pending.reference) in {folded(each) for each in self.references}

    @property
    def naturals(self) -> tuple[NaturalKey, ...]:
        """Its natural key, and that under which the ledger has it."""
        return tuple(dict.fromkeys((self.natural, self.held_as or self.natural)))

    @property
    def legal_entities(self) -> tuple[str, ...]:
        """Its legal entity, and that in which the ledger has it."""
        return tuple(dict.fromkeys(entity for entity, *_ in self.naturals))

    @property
    def descriptions(self) -> tuple[str, ...]:
        """The descriptions that only headers of this document have."""
        whole = (self.description,) if names(self.description, self.document_id) else ()
        return (half_description(self.document_id), *whole)


@dataclass(frozen=True)
class Pending:
    """A pending vendor invoice; `row` is all of its header."""

    row: Row

    @property
    def key(self) -> dict[str, str]:
        """The key of the header."""
        return {name: str(self.row[name]) for name in ("dataAreaId", "HeaderReference")}

    @property
    def identity(self) -> tuple[str, ...]:
        """The same in the form in which F&O compares it."""
        return folded(*self.key.values())

    @property
    def reference(self) -> str:
        """The header's HeaderReference."""
        return str(self.row["HeaderReference"])

    @property
    def description(self) -> str:
        """What the header says about its origin."""
        return str(self.row.get("InvoiceDescription") or "")

    @property
    def version(self) -> str:
        """The header's ETag, which changes with it; "" where F&O sent none."""
        return str(self.row.get("@odata.etag") or "")

    def is_unfinished(self, document_id: str) -> bool:
        """Tell whether it is a half of this document: lines may be missing, or still to come."""
        return is_half(self.description, document_id)

    @property
    def status(self) -> str:
        """Where the workflow stands; Draft before it starts."""
        return str(self.row.get("VendorInvoiceReviewStatus") or DRAFT)

    @property
    def natural(self) -> NaturalKey:
        """Legal entity, vendor and number as F&O compares them."""
        row = self.row
        return natural_key(row["dataAreaId"], row["InvoiceAccount"], row["InvoiceNumber"])

    def __str__(self) -> str:
        return f"pending invoice {self.reference}{_quoted(self.description)}"


@dataclass(frozen=True)
class Posted:
    """A posted vendor invoice."""

    row: Row

    @property
    def voucher(self) -> str:
        """Its voucher in the ledger."""
        return str(self.row.get("LedgerVoucher") or "")

    @property
    def description(self) -> str:
        """What it says about its origin."""
        return str(self.row.get("Description") or "")

    @property
    def natural(self) -> NaturalKey:
        """Legal entity, vendor and number as F&O compares them."""
        row = self.row
        return natural_key(row["dataAreaId"], row["InvoiceAccount"], row["InvoiceId"])

    def amounts_to(self, gross: Decimal, currency: str) -> bool:
        """Tell whether it was posted, or imported, with this gross amount."""
        amounts = (self.row.get("InvoiceAmount"), self.row.get("ImportedAmount"))
        same = any(amount is not None and Decimal(amount) == gross for amount in amounts)
        return same and comparable(str(self.row.get("CurrencyCode"))) == comparable(currency)

    def __str__(self) -> str:
        return f"voucher {self.voucher}{_quoted(self.description)}"


Rows = TypeVar("Rows")
AnInvoice = TypeVar("AnInvoice", Pending, Posted)


@dataclass(frozen=True)
class Found:
    """What Dynamics holds under the keys of one document, its own and others'."""

    pending: tuple[Pending, ...] = ()
    posted: tuple[Posted, ...] = ()


def _quoted(description: str) -> str:
    return f' ("{description}")' if description else ""


def names(description: str, document_id: str) -> bool:
    """Tell whether a description names this document, and not one whose id only contains it."""
    if document_id.isascii() and description.isascii():
        return _stands_in(description.lower(), document_id.lower())
    pattern = rf"(?<![\w-]){re.escape(document_id)}(?![\w-])"
    return bool(document_id) and re.search(pattern, description, re.IGNORECASE) is not None


def _stands_in(text: str, word: str) -> bool:
    """Tell whether ASCII text has a word as a whole: a pattern would be compiled for each."""
    at = text.find(word) if word else -1
    while at >= 0:
        beside = text[max(at - 1, 0) : at] + text[at + len(word) : at + len(word) + 1]
        if not any(letter.isalnum() or letter in "_-" for letter in beside):
            return True
        at = text.find(word, at + 1)
    return False


def names_another(description: str, key: InvoiceKey) -> bool:
    """Tell whether a description is that of another document of ours."""
    if not names(key.description, key.document_id):
        return False
    pattern = re.escape(key.description).replace(re.escape(key.document_id), r"\S+")
    found = re.fullmatch(pattern, description, re.IGNORECASE)
    return bool(found) and not names(description, key.document_id)


class InvoiceLookup:
    """Chunked reads in all legal entities; without `posted`, only pending invoices are read."""

    def __init__(self, client: D365Client, *, posted: bool = True) -> None:
        self._client = client
        self.reads_posted = posted

    def check(self) -> None:
        """Read one posted invoice, if they are read at all; raises SetupError or AccessDenied."""
        if self.reads_posted:
            self._shown(lambda: list(self._client.read(POSTED, select=POSTED_FIELDS, top=1)))

    def find(self, keys: Sequence[InvoiceKey], *, described: bool = False) -> dict[str, Found]:
        """Return, by document id, what is there under its references and its invoice numbers.

        With `described`, pending invoices are found by their description, too: where Dynamics
        numbers the headers, nothing else tells that one was made of this document. Pending ones
        are read first: what is posted in between is then seen twice, and not missed.
        """
        looks = [self._pending_look(keys, described=described)]
        if self.reads_posted and keys:
            looks.append(_posted_look(_numbered(keys, "InvoiceId")))
        rows = self._shown(lambda: self._client.look_up_all(looks))
        pending = self._there({one.identity: one for one in map(Pending, rows[0])}.values())
        posted = [Posted(row) for row in chain.from_iterable(rows[1:])]
        by_reference, by_number = _by_reference(pending), _by_number(pending)
        by_description = _by_description(pending)
        posted_by_number = _by_number(posted)
        found = {}
        for key in keys:
            own = [p for ref in key.references for p in by_reference[str(comparable(ref))]]
            own += [p for text in key.descriptions for p in by_description[str(comparable(text))]]
            own += [p for natural in key.naturals for p in by_number[natural]]
            unique = {p.identity: p for p in own}
            numbered = [p for natural in key.naturals for p in posted_by_number[natural]]
            found[key.document_id] = Found(tuple(unique.values()), tuple(numbered))
        return found

    def _there(self, pending: Iterable[Pending]) -> list[Pending]:
        """Return the pending invoices that count as there; a rehearsal has others."""
        return list(pending)

    def others(self, key: InvoiceKey, own: Pending | None = None) -> tuple[Pending | Posted, ...]:
        """Return what is there of a document, or under its number, beside its header `own`."""
        found = self.find([key], described=True)[key.document_id]
        pending = tuple(p for p in found.pending if own is None or p.identity != own.identity)
        return (*pending, *found.posted)

    def _pending_look(self, keys: Sequence[InvoiceKey], *, described: bool) -> LookUp:
        wanted: list[dict[str, str]] = [
            {"HeaderReference": reference} for key in keys for reference in sorted(key.references)
        ]
        if described:
            wanted += [{"InvoiceDescription": text} for key in keys for text in key.descriptions]
        wanted += _numbered(keys, "InvoiceNumber")
        return LookUp(HEADERS, wanted, orderby=("dataAreaId", "HeaderReference"))

    def posted_by_description(self, keys: Sequence[InvoiceKey]) -> dict[str, list[Posted]]:
        """Return, by document id, what was posted under a changed number.

        Descriptions have no index: this is for documents that are found nowhere else.
        """
        wanted = [
            {"dataAreaId": entity, "Description": key.description}
            for key in keys
            if names(key.description, key.document_id)
            for entity in key.legal_entities
        ]
        found = self._posted(wanted)
        return {
            key.document_id: [p for p in found if names(p.description, key.document_id)]
            for key in keys
        }

    def _posted(self, wanted: Sequence[Mapping[str, str]]) -> list[Posted]:
        if not (self.reads_posted and wanted):
            return []
        (rows,) = self._shown(lambda: self._client.look_up_all([_posted_look(wanted)]))
        return [Posted(row) for row in rows]

    def _shown(self, reading: Callable[[], Rows]) -> Rows:
        """Return what is read; says so where posted invoices are not shown."""
        try:
            return reading()
        except Refused as error:
            if error.status != 404 or POSTED not in str(error):
                raise
            msg = (
                f"{self._client.environment} does not show posted invoices ({POSTED}): have the "
                "data entity made public, or set posted_lookup to false and let the ledger alone "
                "tell what was delivered"
            )
            raise SetupError(msg) from None

    def lines(self, invoices: Iterable[Pending]) -> defaultdict[tuple[str, ...], list[Row]]:
        """Return the lines of pending invoices, by the identity of the invoice."""
        found: defaultdict[tuple[str, ...], list[Row]] = defaultdict(list)
        rows = self._client.lookup(
            LINES,
            [invoice.key for invoice in invoices],
            orderby=("dataAreaId", "HeaderReference", "InvoiceLineNumber"),
        )
        for row in rows:
            found[Pending(row).identity].append(row)
        return found


def _posted_look(wanted: Sequence[Mapping[str, str]]) -> LookUp:
    return LookUp(POSTED, wanted, select=POSTED_FIELDS, orderby=("dataAreaId", "SourceKey"))


def _numbered(keys: Sequence[InvoiceKey], number: str) -> list[dict[str, str]]:
    """Return what invoices are looked up by under their natural keys; `number` names the field."""
    fields = ("dataAreaId", "InvoiceAccount", number)
    return [
        dict(zip(fields, natural, strict=True))
        for key in keys
        for natural in ((key.legal_entity, key.vendor, key.number), *key.naturals[1:])
    ]


def _by_reference(pending: Sequence[Pending]) -> defaultdict[str, list[Pending]]:
    index: defaultdict[str, list[Pending]] = defaultdict(list)
    for invoice in pending:
        index[str(comparable(invoice.reference))].append(invoice)
    return index


def _by_description(pending: Sequence[Pending]) -> defaultdict[str, list[Pending]]:
    index: defaultdict[str, list[Pending]] = defaultdict(list)
    for invoice in pending:
        index[str(comparable(invoice.description))].append(invoice)
    return index


def _by_number(invoices: Sequence[AnInvoice]) -> defaultdict[tuple[str, ...], list[AnInvoice]]:
    index: defaultdict[tuple[str, ...], list[AnInvoice]] = defaultdict(list)
    for invoice in invoices:
        index[invoice.natural].append(invoice)
    return index
