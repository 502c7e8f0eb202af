"""Storms by the seed: several kills, lost answers, losses and runners, then calm, then the judge.

`python -m tests.crash random --seeds 1000` runs 1,000 plans, each drawn from its seed. The same
seed is the same plan again; what two runners or several connections do at once may differ.
"""

from __future__ import annotations

import argparse
import atexit
import json
import multiprocessing
import random
import shlex
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from sandbox.server import Sandbox

from tests.crash import storm
from tests.crash.flow import BY_NAME, Bench, Stage
from tests.crash.hurried import Finisher, HurriedRunner
from tests.crash.plugins import Command, Ended
from tests.crash.storm import OFFICES, PACKAGE, Plan, Round
from tests.crash.truth import Verdict, judge
from tests.crash.weaknesses import WEAKNESSES
from tests.crash.world import Clerk, CrashWorld, build_world

#: The stages of each Meltano job, which ends at the first one that fails.
INVOICES = (BY_NAME["invoices"], BY_NAME["outcomes"])
PAYMENTS = (BY_NAME["payments"],)
#: So often the jobs may be started again in the calm before that counts as not healing.
MOST_RUNS = 6
#: Steps in which the invoices are paid in the end; see `tests.crash.world`.
LAST_STEPS = 3
#: Seconds between two lines that say how far it is.
PROGRESS_EVERY = 60.0
_FIRST_WORLD = 6


@dataclass(frozen=True)
class Result:
    """What came of a seed; `troubles` are runs that did not go through, `kept` its files."""

    plan: Plan
    verdict: Verdict
    troubles: Sequence[str]
    seconds: float
    kills: int = 0
    weaknesses: tuple[str, ...] = ()
    kept: Path | None = None

    @property
    def good(self) -> bool:
        """Whether the promise was kept."""
        return self.verdict.kept and not self.troubles

    @property
    def command(self) -> str:
        """The command line that does just this once more."""
        words = ["python", "-m", "tests.crash", "random", "--first", str(self.plan.seed)]
        words += ["--seeds", "1", "--keep"]
        words += ["--edit-waiting"] * self.plan.edits_waiting
        words += ["--packages"] * (self.plan.mode == PACKAGE)
        for name in self.weaknesses:
            words += ["--weaken", name]
        return shlex.join(words)

    def words(self) -> str:
        """Say what went wrong, and how to see it again."""
        problems = [*self.verdict.problems(), *self.troubles]
        lines = [f"FAILED: seed {self.plan.seed} ({self.plan})"]
        lines += [f"  {problem}" for problem in problems]
        if self.kept:
            lines.append(f"  ledgers, logs and states are kept in {self.kept}")
        return "\n".join([*lines, f"  again: {self.command}"])


class Office:
    """One runner: its settings, its ledger, its Meltano states."""

    def __init__(self, bench: StormBench, number: int, ledger: Path) -> None:
        self._bench = bench
        self.number = number
        self.ledger = ledger
        self._folder = bench.run_folder / f"office-{number}"
        self._folder.mkdir()
        self._runs = 0
        self.told: list[str] = []
        for plugin in ("tap-basware", "tap-d365fo", "target-d365fo", "target-basware"):
            settings = dict(bench.settings_of(plugin))
            if "ledger_url" in settings:
                settings["ledger_url"] = f"sqlite:///{ledger}"
            self._config(plugin).write_text(json.dumps(settings))

    def job(
        self, stages: Sequence[Stage], kills: Mapping[tuple[str, str], int] | None = None
    ) -> bool:
        """Run a job as Meltano does; returns whether it went through."""
        return all(self._run(stage, kills or {}).well for stage in stages)

    def lose_state(self) -> None:
        """Meltano's state is gone."""
        for file in self._folder.glob("state-*.json"):
            file.unlink()

    def lose_ledger(self) -> None:
        """The ledger is gone."""
        for file in self.ledger.parent.glob(f"{self.ledger.name}*"):
            file.unlink()

    def _run(self, stage: Stage, kills: Mapping[tuple[str, str], int]) -> Ended:
        self._runs += 1
        name = f"{self._runs:02d}-{stage.name}"
        tap, target = (
            Command(
                "tap-d365fo" if plugin == "tap-d365fo-payments" else plugin,
                self._arguments(stage, plugin),
                events=self._folder / f"{name}-{side}.events",
                log=self._folder / f"{name}-{side}.log",
                deadly=kills.get((stage.name, side), 0),
                weaknesses=self._bench.weaknesses,
            )
            for side, plugin in (("tap", stage.tap), ("target", stage.target))
        )
        ended = self._bench.runner.pipe(tap, target)
        self.told.append(f"runner {self.number} {name}: tap {ended.tap}, target {ended.target}")
        if ended.state:
            self._state(stage).write_text(ended.state)
        return ended

    def _arguments(self, stage: Stage, plugin: str) -> list[str]:
        arguments = [f"--config={self._config(plugin.removesuffix('-payments'))}"]
        if plugin == "tap-d365fo-payments":
            arguments.append(f"--catalog={self._bench.payments_catalog}")
        if plugin.startswith("tap-") and self._state(stage).exists():
            arguments.append(f"--state={self._state(stage)}")
        return arguments

    def _config(self, plugin: str) -> Path:
        return self._folder / f"{plugin}.json"

    def _state(self, stage: Stage) -> Path:
        return self._folder / f"state-{stage.pair}.json"


