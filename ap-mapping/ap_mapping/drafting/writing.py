"""Entries as the text of a new mapping.yml."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ap_mapping.drafting.entry import Entry, scalar

WIDTH = 100
#: In this order, with what is said above each section.
SECTIONS: Mapping[str, str] = {
    "companies": "Basware company code: the legal entity that receives its invoices.",
    "dimensions": "Financial dimensions by their name in Dynamics: the coding field that carries "
    "the value, and the Basware API that receives the values.",
    "main_accounts": "Codes that are the same on both sides pass as they are; list only the "
    "exceptions, under values.",
    "vendors": "",
    "currencies": "",
    "units": "",
    "tax_codes": "Every tax code in use, with the two groups that stand for it. A code that is not "
    "listed rejects the invoice.",
    "payment_terms": "Every payment term in use; null stands for the vendor's own.",
    "payment_methods": "Every payment method in use; null stands for the vendor's own.",
    "invoice_types": "The invoice types that may be delivered; others are rejected.",
    "masters": "Master data and purchase orders on their way into Basware.",
    "legal_entities": "What differs in one legal entity: added to the above, and wins over it.",
}
#: What stands in a section that has no entries.
EMPTY: Mapping[str, str] = {
    "main_accounts": "{values: {}}",
    "vendors": "{values: {}}",
    "currencies": "{values: {}}",
    "units": "{values: {}}",
}

Block = dict[str, Any]


def nested(entries: Iterable[Entry], depth: int = 0) -> Block:
    """Entries as blocks within blocks, by what follows `depth` in their paths."""
    root: Block = {}
    for entry in entries:
        here = root
        *above, last = entry.path[depth:]
        for key in above:
            here = here.setdefault(key, {})
        here[last] = entry
    return root


def rendered(block: Block, indent: int) -> Iterator[str]:
    """Yield the lines of a block, each entry with its comment above it."""
    pad = " " * indent
    for key, value in block.items():
        if isinstance(value, Entry):
            yield from comment(value.comment, indent)
            yield f"{pad}{scalar(key)}: {value.value}"
        else:
            yield f"{pad}{scalar(key)}:"
            yield from rendered(value, indent + 2)


def comment(text: str, indent: int = 0) -> Iterator[str]:
    """Yield a text as lines of a comment."""
    pad = " " * indent + "# "
    clean = "".join(c if c.isprintable() else " " for c in text)
    yield from textwrap.wrap(
        clean,
        WIDTH,
        initial_indent=pad,
        subsequent_indent=pad,
        break_long_words=False,
        break_on_hyphens=False,
    )


def new_file(
    entries: Sequence[Entry], remarks: Mapping[str, Sequence[str]], head: Sequence[str]
) -> str:
    """The text of a mapping.yml with these entries; `head` stands at its top, line by line."""
    tree = nested(entries)
    lines = [line for text in head for line in (comment(text) if text else ("#",))]
    lines += ["", "version: 1"]
    for section, about in SECTIONS.items():
        block = tree.get(section)
        if block is None and section not in EMPTY:
            continue
        lines += ["", *comment(about)] if about else []
        for text in remarks.get(section, ()):
            lines += comment(text)
        lines += rendered({section: block}, 0) if block else [f"{section}: {EMPTY[section]}"]
    return "\n".join(lines) + "\n"
