"""A file of secrets, encrypted and authenticated as a whole (AES-256-GCM).

A random data key encrypts the secrets; each key of the vault wraps that data key, so that any one
of them opens it, and one can be added before another is taken away. The header with the keys is
authenticated together with the secrets: nothing in the file can be changed unseen. That an older
copy was put back cannot be seen.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from filelock import FileLock, Timeout

from singer_delivery.errors import SetupError
from singer_delivery.secrets.keys import (
    KEY_BYTES,
    AskPassphrase,
    Key,
    Params,
    key_of,
    passphrase_from_environment,
)
from singer_delivery.secrets.private_files import (
    create_private,
    read_private,
    replace_private,
)

FORMAT, VERSION = "singer-secrets", 1
VAULT_VARIABLE = "SINGER_SECRETS_VAULT"
VAULT_NAME = "secrets.vault"
NONCE_BYTES = 12
LOCK_SECONDS = 10.0
#: Bytes of a whole vault: it is read into memory, and holds secrets alone.
MAX_VAULT = 2**20

Clock = Callable[[], datetime]


def vault_path() -> Path:
    """Return where the vault is: as the environment says, in the Meltano project, or here."""
    if given := os.environ.get(VAULT_VARIABLE):
        return Path(given)
    return Path(os.environ.get("MELTANO_PROJECT_ROOT") or ".") / VAULT_NAME


@dataclass(frozen=True)
class Slot:
    """One key of the vault, and the data key wrapped by it."""

    id: str
    kind: str
    params: Params
    nonce: bytes
    wrapped: bytes

    @classmethod
    def wrap(cls, data_key: bytes, key: Key) -> Slot:
        """Wrap the data key by a key. Raises SetupError."""
        slot = cls(
            secrets.token_hex(4), key.kind, key.params, secrets.token_bytes(NONCE_BYTES), b""
        )
        wrapped = AESGCM(key.read()).encrypt(slot.nonce, data_key, slot._about)
        return replace(slot, wrapped=wrapped)

    def unwrap(self, key: Key) -> bytes:
        """Return the data key. Raises SetupError where the key is not the right one."""
        try:
            return AESGCM(key.read()).decrypt(self.nonce, self.wrapped, self._about)
        except InvalidTag:
            msg = f"{key} is not the right one"
            raise SetupError(msg) from None

    @classmethod
    def load(cls, row: Mapping[str, Any]) -> Slot:
        """Return a slot as the file has it. Raises KeyError, TypeError or ValueError."""
        nonce, wrapped = _bytes(row["nonce"]), _bytes(row["wrapped"])
        return cls(str(row["id"]), str(row["kind"]), dict(row["params"]), nonce, wrapped)

    def dump(self) -> dict[str, Any]:
        """Return the slot as the file has it."""
        return {
            "id": self.id,
            "kind": self.kind,
            "params": dict(self.params),
            "nonce": _text(self.nonce),
            "wrapped": _text(self.wrapped),
        }

    @property
    def _about(self) -> bytes:
        return _canonical([FORMAT, VERSION, self.id, self.kind, self.params])


@dataclass(frozen=True)
class Secret:
    """A secret: its value, since when it has it, and the one before, for the way back.

    `expires` is the last day on which its issuer takes it, as 2027-03-01, "" where nobody said.
    """

    value: str
    changed: str
    previous: str | None = None
    expires: str = ""
    previous_expires: str = ""

    def __repr__(self) -> str:
        return f"Secret(changed {self.changed})"

    def dump(self) -> dict[str, str | None]:
        """Return the secret as the file has it: what is not known is left out."""
        days = {"expires": self.expires, "previous_expires": self.previous_expires}
        known = {name: day for name, day in days.items() if day}
        return {"value": self.value, "changed": self.changed, "previous": self.previous, **known}


@dataclass
class Vault:
    """An open vault. Changes are in memory until `save`; see `editing`."""

    path: Path
    slots: tuple[Slot, ...]
    opened_by: str
    _data_key: bytes
    _secrets: dict[str, Secret]
    _clock: Clock

    def __repr__(self) -> str:
        return f"Vault({str(self.path)!r})"

    @classmethod
    def create(cls, path: Path, key: Key, *, clock: Clock | None = None) -> Vault:
        """Make an empty vault that this key opens. Raises SetupError where there is a file."""
        data_key = secrets.token_bytes(KEY_BYTES)
        slot = Slot.wrap(data_key, key)
        vault = cls(path, (slot,), slot.id, data_key, {}, clock or _now)
        create_private(path, vault._sealed(), "vault")
        return vault

    @classmethod
    def open(
        cls,
        path: Path,
        ask: AskPassphrase = passphrase_from_environment,
        *,
        clock: Clock | None = None,
    ) -> Vault:
        """Open a vault by the first of its keys that is to be had. Raises SetupError."""
        what = f"vault {path}"
        if not path.exists():
            msg = (
                f"{what} is not there: `singer-secrets set` makes one, {VAULT_VARIABLE} says where"
            )
            raise SetupError(msg)
        slots, nonce, sealed = _parsed(read_private(path, "vault", MAX_VAULT), what)
        slot, data_key = _unwrapped(slots, ask, what)
        try:
            content = AESGCM(data_key).decrypt(nonce, sealed, _header(slots))
        except InvalidTag:
            msg = f"{what} was changed by something else than singer-secrets: take a backup of it"
            raise SetupError(msg) from None
        held = {name: Secret(**row) for name, row in json.loads(content).items()}
        return cls(path, slots, slot.id, data_key, held, clock or _now)

    @property
    def names(self) -> list[str]:
        """The names of the secrets, sorted."""
        return sorted(self._secrets)

    def changed(self, name: str) -> str:
        """Return when a secret got its value: ISO 8601, UTC. Raises SetupError."""
        return self._secret(name).changed

    def get(self, name: str) -> str:
        """Return a secret's value. Raises SetupError where there is none of that name."""
        return self._secret(name).value

    def previous(self, name: str) -> str | None:
        """Return the value before the present one, if it is kept. Raises SetupError."""
        return self._secret(name).previous

    def expires(self, name: str) -> date | None:
        """Return the last day of a secret, where it is known. Raises SetupError."""
        text = self._secret(name).expires
        return date.fromisoformat(text) if text else None

    def set_expiry(self, name: str, last_day: date | None) -> None:
        """Note the last day of a secret, None for none. Raises SetupError."""
        expires = last_day.isoformat() if last_day else ""
        self._secrets[name] = replace(self._secret(name), expires=expires)

    def set(self, name: str, value: str, expires: date | None = None) -> None:
        """Give a secret its value; the one before is kept for `back`.

        What was known of the last day of the one before says nothing of the new one.
        """
        before = self._secrets.get(name)
        self._secrets[name] = Secret(
            value,
            self._clock().isoformat(timespec="seconds"),
            before.value if before else None,
            expires.isoformat() if expires else "",
            before.expires if before else "",
        )

    def back(self, name: str) -> None:
        """Give a secret the value that it had before. Raises SetupError where there is none."""
        secret = self._secret(name)
        if secret.previous is None:
            msg = f"secret {name!r} had no other value before"
            raise SetupError(msg)
        last_day = secret.previous_expires
        self.set(name, secret.previous, date.fromisoformat(last_day) if last_day else None)

    def forget_previous(self, name: str) -> None:
        """Drop the value before the present one. Raises SetupError."""
        self._secrets[name] = replace(self._secret(name), previous=None, previous_expires="")

    def delete(self, name: str) -> None:
        """Remove a secret. Raises SetupError where there is none of that name."""
        self._secret(name)
        del self._secrets[name]

    def add_key(self, key: Key) -> Slot:
        """Let another key open the vault. Raises SetupError."""
        slot = Slot.wrap(self._data_key, key)
        self.slots = (*self.slots, slot)
        return slot

    def remove_key(self, slot_id: str) -> None:
        """Take a key away. Who has it, and a copy of the vault, still opens that copy: see `rekey`.

        Raises SetupError for the last one, and where there is none.
        """
        left = tuple(slot for slot in self.slots if slot.id != slot_id)
        if len(left) == len(self.slots):
            msg = f"the vault has no key {slot_id!r}; `singer-secrets keys` lists them"
            raise SetupError(msg)
        if not left:
            msg = f"key {slot_id!r} is the only one: add another one first"
            raise SetupError(msg)
        self.slots = left

    def rekey(self, keys: Sequence[Key]) -> None:
        """Encrypt anew: another data key, and these keys alone. Raises SetupError."""
        data_key = secrets.token_bytes(KEY_BYTES)
        slots = tuple(Slot.wrap(data_key, key) for key in keys)
        self._data_key, self.slots, self.opened_by = data_key, slots, slots[0].id

    def save(self) -> None:
        """Write the vault, whole or not at all. Raises SetupError."""
        replace_private(self.path, self._sealed(), "vault")

    def _secret(self, name: str) -> Secret:
        try:
            return self._secrets[name]
        except KeyError:
            msg = f"vault {self.path} has no secret {name!r}; `singer-secrets set {name}` adds it"
            raise SetupError(msg) from None

    def _sealed(self) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        held = {name: s.dump() for name, s in self._secrets.items()}
        sealed = AESGCM(self._data_key).encrypt(nonce, _canonical(held), _header(self.slots))
        file = {
            "format": FORMAT,
            "version": VERSION,
            "keys": [slot.dump() for slot in self.slots],
            "nonce": _text(nonce),
            "sealed": _text(sealed),
        }
        content = f"{json.dumps(file, indent=1)}\n".encode()
        if len(content) > MAX_VAULT:
            msg = f"the vault would be longer than {MAX_VAULT} bytes: delete what is not needed"
            raise SetupError(msg)
        return content