class StormBench(Bench):
    """A sandbox and plugin processes for one plan after the other."""

    def __init__(self, folder: Path, *, weaknesses: Sequence[str] = ()) -> None:
        super().__init__(folder, build_world(_FIRST_WORLD), weaknesses=weaknesses)
        self.runner = self._hurried = HurriedRunner()
        self.plan = storm.draw(0)

    def __enter__(self) -> Self:
        super().__enter__()
        self._hurried.finisher = Finisher(self.sandbox.control_url, str(self.sandbox.ca_file))
        return self

    def open(self, plan: Plan) -> list[Office]:
        """Start anew with the world of a plan; returns its runners."""
        self.plan, self.mode, self.connections = plan, plan.mode, plan.connections
        self.world = build_world(
            plan.invoices, seed=plan.seed, duplicate_check=plan.duplicate_check
        )
        self.begin()
        self.sandbox.switches.d365fo.continuous_numbers = plan.continuous_numbers
        shared = plan.offices != OFFICES[2]
        return [
            Office(self, number, self.run_folder / f"ledger-{0 if shared else number}.db")
            for number in range(plan.runners)
        ]

    def settings_of(self, plugin: str) -> Mapping[str, Any]:
        """The settings of a plugin in the present plan."""
        return {**self._settings(plugin), **self.plan.settings.get(plugin, {})}

    @property
    def payments_catalog(self) -> Path:
        """The catalog with which payments are read."""
        return self._catalog


