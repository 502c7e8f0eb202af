"""Which streams an environment offers, in the order that works, and their JSON schemas."""

from __future__ import annotations

import fnmatch
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from singer_delivery.errors import SetupError
from singer_sdk.streams import Stream

from tap_d365fo.curated import CURATED
from tap_d365fo.dimension_values import DimensionValues
from tap_d365fo.entity_schema import Enums, entity_properties
from tap_d365fo.entity_stream import Curated, D365Stream, EntityStream
from tap_d365fo.filter_dialect import FilterProblem, check_filter
from tap_d365fo.metadata import EntitySet
from tap_d365fo.payment_stream import VendorPayments
from tap_d365fo.reader import Reader
from tap_d365fo.tax_combinations import TaxCombinations

if TYPE_CHECKING:
    from tap_d365fo.tap import TapD365FO

Offer: TypeAlias = Curated | type[D365Stream]
COMPOSED: Mapping[str, type[D365Stream]] = {
    "tax_combinations": TaxCombinations,
    "dimension_values": DimensionValues,
    "vendor_payments": VendorPayments,
}
#: What a target needs before what refers to it; the others follow.
ORDER = (
    "legal_entities",
    "currencies",
    "exchange_rates",
    "payment_terms",
    "tax_combinations",
    "main_accounts",
    "dimension_values",
    "vendors",
    "purchase_order_headers",
    "purchase_order_lines",
)
WILDCARDS = frozenset("*?[")
logger = logging.getLogger(__name__)


def streams_of(tap: TapD365FO, wanted: Collection[str] | None) -> list[Stream]:
    """Return the streams of the environment, only those `wanted` where it is given.

    Raises SetupError for a wanted one that the environment does not have, and for a filter that
    it would refuse.
    """
    reader = tap.reader
    entity_sets = _entity_sets(reader, tap.config.get("entity_sets") or ())
    filters = tap.config.get("filters") or {}
    offers: dict[str, Offer] = {offer.name: offer for offer in (*CURATED, *entity_sets)}
    offers |= COMPOSED
    if wanted is not None:
        offers |= {name: Curated(name, name) for name in wanted if _is_set(reader, name, offers)}
    _check_names(filters, reader, offers)
    names = [name for name in ORDER if name in offers]
    names += [name for name in offers if name not in ORDER]
    built = []
    for name in names if wanted is None else [name for name in names if name in wanted]:
        missing = _missing(reader, offers[name])
        if not missing:
            built.append(_stream(tap, offers[name], filters.get(name, "")))
        elif wanted is None:
            logger.info("Stream %s is not offered: the environment has no %s", name, missing)
        else:
            raise _gone(name, f"entity set {missing}")
    for name in wanted or ():
        if name not in offers:
            raise _gone(name, f"entity set {name}")
    return built


def _stream(tap: TapD365FO, offer: Offer, where: str) -> Stream:
    if isinstance(offer, Curated):
        entity = tap.reader.entity(offer.entity_set)
        enums = tap.reader.metadata.enums
        if where:
            _check(offer.name, where, entity, enums)
        return EntityStream(tap, offer, _schema(entity, enums, offer), where)
    return offer(tap=tap)


def _schema(entity: EntitySet, enums: Enums, curated: Curated) -> dict[str, Any]:
    properties = entity_properties(entity, enums)
    if curated.composer:
        properties |= curated.composer.properties
    schema = {"type": "object", "properties": properties, "required": list(entity.keys)}
    return schema | ({"description": curated.description} if curated.description else {})


def _entity_sets(reader: Reader, patterns: Sequence[str]) -> Iterator[Curated]:
    """Yield a stream for each other set that is named, or matches a pattern."""
    curated = {offer.entity_set for offer in CURATED}
    for pattern in patterns:
        if not WILDCARDS & set(pattern):
            reader.entity(pattern)
            yield Curated(pattern, pattern)
            continue
        found = fnmatch.filter(reader.metadata.sets, pattern)
        if not found:
            logger.warning("entity_sets: the environment has no entity set like %s", pattern)
        for name in found:
            if name not in curated and reader.entity(name).keys:
                yield Curated(name, name)


def _is_set(reader: Reader, name: str, offers: Collection[str]) -> bool:
    return name not in offers and reader.has(name)


def _missing(reader: Reader, offer: Offer) -> str:
    needed = (offer.entity_set,) if isinstance(offer, Curated) else offer.requires
    return next((name for name in needed if not reader.has(name)), "")


def _gone(name: str, what: str) -> SetupError:
    return SetupError(
        f"stream {name} is selected in the catalog, but the environment has no {what} (names are "
        "case-sensitive; a set also stays hidden without the right to it): discover again, or "
        "deselect it"
    )


def _check_names(filters: Mapping[str, str], reader: Reader, offers: Mapping[str, Any]) -> None:
    for name in filters:
        offer = offers.get(name)
        if offer is None and not reader.has(name):
            msg = f"filters: there is no stream {name!r}; streams are {', '.join(offers)}"
            raise SetupError(msg)
        if offer is not None and not isinstance(offer, Curated):
            msg = f"filters: {name} is composed of several entity sets and takes no filter"
            raise SetupError(msg)


def _check(name: str, where: str, entity: EntitySet, enums: Enums) -> None:
    try:
        check_filter(where, entity, enums)
    except FilterProblem as problem:
        msg = f"filters: {name}, {problem}"
        raise SetupError(msg) from None
