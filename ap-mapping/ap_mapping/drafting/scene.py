"""Both systems beside each other, with the companies that are matched already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ap_mapping.stock import BaswareStock, DynamicsStock, Vendor
from ap_mapping.usage import field_of


@dataclass(frozen=True)
class Scene:
    """`entity_of` is Basware company code -> legal entity, of those where it is known."""

    basware: BaswareStock
    dynamics: DynamicsStock
    entity_of: Mapping[str, str]

    @property
    def legal_entities(self) -> tuple[str, ...]:
        """The legal entities that companies go to, each once."""
        return tuple(dict.fromkeys(self.entity_of.values()))

    def entity(self, invoice: Mapping[str, Any]) -> str:
        """The legal entity that an invoice goes to; "" where its company is not matched."""
        return self.entity_of.get(field_of(invoice, "companyCode"), "")

    def entities(self, companies: Iterable[str]) -> tuple[str, ...]:
        """The legal entities of companies."""
        found = (self.entity_of.get(code, "") for code in companies)
        return tuple(dict.fromkeys(filter(None, found)))

    def vendor(self, invoice: Mapping[str, Any]) -> Vendor | None:
        """The vendor account of an invoice in F&O, where it was found under the same code."""
        account = field_of(invoice, "supplierCode").casefold()
        entity = self.entity(invoice)
        return next(
            (
                each
                for each in self.dynamics.vendors
                if each.legal_entity == entity and each.account.casefold() == account
            ),
            None,
        )


def normalised(name: str) -> str:
    """A name without letter case, blanks and punctuation."""
    return "".join(c for c in name.casefold() if c.isalnum())
