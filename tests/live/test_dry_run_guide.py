"""The examples in docs/dry-run.md are what the commands print."""

from __future__ import annotations

import re

from tests.live.office import ROOT, Office
from tests.live.test_mapping_diff import OLD, mapping

GUIDE = ROOT / "docs" / "dry-run.md"


def example(name: str) -> str:
    pattern = rf"<!-- output: {re.escape(name)} -->\n```text\n(.*?)```\n<!-- /output -->"
    found = re.search(pattern, GUIDE.read_text("utf-8"), re.DOTALL)
    assert found
    return found[1]


def test_the_dry_run(office: Office) -> None:
    result = office.dry_run("--number", "INV-2")

    assert result.stdout == example("dry-run --number INV-2")


def test_the_mapping_diff(office: Office) -> None:
    office.post_invoices()
    new = mapping(
        office,
        ("US07: {sales_tax_group: US-CA, item", "US07: {sales_tax_group: US-NY, item"),
        ("  CR: {credit_note: true}\n", ""),
    )

    result = office.mapping_diff(OLD, new)

    assert result.stdout == example("mapping-diff")
