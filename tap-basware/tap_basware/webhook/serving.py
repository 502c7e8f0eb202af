"""Serves the webhook until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn
from prometheus_client import start_http_server
from singer_delivery.errors import SetupError
from singer_delivery.origin import LOOPBACK
from singer_delivery.secrets.references import reveal

from tap_basware.inbox import Inbox, InboxError
from tap_basware.notification import Notification
from tap_basware.webhook.app import Receiver, Rules
from tap_basware.webhook.group_commit import GroupCommit
from tap_basware.webhook.metrics import Metrics
from tap_basware.webhook.settings import kinds
from tap_basware.webhook.signing_secrets import SigningSecrets, secrets_of
from tap_basware.webhook.subscriptions import ALL, Kind
from tap_basware.webhook.trigger import Trigger, command_of

logger = logging.getLogger(__name__)

#: Requests at a time; further ones get a 503.
MOST_REQUESTS = 1000
#: Seconds that requests under way get to end on a stop.
LAST_REQUESTS = 5
FORGET_EVERY = timedelta(hours=1)
PROBE_EVERY = 5.0
LOOK_EVERY = 60.0


@dataclass
class News:
    """What follows when notifications have become durable."""

    metrics: Metrics
    trigger: Trigger | None
    run_on: Sequence[Kind]

    def tell(self, count: int, new: Sequence[Notification]) -> None:
        """Count them, and ask for a run where there is news for one."""
        self.metrics.noted.inc(len(new))
        self.metrics.repeated.inc(count - len(new))
        if self.trigger and any(map(self._starts_a_run, new)):
            self.trigger.fire()

    def _starts_a_run(self, notification: Notification) -> bool:
        kind = (notification.task_type, notification.task_sub_type)
        return kind in self.run_on or (kind[0], ALL) in self.run_on


@dataclass(repr=False)
class Webhook:
    """The receiver with all that belongs to it: inbox, metrics, and the run that it starts."""

    config: Mapping[str, Any]
    inbox: Inbox
    receiver: Receiver
    metrics: Metrics
    trigger: Trigger | None

    @classmethod
    def open(cls, config: Mapping[str, Any]) -> Webhook:
        """Open the inbox and read the secrets. Raises SetupError or InboxError."""
        secrets = SigningSecrets(lambda: secrets_of(config))
        run_on = kinds(config["run_on"], "run_on")
        metrics = Metrics()
        trigger = None
        if config.get("run"):
            command, delay = command_of(config["run"]), config["run_delay_seconds"]
            trigger = Trigger(command, metrics, delay, config["stop_seconds"])
        inbox = Inbox.open(reveal(config["inbox_url"], "inbox_url"))
        rules = Rules(
            signature_format=config["signature_format"],
            largest_body=config["largest_body_bytes"],
            accept_expired=config["accept_expired"],
            accept_unsigned_test=config["accept_unsigned_connection_test"],
            leeway=timedelta(seconds=config["clock_skew_seconds"]),
        )
        commit = GroupCommit(inbox.note, News(metrics, trigger, run_on).tell)
        return cls(config, inbox, Receiver(secrets, commit, rules, metrics), metrics, trigger)

    @asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        """Do all that goes on beside the requests, and end it in order."""
        works = [self._keep_probing(), self._keep_forgetting(), self._keep_looking()]
        if self.trigger:
            works.append(self.trigger.loop())
        tasks = [asyncio.create_task(work) for work in works]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.receiver.commit.close()
            self.inbox.close()

    async def _keep_probing(self) -> None:
        """Hold readiness to whether the inbox can be written."""
        while True:
            try:
                await asyncio.to_thread(self.inbox.probe)
            except InboxError as error:
                if self.receiver.ready:
                    logger.error("not ready: %s", error)
                self.receiver.ready = False
            else:
                if not self.receiver.ready:
                    logger.info("ready again: the inbox can be written")
                self.receiver.ready = True
            await asyncio.sleep(PROBE_EVERY)

    async def _keep_looking(self) -> None:
        """Let go of a secret that is forgotten, although nobody uses another one."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            await asyncio.to_thread(self.receiver.secrets.look_again)

    async def _keep_forgetting(self) -> None:
        """Remove what is older than its retention."""
        retention = timedelta(days=self.config["retention_days"])
        while True:
            with suppress(InboxError):  # the probe says so
                count = await asyncio.to_thread(self.inbox.forget, datetime.now(UTC) - retention)
                if count:
                    logger.info("%d notifications removed: older than %s", count, retention)
            await asyncio.sleep(FORGET_EVERY.total_seconds())


