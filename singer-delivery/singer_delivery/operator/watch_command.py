"""`watch`: what somebody has to know of, told to hooks, once."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import click

from singer_delivery import logs
from singer_delivery.errors import DeliveryError, LedgerError
from singer_delivery.live import offered
from singer_delivery.operator.access import Desk
from singer_delivery.operator.live_settings import ENVIRONMENT, config_files, plugin_settings
from singer_delivery.operator.rendering import plain
from singer_delivery.redaction import REDACTOR
from singer_delivery.secrets.vault import vault_path
from singer_delivery.stopping import PROCESS
from singer_delivery.watching import expiries, ledger_looks
from singer_delivery.watching.alert import GROUP, Alert, Concerns, Kind, Sighting
from singer_delivery.watching.limits import Limits
from singer_delivery.watching.memory import LedgerMemory, ProcessMemory
from singer_delivery.watching.message import Letterhead
from singer_delivery.watching.settings import SETTINGS, hooks, limits
from singer_delivery.watching.watcher import (
    UNKNOWN,
    Place,
    Watcher,
    blind,
    by_severity,
    exit_code,
    sight,
)

logger = logging.getLogger(__name__)

#: What the looks at the ledger can find.
IN_LEDGER = frozenset(
    (kind, "") for kind in Kind if kind not in {Kind.EXPIRY, Kind.SUBSCRIPTION, Kind.BLIND}
)
#: Where each plugin that can be asked lets itself be looked at, without an entry point.
PLACES = {
    "basware-webhook": "tap_basware.webhook.watch:concerns",
    "target-d365fo": "target_d365fo.watch:concerns",
}
VAULT = "the vault"

Function = TypeVar("Function", bound=Callable[..., Any])


def _settings(command: Function) -> Function:
    """Add an option for each setting."""
    decorated: Any = command
    for setting in reversed(SETTINGS):
        is_number = isinstance(setting.default, int)
        decorated = click.option(
            setting.option,
            setting.name,
            type=click.IntRange(min=0) if is_number else str,
            default=setting.default,
            envvar=setting.variable,
            show_default=bool(setting.default) or is_number,
            help=setting.description,
        )(decorated)
    result: Function = decorated
    return result


@click.command()
@click.option("--every", type=click.IntRange(min=1), metavar="MINUTES", help="Stay, and look so.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@click.option(
    "--no-exit-code",
    is_flag=True,
    envvar="SINGER_DELIVERY_NO_EXIT_CODE",
    help="0 also where there are alerts.",
)
@click.option(
    "--config",
    "configs",
    multiple=True,
    metavar="PLUGIN=FILE",
    help="Settings of a live system's plugin as JSON, instead of Meltano's or the environment's.",
)
@_settings
@click.pass_obj
def watch(
    desk: Desk,
    /,
    every: int | None,
    form: str,
    no_exit_code: bool,
    configs: Sequence[str],
    **given: Any,
) -> None:
    """Look for what somebody has to know of, and tell it by webhook, mail, command or service.

    What is told is not told again until it changes, ends, or remind_hours have passed. Exit code,
    as monitors take it: 0 fine, 1 warning, 2 critical, 3 something could not be looked at or told.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    logs.prepare()
    for name in ("alembic", "apprise"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        post = Post(desk, limits(given), given, config_files(configs))
        if every:
            _stay(post, form, every)
            return
        code = post.look(form)
    except DeliveryError as error:
        click.echo(REDACTOR.text(f"Error: {error}"), err=True)
        raise click.exceptions.Exit(UNKNOWN) from None
    if code and not no_exit_code:
        raise click.exceptions.Exit(code)


def _stay(post: Post, form: str, every: int) -> None:
    """Look again and again until SIGTERM or Ctrl-C."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: PROCESS.request() and None)
    while not PROCESS.requested:
        post.look(form)
        PROCESS.sleep(every * 60)


@dataclass
class Post:
    """Who watches: what is looked at, and who is told of it."""

    desk: Desk
    limits: Limits
    given: Mapping[str, Any]
    files: Mapping[str, Any]
    _own_memory: ProcessMemory = field(default_factory=ProcessMemory)

    def __post_init__(self) -> None:
        source = self.given["alert_source"] or os.environ.get(ENVIRONMENT) or "singer-delivery"
        self._head = Letterhead(source, self.given["runbook"])
        self._hooks = hooks(self.given)

    def look(self, form: str) -> int:
        """Look once, print and tell what was found, and return the exit code."""
        now = datetime.now(UTC)
        sighting = sight(self._places(), now, self.limits.muted)
        _print(sighting, form)
        failed = self._tell(sighting, now)
        return exit_code(sighting.alerts, failed)

    def _places(self) -> list[Place]:
        found = [Place("the ledger", self._in_ledger, IN_LEDGER)]
        vault = vault_path()
        if self.limits.expiry_days and vault.exists():
            look = partial(expiries.look, vault, days=self.limits.expiry_days)
            found.append(Place(VAULT, look, frozenset({(Kind.EXPIRY, "secret ")})))
        for plugin in self.given["watch_live"].split():
            # A plugin names what it finds itself, so nothing of these kinds ends unseen.
            sees = frozenset({(Kind.EXPIRY, plugin), (Kind.SUBSCRIPTION, "")})
            found.append(Place(plugin, partial(self._at_plugin, plugin), sees))
        return found

    def _in_ledger(self, now: datetime) -> list[Alert]:
        with self.desk.reading() as connection:
            return ledger_looks.look(connection, self.limits, now)

    def _at_plugin(self, plugin: str, now: datetime) -> list[Alert]:
        concerns: Concerns = offered(GROUP, plugin, PLACES.get(plugin, ""))
        config = plugin_settings(plugin, self.files)
        return [each.alert() for each in concerns(config, now, self.limits.expiry_days)]

    def _tell(self, sighting: Sighting, now: datetime) -> list[str]:
        """Tell the hooks; where the ledger is away, by what this process itself remembers."""
        remind = timedelta(hours=self.given["remind_hours"]) or None
        try:
            memory = LedgerMemory(self.desk.engine)
            self._own_memory.hand_over(memory)
            watcher = Watcher(self._hooks, memory, self._head, remind)
            watcher.tell(sighting, now)
        except LedgerError as error:
            if not any(alert.kind is Kind.BLIND for alert in sighting.alerts):
                sighting = Sighting((*sighting.alerts, blind("the ledger", error)), IN_LEDGER)
            watcher = Watcher(self._hooks, self._own_memory, self._head, remind)
            watcher.tell(sighting, now)
        return watcher.failed


def _print(sighting: Sighting, form: str) -> None:
    if form == "json":
        for alert in sighting.alerts:
            click.echo(json.dumps(_facts(alert)))
        return
    for severity, alerts in by_severity(sighting.alerts).items():
        for alert in alerts:
            click.echo(f"{severity.name}  {plain(f'{alert}: {alert.title}')}")
            for example in alert.examples:
                click.echo(f"    {plain(example)}")
            click.echo(f"    -> {plain(alert.remedy)}")
    if not sighting.alerts:
        click.echo("nothing is wrong")


def _facts(alert: Alert) -> dict[str, Any]:
    return {
        "kind": alert.kind.value,
        "subject": alert.subject,
        "severity": alert.severity.word,
        "title": alert.title,
        "since": alert.since.isoformat(timespec="seconds") if alert.since else None,
        "count": alert.count,
        "examples": list(alert.examples),
        "remedy": alert.remedy,
    }
