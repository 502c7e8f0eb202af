"""Master data: which API a stream goes to, and what becomes of its records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ap_mapping import MappingHole
from singer_delivery.code_digest import code_digest
from singer_delivery.document import Document, fingerprint
from singer_delivery.errors import BadInput, Rejected, SetupError
from singer_delivery.recollections import ALWAYS, Days
from singer_delivery.sink import BulkSink
from singer_delivery.words import cut

from target_basware.master_courier import companies_of
from target_basware.masters import (
    KEYS,
    MAPPERS,
    Entity,
    check_entity,
    external_code,
    label,
)
from target_basware.masters.validity import Span, spanning, today
from target_basware.resources import LISTS, RESOURCES, Resource, named, resource

if TYPE_CHECKING:
    from target_basware.target import TargetBasware

Record = Mapping[str, Any]

#: What Basware sets itself; sent along, it would make a copy differ in each run.
SET_BY_BASWARE = frozenset({"lastUpdated", "buvid", "bucompid"})
LIST_KEY = "listKey"
#: Where an F&O record says which legal entity it belongs to.
LEGAL_ENTITY = ("dataAreaId", "LegalEntityId")
#: Streams of F&O's -> the API that most of their records go to; dimensions go where mapping.yml
#: sends them.
RESOURCE_OF: Mapping[str, str] = {
    "legal_entities": "companies",
    "main_accounts": "accounts",
    "tax_combinations": "taxCodes",
    "payment_terms": "paymentTerms",
    "exchange_rates": "exchangeRates",
    "vendors": "vendors",
    "purchase_order_headers": "matchingOrders",
    "purchase_order_lines": "matchingOrderLines",
}
DIMENSION_VALUES = "dimension_values"
LONGEST_LABEL = 120
#: Packages whose code decides what a record becomes.
DECIDING = ("target_basware", "ap_mapping", "singer_delivery")


class MasterSink(BulkSink):
    """Brings one stream's records into Basware, from F&O's shape or from Basware's own."""

    target: TargetBasware

    def __init__(self, target: TargetBasware, *args: Any, **kwargs: Any) -> None:
        """Find out what the stream's records are. Raises SetupError."""
        super().__init__(target, *args, **kwargs)
        self._resource = basware_resource(
            self.stream_name,
            self.original_schema.get("properties") or {},
            self.config.get("stream_resources") or {},
        )
        self._mark: str | None = None
        self._span = Span()
        if self._resource is None:
            # Now rather than at the first record: nothing can be done without the mapping.
            _ = target.mapping

    @property
    def mark(self) -> str:
        """Return a digest of the code, the mapping and the settings that decide."""
        if self._mark is None:
            self._mark = self._digest()
        return self._mark

    def _digest(self) -> str:
        code = code_digest(*DECIDING)
        if not code:
            return ""
        mapping = "" if self._resource else self.target.mapping.fingerprint
        keys = list(self.key_properties)
        return fingerprint([code, mapping, self.stream_name, self._resource, keys])

    @property
    def day(self) -> str:
        """The day on which records are mapped."""
        return today().isoformat()

    @property
    def days(self) -> Days:
        """The days on which the record that was mapped last becomes the same."""
        first, last = self._span.first, self._span.last
        return Days(str(first or ""), str(last or "")) if first or last else ALWAYS

    def documents(self, record: Record) -> Iterator[tuple[str, Document]]:
        """Yield what a record says to each API.

        Raises Rejected with the reason in words, BadInput where not even the key is there.
        """
        for entity in self._entities(record):
            yield entity.resource, self._document(entity, record)

    def rejected(self, record: Record, reason: str) -> tuple[str, Document]:  # noqa: ARG002
        """Return what can be said of a record that no API would take. Raises BadInput."""
        if self._resource is not None:
            entity = self._as_given(record, self._resource)
            key = str(entity.content[self._api(entity.resource).key])
            words = label(entity.resource, entity.content)
            return entity.resource, Document(key=key, payload=None, fingerprint="", label=words)
        keys = KEYS[self.stream_name]
        # A value that is shared by all legal entities names none.
        values = [str(record[name]) for name in keys if record.get(name)]
        if not values:
            msg = f"has a record of stream {self.stream_name} without its key {', '.join(keys)}"
            raise BadInput(msg)
        api = self._rejected_by(record)
        return api, Document(
            key=external_code(api, *values),
            payload=None,
            fingerprint="",
            label=cut(" ".join([self.stream_name, *values]), LONGEST_LABEL),
        )

    def _rejected_by(self, record: Record) -> str:
        """Return the API that would have got a record of F&O's, as far as that can be said."""
        if self.stream_name != DIMENSION_VALUES:
            return RESOURCE_OF.get(self.stream_name, self.stream_name)
        legal_entity = str(record.get("LegalEntityId") or "")
        dimension = self.target.mapping.for_legal_entity(legal_entity).dimension(
            str(record.get("FinancialDimension") or "")
        )
        return (dimension.import_api if dimension else None) or "costCenters"

    def _entities(self, record: Record) -> Iterable[Entity]:
        if self._resource is not None:
            entity = self._as_given(record, self._resource)
            if problems := check_entity(entity.resource, entity.content):
                raise Rejected("; ".join(problems))
            return [entity]
        try:
            with spanning() as self._span:
                return list(MAPPERS[self.stream_name](self.target.mapping, record))
        except MappingHole as hole:
            raise Rejected(str(hole)) from None

    def _as_given(self, record: Record, name: str) -> Entity:
        """Return an entity that came in Basware's own shape.

        Raises BadInput where it cannot be told which it is.
        """
        content = {
            field: value
            for field, value in _without_nulls(record).items()
            if field not in SET_BY_BASWARE and not field.startswith("_sdc_")
        }
        if name == "lists":
            name = f"{LISTS}{content.pop(LIST_KEY, '')}"
        elif name.startswith(LISTS):
            content.pop(LIST_KEY, None)
        key = self._api(name).key
        if content.get(key) in (None, ""):
            msg = f"has a record of stream {self.stream_name} without {key}"
            raise BadInput(msg)
        return Entity(name, content, "")

    def _api(self, name: str) -> Resource:
        api = resource(name)
        if api is None:
            msg = f"has a record of stream {self.stream_name} whose {LIST_KEY} names no list"
            raise BadInput(msg)
        return api

    def _document(self, entity: Entity, record: Record) -> Document:
        api, content = self._api(entity.resource), entity.content
        words = label(entity.resource, content)
        detail: dict[str, Any] = {"label": words}
        if api.by_company and (companies := companies_of(content)):
            detail["companies"] = companies
        if not api.patchable:
            detail["name"] = content.get("name")
        legal_entity = next((record[name] for name in LEGAL_ENTITY if record.get(name)), None)
        if legal_entity and self._resource is None:
            detail["legal_entity"] = str(legal_entity).lower()
        return Document(
            key=str(content[api.key]),
            payload=content,
            fingerprint=fingerprint(content),
            label=words,
            detail=detail,
            source=self.stream_name,
            scope=entity.scope,
        )


