"""The settings of `singer-delivery watch`, for its options, the environment and Meltano alike."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from singer_delivery.errors import SetupError
from singer_delivery.secrets.references import reveal
from singer_delivery.watching.hooks import (
    Command,
    Hook,
    Mail,
    Services,
    Webhook,
    secret_address,
)
from singer_delivery.watching.limits import Limits, parse_silence


@dataclass(frozen=True)
class Setting:
    """One setting; a whole number where `default` is one, else a text."""

    name: str
    label: str
    description: str
    default: int | str = ""
    sensitive: bool = False

    @property
    def variable(self) -> str:
        """The environment variable, as Meltano sets it for the utility."""
        return f"SINGER_DELIVERY_{self.name.upper()}"

    @property
    def option(self) -> str:
        """The option of the command line."""
        return f"--{self.name.replace('_', '-')}"


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "in_doubt_minutes",
        "In doubt",
        "Minutes after which a document that was sent and has no outcome is an alert; 0 for never.",
        Limits.in_doubt_minutes,
    ),
    Setting(
        "rejected_percent",
        "Mass rejection",
        "Per cent of the documents of a stream, or of a legal entity in it, that have to be "
        "rejected for an alert; 0 for none.",
        Limits.rejected_percent,
    ),
    Setting(
        "rejected_least",
        "Fewest rejections",
        "Fewer rejected documents than this are no mass rejection.",
        Limits.rejected_least,
    ),
    Setting(
        "rejected_hours",
        "Window of rejections",
        "Hours that a mass rejection is looked for in.",
        Limits.rejected_hours,
    ),
    Setting(
        "silence",
        "Silence",
        "Days without a document after which that is an alert, by legal entity (* for all "
        "together), and the weekdays that count: `*=3 mon-fri, demf=5, gulf=2 sun-thu`.",
        "*=3 mon-fri",
    ),
    Setting(
        "silence_streams",
        "Streams of silence",
        "Streams that silence is about, separated by blanks.",
        "vendor_invoices",
    ),
    Setting(
        "success_hours",
        "Success",
        "Hours in which a run of each plugin has to end well; 0 switches that off.",
        Limits.success_hours,
    ),
    Setting(
        "longest_run_hours",
        "Longest run",
        "Hours after which a run that is still at work is an alert; 0 for never.",
        Limits.longest_run_hours,
    ),
    Setting(
        "expiry_days",
        "Expiry",
        "Days before its end from which on a credential is an alert; 0 for none.",
        Limits.expiry_days,
    ),
    Setting(
        "watch_live",
        "Live systems",
        "Plugins whose own systems are asked as well, separated by blanks: basware-webhook for "
        "its subscriptions, target-d365fo for its certificate.",
    ),
    Setting(
        "muted_alerts",
        "Muted alerts",
        "Alerts that nobody is told of, separated by blanks: a kind, or kind:subject.",
    ),
    Setting(
        "remind_hours",
        "Reminder",
        "Hours after which an alert that has not ended is told again; 0 for never.",
        24,
    ),
    Setting(
        "alert_source",
        "Source",
        "What messages call this installation; without, the Meltano environment.",
    ),
    Setting(
        "runbook",
        "Runbook",
        "Address of the page with what to do; the kind of alert is added as its section.",
        "docs/monitoring.md",
    ),
    Setting(
        "alert_webhook",
        "Webhook",
        "Address that each alert is posted to as JSON (https), or where that is kept: vault:NAME.",
        sensitive=True,
    ),
    Setting(
        "alert_webhook_token",
        "Webhook's token",
        "Bearer token for the webhook, or where that is kept.",
        sensitive=True,
    ),
    Setting(
        "alert_webhook_secret",
        "Webhook's secret",
        "Secret that the webhook's bodies are signed with (HMAC-SHA256), or where that is kept.",
        sensitive=True,
    ),
    Setting(
        "alert_smtp",
        "Mail server",
        "smtps://user:password@host, or smtp://user:password@host:587 with STARTTLS, or where "
        "that is kept.",
        sensitive=True,
    ),
    Setting("alert_mail_from", "Sender", "Address that mails come from."),
    Setting("alert_mail_to", "Receivers", "Addresses that mails go to, separated by commas."),
    Setting(
        "alert_command",
        "Command",
        "Program that gets each alert as JSON on its standard input, with its arguments; no shell.",
    ),
    Setting(
        "alert_apprise",
        "Services",
        "Addresses of Teams, Slack and others as Apprise writes them, separated by blanks, or "
        "where each is kept: vault:teams vault:pager.",
        sensitive=True,
    ),
    Setting("alert_ca_file", "CA file", "PEM file with the CA of webhook and mail server."),
)


def limits(given: Mapping[str, Any]) -> Limits:
    """Return the thresholds that the settings say. Raises SetupError."""
    numbers = {
        name: given[name]
        for name in (
            *("in_doubt_minutes", "rejected_percent", "rejected_least", "rejected_hours"),
            *("success_hours", "longest_run_hours", "expiry_days"),
        )
    }
    return Limits(
        **numbers,
        silence=parse_silence(given["silence"]),
        silence_streams=tuple(given["silence_streams"].split()),
        muted=frozenset(given["muted_alerts"].split()),
    )


def hooks(given: Mapping[str, Any]) -> list[Hook]:
    """Return the hooks that are set. Raises SetupError."""
    found: list[Hook] = []
    ca_file = given["alert_ca_file"] or None
    if address := given["alert_webhook"]:
        found.append(
            Webhook(
                secret_address(address, "alert_webhook"),
                _revealed(given, "alert_webhook_token"),
                _revealed(given, "alert_webhook_secret"),
                ca_file,
            )
        )
    if given["alert_mail_to"] or given["alert_smtp"]:
        found.append(_mail(given, ca_file))
    if command := given["alert_command"]:
        found.append(Command(_argv(command)))
    if services := given["alert_apprise"].split():
        found.append(Services([secret_address(each, "alert_apprise") for each in services]))
    return found


def _mail(given: Mapping[str, Any], ca_file: str | None) -> Mail:
    missing = [
        name for name in ("alert_smtp", "alert_mail_from", "alert_mail_to") if not given[name]
    ]
    if missing:
        msg = f"for mails, {' and '.join(missing)} must be set as well"
        raise SetupError(msg)
    receivers = [each.strip() for each in given["alert_mail_to"].split(",") if each.strip()]
    server = _revealed(given, "alert_smtp")
    return Mail(server, given["alert_mail_from"].strip(), receivers, ca_file)


def _argv(text: str) -> list[str]:
    """Return the words of a command: a JSON list, as Meltano writes arrays, or as in a shell."""
    try:
        found = json.loads(text) if text.lstrip().startswith("[") else shlex.split(text)
    except ValueError:
        found = []
    if not found or not all(isinstance(each, str) and each for each in found):
        msg = 'alert_command is no command: write it like ["/opt/alert", "--team", "ap"]'
        raise SetupError(msg)
    return list(found)


def _revealed(given: Mapping[str, Any], name: str) -> str:
    return reveal(given[name], name) if given[name] else ""
