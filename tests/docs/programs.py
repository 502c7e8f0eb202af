"""Whether a command would be accepted: asked of the program's own parser, without running it."""

from __future__ import annotations

import argparse
import importlib.util
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from copy import copy
from functools import lru_cache
from importlib import import_module, metadata
from typing import Any

import click
import yaml
from singer_sdk.plugin_base import SingerCommand

from tests.docs.commands import Command, commands
from tests.docs.pages import ROOT

#: Stands for anything that the reader fills in.
ELLIPSIS = "…"


class Unacceptable(Exception):
    """The command is none, in the words of whoever refuses it."""


#: Console scripts of this project's packages: their name and the click command behind it.
OURS = {
    point.name: point.value
    for package in (
        "ap-mapping",
        "sandbox",
        "singer-delivery",
        "tap-basware",
        "tap-d365fo",
        "target-basware",
        "target-d365fo",
    )
    for point in metadata.distribution(package).entry_points
    if point.group == "console_scripts"
}
#: Others' programs, of which only the name is checked.
FOREIGN = frozenset({
    ".", "[", "awk", "cat", "cd", "chattr", "chgrp", "chmod", "chown", "cp", "createdb", "cron",
    "crontab", "curl", "dagster", "docker", "done", "echo", "export", "false", "fi", "for",
    "git", "grep", "head", "helm", "install", "journalctl", "jq", "kubectl", "ls", "mkdir",
    "mv", "openssl", "pg_dump", "pg_restore", "podman", "psql", "pwd", "rm", "sed", "set",
    "sleep", "sort", "source", "sqlite3", "stat", "systemctl", "systemd-analyze", "tail", "tar",
    "target-jsonl", "tee", "test", "timeout", "touch", "true", "unset", "unzip", "useradd",
    "wait",
})  # fmt: skip


def accept(command: Command) -> None:
    """Return when the command is one; raises Unacceptable.

    One with an ellipsis as its last word may lack what is required: the reader adds it.
    """
    if command.program in OURS:
        accept_click(click_command(OURS[command.program]), command.program, command.arguments)
    elif command.program == "meltano":
        _meltano(command.arguments)
    elif command.program in CHECKERS:
        CHECKERS[command.program]([word for word in command.arguments if word != ELLIPSIS])
    elif command.program not in FOREIGN and not _is_file_of_the_project(command.program):
        msg = (
            f"{command.program!r} is no program of this project; if it is somebody else's, add it "
            "to FOREIGN in tests/docs/programs.py"
        )
        raise Unacceptable(msg)


def _is_file_of_the_project(program: str) -> bool:
    return "/" in program and (ROOT / program).is_file()


@lru_cache
def click_command(point: str) -> click.Command:
    """Return the click command that an entry point (`package.module:name.attribute`) names."""
    module, _, path = point.partition(":")
    found: Any = import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    if not isinstance(found, click.Command):
        msg = f"{point} is no click command"
        raise TypeError(msg)
    return found


def accept_click(command: click.Command, name: str, arguments: Sequence[str]) -> None:
    """Parse the arguments down to the last subcommand; raises Unacceptable."""
    open_end = any(ELLIPSIS in word for word in arguments)
    words = [word for word in arguments if word.strip("[]") != ELLIPSIS]
    with suppress(click.exceptions.Exit):  # --help, --version
        try:
            _parse(command, name, words)
        except click.UsageError as error:
            if not (open_end and _lacks(error)) and not _is_file_of_the_reader(error):
                raise Unacceptable(error.format_message()) from error


def _parse(command: click.Command, name: str, words: list[str]) -> None:
    if isinstance(command, SingerCommand):  # its options do their work as soon as they are read
        command = copy(command)
        command.params = [copy(option) for option in command.params]
        for option in command.params:
            option.callback = None
    context = command.make_context(name, list(words), obj=defaultdict(str))
    with context:
        if not isinstance(command, click.Group):
            return
        rest = [*context._protected_args, *context.args]
        if not rest:
            return
        child_name, child, rest = command.resolve_command(context, rest)
        if child is not None:
            _parse(child, child_name or rest[0], rest)


def _lacks(error: click.UsageError) -> bool:
    return isinstance(error, click.MissingParameter | click.exceptions.NoArgsIsHelpError) or (
        "requires an argument" in error.format_message()
    )


def _is_file_of_the_reader(error: click.UsageError) -> bool:
    return bool(re.search(r"does not exist|No such file", error.format_message()))


def _make(arguments: Sequence[str]) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for word in arguments:
        if "=" not in word and word not in targets:
            msg = f"the Makefile has no target {word!r}"
            raise Unacceptable(msg)


# Meltano


@lru_cache
def project() -> dict[str, Any]:
    """Return what the project's Meltano files define: plugins by name, jobs, environments."""
    whole = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    files = [whole, *map(_yaml, sorted(ROOT.glob("*/plugin.meltano.yml")))]
    plugins: dict[str, dict[str, Any]] = {}
    for content in files:
        for entries in content.get("plugins", {}).values():
            plugins |= {entry["name"]: entry for entry in entries}
    return {
        "plugins": plugins,
        "jobs": {job["name"] for job in whole["jobs"]},
        "environments": {environment["name"] for environment in whole["environments"]},
        "schedules": {schedule["name"] for schedule in whole["schedules"]},
    }


def _yaml(path: Any) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def executable(plugin: str) -> str:
    """Return the program behind a plugin of the project; raises Unacceptable."""
    plugins = project()["plugins"]
    if plugin not in plugins:
        msg = f"the project has no plugin {plugin!r}, but {', '.join(sorted(plugins))}"
        raise Unacceptable(msg)
    entry = plugins[plugin]
    parent = entry.get("inherit_from")
    return str(entry.get("executable") or (executable(parent) if parent else plugin))


