"""The plugins' Meltano definitions, generated from their settings.

`python -m tests.meltano_settings` rewrites them; a test holds them current.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import yaml
from singer_delivery.operator.cli import main as operator
from singer_delivery.watching.settings import SETTINGS as WATCH_SETTINGS
from tap_basware.tap import TapBasware
from tap_basware.webhook.cli import main as receiver
from tap_basware.webhook.settings import BaswareWebhook
from tap_d365fo.tap import TapD365FO
from target_basware.masters import FIELDS
from target_basware.target import TargetBasware
from target_d365fo.target import TargetD365FO

ROOT = Path(__file__).parents[1]
HEADER = (
    "# Generated from the plugin's settings by `make docs`; what you set belongs in meltano.yml.\n"
)
UTILITY = "singer-delivery"
PLUGINS: dict[str, tuple[str, Any]] = {
    "tap-basware": ("extractors", TapBasware),
    "tap-d365fo": ("extractors", TapD365FO),
    "target-basware": ("loaders", TargetBasware),
    "target-d365fo": ("loaders", TargetD365FO),
}


#: Those of the operator's commands, read from the environment; see `singer_delivery.operator`.
OPERATOR_SETTINGS: tuple[dict[str, Any], ...] = (
    {
        "name": "ledger_url",
        "kind": "string",
        "label": "Ledger",
        "description": "The ledger_url of the plugins.",
        "sensitive": True,
    },
    {
        "name": "payload_retention_days",
        "kind": "integer",
        "label": "Retention of records",
        "description": "Days after which `erase --retention` erases the records kept for replay.",
    },
    {
        "name": "masked_fields",
        "kind": "string",
        "label": "Masked fields",
        "description": "Parts of the names of fields that are not shown, besides bank accounts, "
        "separated by blanks.",
    },
    {
        "name": "user",
        "kind": "string",
        "label": "User",
        "description": "Who gives the command, where several people share one account: set in each "
        "one's own environment (SINGER_DELIVERY_USER), never here. The audit trail marks it as "
        "claimed.",
    },
)


def _watching() -> list[dict[str, Any]]:
    """Return the settings of `singer-delivery watch`."""
    return [
        {
            "name": each.name,
            "kind": "integer" if isinstance(each.default, int) else "string",
            "label": each.label,
            "description": each.description,
            **({"sensitive": True} if each.sensitive else {}),
        }
        for each in WATCH_SETTINGS
    ] + [
        {
            "name": "no_exit_code",
            "kind": "boolean",
            "label": "No exit code",
            "description": "Let `watch` end with 0 also where there are alerts: for schedulers "
            "that take anything else for a failure.",
        }
    ]


#: Each plugin's folder with a definition.
NAMES = (*PLUGINS, UTILITY)


def definition(name: str) -> str:
    """Return the content of a plugin's plugin.meltano.yml."""
    plugins = {"utilities": [utility()]} if name == UTILITY else _singer(name)
    body = {"plugins": plugins}
    return HEADER + yaml.safe_dump(body, sort_keys=False, width=98, allow_unicode=True)


def _singer(name: str) -> dict[str, list[dict[str, Any]]]:
    kind, plugin = PLUGINS[name]
    info = plugin._get_about_info()
    plugins: dict[str, list[dict[str, Any]]] = {
        kind: [
            {
                "name": name,
                "namespace": name.replace("-", "_"),
                "pip_url": f"-e ./{UTILITY}[postgres] -e ./{name}",
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
    if name == "tap-basware":
        plugins["utilities"] = [webhook()]
    return plugins


def utility() -> dict[str, Any]:
    """Return the operator's command line, with both targets: they look into the live systems."""
    folders = (f"./{UTILITY}[postgres,alerts,metrics]", "./target-d365fo", "./target-basware")
    return {
        "name": UTILITY,
        "namespace": UTILITY.replace("-", "_"),
        "pip_url": " ".join(f"-e {folder}" for folder in folders),
        "executable": UTILITY,
        "settings": [*(dict(setting) for setting in OPERATOR_SETTINGS), *_watching()],
        "commands": _commands(operator),
    }


def _commands(group: click.Group) -> dict[str, dict[str, str]]:
    context = click.Context(group)
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {
        name: {"args": name, "description": (command.help or "").strip().partition("\n")[0]}
        for name, command in found.items()
        if command
    }


def webhook() -> dict[str, Any]:
    """Return the receiver of Basware's notifications."""
    settings = BaswareWebhook._get_about_info().settings["properties"]
    return {
        "name": BaswareWebhook.name,
        "namespace": BaswareWebhook.name.replace("-", "_"),
        "pip_url": f"-e ./{UTILITY}[postgres] -e ./tap-basware[webhook]",
        "executable": BaswareWebhook.name,
        "settings": [_setting(key, schema) for key, schema in sorted(settings.items())],
        "commands": _commands(receiver),
    }


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
    for plugin_name in NAMES:
        (ROOT / plugin_name / "plugin.meltano.yml").write_text(definition(plugin_name))
