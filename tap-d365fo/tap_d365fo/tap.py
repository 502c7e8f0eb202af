"""The tap's command line and settings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from singer_delivery.plugin import LEDGER_SETTING
from singer_delivery.tap import ApiTap
from singer_sdk import typing as th
from singer_sdk.singerlib import Catalog
from singer_sdk.streams import Stream

from tap_d365fo.connection import check_connection, check_streams
from tap_d365fo.discovery import streams_of
from tap_d365fo.entity_stream import D365Stream
from tap_d365fo.reader import Reader
from tap_d365fo.reading_settings import READING_SETTINGS, build_reader
from tap_d365fo.settings import CONNECTION_SETTINGS, build_client
from tap_d365fo.streams import TransferOutcomes


class TapD365FO(ApiTap):
    """Reads from Microsoft Dynamics 365 Finance & Operations, and what target-d365fo delivered."""

    name = "tap-d365fo"
    package_name = "tap-d365fo"
    dynamic_catalog = True
    config_jsonschema = th.PropertiesList(
        *CONNECTION_SETTINGS,
        LEDGER_SETTING,
        th.Property(
            "source_system",
            th.StringType,
            default="D365FO",
            title="Source system",
            description="Name under which outcomes are reported, at most 32 characters.",
        ),
        *READING_SETTINGS,
    ).to_dict()

    @cached_property
    def reader(self) -> Reader:
        """What the streams read with; connects when it is first used."""
        return build_reader(self.config, build_client(self.config, connections=1))

    def setup_mapper(self) -> None:
        """Give a run without catalog the outcomes alone: nothing is asked of the environment."""
        if self._input_catalog is None:
            outcomes = TransferOutcomes(tap=self)
            self._input_catalog = Catalog([(outcomes.name, outcomes._singer_catalog_entry)])
        super().setup_mapper()

    @property
    def streams(self) -> dict[str, Stream]:
        """The streams in the order in which they are to be read; the SDK sorts them by name."""
        if self._streams is None:
            self._streams = {}
            for stream in self.discover_streams():
                if self.input_catalog is not None:
                    stream.apply_catalog(self.input_catalog)
                self._streams[stream.name] = stream
        return self._streams

    def discover_streams(self) -> Sequence[Stream]:
        """Return what the environment offers; with a catalog, what is selected there.

        Nothing is asked of the environment when no stream of it is selected.
        """
        wanted = self._selected_names()
        outcomes = TransferOutcomes(tap=self)
        if wanted is None:
            return [*streams_of(self, None), outcomes]
        of_environment = [name for name in wanted if name != outcomes.name]
        found = streams_of(self, of_environment) if of_environment else []
        return [*found, outcomes] if outcomes.name in wanted else found

    def _selected_names(self) -> list[str] | None:
        if self.input_catalog is None:
            return None
        return [
            name
            for name, entry in self.input_catalog.items()
            if entry.metadata.resolve_selection().get((), True)
        ]

    def check_connection(self) -> list[str]:
        """Get a token, read once, and try each selected stream.

        Raises DeliveryError that names what is missing.
        """
        client = build_client(self.config)
        reached = check_connection(client)
        streams = [stream for stream in self.streams.values() if isinstance(stream, D365Stream)]
        return [reached, *check_streams(streams)]


if __name__ == "__main__":
    TapD365FO.cli()
