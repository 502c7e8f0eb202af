"""MainAccounts with the legal entities of their chart -> accounts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from ap_mapping import Mapping as ApMapping
from singer_delivery.errors import Rejected

from target_basware.masters.entity import Content, Entity, Record
from target_basware.masters.external_code import external_code
from target_basware.masters.names import names, padded
from target_basware.masters.reach import active_and_inherited, mapped
from target_basware.masters.row import Row
from target_basware.masters.validity import today, usable

FIELDS = (
    "ChartOfAccounts",
    "MainAccountId",
    "Name",
    "MainAccountType",
    "IsSuspended",
    "DoNotAllowManualEntry",
    "ActiveFrom",
    "ActiveTo",
    "LegalEntities",
    "Translations",
    "LegalEntityOverrides",
)
#: Types that F&O posts nothing to: they are never sent.
NOT_POSTABLE = frozenset({"Total", "Reporting"})


def account_entities(
    mapping: ApMapping, record: Record, *, day: date | None = None
) -> Iterator[Entity]:
    """Return one account for each Basware code of it, with the companies that call it so.

    `day` (today by UTC) decides what is out of its dates. Raises Rejected.
    """
    row = Row(record)
    chart, account = row.required("ChartOfAccounts"), row.required("MainAccountId")
    if row.text("MainAccountType") in NOT_POSTABLE:
        return
    entities = mapped(mapping, row.texts("LegalEntities"))
    manual, day = not row.yes("DoNotAllowManualEntry"), day or today()
    companies: dict[str, list[Content]] = {}
    for entity in entities:
        active = manual and usable(row, entity.legal_entity, day)
        for code in entity.main_accounts.basware(account):
            found = active_and_inherited(mapping, entity, active)
            companies.setdefault(code, []).extend(found)
    if entities and not companies:
        msg = "its number stands for another account under main_accounts in mapping.yml"
        raise Rejected(f"{msg}; list a code for it there")
    for code, items in companies.items():
        own = () if code == account else (code,)
        content = {
            "externalCode": external_code("accounts", chart, account, *own),
            "accountCode": code,
            "accountNames": names(
                row.text("Name"),
                [(t.text("Language"), t.text("Name")) for t in row.rows("Translations")],
                entities[0].masters.languages,
                instead=padded(account, row.text("Name"), "Account"),
            ),
            "companies": items,
        }
        yield Entity("accounts", content, scope=chart)
