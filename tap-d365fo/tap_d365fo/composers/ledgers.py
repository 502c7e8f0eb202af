"""What a legal entity's ledger says: currencies, chart of accounts, type of exchange rate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tap_d365fo.client import Row
from tap_d365fo.composers.shape import names_schema, object_schema, present
from tap_d365fo.odata import comparable
from tap_d365fo.reader import Reader

SET = "Ledgers"
FIELDS = ("AccountingCurrency", "ReportingCurrency", "ChartOfAccounts", "ExchangeRateType")


def ledgers(reader: Reader) -> list[Row]:
    """Return LegalEntityId (lower case, as dataAreaId is) and FIELDS of the companies' ledgers.

    Raises SetupError when the environment has none: nobody could tell then whose what is shared is.
    """
    rows = reader.table(SET, select=("LegalEntityId", *present(reader, SET, FIELDS)))
    return [{**row, "LegalEntityId": row["LegalEntityId"].lower()} for row in rows]


class CompanyLedger:
    """Adds `Ledger` to legal entities: FIELDS of its ledger, null while it has none."""

    properties: Mapping[str, Any] = {
        "Ledger": object_schema(f"{', '.join(FIELDS)} of the legal entity's ledger.")
    }
    needs: tuple[str, ...] = ("LegalEntityId",)

    def compose(self, reader: Reader, rows: list[Row]) -> Iterable[Row]:
        """Yield the legal entities of one page with their ledgers."""
        found = {row["LegalEntityId"]: row for row in ledgers(reader)}
        for row in rows:
            ledger = found.get(row["LegalEntityId"].lower())
            yield {**row, "Ledger": ledger and {field: ledger.get(field) for field in FIELDS}}


class RateCompanies:
    """Adds `LegalEntities` to exchange rates: those that convert to their own currency by it."""

    properties: Mapping[str, Any] = {
        "LegalEntities": names_schema(
            "Legal entities with this type of rate and ToCurrency as their accounting currency."
        )
    }
    needs: tuple[str, ...] = ("RateTypeName", "ToCurrency")

    def compose(self, reader: Reader, rows: list[Row]) -> Iterable[Row]:
        """Yield the rates of one page with the legal entities that they serve."""
        used: dict[tuple[Any, Any], list[str]] = {}
        for ledger in ledgers(reader):
            key = (comparable(ledger["ExchangeRateType"]), comparable(ledger["AccountingCurrency"]))
            used.setdefault(key, []).append(ledger["LegalEntityId"])
        for row in rows:
            key = (comparable(row["RateTypeName"]), comparable(row["ToCurrency"]))
            yield {**row, "LegalEntities": used.get(key, [])}
