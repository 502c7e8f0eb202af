"""The judge of the crash tests sees every way to break the promise, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from sandbox.basware.responses import KINDS
from sandbox.d365fo.vendor_invoices import HEADERS, LINES
from sandbox.server import Sandbox

from tests.crash.truth import Verdict, judge
from tests.crash.world import Clerk, CrashWorld, build_world, way_of

Row = dict[str, Any]


class Hands:
    """Does by hand, in the stores themselves, what the plugins should do."""

    def __init__(self, sandbox: Sandbox, *, invoices: int = 25) -> None:
        self.sandbox = sandbox
        self.world: CrashWorld = build_world(invoices)
        self.world.load(sandbox)
        self.clerk = Clerk(sandbox)
        self.told = 0

    def document(self, number: str) -> Row:
        found = [d for d in self.sandbox.basware.documents() if d["invoiceNumber"] == number]
        return found[0]

    def enter(self, document: Row, reference: str = "", **header: Any) -> str:
        """Write the invoice into Dynamics as a pending one."""
        key = {
            "dataAreaId": self.world.legal_entities[document["companyCode"]],
            "HeaderReference": reference or f"BW{document['invoiceId'][:8]}",
        }
        row = {
            "InvoiceAccount": document["supplierCode"],
            "InvoiceNumber": document["invoiceNumber"],
            "InvoiceDate": document["invoiceDate"],
            "Date": document["voucherDate"],
            "Currency": document["currencyCode"],
            "ImportedAmount": document["grossSum"],
            "ImportedSalesTax": document["taxSum1"],
            "InvoiceDescription": f"Basware {document['invoiceId']}",
        }
        lines = [
            key | {"InvoiceLineNumber": number, "NetAmount": each["netTotal"]}
            for number, each in enumerate(document["codingRows"], 1)
        ]
        self.sandbox.d365fo.load({HEADERS: [key | row | header], LINES: lines})
        return key["HeaderReference"]

    def answer(self, document: Row, kind: str = "transferResponses", **response: Any) -> None:
        """Tell Basware something."""
        self.told += 1
        said = {
            "externalCode": f"X{self.told}",
            "success": True,
            "responseMessage": "Done",
            "paymentBlock": False,
        } | response
        with self.sandbox.basware.lock:
            self.sandbox.basware.desk.accept(KINDS[kind], document["invoiceId"], said)

    def deliver(self) -> None:
        """All of them, as promised."""
        for document in self.world.documents:
            reason = self.world.rejected.get(document["invoiceId"], "")
            if document["invoiceId"] == self.world.twins[1]:
                reason = "it is a duplicate"
            if reason:
                self.answer(document, success=False, responseMessage=f"Refused: {reason}")
            else:
                self.enter(document)
                self.answer(document)

    def pay(self, steps: int = 3) -> None:
        """Post and pay all, step by step, and tell Basware after each."""
        self.clerk.post()
        for _ in range(steps):
            self.clerk.pay()
            self.tell_payments()

    def tell_payments(self) -> None:
        """Tell Basware the cumulative amounts."""
        paid = {}
        for row in self.sandbox.d365fo.rows("VendTransBiEntities"):
            if row["TransType"] != "Purch":
                continue
            settled = [
                each
                for each in self.sandbox.d365fo.rows("VendSettlementBiEntities")
                if each["TransRecId"] == row["SourceKey"]
            ]
            if settled:
                discount = sum(each["UtilizedCashDisc"] for each in settled)
                total = -sum(each["SettleAmountCur"] for each in settled) - discount
                paid[row["Invoice"]] = total, discount, settled[-1]["TransDate"]
        for number, (total, discount, day) in paid.items():
            self.answer(
                self.document(number),
                "paymentResponses",
                paidTotal=total,
                cashDiscount=discount,
                paymentDate=day,
            )

    def judge(self, *, final: bool = True, atomic: bool = True) -> Verdict:
        return judge(self.sandbox, self.world, final=final, atomic=atomic)


@pytest.fixture
def hands(sandbox: Sandbox) -> Hands:
    done = Hands(sandbox)
    done.deliver()
    return done


def test_the_world_is_what_the_brief_of_the_crash_tests_says() -> None:
    world = build_world()
    documents = world.documents
    assert len(documents) == 25
    assert {d["companyCode"] for d in documents} == set(world.legal_entities)
    assert {d["currencyCode"] for d in documents} == {"USD", "EUR"}
    assert sum(d["grossSum"] < 0 for d in documents) == 1
    assert sum(len(d["codingRows"]) > 1 for d in documents) >= 5
    assert len(world.rejected) == 3
    one, other = (d for d in documents if d["invoiceId"] in world.twins)
    assert one["invoiceId"] != other["invoiceId"]
    assert one["invoiceNumber"] == other["invoiceNumber"]
    assert build_world().documents == documents
    assert {way_of(d["invoiceNumber"]) for d in documents} >= {"whole", "with cash discount"}


def test_nothing_is_wrong_before_the_first_run(sandbox: Sandbox) -> None:
    assert Hands(sandbox).judge(final=False).kept


def test_nothing_done_is_everything_lost(sandbox: Sandbox) -> None:
    verdict = Hands(sandbox).judge()
    assert len(verdict.lost) == 25
    assert str(verdict) == (
        "duplicates: 0, lost: 25, half-written: 0, unconfirmed: 0, wrong amounts: 0"
    )


def test_nothing_is_wrong_when_all_is_done(hands: Hands) -> None:
    assert hands.judge().problems() == []
    hands.pay()
    assert hands.judge().problems() == []


def test_what_is_not_told_of_payments_yet_is_wrong_in_the_end_only(hands: Hands) -> None:
    hands.pay(1)
    hands.clerk.pay()
    assert hands.judge(final=False).kept
    assert len(hands.judge().wrong_amounts) > 5


Break = Callable[[Hands], None]


def held_again(hands: Hands) -> None:
    hands.enter(hands.document("CR-001"), "AGAIN")


def held_again_posted(hands: Hands) -> None:
    hands.clerk.post()
    hands.enter(hands.document("CR-001"), "AGAIN")


def twin_held(hands: Hands) -> None:
    [twin] = [d for d in hands.world.documents if d["invoiceId"] == hands.world.twins[1]]
    hands.enter(twin)


def confirmed_too_early(hands: Hands) -> None:
    _drop(hands, HEADERS, "CR-001")
    _drop_lines(hands)


def line_missing(hands: Hands) -> None:
    line = hands.sandbox.d365fo.records(LINES)[0]
    hands.sandbox.d365fo.delete(LINES, line)


def header_missing(hands: Hands) -> None:
    _drop(hands, HEADERS, "CR-001")


def unknown_to_basware(hands: Hands) -> None:
    header = hands.sandbox.d365fo.records(HEADERS)[0]
    hands.sandbox.d365fo.update(HEADERS, header, {"InvoiceDescription": "Basware 00000000-dead"})


def other_amount(hands: Hands) -> None:
    """A cent from one line to another: the sums still agree."""
    one, other = hands.sandbox.d365fo.records(LINES)[:2]
    for line, cent in ((one, Decimal("0.01")), (other, Decimal("-0.01"))):
        amount = Decimal(str(line.values["NetAmount"])) + cent
        hands.sandbox.d365fo.update(LINES, line, {"NetAmount": amount})


def other_currency(hands: Hands) -> None:
    header = hands.sandbox.d365fo.records(HEADERS)[0]
    hands.sandbox.d365fo.update(HEADERS, header, {"Currency": "CHF"})


def never_paid(hands: Hands) -> None:
    hands.answer(hands.document("CR-001"), "paymentResponses", paidTotal=Decimal("0.01"))


def not_told(hands: Hands) -> None:
    hands.sandbox.basware.retransfer(hands.document("CR-001")["invoiceId"])


def told_otherwise(hands: Hands) -> None:
    not_told(hands)
    hands.answer(hands.document("CR-001"), success=False, responseMessage="Vendor is unknown")


def rejected_for_nothing(hands: Hands) -> None:
    told_otherwise(hands)
    confirmed_too_early(hands)


def rejected_without_words(hands: Hands) -> None:
    bad = next(iter(hands.world.rejected))
    hands.sandbox.basware.retransfer(bad, transferResponses=[])
    [document] = [d for d in hands.world.documents if d["invoiceId"] == bad]
    hands.answer(document, success=False, responseMessage="")


def rejected_with_other_words(hands: Hands) -> None:
    bad = next(iter(hands.world.rejected))
    hands.sandbox.basware.retransfer(bad)
    [document] = [d for d in hands.world.documents if d["invoiceId"] == bad]
    hands.answer(document, success=False, responseMessage="Something is wrong")


def rejection_not_told(hands: Hands) -> None:
    hands.sandbox.basware.retransfer(next(iter(hands.world.rejected)))


def both_twins_rejected(hands: Hands) -> None:
    not_told_twin = hands.world.twins[0]
    hands.sandbox.basware.retransfer(not_told_twin)
    [twin] = [d for d in hands.world.documents if d["invoiceId"] == not_told_twin]
    hands.answer(twin, success=False, responseMessage="it is a duplicate")
    _drop(hands, HEADERS, twin["invoiceNumber"])
    _drop_lines(hands)


def _drop(hands: Hands, name: str, number: str) -> None:
    for record in hands.sandbox.d365fo.records(name):
        if record.values["InvoiceNumber"] == number:
            hands.sandbox.d365fo.delete(name, record)


def _drop_lines(hands: Hands) -> None:
    headers = {row["HeaderReference"] for row in hands.sandbox.d365fo.rows(HEADERS)}
    for line in hands.sandbox.d365fo.records(LINES):
        if line.values["HeaderReference"] not in headers:
            hands.sandbox.d365fo.delete(LINES, line)


@pytest.mark.parametrize(
    ("break_it", "kinds", "at_any_moment"),
    [
        (held_again, {"duplicates"}, True),
        (held_again_posted, {"duplicates"}, True),
        (twin_held, {"duplicates", "unconfirmed"}, True),
        (confirmed_too_early, {"unconfirmed"}, True),
        (line_missing, {"half-written"}, True),
        (header_missing, {"half-written", "unconfirmed"}, True),
        (unknown_to_basware, {"half-written", "unconfirmed"}, True),
        (other_amount, {"wrong amounts"}, True),
        (other_currency, {"wrong amounts"}, True),
        (never_paid, {"wrong amounts"}, True),
        (not_told, {"unconfirmed"}, False),
        (told_otherwise, {"unconfirmed"}, False),
        (rejected_for_nothing, {"lost"}, False),
        (rejected_without_words, {"unconfirmed"}, False),
        (rejected_with_other_words, {"unconfirmed"}, False),
        (rejection_not_told, {"lost"}, False),
        (both_twins_rejected, {"lost"}, False),
    ],
)
def test_every_break_is_seen(
    hands: Hands, break_it: Break, kinds: set[str], at_any_moment: bool
) -> None:
    break_it(hands)
    verdict = hands.judge()
    assert {kind for kind, count in verdict.counts().items() if count} == kinds
    assert hands.judge(final=False).kept is not at_any_moment


def test_a_half_may_be_there_for_a_moment_where_dynamics_numbers(hands: Hands) -> None:
    line_missing(hands)
    assert hands.judge(final=False, atomic=False).kept
    assert hands.judge(final=True, atomic=False).half_written


@pytest.mark.parametrize(
    "changes", [{"paidTotal": Decimal("1")}, {"cashDiscount": Decimal("0.01")}, None]
)
def test_wrong_and_missing_payments_are_seen(hands: Hands, changes: Row | None) -> None:
    hands.pay()
    document = hands.document("CR-016")
    assert way_of("CR-016") == "with cash discount"
    responses = list(document["paymentResponses"])
    last = [responses[-1] | changes] if changes else []
    with hands.sandbox.basware.lock:
        held = hands.sandbox.basware.invoices.get(document["invoiceId"])
        held.content["paymentResponses"] = last
    assert hands.judge().wrong_amounts


def test_an_edited_invoice_has_to_arrive_or_to_be_refused(hands: Hands) -> None:
    document = hands.document("CR-001")
    hands.world.edit(hands.sandbox, document["invoiceId"], random.Random(1))
    assert hands.judge(final=False).kept
    assert hands.judge().unconfirmed
    hands.answer(document, success=False, responseMessage="already posted with other contents")
    assert hands.judge().kept
    hands.sandbox.basware.retransfer(document["invoiceId"])
    hands.answer(document)
    assert hands.judge().wrong_amounts
