"""`singer-secrets`: the command line of the vault. It never prints a secret."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import click

from singer_delivery.command_line import PlainGroup
from singer_delivery.errors import SetupError
from singer_delivery.redaction import REDACTOR
from singer_delivery.secrets.keys import (
    PASSPHRASE_VARIABLE,
    SHORTEST_PASSPHRASE,
    Key,
    KeyFile,
    KeyringKey,
    Passphrase,
    passphrase_from_environment,
)
from singer_delivery.secrets.private_files import MAX_BYTES
from singer_delivery.secrets.references import is_reference, reveal
from singer_delivery.secrets.vault import (
    VAULT_VARIABLE,
    Slot,
    Vault,
    editing,
    random_secret,
    vault_lock,
    vault_path,
)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
KEY_FOLDER = Path("~/.config/singer-secrets")


class SecretName(click.ParamType[str]):
    """The name of a secret."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name; fails for what is none."""
        if not NAME.fullmatch(str(value)):
            # Not repeated: somebody may have typed the secret itself.
            self.fail("up to 100 letters, digits, dots, hyphens and underscores", param, ctx)
        return str(value)


class LastDay(click.ParamType[date]):
    """The last day on which an issuer takes a secret."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Return the day; fails for what is none."""
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(str(value).strip())
        except ValueError:
            # Not repeated: somebody may have typed the secret itself.
            self.fail("no day: write it like 2027-03-01", param, ctx)


def expires_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --expires."""
    option = click.option(
        "--expires",
        type=LastDay(),
        help="Its last day, as the issuer says, like 2027-03-01: `singer-delivery watch` warns.",
    )
    return option(command)


def new_key_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say where a new key is to be."""
    for option in (
        click.option(
            "--passphrase",
            is_flag=True,
            help=f"A passphrase: {PASSPHRASE_VARIABLE}[_FILE], else it is asked for.",
        ),
        click.option("--keyring", metavar="NAME", help="The keyring of the operating system."),
        click.option(
            "--key-file",
            type=click.Path(path_type=Path, dir_okay=False),
            help="A new file, outside of the project's folder.",
        ),
    ):
        command = option(command)
    return command


@click.group(cls=PlainGroup)
@click.option(
    "--vault",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar=VAULT_VARIABLE,
    help="The vault's file: secrets.vault in the Meltano project, or here.",
)
@click.version_option(package_name="singer-delivery")
@click.pass_context
def main(ctx: click.Context, vault: Path | None) -> None:
    """Keep the plugins' secrets in an encrypted file.

    A setting that is secret then says vault:NAME. The first `set` makes the vault, and a key for it
    in ~/.config/singer-secrets, unless `init` made one with another key.
    """
    ctx.obj = (vault or vault_path()).absolute()


@main.command()
@new_key_options
@click.pass_obj
def init(path: Path, key_file: Path | None, keyring: str | None, passphrase: bool) -> None:
    """Make an empty vault, with a new key: by default in a file."""
    with vault_lock(path):
        vault, key = _create(path, key_file, keyring, passphrase)
    _say_created(vault, key)


@main.command("set")
@click.argument("name", type=SecretName())
@click.option("--random", "drawn", is_flag=True, help="A random value, for a name that is new.")
@expires_option
@click.pass_obj
def set_secret(path: Path, name: str, drawn: bool, expires: date | None) -> None:
    """Give a secret its value, which is asked for, or read from standard input."""
    value = random_secret() if drawn else _asked(f"Value of {name}")
    if not path.exists():
        with vault_lock(path):
            _say_created(*_create(path, None, None, False))
    with editing(path, _ask) as vault:
        known = name in vault.names
        if known and drawn:
            msg = f"the vault has a secret {name!r} already, which somebody else may know as well"
            raise SetupError(msg)
        vault.set(name, value, expires)
    click.echo(f"{name} {'has a new value' if known else 'is kept'}: use it as vault:{name}")


