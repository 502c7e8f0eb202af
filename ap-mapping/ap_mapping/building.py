"""Checked tree -> EntityMapping: exceptions merged over the common sections, templates parsed."""

from __future__ import annotations

from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ap_mapping.entity import EntityMapping
from ap_mapping.sections import (
    VENDOR_IDENTIFIERS,
    Codes,
    Dimension,
    HeaderMapping,
    InvoiceType,
    LineMapping,
    Masters,
    PaymentTerm,
    Procurement,
    TaxGroups,
)
from ap_mapping.templates import FieldValue, Template, parse_template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ap_mapping.sections import Value

#: Blocks whose entries are added up; any other value of an exception replaces the common one.
_MERGED_TWO_DEEP = (
    "main_accounts",
    "vendors",
    "currencies",
    "units",
    "header",
    "line",
    "masters",
)
_TABLES = ("company_identifiers", "languages", "countries")

_HEADER_FIELDS = {
    "posting_date": "voucherDate",
    "due_date": "dueDate",
    "received_date": None,
    "on_hold": "paymentBlock",
}
_LINE_FIELDS = {
    "quantity": "matchedQuantity",
    "unit": "orderLineUOM",
    "item_number": None,
    "purchase_order": "orderNumber",
    "purchase_line_number": "orderLineNumber",
}


def merge_sections(common: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """The common sections with a legal entity's own entries added; its own entries win."""
    merged = dict(common)
    for section, value in own.items():
        merged[section] = _merge(common.get(section), value, section in _MERGED_TWO_DEEP)
    return merged


def _merge(common: Any, own: Any, inner: bool) -> Any:
    if not isinstance(common, dict) or not isinstance(own, dict):
        return own
    merged = dict(common)
    for key, value in own.items():
        merged[key] = _merge(common.get(key), value, False) if inner else value
    return merged


def entity_mapping(legal_entity: str, tree: dict[str, Any]) -> EntityMapping:
    """The view of one legal entity; raises ValueError for a template that cannot be parsed."""
    types = tree.get("invoice_types")
    methods = tree.get("payment_methods")
    return EntityMapping(
        legal_entity=legal_entity,
        dimensions=_dimensions(tree.get("dimensions", {})),
        main_accounts=_codes(tree.get("main_accounts", {}), "accountCode"),
        vendors=_codes(tree.get("vendors", {}), "supplierCode"),
        currencies=_codes(tree.get("currencies", {}), "currencyCode"),
        units=_codes(tree.get("units", {}), "orderLineUOM"),
        tax_codes=_frozen({c: _tax_groups(g) for c, g in tree.get("tax_codes", {}).items()}),
        payment_terms=_frozen(
            {code: _payment_term(entry) for code, entry in tree.get("payment_terms", {}).items()}
        ),
        payment_methods=None if methods is None else _frozen(methods),
        invoice_types=None
        if types is None
        else _frozen({code: InvoiceType(**entry) for code, entry in types.items()}),
        procurement=_procurement(tree.get("procurement")),
        header=_header(tree.get("header", {})),
        line=_line(tree.get("line", {})),
        masters=_masters(tree.get("masters", {})),
    )


def _codes(tree: dict[str, Any], field: str) -> Codes:
    return Codes(tree.get("field", field), _frozen(tree.get("values", {})))


def _dimensions(tree: dict[str, Any]) -> tuple[Dimension, ...]:
    return tuple(
        Dimension(
            name,
            _codes(entry, entry["coding_field"]),
            entry.get("import"),
            code_column=entry.get("code_column", "text_1"),
            name_column=entry.get("name_column", "text_2"),
            list_content=entry.get("list_content"),
        )
        for name, entry in tree.items()
        if entry is not None
    )


def _tax_groups(tree: dict[str, Any]) -> TaxGroups:
    percentage = tree.get("percentage")
    return TaxGroups(
        sales_tax_group=tree["sales_tax_group"],
        item_sales_tax_group=tree["item_sales_tax_group"],
        percentage=None if percentage is None else Decimal(percentage),
    )


def _payment_term(entry: dict[str, Any] | str | None) -> PaymentTerm:
    if isinstance(entry, dict):
        return PaymentTerm(entry["term"], entry.get("cash_discount"))
    return PaymentTerm(entry)


def _masters(tree: dict[str, Any]) -> Masters:
    settings: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in tree.items()
    }
    tables: dict[str, dict[str, Any]] = {name: tree.get(name, {}) for name in _TABLES}
    tables["vendor_identifiers"] = VENDOR_IDENTIFIERS | tree.get("vendor_identifiers", {})
    settings |= {
        name: _frozen({key: value for key, value in table.items() if value is not None})
        for name, table in tables.items()
    }
    return Masters(**settings)


def _procurement(tree: dict[str, Any] | None) -> Procurement | None:
    if tree is None:
        return None
    codes = _codes(tree, tree["field"]) if "field" in tree else None
    return Procurement(tree["hierarchy"], tree.get("default_category"), codes)


def _header(tree: dict[str, Any]) -> HeaderMapping:
    return HeaderMapping(
        description=_template(tree, "Basware {invoiceId}"),
        fields=_values(tree),
        **_field_names(tree, _HEADER_FIELDS),
    )


def _line(tree: dict[str, Any]) -> LineMapping:
    return LineMapping(
        description=_template(tree, None),
        fields=_values(tree),
        **_field_names(tree, _LINE_FIELDS),
    )


def _field_names(tree: dict[str, Any], defaults: Mapping[str, str | None]) -> dict[str, str | None]:
    names: dict[str, str | None] = {}
    for setting, default in defaults.items():
        choice = tree.get(setting, {"field": default})
        names[setting] = None if choice is None else choice["field"]
    return names


def _template(tree: dict[str, Any], default: str | None) -> Template | None:
    text = tree.get("description", default)
    return None if text is None else parse_template(text)


def _values(tree: dict[str, Any]) -> Mapping[str, Value]:
    values: dict[str, Value] = {}
    for name, value in tree.get("fields", {}).items():
        if isinstance(value, dict):
            values[name] = FieldValue(value["field"])
        elif value is not None:
            values[name] = parse_template(value)
    return _frozen(values)


def _frozen(values: dict[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(dict(values))
