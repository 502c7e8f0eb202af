"""Settings of `basware-webhook`, read and checked as those of a plugin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from singer_delivery.command_line import settings_file
from singer_delivery.errors import SetupError
from singer_delivery.plugin import HTTP_SETTINGS, PlainErrors
from singer_sdk import typing as th
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities
from singer_sdk.plugin_base import PluginBase

from tap_basware.settings import CONNECTION_SETTINGS, INBOX_SETTING
from tap_basware.tap import TapBasware
from tap_basware.webhook.signature import ANY, FORMATS

RECEIVER_SETTINGS: tuple[th.Property[Any], ...] = (
    th.Property(
        INBOX_SETTING,
        th.StringType,
        default="sqlite:///basware-inbox.db",
        secret=True,
        title="Inbox",
        description="Database URL of the inbox: sqlite:///path/to/inbox.db, or "
        "postgresql://user:password@host/database for several receivers, or where that is kept.",
    ),
    th.Property(
        "secret",
        th.StringType,
        secret=True,
        title="Secret",
        description="Secret that Basware signs notifications with, best as vault:NAME: then "
        "`rotate` changes it without a stop.",
    ),
    th.Property(
        "previous_secret",
        th.StringType,
        secret=True,
        title="Previous secret",
        description="The secret before, accepted as well while you change it by hand; a vault "
        "keeps it by itself.",
    ),
    th.Property(
        "url",
        th.StringType,
        title="URL",
        description="Public address of this webhook, which Basware posts to; https.",
        examples=["https://hooks.example.com/basware"],
    ),
    th.Property(
        "subscriptions",
        th.ArrayType(th.StringType),
        default=["AccountingDocuments/WaitingForTransfer"],
        title="Subscriptions",
        description="What to be notified of: task type, or task type/sub type.",
        examples=[["AccountingDocuments/WaitingForTransfer", "RequestStatus/Error"]],
    ),
    th.Property(
        "host",
        th.StringType,
        default="127.0.0.1",
        title="Host",
        description="Address to listen on.",
    ),
    th.Property(
        "port",
        th.IntegerType(minimum=0, maximum=65535),
        default=8443,
        title="Port",
        description="Port to listen on; 0 takes a free one.",
    ),
    th.Property(
        "path",
        th.StringType,
        default="/basware",
        title="Path",
        description="Path of the webhook. /healthz and /readyz are beside it.",
    ),
    th.Property(
        "tls_certificate",
        th.StringType,
        title="TLS certificate",
        description="PEM file with the certificate chain to serve with.",
    ),
    th.Property(
        "tls_key",
        th.StringType,
        title="TLS key",
        description="PEM file with its private key, where that is not in the same file.",
    ),
    th.Property(
        "behind_proxy",
        th.BooleanType,
        default=False,
        title="Behind a proxy",
        description="A proxy in front serves TLS: listen without it, also on other addresses than "
        "this machine's own.",
    ),
    th.Property(
        "trusted_proxies",
        th.StringType,
        default="127.0.0.1",
        title="Trusted proxies",
        description="Addresses or networks, separated by commas, whose X-Forwarded-For is "
        "believed; it only shows in the log.",
    ),
    th.Property(
        "signature_format",
        th.StringType,
        default=ANY,
        allowed_values=list(FORMATS),
        title="Signature format",
        description="How Basware writes the signature down; its documentation does not say, so any "
        "form of the right 32 bytes is accepted by default.",
    ),
    th.Property(
        "accept_unsigned_connection_test",
        th.BooleanType,
        default=False,
        title="Accept unsigned connection tests",
        description="Answer a ConnectionTest without a signature, should Basware send it so; "
        "nothing else is accepted without one.",
    ),
    th.Property(
        "accept_expired",
        th.BooleanType,
        default=False,
        title="Accept expired notifications",
        description="Note notifications whose expirationTime has passed, too.",
    ),
    th.Property(
        "clock_skew_seconds",
        th.IntegerType(minimum=0),
        default=300,
        title="Clock skew",
        description="Seconds that Basware's clock and this one may be apart.",
    ),
    th.Property(
        "largest_body_bytes",
        th.IntegerType(minimum=1024),
        default=65536,
        title="Largest body",
        description="Bytes of a notification that are read at most; real ones have about 300.",
    ),
    th.Property(
        "retention_days",
        th.IntegerType(minimum=1),
        default=90,
        title="Retention",
        description="Days that the inbox keeps a notification.",
    ),
    th.Property(
        "metrics_port",
        th.IntegerType(minimum=0, maximum=65535),
        title="Metrics port",
        description="Port for Prometheus, at /metrics; none when not set.",
    ),
    th.Property(
        "metrics_host",
        th.StringType,
        default="127.0.0.1",
        title="Metrics host",
        description="Address that Prometheus is answered on.",
    ),
    th.Property(
        "run",
        th.StringType,
        title="Run",
        description="Command to start after notifications; none when an orchestrator looks into "
        "the inbox.",
        examples=["meltano run invoices-noted"],
    ),
    th.Property(
        "run_on",
        th.ArrayType(th.StringType),
        default=["AccountingDocuments"],
        title="Run on",
        description="Notifications to start it after: task type, or task type/sub type.",
    ),
    th.Property(
        "run_delay_seconds",
        th.IntegerType(minimum=0),
        default=5,
        title="Run delay",
        description="Seconds to wait for more notifications before a run starts.",
    ),
    th.Property(
        "stop_seconds",
        th.IntegerType(minimum=0),
        default=60,
        title="Time to stop",
        description="Seconds that a run under way gets to end when the webhook is stopped.",
    ),
)

#: Those that are the tap's own; where they are not set here, TAP_BASWARE_… is taken.
SHARED_SETTINGS: tuple[th.Property[Any], ...] = (
    *(each for each in CONNECTION_SETTINGS if each.name != "storage_hosts"),
    *HTTP_SETTINGS,
)


class BaswareWebhook(PlainErrors, PluginBase):
    """The settings of the webhook."""

    name = "basware-webhook"
    package_name = "tap-basware"
    capabilities: ClassVar[list[CapabilitiesEnum]] = [PluginCapabilities.ABOUT]
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        *RECEIVER_SETTINGS, *SHARED_SETTINGS
    ).to_dict()

    def _setup_signal_handlers(self) -> None:
        """Leave signals to the server."""


def settings(file: Path | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings: command line, then environment, file, and what the tap has set.

    Raises SetupError.
    """
    names = {INBOX_SETTING, *(each.name for each in SHARED_SETTINGS)}
    shared = {name: value for name, value in TapBasware._env_var_config.items() if name in names}
    from_file = settings_file(file) if file else {}
    own = BaswareWebhook._env_var_config
    explicit = {name: value for name, value in given.items() if value is not None}
    config = {**shared, **from_file, **own, **explicit}
    try:
        return dict(BaswareWebhook(config=config).config)
    except ConfigValidationError as error:
        raise SetupError("; ".join(error.errors)) from None


def kinds(texts: Sequence[str], setting: str) -> list[tuple[str, str]]:
    """Return pairs of task type and sub type, "All" where it is not named. Raises SetupError."""
    pairs = [tuple(part.strip() for part in text.split("/")) for text in texts]
    wrong = [text for text, pair in zip(texts, pairs, strict=True) if not _is_kind(pair)]
    if wrong:
        msg = f"{setting}: {wrong[0]!r} is not like AccountingDocuments/WaitingForTransfer"
        raise SetupError(msg)
    return [(pair[0], pair[1] if len(pair) > 1 else "All") for pair in pairs]


def _is_kind(pair: Sequence[str]) -> bool:
    return len(pair) in {1, 2} and all(part.isalnum() for part in pair)
