"""What a Basware tenant has to have before invoices leave it, looked at without writing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ap_mapping import Mapping as ApMapping
from singer_delivery.errors import DeliveryError
from singer_delivery.examination import Finding, Verdict, look, skew
from singer_delivery.live import configured
from tap_basware.client import BaswareClient, Page, Record

from target_basware.resources import LISTS, RESOURCES
from target_basware.target import ACKNOWLEDGING, CONFIRMING, SCOPES, TargetBasware
from target_basware.unmapped import FIELDS, KINDS, unmapped

DOCUMENTS = "v1/accountingDocuments"
WAITING = {"ProcessingStatus": "WaitingForTransfer", "pageSize": "100"}
ASK = "Ask Basware to grant it to the API client"
STATUS = (
    "Ask Basware to enable accountingDocuments/status: payments of invoices that the ledger does "
    "not know are looked up by it"
)
MAP = (
    "Add them to mapping.yml (`singer-delivery draft-mapping --onto mapping.yml` proposes how), or "
    "rejections name them when an invoice needs one"
)
COVER = (
    "Where they carry a financial dimension, add it under dimensions in mapping.yml: Dynamics does "
    "not get their values"
)


def examine(config: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what is found, in the order in which to put it right; later looks build on earlier.

    Empty settings: those of the environment. Raises SetupError.
    """
    target = configured(TargetBasware, config)
    client = target.client_for(*SCOPES)
    pages: list[Page] = []

    def reach() -> str:
        pages.append(client.page(DOCUMENTS, WAITING, "accountingDocuments"))
        waits = (
            "invoices wait for transfer" if pages[0].records else "no invoice waits at the moment"
        )
        return f"{target.system} answers, {waits}"

    yield look("connection", reach)
    if not pages:
        return
    [page] = pages
    if page.served_at:
        yield skew((page.served_at - datetime.now(UTC)).total_seconds())
    yield from _scopes(target)
    yield _status(client, page.records)
    if target.config.get("mapping_file"):
        yield from _mapping(target, page.records)


def _scopes(target: TargetBasware) -> Iterator[Finding]:
    """Ask for a token with each scope alone: that reads nothing and writes nothing."""
    kept = {
        CONFIRMING: target.config["confirm_request_status"],
        ACKNOWLEDGING: target.config["acknowledge_errors"],
    }
    for scope, wanted in kept.items():
        if wanted:
            yield _scope(target, scope, Verdict.WARNING)
    masters = dict.fromkeys(
        [*(each.write_scope for each in RESOURCES.values()), f"{LISTS[:-1]}.write"]
    )
    missing = [each for each in masters if _scope(target, each).verdict is not Verdict.FINE]
    if not missing:
        yield Finding("scopes of masters", Verdict.FINE, "all are granted")
        return
    says = f"not granted: {', '.join(missing)}"
    remedy = f"{ASK}, as far as your mapping sends these kinds of master data"
    yield Finding("scopes of masters", Verdict.WARNING, says, remedy)


def _scope(target: TargetBasware, scope: str, missing: Verdict = Verdict.WARNING) -> Finding:
    about = f"scope {scope}"
    credentials = target.client_for(scope).session.credentials
    try:
        if credentials is not None:
            credentials.header()
    except DeliveryError as error:
        return Finding(about, missing, str(error), ASK)
    return Finding(about, Verdict.FINE, "granted")


def _status(client: BaswareClient, waiting: Sequence[Record]) -> Finding:
    """Look one waiting invoice up by its number, as payments do."""
    about = "look-up of invoices"
    if not waiting or not waiting[0].get("invoiceNumber"):
        says = "no invoice waits that could be looked up; run this again when one does"
        return Finding(about, Verdict.UNKNOWN, says)
    invoice = waiting[0]
    params = {
        "companyCode": str(invoice.get("companyCode", "")),
        "invoiceNumber": str(invoice["invoiceNumber"]),
        "invoiceDate": str(invoice.get("invoiceDate", ""))[:10],
    }
    try:
        found = client.page(f"{DOCUMENTS}/status", params, "accountingDocuments").records
    except DeliveryError as error:
        return Finding(about, Verdict.WARNING, str(error), STATUS)
    if found:
        return Finding(about, Verdict.FINE, "accountingDocuments/status finds a waiting invoice")
    return Finding(about, Verdict.WARNING, "accountingDocuments/status finds nothing", STATUS)


def _mapping(target: TargetBasware, waiting: Sequence[Record]) -> Iterator[Finding]:
    """Compare what Basware has, and what waits there, with what the mapping knows."""
    mapped = look("mapping", lambda: f"companies {', '.join(target.mapping.companies)} are mapped")
    yield mapped
    if mapped.verdict is not Verdict.FINE:
        return
    mapping = target.mapping
    entities = [mapping.for_legal_entity(name) for name in mapping.legal_entities]
    known = {
        "companies": ("companyCode", set(mapping.companies)),
        "taxCodes": ("taxCode", {code for each in entities for code in each.tax_codes}),
        "paymentTerms": (
            "paymentTermCode",
            {code for each in entities for code in each.payment_terms},
        ),
    }
    for api, (field, codes) in known.items():
        yield _unmapped(target, api, field, codes)
    yield from _waiting(mapping, waiting)


def _waiting(mapping: ApMapping, waiting: Sequence[Record]) -> Iterator[Finding]:
    """Look each code up that the invoices read so far use."""
    if not waiting:
        says = "no invoice waits that could be looked at; run this again when some do"
        yield Finding("mapping of what waits", Verdict.UNKNOWN, says)
        return
    found = unmapped(mapping, waiting)
    for kind in KINDS:
        about = f"mapping of waiting {kind}"
        missing = sorted(found[kind])
        if not missing:
            says = f"{len(waiting)} invoices that wait use none without an entry"
            yield Finding(about, Verdict.FINE, says)
        elif kind == FIELDS:
            says = f"invoices use {', '.join(missing)}, which the mapping does not read"
            yield Finding(about, Verdict.WARNING, says, COVER)
        else:
            says = f"invoices use {', '.join(missing)}, not in the mapping"
            yield Finding(about, Verdict.WARNING, says, MAP)


def _unmapped(target: TargetBasware, api: str, field: str, codes: set[str]) -> Finding:
    about = f"mapping of {api}"
    scope = f"{api}.read"
    if _scope(target, scope).verdict is not Verdict.FINE:
        says = f"cannot be compared without the scope {scope}, which only this look needs"
        return Finding(about, Verdict.UNKNOWN, says)
    try:
        pages = target.client_for(scope).pages(f"v1/{api}", {"pageSize": "500"}, api)
        there = {
            str(record[field])
            for page in pages
            for record in page.records
            if record.get(field) and record.get("active") is not False
        }
    except DeliveryError as error:
        return Finding(about, Verdict.UNKNOWN, str(error))
    unmapped = sorted(there - codes)
    if unmapped:
        return Finding(about, Verdict.WARNING, f"not in the mapping: {', '.join(unmapped)}", MAP)
    return Finding(about, Verdict.FINE, f"all {len(there)} that Basware has are mapped")