@main.command()
@click.argument("name", type=SecretName())
@click.option("--back", is_flag=True, help="Take the value before the present one again.")
@click.option("--done", is_flag=True, help="Forget the value before the present one.")
@expires_option
@click.pass_obj
def rotate(path: Path, name: str, back: bool, done: bool, expires: date | None) -> None:
    """Replace the value of a secret, and keep the one before until it is sure that it works.

    Runs that start from now on use the new one. Then `--done` forgets the old one, or `--back`
    takes it again.
    """
    if back and done:
        msg = "--back and --done exclude each other"
        raise click.UsageError(msg)
    if expires and (back or done):
        msg = "--expires belongs to a new value; `singer-secrets expires` dates the present one"
        raise click.UsageError(msg)
    value = "" if back or done else _asked(f"New value of {name}")
    with editing(path, _ask) as vault:
        if back:
            vault.back(name)
        elif done:
            vault.forget_previous(name)
        else:
            vault.changed(name)  # a name that is mistyped makes no new secret
            vault.set(name, value, expires)
    words = {
        (True, False): "has the value from before again",
        (False, True): "is rotated: the value from before is forgotten",
    }
    advice = f"has a new value; `singer-secrets rotate {name} --done` once it works, or --back"
    click.echo(f"{name} {words.get((back, done), advice)}")


@main.command("list")
@click.pass_obj
def list_secrets(path: Path) -> None:
    """List the names of the secrets, when each got its value (UTC), and its last day."""
    vault = Vault.open(path, _ask)
    for name in vault.names:
        last_day = vault.expires(name)
        until = f"  (until {last_day})" if last_day else ""
        click.echo(f"{vault.changed(name)[:19].replace('T', ' ')}  {name}{until}")
    if not vault.names:
        click.echo(f"vault {path} is empty", err=True)


@main.command("expires")
@click.argument("name", type=SecretName())
@click.argument("last_day", type=LastDay(), required=False)
@click.option("--never", is_flag=True, help="Forget its last day.")
@click.pass_obj
def set_expiry(path: Path, name: str, last_day: date | None, never: bool) -> None:
    """Note the last day of a secret, as its issuer says, like 2027-03-01.

    `singer-delivery watch` warns ahead of it. Certificates need none: theirs is in them.
    """
    if (last_day is None) != never:
        msg = "a day such as 2027-03-01, or --never"
        raise click.UsageError(msg)
    with editing(path, _ask) as vault:
        vault.set_expiry(name, last_day)
    click.echo(f"{name} is taken until {last_day}" if last_day else f"{name} has no last day")


@main.command()
@click.argument("name", type=SecretName())
@click.pass_obj
def delete(path: Path, name: str) -> None:
    """Remove a secret."""
    with editing(path, _ask) as vault:
        vault.delete(name)
    click.echo(f"{name} is deleted")


@main.command()
@click.argument("references", nargs=-1, metavar="[REFERENCE]...")
@click.pass_obj
def test(path: Path, references: tuple[str, ...]) -> None:
    """Tell whether references can be read, such as vault:NAME or file:/run/secrets/x.

    Without any: all of the vault. The values are not shown.
    """
    os.environ[VAULT_VARIABLE] = str(path)
    if not references:
        references = tuple(f"vault:{name}" for name in Vault.open(path, _ask).names)
    failed = 0
    for reference in references:
        if not is_reference(reference):
            click.echo("no reference (not repeated, for it may be a secret)")
            failed += 1
            continue
        try:
            reveal(reference, reference)
        except SetupError as error:
            click.echo(str(error))
            failed += 1
        else:
            click.echo(f"{reference}: can be read")
    if failed:
        raise click.exceptions.Exit(1)


@main.command()
@click.pass_obj
def keys(path: Path) -> None:
    """List the keys that open the vault; * marks the one that did now."""
    vault = Vault.open(path, _ask)
    for slot in vault.slots:
        mark = "*" if slot.id == vault.opened_by else " "
        click.echo(f"{mark} {slot.id}  {_place(slot)}")


