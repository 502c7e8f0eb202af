from __future__ import annotations

import contextlib
import email
import email.policy
import json
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_d365fo.batch import (
    Changeset,
    MalformedBatch,
    Operation,
    PartResponse,
    decode_batch,
    encode_batch,
)

HOST = "https://contoso.operations.dynamics.com/data"
CAPTURED = (
    "--batchresponse_1\r\n"
    "Content-Type: multipart/mixed; boundary=changesetresponse_2\r\n\r\n"
    "--changesetresponse_2\r\n"
    "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: 1\r\n\r\n"
    "HTTP/1.1 201 Created\r\nETag: W/\"J\"\r\nLocation: https://x/data/S('1')\r\n"
    "Content-Type: application/json; odata.metadata=minimal\r\nOData-Version: 4.0\r\n\r\n"
    '{"HeaderReference":"1"}\r\n'
    "--changesetresponse_2\r\n"
    "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: 2\r\n\r\n"
    "HTTP/1.1 204 No Content\r\n\r\n\r\n"
    "--changesetresponse_2--\r\n"
    "--batchresponse_1--\r\n"
)
CONTENT_TYPE = "multipart/mixed; boundary=batchresponse_1"
PART = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"


def test_a_changeset_is_written_as_nested_multipart() -> None:
    changeset = Changeset(
        (
            Operation("POST", f"{HOST}/Headers?cross-company=true", {"Amount": Decimal("10.50")}),
            Operation("DELETE", f"{HOST}/Headers(Id='1')"),
        )
    )

    content_type, body = encode_batch([changeset], boundary=lambda kind: f"{kind}_1")

    message = email.message_from_bytes(
        f"Content-Type: {content_type}\r\n\r\n".encode() + body, policy=email.policy.HTTP
    )
    (nested,) = message.iter_parts()
    first, second = nested.iter_parts()
    assert nested.get_content_type() == "multipart/mixed"
    assert first["Content-ID"] == "1"
    assert first["Content-Transfer-Encoding"] == "binary"
    head, _, payload = first.get_content().partition(b"\r\n\r\n")
    assert head.splitlines()[0] == f"POST {HOST}/Headers?cross-company=true HTTP/1.1".encode()
    assert payload == b'{"Amount":10.50}'
    assert second.get_content().startswith(f"DELETE {HOST}/Headers(Id='1') HTTP/1.1\r\n".encode())


def test_a_get_stands_outside_a_changeset() -> None:
    _, body = encode_batch([Operation("GET", f"{HOST}/Companies")], boundary=lambda kind: kind)

    assert b"Content-ID" not in body
    assert b"\r\n\r\nGET https://contoso" in body


def test_the_captured_answer_is_read() -> None:
    ((created, gone),) = decode_batch(CONTENT_TYPE, CAPTURED.encode())

    assert (created.status, created.content_id, created.reason) == (201, "1", "Created")
    assert created.headers["location"] == "https://x/data/S('1')"
    assert json.loads(created.body) == {"HeaderReference": "1"}
    assert (gone.status, gone.body) == (204, b"")


def test_line_feeds_alone_and_a_quoted_boundary_are_taken() -> None:
    quoted = 'multipart/mixed;boundary="batchresponse_1"'

    assert decode_batch(quoted, CAPTURED.replace("\r\n", "\n").encode()) == decode_batch(
        CONTENT_TYPE, CAPTURED.encode()
    )


def test_a_failed_changeset_may_answer_with_one_part_of_its_own() -> None:
    body = (
        f"--batchresponse_1\r\n{PART}HTTP/1.1 429 \r\nRetry-After: 7\r\n\r\nslow down\r\n"
        "--batchresponse_1--"
    )

    ((part,),) = decode_batch(CONTENT_TYPE, body.encode())

    assert (part.status, part.headers["Retry-After"], part.body) == (429, "7", b"slow down")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", "{}"),
        ("", ""),
        (CONTENT_TYPE, ""),
        (CONTENT_TYPE, "<html>"),
        (CONTENT_TYPE, CAPTURED[:300]),
        (CONTENT_TYPE, CAPTURED.replace("--batchresponse_1--", "")),
        (CONTENT_TYPE, CAPTURED.replace("HTTP/1.1 201 Created", "What?")),
        (CONTENT_TYPE, CAPTURED.replace("OData-Version: 4.0", "Content-Length: 4000")),
        (CONTENT_TYPE, CAPTURED.replace("Content-ID: 2", "Content-ID 2")),
    ],
)
def test_what_is_no_answer_to_a_batch_is_malformed(content_type: str, body: str) -> None:
    with pytest.raises(MalformedBatch):
        decode_batch(content_type, body.encode())


