"""The worlds: `small_world` for tests (masters only), `demo_world` with hundreds of documents."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from sandbox.seed import accounts, companies, exported_orders, orders, terms, vendors
from sandbox.seed.companies import COMPANIES, Company
from sandbox.seed.invoices import Desk, write_good_invoices
from sandbox.seed.rejections import (
    BAD_INVOICES,
    write_bad_invoices,
    write_untouchable_invoices,
)
from sandbox.seed.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.seed.orders import Order
    from sandbox.seed.vendors import Vendor

_FEWEST_VENDORS = 6  # per company: those with a fixed property


def small_world(legal_entities: Sequence[str] = ("usmf", "demf", "gbsi", "jpmf")) -> World:
    """All masters of these legal entities, six vendors and two orders each, no documents.

    Vendor 3 is on hold for invoices, 4 in a foreign currency, 5 on hold for all, 6 for payment.
    Order `PO<company>00001` has three lines of goods, `PO<company>00002` one of services.
    """
    chosen = [company for company in COMPANIES if company.legal_entity in legal_entities]
    people = [vendor for company in chosen for vendor in _small_vendors(company)]
    return _masters(chosen, people, small_orders(legal_entities))


def small_orders(legal_entities: Sequence[str] = ("usmf", "demf", "gbsi", "jpmf")) -> list[Order]:
    """The purchase orders of `small_world`, for `order_row`."""
    made: list[Order] = []
    for company in COMPANIES:
        if company.legal_entity in legal_entities:
            rng = random.Random(company.code)  # noqa: S311 - seed data
            vendor = _small_vendors(company)[0]
            made.append(orders.make_order(vendor, 1, rng, lines=3))
            made.append(orders.make_order(vendor, 2, rng, service=True))
    return made


def demo_world(
    *, seed: int = 365, invoices: int = 200, vendors: int = 300, basware_masters: bool = False
) -> World:
    """Four legal entities with `vendors` vendors and `invoices` documents that wait for transfer.

    Among those are `BAD_INVOICES` that must be rejected (`World.expected` says why); a dozen in
    other states come on top. Masters are in Dynamics only, unless `basware_masters` says that
    Basware has them already. The same arguments give the same world. Raises ValueError when there
    is no room for the bad ones, or too few vendors.
    """
    if invoices < BAD_INVOICES + len(COMPANIES):
        raise ValueError(f"at least {BAD_INVOICES + len(COMPANIES)} invoices, not {invoices}")
    if vendors < _FEWEST_VENDORS * len(COMPANIES):
        raise ValueError(f"at least {_FEWEST_VENDORS * len(COMPANIES)} vendors, not {vendors}")
    rng = random.Random(seed)  # noqa: S311 - seed data
    people = _demo_vendors(vendors, rng)
    desk = Desk(COMPANIES, _by_entity(people), rng)
    write_good_invoices(desk, invoices - BAD_INVOICES)
    write_bad_invoices(desk)
    write_untouchable_invoices(desk)
    _other_orders(desk)
    world = _masters(COMPANIES, people, desk.orders)
    if not basware_masters:
        world.basware.clear()
    world.add(basware={"accountingDocuments": desk.documents})
    world.add(basware=exported_orders.basware_rows(people[:: max(1, len(people) // 6)]))
    world.expected = desk.expected
    return world


def _small_vendors(company: Company) -> list[Vendor]:
    rng = random.Random(company.code)  # noqa: S311 - seed data
    return vendors.make_vendors(company, _FEWEST_VENDORS, rng)


def _demo_vendors(total: int, rng: random.Random) -> list[Vendor]:
    """`total` vendors, spread evenly over the companies."""
    each, rest = divmod(total, len(COMPANIES))
    return [
        vendor
        for number, company in enumerate(COMPANIES)
        for vendor in vendors.make_vendors(company, each + (number < rest), rng)
    ]


def _by_entity(people: Sequence[Vendor]) -> dict[str, list[Vendor]]:
    grouped: dict[str, list[Vendor]] = {}
    for vendor in people:
        grouped.setdefault(vendor.company.legal_entity, []).append(vendor)
    return grouped


def _other_orders(desk: Desk) -> None:
    """Orders without an invoice: not received yet, invoiced already, canceled."""
    for company in desk.companies:
        for status in ("Backorder", "Invoiced", "Canceled"):
            desk.order(desk.vendor(company, foreign=False), lines=2, status=status)


def _masters(
    chosen: Sequence[Company], people: Sequence[Vendor], purchase_orders: Sequence[Order]
) -> World:
    world = World(default_company=chosen[0].legal_entity)
    world.add(d365fo=companies.d365fo_rows(chosen), basware=companies.basware_rows(chosen))
    world.add(d365fo=accounts.d365fo_rows(), basware=accounts.basware_rows(chosen))
    world.add(d365fo=terms.d365fo_rows(chosen), basware=terms.basware_rows(chosen))
    world.add(d365fo=vendors.d365fo_rows(chosen, people), basware=vendors.basware_rows(people))
    world.add(
        d365fo=orders.d365fo_rows(purchase_orders), basware=orders.basware_rows(purchase_orders)
    )
    return world
