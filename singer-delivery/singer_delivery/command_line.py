"""Manners shared by the command lines that are no plugins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from singer_delivery import loaded
from singer_delivery.errors import DeliveryError, SetupError
from singer_delivery.redaction import REDACTOR, install


class PlainGroup(click.Group):
    """Prints a DeliveryError as one line, without secrets, and exits with 1: no traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        loaded.leave_alone()
        install()
        try:
            return super().invoke(ctx)
        except DeliveryError as error:
            raise click.ClickException(REDACTOR.text(" ".join(str(error).split()))) from None


def settings_file(file: Path) -> dict[str, Any]:
    """Return the settings in a JSON file. Raises SetupError, which repeats nothing of it."""
    try:
        return settings_in(file.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"{file} cannot be read: {error.strerror}"
        raise SetupError(msg) from None
    except ValueError:
        msg = f"{file} is not a JSON object"
        raise SetupError(msg) from None


def settings_in(text: str) -> dict[str, Any]:
    """Return the settings that a JSON text has, without those that are null. Raises ValueError."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError
    return {name: value for name, value in found.items() if value is not None}
