"""The target."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

from singer_delivery.errors import SetupError
from singer_delivery.origin import Origin
from singer_delivery.target import DeliveryTarget
from singer_sdk import typing as th
from singer_sdk.sinks import Sink
from tap_basware.client import BaswareClient
from tap_basware.regions import base_url

from target_basware.settings import TARGET_SETTINGS
from target_basware.sinks import SINKS

#: Reading is for the look at an invoice whose response was refused or whose answer was lost.
SCOPES = ("accountingDocuments.read", "accountingDocuments.write")
CONFIRMING = "requestStatus.read"


class TargetBasware(DeliveryTarget):
    """Tells Basware, through its Open API, what became of transferred invoices."""

    name = "target-basware"
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(*TARGET_SETTINGS).to_dict()

    @cached_property
    def client(self) -> BaswareClient:
        """The connection, with the least scopes that the settings need."""
        connections = self.config["max_connections"]
        return BaswareClient.connect(self.config, self.scopes, connections=connections)

    @property
    def scopes(self) -> tuple[str, ...]:
        """What the token is asked for."""
        return (*SCOPES, CONFIRMING) if self.config["confirm_request_status"] else SCOPES

    @property
    def system(self) -> str:
        """The origin of the API."""
        return str(Origin.of(base_url(self.config)))

    def check_connection(self) -> str:
        """Get a token and read one invoice; write nothing. Raises DeliveryError."""
        self.client.page("v1/accountingDocuments", {"pageSize": "1"}, "accountingDocuments")
        return f"{self.system} lets us read and answer invoices"

    def sink_for(self, stream_name: str) -> type[Sink]:
        """Return the sink of a stream. Raises SetupError for one that has none."""
        if stream_name not in SINKS:
            msg = f"target-basware has no sink for stream {stream_name!r}: it takes "
            raise SetupError(msg + ", ".join(SINKS))
        return SINKS[stream_name]
