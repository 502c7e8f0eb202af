"""Dynamics as dictionaries, strict where F&O is; and its client, with the calls a courier makes.

A second header under one key is refused, lines go with their header, a changeset is all or
nothing. A second invoice of one number is taken without a word: F&O looks at that when posting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Any, NamedTuple

import requests
from singer_delivery.errors import InDoubt, Unavailable
from tap_d365fo.batch import Changeset, PartResponse
from tap_d365fo.changesets import ChangesetResult
from tap_d365fo.client import LookUp
from tap_d365fo.errors import BusinessRefusal, Problem
from tap_d365fo.lookup import WantedKeys

from tests.model.content import CURRENCY, DAY, Clock, stamp
from tests.model.process import Fault, Process

Row = dict[str, Any]
Key = tuple[str, str]

HEADERS, LINES, POSTED = "VendorInvoiceHeaders", "VendorInvoiceLines", "VendInvoiceJourBiEntities"
TRANSACTIONS, SETTLEMENTS = "VendTransBiEntities", "VendSettlementBiEntities"
ZERO = Decimal(0)


class Holding(NamedTuple):
    """An invoice that Dynamics holds; `place` ends with its reference, or its voucher."""

    place: Key
    posted: bool
    vendor: str
    number: str
    description: str
    gross: Decimal
    nets: tuple[Decimal, ...]


class Operation(NamedTuple):
    """One write of a changeset; `row` is the key where it deletes."""

    deletes: bool
    entity_set: str
    row: Mapping[str, Any]


class Paid(NamedTuple):
    """What a living settlement pays of an invoice; both by legal entity and voucher."""

    invoice: Key
    payment: Key
    amount: Decimal
    discount: Decimal


def refused(text: str, *messages: str) -> BusinessRefusal:
    problem = Problem(text, business=True, messages=(text, *messages))
    return BusinessRefusal(f"400 {text}", problem=problem, status=400, request_id="r-400")


@dataclass
class Dynamics:
    """The books of all legal entities, each with numbers and vouchers of its own.

    With `continuous` number sequences, the number of a deleted header is given out again.
    """

    clock: Clock
    continuous: bool = False
    headers: dict[Key, Row] = field(default_factory=dict)
    lines: dict[Key, dict[int, Row]] = field(default_factory=dict)
    posted: dict[Key, Row] = field(default_factory=dict)
    posted_lines: dict[Key, tuple[Decimal, ...]] = field(default_factory=dict)
    transactions: dict[int, Row] = field(default_factory=dict)
    settlements: dict[int, Row] = field(default_factory=dict)
    payments: list[Paid] = field(default_factory=list)
    on_hold: set[str] = field(default_factory=set)
    blocked: set[str] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    drawn: Counter[str] = field(default_factory=Counter)

    # What a client writes

    def create_header(self, row: Mapping[str, Any]) -> Row:
        entity = str(row["dataAreaId"])
        reference = str(row.get("HeaderReference") or self._next_reference(entity))
        key = (entity, reference.upper())
        if row["InvoiceAccount"] in self.on_hold:
            raise refused(f"Vendor account {row['InvoiceAccount']} is on hold for 'Invoice'")
        if key in self.headers:
            raise refused("Cannot create a record. The record already exists.")
        self.lines[key] = {}
        self.headers[key] = {
            "VendorInvoiceReviewStatus": "Draft",
            **row,
            "HeaderReference": reference,
        }
        self.update(key, {})
        return self.headers[key]

    def _next_reference(self, entity: str) -> str:
        if self.continuous:
            taken = {reference for company, reference in self.headers if company == entity}
            taken |= {
                row["InternalInvoiceId"]
                for (company, _), row in self.posted.items()
                if company == entity
            }
            return next(each for n in count(1) if (each := f"VI-{n:06}") not in taken)
        self.drawn[entity] += 1
        return f"VI-{self.drawn[entity]:06}"

    def create_line(self, row: Mapping[str, Any]) -> Row:
        key = key_of(row)
        if key not in self.headers:
            raise refused(f"Invoice identification {row['HeaderReference']} does not exist")
        if str(row.get("MainAccountDisplayValue", "")).split("-")[0] in self.blocked:
            raise refused(f"Main account {row['MainAccountDisplayValue']} is suspended")
        number = int(row["InvoiceLineNumber"])
        if number in self.lines[key]:
            raise refused("Cannot create a record. The record already exists.")
        self.lines[key][number] = dict(row)
        return self.lines[key][number]

    def create(self, entity_set: str, row: Mapping[str, Any]) -> Row:
        return {HEADERS: self.create_header, LINES: self.create_line}[entity_set](row)

    def delete(self, entity_set: str, key: Mapping[str, Any]) -> bool:
        assert entity_set == HEADERS
        self.lines.pop(key_of(key), None)
        return self.headers.pop(key_of(key), None) is not None

    def update(self, key: Key, changes: Mapping[str, Any]) -> None:
        """Change a header, which gets another ETag by it."""
        if key not in self.headers:
            raise refused("No resources were found when selecting for update.")
        version = {"@odata.etag": f'W/"{next(self.numbers)}"'}
        self.headers[key] = {**self.headers[key], **changes, **version}

    def answer(
        self, method: str, key: Key, changes: Mapping[str, Any] | None, etag: str
    ) -> requests.Response:
        """Answer a DELETE or PATCH of one header under a condition."""
        header = self.headers.get(key)
        if header is None:
            gone = b'{"error": {"message": "No HTTP resource was found"}}'
            return PartResponse(404, body=gone).as_response()
        if etag and header["@odata.etag"] != etag:
            return PartResponse(412).as_response()
        if method == "DELETE":
            self.delete(HEADERS, {"dataAreaId": key[0], "HeaderReference": key[1]})
        else:
            self.update(key, changes or {})
        return PartResponse(204).as_response()

    def carry_out(self, operations: Sequence[Operation]) -> tuple[PartResponse, ...]:
        headers, lines = dict(self.headers), {key: dict(of) for key, of in self.lines.items()}
        answers = []
        try:
            for operation in operations:
                if not operation.deletes:
                    self.create(operation.entity_set, operation.row)
                elif not self.delete(operation.entity_set, operation.row):
                    raise refused("No resources were found when selecting for update.")
                answers.append(PartResponse(204 if operation.deletes else 201))
        except BusinessRefusal:
            self.headers, self.lines = headers, lines
            raise
        return tuple(answers)

    # What a client reads

    def rows(self, entity_set: str) -> Iterable[Row]:
        tables: dict[str, Callable[[], Iterable[Row]]] = {
            HEADERS: self.headers.values,
            LINES: lambda: [line for of in self.lines.values() for line in of.values()],
            POSTED: self.posted.values,
            TRANSACTIONS: self.transactions.values,
            SETTLEMENTS: self.settlements.values,
        }
        return tables[entity_set]()

    def wanted(self, entity_set: str, keys: Iterable[Mapping[str, Any]]) -> list[Row]:
        wanted = WantedKeys(keys)
        return [dict(row) for row in self.rows(entity_set) if wanted.include(row)]

    # What its people do

    def post(self, key: Key) -> Key:
        """Turn a pending invoice into a posted one; returns its legal entity and voucher."""
        header = self.headers.pop(key)
        nets = tuple(line["NetAmount"] for _, line in sorted(self.lines.pop(key).items()))
        number = sum(entity == key[0] for entity, _ in self.posted) + 1
        voucher = key[0], f"APIN-{number:06}"
        rec_id = next(self.numbers)
        total = sum(nets, ZERO)
        self.posted_lines[voucher] = nets
        self.posted[voucher] = {
            "dataAreaId": header["dataAreaId"],
            "SourceKey": rec_id,
            "InvoiceId": header["InvoiceNumber"],
            "InvoiceAccount": header["InvoiceAccount"],
            "CurrencyCode": header["Currency"],
            "InvoiceAmount": total,
            "ImportedAmount": header["ImportedAmount"],
            "LedgerVoucher": voucher[1],
            "InternalInvoiceId": key[1],
            "DocumentDate": header["InvoiceDate"],
            "Description": header["InvoiceDescription"],
        }
        self._transaction(
            rec_id,
            "Purch",
            voucher,
            -total,
            AccountNum=header["InvoiceAccount"],
            Invoice=header["InvoiceNumber"],
            DocumentDate=header["InvoiceDate"],
        )
        return voucher

    def pay(self, voucher: Key, amount: Decimal, discount: Decimal) -> Key:
        """Pay an invoice, in part or whole; returns the payment's legal entity and voucher."""
        invoice = self.transaction(voucher)
        payment = voucher[0], f"APPM-{next(self.numbers):06}"
        rec_id = next(self.numbers)
        self._transaction(
            rec_id,
            "Payment",
            payment,
            amount,
            AccountNum=invoice["AccountNum"],
            PaymMode="ELECTRONIC",
            PaymReference=f"REF-{rec_id}",
        )
        self.payments.append(Paid(voucher, payment, amount, discount))
        self._settle(invoice, self.transactions[rec_id], amount, discount, payment)
        return payment

    def reverse(self, payment: Key) -> None:
        """Take a payment back: its settlements are undone."""
        for paid in [paid for paid in self.payments if paid.payment == payment]:
            self.payments.remove(paid)
            invoice, offset = self.transaction(paid.invoice), self.transaction(payment)
            voucher = f"APRP-{next(self.numbers):06}"
            self._settle(invoice, offset, -paid.amount, -paid.discount, voucher)

    def open_of(self, voucher: Key) -> Decimal:
        mine = [paid for paid in self.payments if paid.invoice == voucher]
        total: Decimal = self.posted[voucher]["InvoiceAmount"]
        return total - sum((paid.amount + paid.discount for paid in mine), ZERO)

    def paid_of(self, voucher: Key) -> tuple[Decimal, Decimal]:
        """Paid total and cash discount of a posted invoice: the truth, kept beside the rows."""
        mine = [paid for paid in self.payments if paid.invoice == voucher]
        amounts = sum((paid.amount for paid in mine), ZERO)
        return amounts, sum((paid.discount for paid in mine), ZERO)

    def was_settled(self, voucher: Key) -> bool:
        rec_id = self.transaction(voucher)["SourceKey"]
        return any(row["TransRecId"] == rec_id for row in self.settlements.values())

    def transaction(self, voucher: Key) -> Row:
        return next(
            row
            for row in self.transactions.values()
            if (row["dataAreaId"], row["Voucher"]) == voucher
        )

    def holdings(self) -> list[Holding]:
        """All invoices, pending and posted."""
        pending = [
            Holding(
                key,
                False,
                header["InvoiceAccount"],
                header["InvoiceNumber"],
                header["InvoiceDescription"],
                header["ImportedAmount"],
                tuple(line["NetAmount"] for _, line in sorted(self.lines[key].items())),
            )
            for key, header in self.headers.items()
        ]
        return pending + [
            Holding(
                voucher,
                True,
                row["InvoiceAccount"],
                row["InvoiceId"],
                row["Description"],
                row["ImportedAmount"],
                self.posted_lines[voucher],
            )
            for voucher, row in self.posted.items()
        ]

    def _transaction(
        self, rec_id: int, kind: str, voucher: Key, amount: Decimal, **more: Any
    ) -> None:
        self.transactions[rec_id] = {
            "dataAreaId": voucher[0],
            "SourceKey": rec_id,
            "TransType": kind,
            "Voucher": voucher[1],
            "TransDate": f"{DAY}T12:00:00Z",
            "AmountCur": amount,
            "CurrencyCode": CURRENCY,
            "Closed": "1900-01-01T12:00:00Z",
            "JournalNum": "",
            "Prepayment": "No",
            **more,
        }

    def _settle(
        self, invoice: Row, payment: Row, amount: Decimal, discount: Decimal, voucher: str
    ) -> None:
        created = stamp(self.clock())
        sides = ((invoice, payment, -(amount + discount), -discount), (payment, invoice, amount, 0))
        for mine, theirs, settled, taken in sides:
            rec_id = next(self.numbers)
            self.settlements[rec_id] = {
                "dataAreaId": mine["dataAreaId"],
                "SourceKey": rec_id,
                "TransRecId": mine["SourceKey"],
                "TransCompany": mine["dataAreaId"],
                "OffsetRecid": theirs["SourceKey"],
                "OffsetCompany": theirs["dataAreaId"],
                "OffsetTransVoucher": theirs["Voucher"],
                "SettlementVoucher": voucher,
                "SettleAmountCur": settled,
                "UtilizedCashDisc": taken,
                "TransDate": f"{DAY}T12:00:00Z",
                "CreatedOn": created,
            }
        whole = not self.open_of((invoice["dataAreaId"], invoice["Voucher"]))
        invoice["Closed"] = f"{DAY if whole else '1900-01-01'}T12:00:00Z"


