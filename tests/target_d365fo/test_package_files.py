"""Data packages as files: what is read out of one is what went in."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sandbox.clock import Clock
from sandbox.d365fo.data_management import DataManagement as Dynamics
from sandbox.d365fo.data_management import _entities
from sandbox.d365fo.state import D365State
from sandbox.d365fo.switches import D365Switches
from target_d365fo.package import EntityRows, Form, is_writable, text_of, write_package

HEADER, LINE = "Vendor invoice header", "Vendor invoice line"
STATE = D365State(Clock(), D365Switches())
texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\ufffe\uffff").filter(
        lambda char: char >= " " or char in "\t\n\r"
    )
)
amounts = st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**15),
                      max_value=10**15)  # fmt: skip
rows = st.lists(
    st.fixed_dictionaries(
        {"HeaderReference": st.text("ABCDEFGH234567", min_size=20, max_size=20)},
        optional={
            "InvoiceNumber": texts,
            "InvoiceDescription": texts,
            "InvoiceAccount": texts,
            "ImportedAmount": amounts,
        },
    ),
    max_size=6,
)


def packed(header_rows: list[dict[str, Any]], lines: Any = (), **form: str) -> bytes:
    file = io.BytesIO()
    entities = [EntityRows(HEADER, "HEADERENTITY", 1, header_rows),
                EntityRows(LINE, "LINEENTITY", 2, lines)]  # fmt: skip
    write_package(file, Form(**form), entities)
    return file.getvalue()


def as_text(row: Mapping[str, Any]) -> dict[str, str]:
    return {name: text_of(value, Form()) for name, value in row.items()}


@given(rows)
def test_what_dynamics_reads_is_what_went_in(found: list[dict[str, Any]]) -> None:
    headers, lines = _entities(packed(found), STATE)

    assert headers.rows == [as_text(row) for row in found]
    assert (headers.level, lines.level, lines.rows) == (1, 2, [])


@given(amounts)
def test_an_amount_keeps_all_its_digits(amount: Decimal) -> None:
    text = text_of(amount, Form())

    assert Decimal(text) == amount
    assert "E" not in text


def test_dates_are_written_as_the_environment_wants_them() -> None:
    assert text_of("2026-01-31T12:00:00Z", Form()) == "2026-01-31 12:00:00"
    assert text_of("2026-01-31T12:00:00Z", Form(date_format="%d.%m.%Y")) == "31.01.2026"
    assert text_of("on 2026-01-31T12:00:00Z", Form()) == "on 2026-01-31T12:00:00Z"


@pytest.mark.parametrize("text", ["\x00", "\x07", "\x1f", "\ufffe", "a\x0bb"])
def test_what_xml_cannot_hold_is_told_ahead(text: str) -> None:
    assert not is_writable({"LineDescription": text})


@given(texts)
def test_what_xml_can_hold_is_taken(text: str) -> None:
    assert is_writable({"LineDescription": text, "NetAmount": Decimal(1)})


def test_a_field_that_is_no_name_is_told_ahead() -> None:
    assert not is_writable({"a b": "x"})


def test_the_manifest_names_project_entities_and_fields_once() -> None:
    content = packed([{"HeaderReference": "A", "Date": "x"}, {"HeaderReference": "B"}],
                     project="P&Q", source_format="My XML")  # fmt: skip

    with zipfile.ZipFile(io.BytesIO(content)) as package:
        assert sorted(package.namelist()) == [
            "Manifest.xml", "PackageHeader.xml", f"{HEADER}.xml", f"{LINE}.xml",
        ]  # fmt: skip
        manifest = ElementTree.fromstring(package.read("Manifest.xml"))
    words = [each.text for each in manifest.iter() if each.text]
    assert words.count("P&Q") == 2
    assert words.count("My XML") == 2
    assert words.count("HEADERREFERENCE") == 2  # as the entity's field, and as that of the file


def test_rows_are_written_as_they_come() -> None:
    """A package of many rows is never held as a whole."""
    waiting = 0

    def numbered() -> Any:
        nonlocal waiting
        for number in range(5_000):
            waiting += 1
            yield {"HeaderReference": f"{number:020d}"}
            waiting -= 1
            assert waiting == 0

    assert len(packed([], numbered())) < 500_000


def test_one_that_is_no_package_is_refused_by_the_sandbox() -> None:
    from sandbox.d365fo.errors import ODataError

    for content in (b"no zip", packed([{"NoSuchField": "x"}]), packed([], source_format="CSV")):
        with pytest.raises(ODataError, match="ImportFromPackage"):
            list(_entities(content, STATE))
    assert Dynamics(STATE, lambda: "https://localhost").executions == {}
