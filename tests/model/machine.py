"""Everything that people, networks and power cuts do to the jobs, in any order."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from target_d365fo.halves import INCOMPLETE

from tests.model import assumptions, promises
from tests.model.basware import Basware, Repeated
from tests.model.content import (
    ACCOUNTS,
    COMPANIES,
    MAPPED,
    NUMBERS,
    ROWS,
    UNMAPPED,
    VENDORS,
    Clock,
    Content,
)
from tests.model.dynamics import Dynamics, Key, Row
from tests.model.hosts import Host, folder, new_ledger, one_process
from tests.model.jobs import CALMLY, Job, Order, Record, Run, Shop, Way
from tests.model.process import Fault, Mishaps, take_turns

Item = TypeVar("Item")

contents = st.builds(
    Content,
    vendor=st.sampled_from(VENDORS),
    number=st.sampled_from(NUMBERS),
    rows=st.sampled_from(ROWS),
    tax_code=st.sampled_from((MAPPED, MAPPED, MAPPED, UNMAPPED)),
    account=st.sampled_from(ACCOUNTS),
    company=st.sampled_from(sorted(COMPANIES)),
)
together = st.sampled_from((1, 2, 10))
faults = st.dictionaries(st.integers(1, 14), st.sampled_from(Fault), min_size=1, max_size=3)
mishaps = st.one_of(
    st.builds(Mishaps, crash_at=st.integers(1, 40)),
    st.builds(Mishaps, faults=faults),
    st.builds(Mishaps, crash_at=st.integers(4, 40), faults=faults),
)
ways = st.builds(
    Way,
    order=st.sampled_from(Order),
    batch=st.sampled_from((100, 1, 2)),
    together=together,
    mishaps=mishaps,
)
orders = st.builds(
    Way, order=st.sampled_from(Order), batch=st.sampled_from((100, 1)), together=together
)
some = st.integers(0, 11)
schedules = st.lists(st.booleans(), max_size=40)


class Tally:
    """How much was done, over all examples."""

    steps = 0
    examples = 0
    runs: ClassVar[Counter[str]] = Counter()


class Model(RuleBasedStateMachine):
    """Both systems, the hosts, and the people; `derived` is the header mode."""

    derived = True

    def __init__(self) -> None:
        super().__init__()
        logging.disable(logging.CRITICAL)
        self._stage = one_process()
        self._folder = folder()
        place = Path(self._folder.name)
        clock = Clock()
        self.shop = Shop(clock, Basware(clock), Dynamics(clock), derived=self.derived)
        self.first = Host(place / "ledger.db", clock)
        self.second = Host(place / "ledger.db", clock)
        self.other = Host(place / "other.db", clock)
        for host in (self.first, self.other):
            new_ledger(host.file)
        # What was offered, with the number of its version.
        self.records: dict[str, list[tuple[int, Record]]] = {}
        self.replayed: set[str] = set()
        self._begun = False

    @initialize(
        repeated=st.sampled_from(Repeated),
        late=st.sampled_from((400, 405, 409)),
        acknowledge_first=st.booleans(),
        confirms=st.booleans(),
        slow=st.booleans(),
        continuous=st.booleans(),
        entered=st.lists(contents, min_size=1, max_size=3),
    )
    def settings(
        self,
        *,
        repeated: Repeated,
        late: int,
        acknowledge_first: bool,
        confirms: bool,
        slow: bool,
        continuous: bool,
        entered: list[Content],
    ) -> None:
        self.shop.basware.repeated, self.shop.basware.late = repeated, late
        self.shop.basware.slow = slow
        self.shop.dynamics.continuous = continuous
        self.shop.acknowledge_first, self.shop.confirms = acknowledge_first, confirms
        for content in entered:
            self.shop.basware.enter(content)

    # Clerks of accounts payable, in Basware

    @precondition(lambda self: len(self.shop.basware.invoices) < 7)
    @rule(content=contents)
    def new_invoice(self, content: Content) -> None:
        self.shop.basware.enter(content)

    @precondition(lambda self: 0 < len(self.shop.basware.invoices) < 7)
    @rule(which=some, rows=st.sampled_from(ROWS))
    def enter_a_duplicate(self, which: int, rows: tuple[int, ...]) -> None:
        key = chosen(list(self.shop.basware.invoices), which)
        original = self.shop.basware.invoices[key].content
        self.shop.basware.enter(replace(original, rows=rows, tax_code=MAPPED))

    @precondition(lambda self: bool(self.shop.basware.invoices))
    @rule(which=some, change=contents, number=st.booleans())
    def edit_and_transfer_again(self, which: int, change: Content, number: bool) -> None:
        key = chosen(list(self.shop.basware.invoices), which)
        self._transfer_again(key, change, number=number)

    @precondition(lambda self: bool(self.shop.basware.invoices))
    @rule(which=some)
    def transfer_again(self, which: int) -> None:
        key = chosen(list(self.shop.basware.invoices), which)
        self._transfer_again(key, self.shop.basware.invoices[key].content, number=True)

    def _transfer_again(self, key: str, change: Content, *, number: bool) -> None:
        invoice = self.shop.basware.invoices[key]
        if invoice.status == "Paid":
            return
        held = promises.holding_of(self.shop.dynamics, key)
        if held and held.posted:
            number = number and not assumptions.POSTED_UNDER_ITS_NUMBER
        if not number:
            same = invoice.content
            change = replace(change, number=same.number, company=same.company)
        self.shop.basware.transfer_again(key, replace(change, vendor=invoice.content.vendor))
        self.replayed.discard(key)

    # Clerks of accounts payable, in Dynamics

    @rule(vendor=st.sampled_from(VENDORS))
    def hold_or_release_a_vendor(self, vendor: str) -> None:
        self.shop.dynamics.on_hold ^= {vendor}

    @rule()
    def suspend_or_release_an_account(self) -> None:
        self.shop.dynamics.blocked ^= {ACCOUNTS[1]}

    @rule()
    def correct_the_mapping(self) -> None:
        self.shop.corrected = not self.shop.corrected

    @precondition(lambda self: bool(self.shop.dynamics.headers))
    @rule(which=some)
    def submit_or_recall(self, which: int) -> None:
        header = self.shop.dynamics.headers[chosen(list(self.shop.dynamics.headers), which)]
        if header["InvoiceDescription"].endswith(INCOMPLETE):
            return
        started = header["VendorInvoiceReviewStatus"] != "Draft"
        header["VendorInvoiceReviewStatus"] = "Draft" if started else "InReview"

    @precondition(lambda self: bool(self.shop.dynamics.headers))
    @rule(which=some)
    def post(self, which: int) -> None:
        self._post(which)

    def _post(self, which: int) -> None:
        if whole := self._whole():
            self.shop.dynamics.post(chosen(whole, which))

    def _whole(self) -> list[Key]:
        """Pending invoices whose lines add up: nobody posts another one."""
        books = self.shop.dynamics
        return [
            key
            for key, header in books.headers.items()
            if sum((line["NetAmount"] for line in books.lines[key].values()), Decimal(0))
            == header["ImportedAmount"]
            and not header["InvoiceDescription"].endswith(INCOMPLETE)
            and (not assumptions.POSTED_UNDER_ITS_NUMBER or self._has_its_number(header))
        ]

    def _has_its_number(self, header: Row) -> bool:
        invoices = self.shop.basware.invoices.values()
        return any(
            promises.described(invoice.key) == header["InvoiceDescription"]
            and invoice.content.number == header["InvoiceNumber"]
            and invoice.content.legal_entity == header["dataAreaId"]
            for invoice in invoices
        )

    @precondition(lambda self: bool(self.shop.dynamics.posted))
    @rule(which=some, part=st.sampled_from((100, 50, 25)), discount=st.booleans())
    def pay(self, which: int, part: int, discount: bool) -> None:
        self._pay(which, part, discount)

    def _pay(self, which: int, part: int, discount: bool) -> None:
        books = self.shop.dynamics
        unpaid = [voucher for voucher in books.posted if books.open_of(voucher) > 0]
        if unpaid:
            voucher = chosen(unpaid, which)
            settled = (books.open_of(voucher) * part / 100).quantize(Decimal("0.01"))
            taken = (settled * 2 / 100).quantize(Decimal("0.01")) if discount else Decimal(0)
            books.pay(voucher, settled - taken, taken)

    @precondition(lambda self: bool(self.shop.dynamics.payments))
    @rule(which=some)
    def reverse_a_payment(self, which: int) -> None:
        books = self.shop.dynamics
        books.reverse(chosen(books.payments, which).payment)

    @rule(minutes=st.sampled_from((1, 10)))
    def wait(self, minutes: int) -> None:
        self.shop.clock.advance(minutes)

    # Runs

    @rule()
    def run_all(self) -> None:
        for job in Job:
            self._run(job, CALMLY)

    @rule(job=st.sampled_from(Job), way=orders)
    def run(self, job: Job, way: Way) -> None:
        self._run(job, way)

    @rule(job=st.sampled_from(Job), way=ways)
    def run_with_mishaps(self, job: Job, way: Way) -> None:
        self._run(job, way)

    @rule(way=ways)
    def run_invoices_with_mishaps(self, way: Way) -> None:
        self._run(Job.INVOICES, way)

    @rule(job=st.sampled_from(Job), which=some, way=orders)
    def run_from_an_older_state(self, job: Job, which: int, way: Way) -> None:
        self.shop.state[job] = chosen([None, *self.shop.states[job]], which)
        self._run(job, way)

    @rule(
        job=st.sampled_from(Job),
        at=st.integers(1, 20),
        act=st.sampled_from(("post", "pay", "edit")),
        which=some,
        change=contents,
    )
    def run_while_somebody_acts(
        self, job: Job, at: int, act: str, which: int, change: Content
    ) -> None:
        def edit() -> None:
            keys = list(self.shop.basware.invoices)
            answers = job is Job.OUTCOMES and assumptions.NOT_CHANGED_BETWEEN_LOOK_AND_ANSWER
            if keys and not answers:
                self._transfer_again(chosen(keys, which), change, number=False)

        acts: dict[str, Callable[[], None]] = {
            "post": partial(self._post, which),
            "pay": partial(self._pay, which, 50, False),
            "edit": edit,
        }
        self._run(job, Way(mishaps=Mishaps(meanwhile_at=at)), meanwhile=acts[act])

    @rule(
        jobs=st.tuples(st.sampled_from(Job), st.sampled_from(Job)),
        schedule=schedules,
        crash_at=st.sampled_from((0, 0, 3, 7, 12)),
    )
    def two_runners(self, jobs: tuple[Job, Job], schedule: list[bool], crash_at: int) -> None:
        self._run_both(jobs, self.second, schedule, crash_at)

    @precondition(lambda self: self.derived)
    @rule(
        jobs=st.tuples(st.sampled_from(Job), st.sampled_from(Job)),
        schedule=schedules,
        crash_at=st.sampled_from((0, 0, 3, 7, 12)),
    )
    def two_runners_with_two_ledgers(
        self, jobs: tuple[Job, Job], schedule: list[bool], crash_at: int
    ) -> None:
        self._run_both(jobs, self.other, schedule, crash_at)

    @precondition(lambda self: bool(self.records))
    @rule(which=some, version=some, way=ways)
    def replay_with_mishaps(self, which: int, version: int, way: Way) -> None:
        self._replay(which, version, way)

    @precondition(lambda self: bool(self.records))
    @rule(which=some, version=some)
    def replay(self, which: int, version: int) -> None:
        self._replay(which, version, CALMLY)

    def _replay(self, which: int, version: int, way: Way) -> None:
        key = chosen(list(self.records), which)
        number, record = chosen(self.records[key], version)
        if number < len(self.shop.basware.invoices[key].versions):
            self.replayed.add(key)
        process = self.shop.process(way.mishaps)
        run = Run(self.shop, self.first, Job.INVOICES, way, process)
        run.replay(record)
        self._after(run, alone=False)

    def _run(
        self,
        job: Job,
        way: Way,
        host: Host | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Run:
        process = self.shop.process(way.mishaps)
        process.meanwhile = meanwhile or process.meanwhile
        run = Run(self.shop, host or self.first, job, way, process)
        self._keep()
        run()
        self._after(run)
        return run

    def _run_both(
        self, jobs: tuple[Job, Job], second: Host, schedule: Sequence[bool], crash_at: int
    ) -> None:
        self._keep()
        runs = [
            Run(self.shop, host, job, CALMLY, self.shop.process(Mishaps(crash_at=crash)))
            for job, host, crash in zip(jobs, (self.first, second), (0, crash_at), strict=True)
        ]
        kept = dict(self.shop.state), {job: list(old) for job, old in self.shop.states.items()}
        take_turns([(run.process, run) for run in runs], schedule)
        if second is self.other:  # whoever has a ledger of their own has bookmarks of their own
            self.shop.state, states = kept
            self.shop.states.update(states)
        for run in runs:
            self._after(run, alone=False)

    def _keep(self) -> None:
        """Store the records that are about to be offered, as the ledger does for replays."""
        for row in self.shop.basware.offered(""):
            known = self.records.setdefault(row["invoiceId"], [])
            number = len(self.shop.basware.invoices[row["invoiceId"]].versions)
            if not known or known[-1][0] != number:
                known.append((number, deepcopy(row)))

    def _after(self, run: Run, *, alone: bool = True) -> None:
        Tally.runs[f"{run.job.value} {'crashed' if run.crashed else run.completed}"] += 1
        if not (run.completed and alone):
            return
        if run.job is Job.PAYMENTS and not run.process.mishaps.meanwhile_at:
            promises.check_paid(self.shop)
        if run.job is Job.INVOICES:
            promises.check_whole(self.shop)

    # Losses

    @rule(job=st.sampled_from(Job))
    def lose_the_state(self, job: Job) -> None:
        self.shop.state.pop(job, None)

    @rule(dice=st.integers(0, 5))
    def lose_the_ledger(self, dice: int) -> None:
        if dice:
            return
        for host in (self.first, self.second):
            host.crash()
        new_ledger(self.first.file)
        self.records.clear()  # what is replayed comes from the ledger
        if assumptions.LOST_LEDGER_STARTS_OVER:
            self.shop.state.pop(Job.INVOICES, None)
            self.shop.states[Job.INVOICES].clear()

    # Promises

    @invariant()
    def nothing_is_twice_half_or_said_wrongly(self) -> None:
        Tally.steps += self._begun
        self._begun = True
        promises.check_once(self.shop)
        if self.derived:
            promises.check_whole(self.shop)
        promises.check_said(self.shop, self.replayed)

    def teardown(self) -> None:
        try:
            if sys.exc_info()[1] is None:
                Tally.examples += 1
                self._end()
        finally:
            for host in (self.first, self.second, self.other):
                host.crash()
            self._folder.cleanup()
            self._stage.close()
            logging.disable(logging.NOTSET)

    def _end(self) -> None:
        """Run everything calmly; then let the clerks clear the way, and run it again."""
        self._run_to_the_end()
        promises.check_settled(self.shop)
        self.shop.corrected = True
        self.shop.dynamics.on_hold.clear()
        self.shop.dynamics.blocked.clear()
        for header in self.shop.dynamics.headers.values():
            header["VendorInvoiceReviewStatus"] = "Draft"
        # As often as it helps: what stood in the way of one may have been the earlier number of
        # another, which has to be transferred first.
        before = len(self.shop.basware.invoices) + 1
        while before > len(failed := self._failed()) > 0:
            before = len(failed)
            for key in failed:
                self._transfer_again(key, self.shop.basware.invoices[key].content, number=True)
            self._run_to_the_end()
            promises.check_settled(self.shop)
        promises.check_rejections(self.shop)
        self.nothing_is_twice_half_or_said_wrongly()
        promises.check_whole(self.shop)

    def _failed(self) -> list[str]:
        invoices = self.shop.basware.invoices
        return [key for key, invoice in invoices.items() if invoice.status == "TransferFailed"]

    def _run_to_the_end(self) -> None:
        for _ in range(4):
            runs = [self._run(job, CALMLY) for job in Job]
            if all(run.completed for run in runs):
                return
        msg = f"the jobs do not come to an end: {[(r.job.value, r.completed) for r in runs]}"
        raise promises.Broken(msg)


class DerivedReferences(Model):
    """The target numbers headers itself; each invoice is one transaction."""

    derived = True


class NumberSequence(Model):
    """Dynamics numbers the headers; header and lines are written one by one."""

    derived = False


def chosen(items: Sequence[Item], number: int) -> Item:
    return items[number % len(items)]
