"""OData `$batch` as multipart/mixed: how changesets are written, how the answer is read.

F&O takes multipart only, runs each changeset in one transaction, and answers a failed one with a
single error part. (OData 4.0 part 1, §11.7; RFC 2046 §5.1)
"""

from __future__ import annotations

import io
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

import requests
from requests.structures import CaseInsensitiveDict
from singer_delivery.exact_json import encode_json

#: Operations that F&O takes in one $batch request.
MAX_OPERATIONS = 5000
#: The server's clock, which a Retry-After date is measured against, and its correlation id.
SHARED = ("Date", "ms-dyn-aid")
CR, LF = b"\r\n"
BLANK_LINE = re.compile(rb"\r?\n\r?\n")
STATUS_LINE = re.compile(rb"HTTP/\d(?:\.\d)? (\d{3})(?: (.*))?$")


class Headers(dict[str, str]):
    """Headers under their names in lower case, looked up in any case."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return super().__contains__(str(name).lower())

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a header, or the default."""
        return super().get(name.lower(), default)


def shared_headers(outer: requests.Response) -> Headers:
    """Return those headers of a batch's answer that hold for each of its parts."""
    return Headers({name.lower(): outer.headers[name] for name in SHARED if name in outer.headers})


NO_HEADERS = Headers()


class MalformedBatch(ValueError):
    """The answer to a $batch cannot be read: cut off, no multipart, or not in its grammar."""


@dataclass(frozen=True)
class Operation:
    """One request inside a batch; `url` is absolute, `body` JSON-like with Decimal amounts."""

    method: str
    url: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Changeset:
    """Writes that F&O carries out together or not at all."""

    operations: tuple[Operation, ...]


@dataclass(frozen=True)
class PartResponse:
    """The answer to one operation, or to a whole changeset that failed."""

    status: int
    headers: Mapping[str, str] = field(default_factory=lambda: NO_HEADERS)
    body: bytes = b""
    content_id: str | None = None
    reason: str = ""

    def within(self, shared: Headers) -> PartResponse:
        """Return it with the headers that F&O sends once, for the batch as a whole."""
        headers = Headers({**shared, **self.headers})
        return PartResponse(self.status, headers, self.body, self.content_id, self.reason)

    def as_response(self) -> requests.Response:
        """Return it as an answer of its own, so that one error table serves both."""
        response = requests.Response()
        response.status_code = self.status
        response.reason = self.reason
        response.headers = CaseInsensitiveDict(self.headers)
        response.raw = io.BytesIO(self.body)
        return response


def new_boundary(kind: str) -> str:
    """Return a boundary that occurs in no body."""
    return f"{kind}_{uuid.uuid4()}"


def encode_batch(
    parts: Sequence[Changeset | Operation], boundary: Callable[[str], str] = new_boundary
) -> tuple[str, bytes]:
    """Return content type and body of a $batch request; an Operation alone must be a GET."""
    outer = boundary("batch")
    encoded = []
    content_id = 1
    for part in parts:
        if isinstance(part, Changeset):
            encoded.append(_encode_changeset(part, boundary("changeset"), content_id))
            content_id += len(part.operations)
        else:
            encoded.append(_encode_operation(part))
    return f"multipart/mixed; boundary={outer}", _join(outer, encoded)


def _encode_changeset(changeset: Changeset, boundary: str, content_id: int) -> bytes:
    """Return a changeset; its operations are numbered from `content_id` on."""
    operations = [
        _encode_operation(operation, number)
        for number, operation in enumerate(changeset.operations, start=content_id)
    ]
    head = f"Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n"
    return head.encode() + _join(boundary, operations)


