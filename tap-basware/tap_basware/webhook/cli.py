"""`basware-webhook`: its command line."""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click
from singer_delivery import logs
from singer_delivery.command_line import PlainGroup
from singer_delivery.errors import SetupError
from singer_delivery.secrets.references import reveal
from singer_delivery.secrets.vault import editing, random_secret, vault_path

from tap_basware.client import BaswareClient
from tap_basware.inbox import Inbox
from tap_basware.webhook.connection_test import try_connection
from tap_basware.webhook.settings import BaswareWebhook, kinds, settings
from tap_basware.webhook.signing_secrets import LOOK_AGAIN, secrets_of
from tap_basware.webhook.subscriptions import (
    SCOPES,
    Kind,
    Subscriptions,
    compare,
    public_address,
    swept_along,
)

#: How often a rotation tries whether the receiver has the new secret.
TRIES = 10


class Wrong(click.ClickException):
    """What a command found to be wrong, which is its answer: exit code 1."""

    def show(self, file: Any = None) -> None:
        """Print it as it is."""
        click.echo(self.message, file=file or sys.stderr)


@click.group(cls=PlainGroup)
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="BASWARE_WEBHOOK_CONFIG",
    help="JSON file with settings; else BASWARE_WEBHOOK_<NAME>, and TAP_BASWARE_<NAME> for those "
    "that are the tap's as well.",
)
@click.version_option(package_name="tap-basware")
@click.pass_context
def main(ctx: click.Context, file: Path | None) -> None:
    """Receive Basware's push notifications, and manage the subscriptions to them."""
    ctx.obj = file


@main.command()
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text")
def about(form: str) -> None:
    """Show all settings."""
    BaswareWebhook.print_about(form)


