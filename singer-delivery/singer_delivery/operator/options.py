"""What several commands ask for, and how they ask."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from singer_delivery.errors import DeliveryError
from singer_delivery.operator.ledger_address import URL_VARIABLES

Command = TypeVar("Command", bound=Callable[..., Any])


def place_options(*plugins: str) -> Callable[[Command], Command]:
    """Add --ledger-url and --config (`configs`), of commands that work with these plugins."""
    ledger = click.option(
        "--ledger-url",
        envvar=URL_VARIABLES,
        default="",
        help="The ledger_url of the plugins.  [default: that of target-d365fo]",
    )
    config = click.option(
        "--config",
        "configs",
        multiple=True,
        metavar="PLUGIN=FILE",
        help=f"Settings of {' or '.join(plugins)} as JSON, instead of Meltano's or those of the "
        "environment.",
    )
    return lambda command: ledger(config(command))


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
