"""The cheque numbers of payments, as far as the environment shows them."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from singer_delivery.errors import AccessDenied, Refused

from tap_d365fo.client import Row
from tap_d365fo.natural_key import folded
from tap_d365fo.payments import Place, place_of
from tap_d365fo.reader import Reader

METHODS = "VendorPaymentMethods"
LINES = "VendorPaymentJournalLines"
CHEQUE = "Check"

logger = logging.getLogger(__name__)


class ChequeNumbers:
    """Looks up the lines of the payment journals; without them, the payment reference serves.

    Both are asked for only where the payment is by cheque, or may be. A set that is missing or
    forbidden is no error: the number is left out.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._lines_shown = all(reader.has(LINES, name) for name in ("CheckNumber", "Voucher"))
        self._methods: Mapping[tuple[str, ...], str] | None = None

    def of(self, payments: Sequence[Mapping[str, Any]]) -> dict[Place, str]:
        """Return the numbers of those payments that are cheques, by the payment's place."""
        types = {place_of(row): self._type(row) for row in payments}
        wanted = [row for row in payments if types[place_of(row)] in {CHEQUE, ""}]
        numbers = self._on_lines(wanted)
        found = {}
        for row in wanted:
            place = place_of(row)
            reference = str(row.get("PaymReference") or "") if types[place] == CHEQUE else ""
            known = numbers[folded(*_line_key(row).values(), row["AccountNum"])]
            number = known.pop() if len(known) == 1 else reference
            if number:
                found[place] = number
        return found

    def _type(self, payment: Mapping[str, Any]) -> str:
        """Return the PaymentType of a payment's method; empty where it is not known."""
        if self._methods is None:
            self._methods = {
                folded(row["dataAreaId"], row["Name"]): str(row["PaymentType"])
                for row in self._read_methods()
            }
        return self._methods.get(folded(payment["dataAreaId"], payment.get("PaymMode")), "")

    def _read_methods(self) -> list[Row]:
        if not self._reader.has(METHODS, "PaymentType"):
            return []
        try:
            return self._reader.table(METHODS, select=("dataAreaId", "Name", "PaymentType"))
        except (AccessDenied, Refused) as error:
            logger.warning("Which payments are cheques is not known: %s", error)
            return []

    def _on_lines(
        self, payments: Iterable[Mapping[str, Any]]
    ) -> defaultdict[tuple[str, ...], set[str]]:
        """Return the cheque numbers of journal lines, by the line's keys and the vendor."""
        found: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
        keys = [_line_key(row) for row in payments if row.get("JournalNum")]
        if not (keys and self._lines_shown):
            return found
        try:
            for line in self._lines(keys):
                if line["CheckNumber"]:
                    vendor = str(line.get("AccountDisplayValue") or "").replace("\\", "")
                    key = folded(*(line[name] for name in keys[0]), vendor)
                    found[key].add(str(line["CheckNumber"]))
        except (AccessDenied, Refused) as error:
            logger.warning("Cheque numbers are left out: %s", error)
            self._lines_shown = False
        return found

    def _lines(self, keys: Iterable[Mapping[str, str]]) -> list[Row]:
        fields = ("Voucher", "AccountDisplayValue", "CheckNumber")
        return list(self._reader.lookup(LINES, keys, fields))


def _line_key(payment: Mapping[str, Any]) -> dict[str, str]:
    return {
        "dataAreaId": str(payment["dataAreaId"]),
        "JournalBatchNumber": str(payment.get("JournalNum") or ""),
        "Voucher": str(payment["Voucher"]),
    }
