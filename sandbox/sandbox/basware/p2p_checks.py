"""What P2P finds wrong with a record that the API let pass (reference 3.2 to 3.5, 4.4).

That it checks these things is documented, or plausible; how, and in which words, is not: each has
a switch that says whether the record is refused, saved with a warning, or not looked at.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from sandbox.basware.records import companies_of
from sandbox.basware.resources import LISTS, list_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sandbox.basware.p2p import P2P

    Content = dict[str, Any]
    Check = Callable[[P2P, str, Content], Iterable[tuple[str, str]]]

#: (severity, message); the severity is what the switch says.
_ONE = {"Blanket", "Service"}  # matching modes whose quantity is 1
_COLUMN = re.compile(r"(text|number|dateValue)_(\d+)")


def complaints(p2p: P2P, name: str, content: Content) -> Iterator[tuple[str, str]]:
    """What is wrong with a record of the API `name`, given what P2P holds at this moment.

    Pairs of "error" or "warning" and a message.
    """
    checks = (_companies, *(_LIST_CHECKS if name.startswith(LISTS) else _CHECKS.get(name, ())))
    for check in checks:
        for severity, message in check(p2p, name, content):
            if severity != "off":
                yield severity, message


def _companies(p2p: P2P, _name: str, content: Content) -> Iterator[tuple[str, str]]:
    unknown = companies_of(content) - p2p.company_codes()
    if unknown and p2p.switches.check_company_codes:
        named = ", ".join(sorted(unknown))
        yield "error", f"Record skipped, wrong or missing CompanyCode: {named}"


def _vendor_term(p2p: P2P, _name: str, content: Content) -> Iterator[tuple[str, str]]:
    code = content.get("paymentTerms", {}).get("paymentTermCode")
    for company in sorted(companies_of(content)) if code else ():
        terms = p2p.with_code("paymentTerms", company, code)
        if not any(_is_active(term, company) for term in terms):
            state = "is not active" if terms else "does not exist"
            yield (
                p2p.switches.unknown_payment_term,
                f"Supplier skipped, payment term {code} {state} in company {company}",
            )


def _is_active(content: Content, company: str) -> bool:
    return any(
        part["companyCode"] == company and part.get("active", True)
        for part in content.get("companies", ())
    )


def _bank_accounts(p2p: P2P, _name: str, content: Content) -> Iterator[tuple[str, str]]:
    numbers = Counter(
        "".join(identifier["id"].split()).upper()
        for means in content.get("paymentMeans", ())
        for account in means.get("financialAccounts", ())
        for identifier in account.get("financialAccountIdentifiers", ())
        if identifier.get("id")
    )
    for number, count in numbers.items():
        if count > 1:
            which = f" {number}" if p2p.switches.bank_account_in_message else ""
            yield (
                p2p.switches.repeated_bank_account,
                f"Supplier skipped, bank account{which} occurs {count} times",
            )


def _currencies(p2p: P2P, _name: str, content: Content) -> Iterator[tuple[str, str]]:
    active = set(p2p.switches.p2p_currencies)
    fields = ("currencyCode", "currencyCodeFrom", "currencyCodeTo")
    used = [
        part.get(field) for part in (content, *content.get("paymentMeans", ())) for field in fields
    ]
    for code in sorted({code for code in used if code} - active) if active else ():
        yield p2p.switches.unknown_currency, f"Record skipped, currency {code} is not active"


def _supplier(p2p: P2P, _name: str, content: Content) -> Iterator[tuple[str, str]]:
    code, company = content["supplierCode"], content["companyCode"]
    if not p2p.with_code("vendors", company, code):
        yield (
            p2p.switches.unknown_supplier,
            f"Order skipped, supplier {code} does not exist in company {company}",
        )


def _order(p2p: P2P, _name: str, content: Content) -> Iterator[tuple[str, str]]:
    order = content["orderExternalCode"]
    if p2p.record("matchingOrders", order) is None:
        severity = p2p.switches.unknown_order
        yield (
            "error" if severity == "refuse" else severity,
            f"Order line skipped, there is no order with external code {order}",
        )


def _quantity(p2p: P2P, _name: str, content: Content) -> Iterator[tuple[str, str]]:
    quantity, mode = content["quantity"], content["matchingMode"]
    severity = p2p.switches.quantity_not_positive
    if quantity <= 0:
        yield severity, f"Order line skipped, quantity {quantity} is not greater than zero"
    elif mode in _ONE and quantity != 1:
        yield severity, f"Order line skipped, quantity of a {mode} line is {quantity} and not 1"


def _is_deleted(p2p: P2P, _name: str, content: Content) -> Iterator[tuple[str, str]]:
    if "isDeleted" not in content:
        yield (
            p2p.switches.line_without_is_deleted,
            "isDeleted has no value, the order line does not take part in best-fit matching",
        )


def _list_columns(p2p: P2P, name: str, content: Content) -> Iterator[tuple[str, str]]:
    key = name.removeprefix(LISTS)
    table = list_table(key)
    columns = {"text": table.texts, "number": table.numbers, "dateValue": table.dates}
    severity = p2p.switches.unknown_list_column
    for field, value in content.items():
        found = _COLUMN.fullmatch(field)
        if found and int(found[2]) > columns[found[1]]:
            yield severity, f"List {key} has no column {field}"
        elif found and found[1] == "text" and len(value) > table.longest_text:
            yield severity, f"{field} is longer than the {table.longest_text} characters of {key}"


_LIST_CHECKS: tuple[Check, ...] = (_list_columns,)
_CHECKS: dict[str, tuple[Check, ...]] = {
    "vendors": (_currencies, _vendor_term, _bank_accounts),
    "exchangeRates": (_currencies,),
    "matchingOrders": (_currencies, _supplier),
    "matchingOrderLines": (_order, _quantity, _is_deleted),
}
