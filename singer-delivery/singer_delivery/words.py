"""Words for people, in the room that a field leaves for them."""

from __future__ import annotations


def cut(text: str, longest: int) -> str:
    """Return a text of at most so many characters, cut after a word and marked with …"""
    text = " ".join(text.split())
    if len(text) <= longest:
        return text
    head = text[: longest - 1]
    whole, _, rest = head.rpartition(" ")
    # A text that is one long word, or nearly so, is cut in the middle of it.
    between_words = text[longest - 1] == " "
    kept = whole if whole and len(rest) < longest // 2 and not between_words else head
    return f"{kept.rstrip(' ,;:.')}…"
