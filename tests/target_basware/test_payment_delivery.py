"""Settled payments through the whole target: what Basware holds afterwards, to the cent."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sandbox.faults import Fault
from sandbox.server import Sandbox
from singer_delivery.document import Document, Entry
from singer_delivery.errors import AccessDenied, DeliveryError
from target_basware.payment_record import payment
from target_basware.sinks import PaymentResponseSink
from target_basware.target import TargetBasware

from tests.target_basware.payments import part, settled

MAPPING = str(Path(__file__).parents[2] / "mapping.yml")
LEDGER = "payment_responses"
KEYS = {"vendor_payments": ["data_area_id", "settlement_id"], "payment_responses": ["invoiceId"]}

Pay = Callable[..., "Run"]
PutInvoices = Callable[..., None]


@dataclass
class Run:
    """One run of the target over payments, and what its ledger knows of them."""

    target: TargetBasware
    keys: list[str]
    states: list[dict[str, Any]] = field(default_factory=list)
    error: DeliveryError | None = None

    @property
    def entries(self) -> dict[str, Entry]:
        return self.target.ledger.lookup(LEDGER, self.keys)

    @property
    def statuses(self) -> list[str]:
        entries = self.entries
        return [entries[key].status.value for key in self.keys]

    @property
    def reason(self) -> str:
        return self.entries[self.keys[0]].reason


@pytest.fixture
def pay(make_target: Callable[..., TargetBasware]) -> Pay:
    """Give payments to the target; a DeliveryError ends the run and is kept."""

    def run(*payments: dict[str, Any], stream: str = "vendor_payments", **settings: Any) -> Run:
        target, written = make_target(**{"mapping_file": MAPPING, **settings}), io.StringIO()
        result = Run(target, list(map(key_of, payments)))
        schema = {
            "type": "SCHEMA",
            "stream": stream,
            "schema": {"properties": {key: {} for key in KEYS[stream]}},
            "key_properties": KEYS[stream],
        }
        records = [{"type": "RECORD", "stream": stream, "record": each} for each in payments]
        state = {"type": "STATE", "value": {"seen": len(payments)}}
        lines = "".join(json.dumps(message) + "\n" for message in (schema, *records, state))
        with redirect_stdout(written):
            try:
                target.listen(io.StringIO(lines))
            except DeliveryError as error:
                result.error = error
        result.states = [json.loads(line) for line in written.getvalue().splitlines()]
        return result

    return run


def key_of(record: dict[str, Any]) -> str:
    if "invoiceId" in record:
        return f"{record['invoiceId']}/{record['externalCode']}"
    return f"{record['data_area_id']}/{record['settlement_id']}"


@pytest.fixture
def transferred(sandbox: Sandbox) -> PutInvoices:
    """Put invoices into Basware that their ERP has taken."""

    def put(*ids: str, **fields: Any) -> None:
        base = {
            "companyCode": "1000",
            "supplierCode": "US-101",
            "currencyCode": "EUR",
            "invoiceNumber": "INV-1",
            "invoiceDate": "2026-01-15",
            "grossSum": "1160.00",
            "processingStatus": "Transferred",
            "paymentTermCode": "7D2-NT30",
            "paymentMessage": "Ref 4711",
            "paymentBlock": True,
        }
        sandbox.basware.load(
            {"accountingDocuments": [{"invoiceId": each, **base, **fields} for each in ids]}
        )

    return put


def prepared(target: TargetBasware, record: dict[str, Any]) -> Document:
    sink = PaymentResponseSink(target, "vendor_payments", {"properties": {}}, ["settlement_id"])
    return sink.courier.prepare(record)


def told(sandbox: Sandbox, key: str = "i1") -> list[dict[str, Any]]:
    return list(sandbox.basware.document(key).get("paymentResponses", []))


def totals(sandbox: Sandbox, key: str = "i1") -> list[Decimal]:
    return [response["paidTotal"] for response in told(sandbox, key)]


def made(sandbox: Sandbox, method: str = "POST") -> list[str]:
    found = sandbox.journal.requests(system="basware", method=method)
    return [request.path for request in found if request.path != "/v1/tokens"]


THREE = [part(1, 500, 500), part(2, 300.5, 800.5), part(3, 359.5, 1160)]
UNKNOWN = {"document_id": None}


# -- what arrives


def test_a_payment_makes_the_invoice_paid_and_clears_nothing(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices
) -> None:
    transferred("i1")
    run = pay(settled(), source_system="D365FO")
    assert run.error is None
    assert run.states == [{"seen": 1}]
    assert run.statuses == ["delivered"]
    invoice = sandbox.basware.document("i1")
    assert invoice["processingStatus"] == "Paid"
    kept = ("paymentTermCode", "paymentMessage", "paymentBlock", "paymentMethod")
    assert [invoice[name] for name in kept] == ["7D2-NT30", "Ref 4711", True, "BankTransfer"]
    [response] = told(sandbox)
    assert response["paidTotal"] == Decimal("1136.80")
    assert response["cashDiscount"] == Decimal("23.20")
    assert response["paymentDate"] == "2026-02-01"
    assert response["paymentDocument"] == "APPM000123"
    assert response["sourceSystem"] == "D365FO"
    assert response["responseMessage"].startswith("Paid 1,136.80 EUR of 1,160.00 EUR on 2026-02")
    [entry] = run.entries.values()
    assert entry.request_id
    assert entry.detail["request_status"] == "Success"


def test_partial_payments_are_told_in_order(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices
) -> None:
    transferred("i1")
    run = pay(*THREE)
    assert run.statuses == ["delivered"] * 3
    assert totals(sandbox) == [Decimal(500), Decimal("800.50"), Decimal(1160)]
    assert [r["paymentDate"] for r in told(sandbox)] == ["2026-02-01", "2026-02-02", "2026-02-03"]
    assert told(sandbox)[-1]["responseMessage"].endswith("fully paid")


def test_a_reversal_corrects_the_total(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices
) -> None:
    transferred("i1")
    back = part(2, -500, 0, is_reversal=True, reversal_voucher="APPM000300")
    again = part(3, 1160, 1160)
    pay(THREE[0], back)
    assert totals(sandbox) == [500, 0]
    assert sandbox.basware.document("i1")["paymentRevelsalDocument"] == "APPM000300"
    assert told(sandbox)[1]["responseMessage"].startswith("Payment reversed: 500.00 EUR on")
    pay(again)
    assert totals(sandbox) == [500, 0, 1160]
    assert "paymentRevelsalDocument" not in sandbox.basware.document("i1")


def test_one_payment_of_many_invoices(sandbox: Sandbox, pay: Pay, transferred: PutInvoices) -> None:
    keys = [f"i{n}" for n in range(40)]
    transferred(*keys)
    pay(
        *(
            settled(document_id=key, settlement_id=n, invoice_voucher=f"V{n}", paid_total=n + 0.01)
            for n, key in enumerate(keys)
        )
    )
    assert [totals(sandbox, key) for key in keys] == [[n + Decimal("0.01")] for n in range(40)]
    assert len(made(sandbox)) == 40


@pytest.mark.parametrize("gross", ["-118.00", "118.00"])
def test_a_credit_note_keeps_its_sign(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices, gross: str
) -> None:
    transferred("i1", grossSum=gross)
    pay(settled(invoice_amount=-118, amount=-118, paid_total=-118, cash_discount=0))
    assert totals(sandbox) == [Decimal(gross)]


def test_the_method_is_that_of_the_company_that_pays(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices
) -> None:
    transferred("i1", "i2")
    second = {"document_id": "i2", "settlement_id": 2, "invoice_voucher": "V2"}
    pay(
        settled(payment_company="demf", payment_method="SEPA"),
        settled(**second, payment_method="SEPA"),
    )
    assert told(sandbox)[0]["paymentMethod"] == "BankTransfer"
    assert told(sandbox, "i2")[0]["paymentMethod"] == "SEPA"


def test_a_record_that_is_no_payment_does_not_stop_the_others(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices
) -> None:
    transferred("i1")
    run = pay(settled(settlement_id=2, paid_total="much"), settled())
    assert run.statuses == ["rejected", "delivered"]
    assert run.reason == "paid_total is 'much'; it has to be an amount like 1136.80"
    assert run.error is None


# -- never twice


def test_a_second_run_asks_and_sends_nothing(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices
) -> None:
    transferred("i1")
    pay(*THREE)
    sandbox.journal.clear()
    run = pay(*THREE)
    assert made(sandbox) == made(sandbox, "GET") == []
    assert run.statuses == ["unchanged"] * 3


@pytest.mark.parametrize("repeated", [409, 400])
def test_with_the_ledger_lost_nothing_doubles(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices, tmp_path: Path, repeated: int
) -> None:
    sandbox.switches.basware.repeated_external_code_status = repeated
    transferred("i1")
    pay(*THREE)
    sandbox.journal.clear()
    # The invoice's id came from the ledger too, so it is looked for.
    run = pay(*({**p, **UNKNOWN} for p in THREE), ledger_url=f"sqlite:///{tmp_path}/other.db")
    assert run.statuses == ["unchanged"] * 3
    assert made(sandbox) == []
    assert len(told(sandbox)) == 3


def test_another_runner_that_tells_the_same_at_the_same_time(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices, tmp_path: Path
) -> None:
    transferred("i1")
    pay(settled())
    # The invoice is looked at before the other's response is there.
    before = {**sandbox.basware.document("i1")}
    before.pop("paymentResponses")
    body = json.dumps({"accountingDocuments": [{**before, "grossSum": 1160.0}]}, default=str)
    sandbox.faults.add(
        Fault(
            "basware",
            "status",
            method="GET",
            path="accountingDocuments/i1",
            status=200,
            headers={"Content-Type": "application/json"},
            body=body,
        )
    )
    run = pay(settled(), ledger_url=f"sqlite:///{tmp_path}/other.db")
    assert run.statuses == ["unchanged"]
    assert run.reason == "Basware has this response already"
    assert len(told(sandbox)) == 1


def test_an_overlap_that_repeats_earlier_payments_changes_nothing(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices
) -> None:
    transferred("i1")
    pay(THREE[0])
    run = pay(*THREE[:2])
    assert run.statuses == ["unchanged", "delivered"]
    assert totals(sandbox) == [500, Decimal("800.50")]


def test_an_earlier_payment_that_comes_late_does_not_undo_a_later_one(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices
) -> None:
    transferred("i1")
    pay(THREE[0], THREE[2])
    for _ in range(2):
        run = pay(THREE[1])
        assert run.statuses == ["unchanged"]
    assert run.reason == "told already"
    pay(*THREE)
    changed = {**THREE[0], "cheque_number": "451"}
    assert pay(changed).statuses == ["unchanged"]
    assert totals(sandbox) == [500, 1160]


def test_a_changed_settlement_is_told_again(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices
) -> None:
    transferred("i1")
    pay(THREE[0])
    assert pay({**THREE[0], "paid_total": 499}).statuses == ["delivered"]
    assert totals(sandbox) == [500, 499]


def test_a_newer_settlement_is_told_though_positions_start_anew(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices
) -> None:
    transferred("i1")
    pay(*THREE[:2])
    newer = part(1, 359.5, 1160, settled_at="2026-03-01T10:00:00Z", settlement_id=99)
    assert pay(newer).statuses == ["delivered"]
    assert totals(sandbox)[-1] == 1160


def test_with_the_ledger_lost_an_earlier_total_is_not_told_after_a_later_one(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices, tmp_path: Path
) -> None:
    transferred("i1")
    pay(THREE[1])  # the first one never arrived
    for _ in range(2):
        run = pay(*THREE[:2], ledger_url=f"sqlite:///{tmp_path}/other.db")
        assert run.statuses == ["unchanged", "unchanged"]
    assert totals(sandbox) == [Decimal("800.50")]
    assert pay(THREE[2], ledger_url=f"sqlite:///{tmp_path}/other.db").statuses == ["delivered"]


#: The second payment was made before the first and settled after it; the third takes one back.
EARLY = part(2, 300.5, 800.5, payment_date="2026-01-31")
BACK = part(3, -500, 300.5, is_reversal=True, reversal_voucher="APPM000300")


def test_with_the_ledger_lost_the_latest_total_is_the_last_word(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices, tmp_path: Path
) -> None:
    """Where dates and totals do not tell the order, all is told again, in order."""
    transferred("i1")
    pay(BACK)
    run = pay(THREE[0], EARLY, BACK, ledger_url=f"sqlite:///{tmp_path}/other.db")
    assert run.error is None
    assert totals(sandbox)[-1] == Decimal("300.50")
    again = pay(THREE[0], EARLY, BACK, ledger_url=f"sqlite:///{tmp_path}/other.db")
    assert again.statuses == ["unchanged"] * 3


def test_a_run_that_died_after_an_earlier_payment_of_a_lost_ledger_is_put_right(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices, tmp_path: Path
) -> None:
    transferred("i1")
    pay(BACK)
    pay(THREE[0], ledger_url=f"sqlite:///{tmp_path}/other.db")
    assert totals(sandbox) == [Decimal("300.50"), 500]

    pay(THREE[0], EARLY, BACK, ledger_url=f"sqlite:///{tmp_path}/other.db")

    assert totals(sandbox)[-1] == Decimal("300.50")


def test_another_run_tells_an_earlier_payment_late(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices, tmp_path: Path
) -> None:
    """Two ledgers; the second one knows of the first payment alone."""
    transferred("i1")
    other = f"sqlite:///{tmp_path}/other.db"
    pay(THREE[0], ledger_url=other)
    pay(*THREE)

    run = pay(THREE[1], ledger_url=other)

    assert run.statuses == ["unchanged"]
    assert totals(sandbox) == [500, Decimal("800.50"), 1160]
    assert pay(*THREE, ledger_url=other).statuses == ["unchanged"] * 3
    assert len(told(sandbox)) == 3


def test_a_response_that_basware_no_longer_lists_is_not_told_again(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices, tmp_path: Path
) -> None:
    transferred("i1")
    pay(settled())
    with sandbox.basware.lock:
        held = sandbox.basware.invoices.get("i1")
        [first] = held.content["paymentResponses"]
        held.content["paymentResponses"] = [
            first | {"externalCode": f"later-{n}"} for n in range(100)
        ]
    run = pay(settled(), ledger_url=f"sqlite:///{tmp_path}/other.db")
    assert run.statuses == ["unchanged"]
    assert "before the latest 100" in run.reason
    assert len(told(sandbox)) == 100


# -- faults


def test_an_answer_lost_after_commit_is_read_back(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices
) -> None:
    transferred("i1")
    sandbox.faults.add(Fault("basware", "reset_after", method="POST", path="paymentResponses"))
    run = pay(settled(**UNKNOWN))
    assert run.error is None
    assert run.statuses == ["delivered"]
    assert len(made(sandbox)) == len(told(sandbox)) == 1


@pytest.mark.parametrize(
    "broken",
    [{"kind": "reset_before"}, *({"kind": "status", "status": s} for s in (429, 500, 502, 504))],
    ids=str,
)
def test_what_did_not_arrive_is_sent_again(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices, broken: dict[str, Any]
) -> None:
    transferred("i1")
    sandbox.faults.add(Fault("basware", method="POST", path="paymentResponses", **broken))
    assert pay(settled()).statuses == ["delivered"]
    assert totals(sandbox) == [Decimal("1136.80")]


def test_a_lost_answer_does_not_let_the_next_payment_overtake(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices
) -> None:
    transferred("i1")
    sandbox.faults.add(Fault("basware", "reset_before", method="POST", path="paymentResponses"))
    assert pay(*THREE).statuses == ["delivered"] * 3
    assert totals(sandbox) == [500, Decimal("800.50"), 1160]


@pytest.mark.parametrize("arrived", [True, False])
def test_a_run_that_died_between_intent_and_answer(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices, tmp_path: Path, arrived: bool
) -> None:
    transferred("i1")
    if arrived:
        pay(settled(), ledger_url=f"sqlite:///{tmp_path}/of-the-dead.db")
    dead = pay()
    dead.target.ledger.intend(LEDGER, [prepared(dead.target, settled(**UNKNOWN))], "dead")
    run = pay(settled(**UNKNOWN))
    assert run.error is None
    assert run.statuses == ["unchanged" if arrived else "delivered"]
    assert totals(sandbox) == [Decimal("1136.80")]


def test_an_answer_that_stays_lost_fails_the_run_and_the_next_one_settles_it(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices
) -> None:
    transferred("i1")
    sandbox.faults.add(Fault("basware", "reset_after", method="POST", path="paymentResponses"))
    sandbox.faults.add(
        Fault("basware", "status", method="GET", path="Documents/i1", status=503, times=-1, skip=1)
    )
    first = pay(settled(), max_attempts=1)
    assert first.error is not None
    assert first.states == []
    assert first.statuses == ["in_doubt"]
    sandbox.faults.clear()
    second = pay(settled())
    assert second.error is None
    assert second.statuses == ["unchanged"]
    assert len(told(sandbox)) == 1


# -- which invoice


def test_an_invoice_that_the_ledger_does_not_know_is_found(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices
) -> None:
    transferred("i1")
    transferred("i2", invoiceNumber="INV-2")
    run = pay(settled(**UNKNOWN))
    assert run.statuses == ["delivered"]
    assert totals(sandbox) == [Decimal("1136.80")]
    assert told(sandbox, "i2") == []
    [query] = [p for p in made(sandbox, "GET") if p.endswith("/status")]
    assert query == "/v1/accountingDocuments/status"


def test_the_next_payment_of_a_found_invoice_is_not_looked_for_again(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices
) -> None:
    transferred("i1")
    pay(*({**p, **UNKNOWN} for p in THREE))
    assert made(sandbox, "GET").count("/v1/accountingDocuments/status") == 1
    assert totals(sandbox) == [500, Decimal("800.50"), 1160]


def test_the_same_number_and_day_of_another_vendor_is_another_invoice(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices
) -> None:
    transferred("other", supplierCode="US-999")
    assert pay(settled(**UNKNOWN)).statuses == ["skipped"]
    assert told(sandbox, "other") == []
    transferred("i1")
    second = settled(**UNKNOWN, settlement_id=2, position=2)
    assert pay(second).statuses == ["delivered"]
    assert told(sandbox, "other") == []
    assert len(told(sandbox)) == 1


def test_the_sum_and_the_status_tell_several_invoices_apart(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices
) -> None:
    transferred(*(f"n{n}" for n in range(8)), grossSum="1.00")
    transferred("removed", processingStatus="Removed")
    transferred("i1")
    assert pay(settled(**UNKNOWN)).statuses == ["delivered"]
    assert len(told(sandbox)) == 1


def test_invoices_that_cannot_be_told_apart_are_named(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices
) -> None:
    transferred("i1", "i2")
    run = pay(settled(**UNKNOWN))
    assert run.statuses == ["rejected"]
    assert run.reason == (
        "Basware has 2 invoices that may be invoice INV-1 of 2026-01-15 of vendor US-101: i1, i2"
    )


def test_a_payment_of_an_invoice_that_never_was_in_basware_is_said_once(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices
) -> None:
    transferred("i2", invoiceNumber="INV-2")
    run = pay(settled(**UNKNOWN))
    assert run.error is None
    assert run.states == [{"seen": 1}]
    assert run.statuses == ["skipped"]
    assert run.reason == (
        "Basware has no invoice INV-1 of 2026-01-15 of vendor US-101 in company 1000: it did not "
        "come from there, so there is nothing to tell"
    )
    sandbox.journal.clear()
    again = pay(settled(**UNKNOWN))
    assert made(sandbox, "GET") == []
    assert again.statuses == ["skipped"]
    assert again.reason == run.reason


def test_an_invoice_that_was_transferred_outside_of_the_api_is_skipped(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices
) -> None:
    transferred("i1")
    sandbox.faults.add(Fault("basware", "status", method="GET", path="Documents/i1", status=404))
    run = pay(settled(**UNKNOWN))
    assert run.statuses == ["skipped"]
    assert "but its API does not hold it" in run.reason


def test_a_skipped_payment_is_told_when_its_invoice_becomes_known(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices
) -> None:
    assert pay(settled(**UNKNOWN)).statuses == ["skipped"]  # Basware is empty
    transferred("i1")
    assert pay(settled()).statuses == ["delivered"]


@pytest.mark.parametrize("answer", [404, 403, 401, 400])
def test_a_tenant_without_the_endpoint_is_said_once(
    sandbox: Sandbox,
    pay: Pay,
    transferred: PutInvoices,
    caplog: pytest.LogCaptureFixture,
    answer: int,
) -> None:
    if answer == 404:
        sandbox.switches.basware.status_enabled = False
    else:
        sandbox.faults.add(
            Fault("basware", "status", path="Documents/status", status=answer, times=-1)
        )
    transferred("i1", "known")
    payments = [
        settled(**UNKNOWN, settlement_id=n, invoice_voucher=f"V{n}", invoice_number=f"N{n}")
        for n in range(5)
    ]
    run = pay(*payments, settled(document_id="known"))
    assert run.error is None
    assert run.statuses == ["rejected"] * 5 + ["delivered"]
    assert "ask Basware to enable it" in run.reason
    assert "find_invoices" in run.reason
    said = [r for r in caplog.records if r.name.endswith("invoice_finder")]
    assert len(said) == 1
    # Enabled later, it is asked again.
    sandbox.switches.basware.status_enabled = True
    sandbox.faults.clear()
    transferred("i0", invoiceNumber="N0")
    assert pay(payments[0]).statuses == ["delivered"]


def test_a_refused_client_rejects_nothing(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices
) -> None:
    transferred("i1")
    sandbox.faults.add(Fault("basware", "status", path="Documents", status=403, times=-1))
    run = pay(settled(**UNKNOWN))
    assert isinstance(run.error, AccessDenied)
    assert run.states == []
    assert run.statuses == ["not_sent"]


def test_without_mapping_the_setting_is_named_and_known_invoices_are_told(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices
) -> None:
    transferred("i1")
    unknown = settled(**UNKNOWN, settlement_id=2, invoice_voucher="V2")
    run = pay(unknown, settled(), mapping_file=None)
    assert run.statuses == ["rejected", "delivered"]
    assert run.reason.endswith("company codes of legal entities: set mapping_file")


@pytest.mark.parametrize(
    ("change", "settings", "reason"),
    [
        ({"data_area_id": "frrt"}, {}, "legal entity frrt has no company under companies"),
        ({}, {"find_invoices": False}, "is not looked for: find_invoices is off"),
    ],
)
def test_what_needs_not_be_looked_for_is_skipped(
    sandbox: Sandbox, pay: Pay, change: dict[str, Any], settings: dict[str, Any], reason: str
) -> None:
    run = pay(settled(**UNKNOWN, **change), **settings)
    assert run.statuses == ["skipped"]
    assert reason in run.reason
    assert made(sandbox, "GET") == []


def test_switched_on_later_the_invoice_is_looked_for(pay: Pay, transferred: PutInvoices) -> None:
    transferred("i1")
    assert pay(settled(**UNKNOWN), find_invoices=False).statuses == ["skipped"]
    assert pay(settled(**UNKNOWN)).statuses == ["delivered"]


def test_an_id_that_basware_does_not_have_is_rejected_in_words(pay: Pay) -> None:
    run = pay(settled())
    assert run.statuses == ["rejected"]
    assert run.reason.startswith("Basware has no invoice i1: it was removed there, or")


# -- the state of the invoice


@pytest.mark.parametrize("status", ["WaitingForTransfer", "TransferInProgress"])
def test_a_payment_waits_for_the_transfer_response(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices, status: str
) -> None:
    transferred("i1", processingStatus=status)
    transferred("i2")
    paid = settled(document_id="i2", settlement_id=2, invoice_voucher="V2")
    run = pay(settled(), paid)
    assert run.statuses == ["not_sent", "delivered"]
    assert f"invoice i1 is {status} in Basware: its payment is held back until" in run.reason
    assert run.error is not None
    assert run.states == []
    assert made(sandbox) == ["/v1/accountingDocuments/i2/paymentResponses"]
    transferred("i1")
    again = pay(settled(), paid)
    assert again.error is None
    assert again.states == [{"seen": 2}]
    assert again.statuses == ["delivered", "unchanged"]


@pytest.mark.parametrize("status", ["Removed", "TransferFailed", "InDocumentFilter"])
def test_an_invoice_that_takes_no_payment_rejects_it_in_words(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices, status: str
) -> None:
    transferred("i1", processingStatus=status)
    run = pay(settled())
    assert run.error is None
    assert run.statuses == ["rejected"]
    assert run.reason.startswith(f"invoice i1 is {status} in Basware, which does not take its pay")
    transferred("i1")
    assert pay(settled()).statuses == ["unchanged"]
    assert len(told(sandbox)) == 1


@pytest.mark.parametrize("kept", [True, False])
def test_a_payment_is_told_once_its_invoice_takes_it_though_no_tap_offers_it_again(
    sandbox: Sandbox,
    pay: Pay,
    transferred: PutInvoices,
    caplog: pytest.LogCaptureFixture,
    kept: bool,
) -> None:
    """`kept`: whether the ledger has its record still."""
    settings = {"payload_retention_days": 30 if kept else 0}
    transferred("i1", processingStatus="TransferFailed")
    transferred("i2")
    pay(settled(), **settings)
    other = settled(document_id="i2", settlement_id="s9")
    assert pay(other, **settings).statuses == ["delivered"]
    assert told(sandbox) == []

    transferred("i1")
    pay(other, **settings)

    assert len(told(sandbox)) == int(kept)
    assert ("its record is not kept" in caplog.text) is not kept


# -- what P2P makes of it


def test_an_error_of_p2p_is_a_rejection_and_is_not_sent_again(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices
) -> None:
    transferred("i1")
    sandbox.basware.add_outcome_rule(
        status="Error", entity_type="PaymentResponse", message="Payment method is not known"
    )
    for _ in range(2):
        run = pay(settled())
        assert run.statuses == ["rejected"]
        assert run.reason == "Payment method is not known"
    assert made(sandbox).count("/v1/accountingDocuments/i1/paymentResponses") == 1


@pytest.mark.parametrize("fails", [False, True])
def test_what_p2p_is_still_processing_is_settled_by_the_next_run(
    sandbox: Sandbox,
    pay: Pay,
    transferred: PutInvoices,
    caplog: pytest.LogCaptureFixture,
    fails: bool,
) -> None:
    transferred("i1")
    sandbox.switches.basware.settle_seconds = 3600
    if fails:
        sandbox.basware.add_outcome_rule(status="Error", message="Payment method is not known")
    first = pay(settled())
    assert first.error is None
    assert first.states == [{"seen": 1}]
    assert first.statuses == ["accepted"]
    assert pay(settled()).statuses == ["accepted"]
    sandbox.clock.advance(3601)
    caplog.clear()
    pay()
    assert first.statuses == ["rejected" if fails else "delivered"]
    loud = [r for r in caplog.records if r.levelno == logging.WARNING and "rejected" in r.message]
    assert ["Payment method is not known" in r.message for r in loud] == [True] * fails
    assert pay(settled()).statuses == ["rejected" if fails else "unchanged"]
    assert len(told(sandbox)) == 1


def test_without_confirmation_an_accepted_payment_counts_as_told(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices
) -> None:
    transferred("i1")
    sandbox.switches.basware.settle_seconds = 3600
    first = pay(settled())
    pay(confirm_request_status=False)
    assert first.statuses == ["delivered"]


# -- records in the shape of Basware

GIVEN = {
    "invoiceId": "i1",
    "externalCode": "p-1",
    "success": True,
    "paymentBlock": False,
    "paidTotal": 10.5,
    "responseMessage": "Paid by hand",
}


def test_a_basware_shaped_response_is_told_as_it_is(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices, tmp_path: Path
) -> None:
    transferred("i1")
    run = pay(GIVEN, stream="payment_responses", mapping_file=None)
    assert run.statuses == ["delivered"]
    [response] = told(sandbox)
    assert response["paidTotal"] == Decimal("10.5")
    assert response["responseMessage"] == "Paid by hand"
    assert "paymentTermCode" not in sandbox.basware.document("i1")
    assert pay(GIVEN, stream="payment_responses").statuses == ["unchanged"]
    lost = f"sqlite:///{tmp_path}/other.db"
    assert pay(GIVEN, stream="payment_responses", ledger_url=lost).statuses == ["unchanged"]
    assert len(told(sandbox)) == 1


def test_other_content_under_a_used_code_is_rejected_in_words(
    sandbox: Sandbox, pay: Pay, transferred: PutInvoices
) -> None:
    transferred("i1")
    pay(GIVEN, stream="payment_responses")
    run = pay({**GIVEN, "paidTotal": 11}, stream="payment_responses")
    assert run.statuses == ["rejected"]
    assert run.reason.endswith("other content; a change needs a new externalCode")
    assert totals(sandbox) == [Decimal("10.5")]


def test_a_basware_shaped_record_with_an_unknown_field_is_rejected(
    pay: Pay, transferred: PutInvoices
) -> None:
    transferred("i1")
    run = pay({**GIVEN, "paid": 1}, stream="payment_responses")
    assert run.statuses == ["rejected"]
    assert run.reason == "paid: no field of a payment response; leave it out"


def test_a_document_s_key_says_whose_settlement_it_is(pay: Pay) -> None:
    found = prepared(pay().target, settled())
    assert found.key == "usmf/5637144576"
    assert found.natural_key == payment(settled()).invoice_key == "usmf/US-101/INV-1/APIN000042"
    assert str(found) == "payment APPM000123 of invoice INV-1 of US-101 (usmf)"
