"""What several commands ask for, and how they ask."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from singer_delivery.errors import DeliveryError


def mask_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --mask, handed to the command as `masked`."""
    option = click.option(
        "--mask",
        "masked",
        metavar="NAME",
        multiple=True,
        envvar="SINGER_DELIVERY_MASKED_FIELDS",
        help="Part of the names of fields that are not shown, besides bank accounts. Repeatable.",
    )
    return option(command)


def confirmed(question: str) -> None:
    """Go on after a yes at the terminal. Raises DeliveryError where there is none to ask at."""
    if not sys.stdin.isatty():
        msg = f"{question} Nobody can be asked here: add --yes"
        raise DeliveryError(msg)
    click.confirm(question, abort=True, err=True)
