"""Where Dynamics numbers the headers: two runs with ledgers of their own, in every order."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from ap_mapping import load_mapping
from sandbox.seed.builders import accounting_document, coding_row
from singer_delivery.document import Document, Entry, Outcome, Status
from singer_delivery.errors import InDoubt
from tap_d365fo.client import D365Client
from tap_d365fo.dimensions import DimensionFormats
from target_d365fo.courier import InvoiceCourier, InvoiceRules
from target_d365fo.judgement import Plan
from target_d365fo.lookup import InvoiceLookup
from target_d365fo.sources import basware_source

from tests.target_d365fo.conftest import ROOT
from tests.target_d365fo.interleaving import (
    PAUSE,
    Environment,
    Schedule,
    every_order,
    play,
)

MAPPING = load_mapping(ROOT / "mapping.yml")
LEDGER, DEFAULT = "MainAccount-BusinessUnit-CostCenter-Department", "BusinessUnit-CostCenter"
MOST_RANDOM = 150


@pytest.fixture(scope="module")
def environment() -> Environment:
    return Environment()


@pytest.fixture
def dynamics(environment: Environment) -> Iterator[Environment]:
    environment.clear()
    environment.state.switches.duplicate_check = "posting"
    environment.state.switches.stale_etag_status = 412
    yield environment
    environment.clear()


def courier(client: D365Client, sleep: Callable[[float], None] = lambda _: None) -> InvoiceCourier:
    """One run's way to Dynamics; it never really waits."""
    return InvoiceCourier(
        client,
        basware_source(MAPPING),
        lambda: FORMATS,
        InvoiceLookup(client, posted=False),
        InvoiceRules(derived_reference=False),
        sleep=sleep,
    )


FORMATS = DimensionFormats.load(Environment().client())


def record(net: str = "60.00", *, rows: int = 2) -> dict[str, Any]:
    coding = [coding_row(net=net), coding_row(net="40.00")][:rows]
    return accounting_document(number="INV-1", invoice_id="b77c1f00d", rows=coding)


def entry(document: Document) -> Entry:
    """What a ledger has of a document that is about to be sent."""
    return Entry(
        stream="vendor_invoices",
        key=document.key,
        natural_key=document.natural_key,
        version=document.version,
        fingerprint=document.fingerprint,
        status=Status.INTENDED,
        reason="",
        remote_key="",
        request_id="",
        detail=document.detail,
        attempts=1,
        sequence=0,
        run_id="other",
        settled_at=None,
    )


Before = Callable[[str], None]


def sender(
    dynamics: Environment,
    offered: dict[str, Any],
    plan: Plan | None = None,
    *,
    patient: bool = False,
) -> Any:
    """A run that has found nothing, or `plan`, and sends; `patient` when its pauses count."""

    def work(before: Before) -> Outcome:
        pause: Callable[[float], None] = lambda _: before(PAUSE) if patient else None  # noqa: E731
        way = courier(dynamics.client(before), pause)
        return way.send(way.prepare(offered), plan or Plan())

    return work


def surveyor(dynamics: Environment, offered: dict[str, Any]) -> Any:
    """A run that looks first and then sends, with whatever is there by then."""

    def work(before: Before) -> Outcome:
        way = courier(dynamics.client(before))
        document = way.prepare(offered)
        decision = way.survey([document], {})[document.key]
        return decision if isinstance(decision, Outcome) else way.send(document, decision)

    return work


def reader(dynamics: Environment, offered: dict[str, Any]) -> Any:
    """A run that was interrupted with the same document, and settles it."""

    def work(before: Before) -> Outcome | None:
        way = courier(dynamics.client(before))
        document = way.prepare(offered)
        return way.read_back([entry(document)]).get(document.key)

    return work


