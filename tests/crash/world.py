"""The world of the crash tests: approved invoices, and the clerks who post and pay them."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sandbox.d365fo.posting import PostingError
from sandbox.d365fo.state import D365State
from sandbox.seed import World, small_world
from sandbox.seed.builders import accounting_document, coding_row
from sandbox.seed.common import SEED_TIME, code32, later, rounded
from sandbox.seed.companies import DEMF, USMF, Company, decimals_of
from sandbox.seed.terms import TAXES
from sandbox.seed.world import Row
from sandbox.server import Sandbox

MAPPING_FILE = Path(__file__).parents[2] / "mapping.yml"
LEGAL_ENTITIES = ("usmf", "demf")

#: Good ones, of any company and vendor, by what they are.
COMMON = ("one line", "lines", "foreign")
#: What the invoices are, in this order; the first six are in every world.
KINDS = (
    "lines", "twin", "twin", "on hold", "credit", "one line",
    "unknown supplier", "foreign", "unmapped tax", "many lines",
    "lines", "one line", "foreign", "lines", "one line",
    "one line", "lines", "foreign", "one line", "lines",
    "one line", "lines", "foreign", "one line", "lines",
)  # fmt: skip
#: Kind -> part of the words with which it has to be rejected.
REJECTED = {"on hold": "on hold", "unknown supplier": "9999", "unmapped tax": "DE16"}


@dataclass
class CrashWorld:
    """What is loaded into a sandbox, and what has to come of it.

    `documents` are Basware's approved invoices, `rejected` maps the invoiceId of those that cannot
    be delivered to a part of the reason. `twins` are two of the others with one vendor and number:
    one of them has to be delivered, the other one rejected. `history` keeps, by invoiceId, every
    content that was approved, the latest last. `mapping` is the text of mapping.yml.
    """

    seed: World
    documents: list[Row]
    rejected: dict[str, str]
    twins: tuple[str, str]
    mapping: str
    history: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))

    @property
    def legal_entities(self) -> dict[str, str]:
        """Basware's company code -> legal entity."""
        return {company.code: company.legal_entity for company in (USMF, DEMF)}

    def load(self, sandbox: Sandbox, *, number_sequence: bool = False) -> None:
        """Replace what both systems hold; `number_sequence`: Dynamics forbids manual numbers."""
        sandbox.load(self.seed)
        sandbox.switches.d365fo.manual_header_reference = not number_sequence
        self.history.clear()
        for document in self.documents:
            self.history[document["invoiceId"]].append(document)

    def edit(self, sandbox: Sandbox, invoice_id: str, rng: random.Random) -> None:
        """Someone in P2P changes the amounts of an invoice and sends it out again."""
        row = next(each for each in self.documents if each["invoiceId"] == invoice_id)
        changed = _priced_anew(row, rng)
        sums = ("codingRows", "netSum", "taxSum1", "grossSum", "netSumCompany", "taxSum1Company")
        changes = {name: changed[name] for name in (*sums, "grossSumCompany")}
        # Amounts on the way to which no cash discount is left that no longer fits.
        sandbox.basware.retransfer(invoice_id, **changes, cashSum=None)
        self.history[invoice_id].append(row | changes)


def build_world(
    invoices: int = 25, *, seed: int = 1, twins: bool = True, duplicate_check: bool = True
) -> CrashWorld:
    """A world of `invoices` documents in two legal entities and two currencies.

    The same arguments give the same world. Without `twins`, the pair with one number has two.
    Without `duplicate_check` the legal entities accept duplicates, and Dynamics refuses none.
    Raises ValueError for fewer than six invoices.
    """
    if not 6 <= invoices <= len(KINDS):
        msg = f"6 to {len(KINDS)} invoices, not {invoices}"
        raise ValueError(msg)
    rng = random.Random(seed)
    world = small_world(LEGAL_ENTITIES)
    if not duplicate_check:
        for parameters in world.d365fo["VendorParameters"]:
            parameters["IsCheckInvoiceNumberUsed"] = "AcceptDuplicate"
    writer = _Writer(rng, twins=twins)
    for kind in KINDS[:invoices]:
        writer.write(kind)
    del world.basware["companies"]
    world.basware = {"accountingDocuments": writer.documents}
    one, other = writer.pair
    return CrashWorld(
        world, writer.documents, writer.rejected, (one, other), MAPPING_FILE.read_text("utf-8")
    )


