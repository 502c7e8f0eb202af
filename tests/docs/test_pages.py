"""Links lead somewhere, and what pages name as settings are settings."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.docs import pages
from tests.docs.pages import ROOT, page
from tests.docs.programs import project
from tests.meltano_settings import utility
from tests.readme_settings import DOCUMENTS

PAGES = pages.names()
#: A variable that is no setting: it belongs to a run, not to a plugin (singer_delivery.notes).
NOTES = {"notes"}
PREFIX = r"(?:TAP|TARGET)_(?:BASWARE|D365FO)|BASWARE_WEBHOOK|SINGER_DELIVERY"
VARIABLE = re.compile(
    rf"\b(?P<plugin>(?:{PREFIX})(?:_MASTERS|_PAYMENTS|_NOTED)?)_(?P<name>[A-Z][A-Z0-9_]*)"
)


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    problems = []
    for line, address in page(name).links:
        if re.match(r"[a-z]+:", address):
            continue
        path, _, anchor = unquote(address).partition("#")
        target = (page(name).path.parent / path).resolve() if path else page(name).path
        if not target.exists():
            problems.append(f"{name}:{line}: there is no {address}")
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            problems.append(f"{name}:{line}: {path or name} has no heading #{anchor}")
    assert not problems, "\n".join(problems)


def anchors(path: Path) -> set[str]:
    return page(str(path.relative_to(ROOT))).anchors


@pytest.mark.parametrize("name", PAGES)
def test_every_page_can_be_found_from_the_readme(name: str) -> None:
    known, left = {"README.md"}, ["README.md"]
    while left:
        here = page(left.pop())
        for _, address in here.links:
            path = (here.path.parent / address.partition("#")[0]).resolve()
            if path.suffix == ".md" and path.is_relative_to(ROOT):
                found = str(path.relative_to(ROOT))
                left += [found] if found not in known and path.exists() else []
                known.add(found)
    assert name in known


@pytest.mark.parametrize("name", PAGES)
def test_variables_are_those_of_settings(name: str) -> None:
    unknown = {
        found[0]
        for found in VARIABLE.finditer(page(name).text)
        if found["name"].lower() not in settings()[found["plugin"]]
    }
    assert not unknown


@cache
def settings() -> dict[str, set[str]]:
    """Names of settings, by the prefix of their variables."""
    found: dict[str, set[str]] = {}
    for plugin in DOCUMENTS.values():
        info = plugin()._get_about_info()
        found[info.env_var_prefix.rstrip("_")] = set(info.settings["properties"])
    for name, plugin in project()["plugins"].items():
        if parent := plugin.get("inherit_from"):
            found[name.upper().replace("-", "_")] = found[parent.upper().replace("-", "_")]
    found["SINGER_DELIVERY"] = {str(setting["name"]) for setting in utility()["settings"]} | NOTES
    return found


@pytest.mark.parametrize("name", PAGES)
def test_what_a_page_sets_is_a_setting(name: str) -> None:
    """`some_setting: value` in the text names a setting, or a key of mapping.yml or Meltano."""
    unknown = [
        str(code)
        for code in page(name).codes
        if (found := re.fullmatch(r"([a-z][a-z0-9]*(?:_[a-z0-9]+)+): \S.*", code.text))
        and found[1] not in all_settings() | mapping_keys() | MELTANO_KEYS
    ]
    assert not unknown


#: Of meltano.yml.
MELTANO_KEYS = frozenset({"pip_url", "inherit_from", "default_environment"})


@cache
def all_settings() -> set[str]:
    return set().union(*settings().values())


@cache
def mapping_keys() -> set[str]:
    schema = (ROOT / "ap-mapping/ap_mapping/mapping.schema.json").read_text(encoding="utf-8")
    return set(re.findall(r'"([a-z]+(?:_[a-z]+)*)":', schema))
