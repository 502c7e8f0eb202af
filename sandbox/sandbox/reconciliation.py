"""Do both systems agree? Counted from what they hold, not from what any log says."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Row = Mapping[str, Any]

#: The id that an invoice carries into Dynamics, in its description.
CORRELATION = re.compile(r"\bBasware ([0-9a-fA-F-]{8,36})\b")


@dataclass
class Totals:
    """Counts and sums of one legal entity and currency; sums are gross, in that currency."""

    approved: int = 0
    approved_sum: Decimal = Decimal(0)
    delivered: int = 0
    delivered_sum: Decimal = Decimal(0)
    confirmed: int = 0
    confirmed_sum: Decimal = Decimal(0)
    rejected: int = 0
    rejected_sum: Decimal = Decimal(0)


@dataclass
class Reconciliation:
    """Totals per (legal entity, currency), reasons of rejections, and every disagreement."""

    totals: dict[tuple[str, str], Totals] = field(default_factory=lambda: defaultdict(Totals))
    rejections: list[tuple[str, str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def reconciled(self) -> bool:
        """True when every approved invoice is held once or rejected with words, and so told."""
        return not self.problems


@dataclass(frozen=True)
class Holding:
    """One vendor invoice as Dynamics holds it, pending or posted."""

    legal_entity: str
    key: str
    currency: str
    gross: Decimal
    lines: int
    lines_sum: Decimal
    tax: Decimal


def reconcile(
    approved: Iterable[Row],
    headers: Iterable[Row],
    lines: Iterable[Row],
    legal_entities: Mapping[str, str],
) -> Reconciliation:
    """Compare the approved invoices of Basware with the vendor invoices of Dynamics.

    `approved`: accounting documents as they are now. `headers`, `lines`: rows of
    VendorInvoiceHeaders and VendorInvoiceLines. `legal_entities`: company code -> legal entity.
    """
    result = Reconciliation()
    held = _holdings(headers, lines, result)
    for document in approved:
        code = document["companyCode"]
        entity = legal_entities.get(code, f"(company {code})")
        totals = result.totals[entity, document["currencyCode"]]
        totals.approved += 1
        totals.approved_sum += _gross(document)
        _compare(document, entity, held.pop(document["invoiceId"], []), totals, result)
    for document_id, orphans in held.items():
        for orphan in orphans:
            result.problems.append(
                f"{orphan.legal_entity} {orphan.key}: Dynamics holds an invoice for {document_id}, "
                "which Basware did not offer"
            )
    return result


def _compare(
    document: Row,
    entity: str,
    holdings: list[Holding],
    totals: Totals,
    result: Reconciliation,
) -> None:
    gross = _gross(document)
    name = f"{entity} invoice {document.get('invoiceNumber') or document['invoiceId']}"
    totals.delivered += len(holdings)
    totals.delivered_sum += sum((holding.gross for holding in holdings), Decimal(0))
    status = document["processingStatus"]
    if status in {"Transferred", "Paid"}:
        totals.confirmed += 1
        totals.confirmed_sum += gross
        if len(holdings) != 1:
            result.problems.append(
                f"{name}: confirmed, but Dynamics holds it {len(holdings)} times"
            )
        for holding in holdings:
            result.problems += [
                f"{name}: {problem}" for problem in _differences(document, entity, holding)
            ]
    elif status == "TransferFailed":
        totals.rejected += 1
        totals.rejected_sum += gross
        responses = document.get("transferResponses") or [{}]
        reason = responses[-1].get("responseMessage", "")
        label = document.get("invoiceNumber") or f"(id {document['invoiceId']})"
        result.rejections.append((entity, label, reason))
        if holdings:
            result.problems.append(f"{name}: rejected, but Dynamics holds it")
        if not reason:
            result.problems.append(f"{name}: rejected without a reason")
    else:
        result.problems.append(f"{name}: still {status} in Basware, nothing was confirmed")


def _gross(document: Row) -> Decimal:
    return Decimal(document.get("grossSum") or 0)


def _differences(document: Row, entity: str, holding: Holding) -> list[str]:
    gross = _gross(document)
    rows = len(document.get("codingRows") or [])
    checks = (
        ("legal entity", entity, holding.legal_entity),
        ("currency", document["currencyCode"], holding.currency),
        ("gross amount", gross, holding.gross),
        ("lines plus tax", gross, holding.lines_sum + holding.tax),
        ("number of lines", rows, holding.lines),
    )
    return [
        f"{what} is {theirs} in Dynamics and {ours} in Basware"
        for what, ours, theirs in checks
        if ours != theirs
    ]


def _holdings(
    headers: Iterable[Row], lines: Iterable[Row], result: Reconciliation
) -> dict[str, list[Holding]]:
    counts: Counter[tuple[str, str]] = Counter()
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for line in lines:
        key = (line["dataAreaId"].lower(), line["HeaderReference"])
        counts[key] += 1
        sums[key] += Decimal(line["NetAmount"])
    held: dict[str, list[Holding]] = defaultdict(list)
    for header in headers:
        key = (header["dataAreaId"].lower(), header["HeaderReference"])
        found = CORRELATION.search(header["InvoiceDescription"])
        if not found:
            result.problems.append(f"{key[0]} {key[1]}: its description names no Basware invoice")
            continue
        held[found.group(1)].append(
            Holding(
                legal_entity=key[0],
                key=key[1],
                currency=header["Currency"],
                gross=Decimal(header["ImportedAmount"]),
                lines=counts[key],
                lines_sum=sums[key],
                tax=Decimal(header["ImportedSalesTax"]),
            )
        )
    return held


def render(result: Reconciliation) -> str:
    """Return the reconciliation as text for a terminal, ending with `reconciled: yes` or `no`."""
    heading = ("", "", "Basware approved", "Dynamics holds", "Basware confirmed", "rejected")
    table = [heading]
    for (entity, currency), totals in sorted(result.totals.items()):
        table.append(
            (
                entity,
                currency,
                _cell(totals.approved, totals.approved_sum),
                _cell(totals.delivered, totals.delivered_sum),
                _cell(totals.confirmed, totals.confirmed_sum),
                _cell(totals.rejected, totals.rejected_sum),
            )
        )
    widths = [max(len(row[column]) for row in table) for column in range(len(heading))]
    out = [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
    if result.rejections:
        out += ["", f"Rejected, as Basware now shows it ({len(result.rejections)}):"]
        out += [f"  {number}: {reason}" for _, number, reason in sorted(result.rejections)]
    if result.problems:
        out += ["", f"Differences ({len(result.problems)}):"]
        out += [f"  {problem}" for problem in result.problems]
    out += ["", f"reconciled: {'yes' if result.reconciled else 'no'}"]
    return "\n".join(out)


def _cell(count: int, total: Decimal) -> str:
    """Return "3 = 1,234.50"; an amount that can do without decimals goes without."""
    if not count:
        return "-"
    whole = total == total.to_integral_value()
    return f"{count} = {total:,.0f}" if whole else f"{count} = {total:,.2f}"
