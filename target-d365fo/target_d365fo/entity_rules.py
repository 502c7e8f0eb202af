"""How the records of a stream become rows of an entity set, by the setting `entity_sets`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from singer_delivery.errors import Rejected, SetupError
from tap_d365fo.metadata import EntitySet, Metadata
from tap_d365fo.odata import EnumValue

from target_d365fo.compare import Row, yes_no

MODES = ("upsert", "create", "update")
NUMBERS = ("Edm.Decimal", "Edm.Double", "Edm.Int16", "Edm.Int32", "Edm.Int64")
#: Added by taps and by the SDK; no part of the business record.
FOREIGN_PREFIXES = ("_sdc_", "@odata.")


@dataclass(frozen=True)
class EntityRules:
    """What of a record is sent, and where to.

    With `fields` only those are sent, under their new names; without, all of them under their
    own. `constants` are added to each row. An empty value (null) is not sent.
    """

    stream: str
    entity: EntitySet
    keys: tuple[str, ...]
    fields: Mapping[str, str] = field(default_factory=dict)
    constants: Row = field(default_factory=dict)
    mode: str = "upsert"

    @classmethod
    def of(
        cls, stream: str, settings: Mapping[str, Mapping[str, Any]], metadata: Metadata
    ) -> EntityRules:
        """Return the rules of a stream; a stream named like an entity set needs no setting.

        Raises SetupError for a stream that is neither, and for names that the entity lacks.
        """
        setting = settings.get(stream)
        if setting is None and stream not in metadata.sets:
            msg = (
                f"stream {stream} has no place to go: configure it under entity_sets, e.g. "
                f'{{"{stream}": {{"entity_set": "VendorGroups"}}}}, give it the role of an '
                "invoice stream under stream_roles, or deselect it in the tap"
            )
            raise SetupError(msg)
        setting = setting or {}
        entity = metadata.entity_set(setting.get("entity_set") or stream)
        rules = cls(
            stream=stream,
            entity=entity,
            keys=tuple(setting.get("keys") or entity.keys),
            fields=dict(setting.get("fields") or {}),
            constants=dict(setting.get("constants") or {}),
            mode=setting.get("mode") or "upsert",
        )
        rules.check_names(())
        return rules

    def check_names(self, names: Iterable[str]) -> None:
        """Raise SetupError for names that the entity lacks, among the settings and `names`."""
        if self.mode not in MODES:
            msg = f"entity_sets.{self.stream}: mode {self.mode!r} is none of {', '.join(MODES)}"
            raise SetupError(msg)
        sent = [*self.keys, *self.constants, *self.fields.values(), *self._sent(names).values()]
        unknown = [name for name in dict.fromkeys(sent) if name not in self.entity.properties]
        if unknown:
            msg = (
                f"stream {self.stream}: {self.entity.name} has no field {', '.join(unknown)} "
                "(names are case-sensitive); give the fields to send, and their names there, as "
                f"entity_sets.{self.stream}.fields"
            )
            raise SetupError(msg)

    def _sent(self, names: Iterable[str]) -> dict[str, str]:
        """Return, for the fields of a record that are sent, their names in the entity."""
        if self.fields:
            return {name: self.fields[name] for name in names if name in self.fields}
        return {name: name for name in names if not name.startswith(FOREIGN_PREFIXES)}

    def row(self, record: Row) -> dict[str, Any]:
        """Return the row of a record; raises Rejected for an unknown field or a wrong value."""
        row = dict(self.constants)
        for name, target in self._sent(record).items():
            value = record[name]
            if value is None:
                continue
            if target not in self.entity.properties:
                msg = f"{self.entity.name} has no field {target}; leave it out or map it"
                raise Rejected(msg)
            row[target] = to_edm(target, value, self.entity.properties[target])
        return row

    def key(self, row: Row) -> dict[str, Any] | None:
        """Return the typed key of a row, None when a part of it is missing."""
        values = {name: row.get(name) for name in self.keys}
        if any(value is None or value == "" for value in values.values()):
            return None
        return {n: typed(n, value, self.entity.properties[n]) for n, value in values.items()}

    def required_key(self, row: Row) -> dict[str, Any]:
        """Return the typed key of a row; raises Rejected naming what is missing."""
        key = self.key(row)
        if key is None:
            missing = [name for name in self.keys if row.get(name) in (None, "")]
            msg = (
                f"the key of {self.entity.name} is incomplete: {', '.join(missing)} missing; send "
                "it, or set it under constants"
            )
            raise Rejected(msg)
        return key


def to_edm(name: str, value: Any, kind: str) -> Any:
    """Return a record's value as F&O takes it in JSON; raises Rejected when it cannot be one."""
    is_enum = not kind.startswith("Edm.")
    converted = value
    if isinstance(value, bool):
        fits = is_enum or kind == "Edm.Boolean"
        converted = yes_no(value) if is_enum else value
    elif isinstance(value, int | Decimal):
        fits = is_enum or kind in {"Edm.String", *NUMBERS}
        converted = str(value) if kind == "Edm.String" else value
    else:
        fits = isinstance(value, str) and kind != "Edm.Boolean"
    if not fits:
        msg = f"{name}: a value like {str(value)[:40]!r} does not fit a field of type {kind}"
        raise Rejected(msg)
    if isinstance(converted, str) and kind in NUMBERS:
        return _number(name, converted)
    if isinstance(converted, str) and kind == "Edm.DateTimeOffset" and len(converted) == 10:
        return f"{converted}T12:00:00Z"
    return converted


def _number(name: str, text: str) -> Decimal:
    try:
        return Decimal(text.strip())
    except InvalidOperation:
        msg = f"{name}: {text[:40]!r} is no number"
        raise Rejected(msg) from None


def typed(name: str, value: Any, kind: str) -> Any:
    """Return a key's value in the type that its literal in a URL needs; raises Rejected."""
    try:
        if not kind.startswith("Edm."):
            return EnumValue(kind.rpartition(".")[2], str(value))
        if kind in NUMBERS:
            return Decimal(str(value))
        if kind == "Edm.DateTimeOffset":
            day = date.fromisoformat(str(value)[:10])
            noon = str(value)[10:] in {"", "T12:00:00Z"}
            return day if noon else datetime.fromisoformat(str(value))
        if kind == "Edm.Guid":
            return UUID(str(value))
    except (ValueError, InvalidOperation):
        msg = f"{name}: {str(value)[:40]!r} is no {kind.rpartition('.')[2]}"
        raise Rejected(msg) from None
    return value
