"""The tap."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

from singer_delivery.errors import SetupError
from singer_delivery.tap import ApiTap
from singer_sdk import typing as th

from tap_basware.client import BaswareClient
from tap_basware.resources import BY_STATUS, OTHERS, accounting_documents
from tap_basware.settings import TAP_SETTINGS
from tap_basware.streams import BaswareStream


class TapBasware(ApiTap):
    """Reads invoices, and what was posted to it, from the Basware Open API."""

    name = "tap-basware"
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(*TAP_SETTINGS).to_dict()

    @cached_property
    def client(self) -> BaswareClient:
        """The connection, with the least scopes that the selected streams need."""
        scopes = [stream.resource.scope for stream in self._selected()]
        return BaswareClient.connect(self.config, scopes, connections=1)

    def discover_streams(self) -> list[BaswareStream]:
        """Return all streams; without a catalog only the invoices are selected."""
        mode = self.config.get("accounting_documents_mode") or BY_STATUS
        invoices = accounting_documents(mode)
        others = [BaswareStream(self, resource) for resource in OTHERS]
        if not self.config.get("inbox_url"):
            return [BaswareStream(self, invoices), *others]
        if mode != BY_STATUS:
            msg = f"inbox_url and accounting_documents_mode {mode} exclude each other: unset one"
            raise SetupError(msg)
        # The inbox brings SQLAlchemy, which takes as long to load as half of the rest.
        from tap_basware.noted import NotedDocuments  # noqa: PLC0415

        return [NotedDocuments(self, invoices), *others]

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
