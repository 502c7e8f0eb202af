"""The store behind one master-data API: records by key, each with the time of its last change."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sandbox.basware.exact_json import stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_SERVER_FIELD = "lastUpdated"


@dataclass
class Record:
    """One stored entity; `content` is what was sent, without what the server adds."""

    content: dict[str, Any]
    updated: datetime

    def as_json(self) -> dict[str, Any]:
        """The entity as a GET gives it."""
        return self.content | {_SERVER_FIELD: stamp(self.updated)}


@dataclass
class RecordStore:
    """Records by key, in order of arrival, and by the value of their `parent` field."""

    parent: str | None = None
    records: dict[str, Record] = field(default_factory=dict)
    _children: dict[str, dict[str, None]] = field(default_factory=dict)

    def put(self, key: str, content: dict[str, Any], updated: datetime) -> bool:
        """Write a record whole. Answers whether anything in it changed."""
        content = {name: item for name, item in content.items() if name != _SERVER_FIELD}
        old = self.records.get(key)
        if old is not None and self.parent and old.content.get(self.parent):
            self._children[old.content[self.parent]].pop(key, None)
        self.records[key] = Record(content, updated)
        if self.parent:
            self._children.setdefault(content.get(self.parent, ""), {})[key] = None
        return old is None or old.content != content

    def keys(self, parent: str | None = None) -> Iterable[str]:
        """All keys, or those of one parent."""
        return self.records if parent is None else self._children.get(parent, {})


def arranged(keys: Iterable[str], *, shuffled: bool) -> list[str]:
    """`keys` in order of arrival, or in an order that says nothing but is always the same."""
    return sorted(keys, key=_scatter) if shuffled else list(keys)


def _scatter(key: str) -> int:
    return zlib.crc32(key.encode())


def of_company(content: dict[str, Any], company_code: str) -> bool:
    """Whether an entity belongs to a company, directly or through its `companies`."""
    if "companyCode" in content:
        return bool(content["companyCode"] == company_code)
    return any(part.get("companyCode") == company_code for part in content.get("companies", ()))


def companies_of(content: dict[str, Any]) -> set[str]:
    """Every company code that an entity names."""
    codes = {part.get("companyCode") for part in content.get("companies", ())}
    return {code for code in codes | {content.get("companyCode")} if code}


def updated_after(moment: datetime | None, *, inclusive: bool) -> Callable[[datetime], bool]:
    """The `lastUpdated` filter; without a moment it lets everything pass."""
    if moment is None:
        return lambda _updated: True
    if inclusive:
        return lambda updated: updated >= moment
    return lambda updated: updated > moment