def _meltano(arguments: Sequence[str]) -> None:
    command = click_command("meltano.cli:cli")
    accept_click(command, "meltano", arguments)
    words = list(arguments)
    for environment in _values(words, "--environment"):
        _one_of("environment", environment, project()["environments"])
    verb, rest = _verb(words)
    if verb == "run":
        for block in (word for word in rest if not word.startswith(("-", ELLIPSIS))):
            _one_of("job or plugin", block, project()["jobs"] | set(project()["plugins"]))
    elif verb == "invoke":
        accept_invoke(rest)


def _verb(words: list[str]) -> tuple[str, list[str]]:
    verbs = ("run", "invoke", "config", "install", "job", "schedule", "state", "select", "el")
    place = next((n for n, word in enumerate(words) if word in verbs), None)
    return ("", []) if place is None else (words[place], words[place + 1 :])


def accept_invoke(rest: list[str]) -> None:
    """Check `meltano invoke PLUGIN ARGUMENTS…` by what it starts; raises Unacceptable."""
    while rest and rest[0].startswith("-"):
        rest = rest[1:]
    if not rest or rest[0] == ELLIPSIS:
        return
    plugin, _, name = rest[0].partition(":")
    program = executable(plugin)
    words = list(rest[1:])
    if name:
        named = project()["plugins"][plugin].get("commands", {})
        _one_of(f"command of {plugin}", name, named)
        words = [*named[name]["args"].split(), *words]
    if program in OURS:
        accept(Command(program, tuple(words)))


def _values(words: list[str], option: str) -> Iterator[str]:
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == option:
            yield following
        elif word.startswith(f"{option}="):
            yield word.partition("=")[2]


def _one_of(what: str, name: str, known: Any) -> None:
    if name not in known:
        msg = f"the project has no {what} {name!r}, but {', '.join(sorted(known))}"
        raise Unacceptable(msg)


# Modules, tests


def _python(arguments: Sequence[str]) -> None:
    if "-m" not in arguments[:1]:
        return
    module, *rest = arguments[1:]
    found = None
    with suppress(ModuleNotFoundError):
        found = importlib.util.find_spec(module)
    if found is None:
        msg = f"there is no module {module}"
        raise Unacceptable(msg)
    if module in MODULES:
        with suppress(_Parsed):
            MODULES[module](rest)


class _Parsed(Exception):
    """The arguments were read, and nothing else is wanted."""


def _through_argparse(module: str, function: str = "main") -> Callable[[Sequence[str]], None]:
    """Return a checker that calls a module's main as far as its argparse parser."""

    def check(arguments: Sequence[str]) -> None:
        read = argparse.ArgumentParser.parse_args

        def only_read(parser: Any, given: Any = None, space: Any = None) -> Any:
            read(parser, list(arguments) if given is None else given, space)
            raise _Parsed

        def refuse(parser: Any, message: str) -> Any:
            raise Unacceptable(message)

        kept = argparse.ArgumentParser.error
        argparse.ArgumentParser.parse_args = only_read  # type: ignore[method-assign]
        argparse.ArgumentParser.error = refuse  # type: ignore[method-assign,assignment]
        try:
            main = getattr(import_module(module), function)
            main(list(arguments)) if module.endswith(("exhaustive", "random_runs")) else main()
        finally:
            argparse.ArgumentParser.parse_args = read  # type: ignore[method-assign]
            argparse.ArgumentParser.error = kept  # type: ignore[method-assign]

    return check


def _crash(arguments: Sequence[str]) -> None:
    proofs = {
        "exhaustive": _through_argparse("tests.crash.exhaustive"),
        "random": _through_argparse("tests.crash.random_runs"),
    }
    if not arguments or arguments == ["all"]:
        return
    _one_of("proof", arguments[0], proofs)
    proofs[arguments[0]](arguments[1:])


MODULES: dict[str, Callable[[Sequence[str]], None]] = {
    "tests.crash": _crash,
    "tests.model": _through_argparse("tests.model.__main__"),
    "bench.invoices": _through_argparse("bench.invoices"),
    "bench.ledger": _through_argparse("bench.ledger"),
    "bench.masters": _through_argparse("bench.masters"),
    "bench.webhook": _through_argparse("bench.webhook"),
}


def _pytest(arguments: Sequence[str]) -> None:
    for word in arguments:
        path = word.partition("::")[0]
        if "/" in path and not word.startswith("-") and not (ROOT / path).exists():
            msg = f"there is no {path}"
            raise Unacceptable(msg)


def _uv(arguments: Sequence[str]) -> None:
    for word in arguments:
        path = re.split(r"[\[@]", word)[0]
        if path.startswith("./") and not (ROOT / path).exists():
            msg = f"there is no {path}"
            raise Unacceptable(msg)


CHECKERS: dict[str, Callable[[Sequence[str]], None]] = {
    "make": _make,
    "pytest": _pytest,
    "python": _python,
    "python3": _python,
    "uv": _uv,
}
#: What inline code has to begin with to be taken for a command.
CHECKED = frozenset(OURS) | frozenset(CHECKERS) | {"meltano"}


def checkable(text: str) -> list[Command]:
    """Return the commands of inline code; none where it is a name, a path or a message.

    The text may name a command without what it requires, so each has an open end.
    """
    try:
        found = commands(text.replace("\\|", "|"))
    except ValueError:
        return []
    return [
        Command(command.program, (*command.arguments, ELLIPSIS))
        for command in found
        if command.program in CHECKED and command.arguments
    ]
