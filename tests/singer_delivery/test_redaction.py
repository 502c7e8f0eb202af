"""Secrets and bank accounts in whatever is logged, raised or printed."""

from __future__ import annotations

import base64
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_delivery import redaction
from singer_delivery.redaction import MASK, Redactor, mask_ibans

SECRET = "p@ss w0rd/+=&'\"é"
IBANS = ("DE89370400440532013000", "GB29 NWBK 6016 1331 9268 19", "FI2112345600000785")


@pytest.fixture
def redactor() -> Redactor:
    redactor = Redactor()
    redactor.add(SECRET)
    return redactor


@pytest.mark.parametrize(
    "travelling",
    [
        SECRET,
        quote_plus(SECRET),
        json.dumps(SECRET),
        json.dumps({"client_secret": SECRET}, ensure_ascii=False),
        repr({"client_secret": SECRET}),
        f"client_secret={quote_plus(SECRET)}&grant_type=client_credentials",
        base64.b64encode(SECRET.encode()).decode(),
        "Authorization: Basic " + base64.b64encode(f"client:{SECRET}".encode()).decode(),
    ],
)
def test_a_secret_is_hidden_in_every_form_that_it_travels_in(
    redactor: Redactor, travelling: str
) -> None:
    shown = redactor.text(f"before {travelling} after")

    assert MASK in shown
    assert shown.startswith("before")
    assert shown.endswith("after")
    for form in (SECRET, quote_plus(SECRET), json.dumps(SECRET)[1:-1]):
        assert form not in shown


@given(value=st.text(min_size=6, max_size=60), around=st.text(max_size=20))
def test_whatever_the_secret_it_is_hidden(value: str, around: str) -> None:
    redactor = Redactor()
    redactor.add(value)

    assert value not in redactor.text(f"{around}{value}{around}").replace(MASK, "\n" * 70)


def test_the_longer_of_two_secrets_leaves_nothing(redactor: Redactor) -> None:
    redactor.add("abcdef")
    redactor.add("abcdef-and-more")

    assert redactor.text("abcdef-and-more, abcdef") == f"{MASK}, {MASK}"


def test_each_line_of_a_private_key_is_hidden(redactor: Redactor) -> None:
    lines = ["-----BEGIN PRIVATE KEY-----", "M" * 64, "I" * 64, "-----END PRIVATE KEY-----"]
    redactor.add("\n".join(lines))

    assert redactor.text(f"near {lines[2]}") == f"near {MASK}"


@pytest.mark.parametrize("short", ["", "a", "12345"])
def test_short_words_are_left_alone(redactor: Redactor, short: str) -> None:
    redactor.add(short)

    assert redactor.text("a 12345 b") == "a 12345 b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abc.def-123456", f"Authorization: Bearer {MASK}"),
        ("token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", f"token {MASK}"),
        ("postgresql://user:hunter2@host/db", f"postgresql://{MASK}@host/db"),
        ("sqlite:////var/ledger.db", "sqlite:////var/ledger.db"),
        ("https://api.basware.com:443/v1/tokens", "https://api.basware.com:443/v1/tokens"),
        ("paid to DE89370400440532013000.", "paid to …3000."),
        ("client_secret=abc&scope=x", f"client_secret={MASK}&scope=x"),
        ("GET /blob?se=1&sig=a%2Fb&sv=2", f"GET /blob?se=1&sig={MASK}&sv=2"),
        ("{'Password': 'a b', 'user': 'c'}", f"{{'Password': '{MASK}', 'user': 'c'}}"),
        ('{"access_token": "abc", "x": 1}', f'{{"access_token": "{MASK}", "x": 1}}'),
        ('"webhookAuthenticationToken":"a"', f'"webhookAuthenticationToken":"{MASK}"'),
        ("client_secret: it is not set", "client_secret: it is not set"),
        ("the password is wrong", "the password is wrong"),
        ("design=modern", "design=modern"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(redactor: Redactor, text: str, shown: str) -> None:
    assert redactor.text(text) == shown


@pytest.mark.parametrize("iban", IBANS)
def test_bank_accounts_are_hidden(iban: str) -> None:
    for text in (iban, iban.lower(), iban.replace(" ", "")):
        assert mask_ibans(f"to {text} today") == f"to …{text.replace(' ', '')[-4:]} today"


@pytest.mark.parametrize(
    "text",
    [
        "BW23ABCDEFGHIJKLMNOP",  # a header reference: Botswana has no IBAN
        "de12ab34cd56ef7890ab12cd34ef5678",  # a run's id: the check digits are wrong
        "APIN-usmf-000001",
        "2026-11-23 14:00:00",
        "SE12",
    ],
)
def test_what_is_no_bank_account_stays(text: str) -> None:
    assert mask_ibans(text) == text


class TestInstalled:
    """In the process: log records, whatever prints them, and tracebacks."""

    @pytest.fixture(autouse=True)
    def _installed(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        before = logging.getLogRecordFactory(), sys.excepthook, redaction.threading.excepthook
        redactor = Redactor()
        redactor.add("c4n4ry")
        monkeypatch.setattr(redaction, "REDACTOR", redactor)
        redaction.install()
        redaction.install()
        yield
        logging.setLogRecordFactory(before[0])
        sys.excepthook, redaction.threading.excepthook = before[1:]

    def test_messages_and_arguments(self, caplog: pytest.LogCaptureFixture) -> None:
        logging.getLogger("x").warning("a %s and %d", "c4n4ry", 5)
        logging.getLogger("x").warning("nothing here %s", 5)

        assert caplog.messages == [f"a {MASK} and 5", "nothing here 5"]

    def test_half_a_character_is_an_escape(self, caplog: pytest.LogCaptureFixture) -> None:
        logging.getLogger("x").warning("invoice %s", "N\ud800ü")

        assert caplog.messages == ["invoice N\\ud800ü"]

    def test_tracebacks(self, caplog: pytest.LogCaptureFixture) -> None:
        try:
            raise ValueError("c4n4ry")
        except ValueError:
            logging.getLogger("x").exception("failed")

        assert "ValueError: [redacted]" in caplog.text
        assert "c4n4ry" not in caplog.text

    def test_a_message_that_cannot_be_made_is_loggings_own_affair(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(logging, "raiseExceptions", False)
        logging.getLogger("x").warning("%d", "no number")


@pytest.mark.parametrize(
    "body",
    [
        "raise RuntimeError('c4n' + '4ry')",
        "t = threading.Thread(target=lambda: int('c4n' + '4ry')); t.start(); t.join()",
    ],
)
def test_a_traceback_that_nobody_caught(body: str) -> None:
    code = (
        "import threading\n"
        "from singer_delivery import redaction\n"
        "redaction.REDACTOR.add('c4n' + '4ry'); redaction.install()\n"
        f"{body}\n"
    )

    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)

    assert MASK in done.stderr
    assert "c4n4ry" not in done.stderr
