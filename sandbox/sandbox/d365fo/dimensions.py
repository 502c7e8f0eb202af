"""Financial dimensions: display strings by the active format, and whether their values may be used.

A string holds the values in the order of the format's segments, joined with the environment's
delimiter; empty segments stay (`001--`), a delimiter inside a value is escaped with a backslash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.d365fo.infolog import field_invalid, label_of, not_in_related

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.d365fo.rules import Change
    from sandbox.d365fo.state import D365State
    from sandbox.d365fo.tables import Record

DEFAULT_FORMAT = "DataEntityDefaultDimensionFormat"
LEDGER_FORMAT = "DataEntityLedgerDimensionFormat"
MAIN_ACCOUNT = "MainAccount"
DELIMITERS = {
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
_NOT_POSTABLE = ("Total", "Reporting")


def split_segments(text: str, delimiter: str) -> list[str]:
    r"""`US\-108-002` -> ["US-108", "002"]. A backslash escapes the delimiter and itself."""
    segments = [""]
    position = 0
    while position < len(text):
        rest = text[position:]
        if rest.startswith(("\\" + delimiter, "\\\\")):
            escaped = delimiter if rest.startswith("\\" + delimiter) else "\\"
            segments[-1] += escaped
            position += 1 + len(escaped)
        elif rest.startswith(delimiter):
            segments.append("")
            position += len(delimiter)
        else:
            segments[-1] += text[position]
            position += 1
    return segments


def join_segments(values: Iterable[str], delimiter: str) -> str:
    """The inverse of `split_segments`."""
    return delimiter.join(
        value.replace("\\", "\\\\").replace(delimiter, "\\" + delimiter) for value in values
    )


def active_delimiter(state: D365State) -> str:
    """The delimiter of the environment; a hyphen where no parameters are stored."""
    parameters = state.records("DimensionParameters")
    name = parameters[0].values["DimensionSegmentDelimiter"] if parameters else "Hyphen"
    return DELIMITERS[str(name)]


def active_format(state: D365State, kind: str) -> list[str] | None:
    """The dimension names of the active format, None when none of the kind is active."""
    record = state.first("DimensionIntegrationFormats", DimensionFormatType=kind, IsActive="Yes")
    if record is None:
        return None
    return split_segments(str(record.values["FinancialDimensionFormat"]), active_delimiter(state))


def check_default_dimensions(change: Change, name: str) -> None:
    """Validate a default-dimension string and store it in its normal form."""
    _check(change, name, DEFAULT_FORMAT, "default")


def check_ledger_dimension(change: Change, name: str) -> None:
    """Validate a ledger-dimension string, main account included, and normalise it."""
    _check(change, name, LEDGER_FORMAT, "ledger")


def _check(change: Change, name: str, kind: str, word: str) -> None:
    text = change.text(name)
    if not text:
        return
    names = active_format(change.state, kind)
    if names is None:
        reason = f"no {word} dimension format for data entities is active"
        message = f"Field '{label_of(name)}' cannot be updated because {reason}"
        raise field_invalid(change.entity, name, message, "Error")
    delimiter = active_delimiter(change.state)
    segments = split_segments(text, delimiter)
    missing = len(names) - len(segments)
    if missing > 0 and change.state.switches.short_dimension_strings == "error":
        message = (
            f"The value '{text}' has {len(segments)} of the {len(names)} segments of the format"
        )
        raise field_invalid(change.entity, name, message, "Error")
    segments = (segments + [""] * missing)[: len(names)]  # segments beyond the format are ignored
    for dimension, value in zip(names, segments, strict=True):
        if dimension.lower() == MAIN_ACCOUNT.lower():
            _check_main_account(change, name, value)
        elif value:
            _check_value(change, name, dimension, value)
    change.values[name] = join_segments(segments, delimiter)


def _check_main_account(change: Change, name: str, account: str) -> None:
    ledger = change.state.first("Ledgers", LegalEntityId=change.company)
    chart = ledger.values["ChartOfAccounts"] if ledger else ""
    record = change.state.find_key(
        "MainAccounts", {"ChartOfAccounts": chart, "MainAccountId": account}
    )
    if record is None:
        text = not_in_related(account, "Main account", "Main accounts")
        raise field_invalid(change.entity, name, text)
    reason = _main_account_refusal(record)
    if reason:
        raise field_invalid(change.entity, name, f"Main account {account} {reason}", "Error")


def _main_account_refusal(account: Record) -> str | None:
    if account.values["IsSuspended"] == "Yes":
        return "is suspended"
    if account.values["DoNotAllowManualEntry"] == "Yes":
        return "is blocked for manual entry"
    if account.values["MainAccountType"] in _NOT_POSTABLE:
        return "cannot be used for posting"
    return None


def _check_value(change: Change, name: str, dimension: str, value: str) -> None:
    record = _find_value(change, dimension, value)
    if record is None:
        text = f"The value '{value}' for dimension '{dimension}' is not valid"
        raise field_invalid(change.entity, name, text, "Error")
    override = change.state.first(
        "FinancialDimensionValueLegalEntityOverridesV2",
        FinancialDimension=dimension,
        DimensionValue=value,
        LegalEntityId=change.company,
    )
    reasons = {
        "suspended": record.values["IsSuspended"] == "Yes"
        or (override is not None and override.values["IsSuspended"] == "Yes"),
        "blocked for manual entry": record.values["IsBlockedForManualEntry"] == "Yes",
        "a total": record.values["IsTotal"] == "Yes",
    }
    for reason, holds in reasons.items():
        if holds:
            text = f"The value '{value}' for dimension '{dimension}' is {reason}"
            raise field_invalid(change.entity, name, text, "Error")


def _find_value(change: Change, dimension: str, value: str) -> Record | None:
    for company in ("", change.company):  # shared, or of this legal entity alone
        key = {"FinancialDimension": dimension, "LegalEntityId": company, "DimensionValue": value}
        if record := change.state.find_key("FinancialDimensionValues", key):
            return record
    return None
