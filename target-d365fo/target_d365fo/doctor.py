"""What a Dynamics environment has to have before invoices arrive, looked at without writing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ap_mapping.entity import EntityMapping
from ap_mapping.mapping import Mapping as ApMapping
from singer_delivery.errors import AccessDenied, DeliveryError, Refused
from singer_delivery.examination import Finding, Verdict, look, skew
from singer_delivery.live import configured
from tap_d365fo.client import D365Client
from tap_d365fo.connection import check_connection
from tap_d365fo.dimensions import MAIN_ACCOUNT, WHERE

from target_d365fo.lookup import POSTED
from target_d365fo.payload import HEADERS, LINES
from target_d365fo.target import TargetD365FO

#: What each flow reads. Those behind the dimensions are as many as there are dimensions.
READ_BY: Mapping[str, tuple[str, ...]] = {
    "invoices": (
        "Companies",
        HEADERS,
        LINES,
        POSTED,
        "DimensionIntegrationFormats",
        "DimensionParameters",
    ),
    "payments": ("VendTransBiEntities", "VendSettlementBiEntities", POSTED),
    "masters": (
        "LegalEntities",
        "Ledgers",
        "ExchangeRates",
        "PaymentTerms",
        "CashDiscounts",
        "TaxGroupDatas",
        "TaxItemGroups",
        "TaxCodes",
        "TaxCodeValuesV2",
        "TaxGroups",
        "TaxItemGroupHeadings",
        "MainAccounts",
        "DimensionAttributes",
        "FinancialDimensionValues",
        "VendorsV3",
        "VendorBankAccounts",
        "PurchaseOrderHeadersV2",
        "PurchaseOrderLinesV2",
        "ProductReceiptLinesV2",
        "VendTableBiEntities",
        "PurchTableBiEntities",
        "PurchLineBiEntities",
    ),
}
ROLE = (
    "System administration > Security > Security configuration: give the role of the application's "
    "user a privilege with read permission on these data entities (docs/security.md)"
)
PARAMETERS = (
    "Accounts payable > Setup > Accounts payable parameters > Invoice: set 'Check the invoice "
    "number used' to 'Reject duplicate'"
)
NUMBERS = (
    "Accounts payable > Setup > Accounts payable parameters > Number sequences > vendor invoice "
    "reference: allow user changes to a lower and to a higher number; else set header_reference to "
    "number_sequence"
)
IMPORTS = (
    "System administration > Security > Security configuration: give the role of the application's "
    "user the duties of Data management, as the role Data management operations user has them; or "
    "set load_method to batch"
)
PROJECT = (
    "Data management > Import: create a project of this name with the entities Vendor invoice "
    "header and Vendor invoice line, or set data_project to the one that is there"
)
CREATE = "Correct mapping.yml, or create them in Dynamics: invoices that need one are rejected"
NO_TERM = (
    "Add them to payment_terms in mapping.yml, if they are in use: a vendor with such a term has "
    "none in Basware"
)
NO_METHOD = (
    "Add them to payment_methods in mapping.yml, if they are in use: a vendor with such a method "
    "has masters.payment_means in Basware"
)
SEGMENTS = (
    "Add them to dimensions in mapping.yml, if invoices are to bring their values: until then the "
    "segments stay empty"
)
#: Sets that all legal entities share.
SHARED = frozenset(
    {"UnitsOfMeasure.UnitSymbol", "Currencies.CurrencyCode", "MainAccounts.MainAccountId"}
)
#: Policy (enum ReuseVoucher) -> what it means for an invoice that somebody enters by hand as well.
POLICIES: Mapping[str, tuple[Verdict, str]] = {
    "NoDuplicate": (Verdict.FINE, "rejects a number that was used"),
    "NoDuplicateInYear": (Verdict.WARNING, "rejects a used number within a fiscal year only"),
    "WarnDuplicate": (Verdict.WARNING, "only warns of a number that was used"),
    "AcceptDuplicate": (Verdict.WARNING, "accepts a number that was used"),
}


def examine(config: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what is found, in the order in which to put it right; later looks build on earlier.

    Empty settings: those of the environment. Raises SetupError.
    """
    target = configured(TargetD365FO, config)
    client = target.client
    reached = look("connection", lambda: check_connection(client))
    yield reached
    if reached.verdict is Verdict.WRONG:
        return
    yield skew((client.now() - datetime.now(UTC)).total_seconds())
    for flow, names in READ_BY.items():
        yield _readable(client, flow, names)
    formats = look(
        "dimension formats",
        lambda: (
            f"{target.dimension_formats.ledger_format}; {target.dimension_formats.default_format}"
        ),
        f"{WHERE}: activate one default dimension and one ledger dimension format",
    )
    yield formats
    if target.config["header_reference"] == "derived":
        yield Finding(
            "manual numbers",
            Verdict.UNKNOWN,
            "whether Dynamics lets us number invoices cannot be seen without writing one",
            NUMBERS,
        )
    yield from _packages(target)
    mapped = look("mapping", lambda: _mapped(target))
    yield mapped
    if mapped.verdict is Verdict.FINE:
        yield from _mapping(client, target.mapping)
        if formats.verdict is Verdict.FINE:
            yield _dimensions(target)
            yield _segments(target)


