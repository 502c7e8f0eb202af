"""A Singer tap with our manners: errors in words, and --test as a connection check."""

from __future__ import annotations

import signal
from abc import abstractmethod
from contextlib import nullcontext
from types import FrameType
from typing import IO, Any, ClassVar

import click
from singer_sdk import Tap
from singer_sdk import typing as th
from singer_sdk.helpers._util import load_json
from singer_sdk.helpers.capabilities import (
    CapabilitiesEnum,
    PluginCapabilities,
    TapCapabilities,
)
from singer_sdk.plugin_base import _ConfigInput

from singer_delivery.plugin import PlainErrors
from singer_delivery.progress import PROGRESS_SETTING, Progress, Standing
from singer_delivery.stopping import PROCESS, Stopped
from singer_delivery.writer import WholeLines


class ApiTap(PlainErrors, Tap):
    """Reads an API; `check_connection` is what --test runs."""

    # Neither BATCH nor ACTIVATE_VERSION: a stream says itself when it has read a whole table.
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        TapCapabilities.TEST,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    message_writer_class = WholeLines

    def __init__(self, **kwargs: Any) -> None:
        PROCESS.clear()
        super().__init__(**kwargs)

    @abstractmethod
    def check_connection(self) -> list[str]:
        """Get a token, read once, and return a line for each thing found.

        Raises DeliveryError that names what is missing.
        """

    # Final to the SDK, which offers no other place around the whole of it; nothing of it changes.
    def sync_all(self) -> None:  # type: ignore[misc]
        """Read all that is selected, and say now and then how far that is."""
        writer = self.message_writer
        together = writer if isinstance(writer, WholeLines) else nullcontext()
        with Progress(self._standing, self.config["progress_seconds"]), together:
            super().sync_all()

    def _standing(self) -> Standing:
        writer = self.message_writer
        records = writer.records.copy() if isinstance(writer, WholeLines) else {}
        return Standing(records, "written", {})

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """End soon, with exit code 1, and without a last STATE.

        The SDK would write one here, perhaps into the middle of another message, and end with 0.
        """
        PROCESS.request()
        stopped = Stopped(signal.Signals(signum).name)
        writer = getattr(self, "message_writer", None)
        if not isinstance(writer, WholeLines):
            raise stopped
        writer.stop(stopped)

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Let --test run with the catalog and with errors in words, like a sync.

        The SDK's --test selects every stream, which may ask for rights that nobody needs, and
        counts an empty list as a failure.
        """
        command = super().get_singer_command()
        for option in command.params:
            if option.name == "test":
                option.callback, option.expose_value = None, True
        return command

    @classmethod
    def invoke(  # type: ignore[override]
        cls,
        *,
        test: str = "disabled",
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        state: IO[str] | None = None,
        catalog: IO[str] | None = None,
    ) -> None:
        """Run the tap, or only check its connection and rights."""
        if test == "disabled" or about:
            super().invoke(
                about=about,
                about_format=about_format,
                config=config,
                state=state,
                catalog=catalog,
            )
            return
        given = config or _ConfigInput()
        tap = cls(
            config=given.config,
            catalog=None if catalog is None else load_json(catalog.read()),
            parse_env_config=given.parse_env,
        )
        if test == "schema":
            tap.write_schemas()
            return
        for line in tap.check_connection():
            cls.logger.info("Connection test passed: %s", line)

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add what all our taps have, and the SDK's settings of our own capabilities alone."""
        progress = th.PropertiesList(PROGRESS_SETTING).to_dict()["properties"]
        config_jsonschema["properties"] = {**progress, **config_jsonschema["properties"]}
        super(Tap, cls).append_builtin_config(config_jsonschema)
