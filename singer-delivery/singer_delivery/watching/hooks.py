"""The ways by which news leaves: webhook, mail, a command, and the services that Apprise knows."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import smtplib
import ssl
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Protocol
from urllib.parse import SplitResult, unquote, urlsplit

from singer_delivery.errors import DeliveryError, SetupError
from singer_delivery.http import ApiSession, HttpOptions
from singer_delivery.origin import LOOPBACK, Origin
from singer_delivery.redaction import REDACTOR
from singer_delivery.secrets.references import reveal
from singer_delivery.watching.message import Message

#: Seconds that a hook may take.
PATIENCE = 30.0
#: Parts of an address that are long enough to be a secret, as in chat services' webhooks.
SECRET_PART = 12
SIGNATURE = "X-Singer-Delivery-Signature"
TIMESTAMP = "X-Singer-Delivery-Timestamp"


class HookFailed(DeliveryError):
    """A hook did not take the news; it is told again with the next look."""


class Hook(Protocol):
    """A way to tell."""

    @property
    def name(self) -> str:
        """What it is called in the log, and in the ledger."""
        ...

    @property
    def digest(self) -> bool:
        """Whether it takes all news of a look together."""
        ...

    def tell(self, messages: Sequence[Message]) -> None:
        """Pass news on. Raises DeliveryError where it was not taken, or nobody knows."""
        ...


def secret_address(text: str, setting: str) -> str:
    """Return an address that a setting holds or refers to, and keep it out of all logs.

    Raises SetupError.
    """
    address = reveal(text, setting)
    bare = address.partition("://")[2]
    REDACTOR.add(address)
    if "/" in bare.partition("?")[0].rstrip("/"):
        REDACTOR.add(address.partition("?")[0])  # as errors name it
    for part in re.split(r"[/?&=@:]", bare):
        if len(part) >= SECRET_PART and "." not in part:
            REDACTOR.add(part)
    return address


@dataclass(frozen=True)
class Webhook:
    """Posts each piece of news as JSON; https, or http to this machine.

    `token` goes along as a bearer token. With `secret`, the body is signed: hexadecimal
    HMAC-SHA256 of the timestamp header, a dot and the body.
    """

    url: str
    token: str = ""
    secret: str = ""
    ca_file: str | None = None
    name: str = "webhook"
    digest: bool = False
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        Origin.of(self.url)

    def tell(self, messages: Sequence[Message]) -> None:
        """Post news."""
        options = HttpOptions(
            read_timeout=PATIENCE, max_attempts=2, max_throttle_wait=PATIENCE, ca_file=self.ca_file
        )
        session = ApiSession(str(Origin.of(self.url)), options=options)
        try:
            for message in messages:
                text = f"{message.subject}\n{message.text}"
                body = json.dumps({**message.content, "text": text}).encode()
                answer = session.request("POST", self.url, data=body, headers=self._headers(body))
                if answer.status_code >= 300:
                    msg = f"the webhook answers {answer.status_code}, a redirect: give where to"
                    raise HookFailed(msg)
        finally:
            session.close()

    def _headers(self, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if self.secret:
            at = str(int(self.clock()))
            signed = hmac.new(self.secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
            headers |= {TIMESTAMP: at, SIGNATURE: f"sha256={signed.hexdigest()}"}
        return headers


@dataclass(frozen=True)
class Command:
    """Runs a program, without a shell, with each piece of news as JSON on its standard input."""

    argv: Sequence[str]
    name: str = "command"
    digest: bool = False

    def tell(self, messages: Sequence[Message]) -> None:
        """Run it, and wait for its end."""
        for message in messages:
            self._run(json.dumps(message.content).encode() + b"\n")

    def _run(self, given: bytes) -> None:
        try:
            done = subprocess.run(  # noqa: S603 - the operator's own command, without a shell
                list(self.argv), input=given, capture_output=True, timeout=PATIENCE, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            reason = getattr(error, "strerror", None) or f"no end within {PATIENCE:.0f} s"
            msg = f"the command {self.argv[0]} did not run: {reason}"
            raise HookFailed(msg) from None
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            words = f": {said[-1][:200]}" if said else ""
            msg = f"the command {self.argv[0]} ended with {done.returncode}{words}"
            raise HookFailed(REDACTOR.text(msg))


@dataclass(frozen=True)
class Mail:
    """Sends one mail with all news of a look, over TLS (to this machine also without).

    `server` is smtps://user:password@host or smtp://… (STARTTLS); `to` are addresses.
    """

    server: str
    sender: str
    to: Sequence[str]
    ca_file: str | None = None
    name: str = "mail"
    digest: bool = True

    def __post_init__(self) -> None:
        parts = _mail_server(self.server)
        for address in (self.sender, *self.to):
            if address.count("@") != 1 or any(c.isspace() or c in "<>,;" for c in address):
                msg = "alert_mail_from and alert_mail_to are addresses like ap@example.com"
                raise SetupError(msg)
        if parts.password:
            REDACTOR.add(unquote(parts.password))

    def tell(self, messages: Sequence[Message]) -> None:
        """Send the mail."""
        parts = _mail_server(self.server)
        mail = EmailMessage()
        more = f" (and {len(messages) - 1} more)" if len(messages) > 1 else ""
        mail["Subject"] = " ".join(f"{messages[0].subject}{more}".split())
        mail["From"], mail["To"] = self.sender, ", ".join(self.to)
        mail["Date"], mail["Message-ID"] = formatdate(), make_msgid(domain="singer-delivery")
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(f"\n{'-' * 70}\n\n".join(f"{m.subject}\n\n{m.text}" for m in messages))
        try:
            with self._connected(parts) as server:
                if parts.username:
                    server.login(unquote(parts.username), unquote(parts.password or ""))
                refused = server.send_message(mail)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            msg = f"no mail through {parts.hostname}: {_mail_words(error)}"
            raise HookFailed(msg) from None
        if refused:
            msg = f"{parts.hostname} refuses {len(refused)} of {len(self.to)} receivers"
            raise HookFailed(msg)

    def _connected(self, parts: SplitResult) -> AbstractContextManager[smtplib.SMTP]:
        host = parts.hostname or ""
        context = ssl.create_default_context(cafile=self.ca_file)
        if parts.scheme == "smtps":
            return smtplib.SMTP_SSL(host, parts.port or 465, timeout=PATIENCE, context=context)
        server = smtplib.SMTP(host, parts.port or 587, timeout=PATIENCE)
        try:
            server.ehlo()
            if server.has_extn("starttls") or host not in LOOPBACK:
                server.starttls(context=context)  # an error where the server has none
        except BaseException:
            server.close()
            raise
        return server


def _mail_server(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"smtp", "smtps"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        msg = "alert_smtp is not like smtps://user:password@mail.example.com or smtp://…:587"
        raise SetupError(msg)
    return parts


def _mail_words(error: Exception) -> str:
    """Say what went wrong without what the server repeats of the mail."""
    for kind, words in MAIL_ERRORS.items():
        if isinstance(error, kind):
            return words
    if isinstance(error, smtplib.SMTPResponseException):
        return f"it answers {error.smtp_code}"
    return getattr(error, "strerror", None) or type(error).__name__


#: What goes wrong with mails, the special before the general.
MAIL_ERRORS: Mapping[type[Exception], str] = {
    smtplib.SMTPAuthenticationError: "it refuses user or password",
    smtplib.SMTPNotSupportedError: "it offers no TLS, or no login; nothing is sent without",
    smtplib.SMTPRecipientsRefused: "it refuses all receivers",
    smtplib.SMTPSenderRefused: "it refuses the sender",
    ssl.SSLCertVerificationError: "its certificate is not trusted; see alert_ca_file",
}


@dataclass(frozen=True)
class Services:
    """Tells services such as Teams, Slack or PagerDuty by their Apprise URLs (extra `alerts`)."""

    urls: Sequence[str]
    name: str = "apprise"
    digest: bool = True

    def tell(self, messages: Sequence[Message]) -> None:
        """Tell all services; they are told again where one of them does not take it."""
        try:
            import apprise  # noqa: PLC0415
        except ImportError:
            msg = "apprise is not installed: install singer-delivery[alerts]"
            raise SetupError(msg) from None
        told = apprise.Apprise()
        for number, url in enumerate(self.urls, start=1):
            if not told.add(url):
                msg = f"alert_apprise: address {number} is none that Apprise knows"
                raise SetupError(msg)
        title = messages[0].subject if len(messages) == 1 else f"{len(messages)} alerts"
        body = "\n".join(
            m.text if len(messages) == 1 else f"{m.subject}\n{m.text}" for m in messages
        )
        if not told.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT):
            msg = "a service did not take it; the log has Apprise's own words"
            raise HookFailed(msg)
