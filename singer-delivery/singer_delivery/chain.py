"""The hash that ties each entry of the audit trail to the one before it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from json.encoder import encode_basestring_ascii

from singer_delivery.errors import LedgerError

#: The form in which new entries are hashed. Another one gets the next number, and the old ones
#: stay, so that what was written by an older version can be verified for ever.
FORM = 1
#: What the first entry follows.
GENESIS = "0" * 64


def link_hash(form: int, fields: Sequence[str], previous: str) -> str:
    """Return the hash of an entry, as 64 hex digits.

    `fields`: number, at, system, stream, key, kind, run_id, actor, detail (its text) and payload,
    in this order, as text as they are stored. Form 1 is the SHA-256 of the compact ASCII JSON
    array of the form, the fields and the previous hash. Raises LedgerError for an unknown form.
    """
    if form != 1:
        msg = f"form {form} of the audit trail is unknown to this version; upgrade to verify it"
        raise LedgerError(msg)
    # As json.dumps writes an array of texts, which would make an encoder each time.
    text = f"[{','.join(map(encode_basestring_ascii, (str(form), *fields, previous)))}]"
    return hashlib.sha256(text.encode()).hexdigest()
