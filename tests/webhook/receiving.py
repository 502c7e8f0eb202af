"""A served webhook, and what a sender and a stranger can post to it."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
from sandbox.server import Sandbox
from tap_basware.inbox import Inbox
from tap_basware.webhook.serving import Webhook, WebhookServer
from tap_basware.webhook.settings import settings
from tap_basware.webhook.signature import HEADER, header_value

SECRET = "ad65-the-one-with-ö-in-it"


def payload(**changes: Any) -> dict[str, Any]:
    """A notification, as the reference has it; a change to None takes a field out."""
    expires = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    full = {
        "taskId": str(uuid.uuid4()),
        "taskStatus": "New",
        "taskType": "AccountingDocuments",
        "taskSubType": "WaitingForTransfer",
        "documentId": "63255782d0a04d8d8defcc6a0062101d",
        "expirationTime": expires,
    }
    return {name: value for name, value in (full | changes).items() if value is not None}


def encoded(notification: Mapping[str, Any]) -> bytes:
    return json.dumps(notification, ensure_ascii=False).encode()


def signed(body: bytes, secret: str = SECRET, form: str = "any") -> dict[str, str]:
    return {"Content-Type": "application/json", HEADER: header_value(secret, body, form)}


def noted(inbox_url: str) -> list[str]:
    """The documents in an inbox, in order."""
    with closing(Inbox.open(inbox_url)) as inbox:
        return [each.document_id for each in inbox.after(0, limit=100_000)]


@dataclass(repr=False)
class Server:
    """A webhook that is served in a thread."""

    url: str
    webhook: Webhook
    inbox_url: str
    ca_file: Path
    session: requests.Session = field(default_factory=requests.Session)

    def post(self, body: bytes, headers: Mapping[str, str], **kwargs: Any) -> requests.Response:
        verify = str(self.ca_file)
        return self.session.post(
            self.url, data=body, headers=headers, verify=verify, timeout=10, **kwargs
        )

    def send(self, **changes: Any) -> requests.Response:
        """Post a notification that Basware would sign."""
        body = encoded(payload(**changes))
        return self.post(body, signed(body))

    def get(self, path: str) -> requests.Response:
        base = self.url.rpartition("/")[0]
        return self.session.get(f"{base}{path}", verify=str(self.ca_file), timeout=10)

    def documents(self) -> list[str]:
        """The documents in the inbox, in order."""
        return noted(self.inbox_url)


@contextmanager
def served(sandbox: Sandbox, folder: Path, **given: Any) -> Iterator[Server]:
    """Serve a webhook over TLS on a free port."""
    inbox_url = given.setdefault("inbox_url", f"sqlite:///{folder}/inbox.db")
    config = settings(
        None,
        {
            "secret": f"plain:{SECRET}",
            "tls_certificate": str(sandbox.server_file),
            "port": 0,
            **given,
        },
    )
    webhook = Webhook.open(config)
    server = WebhookServer(webhook)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        found = Server(f"https://localhost:{port}/basware", webhook, inbox_url, sandbox.ca_file)
        try:
            yield found
        finally:
            found.session.close()
    finally:
        server.should_exit = True
        thread.join()
