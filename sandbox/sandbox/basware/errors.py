"""The error dialects of Basware (reference 4.3): what a handler raises, how it is worded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Which `type` an error code belongs to; the enumerations are those of the ErrorEntity schema.
_TYPES = {
    "EXTERNAL_CODE_MISMATCH": "VALIDATION",
    "SCHEMA_VALIDATION_ERROR": "VALIDATION",
    "PARAMETER_VALIDATION_ERROR": "VALIDATION",
    "DATA_VALIDATION_FAILED": "VALIDATION",
    "CONFLICT_IN_POST": "BUSINESS",
    "METHOD_NOT_ALLOWED": "BUSINESS",
    "ENTITY_NOT_FOUND": "BUSINESS",
    "ACCESS_TOKEN_VALIDATION_ERROR": "SECURITY",
    "CREDENTIAL_VALIDATION_ERROR": "SECURITY",
    "UNEXPECTED_ERROR": "TECHNICAL",
}


@dataclass(frozen=True)
class ErrorEntry:
    """One entry of a ResponseEntityList; `external_code` names the record, where there is one."""

    code: str
    message: str
    external_code: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The ErrorEntity, nulls omitted."""
        entry = {"type": _TYPES[self.code], "code": self.code, "message": self.message}
        return entry if self.external_code is None else {"externalCode": self.external_code} | entry


class BaswareError(Exception):
    """A refusal. `entries` None is an answer without a body."""

    def __init__(self, status: int, entries: list[ErrorEntry] | None) -> None:
        super().__init__(f"{status} {entries or ''}")
        self.status = status
        self.entries = entries


def refused(status: int, code: str, message: str, external_code: str | None = None) -> BaswareError:
    """A refusal with one entry."""
    return BaswareError(status, [ErrorEntry(code, message, external_code)])


def bad_parameter(message: str) -> BaswareError:
    """400 PARAMETER_VALIDATION_ERROR."""
    return refused(400, "PARAMETER_VALIDATION_ERROR", message)


def not_found() -> BaswareError:
    """404 without a body: no such record, or a list without records (reference 4.3)."""
    return BaswareError(404, None)


def response_entity_list(request_id: str, entries: list[ErrorEntry]) -> dict[str, Any]:
    """The body of the P2P service's errors."""
    return {
        "requestId": request_id,
        "hasErrors": True,
        "errors": [entry.as_json() for entry in entries],
    }
