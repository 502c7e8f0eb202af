"""bench/RESULTS.md, and bench/results.json, which keeps what an earlier run found."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from bench.findings import Finding

FOLDER = Path(__file__).parent
PAGE, KEPT = "RESULTS.md", "results.json"
OURS = ("singer-sdk", "meltano", "requests", "msgspec")
INTRODUCTION = """\
# Results

Written by `make bench` and `make bench-memory`; do not edit.

- **Contestants** are processes, each in the way its documentation shows. Before it counts, each is
  seen to deliver every record, once.
- **Rounds**: all contestants run one right after the other, another one first each time. A ratio is
  of one round. Figures are medians of all rounds, with the lowest and the highest in brackets.
- **Servers** are processes of their own on the same machine, on loopback without TLS. They answer
  from memory, so that what is measured is the client.
- **CPU** is what the operating system counted for the client's processes. On a machine that others
  share, trust ratios before figures, and CPU before seconds.
"""


def save(found: Iterable[Finding], folder: Path = FOLDER) -> Path:
    """Add findings to those that are kept, and write the page. Returns its path."""
    kept = load(folder)
    kept.update({each.name: each for each in found})
    content = {name: each.as_json() for name, each in kept.items()}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / KEPT).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    page = folder / PAGE
    page.write_text(render(list(kept.values())))
    return page


def load(folder: Path = FOLDER) -> dict[str, Finding]:
    """Return what is kept, by name."""
    file = folder / KEPT
    if not file.exists():
        return {}
    kept: Mapping[str, dict[str, object]] = json.loads(file.read_text())
    return {name: Finding.from_json(content) for name, content in kept.items()}


def render(found: Sequence[Finding]) -> str:
    """Return the page."""
    goals = [
        [goal.what, goal.goal, goal.measured, "met" if goal.met else "**not met**"]
        for each in found
        for goal in each.goals
    ]
    parts = [INTRODUCTION, table(["what", "goal", "measured", ""], goals)]
    for each in found:
        parts += [f"## {each.title}\n", table(each.head, each.rows)]
        parts += [f"{note}\n" for note in each.notes]
        parts.append("; ".join(f"{name}: {text}" for name, text in each.run.items()) + ".\n")
    return "\n".join(parts)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines
    )


def machine() -> str:
    """Return what this machine is."""
    model = platform.machine()
    cpus = Path("/proc/cpuinfo")
    if cpus.exists():
        names = [line for line in cpus.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    return f"{os.cpu_count()} x {model}, {platform.system()}"


def versions() -> str:
    """Return the versions of what we run on."""
    names = [f"{name} {version(name)}" for name in OURS if _installed(name)]
    return ", ".join([*_commit(), f"Python {platform.python_version()}", *names])


def _commit() -> list[str]:
    """Return the commit of this project, and whether anything but results differs from it."""
    try:
        commit = _git("rev-parse", "--short", "HEAD")
        changed = _git(
            "status", "--porcelain", "--", ".", *(f":!{FOLDER / n}" for n in (PAGE, KEPT))
        )
    except (OSError, subprocess.CalledProcessError):
        return []
    return [f"commit {commit}{' with changes' if changed else ''}"]


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=FOLDER.parent, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def _installed(name: str) -> bool:
    try:
        version(name)
    except ModuleNotFoundError:
        return False
    return True
