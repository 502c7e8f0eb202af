"""What Dynamics has that a mapping is about, read for a draft without writing anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

from ap_mapping.stock import (
    BaswareStock,
    CashDiscount,
    DynamicsStock,
    PaymentTerms,
    TaxPair,
    Vendor,
)
from ap_mapping.usage import dimension_fields, order_lines, used, used_on_rows
from singer_delivery.errors import DeliveryError
from singer_delivery.live import configured
from tap_d365fo.client import D365Client, Row
from tap_d365fo.composers.shape import present
from tap_d365fo.dimensions import MAIN_ACCOUNT, DimensionFormats
from tap_d365fo.reader import Reader
from tap_d365fo.tax_combinations import combinations

from target_d365fo.target import TargetD365FO

COUNTRY = ("AddressCountryRegionId", "AddressCountryRegionISOCode")
ISO_LENGTH = 2

Kind = TypeVar("Kind")


def take_stock(config: Mapping[str, Any], known: BaswareStock, *_: Any) -> DynamicsStock:
    """Return what there is, and what there is of the codes in `known`. Raises DeliveryError.

    Empty settings: those of the environment. What the user may not read is told in the notes.
    """
    target = configured(TargetD365FO, config)
    stock = Stocktaking(target.client, Reader(target.client, target.metadata))
    read = stock.read
    formats = read("dimension formats", lambda: [target.dimension_formats])
    default, ledger, delimiter = _segments(formats[0] if formats else None)
    vendors = tuple(read("VendorsV3", lambda: stock.vendors(known)))
    return DynamicsStock(
        legal_entities=dict(stock.legal_entities()),
        terms=tuple(read("PaymentTerms", stock.terms)),
        discounts=tuple(read("CashDiscounts", stock.discounts)),
        tax_pairs=tuple(read("tax groups", lambda: _tax_pairs(stock.reader))),
        methods=tuple(read("VendorPaymentMethods", stock.methods)),
        currencies=stock.codes("Currencies", "CurrencyCode"),
        units=stock.codes("UnitsOfMeasure", "UnitSymbol"),
        dimensions=ledger,
        order_line_dimensions=default,
        delimiter=delimiter,
        vendors=vendors,
        dimension_values=stock.dimension_values(known),
        accounts=stock.accounts(known),
        order_units=dict(read("PurchaseOrderLinesV2", lambda: stock.order_units(known))),
        countries=frozenset(
            filter(None, [*read("LegalEntities", stock.countries), *(v.country for v in vendors)])
        ),
        notes=tuple(stock.notes),
    )


class Stocktaking:
    """Reads one environment; what may not be read is noted and left out."""

    def __init__(self, client: D365Client, reader: Reader) -> None:
        self.client = client
        self.reader = reader
        self.notes: list[str] = []

    def read(self, what: str, reading: Callable[[], Iterator[Kind] | list[Kind]]) -> list[Kind]:
        """Return what is read, nothing where it cannot be."""
        try:
            return list(reading())
        except DeliveryError as error:
            self.notes.append(f"{what} of Dynamics could not be read: {error}")
            return []

    def legal_entities(self) -> Iterator[tuple[str, str]]:
        """Yield legal entities with their names. Raises DeliveryError."""
        for row in self.client.read("Companies", orderby=["DataArea"]):
            yield str(row["DataArea"]).lower(), str(row.get("Name") or "")

    def terms(self) -> Iterator[PaymentTerms]:
        """Yield the terms of payment of all legal entities."""
        for row in self._rows("PaymentTerms", "Name"):
            yield PaymentTerms(_entity(row), str(row["Name"]), _days(row, "PaymentMethodType"))

    def discounts(self) -> Iterator[CashDiscount]:
        """Yield the cash discounts of all legal entities."""
        for row in self._rows("CashDiscounts", "CashDiscountCode"):
            yield CashDiscount(
                _entity(row),
                str(row["CashDiscountCode"]),
                Decimal(str(row.get("Percent") or 0)),
                _days(row, "DiscountMethod"),
            )

    def methods(self) -> Iterator[tuple[str, str]]:
        """Yield legal entity and name of each method of payment."""
        for row in self._rows("VendorPaymentMethods", "Name"):
            yield _entity(row), str(row["Name"])

    def codes(self, entity_set: str, field: str) -> frozenset[str] | None:
        """Return the codes of a set that all legal entities share, None where it is unreadable."""
        rows = self.read(
            entity_set, lambda: self.client.read(entity_set, select=[field], orderby=[field])
        )
        return frozenset(str(row[field]) for row in rows) or None

    def vendors(self, known: BaswareStock) -> Iterator[Vendor]:
        """Yield the accounts of the vendors on invoices."""
        codes = used(known, "supplierCode")
        keys = [{"VendorAccountNumber": code} for code in codes]
        names = ("DefaultPaymentTermsName", "DefaultVendorPaymentMethodName", *COUNTRY)
        fields = ("dataAreaId", *present(self.reader, "VendorsV3", names))
        for row in self.client.lookup("VendorsV3", keys, select=fields):
            yield Vendor(
                _entity(row),
                str(row["VendorAccountNumber"]),
                str(row.get("DefaultPaymentTermsName") or ""),
                str(row.get("DefaultVendorPaymentMethodName") or ""),
                _country(row),
            )

    def countries(self) -> Iterator[str]:
        """Yield the countries of legal entities, "" where they show the ISO code."""
        fields = ("LegalEntityId", *present(self.reader, "LegalEntities", COUNTRY))
        for row in self.client.read("LegalEntities", select=fields, orderby=["LegalEntityId"]):
            yield _country(row)

    def dimension_values(self, known: BaswareStock) -> dict[str, frozenset[str]]:
        """Return the values on invoices with the dimensions that have them."""
        values = dict.fromkeys(v for some in dimension_fields(known).values() for v in some)
        keys = [{"DimensionValue": value} for value in values]
        rows = self.read(
            "FinancialDimensionValues",
            lambda: self.client.lookup("FinancialDimensionValues", keys),
        )
        spelled = {value.casefold(): value for value in values}
        found: dict[str, set[str]] = {}
        for row in rows:
            value = spelled.get(str(row["DimensionValue"]).casefold(), str(row["DimensionValue"]))
            found.setdefault(value, set()).add(str(row["FinancialDimension"]))
        return {value: frozenset(names) for value, names in found.items()}

    def accounts(self, known: BaswareStock) -> frozenset[str] | None:
        """Return the main accounts that there are of those on invoices."""
        codes = used_on_rows(known, "accountCode")
        keys = [{"MainAccountId": code} for code in codes]
        rows = self.read(
            "MainAccounts",
            lambda: self.client.lookup("MainAccounts", keys, select=["MainAccountId"]),
        )
        return frozenset(str(row["MainAccountId"]) for row in rows) or None

    def order_units(self, known: BaswareStock) -> Iterator[tuple[tuple[str, str], str]]:
        """Yield order, line and unit of order lines that invoices are matched to."""
        wanted = {line for _, line in order_lines(known) if line[1].isdecimal()}
        keys = [
            {"PurchaseOrderNumber": order, "LineNumber": int(number)}
            for order, number in sorted(wanted)
        ]
        fields = ["PurchaseUnitSymbol"]
        for row in self.client.lookup("PurchaseOrderLinesV2", keys, select=fields):
            line = (str(row["PurchaseOrderNumber"]), str(int(row["LineNumber"])))
            yield line, str(row.get("PurchaseUnitSymbol") or "")

    def _rows(self, entity_set: str, key: str) -> Iterator[Row]:
        return self.client.read(entity_set, orderby=["dataAreaId", key])


def _entity(row: Row) -> str:
    return str(row["dataAreaId"]).lower()


def _country(row: Row) -> str:
    """Return the country that Dynamics writes in its own way; "" where it shows the ISO code."""
    region, iso = (str(row.get(name) or "") for name in COUNTRY)
    return "" if iso or len(region) == ISO_LENGTH else region


def _days(row: Row, method: str) -> int | None:
    """Return the days of a term or discount that is nothing but days."""
    if row.get("NumberOfMonths") or row.get(method) not in (None, "", "Net"):
        return None
    return int(row.get("NumberOfDays") or 0)


def _tax_pairs(reader: Reader) -> Iterator[TaxPair]:
    for row in combinations(reader, today=datetime.now(tz=UTC).date()):
        yield TaxPair(
            _entity(row),
            row["TaxGroup"],
            row["TaxItemGroup"],
            Decimal(0) if row["ExemptTax"] else row["Percentage"],
            tuple(row["TaxCodes"]),
        )


def _segments(formats: DimensionFormats | None) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Return the segments of the default and of the ledger format, and the delimiter."""
    if formats is None:
        return (), (), "-"
    default, ledger = formats.default_format, formats.ledger_format
    dimensions = tuple(
        name for name in ledger.segments if name.casefold() != MAIN_ACCOUNT.casefold()
    )
    return default.segments, dimensions, ledger.delimiter