def _mapped(target: TargetD365FO) -> str:
    target.check_mapped_fields()
    return f"{', '.join(target.mapping.legal_entities)} are mapped"


def _packages(target: TargetD365FO) -> Iterator[Finding]:
    """Look whether data packages can be imported, where invoices go in them."""
    if target.config["load_method"] != "package":
        return
    allowed = look("right to import data packages", lambda: _asked(target), IMPORTS)
    yield allowed
    if allowed.verdict is Verdict.FINE:
        project = target.config["data_project"]
        says = f"whether there is an import project {project!r} cannot be seen without importing"
        yield Finding("data project", Verdict.UNKNOWN, says, PROJECT)


def _asked(target: TargetD365FO) -> str:
    """Ask Data management about an import that nobody began. Raises DeliveryError."""
    if target.loads_packages:
        target.data_management.check()
    return "Data management answers"


def _readable(client: D365Client, flow: str, names: Sequence[str]) -> Finding:
    """Read one row of each set, and name those that cannot be read."""
    refused: dict[str, str] = {}
    for name in names:
        try:
            client.page(name, top=1)
        except (AccessDenied, Refused) as error:
            refused[name] = str(error)
        except DeliveryError as error:
            return Finding(f"rights for {flow}", Verdict.WRONG, str(error))
    if not refused:
        return Finding(
            f"rights for {flow}", Verdict.FINE, f"all {len(names)} entity sets are readable"
        )
    # Invoices cannot do without; the other flows are there for who wants them.
    verdict = Verdict.WRONG if flow == "invoices" else Verdict.WARNING
    says = f"not readable: {', '.join(refused)} ({next(iter(refused.values()))})"
    return Finding(f"rights for {flow}", verdict, says, ROLE)


def _mapping(client: D365Client, mapping: ApMapping) -> Iterator[Finding]:
    """Compare what the mapping names with what the environment has."""
    visible = {str(row["DataArea"]).lower() for row in client.read("Companies")}
    missing = [name for name in mapping.legal_entities if name not in visible]
    if missing:
        yield Finding(
            "legal entities",
            Verdict.WRONG,
            f"the mapping names {', '.join(missing)}, which Dynamics does not show",
            "Correct companies in mapping.yml, or give the application's user its role in these "
            "legal entities (System administration > Users > Assign organizations)",
        )
    else:
        names = ", ".join(mapping.legal_entities)
        yield Finding("legal entities", Verdict.FINE, f"{names} are visible")
    there = [name for name in mapping.legal_entities if name in visible]
    for name in there:
        yield _policy(client, name)
    yield from _codes(client, mapping, there)


