"""Four eyes: what one person asks for and another one approves, kept in the audit trail.

Whether four eyes are on is the last `policy` event. A request is a `requested` event under its id,
and one under each document that it is about; all of them have the request's run id. An `approved`
event under the id lets it be carried out, a `replayed` one tells that it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from singer_delivery.errors import DeliveryError
from singer_delivery.identity import Identity, proof, why_not_another
from singer_delivery.operator.queries import Place
from singer_delivery.operator.rendering import moment
from singer_delivery.schema import events
from singer_delivery.trail import Event, Kind

POLICY_KEY = "four_eyes"
REPLAY = "replay"
SWITCH_OFF = "four_eyes_off"
ID_LENGTH = 10


class NotApproved(DeliveryError):
    """Four eyes are on, and what was asked for has not been approved by somebody else."""


@dataclass(frozen=True)
class Item:
    """One document of a request: `digest` is the payload to be replayed.

    `base` is the payload that was the document's latest when it was requested.
    """

    place: Place
    digest: str
    base: str
    edited: bool = False


@dataclass(frozen=True)
class Request:
    """What somebody asked for. `used` once it was carried out."""

    id: str
    run_id: str
    action: str
    reason: str
    by: Identity
    who: str
    at: datetime
    count: int
    approved_by: str = ""
    used: bool = False

    @property
    def state(self) -> str:
        """Where it stands, in a word."""
        return "used" if self.used else "approved" if self.approved_by else "waiting"


def request_id(run_id: str) -> str:
    """Return the id under which the request of a command is known to people."""
    return run_id[:ID_LENGTH]


def four_eyes(connection: Connection) -> bool:
    """Tell whether a replay needs a second person's approval."""
    query = (
        select(events.c.detail)
        .where(events.c.key == POLICY_KEY, events.c.stream == "", events.c.kind == Kind.POLICY)
        .order_by(events.c.number.desc())
        .limit(1)
    )
    detail = connection.execute(query).scalar()
    return bool(detail and json.loads(detail).get("four_eyes"))


def asked(
    run_id: str, by: Identity, *, action: str, reason: str, items: Sequence[Item] = ()
) -> list[Event]:
    """Return the events of a new request."""
    name = request_id(run_id)
    common = {"request": name, "action": action, "reason": reason}
    head = Event(Kind.REQUESTED, key=name, detail={**common, "by": by.facts(), "count": len(items)})
    return [head, *(_of_item(Kind.REQUESTED, item, common) for item in items)]


def approval(request: Request, by: Identity, items: Sequence[Item]) -> list[Event]:
    """Return the events of an approval; DeliveryError says why it is none."""
    if request.used or request.approved_by:
        msg = f"request {request.id} is {request.state} already"
        raise DeliveryError(msg)
    if words := why_not_another(request.by, by):
        msg = f"request {request.id} is not approved: {words}"
        raise DeliveryError(msg)
    common = {"request": request.id, "proof": proof(request.by, by)}
    head = Event(Kind.APPROVED, key=request.id, detail={**common, "by": by.facts()})
    return [head, *(_of_item(Kind.APPROVED, item, common) for item in items)]


def used(request: Request) -> Event:
    """Return the event by which a request is carried out, once. Raises DeliveryError."""
    if request.action != REPLAY:
        msg = f"request {request.id} is about {request.action.replace('_', ' ')}, not a replay"
        raise DeliveryError(msg)
    if request.used:
        msg = f"request {request.id} was replayed already: each approval holds for one replay"
        raise DeliveryError(msg)
    if not request.approved_by:
        msg = (
            f"request {request.id} waits for approval: somebody else runs "
            f"`singer-delivery approve {request.id}`"
        )
        raise NotApproved(msg)
    return Event(Kind.REPLAYED, key=request.id, detail={"request": request.id})


def policy(*, on: bool, request: str = "") -> Event:
    """Return the event that switches four eyes on or off."""
    detail = {"four_eyes": on, **({"request": request} if request else {})}
    return Event(Kind.POLICY, key=POLICY_KEY, detail=detail)


def load(connection: Connection, name: str) -> Request:
    """Return a request by its id; DeliveryError when there is none."""
    query = select(events).where(events.c.key == name, events.c.stream == "")
    found = _requests(connection.execute(query.order_by(events.c.number)))
    if not found:
        msg = f"there is no request {name}; `singer-delivery requests` lists them"
        raise DeliveryError(msg)
    return found[0]


def every(connection: Connection) -> list[Request]:
    """Return all requests, oldest first."""
    kinds = (Kind.REQUESTED, Kind.APPROVED, Kind.REPLAYED)
    query = select(events).where(events.c.stream == "", events.c.kind.in_(kinds))
    return _requests(connection.execute(query.order_by(events.c.number)))


def items(connection: Connection, request: Request) -> list[Item]:
    """Return what a request is about, in the order in which it is replayed."""
    query = (
        select(events)
        .where(
            events.c.run_id == request.run_id,
            events.c.kind == Kind.REQUESTED,
            events.c.stream != "",
        )
        .order_by(events.c.number)
    )
    return [_item(row) for row in connection.execute(query)]


def _of_item(kind: Kind, item: Item, detail: Mapping[str, Any]) -> Event:
    system, stream, key = item.place
    return Event(
        kind,
        stream,
        key,
        system=system,
        detail={**detail, "base": item.base, "edited": item.edited},
        payload=item.digest,
    )


def _item(row: Row[Any]) -> Item:
    detail = json.loads(row.detail)
    place = (row.system, row.stream, row.key)
    return Item(place, row.payload, detail.get("base", ""), bool(detail.get("edited")))


def _requests(rows: Iterable[Row[Any]]) -> list[Request]:
    found: dict[str, Request] = {}
    for row in rows:
        detail = json.loads(row.detail)
        if row.kind == Kind.REQUESTED:
            found[row.key] = Request(
                id=row.key,
                run_id=row.run_id,
                action=detail["action"],
                reason=detail["reason"],
                by=Identity.of_facts(detail["by"]),
                who=row.actor,
                at=datetime.fromisoformat(row.at),
                count=detail["count"],
            )
        elif row.key in found:
            found[row.key] = _moved_on(found[row.key], row)
    return list(found.values())


def _moved_on(request: Request, row: Row[Any]) -> Request:
    if row.kind == Kind.APPROVED:
        return replace(request, approved_by=row.actor, used=request.action == SWITCH_OFF)
    return replace(request, used=True) if row.kind == Kind.REPLAYED else request


def told(request: Request) -> str:
    """Return a request in words."""
    what = "four eyes off" if request.action == SWITCH_OFF else f"replay of {request.count}"
    approved = f", approved by {request.approved_by}" if request.approved_by else ""
    asked_for = f"asked for {moment(request.at)} by {request.who}"
    reason = f": {request.reason}" if request.reason else ""
    return f"{request.id}  {request.state}  {what}, {asked_for}{approved}{reason}"
