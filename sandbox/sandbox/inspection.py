"""What `sandbox inspect` prints of either system."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.d365fo.state import D365State

# Where Dynamics keeps vendor invoices: kind -> entity set, its currency and its amount field.
_INVOICES = {
    "pending": ("VendorInvoiceHeaders", "Currency", "ImportedAmount"),
    "posted": ("VendInvoiceJourBiEntities", "CurrencyCode", "InvoiceAmount"),
}


def summarise_d365fo(state: D365State) -> dict[str, Any]:
    """Counts and sums of Dynamics; `legal_entities`: company -> currency -> kind -> count, amount.

    The amount of a pending invoice is the total that came with it, in the invoice's currency.
    """
    totals: dict[str, Any] = defaultdict(lambda: defaultdict(dict))
    for kind, (entity_set, currency, amount) in _INVOICES.items():
        for row in state.rows(entity_set):
            cell = totals[row["dataAreaId"]][row[currency]].setdefault(
                kind, {"count": 0, "amount": Decimal(0)}
            )
            cell["count"] += 1
            cell["amount"] += row[amount]
    return {"rows": state.counts(), "legal_entities": totals}


def render_basware(summary: dict[str, Any]) -> str:
    """Invoices by status, per company and currency with gross sums, and counts of the rest."""
    lines = [f"Basware: {summary['documents']} invoices {_counts(summary['by_status'])}"]
    for company, currencies in sorted(summary["companies"].items()):
        for currency, statuses in sorted(currencies.items()):
            for status, cell in sorted(statuses.items()):
                lines.append(
                    f"  {company:8} {currency:4} {status:24} {cell['count']:6} "
                    f"{Decimal(cell['gross']):>18,.2f}"
                )
    lines.append(f"  records  {_counts(summary['records'])}")
    lines.append(f"  in P2P   {_counts(summary['p2p'])}")
    lines.append(f"  requests {_counts(summary['requests'])}")
    return "\n".join(lines)


def render_d365fo(summary: dict[str, Any]) -> str:
    """Invoices per legal entity and currency with sums, and rows an entity set."""
    lines = [f"Dynamics: {sum(summary['rows'].values())} rows"]
    for entity, currencies in sorted(summary["legal_entities"].items()):
        for currency, cells in sorted(currencies.items()):
            for kind, cell in sorted(cells.items()):
                lines.append(
                    f"  {entity:8} {currency:4} {kind:24} {cell['count']:6} "
                    f"{Decimal(cell['amount']):>18,.2f}"
                )
    lines += [f"  {name:40} {count:6}" for name, count in sorted(summary["rows"].items())]
    return "\n".join(lines)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"
