"""Names in Basware's languages: en-US always, local ones where F&O has translations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from singer_delivery.words import cut

from target_basware.masters.entity import Content

ENGLISH = "en-US"
SHORTEST, LONGEST = 2, 2000
LONGEST_LANGUAGE = 10
#: Regions of languages that are not called like their main region.
REGIONS = {
    "ar": "SA", "bs": "BA", "ca": "ES", "cs": "CZ", "cy": "GB", "da": "DK", "el": "GR",
    "en": "US", "et": "EE", "eu": "ES", "fa": "IR", "ga": "IE", "gl": "ES", "he": "IL",
    "hi": "IN", "hy": "AM", "ja": "JP", "ka": "GE", "kk": "KZ", "ko": "KR", "ms": "MY",
    "nb": "NO", "nn": "NO", "no": "NO", "sl": "SI", "sq": "AL", "sr": "RS", "sv": "SE",
    "uk": "UA", "ur": "PK", "vi": "VN", "zh": "CN",
}  # fmt: skip
#: Written forms of Chinese that name no region.
SCRIPTS = {"hans": "CN", "hant": "TW"}


def language_of(code: str, known: Mapping[str, str]) -> str:
    """Return Basware's form (de-DE) of an F&O language: de, de-DE, en-us, zh-Hans; "" for none.

    `known` are the exceptions of the mapping.
    """
    if code in known:
        return known[code]
    language, *rest = [part for part in re.split("[-_]", code.strip().lower()) if part] or [""]
    if not re.fullmatch("[a-z]{2,3}", language):
        return ""
    region = next((part for part in reversed(rest) if re.fullmatch("[a-z]{2}|[0-9]{3}", part)), "")
    script = next((SCRIPTS[part] for part in rest if part in SCRIPTS), "")
    return f"{language}-{(region or script or REGIONS.get(language, language)).upper()}"


def names(
    name: str, translations: Iterable[tuple[str, str]], known: Mapping[str, str], *, instead: str
) -> list[Content]:
    """Return the translations of a name, en-US first.

    `translations` are pairs of F&O language and text. `instead` stands for a name that is too short
    for Basware or missing, and is at least two characters long.
    """
    found: dict[str, str] = {}
    for code, text in translations:
        language = language_of(code, known)
        if language and len(language) <= LONGEST_LANGUAGE and len(text) >= SHORTEST:
            found.setdefault(language, cut(text, LONGEST))
    british = next((text for language, text in found.items() if language.startswith("en-")), "")
    plain = cut(name, LONGEST) if len(name) >= SHORTEST else instead
    english = found.pop(ENGLISH, "") or british or plain
    return [
        {"language": language, "translation": text}
        for language, text in ((ENGLISH, english), *sorted(found.items()))
    ]


def padded(code: str, name: str, noun: str) -> str:
    """Return a name of at least two characters for a record whose own is shorter than that."""
    text = f"{code} {name}".strip()
    return text if len(text) >= SHORTEST else f"{noun} {text}".strip()