@dataclass
class _Writer:
    rng: random.Random
    twins: bool
    documents: list[Row] = field(default_factory=list)
    rejected: dict[str, str] = field(default_factory=dict)
    pair: list[str] = field(default_factory=list)

    def write(self, kind: str) -> None:
        number = len(self.documents) + 1
        company = DEMF if kind == "unmapped tax" or number % 3 == 0 else USMF
        options: dict[str, Any] = {"number": f"CR-{number:03d}", "invoice_id": _uuid(number)}
        options["rows"] = self._rows(kind, company)
        options["last_updated"] = SEED_TIME + timedelta(seconds=number)
        options["invoice_date"] = later(-20 + number % 7)
        supplier = 1 if kind not in COMMON else self.rng.choice((1, 2, 6))
        match kind:
            case "twin":
                self._twin(options)
                return
            case "on hold":
                supplier = 3
            case "foreign":
                supplier, options["currency"] = 4, "EUR" if company is USMF else "USD"
            case "unknown supplier":
                supplier = 9999
        self._add(company, kind, supplier, options)

    def _twin(self, options: dict[str, Any]) -> None:
        """Of one vendor and number with the same content: only the invoiceId differs."""
        if self.pair and self.twins:
            first = self.documents[-1]
            again = first | {"invoiceId": options["invoice_id"], "bumid": code32("twin")}
            self.documents.append(again)
        else:
            self._add(USMF, "twin", 2, options)
        self.pair.append(options["invoice_id"])

    def _add(self, company: Company, kind: str, supplier: int, options: dict[str, Any]) -> None:
        account = f"{company.prefix}-{supplier:04d}"
        document = accounting_document(company=company.code, supplier=account, **options)
        self.documents.append(document)
        if kind in REJECTED:
            self.rejected[document["invoiceId"]] = REJECTED[kind]

    def _rows(self, kind: str, company: Company) -> list[Row]:
        count = {"lines": self.rng.randint(2, 5), "many lines": 12}.get(kind, 1)
        sign = -1 if kind == "credit" else 1
        taxes = [tax.code for tax in TAXES[company.legal_entity]]
        if kind == "unmapped tax":
            taxes = ["DE16"]
        return [
            coding_row(sign * self._amount(), tax_code=self.rng.choice(taxes), text=f"Row {row}")
            for row in range(1, count + 1)
        ]

    def _amount(self) -> Decimal:
        return Decimal(self.rng.randint(1_000, 400_000)) / 100


def _uuid(number: int) -> str:
    text = code32("crash", number)
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _priced_anew(document: Row, rng: random.Random) -> Row:
    """The document with other amounts that agree with each other."""
    sign = -1 if document["grossSum"] < 0 else 1
    rows = [
        coding_row(
            sign * Decimal(rng.randint(1_000, 90_000)) / 100,
            account=row["accountCode"],
            tax_code=row["taxCode"],
            text=row.get("text1"),
        )
        for row in document["codingRows"]
    ]
    return accounting_document(
        company=document["companyCode"],
        supplier=document["supplierCode"],
        number=document["invoiceNumber"],
        invoice_id=document["invoiceId"],
        currency=document["currencyCode"],
        rows=rows,
    )


# -- what people do in Dynamics

Pay = Callable[[D365State, Row], None]
#: Ways to be paid, each a step at a time; invoices take them in turn, by their number.
WAYS = (
    "whole",
    "in part, then the rest",
    "with cash discount",
    "reversed, then paid again",
    "in part with discount, then the rest",
    "reversed",
    "open",
)


