"""The demo's world seen from its Basware tenants: each has some of the companies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.seed.companies import DEMF, GBSI, JPMF, USMF, Company
from sandbox.seed.world import Expectation, Rows, World

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Name of a tenant -> its companies. Documents of a company that is in none go to the last one.
TENANTS: dict[str, tuple[Company, ...]] = {"pacific": (USMF, JPMF), "europe": (DEMF, GBSI)}


@dataclass(frozen=True)
class Tenant:
    """A Basware tenant: its companies, and the documents that arrive once it has its masters.

    `documents` are entities by API, to be loaded as they are; `expected` is the part of
    `World.expected` that is about them.
    """

    name: str
    companies: tuple[Company, ...]
    documents: Rows
    expected: Mapping[str, Expectation]

    @property
    def legal_entities(self) -> list[str]:
        """The legal entities of its companies."""
        return [company.legal_entity for company in self.companies]


def split_by_tenant(
    world: World, tenants: Mapping[str, Sequence[Company]] | None = None
) -> list[Tenant]:
    """What Basware holds in `world`, tenant by tenant."""
    tenants = TENANTS if tenants is None else tenants
    tenant_of = {company.code: name for name, few in tenants.items() for company in few}
    last = list(tenants)[-1]
    held: dict[str, Rows] = {name: {} for name in tenants}
    for resource, entities in world.basware.items():
        for entity in entities:
            name = tenant_of.get(entity["companyCode"], last)
            held[name].setdefault(resource, []).append(entity)
    return [
        Tenant(name, tuple(few), held[name], _expected(world, held[name]))
        for name, few in tenants.items()
    ]


def _expected(world: World, documents: Rows) -> dict[str, Expectation]:
    ids = (document["invoiceId"] for document in documents.get("accountingDocuments", []))
    return {each: world.expected[each] for each in ids if each in world.expected}