def takes(stream: str, given: Mapping[str, str]) -> bool:
    """Tell whether a stream holds master data, by its name or by the setting stream_resources."""
    return stream in given or stream in MAPPERS or named(stream) is not None


def basware_resource(
    stream: str, properties: Mapping[str, Any], given: Mapping[str, str]
) -> str | None:
    """Return the API that a stream's records are shaped for; None for records of F&O.

    Several names are both a stream of F&O's and an API of Basware's: the key fields among the
    `properties` of the SCHEMA tell. Raises SetupError where neither are there.
    """
    if stream in given:
        name = named(given[stream])
        if name is None:
            known = ", ".join((*RESOURCES, f"{LISTS}KEY"))
            msg = f"stream_resources: {given[stream]!r} is no API of Basware's: {known}"
            raise SetupError(msg)
        return name
    fields = KEYS.get(stream, ())
    if fields and set(fields) <= set(properties):
        return None
    name = named(stream)
    if name is not None and _key(name) in properties:
        return name
    expected = [", ".join(fields)] if fields else []
    expected += [_key(name)] if name else []
    msg = (
        f"the SCHEMA of stream {stream!r} has not the key {' or '.join(expected)}: its records "
        "cannot be told apart; if it is something else, name its API in stream_resources"
    )
    raise SetupError(msg)


def _key(name: str) -> str:
    return RESOURCES[name].key if name in RESOURCES else "externalCode"


def _without_nulls(value: Any) -> Any:
    """Return JSON without nulls, which say nothing to Basware (reference 4.1)."""
    match value:
        case Mapping():
            return {name: _without_nulls(item) for name, item in value.items() if item is not None}
        case list():
            return [_without_nulls(item) for item in value if item is not None]
        case _:
            return value
