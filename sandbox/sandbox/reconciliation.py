"""Do both systems agree? Counted from what they hold, not from what any log says."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sandbox.reconciliation_payments import paid_by_dynamics, paid_in_basware, payment_problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sandbox.d365fo.state import D365State
    from sandbox.reconciliation_payments import Paid

    Row = Mapping[str, Any]

#: The id that an invoice carries into Dynamics, in its description.
CORRELATION = re.compile(r"\bBasware ([0-9a-fA-F-]{8,36})\b")


@dataclass
class Totals:
    """Counts and sums of one legal entity and currency, in that currency.

    Sums are gross, except of what is paid: that is without cash discount, and an invoice whose
    payments were all taken back does not count.
    """

    approved: int = 0
    approved_sum: Decimal = Decimal(0)
    delivered: int = 0
    delivered_sum: Decimal = Decimal(0)
    confirmed: int = 0
    confirmed_sum: Decimal = Decimal(0)
    rejected: int = 0
    rejected_sum: Decimal = Decimal(0)
    paid_in_basware: int = 0
    paid_in_basware_sum: Decimal = Decimal(0)
    paid_in_dynamics: int = 0
    paid_in_dynamics_sum: Decimal = Decimal(0)


@dataclass
class Reconciliation:
    """Totals per (legal entity, currency), reasons of rejections, and every disagreement."""

    totals: dict[tuple[str, str], Totals] = field(default_factory=lambda: defaultdict(Totals))
    rejections: list[tuple[str, str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def reconciled(self) -> bool:
        """True when nothing disagrees.

        Every approved invoice is held once or rejected with words, Basware is told so, and shows
        what was paid.
        """
        return not self.problems


@dataclass(frozen=True)
class Books:
    """Rows of Dynamics: vendor invoices pending and posted, vendor transactions, settlements."""

    headers: Sequence[Row] = ()  # VendorInvoiceHeaders
    lines: Sequence[Row] = ()  # VendorInvoiceLines
    posted: Sequence[Row] = ()  # VendInvoiceJourBiEntities
    posted_lines: Sequence[Row] = ()  # VendInvoiceTransBiEntities
    transactions: Sequence[Row] = ()  # VendTransBiEntities
    settlements: Sequence[Row] = ()  # VendSettlementBiEntities

    @classmethod
    def of(cls, dynamics: D365State) -> Books:
        """Copies of what an environment holds now."""
        return cls(
            dynamics.rows("VendorInvoiceHeaders"),
            dynamics.rows("VendorInvoiceLines"),
            dynamics.rows("VendInvoiceJourBiEntities"),
            dynamics.rows("VendInvoiceTransBiEntities"),
            dynamics.rows("VendTransBiEntities"),
            dynamics.rows("VendSettlementBiEntities"),
        )


@dataclass(frozen=True)
class Holding:
    """One vendor invoice as Dynamics holds it, pending or posted; `voucher` of a posted one."""

    legal_entity: str
    key: str
    currency: str
    gross: Decimal
    lines: int
    lines_sum: Decimal
    tax: Decimal
    voucher: str = ""


def reconcile(
    approved: Iterable[Row], books: Books, legal_entities: Mapping[str, str]
) -> Reconciliation:
    """Compare the approved invoices of Basware with the vendor invoices of Dynamics.

    `approved`: accounting documents as they are now. `legal_entities`: company code -> legal
    entity.
    """
    result = Reconciliation()
    held = _holdings(books, result)
    paid = paid_by_dynamics(books.transactions, books.settlements)
    for document in approved:
        code = document["companyCode"]
        entity = legal_entities.get(code, f"(company {code})")
        totals = result.totals[entity, document["currencyCode"]]
        totals.approved += 1
        totals.approved_sum += _gross(document)
        holdings = held.pop(document["invoiceId"], [])
        _compare(document, entity, holdings, totals, result)
        payment = next((paid[key] for each in holdings if (key := _voucher(each)) in paid), None)
        _compare_payment(document, entity, payment, totals, result)
    for document_id, orphans in held.items():
        for orphan in orphans:
            result.problems.append(
                f"{orphan.legal_entity} {orphan.key}: Dynamics holds an invoice for {document_id}, "
                "which Basware did not offer"
            )
    return result


def _voucher(holding: Holding) -> tuple[str, str]:
    return holding.legal_entity, holding.voucher


def _name(document: Row, entity: str) -> str:
    return f"{entity} invoice {document.get('invoiceNumber') or document['invoiceId']}"


def _compare_payment(
    document: Row, entity: str, paid: Paid | None, totals: Totals, result: Reconciliation
) -> None:
    shown = paid_in_basware(document)
    if shown is not None and shown.total:
        totals.paid_in_basware += 1
        totals.paid_in_basware_sum += shown.total
    if paid is not None and paid.total:
        totals.paid_in_dynamics += 1
        totals.paid_in_dynamics_sum += paid.total
    name = _name(document, entity)
    result.problems += [f"{name}: {problem}" for problem in payment_problems(document, paid)]


def _compare(
    document: Row,
    entity: str,
    holdings: list[Holding],
    totals: Totals,
    result: Reconciliation,
) -> None:
    gross = _gross(document)
    name = _name(document, entity)
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


def _holdings(books: Books, result: Reconciliation) -> dict[str, list[Holding]]:
    """The vendor invoices by the id that their description names."""
    pending = _line_sums(books.lines, "HeaderReference", "NetAmount")
    posted = _line_sums(books.posted_lines, "InternalInvoiceId", "LineAmount")
    found = [(row["InvoiceDescription"], _pending(row, pending)) for row in books.headers]
    found += [(row["Description"], _posted(row, posted)) for row in books.posted]
    held: dict[str, list[Holding]] = defaultdict(list)
    for description, holding in found:
        named = CORRELATION.search(description)
        if named:
            held[named.group(1)].append(holding)
        else:
            result.problems.append(
                f"{holding.legal_entity} {holding.key}: its description names no Basware invoice"
            )
    return held


#: Of each invoice, by legal entity and reference: how many lines, and what they come to.
_LineSums = dict[tuple[str, str], tuple[int, Decimal]]


def _line_sums(lines: Iterable[Row], reference: str, amount: str) -> _LineSums:
    sums: _LineSums = {}
    for line in lines:
        key = (line["dataAreaId"].lower(), line[reference])
        count, total = sums.get(key, (0, Decimal(0)))
        sums[key] = (count + 1, total + Decimal(line[amount]))
    return sums


def _pending(header: Row, sums: _LineSums) -> Holding:
    key = (header["dataAreaId"].lower(), header["HeaderReference"])
    return Holding(
        *key,
        header["Currency"],
        Decimal(header["ImportedAmount"]),
        *sums.get(key, (0, Decimal(0))),
        Decimal(header["ImportedSalesTax"]),
    )


def _posted(header: Row, sums: _LineSums) -> Holding:
    key = (header["dataAreaId"].lower(), header["InternalInvoiceId"])
    return Holding(
        *key,
        header["CurrencyCode"],
        Decimal(header["InvoiceAmount"]),
        *sums.get(key, (0, Decimal(0))),
        Decimal(header["SumTax"]),
        header["LedgerVoucher"],
    )


def render(result: Reconciliation) -> str:
    """Return the reconciliation as text for a terminal, ending with `reconciled: yes` or `no`."""
    heading = (
        "",
        "",
        "Basware approved",
        "Dynamics holds",
        "Basware confirmed",
        "rejected",
        "Dynamics paid",
        "Basware shows paid",
    )
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
                _cell(totals.paid_in_dynamics, totals.paid_in_dynamics_sum),
                _cell(totals.paid_in_basware, totals.paid_in_basware_sum),
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
