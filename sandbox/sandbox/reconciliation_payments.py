"""Does Basware show of every invoice what Dynamics paid of it, to the cent and to the day?"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Row = Mapping[str, Any]

#: Legal entity (lower case) and voucher of a posted invoice.
Voucher = tuple[str, str]
_NOTHING = Decimal(0)


@dataclass(frozen=True)
class Paid:
    """What payments came to in the end, in the invoice's currency, and when the last one was.

    `total` is without cash discount, and 0 when all was taken back; `day` is ISO.
    """

    total: Decimal
    day: str


def paid_by_dynamics(
    transactions: Iterable[Row], settlements: Iterable[Row]
) -> dict[Voucher, Paid]:
    """What was paid of each invoice that a payment was ever settled with.

    Rows of VendTransBiEntities and VendSettlementBiEntities. Counted from the payments' side of the
    settlements, which knows no discount; a payment in another currency than its invoice cannot be
    counted so. Raises ValueError for one.
    """
    by_id = {(row["dataAreaId"].lower(), row["SourceKey"]): row for row in transactions}
    paid: dict[Voucher, Paid] = {}
    for row in sorted(settlements, key=lambda row: int(row["SourceKey"])):
        side = by_id[row["TransCompany"].lower(), row["TransRecId"]]
        other = by_id[row["OffsetCompany"].lower(), row["OffsetRecid"]]
        if side["TransType"] != "Payment" or other["TransType"] == "Payment":
            continue
        if side["CurrencyCode"] != other["CurrencyCode"]:
            msg = f"payment {side['Voucher']} is not in the currency of {other['Voucher']}"
            raise ValueError(msg)
        key = other["dataAreaId"].lower(), other["Voucher"]
        before = paid.get(key, Paid(_NOTHING, "")).total
        total = before + Decimal(row["SettleAmountCur"])
        paid[key] = Paid(total, str(row["TransDate"])[:10])
    return paid


def paid_in_basware(document: Row) -> Paid | None:
    """What the latest payment response says, None without one."""
    responses = [each for each in document.get("paymentResponses", ()) if each.get("success")]
    if not responses:
        return None
    latest = responses[-1]
    return Paid(Decimal(latest.get("paidTotal", 0)), str(latest.get("paymentDate", ""))[:10])


def payment_problems(document: Row, paid: Paid | None) -> list[str]:
    """How Basware's invoice differs from what Dynamics paid of it; None = never paid."""
    shown, status = paid_in_basware(document), document["processingStatus"]
    if paid is None:
        return (
            [] if shown is None and status != "Paid" else ["Basware shows a payment, Dynamics none"]
        )
    if shown is None:
        return [f"Dynamics paid {paid.total}, Basware shows no payment"]
    problems = []
    if shown.total != paid.total:
        problems.append(f"Dynamics paid {paid.total}, Basware shows {shown.total}")
    if shown.day != paid.day:
        problems.append(f"last payment on {paid.day}, Basware shows {shown.day or 'no date'}")
    if paid.total and status != "Paid":
        problems.append(f"paid, but {status} in Basware")
    return problems
