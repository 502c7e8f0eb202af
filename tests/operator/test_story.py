"""Every kind of event is a sentence."""

from __future__ import annotations

from typing import Any

import pytest
from singer_delivery.operator.story import told
from singer_delivery.trail import Kind

DIGEST = "ab" * 32


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_words_even_without_facts(kind: Kind) -> None:
    words = told(kind, {})
    assert words
    assert "None" not in words
    assert "_" not in words


@pytest.mark.parametrize(
    ("kind", "detail", "more", "words"),
    [
        (
            "received",
            {"source": "accounting_documents"},
            {"payload": DIGEST},
            "received from accounting_documents (payload abababababab)",
        ),
        (
            "sent",
            {"method": "POST", "path": "/data/$batch"},
            {"system": "https://f.o"},
            "sent to https://f.o (POST /data/$batch)",
        ),
        ("answered", {"status": 200, "request_id": "r-1"}, {}, "answered 200 (request id r-1)"),
        (
            "delivered",
            {"remote_key": "BW1", "request_id": "r-1"},
            {},
            "delivered as BW1 (request id r-1)",
        ),
        ("rejected", {"reason": "no vendor"}, {}, "rejected: no vendor"),
        (
            "replayed",
            {"edited": True, "request": "1a2b"},
            {"payload": DIGEST, "actor": "alice"},
            "replayed with an edited payload (payload abababababab), as approved in request 1a2b, "
            "by alice",
        ),
        (
            "approved",
            {"request": "1a2b", "proof": "claimed"},
            {"actor": "bob"},
            "request 1a2b approved (identities claimed, not proved), by bob",
        ),
        ("policy", {"four_eyes": True}, {"actor": "bob"}, "four eyes switched on, by bob"),
        ("erased", {"records": 3}, {}, "3 kept record(s) erased"),
        ("from_the_future", {}, {}, "from the future"),
    ],
)
def test_events_in_words(
    kind: str, detail: dict[str, Any], more: dict[str, str], words: str
) -> None:
    assert told(kind, detail, **more) == words


def test_a_sentence_is_one_line_without_account_numbers() -> None:
    words = told("rejected", {"reason": "bad\nIBAN FI2112345600000785\x1b"})
    assert words == "rejected: bad IBAN …0785\ufffd"