@dataclass
class Storm:
    """One seed, from the first run to the verdict."""

    bench: StormBench
    plan: Plan
    verdict: Verdict = field(default_factory=Verdict)
    troubles: list[str] = field(default_factory=list)
    kills: int = 0

    def __post_init__(self) -> None:
        self._rng = random.Random(f"people {self.plan.seed}")
        self._offices = self.bench.open(self.plan)
        self._clerk = Clerk(self._sandbox)

    def pass_over(self) -> None:
        """Let the storm pass, then run until everything went through, and judge."""
        for each in self.plan.rounds:
            self._people(each)
            self._sandbox.chaos.start(self.plan.chaos)
            self._start_all(each)
            self._sandbox.chaos.stop()
            self._look(final=False)
        self._calm()
        self._look(final=True)

    @property
    def _sandbox(self) -> Sandbox:
        return self.bench.sandbox

    @property
    def _world(self) -> CrashWorld:
        return self.bench.world

    def told(self) -> list[str]:
        """Every run and how it ended."""
        return [line for office in self._offices for line in office.told]

    def _people(self, each: Round) -> None:
        """What happens between two runs."""
        for office in self._offices:
            if each.state_lost:
                office.lose_state()
            if each.ledger_lost:
                office.lose_ledger()
        if each.posts:
            self._clerk.post(lambda _number: self._rng.random() < 0.6)
        if each.pays:
            self._clerk.pay(lambda _number: self._rng.random() < 0.7)
        unpaid = [
            row["invoiceId"] for row in self._sandbox.basware.documents() if self._is_free(row)
        ]
        for invoice_id in self._rng.sample(unpaid, min(len(unpaid), each.edited)):
            self._world.edit(self._sandbox, invoice_id, self._rng)
        for invoice_id in self._rng.sample(unpaid, min(len(unpaid), each.sent_again)):
            self._sandbox.basware.retransfer(invoice_id)

    def _is_free(self, document: Mapping[str, Any]) -> bool:
        """Whether an invoice can be sent out again: it was answered, and nobody began to pay it."""
        if document["processingStatus"] not in self.plan.editable:
            return False
        settled = {
            row["Invoice"]
            for row in self._sandbox.d365fo.rows("VendTransBiEntities")
            if row["SettleAmountCur"] or row["LastSettleVoucher"]
        }
        number = document["invoiceNumber"]
        return number not in settled and not document.get("paymentResponses")

    def _start_all(self, each: Round) -> None:
        """Start both jobs of every runner, runners at once."""

        def jobs(office: Office) -> None:
            kills = {
                (stage, process): number
                for (runner, stage, process), number in each.kills.items()
                if runner == office.number
            }
            for job in (INVOICES, PAYMENTS):
                office.job(job, kills)

        with ThreadPoolExecutor(len(self._offices)) as pool:
            list(pool.map(jobs, self._offices))
        killed = f" {-signal.SIGKILL}"
        self.kills = sum(line.count(killed) for line in self.told())

    def _calm(self) -> None:
        """Nothing goes wrong any more; every runner, or the first alone, comes to its end."""
        offices = self._offices[: self._rng.randint(1, len(self._offices))]
        self._until_through(offices, INVOICES)
        # The crawl that was interrupted is at its end: the next one begins anew, and brings what
        # was before the interruption, which those who lost their ledger have not answered.
        self._until_through(offices, INVOICES)
        self._clerk.post()
        for _ in range(LAST_STEPS):
            self._clerk.pay()
            self._until_through(offices, PAYMENTS)

    def _until_through(self, offices: Sequence[Office], job: Sequence[Stage]) -> None:
        for office in offices:
            if not any(office.job(job) for _ in range(MOST_RUNS)):
                self.troubles.append(f"{job[0].name} does not go through in {MOST_RUNS} runs")

    def _look(self, *, final: bool) -> None:
        atomic = self.plan.mode == "derived"
        self.verdict += judge(self._sandbox, self._world, final=final, atomic=atomic)


# -- in the workers: each has a bench of its own

_bench: StormBench | None = None
_keep = False


def _open_worker(folder: Path, weaknesses: tuple[str, ...], keep: bool) -> None:
    global _bench, _keep  # noqa: PLW0603 - one a process
    _keep = keep
    bench = StormBench(Path(tempfile.mkdtemp(dir=folder)), weaknesses=weaknesses)
    _bench = bench.__enter__()
    atexit.register(bench.__exit__)


def attempt(seed: int, edits_waiting: bool, packages: bool) -> Result:
    """Do one seed in this process; `_open_worker` has been called."""
    if _bench is None:
        msg = "no bench is open"
        raise RuntimeError(msg)
    plan = storm.draw(seed, edits_waiting=edits_waiting, packages=packages)
    return pass_over(_bench, plan, keep=_keep)


def pass_over(bench: StormBench, plan: Plan, *, keep: bool = False) -> Result:
    """Do the plan of a seed on a bench and judge it."""
    begun = time.monotonic()
    done = Storm(bench, plan)
    try:
        done.pass_over()
    except RuntimeError as error:  # a process that hung
        done.troubles.append(str(error))
    finally:
        bench.sandbox.chaos.stop()
    bad = done.troubles or not done.verdict.kept
    return Result(
        plan,
        done.verdict,
        done.troubles,
        time.monotonic() - begun,
        done.kills,
        bench.weaknesses,
        _keep_run(bench, plan, done.told()) if keep and bad else None,
    )


def _keep_run(bench: StormBench, plan: Plan, told: Iterable[str]) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=f"storm-{plan.seed}-"))
    shutil.copytree(bench.run_folder, folder, dirs_exist_ok=True)
    (folder / "runs.txt").write_text("".join(f"{line}\n" for line in told))
    return folder


