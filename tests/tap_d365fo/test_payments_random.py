"""Whatever accounts payable does, in whatever order: the last record of an invoice is the truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sandbox.server import Sandbox

from tests.tap_d365fo.payment_desk import Desk, Offer, Record, last_by_invoice, offer

AMOUNTS = (1000, 2500, 3333, 99)  # cents
CREDIT = 1500
ACTS = ("pay", "pay", "pay_with_discount", "pay_together", "credit", "apply", "unsettle_invoice")
UNDOING = ("unsettle_invoice", "unsettle_payment", "reverse_payment", "read", "wait")


@dataclass
class Settlement:
    """What a test knows of a settlement; amounts in cents, `offset` is the other voucher."""

    invoice: str
    offset: str
    paid: int
    discount: int = 0


@dataclass
class Books:
    """The truth, kept without looking into the sandbox: what is settled with what right now."""

    desk: Desk
    invoices: dict[str, int] = field(default_factory=dict)
    payments: dict[str, int] = field(default_factory=dict)
    settlements: list[Settlement] = field(default_factory=list)
    credit: str = ""

    def open_of(self, invoice: str) -> int:
        mine = [s for s in self.settlements if s.invoice == invoice]
        return self.invoices[invoice] - sum(s.paid + s.discount for s in mine)

    def left_of(self, offset: str) -> int:
        whole = CREDIT if offset == self.credit else self.payments[offset]
        return whole - sum(s.paid for s in self.settlements if s.offset == offset)

    def truth(self, invoice: str) -> tuple[Decimal, Decimal, bool]:
        """Paid total, cash discount, and whether nothing is open."""
        mine = [s for s in self.settlements if s.invoice == invoice]
        paid = sum(s.paid for s in mine if s.offset != self.credit)
        discount = sum(s.discount for s in mine)
        return euros(paid), euros(discount), self.open_of(invoice) == 0

    def act(self, name: str, first: int, second: int) -> None:
        """Do one thing, if it can be done; the numbers choose what and how much."""
        open_ones = [voucher for voucher in self.invoices if self.open_of(voucher) > 0]
        invoice = chosen(open_ones, first)
        match name:
            case "pay" | "pay_with_discount" if invoice:
                due = self.open_of(invoice)
                discount = min(second % 7, due - 1) if name == "pay_with_discount" else 0
                self.pay({invoice: 1 + second % (due - discount)}, {invoice: discount})
            case "pay_together" if open_ones:
                self.pay({voucher: self.open_of(voucher) for voucher in open_ones}, {})
            case "credit" if invoice and self.left_of(self.credit) > 0:
                self.apply(self.credit, invoice, 1 + second)
            case "apply" if invoice:
                free = [voucher for voucher in self.payments if self.left_of(voucher) > 0]
                if payment := chosen(free, second):
                    self.apply(payment, invoice, 1 + first * 100)
            case "unsettle_invoice":
                self.unsettle(chosen([s.invoice for s in self.settlements], first))
            case "unsettle_payment":
                self.unsettle(chosen([s.offset for s in self.settlements], first))
            case "reverse_payment" if payment := chosen(list(self.payments), first):
                self.desk.dynamics.reverse_payment("usmf", payment)
                del self.payments[payment]
                self.settlements = [s for s in self.settlements if s.offset != payment]
            case "wait":
                self.desk.later(first)

    def pay(self, amounts: dict[str, int], discounts: dict[str, int]) -> None:
        voucher = self.desk.dynamics.pay_invoices(
            "usmf",
            {invoice: euros(amount) for invoice, amount in amounts.items()},
            {invoice: euros(amount) for invoice, amount in discounts.items()},
        )
        self.payments[voucher] = sum(amounts.values())
        self.settlements += [
            Settlement(invoice, voucher, amount, discounts.get(invoice, 0))
            for invoice, amount in amounts.items()
        ]

    def apply(self, offset: str, invoice: str, most: int) -> None:
        amount = min(most, self.open_of(invoice), self.left_of(offset))
        self.desk.dynamics.apply_prepayment("usmf", offset, {invoice: euros(amount)})
        self.settlements.append(Settlement(invoice, offset, amount))

    def unsettle(self, voucher: str | None) -> None:
        if voucher:
            self.desk.dynamics.unsettle("usmf", voucher)
            self.settlements = [s for s in self.settlements if voucher not in {s.invoice, s.offset}]


def euros(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)


def chosen(items: list[str], number: int) -> str | None:
    return items[number % len(items)] if items else None


@pytest.fixture(scope="module")
def offered(sandbox_server: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Offer:
    return offer(sandbox_server, tmp_path_factory.mktemp("metadata"))


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    acts=st.lists(
        st.tuples(st.sampled_from(ACTS + UNDOING), st.integers(0, 40), st.integers(0, 5000)),
        min_size=4,
        max_size=25,
    )
)
def test_the_last_record_of_each_invoice_is_the_truth(
    sandbox: Sandbox, offered: Offer, acts: list[tuple[str, int, int]]
) -> None:
    sandbox.reset()
    desk = Desk.open(sandbox, offered)
    books = Books(desk, {desk.post(str(euros(amount))): amount for amount in AMOUNTS})
    books.credit = desk.post(str(-euros(CREDIT)))
    seen: list[Record] = []
    for name, first, second in acts:
        if name == "read":
            seen += desk.read()
        books.act(name, first, second)
    seen += desk.read()
    whole = desk.read_all()

    by_settlement = {record["settlement_id"]: record for record in whole}
    # What is read piecemeal is what is read at once, and repeats are word for word the same.
    assert all(by_settlement[record["settlement_id"]] == record for record in seen)
    assert {record["settlement_id"] for record in seen} == by_settlement.keys()
    for records in (seen, whole):
        last = last_by_invoice(records)
        for voucher in books.invoices:
            told = last.get(voucher)
            known = (
                (told["paid_total"], told["cash_discount"], told["fully_paid"])
                if told
                else (0, 0, False)
            )
            assert known == books.truth(voucher)
            held = desk.transaction(voucher)
            assert -held["SettleAmountCur"] == euros(
                books.invoices[voucher] - books.open_of(voucher)
            )
            assert held["Closed"].startswith("1900") != known[2]
