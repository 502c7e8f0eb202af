from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_basware.webhook.signature import FORMATS, claimed, header_value, is_signed

BODY = '{"documentId":"ä"}'.encode()
KEY = "secret-ö"
MAC = hmac.new(KEY.encode(), BODY, hashlib.sha256).digest()
WRITTEN = {
    "hex": MAC.hex(),
    "sha256=hex": f"sha256={MAC.hex()}",
    "base64": base64.b64encode(MAC).decode(),
    "sha256=base64": f"sha256={base64.b64encode(MAC).decode()}",
}


@pytest.mark.parametrize("form", WRITTEN)
def test_every_form_is_accepted_by_default(form: str) -> None:
    assert is_signed(BODY, WRITTEN[form], [KEY])
    assert header_value(KEY, BODY, form) == WRITTEN[form]


@pytest.mark.parametrize("form", WRITTEN)
@pytest.mark.parametrize("written", WRITTEN)
def test_a_form_that_is_set_is_the_only_one(form: str, written: str) -> None:
    assert is_signed(BODY, WRITTEN[written], [KEY], form) == (form == written)


@pytest.mark.parametrize(
    "header",
    [
        MAC.hex().upper(),
        f"SHA256={MAC.hex()}",
        f"  sha256={MAC.hex()} ",
        base64.b64encode(MAC).decode().rstrip("="),
        base64.urlsafe_b64encode(MAC).decode(),
    ],
)
def test_the_same_32_bytes_in_other_letters(header: str) -> None:
    assert is_signed(BODY, header, [KEY])


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha256=",
        MAC.hex()[:-1],
        MAC.hex() + "0",
        MAC.hex() * 2,
        f"sha1={MAC.hex()}",
        f"sha256=sha256={MAC.hex()}",
        f"{MAC.hex()},{MAC.hex()}",
        "0" * 64,
        "é" * 64,
        " ".join(MAC.hex()),
        base64.b64encode(MAC[:-1]).decode(),
        "A" * 5000,
    ],
)
def test_what_is_no_signature(header: str | None) -> None:
    assert not is_signed(BODY, header, [KEY])


def test_any_of_several_secrets_signs() -> None:
    assert is_signed(BODY, MAC.hex(), ["another one", KEY, "a third"])
    assert not is_signed(BODY, MAC.hex(), ["another one", "a third"])
    assert not is_signed(BODY, MAC.hex(), [])


@given(st.text(max_size=100), st.sampled_from(FORMATS))
def test_no_text_is_taken_for_one(header: str, form: str) -> None:
    found = claimed(header, form)
    assert found is None or len(found) == 32
    assert not is_signed(BODY, header, [KEY], form)


@given(st.binary(max_size=200), st.binary(max_size=200), st.sampled_from(FORMATS))
def test_a_signature_is_of_one_body_alone(body: bytes, other: bytes, form: str) -> None:
    header = header_value(KEY, body, form)
    assert is_signed(body, header, [KEY], form)
    assert is_signed(other, header, [KEY], form) == (other == body)
