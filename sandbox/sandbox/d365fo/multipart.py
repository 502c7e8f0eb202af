"""The wire format of `$batch`: multipart/mixed with embedded HTTP requests, and back."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from itertools import pairwise
from typing import TYPE_CHECKING

from sandbox.d365fo.operations import Answer, Operation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

METHODS = frozenset({"GET", "POST", "PATCH", "PUT", "DELETE"})
_REQUEST_LINE = re.compile(r"(?P<method>[A-Z]+) (?P<target>\S+) HTTP/1\.1")
_EOL = re.compile(rb"\r?\n")
_HEAD_END = re.compile(rb"\r?\n\r?\n")


class MalformedBatchError(ValueError):
    """A body that is not a batch; the text says where."""


@dataclass(frozen=True)
class Changeset:
    """Operations that succeed together or not at all."""

    operations: tuple[Operation, ...]


BatchPart = Operation | Changeset
# What goes back for a part: one answer, or those of a changeset with their Content-IDs.
AnswerPart = tuple[Answer, str | None] | list[tuple[Answer, str | None]]


def boundary_of(content_type: str) -> str | None:
    """The boundary of a `multipart/mixed` content type; None for any other."""
    message = Message()
    message["Content-Type"] = content_type
    if message.get_content_type() != "multipart/mixed":
        return None
    boundary = message.get_param("boundary")
    return boundary if isinstance(boundary, str) and boundary else None


def parse_batch(body: bytes, boundary: str) -> list[BatchPart]:
    """The parts of a batch in their order. Raises MalformedBatchError."""
    return [_parse_part(part) for part in _split(body, boundary)]


def compose_batch(parts: Sequence[AnswerPart]) -> tuple[bytes, str]:
    """The body of the answer and its content type."""
    boundary = f"batchresponse_{uuid.uuid4()}"
    chunks = [_compose_part(part) for part in parts]
    return _join(chunks, boundary), f"multipart/mixed; boundary={boundary}"


def _parse_part(part: bytes) -> BatchPart:
    headers, content = _parse_head(part)
    kind = headers.get("content-type", "")
    if kind.lower().startswith("application/http"):
        return _parse_operation(content, headers.get("content-id"))
    boundary = boundary_of(kind)
    if boundary is None:
        msg = f"a part has the Content-Type '{kind}'"
        raise MalformedBatchError(msg)
    operations = [_parse_part(inner) for inner in _split(content, boundary)]
    changes = [item for item in operations if isinstance(item, Operation)]
    if len(changes) != len(operations) or any(item.method == "GET" for item in changes):
        msg = "a changeset may only hold changes, no reads and no changesets"
        raise MalformedBatchError(msg)
    return Changeset(tuple(changes))


def _parse_operation(content: bytes, content_id: str | None) -> Operation:
    line, *rest = _EOL.split(content.lstrip(b"\r\n"), maxsplit=1)
    match = _REQUEST_LINE.fullmatch(line.decode("latin-1").strip())
    if match is None or match["method"] not in METHODS:
        msg = f"'{line.decode('latin-1')[:80]}' is not a request line"
        raise MalformedBatchError(msg)
    headers, body = _parse_head(rest[0] if rest else b"")
    return Operation(
        method=match["method"],
        target=match["target"],
        headers=headers,
        body=body,
        content_id=content_id or headers.get("content-id"),
    )


def _parse_head(part: bytes) -> tuple[dict[str, str], bytes]:
    """Headers (names in lower case) and what follows the empty line."""
    if _EOL.match(part):  # no headers at all
        return {}, _EOL.sub(b"", part, count=1)
    head, *rest = _HEAD_END.split(part, maxsplit=1)
    headers: dict[str, str] = {}
    for line in _EOL.split(head):
        name, colon, value = line.decode("utf-8").partition(":")
        if not colon and line.strip():
            msg = f"'{name[:80]}' is not a header"
            raise MalformedBatchError(msg)
        if colon:
            headers[name.strip().lower()] = value.strip()
    return headers, rest[0] if rest else b""


def _split(body: bytes, boundary: str) -> list[bytes]:
    """What lies between the delimiter lines; the closing one must be there."""
    mark = re.escape(boundary.encode("latin-1"))
    line = re.compile(rb"(?:^|\r?\n)--" + mark + rb"(?P<closing>--)?[ \t]*(?=\r?\n|$)")
    marks = list(line.finditer(body))
    if not marks or not marks[-1]["closing"] or any(item["closing"] for item in marks[:-1]):
        msg = f"the delimiter lines of '{boundary}' do not open and close the body"
        raise MalformedBatchError(msg)
    return [_EOL.sub(b"", body[a.end() : b.start()], count=1) for a, b in pairwise(marks)]


def _compose_part(part: AnswerPart) -> bytes:
    if isinstance(part, tuple):
        return _compose_answer(*part)
    boundary = f"changesetresponse_{uuid.uuid4()}"
    content = _join([_compose_answer(*answer) for answer in part], boundary)
    return _head({"Content-Type": f"multipart/mixed; boundary={boundary}"}) + content


def _compose_answer(answer: Answer, content_id: str | None) -> bytes:
    outer = {"Content-Type": "application/http", "Content-Transfer-Encoding": "binary"}
    if content_id is not None:
        outer["Content-ID"] = content_id
    body = answer.body.encode()
    inner = dict(answer.headers)
    if body:
        inner |= {"Content-Type": answer.content_type, "Content-Length": str(len(body))}
    inner["OData-Version"] = "4.0"
    status = f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n".encode()
    return _head(outer) + status + _head(inner) + body


def _head(headers: Mapping[str, str]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode() + b"\r\n"


def _join(chunks: list[bytes], boundary: str) -> bytes:
    mark = boundary.encode()
    opened = b"".join(b"--" + mark + b"\r\n" + chunk + b"\r\n" for chunk in chunks)
    return opened + b"--" + mark + b"--\r\n"
