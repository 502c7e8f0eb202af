"""Financial dimensions as display values: the environment's formats, delimiter and escaping."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from singer_delivery.errors import Rejected, SetupError

from tap_d365fo import odata
from tap_d365fo.client import D365Client, Row

MAIN_ACCOUNT = "MainAccount"
#: Enum DimensionSegmentDelimiter.
DELIMITERS: Mapping[str, str] = {
    "Hyphen": "-",
    "Period": ".",
    "Underscore": "_",
    "Bar": "|",
    "Tilde": "~",
    "DoubleHyphen": "--",
    "DoublePeriod": "..",
    "DoubleUnderscore": "__",
    "DoubleBar": "||",
    "DoubleTilde": "~~",
}
#: Enum DimensionHierarchyType, members 17 and 18.
DEFAULT_TYPE = "DataEntityDefaultDimensionFormat"
LEDGER_TYPE = "DataEntityLedgerDimensionFormat"
WHERE = (
    "General ledger > Chart of accounts > Dimensions > "
    "Financial dimension configuration for integrating applications"
)


@dataclass(frozen=True)
class DimensionFormat:
    """The segments of a display value in their order, and what separates them."""

    title: str
    segments: tuple[str, ...]
    delimiter: str = "-"

    def __str__(self) -> str:
        return f"{self.title} {self.delimiter.join(self.segments) or '(none)'}"

    def render(self, values: Mapping[str, str]) -> str:
        """Return the display value; a segment without a value stays empty, all empty is "".

        Names compare without letter case. Raises Rejected for a dimension the format lacks, and
        SetupError where no such format is active.
        """
        return _rendered(self, tuple(values.items()))

    def _render(self, values: tuple[tuple[str, str], ...]) -> str:
        given = {name.casefold(): (name, value) for name, value in values if value}
        if given and not self.segments:
            msg = f"no {self.title} is active in Dynamics: activate one under {WHERE}"
            raise SetupError(msg)
        known = {segment.casefold() for segment in self.segments}
        unknown = [name for folded, (name, _) in given.items() if folded not in known]
        if unknown:
            names = ", ".join(unknown)
            msg = f"dimension {names} is not in the active {self}: add it under {WHERE}"
            raise Rejected(msg)
        if not given:
            return ""
        parts = [given.get(segment.casefold(), ("", ""))[1] for segment in self.segments]
        text = self.delimiter.join(escape(part, self.delimiter) for part in parts)
        if split(text, self.delimiter) != parts:
            # A value that ends in half of a double delimiter: no escaping tells them apart.
            msg = f"dimension values {parts} cannot be told apart in {text!r}: change the delimiter"
            raise Rejected(msg)
        return text

    def parse(self, text: str) -> dict[str, str]:
        """Return the values of a display value by segment name; missing segments are empty.

        Raises ValueError when it has more segments than the format.
        """
        parts = split(text, self.delimiter)
        if len(parts) > len(self.segments) and any(parts[len(self.segments) :]):
            msg = f"{text!r} has more segments than the {self}"
            raise ValueError(msg)
        padded = parts + [""] * len(self.segments)
        return dict(zip(self.segments, padded, strict=False))


@lru_cache(maxsize=10_000)
def _rendered(of: DimensionFormat, values: tuple[tuple[str, str], ...]) -> str:
    """Render once what many lines are coded to."""
    return of._render(values)


@dataclass(frozen=True)
class DimensionFormats:
    """The two formats of an environment: default dimensions, and ledger accounts."""

    default_format: DimensionFormat
    ledger_format: DimensionFormat

    @classmethod
    def of(cls, default: str, ledger: str, delimiter: str = "-") -> DimensionFormats:
        """Return formats from their text, e.g. `MainAccount-BusinessUnit-Department`.

        `delimiter` is the text itself or its enum member. Raises SetupError.
        """
        text = delimiter_text(delimiter)
        return cls(
            DimensionFormat("default dimension format", _segments(default, text), text),
            DimensionFormat("ledger dimension format", _segments(ledger, text), text),
        )

    @classmethod
    def load(
        cls, client: D365Client, *, default: str = "", ledger: str = "", delimiter: str = ""
    ) -> DimensionFormats:
        """Read what is active in the environment; what is given overrides it and is not read."""
        delimiter = delimiter or _read_delimiter(client)
        if not (default and ledger):
            rows = list(_active_formats(client))
            default = default or _active(rows, DEFAULT_TYPE)
            ledger = ledger or _active(rows, LEDGER_TYPE)
        return cls.of(default, ledger, delimiter)

    def default(self, values: Mapping[str, str]) -> str:
        """Return the display value of default dimensions (DimensionDisplayValue)."""
        return self.default_format.render(values)

    def ledger(self, main_account: str, values: Mapping[str, str]) -> str:
        """Return the display value of an account with dimensions (MainAccountDisplayValue)."""
        return self.ledger_format.render({**values, MAIN_ACCOUNT: main_account})

    def parse_default(self, text: str) -> dict[str, str]:
        """Return the dimensions of a default display value; the inverse of `default`."""
        return self.default_format.parse(text)

    def parse_ledger(self, text: str) -> tuple[str, dict[str, str]]:
        """Return main account and dimensions of a ledger display value."""
        values = self.ledger_format.parse(text)
        account = next((n for n in values if n.casefold() == MAIN_ACCOUNT.casefold()), None)
        return values.pop(account) if account else "", values


def delimiter_text(delimiter: str) -> str:
    """Return the delimiter for an enum member or for the text itself. Raises SetupError."""
    text = DELIMITERS.get(delimiter, delimiter)
    if text not in DELIMITERS.values():
        names = ", ".join(f"{name} ({text})" for name, text in DELIMITERS.items())
        msg = f"dimension delimiter {delimiter!r} is none of {names}"
        raise SetupError(msg)
    return text


def escape(value: str, delimiter: str) -> str:
    r"""Put a backslash before each delimiter and each backslash in a value (`US\-108`)."""
    return value.replace("\\", "\\\\").replace(delimiter, f"\\{delimiter}")


def split(text: str, delimiter: str) -> list[str]:
    """Split a display value at its delimiters and undo the escaping of each segment."""
    mark = re.escape(delimiter)
    token = re.compile(rf"\\(?P<escaped>{mark}|\\)|(?P<end>{mark})|(?P<plain>.)", re.DOTALL)
    segments = [""]
    for found in token.finditer(text):
        if found["end"]:
            segments.append("")
        else:
            segments[-1] += found["escaped"] or found["plain"]
    return segments


def _segments(text: str, delimiter: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(delimiter)) if text.strip() else ()


def _read_delimiter(client: D365Client) -> str:
    rows = client.read("DimensionParameters", orderby=["Key"], top=1)
    row = next(rows, None)
    if row is None or not row.get("DimensionSegmentDelimiter"):
        msg = (
            f"{client.environment} shows no dimension delimiter (DimensionParameters): give the "
            "application's user a role that may read it, or set the delimiter"
        )
        raise SetupError(msg)
    return str(row["DimensionSegmentDelimiter"])


def _active_formats(client: D365Client) -> list[Row]:
    return list(
        client.read(
            "DimensionIntegrationFormats",
            filter=odata.eq("IsActive", odata.enum("NoYes", "Yes")),
            orderby=["DimensionFormatName"],
        )
    )


def _active(rows: Sequence[Row], kind: str) -> str:
    texts = [
        str(row["FinancialDimensionFormat"]) for row in rows if row["DimensionFormatType"] == kind
    ]
    return texts[0] if texts else ""