# -- in the process that is in charge


@dataclass
class Report:
    """All results so far."""

    seeds: int = 0
    kills: int = 0
    verdict: Verdict = field(default_factory=Verdict)
    failures: list[Result] = field(default_factory=list)
    stuck: int = 0

    def add(self, result: Result) -> None:
        """Count a result in."""
        self.seeds += 1
        self.kills += result.kills
        self.verdict += result.verdict
        self.stuck += bool(result.troubles)
        if not result.good:
            self.failures.append(result)

    def line(self) -> str:
        """`seeds: 1000, duplicates: 0, …`."""
        stuck = f", did not go through: {self.stuck}" if self.stuck else ""
        return f"seeds: {self.seeds}, {self.verdict}{stuck}"


def run_seeds(
    seeds: Sequence[int],
    *,
    workers: int = 2,
    weaknesses: tuple[str, ...] = (),
    edits_waiting: bool = False,
    packages: bool = False,
    keep: bool = False,
    enough: int = 0,
    seconds: float = 0,
    say: Callable[[str], None] = print,
) -> Report:
    """Do these seeds; end early after `enough` failures or so many `seconds`, 0 for never."""
    report, begun = Report(), time.monotonic()
    told = begun
    for result in _results(seeds, workers, weaknesses, keep, (edits_waiting, packages)):
        report.add(result)
        now = time.monotonic()
        if not result.good:
            say(result.words())
        if now - told > PROGRESS_EVERY:
            told = now
            say(f"{report.seeds} of {len(seeds)} after {now - begun:.0f} s: {report.line()}")
        if (enough and len(report.failures) >= enough) or (seconds and now - begun > seconds):
            break
    return report


def _results(
    seeds: Sequence[int],
    workers: int,
    weaknesses: tuple[str, ...],
    keep: bool,
    options: tuple[bool, bool],
) -> Iterator[Result]:
    """The results as they come; those under way are waited for when nobody wants more."""
    waiting, flying = list(seeds)[::-1], set[Future[Result]]()
    with (
        tempfile.TemporaryDirectory(prefix="storm-", ignore_cleanup_errors=True) as folder,
        ProcessPoolExecutor(
            workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_open_worker,
            initargs=(Path(folder), weaknesses, keep),
        ) as pool,
    ):
        while waiting or flying:
            while waiting and len(flying) < workers:
                flying.add(pool.submit(attempt, waiting.pop(), *options))
            done, flying = wait(flying, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()


def main(argv: Sequence[str]) -> int:
    """The command line; returns 1 when the promise was broken."""
    options = _parser().parse_args(argv)
    begun = time.monotonic()
    report = run_seeds(
        range(options.first, options.first + options.seeds),
        workers=options.workers,
        weaknesses=tuple(options.weaken),
        edits_waiting=options.edit_waiting,
        packages=options.packages,
        keep=options.keep,
        enough=options.enough,
        seconds=options.minutes * 60,
        say=lambda line: print(line, flush=True),
    )
    took = time.monotonic() - begun
    print(f"{took:.0f} s, {report.kills} processes killed")
    for failure in report.failures[1:]:
        print(f"seed {failure.plan.seed}: {failure.command}")
    print(report.line())
    return 1 if report.failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.crash random", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many seeds")
    parser.add_argument("--first", type=int, default=1, help="the first one")
    parser.add_argument("--workers", type=int, default=2, help="how many at once")
    parser.add_argument("--enough", type=int, default=0, help="end after so many failed seeds")
    parser.add_argument("--minutes", type=float, default=0, help="end after so many minutes")
    parser.add_argument(
        "--edit-waiting",
        action="store_true",
        help="let people change invoices also while these wait for their answer",
    )
    parser.add_argument(
        "--packages", action="store_true", help="let all invoices go in data packages"
    )
    parser.add_argument("--keep", action="store_true", help="keep what failed seeds leave behind")
    parser.add_argument(
        "--weaken", action="append", default=[], choices=sorted(WEAKNESSES), help="break it first"
    )
    return parser
