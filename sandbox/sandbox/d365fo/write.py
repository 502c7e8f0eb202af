"""Writing one row: create, update, delete, in the order of AX's own pipeline.

Create: InitValue, SetValue, ValidateField for each field sent, DefaultRow, ValidateWrite, Write.
The first that fails is the answer; nothing is stored then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.d365fo.errors import (
    ODataError,
    no_resources,
    plain_error,
    query_error,
    unknown_property,
    write_error,
)
from sandbox.d365fo.infolog import (
    field_invalid,
    label_of,
    must_be_filled,
    record_exists,
    row_invalid,
    update_conflict,
    write_failed,
)
from sandbox.d365fo.rules import Change, EntityRules, check_reference
from sandbox.d365fo.values import ValueProblem, convert, fold
from sandbox.d365fo.vendor_invoice_lines import ATTACHMENT_RULES, CHARGE_RULES, LINE_RULES
from sandbox.d365fo.vendor_invoices import HEADER_RULES, HEADERS, LINES
from sandbox.d365fo.views import VIEWS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.d365fo.model import EntitySet, Field
    from sandbox.d365fo.state import D365State
    from sandbox.d365fo.tables import Record
    from sandbox.d365fo.values import Value

_RULES = {
    HEADERS: HEADER_RULES,
    LINES: LINE_RULES,
    "VendorInvoiceHeaderCharges": CHARGE_RULES,
    "VendorInvoiceLineCharges": CHARGE_RULES,
    "VendorInvoiceDocumentAttachments": ATTACHMENT_RULES,
}


def rules_for(entity: EntitySet) -> EntityRules:
    """The rules of a set; those without any of their own check types and mandatory fields."""
    rules = _RULES.get(entity.name)
    if rules is not None:
        return rules
    table = entity.aot_name.removesuffix("Entity")
    return EntityRules(table, label_of(entity.name), label_of(entity.keys[-1]))


def create(state: D365State, entity: EntitySet, body: object) -> Record:
    """Insert a row from a JSON object. Raises ODataError."""
    _refuse_read_only_set(entity)
    rules = rules_for(entity)
    sent = _sent_values(state, entity, body)
    values = state.default_row(entity)
    if entity.per_company:
        values["dataAreaId"] = state.default_company
    change = Change(state, entity, values | sent, set(sent))
    if entity.per_company:
        _check_company(change)
    if rules.init_value:
        rules.init_value(change)
    _validate(change, rules, list(sent))
    record = state.new_record(entity, change.values)
    try:
        state.store.insert(state.store[entity.name], record)
    except KeyError:
        keys = [str(change.values[name]) for name in entity.keys if name != "dataAreaId"]
        text = record_exists(rules.table_label, rules.table, rules.key_label, keys)
        raise write_failed(entity, ("Info", text)) from None
    return record


def update(
    state: D365State,
    entity: EntitySet,
    key: Mapping[str, Value],
    body: object,
    *,
    cross_company: bool,
    if_match: str | None,
) -> Record:
    """Change fields of a row. Raises ODataError, also when there is no such row (no upsert)."""
    _refuse_read_only_set(entity)
    old = _row_to_change(state, entity, key, cross_company=cross_company)
    _check_etag(state, entity, old, if_match)
    sent = _sent_values(state, entity, body)
    for name in entity.keys:
        if name in sent and fold(sent.pop(name)) != fold(old.values[name]):
            raise query_error(f"The key property '{name}' cannot be changed.")
    change = Change(state, entity, dict(old.values) | sent, set(sent), old)
    _validate(change, rules_for(entity), list(sent))
    return state.update(entity.name, old, change.values)


def delete(
    state: D365State,
    entity: EntitySet,
    key: Mapping[str, Value],
    *,
    cross_company: bool,
    if_match: str | None,
) -> None:
    """Remove a row and what belongs to it. Raises ODataError."""
    _refuse_read_only_set(entity)
    old = _row_to_change(state, entity, key, cross_company=cross_company)
    _check_etag(state, entity, old, if_match)
    state.delete(entity.name, old)
    after_delete = rules_for(entity).after_delete
    if after_delete:
        after_delete(state, old)


def conflict(entity: EntitySet) -> ODataError:
    """What a writer gets who comes while another one writes the same document."""
    text = update_conflict(HEADER_RULES.table_label, HEADER_RULES.table)
    return write_failed(entity, ("Info", text))


def _validate(change: Change, rules: EntityRules, sent: list[str]) -> None:
    for name in (name for name in sent if name in change.sent):
        _check_length(change, change.entity.fields[name])
        check_reference(change, rules, name)
        if rules.validate_field:
            rules.validate_field(change, name)
    if rules.default_row:
        rules.default_row(change)
    for field in change.entity.fields.values():
        if field.mandatory and change.values[field.name] == "":
            raise row_invalid(change.entity, rules.table, must_be_filled(rules.label(field.name)))
    if rules.validate_write:
        rules.validate_write(change)


def _sent_values(state: D365State, entity: EntitySet, body: object) -> dict[str, Value]:
    """The fields of a JSON object as stored values; annotations and read-only ones left out."""
    if not isinstance(body, dict):
        msg = "The request body is not a JSON object."
        raise query_error(msg)
    sent: dict[str, Value] = {}
    for name, value in body.items():
        if "@" in name:
            _check_annotation(entity, name, value)
            continue
        field = _writable_field(state, entity, name)
        if field is None:
            continue
        try:
            sent[name] = convert(field, value, state.model)
        except ValueProblem as error:
            raise query_error(str(error)) from error
    return sent


def _writable_field(state: D365State, entity: EntitySet, name: str) -> Field | None:
    field = entity.fields.get(name)
    if field is None:
        raise unknown_property(name, entity.full_type_name)
    if not field.read_only:
        return field
    if state.switches.read_only_fields == "error":
        raise field_invalid(entity, name, f"Field '{label_of(name)}' cannot be edited")
    return None


def _check_annotation(entity: EntitySet, name: str, value: Any) -> None:
    if name == "@odata.type" and value != f"#{entity.full_type_name}":
        msg = f"A type named '{value}' does not fit the resource of '{entity.full_type_name}'."
        raise query_error(msg)


def _check_length(change: Change, field: Field) -> None:
    switches = change.state.switches
    limit = switches.max_lengths.get(f"{change.entity.name}.{field.name}", field.max_length)
    text = change.values[field.name]
    if limit is None or not isinstance(text, str) or len(text) <= limit:
        return
    if switches.long_strings == "truncate":
        change.values[field.name] = text[:limit].rstrip(" ")
        return
    label = rules_for(change.entity).label(field.name)
    message = f"The value of field '{label}' is longer than {limit} characters"
    raise field_invalid(change.entity, field.name, message)


def _check_company(change: Change) -> None:
    if not change.state.company_exists(change.company):
        raise write_error(f"The company '{change.company}' does not exist.")


def _refuse_read_only_set(entity: EntitySet) -> None:
    if entity.read_only or entity.name in VIEWS:
        raise plain_error(405, f"The entity '{entity.type_name}' is read-only.")


def _row_to_change(
    state: D365State, entity: EntitySet, key: Mapping[str, Value], *, cross_company: bool
) -> Record:
    record = state.find_key(entity.name, key)
    foreign = (
        record is not None
        and entity.per_company
        and record.values["dataAreaId"] != state.default_company
    )
    if record is None or (foreign and not cross_company):
        raise no_resources()
    return record


def _check_etag(state: D365State, entity: EntitySet, record: Record, if_match: str | None) -> None:
    if if_match is None or if_match == "*" or record.etag in if_match:
        return
    if state.switches.stale_etag_status == 412:
        raise plain_error(412, "The ETag of the entity is not the one in If-Match.")
    table = rules_for(entity)
    raise write_failed(entity, ("Info", update_conflict(table.table_label, table.table)))
