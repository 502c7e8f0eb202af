"""The target."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

from ap_mapping import Mapping, MappingError, load_mapping
from singer_delivery.bulk import BulkOptions
from singer_delivery.errors import DeliveryError, LedgerError, SetupError
from singer_delivery.origin import Origin
from singer_delivery.target import DeliveryTarget
from singer_delivery.throttle import Gate
from singer_sdk import typing as th
from singer_sdk.sinks import Sink
from tap_basware.client import BaswareClient
from tap_basware.regions import base_url

from target_basware.master_courier import MasterCourier
from target_basware.master_sink import MasterSink, takes
from target_basware.request_status import RequestDesk
from target_basware.resources import LISTS, RESOURCES, resource
from target_basware.settings import TARGET_SETTINGS
from target_basware.sinks import SINKS

#: Reading is for the look at an invoice whose response was refused or whose answer was lost.
SCOPES = ("accountingDocuments.read", "accountingDocuments.write")
CONFIRMING = "requestStatus.read"
ACKNOWLEDGING = "requestStatus.write"


class TargetBasware(DeliveryTarget):
    """Keeps Basware's master data in step with an ERP, and tells it what became of invoices."""

    name = "target-basware"
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(*TARGET_SETTINGS).to_dict()

    def __init__(self, **kwargs: Any) -> None:
        self._clients: dict[tuple[str, ...], BaswareClient] = {}
        self._gate = Gate()
        super().__init__(**kwargs)

    def client_for(self, *scopes: str) -> BaswareClient:
        """Return the connection whose token is asked for these scopes, and no others."""
        if scopes not in self._clients:
            connections = self.config["max_connections"]
            self._clients[scopes] = BaswareClient.connect(
                self.config, scopes, connections=connections, gate=self._gate
            )
        return self._clients[scopes]

    @property
    def client(self) -> BaswareClient:
        """The connection for invoices and what is told of them."""
        return self.client_for(*SCOPES)

    @cached_property
    def desk(self) -> RequestDesk | None:
        """Where to ask what became of a write; None where the settings want no confirmation.

        It has tokens of its own: a client that lacks these scopes can deliver all the same.
        """
        if not self.config["confirm_request_status"]:
            return None
        acknowledge = self.config["acknowledge_errors"]
        return RequestDesk(
            self.client_for(CONFIRMING),
            longest_wait=self.config["confirm_wait_seconds"],
            acknowledger=self.client_for(ACKNOWLEDGING) if acknowledge else None,
        )

    @cached_property
    def mapping(self) -> Mapping:
        """The mapping; raises SetupError naming file, line and remedy."""
        file = self.config.get("mapping_file")
        if not file:
            msg = (
                "a stream of records in the shape of F&O comes in, and mapping_file is not set: "
                "give the path of mapping.yml"
            )
            raise SetupError(msg)
        try:
            return load_mapping(file)
        except MappingError as error:
            raise SetupError(str(error)) from None

    @property
    def system(self) -> str:
        """The origin of the API."""
        return str(Origin.of(base_url(self.config)))

    @property
    def bulk_options(self) -> BulkOptions:
        """How master data are delivered."""
        return replace(
            super().bulk_options,
            confirm=self.config["confirm_request_status"],
            confirm_wait=float(self.config["confirm_wait_seconds"]),
        )

    def courier_for(self, stream: str) -> MasterCourier:
        """Return the way to one import API. Raises SetupError."""
        api = resource(stream)
        if api is None:
            msg = f"Basware has no import API {stream!r}"
            raise SetupError(msg)
        return MasterCourier(api, self.client_for(api.write_scope), self.desk)

    def check_connection(self) -> str:
        """Get a token and read one invoice; write nothing. Raises DeliveryError."""
        confirming = (CONFIRMING,) if self.config["confirm_request_status"] else ()
        client = self.client_for(*SCOPES, *confirming)
        client.page("v1/accountingDocuments", {"pageSize": "1"}, "accountingDocuments")
        scopes = dict.fromkeys(api.write_scope for api in RESOURCES.values())
        return (
            f"{self.system} lets us read and answer invoices. Master data need a scope for each "
            f"kind that is sent: {', '.join(scopes)}, {LISTS[:-1]}.write"
        )

    def sink_for(self, stream_name: str) -> type[Sink]:
        """Return the sink of a stream. Raises SetupError for one that has none."""
        if stream_name in SINKS:
            return SINKS[stream_name]
        if takes(stream_name, self.config.get("stream_resources") or {}):
            return MasterSink
        msg = (
            f"target-basware has no sink for stream {stream_name!r}: it takes "
            f"{', '.join(SINKS)}, and master data under the names of tap-d365fo's streams or of "
            f"Basware's APIs ({', '.join(RESOURCES)}, {LISTS}KEY); any other name can be given "
            "one in stream_resources"
        )
        raise SetupError(msg)

    def process_endofpipe(self) -> None:
        """Deliver what is left; requests in error are acknowledged once they are recorded."""
        try:
            super().process_endofpipe()
        except LedgerError:
            raise
        except DeliveryError:
            self._acknowledge()
            raise
        self._acknowledge()

    def _acknowledge(self) -> None:
        if self.desk is not None:
            self.desk.acknowledge()
