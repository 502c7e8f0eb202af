"""What a secret setting may say instead of the secret: where it is kept.

| reference | what it means |
| --- | --- |
| `env:NAME` | the environment variable NAME |
| `file:/run/secrets/x` | a file that only its owner may read |
| `keyring:service/user` | the keyring of the operating system |
| `vault:name` | the encrypted file of `singer-secrets` |
| `azure-keyvault:vault/secret` | Azure Key Vault, by the identity of this machine (extra `azure`) |
| `plain:value` | the value itself, without a warning |

Anything else is the value itself, and is warned about.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from singer_delivery.errors import SetupError
from singer_delivery.redaction import REDACTOR
from singer_delivery.secrets.azure import key_vault_secret
from singer_delivery.secrets.private_files import read_private

if TYPE_CHECKING:
    from singer_delivery.secrets.vault import Vault

logger = logging.getLogger(__name__)

REFERENCE = re.compile(r"(env|file|keyring|vault|azure-keyvault|plain):(.*)", re.DOTALL)
URL = re.compile(r"[a-z][a-z0-9+.-]*://")
#: Settings whose plain value was warned about in this process.
_warned: set[str] = set()


def reveal(text: str, setting: str) -> str:
    """Return the secret that a setting holds, or refers to, and keep it out of all logs.

    Raises SetupError with the setting's name, and never with the value.
    """
    found = REFERENCE.fullmatch(text)
    if not found:
        value = text
        if secret_part(text):
            _warn(setting)
    else:
        try:
            value = SOURCES[found[1]](found[2])
        except SetupError as error:
            msg = f"{setting}: {error}"
            raise SetupError(msg) from None
        if not value:
            msg = f"{setting}: what it refers to is empty"
            raise SetupError(msg)
    REDACTOR.add(secret_part(value))
    return value


def reveal_with_previous(text: str, setting: str) -> list[str]:
    """Return the secret, and the one before it, where a vault keeps that during a rotation.

    Raises SetupError with the setting's name, and never with the value.
    """
    values = [reveal(text, setting)]
    kind, _, name = text.partition(":")
    if kind == "vault" and (previous := _present_vault().previous(name)) is not None:
        REDACTOR.add(previous)
        values.append(previous)
    return values


def secret_part(value: str) -> str:
    """Return what of a value is secret: of a database URL its password, else all of it."""
    if not URL.match(value):
        return value
    credentials, at, _ = value.partition("://")[2].rpartition("@")
    return unquote(credentials.partition(":")[2]) if at else ""


def is_reference(text: str) -> bool:
    """Tell whether a setting says where a secret is kept, instead of the secret."""
    found = REFERENCE.fullmatch(text)
    return found is not None and found[1] != "plain"


def _warn(setting: str) -> None:
    if setting not in _warned:
        _warned.add(setting)
        logger.warning(
            "%s is set to the secret itself. Keep it encrypted: `singer-secrets set <name>`, then "
            "set it to vault:<name>",
            setting,
        )


def _environment(name: str) -> str:
    value = os.environ.get(name)
    if value is None:
        msg = f"the environment variable {name} is not set"
        raise SetupError(msg)
    return value


def _file(name: str) -> str:
    path = Path(name)
    if not path.is_absolute():
        msg = f"file:{name}: give the whole path, e.g. file:/run/secrets/basware"
        raise SetupError(msg)
    try:
        return read_private(path, "file").decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        msg = f"file {path} is no text in UTF-8"
        raise SetupError(msg) from None


def _keyring(name: str) -> str:
    service, slash, user = name.rpartition("/")
    if not (slash and service and user):
        msg = f"keyring:{name}: say keyring:service/user"
        raise SetupError(msg)
    # Loaded where it is used: it takes longer than the rest of a plugin's start.
    from singer_delivery.secrets.keys import keyring_secret  # noqa: PLC0415

    return keyring_secret(service, user)


def _vault(name: str) -> str:
    return _present_vault().get(name)


def _present_vault() -> Vault:
    from singer_delivery.secrets.vault import vault_path  # noqa: PLC0415

    path = vault_path()
    try:
        version = path.stat().st_mtime_ns
    except OSError:
        version = 0
    return _opened(path.absolute(), version)


@lru_cache(maxsize=4)
def _opened(path: Path, _version: int) -> Vault:
    """Open a vault once for all settings; a passphrase takes half a second."""
    from singer_delivery.secrets.vault import Vault  # noqa: PLC0415

    return Vault.open(path)


SOURCES: Mapping[str, Callable[[str], str]] = {
    "env": _environment,
    "file": _file,
    "keyring": _keyring,
    "vault": _vault,
    "azure-keyvault": key_vault_secret,
    "plain": str,
}
