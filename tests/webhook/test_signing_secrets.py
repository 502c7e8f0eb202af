from __future__ import annotations

from pathlib import Path

import pytest
from sandbox.server import Sandbox
from singer_delivery.errors import SetupError
from singer_delivery.secrets.vault import editing
from tap_basware.webhook import signing_secrets
from tap_basware.webhook.signing_secrets import LOOK_AGAIN, SigningSecrets, secrets_of

from tests.webhook.receiving import SECRET, encoded, payload, served, signed


def test_a_vault_keeps_two_during_a_rotation(vault: Path) -> None:
    config = {"secret": "vault:hook"}
    assert secrets_of(config) == (SECRET,)
    with editing(vault) as opened:
        opened.set("hook", "the second secret")
    assert secrets_of(config) == ("the second secret", SECRET)
    with editing(vault) as opened:
        opened.forget_previous("hook")
    assert secrets_of(config) == ("the second secret",)


def test_a_previous_secret_may_be_set_by_hand() -> None:
    config = {"secret": "plain:the new one", "previous_secret": "plain:the old one"}
    assert secrets_of(config) == ("the new one", "the old one")


def test_without_a_secret_there_is_no_webhook() -> None:
    with pytest.raises(SetupError, match="set --random"):
        secrets_of({})


def test_it_looks_again_once_in_a_while() -> None:
    now, values = [0.0], [("a",)]
    secrets = SigningSecrets(lambda: values[0], lambda: now[0])
    assert not secrets.may_look_again
    now[0] += LOOK_AGAIN
    assert secrets.may_look_again
    assert not secrets.look_again()
    assert not secrets.may_look_again
    values[0] = ("b",)
    assert secrets.look_again()
    assert secrets.values == ("b",)


def test_secrets_that_cannot_be_read_any_more_stay() -> None:
    values = [("a",)]
    secrets = SigningSecrets(values.pop)

    def broken() -> tuple[str, ...]:
        raise SetupError("the vault is gone")

    secrets._read = broken
    assert not secrets.look_again()
    assert secrets.values == ("a",)


def test_a_rotation_needs_no_stop(
    sandbox: Sandbox, tmp_path: Path, vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_secrets, "LOOK_AGAIN", 0.0)
    body = encoded(payload())
    with served(sandbox, tmp_path, secret="vault:hook") as server:
        assert server.post(body, signed(body, "the second secret")).status_code == 401
        with editing(vault) as opened:
            opened.set("hook", "the second secret")
        assert server.post(body, signed(body, "the second secret")).status_code == 200
        assert server.post(body, signed(body, SECRET)).status_code == 200
        with editing(vault) as opened:
            opened.forget_previous("hook")
        assert server.post(body, signed(body, "a stranger's")).status_code == 401
        assert server.post(body, signed(body, SECRET)).status_code == 401
        assert server.post(body, signed(body, "the second secret")).status_code == 200
