"""`ap-mapping`: look at mapping.yml without any tenant."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING

import click

from ap_mapping.mapping import load_mapping, problems_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ap_mapping.errors import MappingError

DEFAULT = "mapping.yml"


@click.group()
@click.version_option(package_name="ap-mapping")
def main() -> None:
    """Check mapping.yml, or print its schema. Nothing is asked of Basware or Dynamics."""


@main.command()
@click.argument("file", nargs=-1, type=click.Path())
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def check(file: Sequence[str], form: str) -> None:
    """Say all that is wrong with FILE (mapping.yml), line by line; exit code 1 if anything is."""
    names = file or (DEFAULT,)
    problems = {name: problems_of(name) for name in names}
    if form == "json":
        click.echo(json.dumps([_as_json(each) for few in problems.values() for each in few]))
    else:
        for name, few in problems.items():
            _print(name, few)
    if any(problems.values()):
        raise click.exceptions.Exit(1)


@main.command()
def schema() -> None:
    """Print the JSON schema (draft 2020-12), for editors."""
    click.echo(
        files("ap_mapping").joinpath("mapping.schema.json").read_text(encoding="utf-8"), nl=False
    )


def _print(name: str, problems: Sequence[MappingError]) -> None:
    for each in problems:
        click.echo(each.one_line)
    if problems:
        click.echo(f"{name}: {len(problems)} wrong", err=True)
        return
    mapping = load_mapping(name)
    entities = ", ".join(mapping.legal_entities)
    click.echo(f"{name}: nothing is wrong; {len(mapping.companies)} companies go to {entities}")


def _as_json(problem: MappingError) -> dict[str, str | int | None]:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "path": problem.path,
        "problem": problem.problem,
        "remedy": problem.remedy,
    }
