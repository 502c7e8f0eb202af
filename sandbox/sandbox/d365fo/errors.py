"""Answers that are errors, in the shapes that F&O gives them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

WRITE_EXCEPTION = "Microsoft.Dynamics.Platform.Integration.Services.OData.AxODataWriteException"
ODATA_EXCEPTION = "Microsoft.OData.ODataException"
_WRITE_STACK = (
    "   at Microsoft.Dynamics.Platform.Integration.Services.OData.Update.UpdateProcessor"
    ".SaveChanges(ChangeOperationContext context)"
)


@dataclass
class ODataError(Exception):
    """An HTTP error answer: `body` is JSON, None for an empty one."""

    status: int
    body: dict[str, Any] | None
    headers: dict[str, str] = field(default_factory=dict)
    business: bool = False  # raised by application logic; its status is a switch

    def __str__(self) -> str:
        return f"{self.status} {self.message}"

    @property
    def message(self) -> str:
        """The text that says what went wrong."""
        error = (self.body or {}).get("error", {})
        return str(error.get("innererror", error).get("message", ""))


def write_error(message: str) -> ODataError:
    """A business error on a write."""
    return ODataError(400, _envelope(message, WRITE_EXCEPTION, _WRITE_STACK), business=True)


def action_error(action: str, entity: str, text: str) -> ODataError:
    """What an OData action raises."""
    message = f"Exception occurred while executing action {action} on Entity {entity}: {text}"
    return ODataError(400, _envelope(message, "System.InvalidOperationException", ""))


def query_error(message: str) -> ODataError:
    """A request that the OData layer refuses: syntax, unknown properties, unsupported options."""
    return ODataError(400, _envelope(message, ODATA_EXCEPTION, ""))


def segment_error(segment: str) -> ODataError:
    """A path that names nothing; names are case-sensitive."""
    text = f"Resource not found for the segment '{segment}'."
    return ODataError(404, {"error": {"code": "", "message": text}})


def plain_error(status: int, message: str) -> ODataError:
    """An error without an inner error."""
    return ODataError(status, {"error": {"code": "", "message": message}})


def not_found() -> ODataError:
    """A key that does not exist: 404 without a body."""
    return ODataError(404, None)


def no_resources() -> ODataError:
    """PATCH or DELETE of a key that does not exist (there is no upsert)."""
    return write_error("No resources were found when selecting for update.")


def unknown_property(name: str, type_name: str) -> ODataError:
    """A property that is not in the entity type."""
    return query_error(
        f"The property '{name}' does not exist on type '{type_name}'. "
        "Make sure to only use property names that are defined by the type."
    )


def _envelope(message: str, kind: str, stack: str) -> dict[str, Any]:
    inner = {"message": message, "type": kind, "stacktrace": stack}
    return {"error": {"code": "", "message": "An error has occurred.", "innererror": inner}}
