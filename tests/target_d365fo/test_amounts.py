from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_d365fo.amounts import (
    in_currency,
    is_rounded_price,
    minor_units,
    price_of,
    round_half_up,
)

amounts = st.decimals(min_value=-(10**9), max_value=10**9, places=2)
quantities = st.decimals(min_value=Decimal("0.001"), max_value=10**6, places=3)


@given(net=amounts, quantity=quantities)
def test_quantity_times_price_is_the_net_amount_whatever_it_is_rounded_to(
    net: Decimal, quantity: Decimal
) -> None:
    price = price_of(net, quantity)

    product = price.quantity * price.unit_price / price.price_unit
    assert product == net
    assert price.unit_price >= 0
    assert price.price_unit > 0
    assert abs(price.quantity) == quantity
    assert net == 0 or (price.quantity < 0) == (net < 0)


@pytest.mark.parametrize(
    ("net", "quantity", "expected"),
    [
        ("100.00", "4", ("4", "25", "1")),
        ("100.00", "3", ("3", "100.00", "3")),
        ("-100.00", "4", ("-4", "25", "1")),
        ("-100.00", "-4", ("-4", "25", "1")),
        ("100.00", "-4", ("4", "25", "1")),
        ("100.00", "0", ("1", "100", "1")),
        ("0.00", "7", ("7", "0", "1")),
        ("12.34", "1000", ("1000", "0.01234", "1")),
        ("100000", "1", ("1", "100000", "1")),
    ],
)
def test_prices(net: str, quantity: str, expected: tuple[str, str, str]) -> None:
    price = price_of(Decimal(net), Decimal(quantity))

    found = (price.quantity, price.unit_price, price.price_unit)
    assert tuple(map(str, found)) == expected


@given(amount=amounts)
def test_binary_noise_is_taken_off_an_amount(amount: Decimal) -> None:
    noisy = amount + Decimal("0.0000000000002")

    assert in_currency(noisy, "EUR") == amount


@pytest.mark.parametrize(
    ("amount", "currency"), [("10.005", "USD"), ("10.5", "JPY"), ("1.0001", "KWD")]
)
def test_more_decimals_than_the_currency_has_are_refused(amount: str, currency: str) -> None:
    with pytest.raises(
        ValueError, match=rf"{amount} has more decimals than an amount in {currency}"
    ):
        in_currency(Decimal(amount), currency)


def test_minor_units() -> None:
    assert [minor_units(code) for code in ("EUR", "jpy", "KWD")] == [2, 0, 3]


def test_half_is_rounded_away_from_zero() -> None:
    assert [round_half_up(Decimal(x), 2) for x in ("0.005", "-0.005", "0.0049")] == [
        Decimal("0.01"),
        Decimal("-0.01"),
        Decimal("0.00"),
    ]


@given(cents=st.integers(1, 10**8), pieces=st.integers(1, 1000), places=st.integers(2, 6))
def test_a_price_that_was_only_rounded_is_recognised(cents: int, pieces: int, places: int) -> None:
    net = Decimal(cents) / 100
    rounded = round_half_up(net / pieces, places)

    assert is_rounded_price(net, Decimal(pieces), rounded)
    assert not is_rounded_price(net + pieces, Decimal(pieces), rounded)