def _policy(client: D365Client, legal_entity: str) -> Finding:
    about = f"duplicate policy of {legal_entity}"
    where = [{"dataAreaId": legal_entity}]
    try:
        row = next(client.lookup("VendorParameters", where), None)
    except DeliveryError as error:
        return Finding(
            about, Verdict.UNKNOWN, f"VendorParameters cannot be read ({error})", PARAMETERS
        )
    policy = str((row or {}).get("IsCheckInvoiceNumberUsed") or "")
    verdict, says = POLICIES.get(policy, (Verdict.UNKNOWN, "is not told by Dynamics"))
    remedy = "" if verdict is Verdict.FINE else PARAMETERS
    return Finding(about, verdict, f"Dynamics {says}", remedy)


def _codes(
    client: D365Client, mapping: ApMapping, legal_entities: Sequence[str]
) -> Iterator[Finding]:
    """Look for the codes that the mapping would write into invoices."""
    seen_as = {name: mapping.for_legal_entity(name) for name in legal_entities}
    kinds: Mapping[str, tuple[str, Callable[[EntityMapping], Iterable[str | None]]]] = {
        "PaymentTerms.Name": (
            "terms of payment",
            lambda entity: (each.term for each in entity.payment_terms.values()),
        ),
        "TaxGroups.TaxGroupCode": (
            "sales tax groups",
            lambda entity: (each.sales_tax_group for each in entity.tax_codes.values()),
        ),
        "TaxItemGroupHeadings.TaxItemGroup": (
            "item sales tax groups",
            lambda entity: (each.item_sales_tax_group for each in entity.tax_codes.values()),
        ),
        "CashDiscounts.CashDiscountCode": (
            "cash discounts",
            lambda entity: (each.cash_discount for each in entity.payment_terms.values()),
        ),
        "VendorPaymentMethods.Name": (
            "methods of payment",
            lambda entity: (entity.payment_methods or {}).values(),
        ),
        "UnitsOfMeasure.UnitSymbol": ("units", lambda entity: entity.units.values.values()),
        "Currencies.CurrencyCode": (
            "currencies",
            lambda entity: entity.currencies.values.values(),
        ),
        "MainAccounts.MainAccountId": (
            "main accounts",
            lambda entity: entity.main_accounts.values.values(),
        ),
        "VendorsV3.VendorAccountNumber": (
            "vendors",
            lambda entity: entity.vendors.values.values(),
        ),
    }
    for place, (what, codes_of) in kinds.items():
        field = place.partition(".")[2]
        keys = [
            {**({} if place in SHARED else {"dataAreaId": name}), field: code}
            for name, entity in seen_as.items()
            for code in dict.fromkeys(codes_of(entity))
            if code
        ]
        if keys:
            yield _exist(client, what, place, keys)
    yield _values(client, seen_as.values())
    yield from _not_offered(client, seen_as)


def _values(client: D365Client, entities: Iterable[EntityMapping]) -> Finding:
    """Look for the dimension values that the mapping translates to."""
    about, place = "dimension values", "FinancialDimensionValues"
    keys = [
        {"FinancialDimension": dimension.name, "DimensionValue": value}
        for entity in entities
        for dimension in entity.dimensions
        for value in dimension.codes.values.values()
    ]
    if not keys:
        return Finding(about, Verdict.FINE, "the mapping translates none")
    try:
        found = {
            (str(row["FinancialDimension"]).casefold(), str(row["DimensionValue"]).casefold())
            for row in client.lookup(place, keys)
        }
    except DeliveryError as error:
        return Finding(about, Verdict.UNKNOWN, f"{place} cannot be read ({error})", ROLE)
    pairs = dict.fromkeys((key["FinancialDimension"], key["DimensionValue"]) for key in keys)
    missing = [
        f"{value} ({name})"
        for name, value in pairs
        if (name.casefold(), value.casefold()) not in found
    ]
    if missing:
        says = f"the mapping names {', '.join(missing)}, which {place} does not have"
        return Finding(about, Verdict.WARNING, says, CREATE)
    return Finding(about, Verdict.FINE, f"all {len(pairs)} of the mapping exist")


