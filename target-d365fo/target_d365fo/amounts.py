"""Amounts in a currency's own decimals, and unit prices that multiply back to the net amount."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cache

#: ISO 4217 minor units where they are not two.
_WHOLE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THOUSANDTHS = "BHD IQD JOD KWD LYD OMR TND"
MINOR_UNITS = dict.fromkeys(_WHOLE.split(" "), 0) | dict.fromkeys(_THOUSANDTHS.split(" "), 3)
#: JSON numbers that were binary fractions on their way carry noise such as 1160.0000000000002.
NOISE = Decimal("0.000001")
#: Decimals that a unit price may have before it is given per several units instead.
PRICE_DECIMALS = 6


def minor_units(currency: str) -> int:
    """Return how many decimals an amount in this currency has."""
    return MINOR_UNITS.get(currency.upper(), 2)


def in_currency(amount: Decimal, currency: str) -> Decimal:
    """Return the amount in the currency's decimals; ValueError when it does not fit in them."""
    rounded = round_half_up(amount, minor_units(currency))
    if abs(amount - rounded) > NOISE:
        msg = f"{plain(amount)} has more decimals than an amount in {currency}"
        raise ValueError(msg)
    return rounded


def round_half_up(amount: Decimal, decimals: int) -> Decimal:
    """Round as book-keeping does: half away from zero."""
    return amount.quantize(_last_place(decimals), rounding=ROUND_HALF_UP)


@cache
def _last_place(decimals: int) -> Decimal:
    return Decimal(1).scaleb(-decimals)


def plain(amount: Decimal) -> str:
    """Return the amount without exponent, with the decimals that it has."""
    return format(amount, "f")


@dataclass(frozen=True)
class Price:
    """What F&O multiplies: net amount = quantity * unit_price / price_unit. The price is >= 0."""

    quantity: Decimal
    unit_price: Decimal
    price_unit: Decimal = Decimal(1)


def price_of(net: Decimal, quantity: Decimal) -> Price:
    """Return a price for which quantity * price is exactly the net amount.

    The quantity takes the sign of the amount, so that a credit has a negative quantity and a
    positive price. Where the division never ends, the price is the whole amount per so many
    units: 100.00 for 3 pieces is 100.00 per 3, not 33.33. Without a quantity it is 1.
    """
    if not net:
        return Price(quantity, Decimal(0))
    pieces = abs(quantity) or Decimal(1)
    signed = pieces if net > 0 else -pieces
    price = round_half_up(abs(net) / pieces, PRICE_DECIMALS)
    if price * pieces == abs(net):
        return Price(signed, price.normalize() + Decimal(0))
    return Price(signed, abs(net), pieces)


def is_rounded_price(net: Decimal, quantity: Decimal, unit_price: Decimal) -> bool:
    """Tell whether net / quantity, rounded, is this price: then the difference is no error."""
    exponent = unit_price.as_tuple().exponent
    decimals = max(-exponent, 0) if isinstance(exponent, int) else 0
    half = Decimal(1).scaleb(-decimals) / 2
    return abs(abs(quantity * unit_price) - abs(net)) <= abs(quantity) * half + NOISE
