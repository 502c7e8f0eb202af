"""An application proves itself in each way that Entra knows, over TLS, and says what is wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from sandbox.d365fo.tokens import CLIENT_ID, FederatedCredential
from sandbox.server import Sandbox
from singer_delivery.errors import AccessDenied, ApiError, SetupError, Unavailable
from tap_d365fo.credentials import certificate_credential, credential
from tap_d365fo.settings import build_client

NOW = datetime.now(UTC)
ISSUER, SUBJECT = "https://oidc.cluster.example/1", "system:serviceaccount:finance:meltano"
AUDIENCE = "api://AzureADTokenExchange"


def key(number: int = 0) -> rsa.RSAPrivateKey:
    return _key(number)


@cache
def _key(_number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(
    begin: timedelta = timedelta(days=-1), end: timedelta = timedelta(days=365), number: int = 0
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "meltano.contoso.example")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key(number).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + begin)
        .not_valid_after(NOW + end)
        .sign(key(number), hashes.SHA256())
    )


def pem(*parts: Any, password: str = "") -> str:
    """Private keys and certificates in one text."""
    encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    texts = [
        part.public_bytes(Encoding.PEM)
        if isinstance(part, x509.Certificate)
        else part.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
        for part in parts
    ]
    return b"".join(texts).decode()


def companies(config: dict[str, Any], **settings: Any) -> int:
    """Read over a connection with these settings."""
    given = {name: value for name, value in config.items() if name != "client_secret"}
    client = build_client({**given, **settings})
    client.sleep = lambda _: None
    try:
        return len(list(client.read("Companies")))
    finally:
        client.close()


class TestCertificate:
    """A private key whose certificate is registered."""

    def test_it_is_enough(self, environment: Sandbox, config: dict[str, Any]) -> None:
        registered = certificate()
        environment.d365fo.directory.certificates[CLIENT_ID] = [registered]

        found = companies(
            config, authentication="certificate", client_certificate=pem(key(), registered)
        )

        assert found == 2
        [asked] = environment.journal.requests("entra", "POST")
        assert b"client_secret" not in asked.body
        assert b"PRIVATE" not in asked.body

    def test_it_may_be_in_a_file_with_a_password(
        self, environment: Sandbox, config: dict[str, Any], tmp_path: Path
    ) -> None:
        registered = certificate()
        environment.d365fo.directory.certificates[CLIENT_ID] = [registered]
        file = tmp_path / "dynamics.pem"
        file.write_text(pem(certificate(number=1), registered, key(), password="p4ssword"))
        file.chmod(0o400)

        found = companies(
            config,
            authentication="certificate",
            client_certificate=f"file:{file}",
            client_certificate_password="plain:p4ssword",
        )

        assert found == 2

    def test_the_certificate_goes_along(self) -> None:
        """So that Entra may trust its subject and issuer (x5c), and a renewed one works."""
        registered = certificate()
        found = certificate_credential(pem(certificate(number=1), key(), registered), "", NOW)

        assert isinstance(found, dict)
        assert found["public_certificate"] == pem(registered)

    def test_one_that_is_not_registered_is_said_so(
        self, environment: Sandbox, config: dict[str, Any]
    ) -> None:
        given = pem(key(), certificate())
        with pytest.raises(AccessDenied, match=r"is not registered .* \(AADSTS700027\)"):
            companies(config, authentication="certificate", client_certificate=given)

    @pytest.mark.parametrize(
        ("text", "password", "words"),
        [
            ("", "", "holds no private key in PEM"),
            ("c4n4ry", "", "holds no private key in PEM"),
            (pem(certificate()), "", "holds no private key in PEM"),
            (pem(key()), "", "holds no certificate"),
            (pem(key(), certificate(number=1)), "", "belongs to none of the certificates"),
            (pem(key(), password="p4ssword"), "", "is encrypted; see client_certificate_password"),
            (pem(key()), "p4ssword", "is not encrypted; see client_certificate_password"),
            (pem(key(), password="p4ssword"), "wrong", "client_certificate_password is wrong"),
            (pem(ec.generate_private_key(ec.SECP256R1())), "", "takes RSA keys only"),
            (
                pem(key(), certificate(end=timedelta(days=-0.5))),
                "",
                r"has expired on \d{4}-\d\d-\d\d \d\d:\d\d UTC: register a new one",
            ),
            (
                pem(key(), certificate(begin=timedelta(days=1))),
                "",
                "is not valid before",
            ),
        ],
    )
    def test_what_is_wrong_with_it_is_said(self, text: str, password: str, words: str) -> None:
        with pytest.raises(SetupError, match=f"client_certificate.*{words}") as caught:
            certificate_credential(text, password, NOW)

        assert "c4n4ry" not in str(caught.value)
        assert "BEGIN" not in str(caught.value)

    def test_its_end_is_announced(self, caplog: pytest.LogCaptureFixture) -> None:
        certificate_credential(pem(key(), certificate(end=timedelta(days=31))), "", NOW)
        assert caplog.messages == []

        certificate_credential(pem(key(), certificate(end=timedelta(days=29))), "", NOW)
        assert "client_certificate expires on" in caplog.text


class TestWorkloadIdentity:
    """A token of another issuer, in a file that the platform renews."""

    @pytest.fixture
    def trusted(self, environment: Sandbox) -> Iterator[None]:
        environment.d365fo.directory.federated[CLIENT_ID] = [
            FederatedCredential(ISSUER, SUBJECT, key().public_key())
        ]
        return iter(())

    def token(self, number: int = 0, **claims: Any) -> str:
        about = {"iss": ISSUER, "sub": SUBJECT, "aud": [AUDIENCE], "exp": NOW.timestamp() + 600}
        return jwt.encode({**about, **claims}, key(number), algorithm="RS256")

    def test_it_is_enough(self, trusted: None, config: dict[str, Any], tmp_path: Path) -> None:
        file = tmp_path / "token"
        file.write_text(f"{self.token()}\n")

        found = companies(
            config, authentication="workload_identity", federated_token_file=str(file)
        )

        assert found == 2

    def test_azure_says_where_it_is(
        self,
        trusted: None,
        config: dict[str, Any],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        file = tmp_path / "token"
        file.write_text(self.token())
        monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(file))

        assert companies(config, authentication="workload_identity") == 2

    def test_it_is_read_anew_for_each_token(self, tmp_path: Path) -> None:
        file = tmp_path / "token"
        file.write_text("a.b.c")
        found = credential(
            {"authentication": "workload_identity", "federated_token_file": str(file)}
        )
        assert isinstance(found, dict)
        assert found["client_assertion"]() == "a.b.c"

        file.write_text("d.e.f")

        assert found["client_assertion"]() == "d.e.f"

    @pytest.mark.parametrize(
        ("claims", "words"),
        [
            ({"iss": "https://other.example"}, "has this issuer"),
            ({"sub": "system:serviceaccount:other:meltano"}, "has this subject"),
            ({"aud": "other"}, "has this audience"),
            ({"exp": 1}, "clock of this machine is wrong, or the federated token has expired"),
        ],
    )
    def test_what_entra_does_not_take_is_said(
        self,
        trusted: None,
        config: dict[str, Any],
        tmp_path: Path,
        claims: dict[str, Any],
        words: str,
    ) -> None:
        file = tmp_path / "token"
        file.write_text(self.token(**claims))

        with pytest.raises(AccessDenied, match=words):
            companies(config, authentication="workload_identity", federated_token_file=str(file))

    def test_a_forged_one_is_refused(
        self, trusted: None, config: dict[str, Any], tmp_path: Path
    ) -> None:
        file = tmp_path / "token"
        file.write_text(self.token(number=1))

        with pytest.raises(AccessDenied, match="AADSTS700027"):
            companies(config, authentication="workload_identity", federated_token_file=str(file))

    @pytest.mark.parametrize("content", [b"", b"no token", b"\xff", b"a.b." + b"c" * 70_000])
    def test_what_is_no_token_is_said(
        self, config: dict[str, Any], tmp_path: Path, content: bytes
    ) -> None:
        file = tmp_path / "token"
        file.write_bytes(content)

        with pytest.raises((SetupError, ApiError), match=r"holds no token \(JWT\)"):
            companies(config, authentication="workload_identity", federated_token_file=str(file))

    def test_without_a_file_it_says_where_one_comes_from(
        self, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AZURE_FEDERATED_TOKEN_FILE", raising=False)
        with pytest.raises(SetupError, match="nor the variable AZURE_FEDERATED_TOKEN_FILE"):
            companies(config, authentication="workload_identity")
        with pytest.raises(SetupError, match="/not/there cannot be read: No such file"):
            companies(config, authentication="workload_identity", federated_token_file="/not/there")


class TestManagedIdentity:
    """Azure vouches for the machine: nothing is kept here."""

    @pytest.fixture(autouse=True)
    def _platform(self, environment: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
        header = environment.d365fo.directory.identity_header
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{environment.entra_url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", header)
        for name in ("IDENTITY_SERVER_THUMBPRINT", "IMDS_ENDPOINT"):
            monkeypatch.delenv(name, raising=False)

    @pytest.mark.parametrize("way", ["managed_identity", "user_assigned_identity"])
    def test_it_is_enough(self, environment: Sandbox, config: dict[str, Any], way: str) -> None:
        assert companies(config, authentication=way) == 2

        [asked] = environment.journal.requests("entra")
        assert asked.query["resource"] == environment.d365fo_url
        assert asked.query.get("client_id") == (CLIENT_ID if way.startswith("user") else None)

    def test_an_identity_of_another_machine_is_said_so(
        self, environment: Sandbox, config: dict[str, Any]
    ) -> None:
        environment.d365fo.directory.identities.clear()

        with pytest.raises(AccessDenied, match="check that the identity is assigned to what this"):
            companies(config, authentication="user_assigned_identity")

    def test_outside_of_azure_it_says_so(
        self, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:1/msi/token")

        with pytest.raises(Unavailable, match="does this run in Azure, with an identity"):
            companies(config, authentication="managed_identity", max_attempts=1)

    def test_http_is_for_this_machine_alone(
        self, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("IDENTITY_ENDPOINT", "http://evil.example/msi/token")

        with pytest.raises(SetupError, match="must be an https address"):
            companies(config, authentication="managed_identity")


def test_a_way_that_is_none_is_named(config: dict[str, Any]) -> None:
    with pytest.raises(SetupError, match="authentication 'password': use one of client_secret, "):
        companies(config, authentication="password")
    with pytest.raises(SetupError, match="not set: client_secret"):
        companies(config)
    with pytest.raises(SetupError, match="not set: client_certificate"):
        companies(config, authentication="certificate")


def test_one_token_however_many_threads_ask(environment: Sandbox, config: dict[str, Any]) -> None:
    client = build_client(config)
    threads = [threading.Thread(target=lambda: list(client.read("Companies"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.close()

    assert len(environment.journal.requests("entra", "POST")) == 1
