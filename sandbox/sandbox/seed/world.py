"""What a sandbox is loaded with, and what should come of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Row: TypeAlias = dict[str, Any]
Rows: TypeAlias = dict[str, list[Row]]


@dataclass(frozen=True)
class Expectation:
    """What should become of one document that waits for transfer.

    `reason` is the part of the rejection's text that names the offending value (compare without
    regard to case: the wording is the target's and F&O's). `kind` says what sort of document it is.
    """

    outcome: Literal["delivered", "rejected"]
    reason: str = ""
    kind: str = ""


@dataclass
class World:
    """Both systems' content.

    `basware`: resource ("vendors", "lists/ACC_LIST_1", ...) -> entities as the API shows them.
    `d365fo`: entity set -> rows with the public field names, enums by member name; fields left out
    get the model's defaults. `default_company` is the service user's. `expected`: invoiceId ->
    what should come of it; documents without an entry must not be touched. Money is Decimal.
    """

    basware: Rows = field(default_factory=dict)
    d365fo: Rows = field(default_factory=dict)
    default_company: str = "usmf"
    expected: dict[str, Expectation] = field(default_factory=dict)

    def add(self, *, basware: Rows | None = None, d365fo: Rows | None = None) -> None:
        """Append entities to either system."""
        for store, more in ((self.basware, basware), (self.d365fo, d365fo)):
            for name, rows in (more or {}).items():
                store.setdefault(name, []).extend(rows)

    def documents(self, kind: str | None = None, outcome: str | None = None) -> list[Row]:
        """The accounting documents with an expectation, all or of one kind or outcome."""
        return [
            document
            for document in self.basware.get("accountingDocuments", [])
            if (expected := self.expected.get(document["invoiceId"]))
            and kind in (None, expected.kind)
            and outcome in (None, expected.outcome)
        ]
