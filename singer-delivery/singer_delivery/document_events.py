"""What the audit trail says of documents: of an intent, of requests, and of an outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from singer_delivery.document import Document, Entry, Outcome, Status
from singer_delivery.exchanges import Exchange
from singer_delivery.schema import storable_text
from singer_delivery.trail import Event, Kind


def intent_of(stream: str, document: Document) -> Event:
    """Return what the trail says of a document that is about to be sent."""
    facts = {
        "fingerprint": document.fingerprint,
        "natural_key": document.natural_key,
        "version": document.version,
        "remote_key": document.remote_key,
        "label": document.label,
    }
    return Event(Kind.INTENDED, stream, document.key, _known(facts))


def events_of(stream: str, subject: Document | Entry, outcome: Outcome) -> list[Event]:
    """Return what the trail says of an outcome: what was sent for it, and what came of it."""
    happened = [
        event
        for exchange in outcome.exchanges
        for event in _exchanged(stream, subject.key, exchange, {})
    ]
    if outcome.read_back:
        happened.append(Event(Kind.READ_BACK, stream, subject.key))
    facts = {
        "status": outcome.status.value,
        "reason": storable_text(outcome.reason),
        "remote_key": storable_text(outcome.remote_key),
        "request_id": storable_text(outcome.request_id),
        "fingerprint": subject.fingerprint,
        "version": subject.version,
        "natural_key": outcome.natural_key or subject.natural_key,
    }
    asked = isinstance(subject, Entry) and subject.status is Status.ACCEPTED
    delivered = outcome.status is Status.DELIVERED
    kind = Kind.CONFIRMED if asked and delivered else Kind(outcome.status.value)
    kind = Kind.LATE if outcome.late else kind
    return [*happened, Event(kind, stream, subject.key, _known(facts))]


def exchanges_of(
    stream: str, exchanges: Sequence[Exchange], detail: Mapping[str, Any]
) -> list[Event]:
    """Return what the trail says of exchanges for several documents together."""
    return [event for one in exchanges for event in _exchanged(stream, "", one, detail)]


def _known(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value}


def _exchanged(stream: str, key: str, exchange: Exchange, detail: Mapping[str, Any]) -> list[Event]:
    request = {
        **detail,
        "method": exchange.method,
        "path": exchange.path,
        "request_sha256": exchange.request_sha256,
    }
    sent = Event(Kind.SENT, stream, key, request, at=exchange.sent_at)
    if exchange.status is None:
        return [sent]
    answer = {
        "status": exchange.status,
        "response_sha256": exchange.response_sha256,
        "request_id": exchange.request_id,
    }
    return [sent, Event(Kind.ANSWERED, stream, key, answer, at=exchange.answered_at)]
