"""Manners shared by the command lines that are no plugins."""

from __future__ import annotations

from typing import Any

import click

from singer_delivery.errors import DeliveryError
from singer_delivery.redaction import REDACTOR, install


class PlainGroup(click.Group):
    """Prints a DeliveryError as one line, without secrets, and exits with 1: no traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        install()
        try:
            return super().invoke(ctx)
        except DeliveryError as error:
            raise click.ClickException(REDACTOR.text(" ".join(str(error).split()))) from None
