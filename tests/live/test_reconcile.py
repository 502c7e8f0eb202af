"""What `singer-delivery reconcile` sees: agreement after clean flows, and each fault by name."""

from __future__ import annotations

from decimal import Decimal

from tests.live.office import Office


def test_a_clean_flow_agrees(settled: Office) -> None:
    answer = settled.reconcile()

    assert answer.differences == []
    assert answer.code == 0
    assert answer.verdict["agrees"] is True
    assert answer.sum("offered")[0] == 4
    assert answer.sum("rejected")[0] == answer.sum("ledger_rejected")[0] == 1
    delivered = answer.sum("confirmed")
    assert delivered[0] == 3
    assert delivered == answer.sum("ledger_delivered") == answer.sum("posted")
    assert answer.sum("paid") == answer.sum("shown_paid") == (1, Decimal("50.05"))


def test_an_invoice_that_waits_is_no_difference_until_patience_ends(office: Office) -> None:
    office.ledger().close()
    names = [name for name in office.documents if name != "plain"]
    for name in names:
        office.sandbox.basware.retransfer(office.documents[name]["invoiceId"])

    assert office.reconcile().differences == [("waiting", "INV-1")]

    answer = office.reconcile("--patience", "0")
    assert {kind for kind, _ in answer.differences} == {"waiting"}
    assert len(answer.differences) == len(office.documents)
    assert answer.code == 1


def test_a_second_copy_in_dynamics_is_a_duplicate(settled: Office) -> None:
    dynamics = settled.sandbox.d365fo
    [row] = [r for r in dynamics.rows("VendInvoiceJourBiEntities") if r["InvoiceId"] == "INV-1"]
    copy = {name: value for name, value in row.items() if not name.startswith("Sys")}
    dynamics.insert("VendInvoiceJourBiEntities", copy | {"SourceKey": 0, "LedgerVoucher": "X-1"})

    answer = settled.reconcile()

    assert answer.differences == [("duplicate", "INV-1")]
    assert "X-1" in answer.words


def test_a_copy_typed_by_hand_is_a_duplicate(office: Office) -> None:
    office.deliver()
    dynamics = office.sandbox.d365fo
    [row] = [r for r in dynamics.rows("VendorInvoiceHeaders") if r["InvoiceNumber"] == "INV-1"]
    [line] = [
        r
        for r in dynamics.rows("VendorInvoiceLines")
        if r["HeaderReference"] == row["HeaderReference"]
    ]
    own = {"HeaderReference": "HAND-1"}
    dynamics.load(
        {
            "VendorInvoiceHeaders": [row | own | {"InvoiceDescription": "typed by Bob"}],
            "VendorInvoiceLines": [line | own],
        }
    )

    answer = office.reconcile()

    assert answer.differences == [("duplicate", "INV-1")]
    assert "HAND-1 (entered in another way)" in answer.words


def test_other_peoples_invoices_in_dynamics_are_left_alone(office: Office) -> None:
    office.deliver()
    key = {"dataAreaId": "usmf", "HeaderReference": "OTHER-1"}
    header = key | {"InvoiceAccount": "V9", "InvoiceNumber": "N-9", "InvoiceDescription": "Basware"}
    office.sandbox.d365fo.load({"VendorInvoiceHeaders": [header]})

    answer = office.reconcile()

    assert answer.differences == []
    assert answer.verdict["foreign"] == 1


def test_a_deleted_header_is_missing(office: Office) -> None:
    office.deliver()
    dynamics = office.sandbox.d365fo
    record = dynamics.first("VendorInvoiceHeaders", InvoiceNumber="INV-1")
    assert record is not None
    dynamics.delete("VendorInvoiceHeaders", record)

    answer = office.reconcile()

    assert answer.differences == [("missing", "INV-1")]
    assert "transferred in Basware" in answer.words


def test_lines_that_are_gone_make_half_an_invoice(office: Office) -> None:
    office.deliver()
    dynamics = office.sandbox.d365fo
    header = dynamics.first("VendorInvoiceHeaders", InvoiceNumber="INV-2")
    assert header is not None
    line = dynamics.find("VendorInvoiceLines", HeaderReference=header.values["HeaderReference"])[0]
    dynamics.delete("VendorInvoiceLines", line)

    assert office.reconcile().differences == [("half", "INV-2")]


