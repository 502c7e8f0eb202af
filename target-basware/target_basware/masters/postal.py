"""The address fields that F&O's legal entities and vendors share -> a Basware address."""

from __future__ import annotations

from collections.abc import Mapping

from singer_delivery.words import cut

from target_basware.masters.entity import Content, filled
from target_basware.masters.row import Row

LINES = 3
LONGEST_LINE = 200
LONGEST_PART = 50
COUNTRY_LENGTH = 2


def postal_address(row: Row, countries: Mapping[str, str], *, state: str) -> Content:
    """Return the postal address without its name and code; empty when the row has none.

    Free text is cut to what Basware takes. `state` is the field of the state or province,
    `countries` F&O's country codes -> ISO 3166, for rows that do not show the ISO code.
    """
    street = [line for line in row.text("AddressStreet").splitlines() if line.strip()]
    lines = [cut(line, LONGEST_LINE) for line in (*street[: LINES - 1], " ".join(street[2:]))]
    found = filled(
        **{f"addressLine{number}": line for number, line in enumerate(lines, 1)},
        streetName=cut(street[0], LONGEST_PART) if street else "",
        cityName=cut(row.text("AddressCity"), LONGEST_PART),
        postalZone=cut(row.text("AddressZipCode"), LONGEST_PART),
        poBox=cut(row.text("AddressPostBox"), LONGEST_PART),
        countrySubEntity=cut(row.text(state), LONGEST_PART),
        countryId=country(row, countries),
    )
    return found | {"addressType": "PostalAddress", "default": True} if found else {}


def country(row: Row, countries: Mapping[str, str]) -> str:
    """Return the ISO 3166 code of two letters, "" where it is not known."""
    region = row.text("AddressCountryRegionId")
    code = countries.get(region) or row.text("AddressCountryRegionISOCode") or region
    return code.upper() if len(code) == COUNTRY_LENGTH else ""