class Clerk:
    """Accounts payable in Dynamics: posts what is pending, pays what is posted, step by step.

    What happens to an invoice follows from its number alone: the same invoices in the same order
    of steps are paid alike, whenever and in whatever order they arrived.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._dynamics = sandbox.d365fo
        self._steps: dict[tuple[str, str], int] = {}

    def post(self, chosen: Callable[[str], bool] = lambda _number: True) -> int:
        """Post the pending invoices, those `chosen` by invoice number; returns how many."""
        pending = sorted(
            self._dynamics.rows("VendorInvoiceHeaders"),
            key=lambda row: (row["dataAreaId"], row["InvoiceNumber"], row["InvoiceDescription"]),
        )
        posted = 0
        for header in pending:
            if not chosen(header["InvoiceNumber"]):
                continue
            try:
                self._dynamics.post_invoice(header["dataAreaId"], header["HeaderReference"])
            except PostingError:  # a header without lines, a duplicate
                continue
            posted += 1
        return posted

    def pay(self, chosen: Callable[[str], bool] = lambda _number: True) -> int:
        """Do the next step of every posted invoice, those `chosen`; returns how many there were."""
        done = 0
        for row in self._dynamics.rows("VendTransBiEntities"):
            if row["TransType"] != "Purch" or not chosen(row["Invoice"]):
                continue
            key = row["dataAreaId"], row["Voucher"]
            step = self._steps.get(key, 0)
            steps = _steps(way_of(row["Invoice"]))
            if step < len(steps):
                self._steps[key] = step + 1
                steps[step](self._dynamics, row)
                done += 1
        return done


def way_of(number: str) -> str:
    """How the invoice with a number is paid."""
    digits = int("".join(filter(str.isdigit, number)) or 0)
    return WAYS[digits % len(WAYS)]


def _steps(way: str) -> tuple[Pay, ...]:
    steps: Mapping[str, tuple[Pay, ...]] = {
        "whole": (_rest(1),),
        "in part, then the rest": (_part("0.4", 1), _rest(9)),
        "with cash discount": (_discounted(2),),
        "reversed, then paid again": (_rest(1), _reverse(4), _rest(8)),
        "in part with discount, then the rest": (_part("0.25", 2, "0.01"), _rest(6)),
        "reversed": (_rest(3), _reverse(5)),
        "open": (),
    }
    return steps[way]


def _rest(days: int) -> Pay:
    def pay(dynamics: D365State, row: Row) -> None:
        dynamics.pay_invoice(row["dataAreaId"], row["Voucher"], **_details(row, days))

    return pay


def _part(share: str, days: int, discount: str = "0") -> Pay:
    def pay(dynamics: D365State, row: Row) -> None:
        dynamics.pay_invoice(
            row["dataAreaId"],
            row["Voucher"],
            _share(row, share),
            cash_discount=str(_share(row, discount)),
            **_details(row, days),
        )

    return pay


def _discounted(days: int) -> Pay:
    def pay(dynamics: D365State, row: Row) -> None:
        discount = str(_share(row, "0.02"))
        dynamics.pay_invoice(
            row["dataAreaId"], row["Voucher"], cash_discount=discount, **_details(row, days)
        )

    return pay


def _reverse(days: int) -> Pay:
    def pay(dynamics: D365State, row: Row) -> None:
        """Take the latest payment back."""
        payments = [
            settlement["OffsetTransVoucher"]
            for settlement in dynamics.rows("VendSettlementBiEntities")
            if settlement["TransRecId"] == row["SourceKey"]
        ]
        dynamics.reverse_payment(row["dataAreaId"], payments[-1], _day(row, days))

    return pay


def _share(row: Row, share: str) -> Decimal:
    due = -Decimal(row["AmountCur"])
    return rounded(due * Decimal(share), decimals_of(row["CurrencyCode"]))


def _details(row: Row, days: int) -> dict[str, str]:
    return {"date": _day(row, days), "reference": f"Ref {row['Invoice']}"[:20]}


def _day(row: Row, days: int) -> str:
    posted = date.fromisoformat(str(row["TransDate"])[:10])
    return (posted + timedelta(days=days)).isoformat()
