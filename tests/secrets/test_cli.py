"""`singer-secrets`, as its users type it. No value is ever printed."""

from __future__ import annotations

import os
import pty
import select
import stat
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from singer_delivery.secrets import cli, keys
from singer_delivery.secrets.vault import Vault

from tests.secrets.conftest import Drawer

VALUE = "the-c4n4ry-itself"
SHOWN: list[str] = []


def say(*words: str, stdin: str | None = None, code: int = 0) -> Result:
    result = CliRunner().invoke(cli.main, words, input=stdin)
    SHOWN.append(result.output)
    assert result.exit_code == code, result.output
    assert "c4n4ry" not in result.output
    assert "Traceback" not in result.output
    return result


def value(name: str = "basware") -> str:
    return Vault.open(Path("secrets.vault").absolute()).get(name)


def test_the_first_secret_makes_vault_and_key(tmp_path: Path) -> None:
    said = say("set", "basware", stdin=f"{VALUE}\n").output

    assert value() == VALUE
    [key] = (tmp_path / "home" / ".config" / "singer-secrets").iterdir()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert f"opened by key file {key}: keep a copy" in said
    assert "use it as vault:basware" in said


def test_a_second_vault_gets_a_key_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    say("set", "basware", stdin=VALUE)
    say("--vault", "two/secrets.vault", "set", "basware", stdin=VALUE)

    assert len(list((tmp_path / "home" / ".config" / "singer-secrets").iterdir())) == 2


def test_several_lines_are_one_secret() -> None:
    pem = "-----BEGIN KEY-----\nMIIB\n-----END KEY-----\n"
    say("set", "certificate", stdin=f"{pem}\n")

    assert value("certificate") == pem


def test_names_are_listed_without_values() -> None:
    say("set", "dynamics", stdin=VALUE)
    say("set", "basware", stdin=VALUE)

    lines = say("list").output.splitlines()

    assert [line.split()[-1] for line in lines] == ["basware", "dynamics"]


def test_rotating_keeps_the_value_before_until_it_is_done() -> None:
    say("set", "basware", stdin=VALUE)
    say("rotate", "basware", stdin="new-value")
    assert value() == "new-value"
    say("rotate", "basware", "--back")
    assert value() == VALUE
    say("rotate", "basware", "--done")
    assert "had no other value before" in say("rotate", "basware", "--back", code=1).output


def test_rotating_makes_no_new_secret() -> None:
    say("set", "basware", stdin=VALUE)

    assert "has no secret 'bsware'" in say("rotate", "bsware", stdin=VALUE, code=1).output


def test_a_random_secret() -> None:
    said = say("set", "--random", "webhook").output
    assert len(value("webhook")) == 64
    assert value("webhook") not in said
    assert "has a secret 'webhook' already" in say("set", "--random", "webhook", code=1).output


def test_deleting() -> None:
    say("set", "basware", stdin=VALUE)
    say("delete", "basware")

    assert "is empty" in say("list").output
    assert "has no secret" in say("delete", "basware", code=1).output


@pytest.mark.parametrize("given", ["", "\n", "  \n"])
def test_an_empty_value_changes_nothing(given: str) -> None:
    say("set", "basware", stdin=VALUE)

    assert (
        "the value is empty; nothing was changed"
        in say("set", "basware", stdin=given, code=1).output
    )
    assert value() == VALUE


@pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 101, "-x", "é"])
def test_a_name_that_is_none_is_not_repeated(name: str) -> None:
    said = say("set", "--", name, stdin=VALUE, code=2).output

    assert "letters, digits, dots, hyphens and underscores" in said
    assert len(name) < 5 or name not in said


class TestTest:
    """`singer-secrets test` tells whether what settings refer to can be read."""

    def test_all_of_the_vault(self) -> None:
        say("set", "basware", stdin=VALUE)
        say("set", "dynamics", stdin=VALUE)

        assert say("test").output.splitlines() == [
            "vault:basware: can be read",
            "vault:dynamics: can be read",
        ]

    def test_references_of_settings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("THE_SECRET", VALUE)
        said = say("test", "env:THE_SECRET", "env:NOT_THERE", "file:/not/there", code=1).output

        assert said.splitlines() == [
            "env:THE_SECRET: can be read",
            "env:NOT_THERE: the environment variable NOT_THERE is not set",
            "file:/not/there: file /not/there cannot be read: No such file or directory",
        ]

    def test_a_secret_given_by_mistake_is_not_repeated(self) -> None:
        said = say("test", VALUE, f"plain:{VALUE}", code=1).output

        assert said.count("not repeated") == 2


