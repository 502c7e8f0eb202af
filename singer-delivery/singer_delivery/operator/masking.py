"""Payloads for people: without bank accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from singer_delivery.redaction import mask_ibans

#: Parts of names under which nothing is shown, whatever it looks like.
ACCOUNT_NAMES = ("iban", "bban", "bankaccount", "financialaccount", "accountholder", "routingn")


@dataclass(frozen=True)
class Mask:
    """What is left out of a payload: IBANs anywhere, and all below names with one of these parts.

    Case and underscores do not count.
    """

    names: Sequence[str] = ()

    def hides(self, name: str) -> bool:
        """Tell whether a field's name says that its content is not for everybody."""
        bare = _bare(name)
        return any(part in bare for part in (*ACCOUNT_NAMES, *map(_bare, self.names)) if part)

    def path(self, path: str, value: Any) -> Any:
        """Return what may be shown of the field at a path such as coding[0].costCenter."""
        return _hidden(value) if any(map(self.hides, path.split("."))) else self.value(value)

    def value(self, value: Any) -> Any:
        """Return JSON-like content with the accounts in it masked."""
        match value:
            case str():
                return mask_ibans(value)
            case Mapping():
                return {
                    name: _hidden(item) if self.hides(str(name)) else self.value(item)
                    for name, item in value.items()
                }
            case list() | tuple():
                return [self.value(item) for item in value]
            case _:
                return value


def unmasked(shown: Any, kept: Any, mask: Mask) -> Any:
    """Return an edited copy of a masked payload with what was masked in it put back.

    Raises ValueError, naming the value, where one stands that belongs to nothing.
    """
    restored = _restored(shown, kept, mask.value(kept))
    left = _strings(restored) & (_strings(mask.value(kept)) - _strings(kept))
    if left:
        raise ValueError(min(left))
    return restored


def _restored(shown: Any, kept: Any, masked: Any) -> Any:
    if shown == masked:
        return kept
    match shown:
        case Mapping() if isinstance(kept, Mapping):
            return {
                name: _restored(item, kept[name], masked[name]) if name in kept else item
                for name, item in shown.items()
            }
        case list() if isinstance(kept, list):
            if len(shown) == len(kept):
                return list(map(_restored, shown, kept, masked))
            # Rows were added or taken out: those that stayed as they were are known by that.
            return [kept[masked.index(row)] if row in masked else row for row in shown]
        case _:
            return shown


def _strings(value: Any) -> set[str]:
    match value:
        case str():
            return {value}
        case Mapping():
            return {text for item in value.values() for text in _strings(item)}
        case list() | tuple():
            return {text for item in value for text in _strings(item)}
        case _:
            return set()


def _hidden(value: Any) -> Any:
    match value:
        case Mapping():
            return {name: _hidden(item) for name, item in value.items()}
        case list() | tuple():
            return [_hidden(item) for item in value]
        case None | bool() | "":
            return value
        case _:
            text = str(value)
            return f"…{text[-4:]}" if len(text) > 8 else "…"


def _bare(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()
