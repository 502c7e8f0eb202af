"""PaymentTerms with CashDiscounts -> paymentTerms, as far as both sides reckon alike.

What Basware cannot reckon the way F&O does is entered by hand there: a date that is asked for is
better than a wrong one.
"""

from __future__ import annotations

from collections.abc import Iterator

from ap_mapping import EntityMapping
from ap_mapping import Mapping as ApMapping
from singer_delivery.errors import Rejected

from target_basware.masters.entity import Content, Entity, Record
from target_basware.masters.external_code import external_code
from target_basware.masters.names import names, padded
from target_basware.masters.reach import FOR_EVER, active_and_inherited, mapped
from target_basware.masters.row import Row

FIELDS = (
    "dataAreaId",
    "Name",
    "Description",
    "PaymentMethodType",
    "NumberOfDays",
    "NumberOfMonths",
    "PaymentDayName",
    "PaymentScheduleName",
    "VendorDueDateUpdatePolicy",
    "CashDiscounts",
)
#: VendorDueDateUpdatePolicy -> moveDueDatesTo.
MOVES = {"Next": "1", "Previous": "2"}
BY_HAND, BY_RULE, BY_STEPS = 0, 1, 2


def payment_term_entities(mapping: ApMapping, record: Record) -> Iterator[Entity]:
    """Return one payment term for each Basware code that stands for this one. Raises Rejected.

    A term that mapping.yml does not list is not offered in Basware: it could not come back.
    """
    row = Row(record)
    legal_entity, term = row.required("dataAreaId").lower(), row.required("Name")
    for entity in mapped(mapping, [legal_entity]):
        for code in entity.payment_term_codes(term):
            content = _payment_term(entity, row, code)
            content["companies"] = active_and_inherited(mapping, entity, True)
            yield Entity("paymentTerms", content, scope=legal_entity)


def _payment_term(entity: EntityMapping, row: Row, code: str) -> Content:
    name = row.text("Description") or row.text("Name")
    steps = _steps(row, entity.payment_terms[code].cash_discount)
    if steps:
        name = f"{name}, {steps[0].text('Description') or steps[0].text('CashDiscountCode')}"
    return {
        "externalCode": external_code("paymentTerms", entity.legal_entity, code),
        "paymentTermCode": code,
        "paymentTermNames": names(
            name, (), entity.masters.languages, instead=padded(code, name, "Term")
        ),
        "validFrom": FOR_EVER[0],
        "validTo": FOR_EVER[1],
        **_due_date(row),
        **_cash_date(entity.legal_entity, code, steps),
    }


def _due_date(row: Row) -> Content:
    unlike = row.text("PaymentDayName") or row.text("PaymentScheduleName")
    rule = _rule(row, row.text("PaymentMethodType")) if not unlike else None
    if rule is None:
        return {"dueDateCalc": BY_HAND}
    days, month_ends, days_after = rule
    return {
        "dueDateCalc": BY_RULE,
        "dueDateDays": days,
        "dueDateEom": month_ends,
        "dueDateDays2": days_after,
        "moveDueDatesTo": MOVES.get(row.text("VendorDueDateUpdatePolicy"), "0"),
    }


def _rule(row: Row, method: str) -> tuple[int, int, int] | None:
    """Return days, month-ends and days after them; None where Basware has no such rule.

    Months are not days, and F&O adds them to the end of a month by the day of the month, Basware
    by month-ends: 28 February and a month is 28 March there and 31 March here.
    """
    days, months = row.whole("NumberOfDays"), row.whole("NumberOfMonths")
    if months or days < 0:
        return None
    if method in ("", "Net") or (method == "COD" and not days):
        return days, 0, 0
    return (0, 1, days) if method == "CurrentMth" else None


def _steps(row: Row, wanted: str | None) -> list[Row]:
    """Return the cash discount that goes along and those that follow it, none when none does."""
    known = {discount.text("CashDiscountCode"): discount for discount in row.rows("CashDiscounts")}
    if wanted and wanted not in known:
        msg = (
            f"its cash discount {wanted!r} is not among those of {row.text('dataAreaId')}; "
            "correct payment_terms in mapping.yml"
        )
        raise Rejected(msg)
    steps: list[Row] = []
    code = wanted or ""
    while code in known:
        discount = known.pop(code)
        steps.append(discount)
        code = discount.text("NextCashDiscountCode")
    return steps


def _cash_date(legal_entity: str, code: str, steps: list[Row]) -> Content:
    if not steps:
        return {}
    rules = [_rule(step, step.text("DiscountMethod")) for step in steps]
    percents = [step.required_number("Percent") for step in steps]
    first = rules[0]
    if len(steps) == 1 and first is not None:
        days, month_ends, days_after = first
        return {
            "cashDueDateCalc": BY_RULE,
            "cashDueDateDays": days,
            "cashDueDateEom": month_ends,
            "cashDueDateDays2": days_after,
            "cashDiscount": percents[0],
        }
    days_only = [rule[0] for rule in rules if rule is not None and rule[1:] == (0, 0)]
    if len(set(days_only)) < len(steps):
        return {"cashDueDateCalc": BY_HAND, "cashDiscount": percents[0]}
    return {
        "cashDueDateCalc": BY_STEPS,
        "paymentTermDiscountRules": [
            {
                "externalCode": external_code(
                    "paymentTerms/rules", legal_entity, code, step.text("CashDiscountCode")
                ),
                "discountDays": days,
                "discountPercent": percent,
                "active": True,
            }
            for step, days, percent in zip(steps, days_only, percents, strict=True)
        ],
    }
