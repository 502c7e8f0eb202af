"""Reading the sandbox's masters in tests of the composers."""

from __future__ import annotations

import io
from collections.abc import Sequence

from sandbox.d365fo.metadata import metadata_document
from sandbox.server import Sandbox
from tap_d365fo.client import Row
from tap_d365fo.entity_stream import Composer
from tap_d365fo.metadata import Metadata, parse_metadata
from tap_d365fo.reader import Reader


def metadata_of(sandbox: Sandbox) -> Metadata:
    """Return the sandbox's $metadata."""
    text, _ = metadata_document(sandbox.d365fo.model)
    return parse_metadata(io.BytesIO(text.encode()))


def without(metadata: Metadata, *entity_sets: str) -> Metadata:
    """Return the metadata of an environment that lacks these sets."""
    sets = {name: kind for name, kind in metadata.sets.items() if name not in entity_sets}
    return Metadata(metadata.types, sets, metadata.enums)


def composed(
    reader: Reader, entity_set: str, composer: Composer, *, select: Sequence[str] = ()
) -> list[Row]:
    """Return every row of a set as the composer completes it, page by page."""
    pages = reader.crawl(entity_set, select=select)
    return [row for page in pages for row in composer.compose(reader, page)]
