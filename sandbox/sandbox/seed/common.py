"""Small things that every part of the seed uses: stable codes, dates, rounding, names."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.seed.world import Row

#: The day of the seed: masters carry this stamp, documents follow it second by second.
SEED_TIME = datetime(2026, 3, 2, 6, 0, 0, tzinfo=UTC)


def code32(*parts: object) -> str:
    """32 hex digits that depend on nothing but `parts`."""
    text = "\x1f".join(str(part) for part in parts)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:32]


def stamp(moment: datetime) -> str:
    """2026-03-02T06:00:00.000Z, as Basware writes a moment."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def day(value: date) -> str:
    """2026-03-02T00:00:00Z, as Basware writes a date."""
    return f"{value.isoformat()}T00:00:00Z"


def noon(value: date) -> str:
    """2026-03-02T12:00:00Z, as F&O writes a date."""
    return f"{value.isoformat()}T12:00:00Z"


def later(days: int) -> date:
    """The day of the seed plus `days`."""
    return SEED_TIME.date() + timedelta(days=days)


def rounded(amount: Decimal, decimals: int) -> Decimal:
    """Commercially rounded to a currency's decimals."""
    return amount.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def names(text: str) -> list[Row]:
    """A name as Basware's masters hold it; en-US must always be among the languages."""
    return [{"translation": text, "language": "en-US"}]


def active_in(company_codes: Iterable[str], *, inherit: bool | None = None) -> list[Row]:
    """The companies of a master record; some record types also want `inherit`."""
    extra = {} if inherit is None else {"inherit": inherit}
    return [{"companyCode": code, "active": True} | extra for code in company_codes]
