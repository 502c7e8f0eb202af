"""The day decides where dates are held against it, and on the days of its span nowhere."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_basware.masters import Entity
from target_basware.masters.dimension_values import dimension_value_entities
from target_basware.masters.main_accounts import account_entities
from target_basware.masters.validity import Span, spanning
from target_basware.masters.vendors import vendor_entities

from tests.target_basware.masters.rows import (
    EVER,
    MAPPING,
    NONE,
    TODAY,
    Row,
    account,
    bank,
    value,
    vendor,
)

NEAR = st.integers(-4, 4).map(lambda days: TODAY + timedelta(days=days))
DATES = st.one_of(st.sampled_from([NONE, EVER]), NEAR.map(lambda day: f"{day}T12:00:00Z"))
YES_NO = st.sampled_from(["Yes", "No"])


OVERRIDES = st.lists(
    st.builds(
        lambda **fields: fields,
        LegalEntityId=st.sampled_from(["usmf", "demf"]),
        IsSuspended=YES_NO,
        ActiveFrom=DATES,
        ActiveTo=DATES,
    ),
    max_size=2,
)
BANKS = st.lists(
    st.builds(
        lambda name, number, start, end: bank(
            VendorBankAccountId=name,
            IBAN="",
            BankAccountNumber=number,
            ActiveDate=start,
            ExpirationDate=end,
        ),
        st.sampled_from("AB"),
        st.sampled_from(["1", "2"]),
        DATES,
        DATES,
    ),
    max_size=3,
)
ROWS = st.one_of(
    st.tuples(st.just(vendor_entities), st.builds(lambda b: vendor(BankAccounts=b), BANKS)),
    *(
        st.tuples(
            st.just(mapper),
            st.builds(
                make,
                IsSuspended=YES_NO,
                ActiveFrom=DATES,
                ActiveTo=DATES,
                LegalEntityOverrides=OVERRIDES,
            ),
        )
        for mapper, make in ((account_entities, account), (dimension_value_entities, value))
    ),
)


def on(mapper: Any, row: Row, day: date) -> tuple[list[Entity], Span]:
    with spanning() as span:
        return list(mapper(MAPPING, row, day=day)), span


@given(ROWS, NEAR, NEAR)
def test_on_all_days_of_its_span_a_row_becomes_the_same(
    one: tuple[Any, Row], day: date, other: date
) -> None:
    mapper, row = one
    (entities, span), (others, _) = on(mapper, row, day), on(mapper, row, other)
    assert (span.first or day) <= day <= (span.last or day)
    if (span.first or other) <= other <= (span.last or other):
        assert entities == others


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [
        (NONE, EVER, None, None),
        ("2026-03-02", EVER, date(2026, 3, 2), None),
        ("2026-03-03", "2026-03-05", None, date(2026, 3, 2)),
        ("2026-02-01", "2026-03-02", date(2026, 2, 1), date(2026, 3, 2)),
        ("2026-02-01", "2026-03-01", date(2026, 3, 2), None),
    ],
)
def test_a_span_is_as_long_as_nothing_changes(
    start: str, end: str, first: date | None, last: date | None
) -> None:
    row = vendor(BankAccounts=[bank(ActiveDate=start, ExpirationDate=end)])
    assert on(vendor_entities, row, TODAY)[1] == Span(first, last)


def test_a_span_is_that_of_what_was_mapped_inside() -> None:
    row = vendor(BankAccounts=[bank(ActiveDate="2026-03-02", ExpirationDate=EVER)])
    with spanning() as outer:
        on(vendor_entities, row, TODAY)
    assert outer == Span()