@main.command()
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.")
@click.option("--run", metavar="COMMAND", help="Command to start after notifications.")
@click.pass_obj
def serve(file: Path | None, /, **given: Any) -> None:
    """Receive notifications until SIGTERM, and start runs after them."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    logs.prepare()
    # Each setting read, and the server's own start and end: ours say the same.
    for name in ("singer_sdk", "tap-basware", "basware-webhook", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.WARNING)
    config = settings(file, given)
    try:
        from tap_basware.webhook.serving import serve as serve_webhook  # noqa: PLC0415
    except ImportError as error:
        msg = f"{error.name} is not installed: install tap-basware[webhook]"
        raise SetupError(msg) from None
    # The server ends in order on both, then has them raised again; there is nothing left to do.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    serve_webhook(config)


@main.command()
@click.option("--replace", is_flag=True, help="Also those that lead to another address.")
@click.option("--no-test", is_flag=True, help="This machine cannot reach url.")
@click.pass_obj
def subscribe(file: Path | None, replace: bool, no_test: bool) -> None:
    """Subscribe to all that `subscriptions` names, at url."""
    config = settings(file, {})
    wanted, url = kinds(config["subscriptions"], "subscriptions"), _address(config)
    secret = secrets_of(config)[0]
    api = _api(config)
    found = compare(wanted, url, api.listed())
    if found.elsewhere and not replace:
        lines = "\n".join(f"  {each}" for each in found.elsewhere)
        msg = f"there are subscriptions that lead elsewhere; --replace changes them:\n{lines}"
        raise Wrong(msg)
    if not no_test:
        _require_answer(url, secret, config)
    _subscribe(api, wanted, url, secret, config)


@main.command("list")
@click.pass_obj
def list_subscriptions(file: Path | None) -> None:
    """List the subscriptions that Basware has, ours and others."""
    found = _api(settings(file, {})).listed()
    for each in found:
        click.echo(f"{each}  (since {each.updated or 'unknown'})")
    if not found:
        click.echo("there are no subscriptions")


@main.command()
@click.argument("kind", nargs=-1)
@click.option("--force", is_flag=True, help="Also those of other addresses, or swept along.")
@click.pass_obj
def unsubscribe(file: Path | None, kind: tuple[str, ...], force: bool) -> None:
    """Remove subscriptions: all that `subscriptions` names, or those given (TYPE/SUBTYPE)."""
    config = settings(file, {})
    wanted = kinds(kind or config["subscriptions"], "KIND" if kind else "subscriptions")
    api = _api(config)
    listed = api.listed()
    if not force:
        url = _address(config)
        foreign = [each for each in listed if each.kind in wanted and each.url != url]
        swept = [
            each
            for one in wanted
            for each in swept_along(one, listed)
            if each.kind not in wanted or each.url != url
        ]
        if foreign or swept:
            lines = "\n".join(f"  {each}" for each in dict.fromkeys([*foreign, *swept]))
            msg = f"this would remove subscriptions that are not ours; --force does:\n{lines}"
            raise Wrong(msg)
    with closing(_inbox(config)) as inbox:
        for one in wanted:
            name = "/".join(one)
            if any(each.kind == one for each in listed):
                api.delete(one)
                click.echo(f"{name}: removed")
            else:
                click.echo(f"{name}: there was none")
            inbox.forget_subscription(*one)
    left = [each for each in api.listed() if each.kind in wanted]
    if left:
        msg = "\n".join(f"{each}: still there" for each in left)
        raise Wrong(msg)


@main.command()
@click.option("--no-test", is_flag=True, help="This machine cannot reach url.")
@click.pass_obj
def rotate(file: Path | None, no_test: bool) -> None:
    """Change the secret: a new one, the receiver accepts both, Basware signs with the new one.

    Makes the new secret itself where secret is vault:NAME; else set the new one, and
    previous_secret to the old one, and restart the receiver before.
    """
    config = settings(file, {})
    url, api = _address(config), _api(config)
    ours = [each.kind for each in api.listed() if each.url == url]
    if not ours:
        msg = f"there are no subscriptions of {url} to rotate; subscribe first"
        raise Wrong(msg)
    kind, _, name = str(config.get("secret") or "").partition(":")
    if kind == "vault":
        with editing(vault_path()) as vault:
            if vault.previous(name) is None:
                vault.set(name, random_secret())
                click.echo(f"{name}: a new secret; the one before is accepted as well")
            else:
                click.echo(f"{name}: going on with the rotation that was not finished")
    secret = secrets_of(config)[0]
    if no_test:
        time.sleep(LOOK_AGAIN)
    else:
        _require_answer(url, secret, config)
    _subscribe(api, ours, url, secret, config)
    if kind == "vault":
        with editing(vault_path()) as vault:
            vault.forget_previous(name)
        click.echo(
            f"{name}: the secret before is forgotten; the receiver lets go of it in a minute"
        )
    else:
        click.echo("now take previous_secret out of the settings, and restart the receiver")


@main.command()
@click.option("--no-test", is_flag=True, help="This machine cannot reach url.")
@click.pass_obj
def check(file: Path | None, no_test: bool) -> None:
    """Compare the subscriptions wanted with those that there are; exit code 1 where they differ."""
    config = settings(file, {})
    wanted, url = kinds(config["subscriptions"], "subscriptions"), _address(config)
    with closing(_inbox(config)) as inbox:
        since, latest = inbox.subscribed(), inbox.latest()
    found = compare(wanted, url, _api(config).listed())
    for each in found.right:
        click.echo(f"right: {each}")
    wrong = found.faults(since)
    for each in found.others:
        click.echo(f"not ours: {each}")
    click.echo(f"the latest notification came at {latest}" if latest else "none has come yet")
    if not no_test:
        problem = try_connection(url, secrets_of(config)[0], config)
        if problem:
            wrong.append(f"{url} does not answer from here: {problem}")
        else:
            click.echo(f"{url} answers")
    if wrong:
        raise Wrong("\n".join(wrong))


def _subscribe(
    api: Subscriptions, wanted: Sequence[Kind], url: str, secret: str, config: Mapping[str, Any]
) -> None:
    api.subscribe(wanted, url, secret)
    found = compare(wanted, url, api.listed())
    with closing(_inbox(config)) as inbox:
        for each in found.right:
            inbox.remember_subscription(*each.kind)
            click.echo(f"subscribed: {each}")
    wrong = [f"{'/'.join(kind)}: Basware does not list it" for kind in found.missing]
    wrong += [f"still leads elsewhere: {each}" for each in found.elsewhere]
    if wrong:
        raise Wrong("\n".join(wrong))


def _require_answer(url: str, secret: str, config: Mapping[str, Any]) -> None:
    """Wait until the receiver answers what is signed with this secret. Raises Wrong."""
    problem: str | None = None
    for _ in range(TRIES):
        problem = try_connection(url, secret, config)
        if problem is None:
            return
        time.sleep(LOOK_AGAIN / 2)
    msg = (
        f"{url} does not answer a signed connection test from here: {problem}. Basware would "
        "refuse it too. --no-test leaves this out, if this machine only cannot reach it"
    )
    raise Wrong(msg)


def _address(config: Mapping[str, Any]) -> str:
    return public_address(config.get("url"))


def _api(config: Mapping[str, Any]) -> Subscriptions:
    return Subscriptions(BaswareClient.connect(config, SCOPES, connections=1))


def _inbox(config: Mapping[str, Any]) -> Inbox:
    return Inbox.open(reveal(config["inbox_url"], "inbox_url"))
