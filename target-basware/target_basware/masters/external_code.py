"""External codes: the keys of our records in Basware, the same in every run and on every machine.

`usmf_US-101` where it fits, a UUID computed from the parts where it does not. Two different lists
of parts never get one code: a part with an underscore in it, or an empty one, is never joined.
"""

from __future__ import annotations

import json
import re
import uuid

#: Namespace of the UUIDs; changing it would make every such record a new one in Basware.
NAMESPACE = uuid.UUID("b8f14c0e-6d0a-5b7e-9c55-20d3a1e8f4c6")
LONGEST = 36
PLAIN = re.compile(r"[A-Za-z0-9.-]+")


def external_code(resource: str, *parts: str) -> str:
    """Return the code of a record, at most 36 characters. Raises ValueError without any part."""
    if not parts:
        msg = "an external code needs at least one part"
        raise ValueError(msg)
    joined = "_".join(parts)
    # One part alone might look like a UUID; with an underscore in it, none does.
    if len(parts) > 1 and len(joined) <= LONGEST and all(map(PLAIN.fullmatch, parts)):
        return joined
    said = json.dumps([resource, *parts], separators=(",", ":"))
    return str(uuid.uuid5(NAMESPACE, said))