@main.command("add-key")
@new_key_options
@click.pass_obj
def add_key(path: Path, key_file: Path | None, keyring: str | None, passphrase: bool) -> None:
    """Let another, new key open the vault as well: for another machine, or to change keys."""
    with editing(path, _ask) as vault:
        key = _new_key(path, key_file, keyring, passphrase)
        slot = vault.add_key(key)
    click.echo(f"key {slot.id} opens the vault as well: {key}")


@main.command("remove-key")
@click.argument("key_id")
@click.pass_obj
def remove_key(path: Path, key_id: str) -> None:
    """Take a key away from the vault. The key itself stays where it is.

    Who has that key and a copy of the vault from before can still read that copy: after a leak,
    `rekey` the vault and rotate the secrets.
    """
    with editing(path, _ask) as vault:
        vault.remove_key(key_id)
    click.echo(f"key {key_id} no longer opens the vault")


@main.command()
@new_key_options
@click.pass_obj
def rekey(path: Path, key_file: Path | None, keyring: str | None, passphrase: bool) -> None:
    """Encrypt the vault anew under one new key; all others no longer open it."""
    with editing(path, _ask) as vault:
        key = _new_key(path, key_file, keyring, passphrase)
        vault.rekey([key])
    click.echo(f"the vault is encrypted anew, and opened by this key alone: {key}")


def _create(
    path: Path, key_file: Path | None, keyring: str | None, passphrase: bool
) -> tuple[Vault, Key]:
    if path.exists():
        msg = f"vault {path} is there already"
        raise SetupError(msg)
    key = _new_key(path, key_file, keyring, passphrase)
    return Vault.create(path, key), key


def _new_key(path: Path, key_file: Path | None, keyring: str | None, passphrase: bool) -> Key:
    if sum(map(bool, (key_file, keyring, passphrase))) > 1:
        msg = "one of --key-file, --keyring and --passphrase"
        raise click.UsageError(msg)
    if keyring:
        return KeyringKey.create(keyring)
    if passphrase:
        return Passphrase.create(_ask_new)
    return KeyFile.create(key_file.absolute() if key_file else _free_key_file(path))


def _free_key_file(path: Path) -> Path:
    """Return where the next key of a vault goes when nobody says: named after its folder."""
    folder = KEY_FOLDER.expanduser()
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", path.parent.name) or "vault"
    names = (f"{stem}{f'-{number}' if number else ''}.key" for number in range(1000))
    return next(file for name in names if not (file := folder / name).exists())


def _say_created(vault: Vault, key: Key) -> None:
    click.echo(f"vault {vault.path} is new, opened by {key}: keep a copy of that in a safe place")


def _place(slot: Slot) -> str:
    return " ".join(
        filter(None, (slot.kind, str(slot.params.get("path", slot.params.get("name", "")))))
    )


def _asked(prompt: str) -> str:
    """Return a secret: from the keyboard without showing it, or all of standard input."""
    value = _typed(prompt, confirm=True) if sys.stdin.isatty() else _from_pipe()
    if not value.strip():
        msg = "the value is empty; nothing was changed"
        raise SetupError(msg)
    REDACTOR.add(value)
    return value


def _from_pipe() -> str:
    content = sys.stdin.buffer.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        msg = f"the value is longer than {MAX_BYTES} bytes; nothing was changed"
        raise SetupError(msg)
    try:
        # A pipe ends with a line break that belongs to no secret.
        return content.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        msg = "the value is no text in UTF-8; nothing was changed"
        raise SetupError(msg) from None


def _ask() -> str:
    """Return the passphrase of the vault: from the environment, or the keyboard."""
    return passphrase_from_environment() or _typed("Passphrase of the vault", confirm=False)


def _ask_new() -> str:
    text = passphrase_from_environment() or _typed("New passphrase of the vault", confirm=True)
    if len(text) < SHORTEST_PASSPHRASE:
        msg = f"a passphrase needs {SHORTEST_PASSPHRASE} characters or more"
        raise SetupError(msg)
    return text


def _typed(prompt: str, *, confirm: bool) -> str:
    if not sys.stdin.isatty():
        return ""
    return str(
        click.prompt(
            prompt, hide_input=True, confirmation_prompt=confirm, default="", show_default=False
        )
    )
