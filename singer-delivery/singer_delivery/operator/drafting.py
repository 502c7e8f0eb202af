"""`draft-mapping`: a first mapping.yml, from what both systems have.

Plugins offer what their system has under the entry points `singer_delivery.stock`, each a function
`take_stock(config, *known)`; what is made of it is offered under `singer_delivery.draft`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from singer_delivery.errors import SetupError
from singer_delivery.live import offered
from singer_delivery.operator.live_settings import config_files, plugin_settings

STOCK, DRAFT = "singer_delivery.stock", "singer_delivery.draft"
#: Name and plugin of each system; the second is told what the first has.
SYSTEMS = (("basware", "target-basware"), ("d365fo", "target-d365fo"))
STDOUT = Path("-")
#: Where the schema is in a project that has the sources, from its own folder.
SCHEMAS = ("ap-mapping/ap_mapping/mapping.schema.json", "mapping.schema.json")


@click.command("draft-mapping")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write it; - is stdout.  [default: mapping.yml, or the file of --onto]",
)
@click.option(
    "--onto",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A mapping that is kept as it is, comments included, and only added to.",
)
@click.option("--force", is_flag=True, help="Replace the file at --output.")
@click.option(
    "--config",
    "configs",
    multiple=True,
    metavar="PLUGIN=FILE",
    help="Settings of target-d365fo or target-basware as JSON, instead of Meltano's or those of "
    "the environment.",
)
def draft_mapping(
    output: Path | None, onto: Path | None, force: bool, configs: Sequence[str]
) -> None:
    """Draft mapping.yml from what Basware and Dynamics have: proposals, and gaps to be filled in.

    Both are only read. A mapping with a gap is refused by the plugins; `ap-mapping check` lists
    what is left to do.
    """
    place = output or onto or Path("mapping.yml")
    if place not in (STDOUT, onto) and place.exists() and not force:
        msg = f"{place} is there already: --onto {place} adds to it, --force replaces it"
        raise SetupError(msg)
    draft = _draft(place, onto, config_files(configs))
    if place == STDOUT:
        click.echo(draft.text, nl=False)
    else:
        _replace(place, draft.text)
    for note in draft.notes:
        click.echo(f"note: {note}", err=True)
    words = f"{draft.proposals} proposals and {draft.gaps} gaps"
    click.echo(f"{place}: {words}; now look at each, and run ap-mapping check", err=True)


def _draft(place: Path, onto: Path | None, files: dict[str, Path]) -> Any:
    """Return the draft: its text, its notes, and how many proposals and gaps it has."""
    make = offered(DRAFT, "mapping", "ap_mapping.drafting:draft")
    text = _text(onto) if onto else None
    stocks: list[Any] = []
    for name, plugin in SYSTEMS:
        take = offered(STOCK, name, f"{plugin.replace('-', '_')}.stock:take_stock")
        stocks.append(take(plugin_settings(plugin, files), *stocks))
    try:
        return make(*stocks, onto=text, file=str(onto or place), schema=_schema(place))
    except ValueError as error:
        raise SetupError(str(error)) from None


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{file} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}"
        raise SetupError(msg) from None


def _schema(place: Path) -> str:
    folder = place.parent
    return next((name for name in SCHEMAS if (folder / name).is_file()), SCHEMAS[-1])


def _replace(place: Path, text: str) -> None:
    """Write a file whole or not at all."""
    beside = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        beside.write_bytes(text.encode())
        beside.replace(place)
    except OSError as error:
        beside.unlink(missing_ok=True)
        msg = f"{place} cannot be written: {error.strerror}"
        raise SetupError(msg) from None
