"""What Basware holds of the masters, and what was written to it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.server import Sandbox

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Held:
    """A copy of what P2P holds, by resource."""

    resources: Mapping[str, list[Row]]

    @classmethod
    def of(cls, sandbox: Sandbox) -> Held:
        """Return what the sandbox's P2P holds now."""
        names = sandbox.basware.p2p_resources()
        return cls({name: sandbox.basware.p2p(name) for name in names})

    def __getitem__(self, resource: str) -> list[Row]:
        return self.resources.get(resource, [])

    def one(self, resource: str, **values: Any) -> Row:
        """Return the one record with these values."""
        [found] = [row for row in self[resource] if values.items() <= row.items()]
        return found


def writes(sandbox: Sandbox, since: int = 0) -> dict[str, int]:
    """Return how many records were written to each resource after an exchange."""
    counts: Counter[str] = Counter()
    for request in sandbox.journal.requests("basware", since=since):
        version, _, rest = request.path.removeprefix("/").partition("/")
        name = "/".join(rest.split("/")[:2]) if rest.startswith("lists/") else rest.split("/")[0]
        if request.method not in {"POST", "PATCH"} or name in {"tokens", "requestStatus"}:
            continue
        assert version in {"v1", "v2"}
        body = json.loads(request.body)
        counts[name] += len(body) if isinstance(body, list) else 1
    return dict(counts)
