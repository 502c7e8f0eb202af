"""The tap's command line and settings."""

from __future__ import annotations

from collections.abc import Sequence

from singer_delivery.plugin import LEDGER_SETTING
from singer_delivery.tap import ApiTap
from singer_sdk import typing as th
from singer_sdk.streams import Stream

from tap_d365fo.connection import check_connection
from tap_d365fo.settings import CONNECTION_SETTINGS, build_client
from tap_d365fo.streams import STREAMS


class TapD365FO(ApiTap):
    """Reads from Microsoft Dynamics 365 Finance & Operations, and what target-d365fo delivered."""

    name = "tap-d365fo"
    package_name = "tap-d365fo"
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
    ).to_dict()

    def discover_streams(self) -> Sequence[Stream]:
        """Return every stream; nothing is asked of the environment."""
        return [stream(tap=self) for stream in STREAMS]

    def check_connection(self) -> list[str]:
        """Get a token and read once; raises DeliveryError that names what is missing.

        The stream itself comes from the ledger: reading it would prove nothing.
        """
        return [check_connection(build_client(self.config))]


if __name__ == "__main__":
    TapD365FO.cli()