@given(st.binary(max_size=400))
def test_garbage_is_malformed_or_read_but_never_breaks(body: bytes) -> None:
    with contextlib.suppress(MalformedBatch):
        decode_batch(CONTENT_TYPE, b"--batchresponse_1\r\n" + body + b"\r\n--batchresponse_1--")


@given(st.integers(0, len(CAPTURED) - 1))
def test_an_answer_cut_off_anywhere_is_not_taken_for_a_whole_one(length: int) -> None:
    try:
        groups = decode_batch(CONTENT_TYPE, CAPTURED[:length].encode())
    except MalformedBatch:
        return

    assert groups == decode_batch(CONTENT_TYPE, CAPTURED.encode())  # only the last line break


BODIES = st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3).map(
    lambda value: json.dumps(value).encode()
)


@dataclass(frozen=True)
class Style:
    newline: str = "\r\n"
    length: bool = True
    trailing: int = 0
    content_ids: bool = True
    preamble: str = ""


STYLES = st.builds(
    Style,
    newline=st.sampled_from(["\r\n", "\n"]),
    length=st.booleans(),
    trailing=st.integers(0, 2),
    content_ids=st.booleans(),
    preamble=st.sampled_from(["", "ignored"]),
)


@dataclass
class Writer:
    """A server's multipart, in the given style."""

    style: Style
    parts: list[bytes] = field(default_factory=list)

    def write(self, groups: list[list[PartResponse]]) -> bytes:
        outer = []
        for number, group in enumerate(groups):
            inner = [self.part(part) for part in group]
            head = f"Content-Type: multipart/mixed; boundary=c{number}{self.style.newline * 2}"
            outer.append(head.encode() + self.join(f"c{number}", inner))
        preamble = f"{self.style.preamble}{self.style.newline}" if self.style.preamble else ""
        return preamble.encode() + self.join("outer", outer)

    def part(self, part: PartResponse) -> bytes:
        lines = ["Content-Type: application/http"]
        if self.style.content_ids:
            lines.append(f"Content-ID: {part.content_id}")
        lines += ["", f"HTTP/1.1 {part.status} {part.reason}"]
        lines += [f"{name}: {value}" for name, value in part.headers.items()]
        if self.style.length:
            lines.append(f"Content-Length: {len(part.body)}")
        newline = self.style.newline
        head = newline.join([*lines, "", ""]).encode()
        return head + part.body + (newline * self.style.trailing).encode()

    def join(self, boundary: str, parts: list[bytes]) -> bytes:
        newline = self.style.newline.encode()
        delimiter = f"--{boundary}".encode()
        return b"".join(delimiter + newline + part + newline for part in parts) + delimiter + b"--"


GROUPS = st.lists(
    st.lists(
        st.builds(
            PartResponse,
            status=st.sampled_from([200, 201, 204, 400, 429, 500]),
            headers=st.just({"X-Thing": "a: b"}),
            body=BODIES | st.just(b""),
            content_id=st.integers(1, 99).map(str),
            reason=st.sampled_from(["Created", "Bad Request", ""]),
        ),
        min_size=1,
        max_size=3,
    ),
    min_size=1,
    max_size=3,
)


@given(GROUPS, STYLES)
def test_whatever_a_server_writes_is_read_back(
    groups: list[list[PartResponse]], style: Style
) -> None:
    decoded = decode_batch("multipart/mixed; boundary=outer", Writer(style).write(groups))

    def essence(part: PartResponse) -> tuple[object, ...]:
        content_id = part.content_id if style.content_ids else None
        return part.status, part.reason, part.body, content_id, part.headers["X-Thing"]

    assert [[essence(part) for part in group] for group in decoded] == [
        [essence(part) for part in group] for group in groups
    ]