def test_a_changed_amount_is_told_with_what_each_side_has(office: Office) -> None:
    office.deliver()
    office.post_all()
    dynamics = office.sandbox.d365fo
    record = dynamics.first("VendInvoiceJourBiEntities", InvoiceId="INV-1")
    assert record is not None
    before = record.values["InvoiceAmount"]
    dynamics.update("VendInvoiceJourBiEntities", record, {"InvoiceAmount": Decimal("1.5")})

    answer = office.reconcile()

    assert answer.differences == [("amounts", "INV-1")]
    assert f"1.50 in Dynamics, {before:.2f} in Basware, {before:.2f} in the ledger" in answer.words


def test_a_status_that_was_reset_is_unconfirmed(office: Office) -> None:
    office.deliver()
    office.sandbox.basware.retransfer(office.documents["plain"]["invoiceId"])

    answer = office.reconcile()

    assert answer.differences == [("unconfirmed", "INV-1")]
    assert "WaitingForTransfer again" in answer.words


def test_outcomes_that_were_not_told_are_named(office: Office) -> None:
    office.post_invoices()

    found = office.reconcile().differences

    assert sorted(found) == [
        ("unconfirmed", "CR-1"),
        ("unconfirmed", "INV-1"),
        ("unconfirmed", "INV-2"),
        ("unexplained", "BAD-1"),
    ]


def test_a_failure_without_words_is_unexplained(office: Office) -> None:
    office.deliver()
    office.sandbox.basware.invoices.get(office.documents["bad"]["invoiceId"]).content[
        "transferResponses"
    ][-1]["responseMessage"] = " "

    assert office.reconcile().differences == [("unexplained", "BAD-1")]


def test_a_failure_of_what_dynamics_holds_is_a_contradiction(office: Office) -> None:
    office.deliver()
    document = office.sandbox.basware.invoices.get(office.documents["plain"]["invoiceId"])
    document.content["processingStatus"] = "TransferFailed"

    assert office.reconcile().differences == [("contradicted", "INV-1")]


def test_payments_that_differ_are_named(settled: Office) -> None:
    document = settled.sandbox.basware.invoices.get(settled.documents["plain"]["invoiceId"])
    document.content["paymentResponses"][-1]["paidTotal"] = Decimal("49.05")

    answer = settled.reconcile()

    assert answer.differences == [("paid", "INV-1")]
    assert "50.05" in answer.words
    assert "49.05" in answer.words


def test_a_payment_that_basware_was_not_told_is_named(settled: Office) -> None:
    [row] = settled.sandbox.d365fo.find("VendInvoiceJourBiEntities", InvoiceId="INV-2")
    settled.sandbox.d365fo.pay_invoice("usmf", str(row.values["LedgerVoucher"]))

    answer = settled.reconcile()
    assert answer.differences == [("paid", "INV-2")]
    assert "shows no payment" in answer.words

    settled.tell_payments()
    assert settled.reconcile().differences == []


def test_a_payment_that_was_reversed_agrees_once_it_is_told(settled: Office) -> None:
    dynamics = settled.sandbox.d365fo
    [row] = dynamics.find("VendInvoiceJourBiEntities", InvoiceId="INV-2")
    payment = dynamics.pay_invoice("usmf", str(row.values["LedgerVoucher"]))
    settled.tell_payments()
    dynamics.reverse_payment("usmf", payment)

    assert settled.reconcile().differences == [("paid", "INV-2")]
    settled.tell_payments()
    assert settled.reconcile().differences == []


def test_a_credit_note_that_settles_an_invoice_is_no_payment(settled: Office) -> None:
    dynamics = settled.sandbox.d365fo
    vouchers = {
        row["InvoiceId"]: row["LedgerVoucher"] for row in dynamics.rows("VendInvoiceJourBiEntities")
    }
    dynamics.settle_credit_note("usmf", vouchers["CR-1"], {vouchers["INV-2"]: None})
    settled.tell_payments()

    assert settled.reconcile().differences == []


def test_the_discount_is_no_payment_whichever_way_it_is_kept(settled: Office) -> None:
    dynamics = settled.sandbox.d365fo
    [row] = dynamics.find("VendInvoiceJourBiEntities", InvoiceId="INV-2")
    dynamics.pay_invoice("usmf", str(row.values["LedgerVoucher"]), cash_discount="1.10")
    settled.tell_payments()

    answer = settled.reconcile()
    assert answer.differences == []
    assert answer.sum("paid") == answer.sum("shown_paid")


