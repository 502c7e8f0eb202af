"""Behaviours of both systems that nobody has seen for sure, as switches to play each variant."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sandbox.basware.switches import BaswareSwitches
from sandbox.d365fo.switches import D365Switches

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class Switches:
    """One group a system. A switch is named `group.field`, e.g. `basware.bare_vendor_array`."""

    basware: BaswareSwitches = field(default_factory=BaswareSwitches)
    d365fo: D365Switches = field(default_factory=D365Switches)

    def set(self, name: str, value: object) -> None:
        """Set one switch from a value or its text. Raises ValueError."""
        self.update({name: value})

    def update(self, values: Mapping[str, object]) -> None:
        """Set several switches, all or none. Raises ValueError: no such switch, or wrong type."""
        found = []
        for name, value in values.items():
            group_name, _, field_name = name.partition(".")
            group = self._groups().get(group_name)
            if group is None or field_name not in {item.name for item in fields(group)}:
                msg = f"no switch {name!r}"
                raise ValueError(msg)
            found.append((group, field_name, _coerce(name, value, getattr(group, field_name))))
        for group, field_name, coerced in found:
            setattr(group, field_name, coerced)

    def reset(self) -> None:
        """Every switch back to its default, in place: the applications hold on to the groups."""
        fresh = Switches()._groups()
        for name, group in self._groups().items():
            for item in fields(group):
                setattr(group, item.name, getattr(fresh[name], item.name))

    def _groups(self) -> dict[str, BaswareSwitches | D365Switches]:
        return {"basware": self.basware, "d365fo": self.d365fo}

    def as_dict(self) -> dict[str, Any]:
        """All switches by group and name."""
        return asdict(self)


_WORDS = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}


def _coerce(name: str, value: object, present: object) -> object:
    """`value` in the type of the `present` one; text comes from a command line."""
    kind = type(present)
    try:
        if kind is bool:
            return _WORDS[str(value).lower()]
        if kind in {int, float} and isinstance(value, int | float | Decimal | str):
            return kind(value)
        if kind is tuple and isinstance(value, str):
            return tuple(part for part in value.split(",") if part)
        if kind is tuple and isinstance(value, list):
            return tuple(value)
    except (KeyError, ValueError):
        pass
    else:
        if isinstance(value, kind):
            return value
    msg = f"switch {name} takes {kind.__name__}, not {value!r}"
    raise ValueError(msg)
