"""The table of facts is what Basware's OpenAPI document says."""

from __future__ import annotations

import json

from target_basware.masters import facts

from tests.reference import OPENAPI, reference_text
from tests.target_basware.masters.openapi_facts import drawn, folded


def test_the_table_is_the_document() -> None:
    document = drawn(json.loads(reference_text(OPENAPI)))
    assert facts.read() == folded(document)
    assert facts.table() == {
        entity: {field: facts.parse(fact) for field, fact in fields.items()}
        for entity, fields in document.items()
    }
