"""mapping.yml: what Basware and Dynamics 365 F&O call the same thing, loaded and validated."""

from __future__ import annotations

from ap_mapping.checking import schema
from ap_mapping.entity import EntityMapping, line_values
from ap_mapping.errors import MappingError, MappingHole
from ap_mapping.mapping import Mapping, load_mapping, parse_mapping, problems_of
from ap_mapping.sections import (
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

__all__ = [
    "Codes",
    "Dimension",
    "EntityMapping",
    "FieldValue",
    "HeaderMapping",
    "InvoiceType",
    "LineMapping",
    "Mapping",
    "MappingError",
    "MappingHole",
    "Masters",
    "PaymentTerm",
    "Procurement",
    "TaxGroups",
    "Template",
    "line_values",
    "load_mapping",
    "parse_mapping",
    "parse_template",
    "problems_of",
    "schema",
]
