"""The streams of tap-d365fo that become master data: one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ap_mapping import Mapping as ApMapping
from singer_delivery.errors import Rejected

from target_basware.masters import (
    dimension_values,
    exchange_rates,
    legal_entities,
    main_accounts,
    payment_terms,
    purchase_order_lines,
    purchase_orders,
    tax_combinations,
    vendors,
)
from target_basware.masters.check import check_entity
from target_basware.masters.entity import Entity, Mapper, Record

LONGEST_KEY = 40
REMEDY = "correct it in Dynamics, or give it another code in mapping.yml"


@dataclass(frozen=True)
class Source:
    """One stream: its F&O key, what one of its records is called, the fields that are read."""

    keys: tuple[str, ...]
    title: str
    fields: tuple[str, ...]
    mapper: Mapper

    def __call__(self, mapping: ApMapping, record: Record) -> Iterable[Entity]:
        """Return the entities of a record, checked by Basware's rules.

        Raises Rejected with the record, the field, the problem and the remedy, and MappingHole.
        """
        try:
            entities = list(self.mapper(mapping, record))
        except Rejected as error:
            msg = f"{self.name_of(record)}: {error}"
            raise Rejected(msg) from None
        for entity in entities:
            problems = check_entity(entity.resource, entity.content)
            if problems:
                msg = f"{self.name_of(record)}: {'; '.join(problems)}; {REMEDY}"
                raise Rejected(msg)
        return entities

    def name_of(self, record: Record) -> str:
        """Return what the record is called in a message."""
        keys = {key: str(record.get(key, ""))[:LONGEST_KEY] for key in self.keys}
        return self.title.format(**keys)


SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        "legal_entities": Source(
            ("LegalEntityId",),
            "legal entity {LegalEntityId}",
            legal_entities.FIELDS,
            legal_entities.company_entities,
        ),
        "exchange_rates": Source(
            ("RateTypeName", "FromCurrency", "ToCurrency", "StartDate"),
            "exchange rate {FromCurrency} to {ToCurrency} from {StartDate:.10}",
            exchange_rates.FIELDS,
            exchange_rates.exchange_rate_entities,
        ),
        "payment_terms": Source(
            ("dataAreaId", "Name"),
            "payment term {Name} of {dataAreaId}",
            payment_terms.FIELDS,
            payment_terms.payment_term_entities,
        ),
        "tax_combinations": Source(
            ("dataAreaId", "TaxGroup", "TaxItemGroup"),
            "tax groups {TaxGroup} and {TaxItemGroup} of {dataAreaId}",
            tax_combinations.FIELDS,
            tax_combinations.tax_code_entities,
        ),
        "main_accounts": Source(
            ("ChartOfAccounts", "MainAccountId"),
            "main account {MainAccountId} of chart {ChartOfAccounts}",
            main_accounts.FIELDS,
            main_accounts.account_entities,
        ),
        "dimension_values": Source(
            ("FinancialDimension", "LegalEntityId", "DimensionValue"),
            "value {DimensionValue} of dimension {FinancialDimension}",
            dimension_values.FIELDS,
            dimension_values.dimension_value_entities,
        ),
        "vendors": Source(
            ("dataAreaId", "VendorAccountNumber"),
            "vendor {VendorAccountNumber} of {dataAreaId}",
            vendors.FIELDS,
            vendors.vendor_entities,
        ),
        "purchase_order_headers": Source(
            ("dataAreaId", "PurchaseOrderNumber"),
            "purchase order {PurchaseOrderNumber} of {dataAreaId}",
            purchase_orders.FIELDS,
            purchase_orders.order_entities,
        ),
        "purchase_order_lines": Source(
            ("dataAreaId", "PurchaseOrderNumber", "LineNumber"),
            "line {LineNumber} of purchase order {PurchaseOrderNumber} of {dataAreaId}",
            purchase_order_lines.FIELDS,
            purchase_order_lines.order_line_entities,
        ),
    }
)
#: Stream -> mapper; raises Rejected or MappingHole.
MAPPERS: Mapping[str, Mapper] = SOURCES
#: Stream -> the F&O fields, and what the tap adds, that its mapper reads. An environment may lack
#: some of them.
FIELDS: Mapping[str, tuple[str, ...]] = {name: s.fields for name, s in SOURCES.items()}
#: Stream -> key fields of F&O: they tell its rows from Basware-shaped records.
KEYS: Mapping[str, tuple[str, ...]] = {name: s.keys for name, s in SOURCES.items()}
