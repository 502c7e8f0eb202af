"""One line of a draft: what is proposed for a key, or that it is left to people."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ap_mapping.reading import GAP

Path = tuple[str, ...]

_PLAIN = re.compile(r"[A-Za-z0-9_/][A-Za-z0-9_./-]*")
#: Plain words that some reader of YAML takes for something else than text.
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
#: Codes that a comment shows at most; the rest is counted.
SHOWN = 12


@dataclass(frozen=True)
class Entry:
    """A key of mapping.yml by its path; `value` is YAML, `comment` says what it rests on."""

    path: Path
    value: str
    comment: str

    @property
    def is_gap(self) -> bool:
        """Whether it is left to people."""
        return self.value == GAP


@dataclass(frozen=True)
class Proposal:
    """What one legal entity would have; `value` None = nothing can be proposed.

    `comment` says why, `ask` what people are asked then.
    """

    value: str | None
    comment: str
    ask: str = ""


def gap(path: Path, comment: str) -> Entry:
    """An entry that people have to fill in; until then the mapping is refused."""
    return Entry(path, GAP, f"GAP: {comment}")


def scalar(text: str) -> str:
    """A text as YAML, with quotes where some reader would take it for something else."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in quoted)


def block(values: Mapping[str, str | None]) -> str:
    """A block of keys on one line; the values are texts, None leaves one out."""
    inside = ", ".join(f"{k}: {scalar(v)}" for k, v in values.items() if v is not None)
    return f"{{{inside}}}"


def shown(codes: Iterable[str]) -> str:
    """Codes in a comment, a dozen of them at most."""
    names = list(dict.fromkeys(codes))
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def spread(section: str, code: str, proposals: Mapping[str, Proposal]) -> list[Entry]:
    """What most legal entities would have for all of them, and the others' as exceptions."""
    counts = Counter(each.value for each in proposals.values() if each.value is not None)
    if not counts:
        ask = next(iter(proposals.values())).ask
        return [gap((section, code), f"{_reasons(proposals)}. {ask}")]
    [(common, _)] = counts.most_common(1)
    same = {name: each for name, each in proposals.items() if each.value == common}
    entries = [Entry((section, code), common, _reasons(same))]
    for name, each in proposals.items():
        path = ("legal_entities", name, section, code)
        if each.value is None:
            entries.append(gap(path, f"{each.comment}. {each.ask}"))
        elif each.value != common:
            entries.append(Entry(path, each.value, each.comment))
    return entries


def _reasons(proposals: Mapping[str, Proposal]) -> str:
    """Why, each reason with the legal entities that it is about."""
    reasons: dict[str, list[str]] = {}
    for name, each in proposals.items():
        reasons.setdefault(each.comment, []).append(name)
    return "; ".join(f"{shown(names)}: {reason}" for reason, names in reasons.items())


def agreed(names: Sequence[str]) -> str | None:
    """The one name that all of them are, None where they differ or there is none."""
    distinct = set(names)
    return distinct.pop() if len(distinct) == 1 else None
