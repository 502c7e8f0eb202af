"""Whose a main account is, what it is called in other languages, and who has blocked it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tap_d365fo.client import Row
from tap_d365fo.composers.ledgers import ledgers
from tap_d365fo.composers.shape import names_schema, offered, present, rows_schema, spelled
from tap_d365fo.odata import comparable
from tap_d365fo.reader import Reader, group_key

Groups = Mapping[tuple[Any, ...], list[Row]]

#: Sets and fields differ by version and are documented by name alone: the first that is there.
TRANSLATIONS = ("AccountTranslations", "MainAccountTranslations")
OVERRIDES = ("MainAccountLegalEntities", "MainAccountLegalEntityOverrides")
ACCOUNT = ("MainAccountId", "MainAccount")
CHART = ("ChartOfAccounts", "ChartOfAccountsName")
LANGUAGE = ("Language", "LanguageId", "LanguageCode")
TEXT = ("TranslatedText", "TranslatedName", "TranslatedDescription", "Name", "Description")
OVERRIDDEN = ("IsSuspended", "ActiveFrom", "ActiveTo")


class AccountCompanies:
    """Adds to main accounts `LegalEntities`, `Translations` and `LegalEntityOverrides`.

    `LegalEntities` are those whose ledger uses the chart, in lower case; `Translations` have
    Language and Name; `LegalEntityOverrides` LegalEntityId and, where the environment has them,
    OVERRIDDEN. The last two are empty where the environment has no set for them.
    """

    properties: Mapping[str, Any] = {
        "LegalEntities": names_schema("Legal entities whose ledger uses this chart of accounts."),
        "Translations": rows_schema("Language and Name of each translation."),
        "LegalEntityOverrides": rows_schema(
            "LegalEntityId, IsSuspended, ActiveFrom and ActiveTo where a legal entity has its own."
        ),
    }
    needs: tuple[str, ...] = ("ChartOfAccounts", "MainAccountId")

    def compose(self, reader: Reader, rows: list[Row]) -> Iterable[Row]:
        """Yield the accounts of one page with what is added."""
        companies = companies_by_chart(reader)
        translations = self._translations(reader, rows)
        overrides = self._overrides(reader, rows)
        for row in rows:
            key = group_key(row, self.needs)
            yield {
                **row,
                "LegalEntities": companies.get(comparable(row["ChartOfAccounts"]), []),
                "Translations": translations.get(key, []),
                "LegalEntityOverrides": overrides.get(key, []),
            }

    def _translations(self, reader: Reader, rows: list[Row]) -> Groups:
        entity_set = offered(reader, TRANSLATIONS)
        language = spelled(reader, entity_set, LANGUAGE) if entity_set else ""
        text = spelled(reader, entity_set, TEXT) if entity_set else ""
        found = self._window(reader, entity_set, rows, (language, text))
        return {
            key: [{"Language": row[language], "Name": row[text]} for row in group if row[text]]
            for key, group in found.items()
        }

    def _overrides(self, reader: Reader, rows: list[Row]) -> Groups:
        entity_set = offered(reader, OVERRIDES)
        fields = present(reader, entity_set, OVERRIDDEN) if entity_set else ()
        found = self._window(reader, entity_set, rows, ("LegalEntityId", *fields))
        return {
            key: [
                {"LegalEntityId": row["LegalEntityId"].lower()} | {f: row[f] for f in fields}
                for row in group
            ]
            for key, group in found.items()
        }

    def _window(
        self, reader: Reader, entity_set: str, rows: list[Row], fields: tuple[str, ...]
    ) -> Groups:
        """Return the set's rows by account; none where the set or a field of it is missing."""
        if not entity_set:
            return {}
        chart, account = (spelled(reader, entity_set, names) for names in (CHART, ACCOUNT))
        wanted = (chart, account, *fields)
        if not all(field and reader.has(entity_set, field) for field in wanted):
            return {}
        link = dict(zip(self.needs, (chart, account), strict=True))
        return reader.window(entity_set, link, rows, select=wanted)


def companies_by_chart(reader: Reader) -> dict[Any, list[str]]:
    """Return the legal entities that use each chart of accounts, by its comparable name."""
    found: dict[Any, list[str]] = {}
    for ledger in ledgers(reader):
        found.setdefault(comparable(ledger["ChartOfAccounts"]), []).append(ledger["LegalEntityId"])
    return found