class TestKeys:
    """Keys come and go, and one stays."""

    def test_from_one_to_another(self, tmp_path: Path) -> None:
        say("set", "basware", stdin=VALUE)
        say("add-key", "--key-file", "two.key")
        first, second = say("keys").output.splitlines()
        assert first.startswith("* ")
        assert second.endswith(f"key-file {tmp_path / 'two.key'}")

        say("remove-key", first.split()[1])

        assert say("keys").output.splitlines()[0].startswith(f"* {second.split()[0]}")
        assert value() == VALUE

    def test_rekey_leaves_one(self) -> None:
        say("set", "basware", stdin=VALUE)
        say("add-key", "--key-file", "two.key")

        assert "by this key alone" in say("rekey", "--key-file", "three.key").output

        assert len(say("keys").output.splitlines()) == 1
        assert value() == VALUE

    def test_a_vault_of_the_keyring(self, drawer: Drawer) -> None:
        say("init", "--keyring", "basware-d365fo")
        say("set", "basware", stdin=VALUE)

        assert value() == VALUE
        assert list(drawer.held) == [(keys.KEYRING_SERVICE, "basware-d365fo")]

    def test_a_vault_of_a_passphrase(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(keys.Passphrase, "create", cheap_passphrase)
        monkeypatch.setenv(keys.PASSPHRASE_VARIABLE, "correct horse battery")
        say("init", "--passphrase")
        say("set", "basware", stdin=VALUE)
        assert value() == VALUE

        monkeypatch.setenv(keys.PASSPHRASE_VARIABLE, "wrong")
        assert "a passphrase is not the right one" in say("list", code=1).output

    def test_a_short_passphrase_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(keys.PASSPHRASE_VARIABLE, "short")

        assert "needs 12 characters or more" in say("init", "--passphrase", code=1).output
        assert not Path("secrets.vault").exists()

    def test_one_kind_at_a_time(self) -> None:
        assert "one of" in say("init", "--passphrase", "--key-file", "x", code=2).output

    def test_a_machine_without_keyring_says_what_to_use(self) -> None:
        from keyring.backends.fail import Keyring

        before = keys.keyring.get_keyring()
        keys.keyring.set_keyring(Keyring())
        try:
            said = say("init", "--keyring", "x", code=1).output
        finally:
            keys.keyring.set_keyring(before)

        assert "cannot be used (NoKeyringError): on a server without one, use a key file" in said


def cheap_passphrase(ask: keys.AskPassphrase) -> keys.Passphrase:
    return keys.Passphrase(ask, b"0" * 16, 2**10)


def test_what_is_there_is_not_made_again() -> None:
    say("init")

    assert "is there already" in say("init", code=1).output


def test_typed_at_a_terminal_it_is_asked_twice_and_not_shown(tmp_path: Path) -> None:
    shown = at_a_terminal(["set", "basware"], [VALUE, VALUE], tmp_path)

    assert "Value of basware: " in shown
    assert "Repeat for confirmation" in shown
    assert "c4n4ry" not in shown
    assert value() == VALUE


def at_a_terminal(words: Sequence[str], answers: Sequence[str], folder: Path) -> str:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "singer_delivery.secrets", *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=folder,
        env={**os.environ, "HOME": str(folder / "home")},
    )
    os.close(theirs)
    shown, left = "", list(answers)
    while select.select([ours], [], [], 20)[0]:
        try:
            shown += os.read(ours, 4096).decode()
        except OSError:  # the other end is closed
            break
        if left and shown.rstrip().endswith(":"):
            # Only now is the echo off: what is typed before is shown, at any terminal.
            while termios.tcgetattr(ours)[3] & termios.ECHO:
                time.sleep(0.01)
            shown += "\n"
            os.write(ours, f"{left.pop(0)}\n".encode())
    os.close(ours)
    assert process.wait(20) == 0, shown
    return shown


# Last days


def test_a_last_day_is_kept_with_the_secret_and_shown() -> None:
    say("set", "basware", "--expires", "2027-03-01", stdin=VALUE)
    assert "basware  (until 2027-03-01)" in say("list").output
    say("expires", "basware", "2027-06-30")
    assert "(until 2027-06-30)" in say("list").output
    say("expires", "basware", "--never")
    assert "until" not in say("list").output


def test_a_new_value_has_a_last_day_of_its_own_and_the_one_before_keeps_its_own() -> None:
    say("set", "basware", "--expires", "2027-03-01", stdin=VALUE)
    say("rotate", "basware", stdin=f"{VALUE}-2")
    assert "until" not in say("list").output
    say("rotate", "basware", "--back")
    assert "(until 2027-03-01)" in say("list").output
    say("rotate", "basware", "--expires", "2028-03-01", stdin=f"{VALUE}-3")
    say("rotate", "basware", "--done")
    assert "(until 2028-03-01)" in say("list").output


def test_a_day_that_is_none_is_not_repeated() -> None:
    say("set", "basware", stdin=VALUE)
    assert "write it like 2027-03-01" in say("expires", "basware", VALUE, code=2).output
    assert "or --never" in say("expires", "basware", code=2).output
    said = say("rotate", "basware", "--back", "--expires", "2027-03-01", code=2).output
    assert "--expires belongs to a new value" in said


def test_a_vault_without_last_days_is_as_older_versions_read_it() -> None:
    say("set", "basware", stdin=VALUE)
    secret = Vault.open(Path("secrets.vault").absolute())._secrets["basware"]
    assert set(secret.dump()) == {"value", "changed", "previous"}