def _not_offered(client: D365Client, seen_as: Mapping[str, EntityMapping]) -> Iterator[Finding]:
    """List what vendors of the mapped legal entities may have and no Basware code stands for."""
    terms = {
        name: {each.term or "" for each in entity.payment_terms.values()}
        for name, entity in seen_as.items()
    }
    methods = {
        name: {each or "" for each in entity.payment_methods.values()}
        for name, entity in seen_as.items()
        if entity.payment_methods is not None
    }
    yield _unmapped(client, "terms of payment without a code", "PaymentTerms", terms, NO_TERM)
    if methods:
        about = "methods of payment without a code"
        yield _unmapped(client, about, "VendorPaymentMethods", methods, NO_METHOD)


def _unmapped(
    client: D365Client, about: str, entity_set: str, known: Mapping[str, set[str]], remedy: str
) -> Finding:
    """Compare the names in a set with those that each legal entity's mapping has."""
    folded = {entity: {name.casefold() for name in names} for entity, names in known.items()}
    try:
        rows = client.lookup(entity_set, [{"dataAreaId": name} for name in known], select=["Name"])
        there = sorted((str(row["dataAreaId"]).lower(), str(row["Name"])) for row in rows)
    except DeliveryError as error:
        return Finding(about, Verdict.UNKNOWN, f"{entity_set} cannot be read ({error})", ROLE)
    missing = [
        f"{name} ({entity})"
        for entity, name in there
        if name.casefold() not in folded.get(entity, set())
    ]
    if missing:
        says = f"Dynamics has {', '.join(missing)}, not in the mapping"
        return Finding(about, Verdict.WARNING, says, remedy)
    return Finding(about, Verdict.FINE, f"all {len(there)} that Dynamics has are mapped")


def _exist(
    client: D365Client, about: str, place: str, keys: Sequence[Mapping[str, str]]
) -> Finding:
    """Look for codes in `entity set.field`.

    One that any of the legal entities has is right: a mapping that several share names them all.
    """
    entity_set, _, field = place.partition(".")
    names = sorted({key[field] for key in keys})
    try:
        found = {str(row[field]).casefold() for row in client.lookup(entity_set, keys)}
    except DeliveryError as error:
        return Finding(about, Verdict.UNKNOWN, f"{entity_set} cannot be read ({error})", ROLE)
    missing = [name for name in names if name.casefold() not in found]
    if missing:
        asked = ", ".join(sorted({key["dataAreaId"] for key in keys if "dataAreaId" in key}))
        where = f"Dynamics does not have in {asked}" if asked else "Dynamics does not have"
        says = f"the mapping names {', '.join(missing)}, which {where} ({entity_set})"
        return Finding(about, Verdict.WARNING, says, CREATE)
    return Finding(about, Verdict.FINE, f"all {len(names)} of the mapping exist")


def _dimensions(target: TargetD365FO) -> Finding:
    """Compare the dimensions of the mapping with the segments of the active format."""
    segments = {name.casefold() for name in target.dimension_formats.ledger_format.segments}
    entities = [target.mapping.for_legal_entity(name) for name in target.mapping.legal_entities]
    names = dict.fromkeys(each.name for entity in entities for each in entity.dimensions)
    missing = [name for name in names if name.casefold() not in segments]
    if missing:
        says = f"{', '.join(missing)} of the mapping are no segments of the active format"
        remedy = (
            f"{WHERE}: add them to the ledger dimension format, or take them out of mapping.yml"
        )
        return Finding("dimensions", Verdict.WRONG, says, remedy)
    return Finding("dimensions", Verdict.FINE, f"{', '.join(names)} are segments of the format")


def _segments(target: TargetD365FO) -> Finding:
    """List the segments of the active format that a legal entity's mapping does not know."""
    about = "dimensions without a coding field"
    segments = [
        name
        for name in target.dimension_formats.ledger_format.segments
        if name.casefold() != MAIN_ACCOUNT.casefold()
    ]
    missing = [
        f"{segment} ({name})"
        for name in target.mapping.legal_entities
        for segment in segments
        if target.mapping.for_legal_entity(name).dimension(segment) is None
    ]
    if missing:
        says = f"the format has {', '.join(missing)}, not in the mapping"
        return Finding(about, Verdict.WARNING, says, SEGMENTS)
    return Finding(about, Verdict.FINE, f"all {len(segments)} segments of the format are mapped")
