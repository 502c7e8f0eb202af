"""Events of the audit trail in plain words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from singer_delivery.operator.rendering import plain
from singer_delivery.redaction import mask_ibans

Detail = Mapping[str, Any]
#: So much of a digest or a run's id tells it apart for people; the export has all of it.
SHORT = 12
#: Events of people, whose name is part of the sentence.
BY_PEOPLE = frozenset(
    {"requested", "approved", "replayed", "released", "erased", "rebuilt", "policy"}
)


def told(kind: str, detail: Detail, *, system: str = "", payload: str = "", actor: str = "") -> str:
    """Return what an event says, as one line without a bank account in it."""
    words = _STORIES.get(kind, _unknown(kind))(detail, system, payload)
    by = f", by {actor}" if actor and kind in BY_PEOPLE else ""
    return mask_ibans(plain(words + by))


def short(digest: str) -> str:
    """Return the beginning of a digest or a run's id."""
    return digest[:SHORT]


def _received(detail: Detail, _: str, payload: str) -> str:
    source = _text(detail, "source")
    return f"received{f' from {source}' if source else ''}{_payload(payload)}"


def _mapped(detail: Detail, _: str, __: str) -> str:
    version = _text(detail, "version")
    return f"mapped{_named(detail, ' as ')}{f', version {version}' if version else ''}"


def _intended(detail: Detail, system: str, _: str) -> str:
    where = f" to {system}" if system else ""
    return f"about to be sent{where}{_named(detail, ' as ')}"


def _sent(detail: Detail, system: str, _: str) -> str:
    where = f" to {system}" if system else ""
    return f"sent{where}{_named(detail, ' as ')}{_exchange(detail)}"


def _answered(detail: Detail, _: str, __: str) -> str:
    status = _text(detail, "status")
    result = f"answered {status}" if status else "no answer came"
    return f"{result}{_exchange(detail)}"


def _outcome(words: str) -> Callable[[Detail, str, str], str]:
    def tell(detail: Detail, _: str, __: str) -> str:
        reason = _text(detail, "reason")
        request = _text(detail, "request_id")
        return (
            f"{words}{_named(detail, ' as ')}"
            f"{f': {reason}' if reason else ''}{f' (request id {request})' if request else ''}"
        )

    return tell


def _requested(detail: Detail, _: str, payload: str) -> str:
    reason = _text(detail, "reason")
    edited = " of an edited payload" if detail.get("edited") else ""
    what = "switching four eyes off" if detail.get("action") == "four_eyes_off" else "replay"
    request = _text(detail, "request")
    return (
        f"{what}{edited} requested{f' as {request}' if request else ''}{_payload(payload)}"
        f"{f': {reason}' if reason else ''}"
    )


def _approved(detail: Detail, _: str, payload: str) -> str:
    proof = " (identities claimed, not proved)" if detail.get("proof") == "claimed" else ""
    return f"request {_text(detail, 'request')} approved{_payload(payload)}{proof}"


def _replayed(detail: Detail, _: str, payload: str) -> str:
    edited = " with an edited payload" if detail.get("edited") else ""
    request = _text(detail, "request")
    approved = f", as approved in request {request}" if request else ""
    return f"replayed{edited}{_payload(payload)}{approved}"


def _erased(detail: Detail, _: str, payload: str) -> str:
    count, before = _text(detail, "records"), _text(detail, "received_before")
    what = f"{count} kept record(s) erased" if count else f"kept record erased{_payload(payload)}"
    return f"{what}{f', received before {before[:19]}' if before else ''}"


def _policy(detail: Detail, _: str, __: str) -> str:
    if "four_eyes" not in detail:
        return f"policy changed: {', '.join(f'{name} {value}' for name, value in detail.items())}"
    return f"four eyes switched {'on' if detail['four_eyes'] else 'off'}"


def _run(words: str) -> Callable[[Detail, str, str], str]:
    def tell(detail: Detail, _: str, __: str) -> str:
        plugin = _text(detail, "plugin")
        return f"run{f' of {plugin}' if plugin else ''} {words}"

    return tell


def _unknown(kind: str) -> Callable[[Detail, str, str], str]:
    def tell(_: Detail, __: str, payload: str) -> str:
        return f"{kind.replace('_', ' ')}{_payload(payload)}"

    return tell


_STORIES: Mapping[str, Callable[[Detail, str, str], str]] = {
    "started": _run("started"),
    "ended": _run("ended"),
    "received": _received,
    "mapped": _mapped,
    "intended": _intended,
    "sent": _sent,
    "answered": _answered,
    "in_doubt": _outcome("in doubt, for its answer was lost"),
    "read_back": _outcome("the target was read back"),
    "taken_over": _outcome("taken over from a run that ended without an outcome"),
    "not_sent": _outcome("not in the target, to be sent when it is offered again"),
    "accepted": _outcome("taken by the target, which is still working on it"),
    "confirmed": _outcome("the target confirmed what it made of it"),
    "delivered": _outcome("delivered"),
    "unchanged": _outcome("already in the target, nothing sent"),
    "rejected": _outcome("rejected"),
    "skipped": _outcome("nothing to be done"),
    "late": _outcome("left as it is"),
    "stuck": _outcome("stuck: its answer was lost too often, and it waits for an operator"),
    "released": _outcome("released, to be sent when it is offered again"),
    "requested": _requested,
    "approved": _approved,
    "replayed": _replayed,
    "erased": _erased,
    "rebuilt": _outcome("rebuilt from what the systems hold"),
    "policy": _policy,
}


def _text(detail: Detail, name: str) -> str:
    value = detail.get(name)
    return "" if value in (None, "") else str(value)


def _named(detail: Detail, before: str) -> str:
    name = _text(detail, "remote_key")
    return f"{before}{name}" if name else ""


def _payload(digest: str) -> str:
    return f" (payload {short(digest)})" if digest else ""


def _exchange(detail: Detail) -> str:
    request = " ".join(filter(None, (_text(detail, "method"), _text(detail, "path"))))
    parts = [request] if request else []
    if remote := _text(detail, "request_id"):
        parts.append(f"request id {remote}")
    return f" ({', '.join(parts)})" if parts else ""
