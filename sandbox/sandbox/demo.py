"""`sandbox demo`: the whole story from empty Basware tenants to Paid, by the real `meltano run`.

Two Basware tenants share one Dynamics environment. Each tenant has a ledger, a Meltano state and a
mapping of its own, and its runs go on at the same time as the other's.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.demo_payments import pay_most, post_pending
from sandbox.demo_process import Command, DemoFailed, run_all
from sandbox.demo_tenants import LEDGER_KEEPERS, Desk
from sandbox.reconciliation import Books, Reconciliation, reconcile, render
from sandbox.reconciliation_coding import coding_problems
from sandbox.seed.companies import COMPANIES
from sandbox.seed.demo import demo_world
from sandbox.seed.tenants import split_by_tenant
from sandbox.seed.world import World
from sandbox.server import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sandbox.seed.world import Expectation

__all__ = ["LEDGER_KEEPERS", "LEGAL_ENTITIES", "DemoFailed", "main", "reconcile_world", "run_demo"]

LEGAL_ENTITIES = {company.code: company.legal_entity for company in COMPANIES}

#: Seconds between two progress lines.
PROGRESS_EVERY = 2.0
#: Seconds that P2P takes to look at what the API was given.
SETTLE_SECONDS = 0.5


def run_demo(
    project: Path,
    work: Path,
    *,
    invoices: int = 200,
    install: bool = True,
    say: Callable[[str], None] = print,
) -> bool:
    """Run the demo in a Meltano project; return whether both sides reconcile.

    Everything that it writes goes to the folder `work`, emptied first, except Meltano's plugin
    environments; what it starts it stops, also on Ctrl-C. Raises DemoFailed.
    """
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    environment = {**os.environ, "MELTANO_ENVIRONMENT": "sandbox"}
    if install:
        say("Installing the plugins (the first time takes a minute) ...")
        _install(project, environment, work)
    world = demo_world(invoices=invoices)
    say("Starting the sandbox: Dynamics and two Basware tenants on this machine ...")
    with ExitStack() as stack:
        desks = _open_desks(stack, world, work)
        system = Path(environment.get("MELTANO_SYS_DIR_ROOT") or project / ".meltano")
        for desk in desks:
            desk.prepare(project / "mapping.yml", system)
        say(_seeded(world))
        story = Story(desks, project, environment, say)
        story.masters()
        story.invoices()
        story.payments()
        writes = story.masters_again()
        story.reports()
        result = reconcile_desks(desks)
    if writes:
        result.problems.append(f"a second masters run wrote {writes} times to Basware")
    say("")
    say(render(result))
    return result.reconciled


def _open_desks(stack: ExitStack, world: World, work: Path) -> list[Desk]:
    """One sandbox a tenant, their Basware empty; the first serves Dynamics as well."""
    tenants = split_by_tenant(world)
    sandboxes = [
        stack.enter_context(Sandbox(directory=work / tenant.name / "server")) for tenant in tenants
    ]
    dynamics = sandboxes[0]
    dynamics.load(World(d365fo=world.d365fo, default_company=world.default_company))
    for sandbox in sandboxes:
        sandbox.switches.basware.settle_seconds = SETTLE_SECONDS
    return [
        Desk(tenant, sandbox, dynamics, work / tenant.name / "meltano")
        for tenant, sandbox in zip(tenants, sandboxes, strict=True)
    ]


@dataclass
class Story:
    """The steps of the demo, in their order; each tells what it did."""

    desks: Sequence[Desk]
    project: Path
    environment: Mapping[str, str]
    say: Callable[[str], None]
    started: float = field(default_factory=time.monotonic)

    def masters(self) -> None:
        """Masters and purchase orders of Dynamics into the empty tenants."""
        self._run("masters", lambda desk: f"{_total(desk)} records")
        for desk in self.desks:
            self.say(f"  {desk.tenant.name} holds now: {desk.masters_in_words()}")

    def invoices(self) -> None:
        """The approved invoices arrive, and are delivered or rejected."""
        for desk in self.desks:
            desk.open_mail()
        count = sum(len(desk.tenant.expected) for desk in self.desks)
        self.say(f"{count} approved invoices have arrived in Basware.")
        self._run("invoices", _delivered)

    def payments(self) -> None:
        """Dynamics posts and pays, and Basware hears of it."""
        dynamics = self.desks[0].dynamics.d365fo
        self.say(f"People in Dynamics post the invoices: {post_pending(dynamics)}.")
        self.say(f"They pay them: {pay_most(dynamics)}.")
        self._run("payments", _paid)

    def masters_again(self) -> int:
        """Masters once more, although nothing has changed: how many writes that took."""
        before = [desk.last_exchange() for desk in self.desks]
        self._run("masters", log="masters-again")
        writes = sum(
            desk.writes_since(number) for desk, number in zip(self.desks, before, strict=True)
        )
        self.say(f"  nothing had changed: {writes} writes to Basware")
        return writes

    def reports(self) -> None:
        """A page a tenant on what happened, for people."""
        run_all([desk.report_command(self.project, self.environment) for desk in self.desks])
        for desk in self.desks:
            self.say(f"The report of {desk.tenant.name}, a page for the browser: {desk.report}")

    def _run(
        self, job: str, progress: Callable[[Desk], str] | None = None, *, log: str = ""
    ) -> None:
        self.say(f"meltano run {job}, for both tenants at once")
        reporter = _Progress(self.desks, progress, self.say)
        begun = time.monotonic()
        run_all(
            [desk.command(self.project, self.environment, job, log) for desk in self.desks],
            reporter.show,
        )
        reporter.show(last=True)
        now = time.monotonic()
        self.say(f"  {now - begun:.0f} s, {now - self.started:.0f} s in all")


def reconcile_world(sandbox: Sandbox, world: World) -> Reconciliation:
    """Compare what both systems hold now, and hold it against what the seed expects."""
    held = {row["invoiceId"]: row for row in sandbox.basware.documents()}
    return _reconcile({key: held[key] for key in world.expected}, sandbox, world.expected)


def reconcile_desks(desks: Sequence[Desk]) -> Reconciliation:
    """The same for several tenants, their masters included."""
    documents: dict[str, Any] = {}
    expected: dict[str, Expectation] = {}
    problems: list[str] = []
    for desk in desks:
        held = desk.documents()
        documents |= held
        expected |= desk.tenant.expected
        good = [
            document
            for document_id, document in held.items()
            if desk.tenant.expected[document_id].outcome == "delivered"
        ]
        problems += coding_problems(good, desk.masters())
    result = _reconcile(documents, desks[0].dynamics, expected)
    result.problems += problems
    return result


def _reconcile(
    documents: Mapping[str, Any], dynamics: Sandbox, expected: Mapping[str, Expectation]
) -> Reconciliation:
    result = reconcile(documents.values(), Books.of(dynamics.d365fo), LEGAL_ENTITIES)
    result.problems += _unexpected(documents, expected)
    return result


def _unexpected(documents: Mapping[str, Any], expectations: Mapping[str, Expectation]) -> list[str]:
    """Name the invoices that came out otherwise than the seed expects.

    Of two documents with one invoice number, one is to be delivered: whichever Basware offers
    first, and its lists have no documented order.
    """
    surplus: Counter[tuple[str, ...]] = Counter()
    for document_id, expected in expectations.items():
        document = documents[document_id]
        fields = ("companyCode", "supplierCode", "invoiceNumber")
        number = tuple(str(document.get(name, "")) for name in fields)
        transferred = document["processingStatus"] in {"Transferred", "Paid"}
        surplus[number] += transferred - (expected.outcome == "delivered")
    return [
        f"company {number[0]} vendor {number[1]} invoice {number[2] or '(no number)'}: "
        f"{'delivered' if count > 0 else 'rejected'}, which was not expected"
        for number, count in surplus.items()
        if count
    ]


def _install(project: Path, environment: Mapping[str, str], work: Path) -> None:
    state = {"MELTANO_DATABASE_URI": f"sqlite:///{work}/meltano.db"}
    arguments = ("--log-level=warning", "install")
    run_all([Command(arguments, project, {**environment, **state}, work / "install.log")])


def _seeded(world: World) -> str:
    expected = Counter(expectation.outcome for expectation in world.expected.values())
    vendors = len(world.d365fo.get("VendorsV3", []))
    return (
        f"Dynamics has {len(LEGAL_ENTITIES)} legal entities and {vendors} vendors; Basware has "
        f"nothing yet. {len(world.expected)} invoices will come, {expected['rejected']} of them "
        "with a fault."
    )


class _Progress:
    """Tells every few seconds how far each tenant is."""

    def __init__(
        self,
        desks: Sequence[Desk],
        words: Callable[[Desk], str] | None,
        say: Callable[[str], None],
    ) -> None:
        self._desks = desks
        self._words = words
        self._say = say
        self._at = time.monotonic()
        self._last = ""

    def show(self, *, last: bool = False) -> None:
        now = time.monotonic()
        if self._words is None or (now - self._at < PROGRESS_EVERY and not last):
            return
        self._at = now
        line = "; ".join(f"{desk.tenant.name}: {self._words(desk)}" for desk in self._desks)
        if line != self._last:
            self._say(f"  {line}")
        self._last = line


def _total(desk: Desk) -> int:
    return sum(len(records) for records in desk.masters().values())


def _delivered(desk: Desk) -> str:
    statuses = Counter(row["processingStatus"] for row in desk.documents().values())
    of_tenant = set(desk.tenant.legal_entities)
    held = sum(
        row["dataAreaId"] in of_tenant for row in desk.dynamics.d365fo.rows("VendorInvoiceHeaders")
    )
    return (
        f"{held} of {len(desk.tenant.expected)} in Dynamics, {statuses['Transferred']} confirmed, "
        f"{statuses['TransferFailed']} rejected"
    )


def _paid(desk: Desk) -> str:
    paid = sum(row["processingStatus"] == "Paid" for row in desk.documents().values())
    return f"{paid} invoices Paid"


def main(project: Path, work: Path, invoices: int, *, install: bool = True) -> int:
    """Run the demo and return its exit code."""
    try:
        return 0 if run_demo(project, work, invoices=invoices, install=install, say=_say) else 1
    except DemoFailed as error:
        _say(str(error))
        _say("reconciled: no")
        return 1
    except KeyboardInterrupt:
        _say("Interrupted; everything that was started is stopped.")
        return 130


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
