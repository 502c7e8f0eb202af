"""`python -m tests.crash exhaustive|random|all`: the promise, proved as by `make crash`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

USAGE = (
    "python -m tests.crash exhaustive|random|all [options]; --help after one of them says more\n"
)


def main(argv: Sequence[str]) -> int:
    """Run one proof, or both; returns the exit code."""
    # Plugin processes load this module too, and have no use for either.
    from tests.crash import exhaustive, random_runs

    proofs: dict[str, Callable[[Sequence[str]], int]] = {
        "exhaustive": exhaustive.main,
        "random": random_runs.main,
    }
    name, *options = argv or ["all"]
    if name in proofs:
        return proofs[name](options)
    if name != "all" or options:
        sys.stderr.write(USAGE)
        return 2
    return max(proof([]) for proof in proofs.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
