"""Names: en-US always, local languages in Basware's form, never too short."""

from __future__ import annotations

import pytest
from target_basware.masters.names import language_of, names, padded


@pytest.mark.parametrize(
    ("code", "language"),
    [
        ("de", "de-DE"), ("de-DE", "de-DE"), ("DE-at", "de-AT"), ("en-us", "en-US"),
        ("en", "en-US"), ("ja", "ja-JP"), ("sv", "sv-SE"), ("zh-Hans", "zh-CN"),
        ("zh-hant", "zh-TW"), ("zh-Hant-HK", "zh-HK"), ("sr-Latn-RS", "sr-RS"),
        ("es_419", "es-419"), ("", ""), ("?", ""),
    ],
)  # fmt: skip
def test_languages_take_basware_s_form(code: str, language: str) -> None:
    assert language_of(code, {}) == language


def test_the_mapping_knows_better() -> None:
    assert language_of("fr", {"fr": "fr-CA"}) == "fr-CA"


def said(name: str, *translations: tuple[str, str]) -> dict[str, str]:
    found = names(name, translations, {}, instead="instead")
    return {item["language"]: item["translation"] for item in found}


def test_english_comes_from_its_translation_else_from_the_name() -> None:
    assert said("Bürobedarf") == {"en-US": "Bürobedarf"}
    both = said("Bürobedarf", ("de", "Bürobedarf"), ("en-us", "Office supplies"))
    assert both == {"en-US": "Office supplies", "de-DE": "Bürobedarf"}
    british = said("Farbe", ("en-GB", "Colour"))
    assert british == {"en-US": "Colour", "en-GB": "Colour"}


def test_short_or_missing_names_are_padded_and_short_translations_left_out() -> None:
    assert said("", ("de", "X"), ("?", "Text")) == {"en-US": "instead"}
    assert padded("605100", "", "Account") == "605100"
    assert padded("7", "A", "Account") == "7 A"
    assert padded("7", "", "Project") == "Project 7"


def test_long_names_are_cut() -> None:
    assert len(said("ab " * 1000)["en-US"]) <= 2000
