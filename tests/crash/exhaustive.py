"""A crash at every event of the whole flow, one after the other, until a run passes untouched.

Fail the n-th event, n = 1, 2, 3, …: each point is a run of its own from an empty start, with one
process killed at one event, and then started again to the end. Then both systems are judged.
"""

from __future__ import annotations

import argparse
import atexit
import multiprocessing
import random
import re
import shlex
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.crash.flow import BY_NAME, MODES, NOTHING, Aftermath, Bench
from tests.crash.hurried import HurriedRunner
from tests.crash.points import LATE, Point
from tests.crash.traces import untraced
from tests.crash.truth import Verdict, judge
from tests.crash.weaknesses import WEAKNESSES
from tests.crash.world import build_world

#: At every so many-th point, Meltano's state is lost with the crash, or the ledger, or sometimes
#: both; and the outcomes are told before the invoices start again.
STATE_LOST_EVERY = 5
LEDGER_LOST_EVERY = 12
OUTCOMES_FIRST_EVERY = 3
#: Seconds between two lines that say how far it is.
PROGRESS_EVERY = 60.0


@dataclass(frozen=True)
class Trial:
    """One run of the flow: who dies where, and what comes after it; without point nobody dies."""

    mode: str
    point: Point | None = None
    aftermath: Aftermath = NOTHING
    invoices: int = 25
    connections: int = 1
    together: int = 4
    weaknesses: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return it in words."""
        after = "" if self.aftermath == NOTHING else f", then {self.aftermath}"
        return f"{self.mode} {self.point or 'without a crash'}{after}"

    @property
    def command(self) -> str:
        """The command line that does just this once more."""
        words = ["python", "-m", "tests.crash", "exhaustive", "--mode", self.mode]
        if self.point:
            at = replace(self.point, what="")
            words += ["--point", str(at), "--then", str(self.aftermath)]
        words += ["--invoices", str(self.invoices), "--connections", str(self.connections)]
        words += ["--together", str(self.together)]
        for name in self.weaknesses:
            words += ["--weaken", name]
        return shlex.join([*words, "--keep"])


@dataclass(frozen=True)
class Result:
    """What came of a trial; `events` are those of each process that was to die in no other way."""

    trial: Trial
    reached: bool
    verdict: Verdict
    troubles: list[str]
    events: dict[tuple[str, str], list[str]]
    kept: Path | None = None

    @property
    def good(self) -> bool:
        return self.verdict.kept and not self.troubles

    def words(self) -> str:
        """Say what went wrong, and how to see it again."""
        problems = [*self.verdict.problems(), *self.troubles]
        lines = [f"FAILED: {self.trial}", *(f"  {problem}" for problem in problems)]
        if self.kept:
            lines.append(f"  ledger, logs and states are kept in {self.kept}")
        return "\n".join([*lines, f"  again: {self.trial.command}"])


@dataclass
class Report:
    """All results so far: crash points that were reached, and what was wrong."""

    points: int = 0
    untouched: int = 0
    verdict: Verdict = field(default_factory=Verdict)
    failures: list[Result] = field(default_factory=list)
    stuck: int = 0

    def add(self, result: Result) -> None:
        self.points += result.reached
        self.untouched += not result.reached
        self.verdict += result.verdict
        self.stuck += bool(result.troubles)
        if not result.good:
            self.failures.append(result)

    def line(self) -> str:
        """`crash points: 1234, duplicates: 0, …`."""
        stuck = f", other troubles: {self.stuck}" if self.stuck else ""
        return f"crash points: {self.points}, {self.verdict}{stuck}"


# -- in the workers: each has benches of its own

_benches: dict[tuple[object, ...], Bench] = {}
_folder = Path()
_keep = False


def _open_worker(folder: Path, keep: bool) -> None:
    global _folder, _keep
    _folder, _keep = Path(tempfile.mkdtemp(dir=folder)), keep
    atexit.register(_close_benches)


def _close_benches() -> None:
    for bench in _benches.values():
        bench.__exit__()
    _benches.clear()


def _bench(trial: Trial) -> Bench:
    # What is on its way needs the time that the targets give it.
    late = trial.point is not None and trial.point.what.startswith(LATE)
    key = trial.mode, trial.invoices, trial.connections, trial.together, late, trial.weaknesses
    if key not in _benches:
        bench = Bench(
            _folder / str(len(_benches)),
            # Where Dynamics numbers the headers, nothing of its own keeps duplicates out.
            build_world(trial.invoices, duplicate_check=trial.mode == "derived"),
            mode=trial.mode,
            connections=trial.connections,
            together=trial.together,
            patience=2 if late else 0,
            weaknesses=trial.weaknesses,
        )
        bench.runner = HurriedRunner()
        # Every process imports the main module again: what that needs is there already.
        loaded = [name for name in ("pytest", "tests.crash.flow") if name in sys.modules]
        bench.runner.context.set_forkserver_preload(["tests.crash.hurried", *loaded])
        _benches[key] = bench.__enter__()
    return _benches[key]


def attempt(trial: Trial) -> Result:
    """Do one trial in this process and judge it; `_open_worker` has been called."""
    bench = _bench(trial)
    atomic = trial.mode == "derived"
    found = Verdict()

    def look() -> list[str]:
        nonlocal found
        found += judge(bench.sandbox, bench.world, final=False, atomic=atomic)
        if trial.aftermath.no_ledger:
            return []
        return untraced(bench.sandbox, bench.ledger)

    bench.begin()
    try:
        passage = bench.travel(trial.point, aftermath=trial.aftermath, crashed=look)
    except RuntimeError as error:
        kept = _keep_run(bench, trial) if _keep else None
        return Result(trial, True, found, [str(error)], {}, kept)
    found += judge(bench.sandbox, bench.world, final=True)
    result = Result(trial, passage.reached, found, passage.troubles, passage.events)
    return replace(result, kept=_keep_run(bench, trial)) if _keep and not result.good else result


def _keep_run(bench: Bench, trial: Trial) -> Path:
    name = re.sub(r"\W+", "-", f"{trial.mode} {trial.point and replace(trial.point, what='')}")
    folder = Path(tempfile.mkdtemp(prefix=f"crash-{name}-"))
    shutil.copytree(bench.run_folder, folder, dirs_exist_ok=True)
    return folder


# -- in the process that is in charge


@dataclass
class Harness:
    """Hands the trials to its workers, and sums up."""

    workers: int = 2
    keep: bool = False
    say: Callable[[str], None] = print
    report: Report = field(default_factory=Report)
    pool: ProcessPoolExecutor | None = None

    @contextmanager
    def open(self) -> Iterator[None]:
        """Start the workers, and stop them in the end."""
        with (
            tempfile.TemporaryDirectory(prefix="crash-", ignore_cleanup_errors=True) as folder,
            ProcessPoolExecutor(
                self.workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_open_worker,
                initargs=(Path(folder), self.keep),
            ) as self.pool,
        ):
            yield

    def submit(self, trial: Trial) -> Future[Result]:
        """Have a worker do a trial."""
        if self.pool is None:
            msg = "the harness is not open"
            raise RuntimeError(msg)
        return self.pool.submit(attempt, trial)

    def trials(self, untouched: Trial) -> list[Trial]:
        """Run the flow untouched once, and return a trial for each event, in their order.

        There is one more behind the last event of each process. Raises RuntimeError when not even
        the untouched run is right, unless weaknesses are on.
        """
        result = self.submit(untouched).result()
        if not result.good and not untouched.weaknesses:
            raise RuntimeError(result.words())
        points = []
        for stage in BY_NAME:
            for process in ("tap", "target"):
                events = [*result.events[stage, process], LAST]
                points += [Point(stage, process, n, what) for n, what in enumerate(events, 1)]
        return [
            replace(untouched, point=point, aftermath=_aftermath(index, point))
            for index, point in enumerate(points)
        ]

    def try_all(self, trials: Iterable[Trial], *, enough: int = 0) -> None:
        """Do these trials; end early after `enough` failures, 0 for never.

        The trial of a last event is followed by one of the event after it, until nobody dies.
        """
        queue = list(trials)[::-1]
        count, begun = len(queue), time.monotonic()
        told = begun
        flying: set[Future[Result]] = set()
        while queue or flying:
            stop = enough and len(self.report.failures) >= enough
            while queue and len(flying) < self.workers and not stop:
                flying.add(self.submit(queue.pop()))
            if not flying:
                return
            done, flying = wait(flying, return_when=FIRST_COMPLETED)
            for future in done:
                result = future.result()
                self.report.add(result)
                if not result.good:
                    self.say(result.words())
                if result.reached and result.trial.point and result.trial.point.what == LAST:
                    following = replace(result.trial.point, number=result.trial.point.number + 1)
                    queue.append(replace(result.trial, point=following))
            now = time.monotonic()
            if now - told > PROGRESS_EVERY:
                told = now
                left = len(queue) + len(flying)
                self.say(
                    f"{count - left} of {count} after {now - begun:.0f} s: {self.report.line()}"
                )


#: What is said of an event that nobody has seen yet: the one after a process's last.
LAST = "after the last event seen"


def _aftermath(index: int, point: Point) -> Aftermath:
    # Without the ledger nobody knows that something may still be on its way.
    late = point.what.startswith(LATE)
    return Aftermath(
        no_state=index % STATE_LOST_EVERY == 2,
        no_ledger=index % LEDGER_LOST_EVERY == 7 and not late,
        outcomes_first=index % OUTCOMES_FIRST_EVERY == 0 and point.stage == "invoices",
    )


def spread(trials: Sequence[Trial], limit: int, seed: int = 0) -> list[Trial]:
    """Return `limit` of the trials: of every stage, process and kind of event in turn.

    Those of each stage and process come first, so that a small sample has them all.
    """
    rng = random.Random(seed)
    groups: dict[tuple[str, ...], list[Trial]] = defaultdict(list)
    for trial in trials:
        if trial.point and trial.point.what != LAST:
            groups[trial.mode, trial.point.stage, trial.point.process, kind(trial.point)].append(
                trial
            )
    for group in groups.values():
        rng.shuffle(group)
    keys = list(groups)
    rng.shuffle(keys)
    firsts = {key[1:3]: key for key in reversed(keys)}.values()
    order = [groups[key] for key in dict.fromkeys((*firsts, *keys))]
    chosen: list[Trial] = []
    while len(chosen) < limit and any(order):
        chosen += [group.pop() for group in order if group]
    return chosen[:limit]


def kind(point: Point) -> str:
    """What sort of event a point is: `before commit`, `unanswered POST`, `after STATE`."""
    found = re.match(r"(before|after|unanswered|on its way) (\w+)", point.what)
    return f"{found[1]} {found[2]}" if found else point.what


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    options = _options(argv)
    modes = MODES if options.mode == "all" else (options.mode,)
    begun = time.monotonic()
    plain = Trial(
        "",
        invoices=options.invoices,
        connections=options.connections,
        together=options.together,
        weaknesses=tuple(options.weaken),
    )
    harness = Harness(options.workers, options.keep, _say)
    with harness.open():
        trials: list[Trial] = []
        for mode in modes:
            untouched = replace(plain, mode=mode)
            found = harness.trials(untouched)
            _say(f"{mode}: {len(found)} events, one behind each process's last included")
            trials += found
        if options.point:
            chosen = [each for each in trials if each.point and _same(each.point, options.point)]
            trials = [replace(each, aftermath=options.then) for each in chosen]
        trials = trials[options.seed % options.every :: options.every]
        if options.limit:
            trials = spread(trials, options.limit, options.seed)
        harness.try_all(trials, enough=options.enough)
    report = harness.report
    _say(
        f"written by: {', '.join(modes)}; {report.untouched} runs passed untouched; "
        f"{time.monotonic() - begun:.0f} s"
    )
    _say(report.line())
    return 1 if report.failures else 0


def _same(one: Point, other: Point) -> bool:
    return replace(one, what="") == replace(other, what="")


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash exhaustive", description=__doc__)
    add = parser.add_argument
    add("--mode", choices=[*MODES, "all"], default="all", help="how invoices are written")
    add("--every", type=int, default=1, metavar="N", help="only every N-th point")
    add("--limit", type=int, default=0, metavar="N", help="only N points, spread over all kinds")
    add("--seed", type=int, default=0, help="which of them")
    add("--workers", type=int, default=2, help="processes, each with a sandbox of its own")
    add(
        "--connections", type=int, default=1, help="the targets' max_connections; numbers vary then"
    )
    add("--together", type=int, default=4, help="invoices in one request to Dynamics")
    add("--point", type=Point.parse, metavar="STAGE/PROCESS/N", help="this point alone")
    add(
        "--then",
        type=Aftermath.parse,
        default=NOTHING,
        help="with --point, before the next run: no-state, no-ledger, outcomes-first, joined by +",
    )
    add("--invoices", type=int, default=25, help="6 to 25")
    add(
        "--weaken", choices=sorted(WEAKNESSES), action="append", default=[], help="a defect to find"
    )
    add("--enough", type=int, default=0, metavar="N", help="stop after N failures")
    add("--keep", action="store_true", help="keep ledger, logs and states of failures")
    return parser.parse_args(argv)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