def test_a_row_that_the_ledger_lost_is_named(settled: Office) -> None:
    settled.delete_row("plain")

    assert settled.reconcile().differences == [("not_in_ledger", "INV-1")]


def test_an_invoice_in_doubt_is_open(office: Office) -> None:
    office.deliver()
    office.leave_in_doubt("plain")

    assert [kind for kind, _ in office.reconcile().differences] == ["in_doubt"]


def test_posted_invoices_whose_description_is_lost_are_recognised(office: Office) -> None:
    office.sandbox.switches.d365fo.keep_description = False
    office.deliver()
    office.post_all()

    assert office.reconcile().differences == []


def test_only_the_days_that_were_asked_for_count(settled: Office) -> None:
    settled.delete_row("plain")
    day = str(settled.documents["plain"]["invoiceDate"])[:10]

    inside = settled.reconcile("--since", day, "--until", day)
    after = settled.reconcile("--since", "2099-01-01")

    assert ("not_in_ledger", "INV-1") in inside.differences
    assert after.differences == []
    assert after.verdict["documents"] == 0


def test_sums_by_day_and_entity(settled: Office) -> None:
    answer = settled.reconcile("--by", "entity,day")

    groups = [line for line in answer.lines if line["type"] == "sums"]
    assert {g["legal_entity"] for g in groups} == {"usmf"}
    assert all(g["day"] and g["currency"] for g in groups)


def test_it_writes_nothing_and_asks_little(settled: Office) -> None:
    mark = settled.mark()
    settled.reconcile()

    assert settled.writes(mark) == []
    asked = settled.sandbox.journal.requests(since=mark)
    assert len(asked) < 25


def test_a_system_that_cannot_be_read_is_exit_code_2(office: Office) -> None:
    office.settings = {"client_secret": "not-the-secret"}

    answer = office.reconcile()

    assert answer.code == 2
    assert "not-the-secret" not in answer.result.output
    assert "Traceback" not in answer.result.output


def test_no_ledger_is_exit_code_2_in_words(office: Office) -> None:
    answer = office.reconcile()

    assert answer.code == 2
    assert "there is no ledger" in answer.result.output


def test_the_table_is_for_people(settled: Office) -> None:
    result = settled.table()

    assert result.exit_code == 0
    assert "usmf" in result.stdout
    assert "1 = 50.05" in result.stdout
    assert result.stdout.strip().endswith("reconciled: yes")


def test_csv_holds_sums_and_differences(settled: Office) -> None:
    settled.delete_row("plain")

    rows = settled.csv()

    assert {row["type"] for row in rows} == {"sums", "difference"}
    [difference] = [row for row in rows if row["type"] == "difference"]
    assert (difference["kind"], difference["number"]) == ("not_in_ledger", "INV-1")


def test_what_was_transferred_before_we_came_is_none_of_ours(office: Office) -> None:
    office.deliver()
    response = {"externalCode": "4711", "success": True, "responseMessage": "by hand"}
    old = {
        name: value for name, value in office.documents["plain"].items() if name != "lastUpdated"
    }
    old |= {"processingStatus": "Transferred", "voucherNumber1": "OLD-1"}
    failed = {"processingStatus": "TransferFailed", "invoiceId": "old2", "invoiceNumber": "OLD-2"}
    answered = {"transferResponses": [response | {"paymentBlock": False}]}
    numbered = {"invoiceId": "old1", "invoiceNumber": "OLD-1"}
    office.sandbox.basware.load({"accountingDocuments": [old | numbered | answered, old | failed]})

    answer = office.reconcile()

    assert answer.differences == []
    assert answer.verdict["others"] == 2
    assert answer.sum("offered")[0] == 4


def test_without_ledger_and_dynamics_our_own_word_in_basware_counts(office: Office) -> None:
    office.deliver()
    office.delete_row("plain")
    dynamics = office.sandbox.d365fo
    record = dynamics.first("VendorInvoiceHeaders", InvoiceNumber="INV-1")
    assert record is not None
    dynamics.delete("VendorInvoiceHeaders", record)

    assert office.reconcile().differences == [("unfounded", "INV-1")]
