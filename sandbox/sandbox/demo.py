"""`sandbox demo`: the whole pipeline against a fresh sandbox, by the real `meltano run`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.reconciliation import Reconciliation, reconcile, render
from sandbox.seed.companies import COMPANIES
from sandbox.seed.demo import demo_world
from sandbox.server import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.seed.world import World

LEGAL_ENTITIES = {company.code: company.legal_entity for company in COMPANIES}

LEDGER_KEEPERS = ("TARGET_D365FO", "TAP_D365FO", "TARGET_BASWARE")

#: Seconds between two progress lines.
PROGRESS_EVERY = 2.0
LOG_TAIL = 30


class DemoFailed(Exception):
    """A step of the demo ended with an error; the text says which, and where its log is."""


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
    environment = _environment(work)
    if install:
        say("Installing the plugins (the first time takes a minute) ...")
        _run(["meltano", "--log-level=warning", "install"], project, environment, work)
    world = demo_world(invoices=invoices)
    say("Starting the sandbox: Basware and Dynamics on this machine ...")
    with Sandbox(directory=work / "server") as sandbox:
        sandbox.load(world)
        say(_seeded(world))
        environment |= sandbox.environment()
        say("meltano run invoices")
        progress = _Progress(sandbox, world, say)
        _run(["meltano", "run", "invoices"], project, environment, work, progress.show)
        progress.show(last=True)
        result = reconcile_world(sandbox, world)
    say("")
    say(render(result))
    return result.reconciled


def reconcile_world(sandbox: Sandbox, world: World) -> Reconciliation:
    """Compare what both systems hold now, and hold it against what the seed expects."""
    documents = {row["invoiceId"]: row for row in sandbox.basware.documents()}
    result = reconcile(
        [documents[document_id] for document_id in world.expected],
        sandbox.d365fo.rows("VendorInvoiceHeaders"),
        sandbox.d365fo.rows("VendorInvoiceLines"),
        LEGAL_ENTITIES,
    )
    result.problems += _unexpected(documents, world)
    return result


def _unexpected(documents: Mapping[str, Any], world: World) -> list[str]:
    """Name the invoices that came out otherwise than the seed expects.

    Of two documents with one invoice number, one is to be delivered: whichever Basware offers
    first, and its lists have no documented order.
    """
    surplus: Counter[tuple[str, ...]] = Counter()
    for document_id, expected in world.expected.items():
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


def _environment(work: Path) -> dict[str, str]:
    ledger = f"sqlite:///{work}/ledger.db"
    return {
        **os.environ,
        "MELTANO_ENVIRONMENT": "sandbox",
        "MELTANO_DATABASE_URI": f"sqlite:///{work}/meltano.db",
        **{f"{plugin}_LEDGER_URL": ledger for plugin in LEDGER_KEEPERS},
    }


def _seeded(world: World) -> str:
    expected = Counter(expectation.outcome for expectation in world.expected.values())
    vendors = len(world.d365fo.get("VendorsV3", []))
    return (
        f"Seeded {len(LEGAL_ENTITIES)} legal entities, {vendors} vendors and "
        f"{len(world.expected)} approved invoices, {expected['rejected']} of them with a fault."
    )


class _Progress:
    """Tells every few seconds what the two systems hold by now."""

    def __init__(self, sandbox: Sandbox, world: World, say: Callable[[str], None]) -> None:
        self._sandbox = sandbox
        self._ids = set(world.expected)
        self._say = say
        self._at = time.monotonic()
        self._last = ""

    def show(self, *, last: bool = False) -> None:
        now = time.monotonic()
        if now - self._at < PROGRESS_EVERY and not last:
            return
        self._at = now
        line = self._line()
        if line != self._last:
            self._say(line)
        self._last = line

    def _line(self) -> str:
        statuses: Counter[str] = Counter(
            document["processingStatus"]
            for document in self._sandbox.basware.documents()
            if document["invoiceId"] in self._ids
        )
        posted = len(self._sandbox.d365fo.rows("VendorInvoiceHeaders"))
        return (
            f"  {posted} of {len(self._ids)} in Dynamics; Basware: "
            f"{statuses['Transferred']} transferred, {statuses['TransferFailed']} failed"
        )


def _run(
    command: list[str],
    project: Path,
    environment: Mapping[str, str],
    work: Path,
    progress: Callable[[], Any] = lambda: None,
) -> None:
    log = work / f"{command[-1]}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  (our own command line)
            command,
            cwd=project,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while process.poll() is None:
                progress()
                time.sleep(0.1)
        finally:
            _stop(process)
    if process.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-LOG_TAIL:])
        msg = f"{tail}\n`{' '.join(command)}` failed; the whole log is {log}"
        raise DemoFailed(msg)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it started, if it still runs."""
    if process.poll() is not None:
        return
    for number, patience in ((signal.SIGINT, 10), (signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        os.killpg(process.pid, number)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        return


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
