"""The runbooks quote what the code says, and leave out nothing that a person has to act on."""

from __future__ import annotations

import re
from functools import cache

import pytest

from tests.docs.messages import GAP, Message, all_texts, messages
from tests.docs.pages import page
from tests.docs.programs import ELLIPSIS

RUNBOOKS = "docs/runbooks.md"
#: A quote: inline code in the first column of a table of messages.
QUOTES = [row[0].strip("`") for row in page(RUNBOOKS).tables("message")]
PLACEHOLDER = re.compile(r"%[sd]|\0")
#: Errors that end a run and are no matter of a single setting: each of their texts is quoted.
FATAL = frozenset({"AccessDenied", "Busy", "ForeignOrigin", "LedgerError"})
LOGGED = frozenset({"logger.error", "logger.warning", "logger.critical"})
#: Texts of `FATAL` and `LOGGED` that the runbooks need not have.
SELF_EXPLAINING = frozenset({
    "line \0 of the anchor file \0 is no anchor",
    "\0: \0 (AADSTS\0)",  # quoted by what stands in the first gap
    "the anchor file \0 cannot be written: \0",
})  # fmt: skip


@pytest.mark.parametrize("quote", QUOTES)
def test_a_quote_stands_in_the_code(quote: str) -> None:
    parts = [part.strip() for part in quote.split(ELLIPSIS) if len(part.strip()) > 2]
    assert parts, quote
    for part in parts:
        assert any(part in text for text in spoken()), f"nothing says {part!r}"


def test_what_a_person_has_to_act_on_is_there() -> None:
    missing = [
        str(message)
        for message in messages()
        if message.said_by in FATAL | LOGGED and has_words(message) and not is_quoted(message)
    ]
    assert not missing, "quote these in docs/runbooks.md:\n" + "\n".join(missing)


def test_the_search_for_texts_finds_them() -> None:
    found = {message.said_by for message in messages()}
    assert found >= FATAL | (LOGGED - {"logger.critical"}) | {"SetupError", "BadInput"}
    assert len(messages()) > 150


@cache
def spoken() -> list[str]:
    return [PLACEHOLDER.sub(" ", text) for text in all_texts()] + [
        PLACEHOLDER.sub("", text) for text in all_texts()
    ]


def has_words(message: Message) -> bool:
    """Whether it says anything besides what is filled in."""
    return len(PLACEHOLDER.sub("", message.text).strip(" :.")) > 2


def is_quoted(message: Message) -> bool:
    return message.text in SELF_EXPLAINING or any(fits(quote, message.text) for quote in QUOTES)


def fits(quote: str, text: str) -> bool:
    """Whether the quote, with anything for its ellipses, is a part of the text."""
    return pattern(quote).search(PLACEHOLDER.sub(GAP, text)) is not None


@cache
def pattern(quote: str) -> re.Pattern[str]:
    parts = [re.escape(part.strip()) for part in quote.split(ELLIPSIS)]
    return re.compile(".*".join(parts), re.DOTALL)
