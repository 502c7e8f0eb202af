"""The behaviours of both systems that nobody has seen for sure, as switches to play each variant."""

from __future__ import annotations

from dataclasses import MISSING, asdict, dataclass, field, fields
from decimal import Decimal
from typing import Any, get_type_hints

from sandbox.basware.switches import BaswareSwitches
from sandbox.d365fo.switches import D365Switches


@dataclass
class Switches:
    """One group a system. A switch is named `group.field`, e.g. `basware.bare_vendor_array`."""

    basware: BaswareSwitches = field(default_factory=BaswareSwitches)
    d365fo: D365Switches = field(default_factory=D365Switches)

    def set(self, name: str, value: object) -> None:
        """Set one switch from a value or its text. Raises KeyError (no such switch), ValueError."""
        group_name, _, field_name = name.partition(".")
        group = {"basware": self.basware, "d365fo": self.d365fo}.get(group_name)
        if group is None or field_name not in get_type_hints(type(group)):
            msg = f"no switch {name!r}"
            raise KeyError(msg)
        setattr(group, field_name, _coerce(name, value, getattr(group, field_name)))

    def reset(self) -> None:
        """Every switch back to its default, in place: the applications hold on to the groups."""
        for group in (self.basware, self.d365fo):
            for item in fields(group):
                default = item.default_factory() if item.default is MISSING else item.default  # type: ignore[misc]
                setattr(group, item.name, default)

    def as_dict(self) -> dict[str, Any]:
        """All switches by group and name."""
        return asdict(self)


_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def _coerce(name: str, value: object, present: object) -> object:
    """`value` in the type of the `present` one; text comes from a command line."""
    if isinstance(present, bool):
        if isinstance(value, str) and value.lower() in _WORDS:
            return _WORDS[value.lower()]
        if isinstance(value, bool):
            return value
    elif isinstance(present, int | float | Decimal) and isinstance(value, int | float | str):
        return type(present)(value)
    elif isinstance(present, list | tuple | set) and isinstance(value, str):
        return type(present)(part for part in value.split(",") if part)
    elif present is None or isinstance(value, type(present)):
        return value
    elif isinstance(present, tuple | set) and isinstance(value, list):
        return type(present)(value)
    msg = f"switch {name} takes {type(present).__name__}, not {value!r}"
    raise ValueError(msg)
