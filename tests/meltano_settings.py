"""The plugins' Meltano definitions, generated from their settings.

`python -m tests.meltano_settings` rewrites them; a test holds them current.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from tap_basware.tap import TapBasware
from tap_d365fo.tap import TapD365FO
from target_basware.masters import FIELDS
from target_basware.target import TargetBasware
from target_d365fo.target import TargetD365FO

ROOT = Path(__file__).parents[1]
HEADER = (
    "# Generated from the plugin's settings by `make docs`; what you set belongs in meltano.yml.\n"
)
PLUGINS: dict[str, tuple[str, Any]] = {
    "tap-basware": ("extractors", TapBasware),
    "tap-d365fo": ("extractors", TapD365FO),
    "target-basware": ("loaders", TargetBasware),
    "target-d365fo": ("loaders", TargetD365FO),
}


def definition(name: str) -> str:
    """Return the content of a plugin's plugin.meltano.yml."""
    kind, plugin = PLUGINS[name]
    info = plugin._get_about_info()
    plugins: dict[str, list[dict[str, Any]]] = {
        kind: [
            {
                "name": name,
                "namespace": name.replace("-", "_"),
                "pip_url": f"-e ./{name}",
                "executable": name,
                "capabilities": sorted(
                    {capability.value for capability in info.capabilities} & MELTANO_CAPABILITIES
                ),
                "settings": [
                    _setting(key, schema)
                    for key, schema in sorted(info.settings["properties"].items())
                ],
            }
        ]
    }
    if name == "target-basware":
        plugins["extractors"] = [masters_instance()]
    body = {"plugins": plugins}
    return HEADER + yaml.safe_dump(body, sort_keys=False, width=98, allow_unicode=True)


def masters_instance() -> dict[str, Any]:
    """Return the instance of tap-d365fo that reads what target-basware needs, and no more."""
    return {
        "name": "tap-d365fo-masters",
        "inherit_from": "tap-d365fo",
        "select": [f"{stream}.{field}" for stream, fields in FIELDS.items() for field in fields],
    }


MELTANO_CAPABILITIES = {
    "about",
    "catalog",
    "discover",
    "state",
    "stream-maps",
    "structured-logging",
    "test",
}


def _setting(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    setting: dict[str, Any] = {"name": name, "kind": _kind(schema)}
    if schema.get("title"):
        setting["label"] = schema["title"]
    if schema.get("description"):
        setting["description"] = schema["description"]
    if schema.get("secret"):
        setting["sensitive"] = True
    if setting["kind"] == "options":
        setting["options"] = [
            {"label": str(value), "value": value} for value in schema["enum"] if value is not None
        ]
    return setting


def _kind(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return "options"
    types = schema.get("type", "string")
    kinds = {types} if isinstance(types, str) else set(types)
    for candidate in ("boolean", "integer", "array", "object"):
        if candidate in kinds:
            return candidate
    return "string"


if __name__ == "__main__":
    for plugin_name in PLUGINS:
        (ROOT / plugin_name / "plugin.meltano.yml").write_text(definition(plugin_name))
