"""The lists over requestStatus and errorFeedbacks (reference 2.2, 4.4, 4.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.basware.errors import bad_parameter, not_found
from sandbox.basware.paging import Page, Query, turn_page
from sandbox.basware.records import arranged, updated_after
from sandbox.basware.request_status import STATUSES, SYSTEM, LoggedRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.basware.state import BaswareState


def status_page(state: BaswareState, query: Query) -> Page:
    """`GET /v1/requestStatus`. Raises 400, and 404 when nothing matches."""
    wanted = _request_filter(state, query)
    ignore = query.flag("ignoreSuccessfullItems")  # the list's own spelling
    requests = state.log.requests

    def fetch(key: str) -> dict[str, Any] | None:
        request = requests[key]
        if not wanted(request):
            return None
        return request.as_json(ignore_successful=ignore)

    return turn_page(
        state.continuations,
        query,
        size=query.page_size(500, 500),
        select=lambda: _arranged(state, [key for key in requests if wanted(requests[key])]),
        fetch=fetch,
    )


def _request_filter(state: BaswareState, query: Query) -> Callable[[LoggedRequest], bool]:
    status, entity_type, system = map(query.get, ("status", "entityType", "system"))
    if status is not None and status not in STATUSES:
        raise bad_parameter(f"status {status!r} is unknown")
    if status is None and entity_type is None and system is None:
        status = "Error"
    fresh = _fresh(state, query)

    def wanted(request: LoggedRequest) -> bool:
        return (
            status in (None, request.status())
            and entity_type in (None, request.entity_type)
            and system in (None, SYSTEM)
            and fresh(request.updated())
        )

    return wanted


def feedback_page(state: BaswareState, query: Query) -> Page:
    """`GET /v1/errorFeedbacks`. Raises 400, and 404 when nothing matches."""
    entity_type, system = query.get("entityType"), query.get("targetSystem")
    fresh = _fresh(state, query)
    found = state.log.feedback(
        lambda request, _item: (
            entity_type in (None, request.entity_type)
            and system in (None, SYSTEM)
            and fresh(request.updated())
        )
    )
    return turn_page(
        state.continuations,
        query,
        size=query.page_size(500, 500),
        select=lambda: _arranged(state, list(found)),
        fetch=found.get,
    )


def feedback_with(state: BaswareState, place: Mapping[str, str]) -> list[dict[str, Any]]:
    """Feedback on one request, or on one record of an entity type. Raises 404."""
    found = state.log.feedback(
        lambda request, item: (
            place.get("requestId") in (None, request.request_id)
            and place.get("entityType") in (None, request.entity_type)
            and place.get("externalCode") in (None, item.external_code)
        )
    )
    if not found:
        raise not_found()
    return list(found.values())


def _fresh(state: BaswareState, query: Query) -> Callable[..., bool]:
    return updated_after(
        query.moment("lastUpdated"), inclusive=state.switches.last_updated_inclusive
    )


def _arranged(state: BaswareState, keys: list[str]) -> list[str]:
    return arranged(keys, shuffled=state.switches.shuffled)
