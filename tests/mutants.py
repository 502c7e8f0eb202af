"""Mutation testing of what must not break: `make mutants`.

For some modules alone: `uv run --group mutants python -m tests.mutants chain trail`.

Copies singer_delivery and the fast tests of the modules into a folder of its own, has mutmut
change one thing after the other there, and prints how many of the changes the tests noticed, and
which they did not. Statements outside of functions are left out: mutmut does not change them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent

#: The tests that are about a module, the quickest first.
TESTS = {
    "chain": ("trail", "verification"),
    "delivery": ("delivery", "kept_open", "together", "runs"),
    "document": ("document", "ledger"),
    "document_events": ("trail", "ledger"),
    "document_rows": ("ledger", "bulk", "delivery"),
    "exchanges": ("exchanges",),
    "http": ("exchanges", "http"),
    "ledger": ("trail", "ledger", "runs", "delivery"),
    "pace": ("pace",),
    "payloads": ("payloads", "verification"),
    "policy": ("policy", "http"),
    "runs": ("runs", "trail"),
    "senders": ("together", "kept_open", "delivery"),
    "sink": ("sink",),
    "stopping": ("stopping",),
    "throttle": ("throttle", "http"),
    "trail": ("trail", "verification"),
    "verification": ("verification", "trail"),
}

SETTINGS = """\
[mutmut]
source_paths=singer_delivery
only_mutate=
{mutated}
also_copy=
    tests
    pytest.ini
    singer_delivery
pytest_add_cli_args_test_selection=
{tests}
"""

PYTEST = """\
[pytest]
testpaths = tests
pythonpath = .
addopts = --import-mode=importlib -p no:cacheprovider
"""

#: Without PostgreSQL, other processes, and what waits or repeats a lot.
CONFTEST = """\
from hypothesis import settings
import pytest
from singer_delivery.stopping import PROCESS

settings.register_profile("few", deadline=None, max_examples=10, derandomize=True, database=None)
settings.load_profile("few")

SLOW = ("process", "postgresql", "survive", "killed", "one_line_in_the_log", "mutation_is_found",
        "whatever_happens", "beside_writing", "ten_thousand", "first_schema")


@pytest.fixture(autouse=True)
def nobody_stops():
    yield
    PROCESS.clear()


def pytest_collection_modifyitems(items):
    items[:] = [item for item in items if not any(slow in item.name for slow in SLOW)]
"""

#: What mutmut notes of a mutant that no test noticed, or that no test ran through.
UNNOTICED = (0, 33)


def prepare(folder: Path, modules: list[str]) -> None:
    """Copy what is needed, with settings of its own."""
    leave = shutil.ignore_patterns("__pycache__", "*.pyc")
    package = ROOT / "singer-delivery" / "singer_delivery"
    shutil.copytree(package, folder / "singer_delivery", ignore=leave)
    shutil.copytree(
        ROOT / "tests" / "singer_delivery", folder / "tests" / "singer_delivery", ignore=leave
    )
    (folder / "tests" / "__init__.py").touch()
    (folder / "tests" / "conftest.py").write_text(CONFTEST)
    (folder / "pytest.ini").write_text(PYTEST)
    files = sorted({name for module in modules for name in TESTS[module]})
    (folder / "setup.cfg").write_text(
        SETTINGS.format(
            mutated="\n".join(f"    singer_delivery/{module}.py" for module in modules),
            tests="\n".join(f"    tests/singer_delivery/test_{name}.py" for name in files),
        )
    )


def summed_up(folder: Path, module: str) -> tuple[str, list[str]]:
    """Return a line about a module, and the names of the mutants that went unnoticed."""
    notes = json.loads((folder / "mutants" / "singer_delivery" / f"{module}.py.meta").read_text())
    tried = {name: code for name, code in notes["exit_code_by_key"].items() if code is not None}
    unnoticed = [name for name, code in tried.items() if code in UNNOTICED]
    killed = len(tried) - len(unnoticed)
    share = f"{killed / len(tried):.1%}" if tried else "none"
    return f"{module}: {killed} of {len(tried)} mutants killed ({share})", unnoticed


def main() -> int:
    """Run mutmut on the modules and sum up; return 1 where it failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("modules", nargs="*", choices=TESTS, metavar="module")
    parser.add_argument("--children", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where to work, instead of a new folder")
    given = parser.parse_args()
    modules = given.modules or [*TESTS]
    folder = given.folder or Path(tempfile.mkdtemp(prefix="mutants-"))
    prepare(folder, modules)
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(given.children)]
    with (folder / "log").open("w") as log:
        if subprocess.run(command, cwd=folder, stdout=log, stderr=log, check=False).returncode:
            print(f"mutmut failed; see {folder / 'log'}", file=sys.stderr)
            return 1
    for module in modules:
        line, unnoticed = summed_up(folder, module)
        print(line)
        for name in unnoticed:
            print(f"  {name}")
    print(f"`python -m mutmut show NAME` in {folder} shows one of them")
    return 0


if __name__ == "__main__":
    sys.exit(main())
