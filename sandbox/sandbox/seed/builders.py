"""Basware documents for tests and the demo: complete, and right to the cent unless told not to be.

accounting_document(supplier="US-0001", number="INV-1", gross="107.25", tax_code="US07")
accounting_document(rows=[coding_row(net="100", tax_code="US07"), coding_row(net="20")])
accounting_document(rows=[order_row(order, order.lines[0])])           # matched to an order
accounting_document(rows=[coding_row(net="-100")])                      # a credit memo
accounting_document(currency="EUR", gross="119.00", text1="CA-17")      # any field by its name
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from sandbox.seed.accounts import EXPENSE_ACCOUNTS
from sandbox.seed.common import SEED_TIME, code32, day, later, rounded, stamp
from sandbox.seed.companies import company_of, decimals_of, rate
from sandbox.seed.orders import BASWARE_UNITS, Order, OrderLine
from sandbox.seed.terms import PAYMENT_TERMS, TAXES, UNMAPPED_TAX, tax_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from sandbox.seed.companies import Company
    from sandbox.seed.world import Row

Amount: TypeAlias = "Decimal | int | str"


def coding_row(
    net: Amount | None = None,
    *,
    account: str | None = None,
    tax_code: str | None = None,
    tax_percent: Amount | None = None,
    tax: Amount | None = None,
    quantity: Amount | None = None,
    price: Amount | None = None,
    cost_center: str | None = None,
    business_unit: str | None = None,
    department: str | None = None,
    project: str | None = None,
    text: str | None = None,
    **fields: Any,
) -> Row:
    """A coding row; what is left out (account, tax, keys) the document fills in.

    `net`, or `quantity` and `price` (per unit, without tax). `fields` by Basware's own names.
    """
    if net is None and quantity is not None and price is not None:
        net = Decimal(quantity) * Decimal(price)
    row = {
        "accountCode": account,
        "costCenterCode": cost_center,
        "businessUnitCode": business_unit,
        "dimCode1": department,
        "projectCode": project,
        "text1": text,
        "netTotal": _decimal(net),
        "matchedQuantity": _decimal(quantity),
        "orderedNetPrice": _decimal(price),
        "taxCode": tax_code,
        "taxPercent": _decimal(tax_percent),
        "taxSum": _decimal(tax),
    }
    return {name: value for name, value in row.items() if value is not None} | fields


def order_row(
    order: Order, line: OrderLine, *, quantity: Amount | None = None, **options: Any
) -> Row:
    """A coding row matched to an order line: all of it, or `quantity` (negative: a return)."""
    matched = line.quantity if quantity is None else Decimal(quantity)
    receipt: Row = {
        "goodsReceiptNumber": order.receipt,
        "goodsReceiptItemNumber": str(line.number),
        "receivedQuantity": line.quantity,
        "receivedNetPrice": line.price,
    }
    matching_type = 3 if line.service else 2 if matched < 0 else 0
    return coding_row(
        quantity=matched,
        price=line.price,
        orderNumber=order.number,
        orderLineNumber=str(line.number),
        orderItemNumber=str(line.number),
        orderLineDescription=line.description,
        orderLineUOM=BASWARE_UNITS[line.unit],
        productCode=line.item,
        orderedQuantity=line.quantity,
        orderLineNetTotal=line.amount,
        matchedNetSum=matched * line.price,
        matchingType=matching_type,
        **(receipt if order.receipt and not line.service else {}) | options,
    )


def accounting_document(
    *,
    company: str = "1000",
    supplier: str | None = None,
    number: str | None = "INV-1",
    rows: Sequence[Row] | None = None,
    gross: Amount | None = None,
    tax_code: str | None = None,
    currency: str | None = None,
    invoice_id: str | None = None,
    status: str = "WaitingForTransfer",
    invoice_date: date | None = None,
    payment_term: str | None = "30N",
    last_updated: datetime | None = None,
    **fields: Any,
) -> Row:
    """An AccountingDocumentEntity whose rows, tax and totals agree in the currency's decimals.

    Without `rows` it has one without an order, made from `gross` (including tax, default: a net of
    100). `supplier` and `currency` default to the company's first vendor and home currency,
    `number=None` leaves the invoice number out. `fields` are set last, by Basware's own names
    (text1, date1, paymentBlock, grossSum to break the sums, ...). Raises ValueError if `rows`
    and `gross` contradict each other.
    """
    terms = _Terms(company_of(company), currency)
    usual = tax_code or terms.usual_tax
    drafts = [_row_from_gross(gross, usual, terms)] if rows is None else rows
    supplier = supplier or f"{terms.prefix}-0001"
    invoice_id = invoice_id or code32("invoice", company, supplier, number)
    defaults = {"accountCode": terms.usual_account, "taxCode": usual}
    done = [
        _complete_row(defaults | draft, index, invoice_id, terms)
        for index, draft in enumerate(drafts, 1)
    ]
    sums = _sums(done, terms)
    if gross is not None and sums["grossSum"] != Decimal(gross):
        raise ValueError(f"the rows come to {sums['grossSum']}, not to gross {gross}")
    issued = invoice_date or later(-14)
    document = {
        "invoiceId": invoice_id,
        "bumid": code32("bumid", invoice_id),
        "p2pProcessingMode": "Standard",
        "invoiceNumber": number,
        "processingStatus": status,
        "companyCode": company,
        "companyName": terms.company.name if terms.company else None,
        "organizationElementCode": company,
        "supplierCode": supplier,
        "currencyCode": terms.currency,
        "currencyCodeCompany": terms.home,
        "exchangeRateCompany": rate(terms.currency, terms.home),
        "exchangeRateBaseDate": day(issued),
        **sums,
        **_one_tax(done),
        **_dates(issued, payment_term, sums["grossSum"], terms.decimals),
        "invoiceTypeCode": _type_code(done, sums["grossSum"]),
        "paymentMethod": "BankTransfer",
        "paymentBlock": False,
        "prebooked": False,
        "orderNumbers": list(dict.fromkeys(r["orderNumber"] for r in done if "orderNumber" in r)),
        "lastUpdated": stamp(last_updated or SEED_TIME),
        "codingRows": done,
    }
    return {name: value for name, value in (document | fields).items() if value is not None}


class _Terms:
    """What a company and a currency settle for a whole document."""

    def __init__(self, company: Company | None, currency: str | None) -> None:
        self.company = company
        self.home = company.currency if company else "EUR"
        self.currency = currency or self.home
        self.decimals = decimals_of(self.currency)
        self.legal_entity = company.legal_entity if company else ""
        self.prefix = company.prefix if company else "FR"
        self.usual_tax = TAXES[company.legal_entity][0].code if company else "EX"
        self.usual_account = next(iter(EXPENSE_ACCOUNTS[company.chart if company else "Shared"]))

    def percent(self, code: str) -> Decimal:
        """The rate of a tax code; 0 for a code the company does not have."""
        if code == UNMAPPED_TAX.code:
            return UNMAPPED_TAX.percent
        tax = tax_of(self.legal_entity, code)
        return tax.percent if tax else Decimal(0)

    def at_home(
        self, net: Decimal, tax: Decimal, names: tuple[str, str, str]
    ) -> dict[str, Decimal]:
        """Net, tax and gross in the company's currency, under these names."""
        exchange, decimals = rate(self.currency, self.home), decimals_of(self.home)
        own_net, own_tax = rounded(net * exchange, decimals), rounded(tax * exchange, decimals)
        amounts = (own_net, own_tax, own_net + own_tax)
        return {f"{name}Company": value for name, value in zip(names, amounts, strict=True)}


