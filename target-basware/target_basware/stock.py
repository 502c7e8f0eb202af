"""What Basware has that a mapping is about, read for a draft without writing anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import Any, TypeVar

from ap_mapping.stock import BaswareStock, TaxCode, TermCode, Terms
from singer_delivery.errors import DeliveryError
from singer_delivery.live import configured
from tap_basware.client import BaswareClient, Record

from target_basware.target import TargetBasware

DOCUMENTS = "accountingDocuments"
#: Those that wait come first, since they are what a run meets next.
STATUSES = ("WaitingForTransfer", "TransferInProgress", "Transferred", "Paid")
#: Invoices that are read at most.
INVOICES = 500
#: Generic lists under the keys that P2P gives them by default; others cannot be listed.
LISTS = tuple(f"ACC_LIST_{number}" for number in range(1, 11))
BY_RULE = 1

Kind = TypeVar("Kind")


def take_stock(config: Mapping[str, Any], *_: Any) -> BaswareStock:
    """Return what there is; empty settings: those of the environment. Raises DeliveryError.

    What the API client may not read is told in the notes.
    """
    target = configured(TargetBasware, config)
    notes: list[str] = []
    invoices = tuple(islice(_invoices(target.client), INVOICES + 1))
    if len(invoices) > INVOICES:
        notes.append(f"Basware has more invoices than the {INVOICES} that were read.")
    return BaswareStock(
        companies=dict(_read(target, "companies", _companies, notes)),
        tax_codes=tuple(_read(target, "taxCodes", _tax_codes, notes)),
        payment_terms=tuple(_read(target, "paymentTerms", _terms, notes)),
        values=dict(_read(target, "lists", _lists, notes)),
        invoices=invoices[:INVOICES],
        notes=tuple(notes),
    )


def _invoices(client: BaswareClient) -> Iterator[Record]:
    for status in STATUSES:
        params = {"ProcessingStatus": status, "pageSize": "100"}
        for page in client.pages(f"v1/{DOCUMENTS}", params, DOCUMENTS):
            yield from page.records


def _read(
    target: TargetBasware,
    api: str,
    reading: Callable[[BaswareClient], Iterator[Kind]],
    notes: list[str],
) -> list[Kind]:
    """Read master data under a token of its own, whose scope nothing else needs."""
    try:
        return list(reading(target.client_for(f"{api}.read")))
    except DeliveryError as error:
        notes.append(f"{api} of Basware could not be read, so invoices alone tell of them: {error}")
        return []


def _records(client: BaswareClient, api: str) -> Iterator[Record]:
    for page in client.pages(f"v1/{api}", {"pageSize": "500"}, api):
        yield from page.records


def _companies(client: BaswareClient) -> Iterator[tuple[str, str]]:
    for record in _records(client, "companies"):
        if record.get("companyCode") and record.get("active") is not False:
            yield str(record["companyCode"]), str(record.get("name") or "")


def _tax_codes(client: BaswareClient) -> Iterator[TaxCode]:
    for record in _records(client, "taxCodes"):
        companies = _active(record)
        if record.get("taxCode") and companies:
            percentage = _number(record.get("taxPercentage"))
            name = _name(record.get("taxCodeNames"))
            yield TaxCode(str(record["taxCode"]), name, percentage, companies)


def _terms(client: BaswareClient) -> Iterator[TermCode]:
    for record in _records(client, "paymentTerms"):
        companies = _active(record)
        if record.get("paymentTermCode") and companies:
            name = _name(record.get("paymentTermNames"))
            yield TermCode(str(record["paymentTermCode"]), name, _reckoned(record), companies)


def _reckoned(record: Record) -> Terms:
    """Return what a term comes to, as far as it is days after the date of the invoice."""
    percent = _number(record.get("cashDiscount"))
    cash = _days(record, "cashDueDate")
    return Terms(
        _days(record, "dueDate"), (percent, cash) if percent and cash is not None else None
    )


def _days(record: Record, prefix: str) -> int | None:
    if record.get(f"{prefix}Calc") != BY_RULE or record.get(f"{prefix}Eom"):
        return None
    return int(record.get(f"{prefix}Days") or 0) + int(record.get(f"{prefix}Days2") or 0)


def _lists(client: BaswareClient) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the codes on the first page of each list that has any."""
    for key in LISTS:
        page = client.page(f"v1/lists/{key}", {"pageSize": "500"}, "listItems")
        codes = frozenset(str(each["text_1"]) for each in page.records if each.get("text_1"))
        if codes:
            yield f"lists/{key}", codes


def _active(record: Record) -> frozenset[str]:
    """Return the companies that a record is active in."""
    return frozenset(
        str(each.get("companyCode"))
        for each in record.get("companies") or ()
        if each.get("active") is not False
    )


def _name(names: Any) -> str:
    return next((str(each.get("translation") or "") for each in names or ()), "")


def _number(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))