def key_of(row: Mapping[str, Any]) -> Key:
    return str(row["dataAreaId"]), str(row["HeaderReference"]).upper()


@dataclass
class DynamicsClient:
    """What InvoiceCourier and PaymentReader ask of D365Client and Reader, for one process."""

    books: Dynamics
    process: Process
    environment: str = "https://dynamics.example"

    def lookup(
        self, entity_set: str, keys: Iterable[Mapping[str, Any]], *_: Any, **__: Any
    ) -> Iterator[Row]:
        wanted = list(keys)
        if wanted:
            yield from self.process.read(lambda: self.books.wanted(entity_set, wanted))

    def look_up_all(self, look_ups: Sequence[LookUp]) -> list[list[Row]]:
        return [list(self.lookup(asked.entity_set, asked.keys)) for asked in look_ups]

    def get_row(
        self, entity_set: str, key: Mapping[str, Any], *, select: Sequence[str] = ()
    ) -> Row | None:
        return next(self.lookup(entity_set, [key]), None)

    def create(self, entity_set: str, row: Mapping[str, Any]) -> Row:
        return dict(self.process.write(lambda: self.books.create(entity_set, row)))

    def delete(self, entity_set: str, key: Mapping[str, Any]) -> bool:
        return self.process.write(lambda: self.books.delete(entity_set, key))

    def update(self, entity_set: str, key: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
        assert entity_set == HEADERS
        self.process.write(lambda: self.books.update(key_of(key), changes))

    def url(self, entity_set: str, key: Mapping[str, Any]) -> Key:
        assert entity_set == HEADERS
        return key_of(key)

    def request(
        self,
        method: str,
        url: Key,
        *,
        json_body: Mapping[str, Any] | None,
        headers: Mapping[str, str],
        accept: Collection[int],
    ) -> requests.Response:
        etag = headers.get("If-Match", "")
        response = self.process.write(lambda: self.books.answer(method, url, json_body, etag))
        assert response.status_code < 400 or response.status_code in accept
        return response

    def creation(self, entity_set: str, row: Mapping[str, Any]) -> Operation:
        return Operation(False, entity_set, row)

    def deletion(self, entity_set: str, key: Mapping[str, Any]) -> Operation:
        return Operation(True, entity_set, key)

    def changeset(self, operations: Sequence[Operation]) -> tuple[PartResponse, ...]:
        return self.process.write(lambda: self.books.carry_out(operations))

    def batch(self, changesets: Sequence[Changeset]) -> list[ChangesetResult]:
        done = len(changesets)
        if self.process.next_fault is Fault.HALF_DONE:
            done //= 2
        try:
            return self.process.write(
                lambda: [self._judged(each.operations) for each in changesets[:done]]
            )
        except (InDoubt, Unavailable) as error:
            return [ChangesetResult(error=error)] * len(changesets)

    def _judged(self, operations: Any) -> ChangesetResult:
        try:
            return ChangesetResult(self.books.carry_out(operations))
        except BusinessRefusal as refusal:
            return ChangesetResult(error=refusal)

    # Reader

    def has(self, entity_set: str, field: str = "") -> bool:
        return entity_set in {POSTED, TRANSACTIONS, SETTLEMENTS}

    def settled_since(self, since: str) -> list[Row]:
        """The crawl of the stream of payments."""
        rows = self.books.settlements.values
        return self.process.read(lambda: [dict(r) for r in rows() if r["CreatedOn"] >= since])
