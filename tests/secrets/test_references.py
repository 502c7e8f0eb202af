"""A secret setting may say where its secret is; what is wrong there is said without the secret."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from singer_delivery.errors import SetupError
from singer_delivery.redaction import REDACTOR
from singer_delivery.secrets import azure
from singer_delivery.secrets.keys import KeyFile
from singer_delivery.secrets.references import is_reference, reveal, secret_part
from singer_delivery.secrets.vault import Vault

from tests.secrets.conftest import Drawer

VALUE = "the-c4n4ry-itself"


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    vault = Vault.create(tmp_path / "secrets.vault", KeyFile.create(tmp_path / "k" / "key"))
    vault.set("basware", VALUE)
    vault.save()
    return vault


def secret_file(tmp_path: Path, content: bytes = VALUE.encode(), mode: int = 0o400) -> Path:
    file = tmp_path / "secret"
    file.write_bytes(content)
    file.chmod(mode)
    return file


def test_each_place_gives_the_secret(
    vault: Vault, tmp_path: Path, drawer: Drawer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_SECRET", VALUE)
    drawer.set_password("basware/eu", "client", VALUE)
    places = (
        "env:THE_SECRET",
        f"file:{secret_file(tmp_path, f'{VALUE}{os.linesep}'.encode())}",
        "keyring:basware/eu/client",
        "vault:basware",
        f"plain:{VALUE}",
        VALUE,
    )

    assert [reveal(place, "client_secret") for place in places] == [VALUE] * len(places)


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("env:NOT_THERE", "the environment variable NOT_THERE is not set"),
        ("env:EMPTY", "what it refers to is empty"),
        ("file:relative", "give the whole path"),
        ("file:/not/there", r"file /not/there cannot be read: No such file"),
        ("file:/", "is no file|cannot be read: Is a directory"),
        ("keyring:service", "say keyring:service/user"),
        ("keyring:service/nobody", "the keyring holds nothing under 'service' for 'nobody'"),
        ("vault:nothing", "has no secret 'nothing'; `singer-secrets set nothing` adds it"),
        ("plain:", "what it refers to is empty"),
        ("azure-keyvault:alone", "say azure-keyvault:vault/secret"),
        ("azure-keyvault:evil.example/secret", "evil.example is no host of Azure Key Vault"),
        ("azure-keyvault:vault.azure.net.evil.example/s", "is no host of Azure Key Vault"),
    ],
)
def test_what_is_wrong_is_said_with_the_setting(
    vault: Vault, drawer: Drawer, monkeypatch: pytest.MonkeyPatch, reference: str, words: str
) -> None:
    monkeypatch.setenv("EMPTY", "")

    with pytest.raises(SetupError, match=f"^client_secret: .*({words})"):
        reveal(reference, "client_secret")


def test_a_vault_that_is_not_there_says_how_to_make_one() -> None:
    with pytest.raises(SetupError, match=r"client_secret: vault .* is not there: `singer-secrets"):
        reveal("vault:basware", "client_secret")


@pytest.mark.parametrize("mode", [0o440, 0o444, 0o604, 0o620, 0o602, 0o777])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = secret_file(tmp_path, mode=mode)

    with pytest.raises(SetupError, match=f"can be read by others .mode {mode:04o}.: set its mode"):
        reveal(f"file:{file}", "client_secret")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    file = secret_file(tmp_path)
    os.chown(file, 12345, -1)

    with pytest.raises(SetupError, match="belongs to another user"):
        reveal(f"file:{file}", "client_secret")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize(("mode", "taken"), [(0o440, True), (0o460, False), (0o444, False)])
def test_a_file_of_root_may_be_lent_to_our_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, taken: bool
) -> None:
    """As Kubernetes mounts it with `fsGroup`, and systemd with LoadCredential."""
    reference = f"file:{secret_file(tmp_path, mode=mode)}"
    monkeypatch.setattr(os, "geteuid", lambda: 10001)

    if taken:
        assert reveal(reference, "client_secret")
    else:
        with pytest.raises(SetupError, match="can be read by others"):
            reveal(reference, "client_secret")


def test_a_file_is_text_and_short(tmp_path: Path) -> None:
    reference = f"file:{secret_file(tmp_path, bytes([255, 254]))}"
    with pytest.raises(SetupError, match="is no text in UTF-8"):
        reveal(reference, "client_secret")
    (tmp_path / "secret").unlink()
    secret_file(tmp_path, b"x" * 70_000)
    with pytest.raises(SetupError, match="is longer than 65536 bytes"):
        reveal(reference, "client_secret")


def test_links_that_lead_nowhere_are_no_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "loop")
    (tmp_path / "loop").symlink_to(tmp_path / "link")

    with pytest.raises(SetupError, match="cannot be read"):
        reveal(f"file:{tmp_path / 'loop'}", "client_secret")


def test_the_meltano_project_holds_the_vault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    vault = Vault.create(project / "secrets.vault", KeyFile.create(tmp_path / "k" / "key"))
    vault.set("basware", VALUE)
    vault.save()
    monkeypatch.setenv("MELTANO_PROJECT_ROOT", str(project))

    assert reveal("vault:basware", "client_secret") == VALUE


def test_a_changed_vault_is_read_anew(vault: Vault) -> None:
    assert reveal("vault:basware", "client_secret") == VALUE
    vault.set("basware", "another-value")
    vault.save()

    assert reveal("vault:basware", "client_secret") == "another-value"


def test_a_plain_value_works_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        assert reveal(VALUE, "client_secret") == VALUE

    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "client_secret is set to the secret itself" in record.getMessage()
    assert VALUE not in caplog.text


@pytest.mark.parametrize(
    "value", ["plain:x" * 3, "env:HOME", "sqlite:///ledger.db", "postgresql://user@host/db"]
)
def test_what_needs_no_warning_gets_none(value: str, caplog: pytest.LogCaptureFixture) -> None:
    reveal(value, "ledger_url")

    assert caplog.records == []


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("s3cret", "s3cret"),
        ("a+b", "a+b"),
        ("with://slashes", ""),
        ("sqlite:///ledger.db", ""),
        ("postgresql://user:p%40ss@host/db", "p@ss"),
        ("postgresql+psycopg://user:p@ss@host/db", "p@ss"),
        ("postgresql://user@host/db", ""),
    ],
)
def test_of_an_address_only_the_password_is_secret(value: str, part: str) -> None:
    assert secret_part(value) == part


def test_what_is_revealed_is_redacted_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_SECRET", "only-just-known")
    assert REDACTOR.text("only-just-known") == "only-just-known"

    reveal("env:THE_SECRET", "client_secret")

    assert REDACTOR.text("it is only-just-known!") == "it is [redacted]!"


def test_references_are_told_from_values() -> None:
    assert is_reference("vault:x")
    assert not is_reference("plain:x")
    assert not is_reference("a:vault:x")
    assert not is_reference("vaults:x")


class TestAzure:
    """Key Vault through its own library, which is an extra."""

    def test_without_the_extra_it_says_what_to_install(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "azure.identity", None)

        with pytest.raises(SetupError, match=r"install singer-delivery\[azure\]"):
            reveal("azure-keyvault:company/basware", "client_secret")

    @pytest.mark.parametrize(
        ("name", "asked"),
        [
            ("company/basware", ("https://company.vault.azure.net", "basware", None)),
            ("Company/basware/0a1b", ("https://company.vault.azure.net", "basware", "0a1b")),
            (
                "company.vault.usgovcloudapi.net/basware",
                ("https://company.vault.usgovcloudapi.net", "basware", None),
            ),
        ],
    )
    def test_the_vault_is_asked(
        self, name: str, asked: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls = []

        def read(*call: Any) -> str:
            calls.append(call)
            return VALUE

        monkeypatch.setattr(azure, "_read", read)

        assert reveal(f"azure-keyvault:{name}", "client_secret") == VALUE
        assert calls == [asked]
