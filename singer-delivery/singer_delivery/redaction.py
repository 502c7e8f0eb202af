"""Keeps secrets and bank accounts out of what is logged or printed: by value, and by form."""

from __future__ import annotations

import base64
import json
import logging
import re
import sys
import threading
import traceback
from types import TracebackType
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "[redacted]"
#: Shorter values would blank out ordinary words; no issuer gives such secrets.
SHORTEST = 6
#: Lines of a secret that has several, such as a private key, are known one by one.
SHORTEST_LINE = 16
#: What looks like a secret, wherever it comes from: tokens (JWT), credentials of an Authorization
#: header, passwords in URLs.
SECRET_FORMS = re.compile(
    r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?"
    r"|(?<=[Bb]earer )[A-Za-z0-9._~+/=-]{8,}"
    r"|(?<=[Bb]asic )[A-Za-z0-9+/=]{8,}"
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"
)
#: What is named as a secret: in forms and query strings, and in JSON.
NAMES = "|".join(
    (
        "client_secret",
        "client_assertion",
        "access_token",
        "refresh_token",
        "id_token",
        "password",
        "passphrase",
        "api_?key",
        "webhookAuthenticationToken",
        "sig",
    )
)
NAMED_SECRET = re.compile(
    rf"(\b(?:{NAMES})=)[^\s&\"',;]+|(\b(?:{NAMES})[\"']\s*:\s*[\"'])[^\"']+",
    re.IGNORECASE,
)
#: Countries with an IBAN (ISO 13616 registry).
IBAN_COUNTRIES = (
    "AD AE AL AT AZ BA BE BG BH BI BR BY CH CR CY CZ DE DJ DK DO EE EG ES FI FK FO FR GB GE GI GL "
    "GR GT HN HR HU IE IL IQ IS IT JO KW KZ LB LC LI LT LU LV LY MC MD ME MK MN MR MT MU NI NL NO "
    "OM PK PL PS PT QA RO RS RU SA SC SD SE SI SK SM SO ST SV TL TN TR UA VA VG XK YE"
)
#: An IBAN, with or without blanks; see `is_iban`. What it looks ahead for makes most places quick
#: to pass over.
IBAN = re.compile(
    rf"\b(?=[A-Z]{{2}}\d)(?:{'|'.join(IBAN_COUNTRIES.split())})\d{{2}}(?: ?[A-Z0-9]{{4}}){{2,7}}"
    r"(?: ?[A-Z0-9]{1,3})?\b",
    re.IGNORECASE,
)


def is_iban(text: str) -> bool:
    """Tell whether what `IBAN` found is one.

    In capitals it need not have the right check digits: a mistyped one is somebody's account, too.
    In small letters it must, or ids in hexadecimal would be taken for accounts.
    """
    if text == text.upper():
        return True
    bare = text.replace(" ", "").upper()
    digits = "".join(str(int(char, 36)) for char in bare[4:] + bare[:4])
    return int(digits) % 97 == 1


def mask_ibans(text: str) -> str:
    """Return a text with all but the last four characters of IBANs left out."""

    def masked(found: re.Match[str]) -> str:
        return f"…{found[0].replace(' ', '')[-4:]}" if is_iban(found[0]) else found[0]

    return IBAN.sub(masked, text)


class Redactor:
    """Knows the secrets of this process; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None

    def add(self, value: str) -> None:
        """Keep a value out of every text from now on, as it is and as it travels."""
        forms = {form for form in _forms(value) if len(form) >= SHORTEST}
        with self._lock:
            if forms <= self._known:
                return
            self._known |= forms
            # Longest first: a secret may be part of another one.
            ordered = sorted(self._known, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, ordered)))

    def text(self, text: str) -> str:
        """Return a text without secrets and bank accounts."""
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        text = SECRET_FORMS.sub(MASK, text)
        text = NAMED_SECRET.sub(lambda found: f"{found[1] or found[2]}{MASK}", text)
        return mask_ibans(text)


REDACTOR = Redactor()


def _forms(value: str) -> set[str]:
    """Return a secret and what becomes of it in URLs, JSON, forms and headers."""
    quoted = {quote(value), quote(value, safe=""), quote_plus(value)}
    quotes = (json.dumps(value), json.dumps(value, ensure_ascii=False), repr(value))
    escaped = {each[1:-1] for each in quotes}
    encoded = {base64.b64encode(value.encode()).decode().rstrip("=")}
    lines = {line for line in value.splitlines() if len(line) >= SHORTEST_LINE}
    return {value, *quoted, *escaped, *encoded, *lines}


def install() -> None:
    """Redact all log records, and tracebacks of what nobody caught, from now on; once is enough."""
    if isinstance(logging.getLogRecordFactory(), _RecordFactory):
        return
    logging.setLogRecordFactory(_RecordFactory(logging.getLogRecordFactory()))
    sys.excepthook = _print_redacted
    threading.excepthook = _print_of_thread


class _RecordFactory:
    """Makes records whose message and traceback hold no secret, whatever handler prints them."""

    def __init__(self, make: Any) -> None:
        self._make = make

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record: logging.LogRecord = self._make(*args, **kwargs)
        try:
            said = record.getMessage()
        except Exception:  # noqa: BLE001 - logging itself will say what is wrong with it
            return record
        if (shown := _printable(REDACTOR.text(said))) != said:
            record.msg, record.args = shown, ()
        if record.exc_info and record.exc_info[0] is not None:
            lines = traceback.format_exception(*record.exc_info)
            # Formatters take this text where it is there already.
            record.exc_text = REDACTOR.text("".join(lines)).rstrip("\n")
        return record


def _printable(text: str) -> str:
    """Return a text with halves of surrogate pairs, which no log file takes, as escapes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _print_redacted(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    lines = traceback.format_exception(kind, error, trace)
    sys.stderr.write(REDACTOR.text("".join(lines)))


def _print_of_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and args.exc_type is not SystemExit:
        _print_redacted(args.exc_type, args.exc_value, args.exc_traceback)
