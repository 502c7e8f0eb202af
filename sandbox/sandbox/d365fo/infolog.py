"""The infolog: the texts in which AX says why it refuses to save a row."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sandbox.d365fo.errors import write_error

if TYPE_CHECKING:
    from sandbox.d365fo.errors import ODataError
    from sandbox.d365fo.model import EntitySet

Line = tuple[str, str]  # level (Info, Warning, Error), text without its full stop


def write_failed(entity: EntitySet, *lines: Line) -> ODataError:
    """`Write failed for table row of type …` with these infolog lines."""
    return write_error(
        f"Write failed for table row of type '{entity.aot_name}'. Infolog: {_join(lines)}."
    )


def field_invalid(entity: EntitySet, field: str, text: str, level: str = "Warning") -> ODataError:
    """What a failing validateField leaves: its reason, and the name of the field."""
    closing = f"validateField failed on field '{entity.aot_name}.{field}'"
    return write_failed(entity, (level, text), ("Warning", closing))


def row_invalid(entity: EntitySet, source: str, *texts: str) -> ODataError:
    """What a failing validateWrite leaves. `source` is the data source, such as `VendTable`."""
    closing = f"validateWrite failed on data source '{source} ({source})'"
    return write_failed(entity, *(("Warning", text) for text in texts), ("Warning", closing))


def validation_failed(entity: EntitySet, text: str) -> ODataError:
    """The variant that some validateWrite methods of entities give."""
    return write_error(
        f"Write validation failed for table row of type '{entity.aot_name}'. "
        f"Infolog: Warning: {text}."
    )


def not_in_related(value: object, label: str, table_label: str) -> str:
    """The text for a reference that leads nowhere."""
    return (
        f"The value '{value}' in field '{label}' is not found in the related table '{table_label}'"
    )


def must_be_filled(label: str) -> str:
    """The text for an empty mandatory field."""
    return f"Field '{label}' must be filled in"


def record_exists(table_label: str, table: str, key_label: str, values: list[str]) -> str:
    """The text for a key that is taken; AX has a full stop too many behind it."""
    return (
        f"Cannot create a record in {table_label} ({table}). {key_label}: {', '.join(values)}.\n"
        "The record already exists."
    )


def update_conflict(table_label: str, table: str) -> str:
    """The text for two processes that write one document at a time."""
    return (
        f"Cannot edit a record in {table_label} ({table}).\nAn update conflict occurred due to "
        "another user process deleting the record or changing one or more fields in the record"
    )


def label_of(name: str) -> str:
    """An English label for a field name: `InvoiceAccount` -> `Invoice account`."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]+|[a-z]+|\d+", name)
    label = " ".join(word if word.isupper() and len(word) > 1 else word.lower() for word in words)
    return label[:1].upper() + label[1:]


def _join(lines: tuple[Line, ...]) -> str:
    return ".; ".join(f"{level}: {text}" for level, text in lines)
