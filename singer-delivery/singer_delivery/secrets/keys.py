"""Keys that open a vault: in a file, in the keyring of the operating system, or a passphrase."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keyring
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from keyring.errors import KeyringError

from singer_delivery.errors import SetupError
from singer_delivery.secrets.private_files import create_private, read_private

#: Bytes of a key, of AES-256.
KEY_BYTES = 32
#: Where the key file of a vault is looked for instead of where it was made.
KEY_FILE_VARIABLE = "SINGER_SECRETS_KEY_FILE"
PASSPHRASE_VARIABLE = "SINGER_SECRETS_PASSPHRASE"  # noqa: S105 - a name
PASSPHRASE_FILE_VARIABLE = "SINGER_SECRETS_PASSPHRASE_FILE"  # noqa: S105 - a name
KEYRING_SERVICE = "singer-secrets"
#: Cost of scrypt: 128 MiB and about half a second (OWASP's first choice).
SCRYPT_COST = 2**17
SHORTEST_PASSPHRASE = 12

Params = Mapping[str, Any]
#: Asks for a passphrase; returns "" where there is none.
AskPassphrase = Callable[[], str]


class Key(ABC):
    """Something that a key of `KEY_BYTES` bytes comes from. `params` are kept in the vault."""

    kind: str

    @property
    @abstractmethod
    def params(self) -> Params:
        """What is needed to find it again; nothing secret."""

    @abstractmethod
    def read(self) -> bytes:
        """Return the key. Raises SetupError where it is not to be had."""

    @abstractmethod
    def __str__(self) -> str:
        """Return where it comes from, in words."""


@dataclass(frozen=True)
class KeyFile(Key):
    """A key in a file of its own, outside of the project's folder."""

    path: Path
    kind = "key-file"

    @classmethod
    def create(cls, path: Path) -> KeyFile:
        """Make a new key. Raises SetupError where the file exists."""
        create_private(path, f"{_new_key()}\n".encode(), "key file")
        return cls(path.absolute())

    @property
    def params(self) -> Params:
        """What is needed to find it again; nothing secret."""
        return {"path": str(self.path)}

    def read(self) -> bytes:
        """Return the key. Raises SetupError where it is not to be had."""
        path = Path(os.environ.get(KEY_FILE_VARIABLE) or self.path)
        return _decoded(read_private(path, "key file"), f"key file {path}")

    def __str__(self) -> str:
        return f"key file {self.path}"


@dataclass(frozen=True)
class KeyringKey(Key):
    """A key in the keyring of the operating system, under a name of its own."""

    name: str
    kind = "keyring"

    @classmethod
    def create(cls, name: str) -> KeyringKey:
        """Make a new key. Raises SetupError where there is one of that name, or no keyring."""
        key = cls(name)
        if _from_keyring(KEYRING_SERVICE, name) is not None:
            msg = f"{key} is there already; it is never overwritten"
            raise SetupError(msg)
        try:
            keyring.set_password(KEYRING_SERVICE, name, _new_key())
        except KeyringError as error:
            raise _no_keyring(error) from None
        return key

    @property
    def params(self) -> Params:
        """What is needed to find it again; nothing secret."""
        return {"name": self.name}

    def read(self) -> bytes:
        """Return the key. Raises SetupError where it is not to be had."""
        found = _from_keyring(KEYRING_SERVICE, self.name)
        if found is None:
            msg = f"{self} is not there: it belongs to another user or another machine"
            raise SetupError(msg)
        return _decoded(found.encode(), str(self))

    def __str__(self) -> str:
        return f"key {self.name!r} of the keyring"


@dataclass(frozen=True)
class Passphrase(Key):
    """A key that follows from a passphrase, by scrypt."""

    ask: AskPassphrase
    salt: bytes
    cost: int = SCRYPT_COST
    kind = "passphrase"

    @classmethod
    def create(cls, ask: AskPassphrase, *, cost: int = SCRYPT_COST) -> Passphrase:
        """Make a key of a new passphrase."""
        return cls(ask, secrets.token_bytes(16), cost)

    @property
    def params(self) -> Params:
        """What is needed to find it again; nothing secret."""
        return {"salt": base64.b64encode(self.salt).decode(), "n": self.cost, "r": 8, "p": 1}

    def read(self) -> bytes:
        """Return the key. Raises SetupError where there is no passphrase."""
        text = self.ask()
        if not text:
            msg = f"no passphrase: set {PASSPHRASE_FILE_VARIABLE} or {PASSPHRASE_VARIABLE}"
            raise SetupError(msg)
        return Scrypt(salt=self.salt, length=KEY_BYTES, n=self.cost, r=8, p=1).derive(text.encode())

    def __str__(self) -> str:
        return "a passphrase"


def key_of(kind: str, params: Params, ask: AskPassphrase) -> Key:
    """Return the key that a vault names. Raises SetupError, KeyError or ValueError."""
    match kind:
        case KeyFile.kind:
            return KeyFile(Path(params["path"]))
        case KeyringKey.kind:
            return KeyringKey(str(params["name"]))
        case Passphrase.kind:
            cost = int(params["n"])
            if (params["r"], params["p"]) != (8, 1) or not 2 <= cost <= 2**20:
                msg = "a cost of scrypt that no vault of ours has"
                raise ValueError(msg)
            return Passphrase(ask, base64.b64decode(params["salt"], validate=True), cost)
    msg = f"keys of the kind {kind!r} belong to a newer version"
    raise SetupError(msg)


def passphrase_from_environment() -> str:
    """Return the passphrase that the environment holds or points to, "" where there is none."""
    if file := os.environ.get(PASSPHRASE_FILE_VARIABLE):
        content = read_private(Path(file), "passphrase file")
        return content.decode("utf-8", "replace").rstrip("\r\n")
    return os.environ.get(PASSPHRASE_VARIABLE, "")


def keyring_secret(service: str, user: str) -> str:
    """Return what the keyring of the operating system holds. Raises SetupError."""
    found = _from_keyring(service, user)
    if found is None:
        msg = f"the keyring holds nothing under {service!r} for {user!r}"
        raise SetupError(msg)
    return found


def _from_keyring(service: str, user: str) -> str | None:
    try:
        return keyring.get_password(service, user)
    except KeyringError as error:
        raise _no_keyring(error) from None


def _no_keyring(error: KeyringError) -> SetupError:
    # Its text may be about what was to be kept; its kind is enough.
    return SetupError(
        f"the keyring of this machine cannot be used ({type(error).__name__}): on a server "
        "without one, use a key file"
    )


def _new_key() -> str:
    """Return a random key in the form that `_decoded` reads."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def _decoded(text: bytes, what: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        msg = f"{what} does not hold a key of {KEY_BYTES} bytes in base64"
        raise SetupError(msg)
    return key
