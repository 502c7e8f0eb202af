"""Manners shared by all plugins: errors in plain words, and common settings."""

from __future__ import annotations

import functools
import gc
import os
from collections.abc import Callable, Mapping
from typing import Any

import click
from singer_sdk import typing as th
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.plugin_base import PluginBase

from singer_delivery import loaded, logs
from singer_delivery.bodies import MIB
from singer_delivery.errors import DeliveryError, SetupError
from singer_delivery.http import HttpOptions
from singer_delivery.notes import note_failure
from singer_delivery.redaction import REDACTOR
from singer_delivery.redaction import install as install_redaction
from singer_delivery.secrets.references import is_reference, reveal, secret_part
from singer_delivery.stopping import Stopped
from singer_delivery.telemetry import measured

HTTP_SETTINGS: tuple[th.Property[Any], ...] = (
    th.Property(
        "ca_file",
        th.StringType,
        title="CA file",
        description="PEM file with the certificate authority to trust, where it is a private one.",
    ),
    th.Property(
        "connect_timeout_seconds",
        th.IntegerType(minimum=1),
        default=int(HttpOptions.connect_timeout),
        title="Connect timeout",
        description="Seconds to wait for a connection.",
    ),
    th.Property(
        "read_timeout_seconds",
        th.IntegerType(minimum=1),
        default=int(HttpOptions.read_timeout),
        title="Read timeout",
        description="Seconds to wait for an answer.",
    ),
    th.Property(
        "max_attempts",
        th.IntegerType(minimum=1),
        default=HttpOptions.max_attempts,
        title="Attempts",
        description="How often a request that certainly was not carried out is tried.",
    ),
    th.Property(
        "max_throttle_wait_seconds",
        th.IntegerType(minimum=0),
        default=int(HttpOptions.max_throttle_wait),
        title="Longest throttling",
        description="Seconds that one request may spend waiting because the server asked for it "
        "(Retry-After); these waits do not count as attempts.",
    ),
    th.Property(
        "max_response_mib",
        th.IntegerType(minimum=1),
        default=int(HttpOptions.max_response_bytes / MIB),
        title="Longest answer",
        description="MiB of one answer, after decompression, that are read at most.",
    ),
)


LEDGER_SETTING: th.Property[Any] = th.Property(
    "ledger_url",
    th.StringType,
    default="sqlite:///delivery-ledger.db",
    title="Ledger",
    secret=True,
    description="Database URL of the ledger: a SQLite file (default, in the working folder), or "
    "postgresql://user:password@host/database for several hosts, or where that is kept, e.g. "
    "vault:ledger.",
)


def ledger_url(config: Mapping[str, Any]) -> str:
    """Return the database URL of the ledger. Raises SetupError where a reference leads nowhere."""
    return reveal(str(config["ledger_url"]), "ledger_url")


def http_options(config: Mapping[str, Any], *, connections: int = 8) -> HttpOptions:
    """Return the session limits that HTTP_SETTINGS describe."""
    given = {
        field: config[setting]
        for setting, field in (
            ("connect_timeout_seconds", "connect_timeout"),
            ("read_timeout_seconds", "read_timeout"),
            ("max_attempts", "max_attempts"),
            ("max_throttle_wait_seconds", "max_throttle_wait"),
        )
        if config.get(setting) is not None
    }
    if config.get("max_response_mib") is not None:
        given["max_response_bytes"] = config["max_response_mib"] * MIB
    return HttpOptions(connections=connections, ca_file=config.get("ca_file") or None, **given)


class PlainErrors(PluginBase):
    """Prints a DeliveryError as one line and exits with 1, instead of a traceback.

    Whatever it logs is without the values of its secret settings.
    """

    def __init__(self, *, config: Any = None, **kwargs: Any) -> None:
        self._keep_secret(config if isinstance(config, Mapping) else {})
        super().__init__(config=config, **kwargs)

    @classmethod
    def _keep_secret(cls, config: Mapping[str, Any]) -> None:
        """Keep plain secrets out of logs before anything, such as a validator, can repeat them."""
        for name, schema in cls.config_jsonschema["properties"].items():
            if not schema.get("secret"):
                continue
            for value in (config.get(name), os.environ.get(f"{cls._env_var_prefix}{name.upper()}")):
                if isinstance(value, str) and not is_reference(value):
                    REDACTOR.add(secret_part(value.removeprefix("plain:")))

    @classproperty
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805
        """What the environment sets. Raises SetupError for a value that is none of its type."""
        schema = cls.config_jsonschema
        cls.append_builtin_config(schema)
        try:
            return parse_environment_config(schema, cls._env_var_prefix)
        except ValueError:
            raise cls._unreadable(schema["properties"]) from None

    @classmethod
    def _unreadable(cls, settings: Mapping[str, Any]) -> SetupError:
        """Return the error that names the variables that cannot be read, and not their values."""
        wrong = []
        for name, schema in settings.items():
            try:
                parse_environment_config({"properties": {name: schema}}, cls._env_var_prefix)
            except ValueError:
                kinds = " or ".join(each for each in schema["type"] if each != "null")
                wrong.append(f"{cls._env_var_prefix}{name.upper()} is no {kinds}")
        return SetupError(f"the environment sets what cannot be read: {', '.join(wrong)}")

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the command line, with the errors of its run in words."""
        command = super().get_singer_command()
        if command.callback is not None:
            command.callback = cls._in_words(command.callback)
        for option in command.params:
            if option.name == "config" and option.callback is not None:
                option.callback = _readable(option.callback)
        return command

    @classmethod
    def _in_words(cls, callback: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(callback)
        def run(**kwargs: Any) -> Any:
            loaded.leave_alone()
            install_redaction()
            logs.prepare()
            _collect_seldom()
            try:
                with measured(cls.name):
                    return callback(**kwargs)
            except DeliveryError as error:
                cls.logger.error("%s", error)
                note_failure(cls.name, error)
                raise click.exceptions.Exit(1) from None
            except Stopped as stopped:
                # Not from the handler itself: it may have interrupted another line of the log.
                cls.logger.warning("%s: stopped before the end", stopped.signal_name)
                raise
            except BrokenPipeError:
                # The other end of the pipe is gone and has said why; there is nobody to write to.
                os._exit(1)

        return run


def _collect_seldom() -> None:
    """Have garbage looked for less often: records make many objects, and hardly one in a circle."""
    gc.set_threshold(20_000, 20, 20)


def _readable(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Turn a configuration file that is missing, or no JSON, into one line."""

    @functools.wraps(callback)
    def read(*args: Any) -> Any:
        try:
            return callback(*args)
        except (OSError, ValueError, TypeError) as error:
            # The text of a parser could repeat the file, secrets included.
            words = f"{error}" if isinstance(error, OSError) else "it is not a JSON object"
            msg = f"a configuration file cannot be read: {words}"
            raise click.ClickException(msg) from None

    return read
