"""What the environment knows about its entity sets: fields, types, keys, lengths, enums."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files

NAMESPACE = "Microsoft.Dynamics.DataEntities"
# Model type -> Edm type; every other type name is that of an enum.
EDM_TYPES = {
    "String": "Edm.String",
    "Int32": "Edm.Int32",
    "Int64": "Edm.Int64",
    "Decimal": "Edm.Decimal",
    "Boolean": "Edm.Boolean",
    "Guid": "Edm.Guid",
    "Binary": "Edm.Binary",
    "Date": "Edm.DateTimeOffset",
    "UtcDateTime": "Edm.DateTimeOffset",
}
_NEVER_NULL = frozenset(EDM_TYPES) - {"String", "Binary"}


@dataclass(frozen=True)
class Field:
    """A property of an entity type. `max_length` is of strings, None where it is not known."""

    name: str
    type: str
    max_length: int | None = None
    mandatory: bool = False
    read_only: bool = False
    key: bool = False

    @property
    def is_enum(self) -> bool:
        """Whether `type` names an enum."""
        return self.type not in EDM_TYPES

    @property
    def edm_type(self) -> str:
        """The type as `$metadata` and error texts name it."""
        return EDM_TYPES.get(self.type) or f"{NAMESPACE}.{self.type}"

    @property
    def nullable(self) -> bool:
        """Whether `$metadata` lets it be null: enums even as a key; nothing about "mandatory"."""
        return self.is_enum or not (self.key or self.type in _NEVER_NULL)


@dataclass(frozen=True)
class Navigation:
    """A navigation property. `join`: the fields of a one-to-many that both sides name alike;
    empty for a to-one, which is joined on the target's key.
    """

    name: str
    target: str
    join: tuple[str, ...] = ()

    @property
    def many(self) -> bool:
        """Whether it leads to a collection."""
        return bool(self.join)


@dataclass(frozen=True)
class EntitySet:
    """One public data entity. Field order is that of `$metadata`, keys first."""

    name: str
    type_name: str
    aot_name: str
    keys: tuple[str, ...]
    fields: Mapping[str, Field]
    navigations: Mapping[str, Navigation]

    @property
    def full_type_name(self) -> str:
        """The entity type with its namespace."""
        return f"{NAMESPACE}.{self.type_name}"

    @cached_property
    def per_company(self) -> bool:
        """Whether rows belong to a legal entity, and reads see only the default one."""
        return "dataAreaId" in self.fields

    @cached_property
    def read_only(self) -> bool:
        """The `*BiEntities` are views for reporting: nothing can be written."""
        return self.name.endswith("BiEntities")


Enum = Mapping[str, int]


@dataclass(frozen=True)
class Model:
    """All entity sets and enums by name."""

    sets: Mapping[str, EntitySet]
    enums: Mapping[str, Enum]


def load_model() -> Model:
    """The model from the two text files beside this module."""
    folder = files(__package__)
    sets = parse_sets((folder / "entity_sets.txt").read_text("utf-8"))
    enums = parse_enums((folder / "enums.txt").read_text("utf-8"))
    return Model(sets={item.name: item for item in sets}, enums=enums)


def parse_enums(text: str) -> dict[str, Enum]:
    """Enums from lines `Name Member=value …`; an indented line continues the one before."""
    enums: dict[str, dict[str, int]] = {}
    for line in _content(text).replace("\n ", " ").splitlines():
        name, *members = line.split()
        pairs = (member.split("=") for member in members)
        enums[name] = {member: int(value) for member, value in pairs}
    return dict(enums)


def parse_sets(text: str) -> list[EntitySet]:
    """Entity sets from blocks separated by blank lines; the file's head describes them."""
    return [_parse_set(block) for block in re.split(r"\n\n+", _content(text))]


def _parse_set(block: str) -> EntitySet:
    keys: tuple[str, ...] = ()
    navigations: list[Navigation] = []
    words: list[str] = []
    head, *lines = block.splitlines()
    _, name, type_name, aot_name = head.split()
    for line in lines:
        keyword, *rest = line.split()
        if keyword == "key":
            keys = tuple(rest)
        elif keyword == "nav":
            navigations += [_parse_navigation(word, keys) for word in rest]
        else:
            words += [keyword, *rest]
    fields = [_parse_field(word, keys) for word in words]
    return EntitySet(
        name=name,
        type_name=type_name,
        aot_name=aot_name,
        keys=keys,
        fields={item.name: item for item in sorted(fields, key=lambda item: not item.key)},
        navigations={item.name: item for item in navigations},
    )


def _parse_navigation(word: str, keys: tuple[str, ...]) -> Navigation:
    name, target = word.split(":")
    return Navigation(name, target.rstrip("*"), keys if target.endswith("*") else ())


def _parse_field(word: str, keys: tuple[str, ...]) -> Field:
    name, type_name, *length = word.rstrip("!~").split(":")
    return Field(
        name=name,
        type=type_name,
        max_length=int(length[0]) if length else None,
        mandatory="!" in word,
        read_only="~" in word,
        key=name in keys,
    )


def _content(text: str) -> str:
    return re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).strip()
