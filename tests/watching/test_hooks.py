"""Hooks against receivers that are really there: a web server, a mail server, a program."""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import Message as Mime
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from singer_delivery.errors import DeliveryError, SetupError
from singer_delivery.redaction import REDACTOR
from singer_delivery.watching import hooks
from singer_delivery.watching.alert import Alert, Kind, Severity
from singer_delivery.watching.hooks import (
    SIGNATURE,
    TIMESTAMP,
    Command,
    HookFailed,
    Mail,
    Services,
    Webhook,
    secret_address,
)
from singer_delivery.watching.message import Letterhead, Message, message
from singer_delivery.watching.telling import News, Occasion, Told

from tests.operator.office import IBAN
from tests.singer_delivery.web import Answer, Reset, ScriptedServer

NOW = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
HEAD = Letterhead("production", "https://wiki.example/ap")
STUCK = Alert(
    Kind.STUCK,
    "vendor_invoices",
    Severity.CRITICAL,
    "7 documents of vendor_invoices gave up",
    "Look whether it is in the target system",
    since=NOW,
    count=7,
    examples=["usmf INV-1: pay to " + IBAN, "usmf INV-2"],
)
PASSWORD = "hunter2-mail"  # not a real one


@pytest.fixture
def raised() -> Message:
    return message(News(Occasion.RAISED, STUCK, None), HEAD, NOW)


@pytest.fixture
def resolved() -> Message:
    before = Told(STUCK.name, STUCK.severity, STUCK.title, frozenset(), NOW, NOW)
    return message(News(Occasion.RESOLVED, None, before), HEAD, NOW)


# What is said


def test_a_message_says_what_since_when_how_many_and_what_to_do(raised: Message) -> None:
    assert raised.subject == "[production] CRITICAL: 7 documents of vendor_invoices gave up"
    assert raised.text.splitlines() == [
        "7 documents of vendor_invoices gave up.",
        "Since 2026-11-23 08:30 UTC.",
        "",
        "- usmf INV-1: pay to …0785",
        "- usmf INV-2",
        "- and 5 more",
        "",
        "What to do: Look whether it is in the target system.",
        "More: https://wiki.example/ap#stuck",
    ]
    assert IBAN not in json.dumps(raised.content)


def test_the_end_is_told_as_such(resolved: Message) -> None:
    assert resolved.subject == "[production] resolved: 7 documents of vendor_invoices gave up"
    assert resolved.content["event"] == "resolved"


# Webhook


def test_a_webhook_gets_json_with_token_and_signature(
    receiver: ScriptedServer, raised: Message
) -> None:
    url = f"{receiver.url}/hooks/T0/B0?sig=abc"
    Webhook(url, token="a-token", secret="a-secret", clock=lambda: 1000.9).tell([raised])

    [seen] = receiver.writes
    assert (seen.method, seen.path) == ("POST", "/hooks/T0/B0?sig=abc")
    assert seen.headers["Authorization"] == "Bearer a-token"
    assert seen.headers[TIMESTAMP] == "1000"
    signed = hmac.new(b"a-secret", b"1000." + seen.body, hashlib.sha256).hexdigest()
    assert seen.headers[SIGNATURE] == f"sha256={signed}"
    body = json.loads(seen.body)
    assert (body["version"], body["kind"], body["count"]) == (1, "stuck", 7)
    assert body["text"].startswith("[production] CRITICAL: 7 documents")


@pytest.mark.parametrize(
    "answer", [Answer(500), Answer(404), Answer(302, headers={"Location": "/x"}), Reset()]
)
def test_a_webhook_that_does_not_take_it(
    receiver: ScriptedServer, raised: Message, answer: Any
) -> None:
    receiver.play(answer)
    with pytest.raises(DeliveryError):
        Webhook(f"{receiver.url}/secret-path").tell([raised])
    assert len(receiver.writes) == 1  # what may have been told is told with the next look


def test_a_webhook_over_tls_with_a_private_ca(tmp_path: Path, raised: Message) -> None:
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    with ScriptedServer(tls=context) as server:
        with pytest.raises(DeliveryError, match="certificate"):
            Webhook(f"{server.url}/x").tell([raised])
        Webhook(f"{server.url}/x", ca_file=str(tmp_path / "ca.pem")).tell([raised])
        assert len(server.writes) == 1


def test_a_webhook_is_https() -> None:
    with pytest.raises(SetupError, match="only https is accepted"):
        Webhook("http://hooks.example/x")


def test_an_address_is_kept_out_of_logs() -> None:
    address = "https://hooks.example/services/T0123456789AB/xyzzyxyzzyxyzzy?sig=q1w2e3r4t5y6"
    assert secret_address(f"plain:{address}", "alert_webhook") == address
    said = REDACTOR.text(f"{address} and xyzzyxyzzyxyzzy and q1w2e3r4t5y6")
    assert said.count("[redacted]") == 3
    short = "https://hooks.example/T0/B0/s3cr3t"
    secret_address(f"plain:{short}?x=1", "alert_webhook")
    assert REDACTOR.text(f"POST {short}: 404") == "POST [redacted]: 404"
    secret_address("plain:https://plain.example/", "alert_webhook")
    assert REDACTOR.text("https://plain.example: 404") == "https://plain.example: 404"


# Command


def run(script: str, *messages: Message) -> None:
    Command([sys.executable, "-c", script]).tell(messages)


