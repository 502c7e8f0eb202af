"""LegalEntities with their Ledger -> companies."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ap_mapping import EntityMapping
from ap_mapping import Mapping as ApMapping
from singer_delivery.words import cut

from target_basware.masters.entity import Content, Entity, Record, filled
from target_basware.masters.external_code import external_code
from target_basware.masters.names import language_of
from target_basware.masters.postal import postal_address
from target_basware.masters.reach import mapped
from target_basware.masters.row import Row

FIELDS = (
    "LegalEntityId",
    "Name",
    "CompanyName",
    "LanguageId",
    "VATNum",
    "RegistrationNumber",
    "AddressStreet",
    "AddressCity",
    "AddressZipCode",
    "AddressState",
    "AddressCountryRegionId",
    "AddressCountryRegionISOCode",
    "Ledger",
)
LONGEST_NAME = 100
#: Numbers that are VAT numbers of the European Union by their form; GB as Basware has it.
EU_VAT = re.compile(
    "(AT|BE|BG|CY|CZ|DE|DK|EE|EL|ES|FI|FR|GB|HR|HU|IE|IT|LT|LU|LV|MT|NL|PL|PT|RO|SE|SI|SK|XI)"
    "[0-9A-Z+*]{8,12}"
)


def company_entities(mapping: ApMapping, record: Record) -> Iterator[Entity]:
    """Return one company for each Basware company of the legal entity."""
    row = Row(record)
    legal_entity = row.required("LegalEntityId").lower()
    for entity in mapped(mapping, [legal_entity]):
        for code in mapping.company_codes(legal_entity):
            yield Entity("companies", _company(entity, row, code), scope=legal_entity)


def _company(entity: EntityMapping, row: Row, code: str) -> Content:
    masters = entity.masters
    ledger = row.row("Ledger")
    address = postal_address(row, masters.countries, state="AddressState")
    if address:
        address |= {
            "externalCode": external_code("companies/addresses", code, "address"),
            "name": "Main address",
        }
    content = filled(
        companyCode=code,
        sourceSystem=masters.source_system,
        name=cut(row.text("Name") or row.text("CompanyName"), LONGEST_NAME),
        userDefaultLanguage=language_of(row.text("LanguageId"), masters.languages),
        homeCurrency=_currency(entity, ledger.text("AccountingCurrency")) if ledger else "",
        identifiers=_identifiers(entity, row),
        addresses=[address] if address else [],
    )
    return content | {"active": True}


def _currency(entity: EntityMapping, code: str) -> str:
    return next(iter(entity.currencies.basware(code)), "") if code else ""


def _identifiers(entity: EntityMapping, row: Row) -> list[Content]:
    schemes = dict(entity.masters.company_identifiers)
    vat = "".join(row.text("VATNum").split()).upper()
    if EU_VAT.fullmatch(vat):
        schemes.setdefault("VATNum", "EU:VAT")
    return [
        {"id": row.text(field), "schemeId": scheme}
        for field, scheme in schemes.items()
        if row.text(field)
    ]