def serve(config: Mapping[str, Any]) -> None:
    """Serve until SIGTERM or SIGINT. Raises SetupError or InboxError before it listens."""
    webhook = Webhook.open(config)
    server = WebhookServer(webhook)
    if config.get("metrics_port") is not None:
        _serve_metrics(config, webhook.metrics)
    server.run()


def _server_config(webhook: Webhook) -> uvicorn.Config:
    """Return the server's settings for this webhook. Raises SetupError."""
    config = webhook.config
    path = config["path"]
    if not path.startswith("/") or "{" in path:
        msg = f"path is {path!r}: it begins with / and has no braces"
        raise SetupError(msg)
    found = uvicorn.Config(
        webhook.receiver.application(path, webhook.living),
        **_listening(config),
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        limit_concurrency=MOST_REQUESTS,
        timeout_graceful_shutdown=LAST_REQUESTS,
    )
    try:
        found.load()
    except (OSError, ssl.SSLError) as error:
        msg = f"tls_certificate or tls_key cannot be used: {getattr(error, 'strerror', error)}"
        raise SetupError(msg) from None
    return found


class WebhookServer(uvicorn.Server):
    """Says where it listens, once it does, and leaves no connection open behind it.

    Raises SetupError, when it is made, for settings that cannot be used.
    """

    def __init__(self, webhook: Webhook) -> None:
        super().__init__(_server_config(webhook))

    async def shutdown(self, sockets: Any = None) -> None:
        """Let requests end, then cut what is still connected: the loop closes with nothing open."""
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            if (transport := connection.transport) is not None:
                transport.abort()

    async def startup(self, sockets: Any = None) -> None:
        """Listen, and say where."""
        await super().startup(sockets)
        if self.should_exit:
            return
        scheme = "https" if self.config.is_ssl else "http"
        for server in self.servers:
            for each in server.sockets:
                host, port = each.getsockname()[:2]
                logger.info("listening at %s://%s:%d", scheme, host, port)


def _listening(config: Mapping[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {"host": config["host"], "port": config["port"]}
    behind_proxy = bool(config["behind_proxy"])
    options["proxy_headers"] = behind_proxy
    options["forwarded_allow_ips"] = config["trusted_proxies"] if behind_proxy else ""
    certificate = config.get("tls_certificate")
    if certificate:
        for name in ("tls_certificate", "tls_key"):
            if config.get(name) and not Path(config[name]).is_file():
                msg = f"{name}: there is no file {config[name]}"
                raise SetupError(msg)
        return options | {"ssl_certfile": certificate, "ssl_keyfile": config.get("tls_key")}
    if config["host"] not in LOOPBACK and not behind_proxy:
        msg = (
            f"host {config['host']} can be reached from other machines, and nothing is encrypted: "
            "set tls_certificate, or behind_proxy where a proxy in front serves TLS"
        )
        raise SetupError(msg)
    return options


def _serve_metrics(config: Mapping[str, Any], metrics: Metrics) -> None:
    host, port = config["metrics_host"], config["metrics_port"]
    try:
        server, _ = start_http_server(port, host, metrics.registry)
    except OSError as error:
        msg = f"metrics_port {port}: {error.strerror}"
        raise SetupError(msg) from None
    logger.info("metrics at http://%s:%d/metrics", host, server.server_port)