def test_a_command_gets_json_and_no_shell(
    tmp_path: Path, raised: Message, resolved: Message
) -> None:
    script = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read())"
    file = tmp_path / "it's $HOME; said"
    Command([sys.executable, "-c", script, str(file)]).tell([raised, resolved])
    events = [json.loads(line)["event"] for line in file.read_text().splitlines()]
    assert events == ["raised", "resolved"]


def test_a_command_that_fails_says_why(raised: Message) -> None:
    with pytest.raises(HookFailed, match="ended with 3: no more beepers") as caught:
        run(f"import sys; print('no more beepers {IBAN}', file=sys.stderr); sys.exit(3)", raised)
    assert IBAN not in str(caught.value)
    with pytest.raises(HookFailed, match="did not run: No such file"):
        Command(["/no/such/program"]).tell([raised])


# Mail


class Letterbox:
    """What a mail server takes."""

    def __init__(self) -> None:
        self.mails: list[Mime] = []

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any
    ) -> str:
        self.mails.append(message_from_bytes(envelope.content))
        return "250 OK"


class MailServer(Controller):
    """Listens on a port that is free."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@dataclass
class MailHouse:
    """Mail servers with a certificate for this machine."""

    ca_file: str
    context: ssl.SSLContext

    @contextmanager
    def serving(self, **options: Any) -> Iterator[tuple[Letterbox, str]]:
        """Serve; yields what is taken, and host:port."""
        box = Letterbox()
        server = MailServer(
            box, hostname="127.0.0.1", port=0, authenticator=_authenticated, **options
        )
        server.start()
        try:
            yield box, f"127.0.0.1:{server.port}"
        finally:
            server.stop()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> MailHouse:
    ca = trustme.CA()
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    return MailHouse(str(file), context)


def _authenticated(server: Any, session: Any, envelope: Any, how: str, given: Any) -> AuthResult:
    right = (given.login, given.password) == (b"ap", PASSWORD.encode())
    return AuthResult(success=right, handled=False)


def mail(server: str, ca_file: str | None = None) -> Mail:
    return Mail(server, "ap@example.com", ["clerk@example.com", "it@example.com"], ca_file)


@pytest.mark.parametrize("scheme", ["smtps", "smtp"])
def test_one_mail_with_all_news_over_tls(
    house: MailHouse, raised: Message, resolved: Message, scheme: str
) -> None:
    tls = {"ssl_context": house.context} if scheme == "smtps" else {"tls_context": house.context}
    starts_tls = scheme == "smtp"
    options = {**tls, "auth_required": starts_tls, "auth_require_tls": starts_tls}
    with house.serving(**options) as (box, place):
        server = f"{scheme}://ap:hunter2-m%61il@{place}"
        mail(server, house.ca_file).tell([raised, resolved])
        with pytest.raises(HookFailed, match="certificate is not trusted"):
            mail(server).tell([raised])

    [got] = box.mails
    assert got["Subject"].endswith("7 documents of vendor_invoices gave up (and 1 more)")
    assert got["To"] == "clerk@example.com, it@example.com"
    assert got["Auto-Submitted"] == "auto-generated"
    text = got.get_payload(decode=True).decode()
    assert "- usmf INV-2" in text
    assert "This has ended" in text
    assert IBAN not in text


def test_a_wrong_password_is_not_repeated(house: MailHouse, raised: Message) -> None:
    with house.serving(tls_context=house.context, auth_required=True) as (_, place):
        wrong = mail(f"smtp://ap:wrong-password@{place}", house.ca_file)
        with pytest.raises(HookFailed, match="it refuses user or password") as caught:
            wrong.tell([raised])
    assert "wrong-password" not in str(caught.value)


def test_without_tls_only_on_this_machine(
    house: MailHouse, raised: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    with house.serving() as (box, place):
        mail(f"smtp://{place}").tell([raised])
        assert len(box.mails) == 1
        monkeypatch.setattr(hooks, "LOOPBACK", frozenset())
        with pytest.raises(HookFailed, match="it offers no TLS"):
            mail(f"smtp://{place}").tell([raised])
        assert len(box.mails) == 1


def test_a_mail_server_that_is_not_there(raised: Message) -> None:
    with pytest.raises(HookFailed, match=r"no mail through 127\.0\.0\.1: Connection refused"):
        mail("smtp://127.0.0.1:1").tell([raised])


@pytest.mark.parametrize("server", ["mail.example.com", "https://mail.example.com", "smtp://"])
def test_what_is_no_mail_server(server: str) -> None:
    with pytest.raises(SetupError, match="alert_smtp is not like"):
        mail(server)


def test_what_is_no_address() -> None:
    with pytest.raises(SetupError, match="are addresses like"):
        Mail("smtp://localhost", "ap@example.com", ["clerk\nBcc: x@example.com"])


# Services

#: Apprise asks for a module that Python 3.13 no longer has.
old_module = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")


@old_module
def test_services_by_apprise(receiver: ScriptedServer, raised: Message) -> None:
    place = receiver.url.removeprefix("http://")
    Services([f"json://{place}/teams"]).tell([raised])
    [seen] = receiver.writes
    body = json.loads(seen.body)
    assert body["title"] == raised.subject
    assert "usmf INV-2" in body["message"]
    receiver.play(Answer(500))
    with pytest.raises(HookFailed, match="did not take it"):
        Services([f"json://{place}/teams"]).tell([raised])


@old_module
def test_an_address_that_apprise_does_not_know(raised: Message) -> None:
    with pytest.raises(SetupError, match="address 2 is none that Apprise knows") as caught:
        Services(["json://localhost", "nonsense://secret-token"]).tell([raised])
    assert "secret-token" not in str(caught.value)
