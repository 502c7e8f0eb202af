"""What a business rule gets to see, and the references that are checked for every set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.d365fo.infolog import field_invalid, label_of, not_in_related

if TYPE_CHECKING:
    from sandbox.d365fo.model import EntitySet
    from sandbox.d365fo.state import D365State
    from sandbox.d365fo.tables import Record
    from sandbox.d365fo.values import Value


@dataclass
class Change:
    """A row on its way into a table. `values` is the whole row as it will be stored."""

    state: D365State
    entity: EntitySet
    values: dict[str, Value]
    sent: set[str]  # the fields that the client sent
    old: Record | None = None  # None: it is created

    @property
    def company(self) -> str:
        """The legal entity of the row, "" for a set that companies share."""
        return self.text("dataAreaId") if self.entity.per_company else ""

    def text(self, name: str) -> str:
        """A string field."""
        return str(self.values[name])


@dataclass(frozen=True)
class Reference:
    """A field that must name a row of another set, if it is filled."""

    target: str
    target_field: str
    table_label: str
    label: str | None = None  # of the field, when it is not the one made from its name


@dataclass(frozen=True)
class EntityRules:
    """The application logic behind one entity set. Every hook raises ODataError to refuse."""

    table: str  # AX name of the data source
    table_label: str
    key_label: str
    labels: Mapping[str, str] = field(default_factory=dict)
    references: Mapping[str, Reference] = field(default_factory=dict)
    init_value: Callable[[Change], None] | None = None
    validate_field: Callable[[Change, str], None] | None = None
    default_row: Callable[[Change], None] | None = None
    validate_write: Callable[[Change], None] | None = None
    after_delete: Callable[[D365State, Record], None] | None = None

    def label(self, name: str) -> str:
        """The label of a field."""
        return self.labels.get(name) or label_of(name)


def check_reference(change: Change, rules: EntityRules, name: str) -> None:
    """validateField of a foreign key: nothing for an empty value. Raises ODataError."""
    reference = rules.references.get(name)
    if reference is None or change.values[name] in ("", 0):
        return
    if find_referenced(change, reference, change.values[name]) is None:
        label = reference.label or rules.label(name)
        text = not_in_related(change.values[name], label, reference.table_label)
        raise field_invalid(change.entity, name, text)


def find_referenced(change: Change, reference: Reference, value: Value) -> Record | None:
    """The row that `value` refers to, in the company of the change."""
    key: dict[str, Value] = {reference.target_field: value}
    if change.state.model.sets[reference.target].per_company:
        key["dataAreaId"] = change.company
    return change.state.first(reference.target, **key)