@contextmanager
def editing(
    path: Path, ask: AskPassphrase = passphrase_from_environment, *, clock: Clock | None = None
) -> Iterator[Vault]:
    """Open a vault, save it after the block, and keep others from changing it meanwhile.

    Raises SetupError, also where somebody else has it for longer than `LOCK_SECONDS`.
    """
    with vault_lock(path):
        vault = Vault.open(path, ask, clock=clock)
        yield vault
        vault.save()


@contextmanager
def vault_lock(path: Path) -> Iterator[None]:
    """Keep others from changing a vault during the block. Raises SetupError."""
    try:
        with FileLock(path.with_name(f"{path.name}.lock"), timeout=LOCK_SECONDS, mode=0o600):
            yield
    except Timeout:
        msg = f"vault {path} is being changed by somebody else"
        raise SetupError(msg) from None
    except OSError as error:
        msg = f"vault {path} cannot be locked: {error.strerror or error}"
        raise SetupError(msg) from None


def random_secret() -> str:
    """Return a new secret: 64 letters, digits, hyphens and underscores, of 384 random bits."""
    return secrets.token_urlsafe(48)


def _parsed(content: bytes, what: str) -> tuple[tuple[Slot, ...], bytes, bytes]:
    try:
        file = json.loads(content)
        if (file["format"], file["version"]) != (FORMAT, VERSION):
            msg = f"{what} is of another version ({file['version']}): upgrade the plugins"
            raise SetupError(msg)
        slots = tuple(Slot.load(row) for row in file["keys"])
        nonce, sealed = _bytes(file["nonce"]), _bytes(file["sealed"])
    except (ValueError, KeyError, TypeError, AttributeError):
        msg = f"{what} is no vault, or damaged: take a backup of it"
        raise SetupError(msg) from None
    return slots, nonce, sealed


def _unwrapped(slots: Sequence[Slot], ask: AskPassphrase, what: str) -> tuple[Slot, bytes]:
    """Return the first slot that opens, and the data key. A passphrase is asked for last."""
    problems = []
    for slot in sorted(slots, key=lambda slot: slot.kind == "passphrase"):
        try:
            return slot, slot.unwrap(key_of(slot.kind, slot.params, ask))
        except SetupError as error:
            problems.append(str(error))
        except (KeyError, TypeError, ValueError):
            problems.append(f"its key {slot.id} is damaged")
    msg = f"{what} cannot be opened: {'; '.join(problems) or 'it has no key'}"
    raise SetupError(msg)


def _header(slots: Sequence[Slot]) -> bytes:
    return _canonical([FORMAT, VERSION, [slot.dump() for slot in slots]])


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _now() -> datetime:
    return datetime.now(UTC)