def judge(dynamics: Environment, results: dict[str, Any], schedule: Schedule) -> str:
    """Check what is there against what the runs say; return how it ended, for counting."""
    story = "\n".join([*schedule.trace, str(results)])
    whole = [lines for header, lines in dynamics.invoices() if is_whole(header, lines)]
    half = len(dynamics.invoices()) - len(whole)
    assert len(whole) <= 1, story
    assert half == 0, story
    for result in results.values():
        assert result is None or isinstance(result, InDoubt | Outcome), story
        if isinstance(result, Outcome):
            assert result.status in {Status.DELIVERED, Status.UNCHANGED}, story
            assert whole, story
    return f"{len(whole)} whole"


def is_whole(header: Any, lines: Iterable[Any]) -> bool:
    return header["InvoiceDescription"] == "Basware b77c1f00d" and len(list(lines)) == 2


@pytest.mark.parametrize("check", ["posting", "entry"])
def test_of_two_senders_at_most_one_stays(dynamics: Environment, check: str) -> None:
    """`check`: whether Dynamics itself refuses the second header under one invoice number."""
    dynamics.state.switches.duplicate_check = check
    ends: Counter[str] = Counter()
    for schedule in every_order():
        dynamics.clear()
        works = {name: sender(dynamics, record()) for name in ("A", "B")}

        results = play(schedule, works)

        ends[judge(dynamics, results, schedule)] += 1
    # Both may withdraw where none of them waits; they are sent again then. Where Dynamics refuses
    # the second header, the first one stays.
    assert set(ends) == ({"0 whole", "1 whole"} if check == "posting" else {"1 whole"})


def test_of_two_senders_that_wait_for_each_other_one_stays(dynamics: Environment) -> None:
    for schedule in every_order():
        dynamics.clear()
        works = {name: sender(dynamics, record(), patient=True) for name in ("A", "B")}

        results = play(schedule, works)

        assert judge(dynamics, results, schedule) == "1 whole", schedule.trace


def test_a_reader_never_takes_an_invoice_from_its_writer(dynamics: Environment) -> None:
    ends: Counter[str] = Counter()
    for schedule in every_order():
        dynamics.clear()
        works = {"A": sender(dynamics, record()), "reader": reader(dynamics, record())}

        results = play(schedule, works)

        ends[judge(dynamics, results, schedule)] += 1
    assert set(ends) == {"0 whole", "1 whole"}


def test_of_two_that_replace_the_same_version_at_most_one_stays(dynamics: Environment) -> None:
    for seed in range(MOST_RANDOM):
        dynamics.clear()
        schedule = Schedule(choose=random.Random(seed).randrange)
        sender(dynamics, record("10.00"))(lambda _: None)
        way = courier(dynamics.client())
        document = way.prepare(record())
        plan = way.survey([document], {})[document.key]
        assert isinstance(plan, Plan)
        assert plan.replaces

        results = play(schedule, {name: sender(dynamics, record(), plan) for name in ("A", "B")})

        judge(dynamics, results, schedule)


@pytest.mark.parametrize("stale", [412, 400])
def test_many_at_once_in_any_order(dynamics: Environment, stale: int) -> None:
    """`stale`: how Dynamics says that a row is no longer the one that was seen."""
    dynamics.state.switches.stale_etag_status = stale
    for seed in range(MOST_RANDOM):
        dynamics.clear()
        chance = random.Random(seed)
        works = {
            "A": surveyor(dynamics, record()),
            "B": surveyor(dynamics, record()),
            "reader": reader(dynamics, record()),
            "another reader": reader(dynamics, record()),
        }
        schedule = Schedule(choose=chance.randrange)

        results = play(schedule, works)

        judge(dynamics, results, schedule)


def test_two_versions_of_one_document_under_different_numbers(dynamics: Environment) -> None:
    """Only the description tells that they are the same document."""
    other = {**record(), "invoiceNumber": "INV-2"}
    for schedule in every_order():
        dynamics.clear()

        results = play(schedule, {"A": sender(dynamics, record()), "B": sender(dynamics, other)})

        judge(dynamics, results, schedule)
