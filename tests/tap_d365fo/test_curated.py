"""The curated streams agree with the environment's metadata, and their feeds lead to their rows."""

from __future__ import annotations

from itertools import chain

import pytest
from sandbox.seed import demo_world, small_world
from sandbox.server import Sandbox
from tap_d365fo.client import D365Client
from tap_d365fo.composers import ProductReceipts
from tap_d365fo.curated import CURATED
from tap_d365fo.dimension_values import DimensionValues
from tap_d365fo.entity_stream import ChangeFeed, Curated
from tap_d365fo.metadata import Metadata
from tap_d365fo.reader import Reader
from tap_d365fo.tax_combinations import TaxCombinations

from tests.tap_d365fo.masters import composed, metadata_of

MOMENT = "Edm.DateTimeOffset"
BY_NAME = {stream.name: stream for stream in CURATED}
FEEDS = [
    pytest.param(stream, feed, id=f"{stream.name}-{feed.entity_set}")
    for stream in CURATED
    for feed in stream.feeds
]


@pytest.fixture
def metadata(sandbox: Sandbox) -> Metadata:
    return metadata_of(sandbox)


def test_names_are_told_once_and_explained() -> None:
    assert len(BY_NAME) == len(CURATED)
    assert all(stream.description.endswith(".") for stream in CURATED)


def test_what_others_refer_to_comes_first() -> None:
    order = [stream.name for stream in CURATED]
    assert order[:8] == [
        "legal_entities",
        "currencies",
        "exchange_rates",
        "payment_terms",
        "main_accounts",
        "vendors",
        "purchase_order_headers",
        "purchase_order_lines",
    ]


@pytest.mark.parametrize("stream", CURATED, ids=lambda stream: stream.name)
def test_its_entity_set_has_what_the_stream_needs(stream: Curated, metadata: Metadata) -> None:
    entity = metadata.entity_set(stream.entity_set)
    assert entity.keys
    if stream.composer:
        assert set(stream.composer.needs) <= set(entity.properties)
        assert not set(stream.composer.properties) & set(entity.properties)
    if stream.replication_key:
        assert entity.properties[stream.replication_key] == MOMENT


@pytest.mark.parametrize("composed_stream", [DimensionValues, TaxCombinations])
def test_composed_streams_require_sets_that_exist(
    composed_stream: type[DimensionValues | TaxCombinations], metadata: Metadata
) -> None:
    assert set(composed_stream.requires) <= set(metadata.sets)


@pytest.mark.parametrize(("stream", "feed"), FEEDS)
def test_a_feed_gives_keys_of_the_stream(
    stream: Curated, feed: ChangeFeed, metadata: Metadata
) -> None:
    entity = metadata.entity_set(stream.entity_set)
    source = metadata.entity_set(feed.entity_set)
    assert entity.keys[: len(feed.keys)] == tuple(feed.keys)
    assert source.properties[feed.watermark] == MOMENT
    for ours, theirs in feed.keys.items():
        assert source.properties[theirs] == entity.properties[ours]


@pytest.mark.parametrize(("stream", "feed"), FEEDS)
def test_what_a_feed_shows_is_there(
    stream: Curated, feed: ChangeFeed, environment: Sandbox, client: D365Client
) -> None:
    environment.reset()
    environment.load(small_world())
    reader = Reader(client, metadata_of(environment), page_size=3)
    changed = list(chain.from_iterable(reader.crawl(feed.entity_set)))
    assert changed
    assert all(row[feed.watermark] > "2020" for row in changed)
    keys = [{ours: row[theirs] for ours, theirs in feed.keys.items()} for row in changed]
    rows = list(reader.lookup(stream.entity_set, keys))
    told = {tuple(key.values()) for key in keys}
    assert {tuple(row[name] for name in feed.keys) for row in rows} == told


def test_the_demo_has_orders_in_every_state(environment: Sandbox, client: D365Client) -> None:
    environment.reset()
    environment.load(demo_world(invoices=40, vendors=40))
    reader = Reader(client, metadata_of(environment))
    lines = composed(reader, "PurchaseOrderLinesV2", ProductReceipts())
    received: dict[str, set[str]] = {}
    for line in lines:
        quantity = sum(row["ReceivedPurchaseQuantity"] for row in line["ProductReceipts"])
        ordered = line["OrderedPurchaseQuantity"]
        share = "all" if quantity == ordered else "half" if quantity == ordered / 2 else "none"
        received.setdefault(line["PurchaseOrderLineStatus"], set()).add(share)
    assert received == {
        "Received": {"all"},
        "Invoiced": {"all"},
        "Backorder": {"half", "none"},
        "Canceled": {"none"},
    }
