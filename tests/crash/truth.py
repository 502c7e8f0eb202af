"""Was the promise kept? Read from what both systems hold, never from a ledger or a log."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any

from sandbox.d365fo.vendor_invoices import PARTS
from sandbox.reconciliation import CORRELATION, Books
from sandbox.reconciliation_payments import Paid, paid_by_dynamics, payment_problems
from sandbox.server import Sandbox

from tests.crash.world import CrashWorld

Row = Mapping[str, Any]
_CONFIRMED = ("Transferred", "Paid")
_NOTHING = Decimal(0)


@dataclass
class Verdict:
    """What is wrong, in words; all lists empty = the promise was kept."""

    duplicates: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    half_written: list[str] = field(default_factory=list)
    unconfirmed: list[str] = field(default_factory=list)
    wrong_amounts: list[str] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems()

    def problems(self) -> list[str]:
        """Everything that is wrong, each with its kind."""
        return [f"{kind}: {words}" for kind, found in self._kinds() for words in found]

    def counts(self) -> dict[str, int]:
        """How many of each kind, by the kind's name: `half-written`, `wrong amounts`, …"""
        return {kind: len(found) for kind, found in self._kinds()}

    def __str__(self) -> str:
        """`duplicates: 0, lost: 0, half-written: 0, unconfirmed: 0, wrong amounts: 0`."""
        return ", ".join(f"{kind}: {count}" for kind, count in self.counts().items())

    def __add__(self, other: Verdict) -> Verdict:
        """Both verdicts in one."""
        return Verdict(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def _kinds(self) -> Iterator[tuple[str, list[str]]]:
        names = {"half_written": "half-written", "wrong_amounts": "wrong amounts"}
        for each in fields(self):
            yield names.get(each.name, each.name), getattr(self, each.name)


@dataclass(frozen=True)
class Holding:
    """A vendor invoice as Dynamics holds it; `voucher` of a posted one, `lines` are net amounts."""

    legal_entity: str
    reference: str
    vendor: str
    number: str
    currency: str
    gross: Decimal
    tax: Decimal
    lines: tuple[Decimal, ...]
    document_id: str
    voucher: str = ""

    @property
    def natural_key(self) -> tuple[str, str, str]:
        """Legal entity, vendor and invoice number."""
        return self.legal_entity, self.vendor.casefold(), self.number.casefold()

    @property
    def name(self) -> str:
        """What it is called in words."""
        where = f"posted as {self.voucher}" if self.voucher else f"pending as {self.reference}"
        return f"{self.legal_entity} invoice {self.number} {where}"

    def is_whole(self) -> bool:
        """Whether it has lines, and these come to its gross amount."""
        return bool(self.lines) and sum(self.lines, self.tax) == self.gross

    def differences(self, document: Row, legal_entity: str) -> list[str]:
        """How it differs from an approved invoice."""
        rows = document["codingRows"]
        checks = (
            ("legal entity", legal_entity, self.legal_entity),
            ("vendor", document["supplierCode"], self.vendor),
            ("number", document["invoiceNumber"], self.number),
            ("currency", document["currencyCode"], self.currency),
            ("gross amount", Decimal(document["grossSum"]), self.gross),
            ("tax", sum((Decimal(row["taxSum"]) for row in rows), _NOTHING), self.tax),
            ("lines", tuple(sorted(Decimal(row["netTotal"]) for row in rows)), self.lines),
        )
        return [
            f"{what} is {_shown(theirs)}, approved is {_shown(ours)}"
            for what, ours, theirs in checks
            if ours != theirs
        ]


def judge(sandbox: Sandbox, world: CrashWorld, *, final: bool, atomic: bool = True) -> Verdict:
    """Compare what both systems hold with what was promised.

    What must hold at any moment is always judged: nothing twice, nothing confirmed that Dynamics
    does not hold, no amount that was never approved or paid, and with `atomic` (header and lines in
    one transaction) nothing half. `final`: all runs are done, so everything has to be in its place.
    """
    case = _Case.of(sandbox, world)
    verdict = Verdict()
    _find_duplicates(case, verdict)
    if atomic or final:
        _find_halves(case, verdict)
    for document in case.documents:
        _judge_document(case, document, verdict, final=final)
        _judge_payments(case, document, verdict, final=final)
    if final:
        _judge_twins(case, verdict)
    return verdict


@dataclass(frozen=True)
class _Case:
    """Both systems at one moment."""

    world: CrashWorld
    documents: Sequence[Row]
    books: Books
    orphans: list[str]
    holdings: list[Holding]
    held: Mapping[str, list[Holding]]  # by invoiceId

    @classmethod
    def of(cls, sandbox: Sandbox, world: CrashWorld) -> _Case:
        with sandbox.basware.lock, sandbox.d365fo.store.lock:
            documents = [d for d in sandbox.basware.documents() if d["invoiceId"] in world.history]
            books = Books.of(sandbox.d365fo)
            orphans = _orphans(sandbox)
        holdings = [*_pending(books), *_posted(books)]
        held: dict[str, list[Holding]] = defaultdict(list)
        for holding in holdings:
            held[holding.document_id].append(holding)
        return cls(world, documents, books, orphans, holdings, held)

    def legal_entity(self, document: Row) -> str:
        return self.world.legal_entities.get(document["companyCode"], "")

    def was_approved(self, document: Row, holding: Holding) -> bool:
        """Whether Dynamics holds an earlier version of the document, or the present one."""
        return any(
            not holding.differences(version, self.legal_entity(document))
            for version in self.world.history[document["invoiceId"]]
        )

    def refused_edit(self, document: Row) -> bool:
        """Whether Basware says why Dynamics keeps an earlier version of the document."""
        holdings = self.held.get(document["invoiceId"], [])
        return (
            document["processingStatus"] == "TransferFailed"
            and bool(_reason(document))
            and len(holdings) == 1
            and bool(holdings[0].differences(document, self.legal_entity(document)))
            and self.was_approved(document, holdings[0])
        )


def _find_duplicates(case: _Case, verdict: Verdict) -> None:
    for document_id, holdings in case.held.items():
        if document_id and len(holdings) > 1:
            places = " and ".join(holding.name for holding in holdings)
            verdict.duplicates.append(f"{document_id} is held {len(holdings)} times: {places}")
    keys = Counter(holding.natural_key for holding in case.holdings)
    by_key = {holding.natural_key: holding for holding in case.holdings}
    for key, count in keys.items():
        ids = {holding.document_id for holding in case.holdings if holding.natural_key == key}
        if count > 1 and len(ids) > 1:
            verdict.duplicates.append(f"{by_key[key].name}: {count} hold its number")


def _find_halves(case: _Case, verdict: Verdict) -> None:
    verdict.half_written += case.orphans
    known = {document["invoiceId"] for document in case.documents}
    for holding in case.holdings:
        if holding.document_id not in known:
            verdict.half_written.append(f"{holding.name}: Basware has no such invoice")
        elif not holding.is_whole():
            lines = sum(holding.lines, holding.tax)
            verdict.half_written.append(
                f"{holding.name}: {len(holding.lines)} lines and tax come to {lines}, "
                f"the header to {holding.gross}"
            )


def _judge_document(case: _Case, document: Row, verdict: Verdict, *, final: bool) -> None:
    holdings = case.held.get(document["invoiceId"], [])
    name, status = _name(document), document["processingStatus"]
    if status in _CONFIRMED and not holdings:
        verdict.unconfirmed.append(f"{name}: {status} in Basware, Dynamics does not hold it")
    for holding in holdings:
        if holding.is_whole() and not case.was_approved(document, holding):
            _say_differences(case, document, holding, verdict)
    if not final:
        return
    if holdings:
        _judge_held(case, document, verdict)
    else:
        _judge_missing(case, document, verdict)


def _judge_held(case: _Case, document: Row, verdict: Verdict) -> None:
    status = document["processingStatus"]
    if case.refused_edit(document):
        return
    if status not in _CONFIRMED:
        words = f": {_reason(document)}" if status == "TransferFailed" else ""
        verdict.unconfirmed.append(
            f"{_name(document)}: Dynamics holds it, it is {status} in Basware{words}"
        )
    for holding in case.held[document["invoiceId"]]:
        if case.was_approved(document, holding):  # others are named already
            _say_differences(case, document, holding, verdict)


def _say_differences(case: _Case, document: Row, holding: Holding, verdict: Verdict) -> None:
    verdict.wrong_amounts += [
        f"{holding.name}: {difference}"
        for difference in holding.differences(document, case.legal_entity(document))
    ]


def _judge_missing(case: _Case, document: Row, verdict: Verdict) -> None:
    """Of a document that Dynamics does not hold: it was rejected, with the right words."""
    name, status, reason = _name(document), document["processingStatus"], _reason(document)
    if status in _CONFIRMED:
        return  # said already
    if status != "TransferFailed":
        verdict.lost.append(f"{name}: still {status} in Basware, Dynamics does not hold it")
        return
    wanted = case.world.rejected.get(document["invoiceId"])
    if not reason:
        verdict.unconfirmed.append(f"{name}: rejected without a reason")
    elif wanted is None and document["invoiceId"] not in case.world.twins:
        verdict.lost.append(f"{name}: nothing is wrong with it, rejected with: {reason}")
    elif wanted is not None and wanted.casefold() not in reason.casefold():
        verdict.unconfirmed.append(f"{name}: the reason does not name {wanted}: {reason}")


def _judge_twins(case: _Case, verdict: Verdict) -> None:
    """Of two documents with one number, one is held."""
    twins = [document for document in case.documents if document["invoiceId"] in case.world.twins]
    rejected = [each for each in twins if each["processingStatus"] == "TransferFailed"]
    if len(rejected) == len(twins) and not any(case.held.get(each["invoiceId"]) for each in twins):
        verdict.lost.append(f"{_name(twins[0])}: both documents with this number were rejected")


def _judge_payments(case: _Case, document: Row, verdict: Verdict, *, final: bool) -> None:
    holdings = [each for each in case.held.get(document["invoiceId"], []) if each.voucher]
    vouchers = {(holding.legal_entity, holding.voucher) for holding in holdings}
    history = [paid for key, paid in _paid_over_time(case.books) if key in vouchers]
    totals = {paid.total for paid in history}
    responses = [each for each in document.get("paymentResponses") or () if each["success"]]
    name = _name(document)
    for response in responses:
        told = Decimal(response.get("paidTotal", 0))
        if told not in totals:
            verdict.wrong_amounts.append(f"{name}: Basware was told {told} paid, which never was")
    if not final or case.refused_edit(document):
        return  # Basware takes no payment of an invoice that it shows as refused
    verdict.wrong_amounts += [
        f"{name}: {problem}"
        for problem in payment_problems(document, history[-1] if history else None)
    ]
    if responses and vouchers:
        shown = Decimal(responses[-1].get("cashDiscount", 0))
        taken = sum((_discount(case.books, *voucher) for voucher in vouchers), _NOTHING)
        if shown != taken:
            verdict.wrong_amounts.append(
                f"{name}: Dynamics gave {taken} cash discount, Basware shows {shown}"
            )


def _paid_over_time(books: Books) -> Iterator[tuple[tuple[str, str], Paid]]:
    """Legal entity and voucher of an invoice, and what is paid of it after each settlement."""
    rows = sorted(books.settlements, key=lambda row: int(row["SourceKey"]))
    before: dict[tuple[str, str], Paid] = {}
    for count in range(1, len(rows) + 1):
        paid = paid_by_dynamics(books.transactions, rows[:count])
        yield from ((key, each) for key, each in paid.items() if before.get(key) != each)
        before = paid


def _discount(books: Books, legal_entity: str, voucher: str) -> Decimal:
    """The cash discount that was given for a posted invoice, negative for a credit note."""
    ids = {
        row["SourceKey"]
        for row in books.transactions
        if (row["dataAreaId"].lower(), row["Voucher"]) == (legal_entity, voucher)
    }
    return sum(
        (
            Decimal(row["UtilizedCashDisc"])
            for row in books.settlements
            if row["TransRecId"] in ids and row["TransCompany"].lower() == legal_entity
        ),
        _NOTHING,
    )


def _pending(books: Books) -> Iterator[Holding]:
    lines = _amounts(books.lines, "HeaderReference", "NetAmount")
    for row in books.headers:
        legal_entity, reference = row["dataAreaId"].lower(), row["HeaderReference"]
        yield Holding(
            legal_entity,
            reference,
            row["InvoiceAccount"],
            row["InvoiceNumber"],
            row["Currency"],
            Decimal(row["ImportedAmount"]),
            Decimal(row["ImportedSalesTax"]),
            lines.get((legal_entity, reference), ()),
            _document_id(row["InvoiceDescription"]),
        )


def _posted(books: Books) -> Iterator[Holding]:
    lines = _amounts(books.posted_lines, "InternalInvoiceId", "LineAmount")
    for row in books.posted:
        legal_entity, reference = row["dataAreaId"].lower(), row["InternalInvoiceId"]
        yield Holding(
            legal_entity,
            reference,
            row["InvoiceAccount"],
            row["InvoiceId"],
            row["CurrencyCode"],
            Decimal(row["InvoiceAmount"]),
            Decimal(row["SumTax"]),
            lines.get((legal_entity, reference), ()),
            _document_id(row["Description"]),
            row["LedgerVoucher"],
        )


def _amounts(
    rows: Iterable[Row], reference: str, amount: str
) -> dict[tuple[str, str], tuple[Decimal, ...]]:
    """The net amounts of an invoice's lines, sorted, by legal entity and reference."""
    found: dict[tuple[str, str], list[Decimal]] = defaultdict(list)
    for row in rows:
        found[row["dataAreaId"].lower(), row[reference]].append(Decimal(row[amount]))
    return {key: tuple(sorted(amounts)) for key, amounts in found.items()}


def _orphans(sandbox: Sandbox) -> list[str]:
    """Lines, charges and attachments in Dynamics without their header."""
    headers = {
        (row["dataAreaId"].lower(), row["HeaderReference"].lower())
        for row in sandbox.d365fo.rows("VendorInvoiceHeaders")
    }
    return [
        f"{row['dataAreaId']} {name}: a row of {row['HeaderReference']}, which does not exist"
        for name in PARTS
        for row in sandbox.d365fo.rows(name)
        if (row["dataAreaId"].lower(), row["HeaderReference"].lower()) not in headers
    ]


def _document_id(description: str) -> str:
    named = CORRELATION.search(description)
    return named.group(1) if named else ""


def _reason(document: Row) -> str:
    """Why Basware shows a document as failed."""
    responses = document.get("transferResponses") or [{}]
    last = responses[-1]
    return "" if last.get("success") else str(last.get("responseMessage") or "")


def _name(document: Row) -> str:
    return f"invoice {document['invoiceNumber']} ({document['invoiceId']})"


def _shown(value: object) -> str:
    return " + ".join(map(str, value)) if isinstance(value, tuple) else str(value)
