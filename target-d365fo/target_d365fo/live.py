"""Dynamics as a witness: the vendor invoices that it holds, pending and posted, and their payments.

Pending invoices are read before posted ones: one that is posted meanwhile is seen twice, never
missed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from ap_mapping import Mapping as ApMapping
from ap_mapping import MappingError, load_mapping
from ap_mapping.templates import Template
from singer_delivery.document import Document, Entry, Outcome, Status
from singer_delivery.errors import AccessDenied, Refused, SetupError
from singer_delivery.live import Booking, Sought, State, configured
from singer_delivery.rebuild import Receiver
from tap_d365fo.client import D365Client, Row
from tap_d365fo.metadata import MetadataCache, default_cache_folder
from tap_d365fo.natural_key import folded, natural_key, natural_key_text
from tap_d365fo.odata import and_, compare, or_
from tap_d365fo.outcomes import transfer_outcome
from tap_d365fo.payment_reading import PaymentReader
from tap_d365fo.payment_spool import Found
from tap_d365fo.payments import SETTLEMENTS, TRANSACTIONS, is_invoice, moment, place_of
from tap_d365fo.reader import Reader

from target_d365fo.amounts import in_currency
from target_d365fo.halves import INCOMPLETE
from target_d365fo.lookup import POSTED
from target_d365fo.paid import PaidTotals, crawl
from target_d365fo.payload import HEADERS, LINES, header_reference
from target_d365fo.target import TargetD365FO

HEADER_FIELDS = (
    "dataAreaId",
    "HeaderReference",
    "InvoiceAccount",
    "InvoiceNumber",
    "InvoiceDate",
    "Currency",
    "ImportedAmount",
    "ImportedSalesTax",
    "InvoiceDescription",
    "IsOnHold",
)
POSTED_FIELDS = (
    "dataAreaId",
    "SourceKey",
    "InvoiceAccount",
    "InvoiceId",
    "InvoiceDate",
    "DocumentDate",
    "CurrencyCode",
    "InvoiceAmount",
    "LedgerVoucher",
    "InternalInvoiceId",
    "Description",
)
LINE_FIELDS = ("dataAreaId", "HeaderReference", "InvoiceLineNumber", "NetAmount")
#: An invoice is entered and posted at most so long before its own date.
POSTDATED = timedelta(days=90)
#: What an id of Basware's looks like where nothing else vouches for it.
ID = re.compile(r"(?=[\w-]*\d)[\w-]{8,36}")
#: Headers whose lines are asked for by key; of more, all lines are read.
MANY = 400
#: Invoices whose payments are composed together.
BATCH = 200


def open_live(config: Mapping[str, Any]) -> DynamicsLive:
    """Return Dynamics with the settings of target-d365fo; empty: those of the environment.

    Raises SetupError.
    """
    target = configured(TargetD365FO, config)
    mapping = _mapping(target.config["mapping_file"])
    return DynamicsLive(
        target.client,
        mapping,
        prefix=target.reference_prefix,
        derived=target.config["header_reference"] == "derived",
        reads_posted=target.config["posted_lookup"],
    )


def _mapping(file: str) -> ApMapping | None:
    """Return the mapping, None where there is none. Raises SetupError."""
    if not Path(file).exists():
        return None
    try:
        return load_mapping(file)
    except MappingError as error:
        raise SetupError(str(error)) from None


@dataclass
class LineSums:
    """How many lines each pending invoice has, and what they come to."""

    sums: defaultdict[tuple[str, ...], tuple[int, Decimal]] = field(
        default_factory=lambda: defaultdict(lambda: (0, Decimal(0)))
    )

    def add(self, rows: Iterable[Row]) -> None:
        """Take lines, each of them once."""
        for row in rows:
            count, total = self.sums[_identity(row)]
            self.sums[_identity(row)] = (count + 1, total + Decimal(row["NetAmount"] or 0))

    def missing(self, header: Row) -> str:
        """Return in words what is missing of an invoice, "" where it is whole."""
        count, total = self.sums[_identity(header)]
        if not count:
            return "it has no lines"
        tax, gross = _amount(header, "ImportedSalesTax"), _amount(header, "ImportedAmount")
        if total + tax != gross:
            return f"its {count} lines come to {total} and {tax} tax, its total is {gross}"
        return ""


class DynamicsLive(Receiver):
    """Vendor invoices of the mapping's legal entities; without a mapping, of all."""

    name = "d365fo"
    title = "Dynamics"

    def __init__(
        self,
        client: D365Client,
        mapping: ApMapping | None = None,
        *,
        prefix: str = "BW",
        derived: bool = True,
        reads_posted: bool = True,
    ) -> None:
        super().__init__()
        self._client = client
        self._companies = mapping.legal_entities if mapping else ()
        self._prefix = prefix
        self._derived = derived
        self._reads_posted = reads_posted
        self._patterns = [_pattern(template) for template in _templates(mapping)]
        self._paid: PaidTotals | None = PaidTotals(client)
        if not reads_posted:
            self.notes.append("posted invoices are not read (posted_lookup is false)")

    @property
    def system(self) -> str:
        """The environment's origin."""
        return self._client.environment

    def references(self, document_id: str) -> tuple[str, ...]:
        """Return the header reference that follows from a document's id."""
        return (header_reference(document_id, self._prefix),) if self._derived else ()

    # What it holds

    def books(self, since: date | None = None, until: date | None = None) -> Iterator[Booking]:
        """Yield the vendor invoices of these days, pending before posted. Raises DeliveryError."""
        yield from self._pending_books(since, until)
        if self._reads_posted:
            self._read_paid(since)
            yield from self._posted_books(since, until)

    def _pending_books(self, since: date | None, until: date | None) -> Iterator[Booking]:
        where = and_(*_days("InvoiceDate", since, until))
        keys = {"HeaderReference": "Edm.String"}
        headers = list(
            crawl(
                self._client, HEADERS, keys, HEADER_FIELDS, where=where, companies=self._companies
            )
        )
        lines = self._lines(headers)
        yield from (self._pending(row, lines) for row in headers)

    def _lines(self, headers: Sequence[Row]) -> LineSums:
        """Read the lines of headers: of a few by key, of many by reading all."""
        lines = LineSums()
        if len(headers) > MANY:
            keys = {"HeaderReference": "Edm.String", "InvoiceLineNumber": "Edm.Decimal"}
            lines.add(crawl(self._client, LINES, keys, LINE_FIELDS, companies=self._companies))
            return lines
        wanted = [{n: row[n] for n in ("dataAreaId", "HeaderReference")} for row in headers]
        orderby = ("dataAreaId", "HeaderReference", "InvoiceLineNumber")
        lines.add(self._client.lookup(LINES, wanted, select=LINE_FIELDS, orderby=orderby))
        return lines

    def _posted_books(self, since: date | None, until: date | None) -> Iterator[Booking]:
        # InvoiceDate is the day of posting here, DocumentDate that of the vendor's document.
        either = [and_(*_days(name, since, until)) for name in ("DocumentDate", "InvoiceDate")]
        where = or_(*(f"({each})" for each in either if each))
        keys = {"SourceKey": "Edm.Int64"}
        rows = crawl(
            self._client, POSTED, keys, POSTED_FIELDS, where=where, companies=self._companies
        )
        for row in self._shown(rows):
            booking = self._posted(row)
            inside = (since is None or booking.day is None or booking.day >= since) and (
                until is None or booking.day is None or booking.day <= until
            )
            if inside:
                yield booking

    def _shown(self, rows: Iterator[Row]) -> Iterator[Row]:
        try:
            yield from rows
        except Refused as error:
            if error.status != 404:
                raise
            msg = (
                f"{self.system} does not show posted invoices ({POSTED}): have the data entity "
                "made public, or set posted_lookup to false"
            )
            raise SetupError(msg) from None

    def _read_paid(self, since: date | None) -> None:
        """Read what was paid; where that is not shown, say so and go on without."""
        if self._paid is None:
            return
        start = _instant(since) - POSTDATED if since else None
        try:
            self._paid.read(self._companies, start)
        except (AccessDenied, Refused) as error:
            self._paid = None
            self.notes.append(f"payments are not compared: {error}")

    def look(self, wanted: Sequence[Sought]) -> Iterator[Booking]:
        """Yield what is there under the references, numbers and descriptions of documents."""
        headers = self._headers(wanted)
        lines = self._lines(headers)
        yield from (self._pending(row, lines) for row in headers)
        if not self._reads_posted:
            return
        posted = self._posted_rows(wanted)
        if self._paid is not None:
            self._paid.look((str(row["dataAreaId"]), str(row["LedgerVoucher"])) for row in posted)
        yield from (self._posted(row) for row in posted)

    def _headers(self, wanted: Sequence[Sought]) -> list[Row]:
        keys: list[dict[str, str]] = [
            {"HeaderReference": reference}
            for sought in wanted
            for reference in {*sought.references, *self.references(sought.document_id)}
        ]
        keys += [
            {"dataAreaId": s.legal_entity, "InvoiceAccount": s.vendor, "InvoiceNumber": s.number}
            for s in wanted
            if s.legal_entity and s.vendor and s.number
        ]
        orderby = ("dataAreaId", "HeaderReference")
        rows = self._client.lookup(HEADERS, keys, select=HEADER_FIELDS, orderby=orderby)
        return list({_identity(row): row for row in rows}.values())

    def _posted_rows(self, wanted: Sequence[Sought]) -> list[Row]:
        keys: list[dict[str, str]] = []
        for sought in wanted:
            entity = sought.legal_entity
            if not entity:
                continue
            if sought.vendor and sought.number:
                keys.append(
                    {
                        "dataAreaId": entity,
                        "InvoiceAccount": sought.vendor,
                        "InvoiceId": sought.number,
                    }
                )
            keys += [{"dataAreaId": entity, "LedgerVoucher": ref} for ref in sought.references]
            if sought.description:
                keys.append({"dataAreaId": entity, "Description": sought.description})
        orderby = ("dataAreaId", "SourceKey")
        rows = self._client.lookup(POSTED, keys, select=POSTED_FIELDS, orderby=orderby)
        return list({(r["dataAreaId"], r["SourceKey"]): r for r in self._shown(rows)}.values())

    def _pending(self, row: Row, lines: LineSums) -> Booking:
        description = str(row.get("InvoiceDescription") or "")
        half = lines.missing(row)
        if description.endswith(INCOMPLETE):
            half = half or "its lines may still be on their way"
        reference = str(row["HeaderReference"])
        return Booking(
            side=self.name,
            document_id=self._document_id(description, reference),
            legal_entity=str(row["dataAreaId"]).lower(),
            vendor=str(row["InvoiceAccount"]),
            number=str(row["InvoiceNumber"]),
            currency=str(row["Currency"]),
            gross=_amount(row, "ImportedAmount"),
            day=_day(row, "InvoiceDate"),
            state=State.PENDING,
            reference=reference,
            paid_total=Decimal(0) if self._paid is not None and self._reads_posted else None,
            whole=not half,
            detail={
                "description": description,
                **({"half": half} if half else {}),
                **({"on_hold": True} if row.get("IsOnHold") == "Yes" else {}),
            },
        )

    def _posted(self, row: Row) -> Booking:
        description = str(row.get("Description") or "")
        reference = str(row.get("InternalInvoiceId") or "")
        company, voucher = str(row["dataAreaId"]), str(row.get("LedgerVoucher") or "")
        return Booking(
            side=self.name,
            document_id=self._document_id(description, reference),
            legal_entity=company.lower(),
            vendor=str(row["InvoiceAccount"]),
            number=str(row["InvoiceId"]),
            currency=str(row["CurrencyCode"]),
            gross=_amount(row, "InvoiceAmount"),
            day=_day(row, "DocumentDate") or _day(row, "InvoiceDate"),
            state=State.POSTED,
            reference=voucher,
            paid_total=self._paid.of(company, voucher) if self._paid else None,
            detail={
                "description": description,
                "header_reference": reference,
                "posted_on": _day(row, "InvoiceDate"),
            },
        )

    def _document_id(self, description: str, reference: str) -> str:
        """Return the id that an invoice says it comes from, where that can be believed."""
        text = description.removesuffix(INCOMPLETE).strip()
        candidates = [text] if text != description.strip() else []
        for pattern in self._patterns:
            if found := pattern.fullmatch(text):
                candidates.append(found["id"])
        for candidate in candidates:
            vouched = reference.casefold() in (r.casefold() for r in self.references(candidate))
            if vouched or ID.fullmatch(candidate):
                return candidate
        return ""

    # What a lost ledger is made of

    def delivered(self, booking: Booking, told_reference: str = "") -> tuple[Document, Outcome]:
        """Return the ledger's row of an invoice, as its delivery would have left it.

        It has no fingerprint: offered again, it is compared with what Dynamics holds.
        `told_reference` is what Basware was told that it is known by.
        """
        document_id, entity = booking.document_id, booking.legal_entity
        known = (str(booking.detail.get("header_reference") or ""), *self.references(document_id))
        is_posted = booking.state is State.POSTED
        reference = next(filter(None, known), "") if is_posted else booking.reference
        label = f"invoice {booking.number} of vendor {booking.vendor} in {entity} ({document_id})"
        natural = natural_key(entity, booking.vendor, booking.number)
        document = Document(
            key=document_id,
            payload=None,
            fingerprint="",
            natural_key=natural_key_text(natural),
            remote_key=told_reference or booking.reference,
            label=label,
            detail={
                "legal_entity": entity,
                "vendor": booking.vendor,
                "invoice_number": booking.number,
                "invoice_date": booking.day.isoformat() if booking.day else "",
                "currency": booking.currency,
                "gross": _in_currency(booking),
                "payment_block": bool(booking.detail.get("on_hold")),
                "header_reference": reference,
                "description": str(booking.detail.get("description") or ""),
                "label": label,
            },
        )
        voucher = {"voucher": booking.reference} if is_posted else {}
        # "Transferred as pending invoice" would be wrong of one that was posted since.
        status = Status.UNCHANGED if is_posted and not told_reference else Status.DELIVERED
        return document, Outcome(status, remote_key=document.remote_key, detail=voucher)

    def outcome_record(self, entry: Entry, source_system: str) -> dict[str, Any]:
        """Return the transfer_outcomes record that tap-d365fo makes of an entry."""
        return transfer_outcome(entry, source_system=source_system)

    def payments(
        self, bookings: Sequence[Booking], *, includes_discount: bool = True
    ) -> Iterator[dict[str, Any]]:
        """Yield the vendor_payments records of posted invoices, each invoice's in order."""
        posted = [booking for booking in bookings if booking.state is State.POSTED]
        for start in range(0, len(posted), BATCH):
            yield from self._payments(posted[start : start + BATCH], includes_discount)

    def _payments(self, bookings: Sequence[Booking], includes: bool) -> Iterator[dict[str, Any]]:
        ids = {
            natural_key_text(natural_key(b.legal_entity, b.vendor, b.number)): b.document_id
            for b in bookings
        }
        keys = [{"dataAreaId": b.legal_entity, "Voucher": b.reference} for b in bookings]
        transactions = [
            row
            for row in self._reader.lookup(TRANSACTIONS, keys, ("TransType",))
            if is_invoice(row)
        ]
        sides = {place_of(row): int(row["SourceKey"]) for row in transactions}
        rows = self._reader.lookup(
            SETTLEMENTS,
            [{"TransRecId": rec_id} for rec_id in sides.values()],
            ("TransRecId", "TransCompany", "CreatedOn"),
        )
        found = [
            Found(moment(row["CreatedOn"]), str(row["dataAreaId"]), int(row["SourceKey"]), side)
            for row in rows
            if (side := _side(row)) in sides
        ]
        found.sort()
        reader = PaymentReader(
            self._reader,
            lambda wanted: {key: ids[key] for key in wanted if key in ids},
            includes_discount=includes,
        )
        yield from reader.records(found)

    @cached_property
    def _reader(self) -> Reader:
        metadata = MetadataCache(default_cache_folder()).load(self._client)
        return Reader(self._client, metadata, tuple(self._companies))


