"""The project's own files say the same thing everywhere."""

from __future__ import annotations

import ast

import pytest

from tests.meltano_settings import NAMES, ROOT, definition


@pytest.mark.parametrize("name", NAMES)
def test_meltano_definition_is_current(name: str) -> None:
    committed = (ROOT / name / "plugin.meltano.yml").read_text()
    assert committed == definition(name), "run `make docs`"


#: Which of our packages each package may import; imports go one way.
MAY_IMPORT = {
    "singer_delivery": set(),
    "ap_mapping": set(),
    "tap_basware": {"singer_delivery"},
    "tap_d365fo": {"singer_delivery"},
    "target_basware": {"singer_delivery", "tap_basware", "ap_mapping"},
    "target_d365fo": {"singer_delivery", "tap_d365fo", "ap_mapping"},
    "orchestrate": {"singer_delivery", "tap_basware", "ap_mapping"},
    "sandbox": set(),
}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_go_one_way(package: str) -> None:
    folder = ROOT / package.replace("_", "-") / package
    found = {
        name.split(".")[0]
        for file in folder.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        for name in imported(node)
    }
    assert found & set(MAY_IMPORT) <= MAY_IMPORT[package] | {package}


def imported(node: ast.AST) -> list[str]:
    """Return the modules that a statement imports."""
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(module)):
            return [module]
        case _:
            return []
