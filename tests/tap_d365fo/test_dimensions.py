from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from singer_delivery.errors import Rejected, SetupError
from tap_d365fo.dimensions import DELIMITERS, DimensionFormats, escape, split

FORMATS = DimensionFormats.of(
    "BusinessUnit-Department-CostCenter", "MainAccount-BusinessUnit-Department", "Hyphen"
)


def test_segments_come_in_the_order_of_the_format_and_empty_ones_stay() -> None:
    assert FORMATS.default({"CostCenter": "CC002", "BusinessUnit": "BU01"}) == "BU01--CC002"
    assert FORMATS.default({"BusinessUnit": "001"}) == "001--"
    assert FORMATS.ledger("605150", {"Department": "024"}) == "605150--024"


def test_names_compare_without_letter_case() -> None:
    assert FORMATS.default({"businessunit": "001"}) == "001--"


def test_no_dimension_at_all_is_an_empty_text() -> None:
    assert FORMATS.default({"BusinessUnit": ""}) == ""


def test_a_delimiter_in_a_value_is_escaped() -> None:
    assert FORMATS.default({"BusinessUnit": "US-108"}) == r"US\-108--"


def test_a_dimension_that_the_format_lacks_is_rejected_by_name() -> None:
    with pytest.raises(Rejected, match=r"Project .*ledger dimension format MainAccount-Business"):
        FORMATS.ledger("605150", {"Project": "P1"})


def test_without_an_active_format_the_setup_is_wrong() -> None:
    formats = DimensionFormats.of("", "MainAccount", "-")

    assert formats.default({}) == ""
    with pytest.raises(SetupError, match="no default dimension format is active"):
        formats.default({"BusinessUnit": "001"})


def test_an_unknown_delimiter_is_named() -> None:
    with pytest.raises(SetupError, match=r"Slash.*Hyphen"):
        DimensionFormats.of("A", "B", "Slash")


def test_a_ledger_text_is_read_back() -> None:
    assert FORMATS.parse_ledger(r"605150-US\-108-024") == (
        "605150",
        {"BusinessUnit": "US-108", "Department": "024"},
    )
    assert FORMATS.parse_ledger("605150") == ("605150", {"BusinessUnit": "", "Department": ""})


def test_more_segments_than_the_format_has_are_an_error() -> None:
    with pytest.raises(ValueError, match="more segments"):
        FORMATS.parse_default("1-2-3-4")


@given(
    st.sampled_from(sorted(DELIMITERS.values())),
    st.lists(st.text("ab-._|~\\ ", max_size=6), min_size=3, max_size=3),
)
def test_what_is_rendered_reads_back(delimiter: str, values: list[str]) -> None:
    formats = DimensionFormats.of(delimiter.join("ABC"), "MainAccount", delimiter)
    given_values = dict(zip("ABC", values, strict=True))
    try:
        text = formats.default(given_values)
    except Rejected:
        # only half a double delimiter at the end of a value cannot be told apart
        assert len(delimiter) == 2
        assert any(value.endswith(delimiter[0]) for value in values)
        return

    assert formats.parse_default(text) == given_values


@given(st.sampled_from(sorted(DELIMITERS.values())), st.text("ab-._|~\\"))
def test_a_value_alone_reads_back(delimiter: str, value: str) -> None:
    assume(len(delimiter) == 1 or not value.endswith(delimiter[0]))

    assert split(escape(value, delimiter), delimiter) == [value]
