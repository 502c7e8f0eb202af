"""The tap."""

from __future__ import annotations

from functools import cached_property
from typing import IO, Any, ClassVar

import click
from singer_delivery.plugin import PlainErrors
from singer_sdk import Tap
from singer_sdk import typing as th
from singer_sdk.helpers._util import load_json
from singer_sdk.helpers.capabilities import (
    CapabilitiesEnum,
    PluginCapabilities,
    TapCapabilities,
)
from singer_sdk.plugin_base import _ConfigInput

from tap_basware.client import BaswareClient
from tap_basware.resources import BY_STATUS, OTHERS, accounting_documents
from tap_basware.settings import TAP_SETTINGS
from tap_basware.streams import BaswareStream


class TapBasware(PlainErrors, Tap):
    """Reads invoices, and what was posted to it, from the Basware Open API."""

    name = "tap-basware"
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(*TAP_SETTINGS).to_dict()
    # Neither BATCH nor ACTIVATE_VERSION: a crawl is resumed in the middle, and by status it is
    # never the whole table.
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    @cached_property
    def client(self) -> BaswareClient:
        """The connection, with the least scopes that the selected streams need."""
        scopes = [stream.resource.scope for stream in self._selected()]
        return BaswareClient.connect(self.config, scopes, connections=1)

    def discover_streams(self) -> list[BaswareStream]:
        """Return all streams; without a catalog only the invoices are selected."""
        mode = self.config.get("accounting_documents_mode") or BY_STATUS
        return [BaswareStream(self, r) for r in (accounting_documents(mode), *OTHERS)]

    def check_connection(self) -> list[str]:
        """Get a token and read once per selected stream; return a line for each.

        Raises DeliveryError that names what is missing.
        """
        return [
            f"{stream.name}: readable{'' if stream.probe() else ', no records at the moment'}"
            for stream in self._selected()
        ]

    def _selected(self) -> list[BaswareStream]:
        streams = [s for s in self.streams.values() if isinstance(s, BaswareStream)]
        return [stream for stream in streams if stream.selected]

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Let --test run with the catalog and with errors in words, like a sync.

        The SDK's --test selects every stream, which would ask for scopes that nobody needs, and
        counts an empty list as a failure in Meltano's eyes.
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
        """Add the SDK's settings of our own capabilities; `Tap` would add those of all taps."""
        super(Tap, cls).append_builtin_config(config_jsonschema)
