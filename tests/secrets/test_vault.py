"""The vault: what is in it is read with one of its keys, whole and unchanged, or not at all."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from singer_delivery.errors import SetupError
from singer_delivery.secrets import keys
from singer_delivery.secrets.keys import KeyFile, KeyringKey, Passphrase
from singer_delivery.secrets.vault import Vault, editing

from tests.secrets.conftest import Drawer

SECRET = "c4n4ry-'\"é\n日本"
CHEAP = 2**10


def key_file(folder: Path, name: str = "one.key") -> KeyFile:
    return KeyFile.create(folder / "keys" / name)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    vault = Vault.create(tmp_path / "secrets.vault", key_file(tmp_path))
    vault.set("basware", SECRET)
    vault.save()
    return vault


def test_a_secret_comes_back_as_it_was(vault: Vault) -> None:
    assert Vault.open(vault.path).get("basware") == SECRET


@settings(max_examples=50, deadline=None)
@given(value=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200))
def test_any_text_comes_back_as_it_was(
    value: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("vault")
    vault = Vault.create(folder / "v", key_file(folder))
    vault.set("name", value)
    vault.save()

    assert Vault.open(vault.path).get("name") == value


def test_the_file_shows_neither_values_nor_names(vault: Vault) -> None:
    content = vault.path.read_bytes()

    assert b"c4n4ry" not in content
    assert b"basware" not in content


def test_vault_and_key_are_for_their_owner_alone(vault: Vault, tmp_path: Path) -> None:
    for file in (vault.path, tmp_path / "keys" / "one.key"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o620])
@pytest.mark.parametrize("which", ["secrets.vault", "keys/one.key"])
def test_files_that_others_may_read_are_refused(
    vault: Vault, tmp_path: Path, which: str, mode: int
) -> None:
    (tmp_path / which).chmod(mode)

    with pytest.raises(SetupError, match=f"can be read by others \\(mode {mode:04o}\\)"):
        Vault.open(vault.path)


def test_every_changed_byte_is_noticed(vault: Vault) -> None:
    """Whatever is changed, it either opens as it was (blanks of the JSON), or not at all."""
    content = vault.path.read_bytes()
    for position in range(0, len(content), 3):
        changed = bytearray(content)
        changed[position] ^= 1
        vault.path.write_bytes(changed)
        try:
            found = Vault.open(vault.path)
        except SetupError:
            continue
        assert found.get("basware") == SECRET
        assert found.slots == vault.slots


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"\xff", b'{"format": "x"}'])
def test_what_is_no_vault_is_refused(vault: Vault, content: bytes) -> None:
    vault.path.write_bytes(content)

    with pytest.raises(SetupError, match="is no vault, or damaged"):
        Vault.open(vault.path)


def test_a_newer_vault_is_refused(vault: Vault) -> None:
    file = json.loads(vault.path.read_text())
    vault.path.write_text(json.dumps(file | {"version": 2}))

    with pytest.raises(SetupError, match="upgrade the plugins"):
        Vault.open(vault.path)


def test_a_key_that_is_taken_out_of_the_file_is_noticed(vault: Vault, tmp_path: Path) -> None:
    with editing(vault.path) as opened:
        opened.add_key(key_file(tmp_path, "two.key"))
    file = json.loads(vault.path.read_text())
    file["keys"] = file["keys"][:1]
    vault.path.write_text(json.dumps(file))

    with pytest.raises(SetupError, match="was changed by something else"):
        Vault.open(vault.path)


def test_without_its_key_it_stays_closed(vault: Vault, tmp_path: Path) -> None:
    (tmp_path / "keys" / "one.key").unlink()

    with pytest.raises(SetupError, match=r"cannot be opened: key file .* cannot be read: No such"):
        Vault.open(vault.path)


def test_another_key_does_not_open_it(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = key_file(tmp_path, "other.key")
    monkeypatch.setenv(keys.KEY_FILE_VARIABLE, str(other.path))

    with pytest.raises(SetupError, match="is not the right one"):
        Vault.open(vault.path)


def test_the_key_file_may_be_elsewhere_on_this_machine(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = (tmp_path / "keys" / "one.key").rename(tmp_path / "moved.key")
    monkeypatch.setenv(keys.KEY_FILE_VARIABLE, str(moved))

    assert Vault.open(vault.path).get("basware") == SECRET


class TestKeys:
    """Several keys open a vault; they are changed without a moment in which none does."""

    def test_each_kind_opens_it(self, vault: Vault, tmp_path: Path, drawer: Drawer) -> None:
        with editing(vault.path) as opened:
            opened.add_key(KeyringKey.create("here"))
            opened.add_key(Passphrase.create(lambda: "correct horse battery", cost=CHEAP))

        assert Vault.open(vault.path).get("basware") == SECRET  # by the file
        (tmp_path / "keys" / "one.key").unlink()
        assert Vault.open(vault.path).get("basware") == SECRET  # by the keyring
        drawer.held.clear()
        assert Vault.open(vault.path, lambda: "correct horse battery").get("basware") == SECRET
        with pytest.raises(SetupError) as refused:
            Vault.open(vault.path, lambda: "wrong horse battery")
        assert "a passphrase is not the right one" in str(refused.value)
        assert "key 'here' of the keyring is not there" in str(refused.value)

    def test_the_passphrase_comes_from_the_environment(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        vault = Vault.create(tmp_path / "v", Passphrase.create(lambda: "p" * 12, cost=CHEAP))
        with pytest.raises(SetupError, match="no passphrase: set SINGER_SECRETS_PASSPHRASE_FILE"):
            Vault.open(vault.path)

        monkeypatch.setenv(keys.PASSPHRASE_VARIABLE, "p" * 12)
        assert Vault.open(vault.path).names == []

        file = tmp_path / "passphrase"
        file.write_text(f"{'p' * 12}\n")
        file.chmod(0o600)
        monkeypatch.setenv(keys.PASSPHRASE_VARIABLE, "wrong")
        monkeypatch.setenv(keys.PASSPHRASE_FILE_VARIABLE, str(file))
        assert Vault.open(vault.path).names == []

    def test_one_is_replaced_by_another(self, vault: Vault, tmp_path: Path) -> None:
        [old] = vault.slots
        with editing(vault.path) as opened:
            opened.add_key(key_file(tmp_path, "two.key"))
        with editing(vault.path) as opened:
            opened.remove_key(old.id)
        (tmp_path / "keys" / "one.key").unlink()

        assert Vault.open(vault.path).get("basware") == SECRET

    def test_the_last_one_stays(self, vault: Vault) -> None:
        with pytest.raises(SetupError, match="is the only one"):
            vault.remove_key(vault.slots[0].id)
        with pytest.raises(SetupError, match="the vault has no key 'x'"):
            vault.remove_key("x")

    def test_rekey_makes_a_new_data_key(self, vault: Vault, tmp_path: Path) -> None:
        before = vault.path.read_bytes()
        with editing(vault.path) as opened:
            opened.rekey([key_file(tmp_path, "two.key")])
        (tmp_path / "keys" / "one.key").unlink()
        opened = Vault.open(vault.path)

        assert opened.get("basware") == SECRET
        assert opened._data_key != vault._data_key
        assert before != vault.path.read_bytes()

    @pytest.mark.parametrize("content", ["", "short", "A" * 44, "AAAA"])
    def test_a_key_file_holds_a_key(self, vault: Vault, tmp_path: Path, content: str) -> None:
        (tmp_path / "keys" / "one.key").write_text(content)

        with pytest.raises(SetupError, match="does not hold a key of 32 bytes"):
            Vault.open(vault.path)

    def test_a_key_is_never_overwritten(self, tmp_path: Path, drawer: Drawer) -> None:
        key_file(tmp_path)
        KeyringKey.create("here")

        with pytest.raises(SetupError, match="is there already"):
            key_file(tmp_path)
        with pytest.raises(SetupError, match="is there already"):
            KeyringKey.create("here")


class TestSecrets:
    """Their values: the present one, and the one before."""

    def test_the_value_before_can_be_taken_again(self, vault: Vault) -> None:
        vault.set("basware", "new")
        vault.back("basware")
        assert vault.get("basware") == SECRET
        vault.back("basware")
        assert vault.get("basware") == "new"

    def test_it_can_be_forgotten(self, vault: Vault) -> None:
        vault.set("basware", "new")
        vault.forget_previous("basware")

        with pytest.raises(SetupError, match="had no other value before"):
            vault.back("basware")

    @pytest.mark.parametrize("what", ["get", "back", "delete", "changed", "forget_previous"])
    def test_one_that_is_not_there_is_named(self, vault: Vault, what: str) -> None:
        with pytest.raises(SetupError, match="has no secret 'dynamics'"):
            getattr(vault, what)("dynamics")

    def test_neither_vault_nor_secret_shows_its_value(self, vault: Vault) -> None:
        assert "c4n4ry" not in repr(vault) + repr(vault._secrets) + str(vault)


class TestFile:
    """Writing: whole or not at all, and one after the other."""

    def test_a_vault_is_never_overwritten(self, vault: Vault, tmp_path: Path) -> None:
        with pytest.raises(SetupError, match="is there already"):
            Vault.create(vault.path, key_file(tmp_path, "two.key"))

    def test_an_interrupted_write_leaves_the_old_one(
        self, vault: Vault, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> int:
            raise OSError(28, "No space left on device")

        vault.set("basware", "new")
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(SetupError, match="No space left"):
            vault.save()
        monkeypatch.undo()

        assert [file.name for file in vault.path.parent.iterdir() if "vault" in file.name] == [
            "secrets.vault"
        ]

    def test_two_who_change_it_do_not_lose_a_secret(self, vault: Vault) -> None:
        def add(number: int) -> None:
            with editing(vault.path) as opened:
                opened.set(f"secret-{number}", "value")

        threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(Vault.open(vault.path).names) == 9

    def test_one_that_is_not_there_says_how_to_make_it(self, tmp_path: Path) -> None:
        with pytest.raises(SetupError, match="is not there: `singer-secrets set` makes one"):
            Vault.open(tmp_path / "none.vault")

    def test_it_is_for_secrets_alone(self, vault: Vault) -> None:
        vault.set("basware", "x" * 2**20)

        with pytest.raises(SetupError, match="would be longer than"):
            vault.save()