def _side(row: Row) -> tuple[str, int]:
    company = row.get("TransCompany") or row["dataAreaId"]
    return folded(company)[0], int(row["TransRecId"])


def _in_currency(booking: Booking) -> str:
    """Return the gross amount with the decimals of its currency, as a delivery keeps it."""
    try:
        return str(in_currency(booking.gross, booking.currency))
    except ValueError:
        return str(booking.gross)


def _templates(mapping: ApMapping | None) -> list[Template]:
    """Return the different descriptions that the mapping gives invoices."""
    if mapping is None:
        return []
    found = (mapping.for_legal_entity(name).header.description for name in mapping.legal_entities)
    return list(dict.fromkeys(t for t in found if t is not None and "invoiceId" in t.names))


def _pattern(template: Template) -> re.Pattern[str]:
    """Return what finds the document's id in a description that a template made."""
    parts, named = [], False
    for piece in template.pieces:
        if isinstance(piece, str):
            parts.append(re.escape(piece))
        elif piece.name == "invoiceId" and not named:
            parts.append(r"(?P<id>[\w-]{1,36})")
            named = True
        else:
            parts.append(r".*?")
    return re.compile("".join(parts).strip(), re.IGNORECASE)


def _identity(row: Row) -> tuple[str, ...]:
    return folded(row["dataAreaId"], row["HeaderReference"])


def _amount(row: Row, name: str) -> Decimal:
    return Decimal(row.get(name) or 0)


def _day(row: Row, name: str) -> date | None:
    """Return a date, None for 1900-01-01, which is how F&O says that there is none."""
    text = str(row.get(name) or "")[:10]
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if found.year > 1900 else None


def _instant(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _days(name: str, since: date | None, until: date | None) -> list[str]:
    """Return the conditions for days in between; F&O keeps a day as its noon."""
    conditions = [compare(name, "ge", _instant(since))] if since else []
    if until:
        conditions.append(compare(name, "lt", _instant(until + timedelta(days=1))))
    return conditions