def _encode_operation(operation: Operation, content_id: int | None = None) -> bytes:
    lines = ["Content-Type: application/http", "Content-Transfer-Encoding: binary"]
    if content_id is not None:
        lines.append(f"Content-ID: {content_id}")
    lines += ["", f"{operation.method} {operation.url} HTTP/1.1", "Accept: application/json"]
    lines += [f"{name}: {value}" for name, value in operation.headers.items()]
    body = b""
    if operation.body is not None:
        body = encode_json(operation.body)
        lines += ["Content-Type: application/json; charset=utf-8", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _join(boundary: str, parts: Sequence[bytes]) -> bytes:
    delimiter = f"--{boundary}\r\n".encode()
    return b"".join(delimiter + part + b"\r\n" for part in parts) + f"--{boundary}--\r\n".encode()


def decode_batch(content_type: str, body: bytes) -> list[list[PartResponse]]:
    """Return, for each changeset or GET in order, the answers to its operations.

    Takes CRLF and LF, quoted boundaries, parts with and without Content-ID, and a failed
    changeset's single error part with or without a multipart of its own. Raises MalformedBatch.
    """
    groups = []
    for headers, content in _parts(content_type, body):
        inner = headers.get("Content-Type", "")
        if inner.lower().startswith("multipart/"):
            groups.append([_decode_part(*part) for part in _parts(inner, content)])
        else:
            groups.append([_decode_part(headers, content)])
    return groups


def _parts(content_type: str, body: bytes) -> Iterator[tuple[Headers, bytes]]:
    """Yield headers and content of each part of a multipart body."""
    declared = Message()
    declared["Content-Type"] = content_type
    boundary = declared.get_boundary()
    if declared.get_content_maintype() != "multipart" or not boundary:
        msg = f"expected multipart/mixed with a boundary, got {content_type or 'no content type'!r}"
        raise MalformedBatch(msg)
    for start, end in _between(body, b"--" + boundary.encode()):
        yield _split_headers(body[start:end])


def _between(body: bytes, delimiter: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the parts between lines with the delimiter begin and end.

    The line break before a delimiter belongs to it. Raises MalformedBatch without a closing one.
    """
    start, at = -1, body.find(delimiter)
    while at >= 0:
        line_end = body.find(b"\n", at)
        line = body[at : line_end if line_end >= 0 else len(body)].rstrip(b" \t\r")
        closes = line == delimiter + b"--"
        if (at == 0 or body[at - 1] == LF) and (closes or line == delimiter):
            if start >= 0:
                yield start, max(start, _before_line_break(body, at))
            if closes:
                return
            start = line_end + 1 if line_end >= 0 else len(body)
        at = body.find(delimiter, at + len(delimiter))
    msg = "the answer is cut off: its closing boundary is missing"
    raise MalformedBatch(msg)


def _before_line_break(body: bytes, at: int) -> int:
    end = at - 1 if at and body[at - 1] == LF else at
    return end - 1 if end and body[end - 1] == CR else end


def _split_headers(part: bytes) -> tuple[Headers, bytes]:
    """Split at the first blank line; a part without one has no body."""
    if part.startswith((b"\n", b"\r\n")):
        return NO_HEADERS, part.lstrip(b"\r\n")
    blank = BLANK_LINE.search(part)
    head, body = (part[: blank.start()], part[blank.end() :]) if blank else (part, b"")
    headers = Headers()
    for line in head.decode("latin-1").splitlines():
        name, colon, value = line.partition(":")
        if not colon:
            msg = f"expected a header, got {line[:60]!r}"
            raise MalformedBatch(msg)
        headers[name.strip().lower()] = value.strip()
    return headers, body


def _decode_part(outer: Headers, content: bytes) -> PartResponse:
    content = content.lstrip(b"\r\n")
    end = content.find(b"\n")
    first, rest = (content[:end], content[end + 1 :]) if end >= 0 else (content, b"")
    status = STATUS_LINE.match(first.rstrip(b"\r"))
    if not status:
        msg = f"expected a status line like HTTP/1.1 201 Created, got {first[:60]!r}"
        raise MalformedBatch(msg)
    headers, body = _split_headers(rest)
    return PartResponse(
        status=int(status[1]),
        headers=headers,
        body=_cut(body, headers.get("Content-Length")),
        content_id=headers.get("Content-ID") or outer.get("Content-ID"),
        reason=(status[2] or b"").decode("latin-1"),
    )


def _cut(body: bytes, length: str | None) -> bytes:
    """Return the body without the line breaks that some servers add before a boundary."""
    if length is None or not length.isdigit():
        return body.rstrip(b"\r\n")
    if len(body) < int(length):
        msg = f"a part is cut off: {len(body)} of {length} bytes"
        raise MalformedBatch(msg)
    return body[: int(length)]