def _decimal(amount: Amount | None) -> Decimal | None:
    return None if amount is None else Decimal(amount)


def _row_from_gross(gross: Amount | None, code: str, terms: _Terms) -> Row:
    if gross is None:
        return coding_row(net=100, tax_code=code)
    total = Decimal(gross)
    net = rounded(total / (1 + terms.percent(code) / 100), terms.decimals)
    return coding_row(net=net, tax=total - net, tax_code=code)


def _complete_row(draft: Row, index: int, invoice_id: str, terms: _Terms) -> Row:
    percent = draft.get("taxPercent", terms.percent(draft["taxCode"]))
    net = rounded(draft["netTotal"], terms.decimals)
    if net != draft["netTotal"]:
        raise ValueError(f"net {draft['netTotal']} has more decimals than {terms.currency}")
    tax = rounded(draft.get("taxSum", net * percent / 100), terms.decimals)
    return {
        "externalCode": code32("row", invoice_id, index),
        "rowIndex": index,
        "matchingType": 0,
        **draft,
        "taxPercent": percent,
        "netTotal": net,
        "taxSum": tax,
        "grossTotal": net + tax,
        **terms.at_home(net, tax, ("netTotal", "taxSum", "grossTotal")),
    }


def _sums(rows: Sequence[Row], terms: _Terms) -> dict[str, Decimal]:
    zero = rounded(Decimal(0), terms.decimals)
    net = sum((row["netTotal"] for row in rows), zero)
    tax = sum((row["taxSum"] for row in rows), zero)
    own = terms.at_home(net, tax, ("netSum", "taxSum1", "grossSum"))
    return {"netSum": net, "taxSum1": tax, "taxSum2": zero, "grossSum": net + tax, **own}


def _one_tax(rows: Sequence[Row]) -> Row:
    """Tax code and rate on the header, when all rows share one."""
    taxes = {(row["taxCode"], row["taxPercent"]) for row in rows}
    if len(taxes) != 1:
        return {}
    code, percent = taxes.pop()
    return {"taxCode": code, "taxPercent1": percent, "taxPercent2": Decimal(0)}


def _type_code(rows: Sequence[Row], gross: Decimal) -> str:
    if gross < 0:
        return "CR"
    return "RE" if any("orderNumber" in row for row in rows) else "NPO"


def _dates(issued: date, term: str | None, gross: Decimal, decimals: int) -> Row:
    days, discount_days, discount = PAYMENT_TERMS.get(term or "", (30, 0, Decimal(0)))
    booked = issued + timedelta(days=10)
    dates = {
        "invoiceDate": day(issued),
        "baseLineDate": day(issued),
        "dueDate": day(issued + timedelta(days=days)),
        "voucherDate": day(booked),
        "codingDate": day(booked),
        "accountingPeriod": f"{booked:%Y-%m}",
        "paymentTermCode": term,
    }
    if not discount:
        return dates
    return dates | {
        "cashDate": day(issued + timedelta(days=discount_days)),
        "cashPercent": discount,
        "cashSum": rounded(gross * discount / 100, decimals),
    }
