"""The body of an answer, read only so far and so long: nobody can fill our memory, or keep us."""

from __future__ import annotations

import time
from collections.abc import Callable

import requests

CHUNK = 256 * 1024
MIB = 1024 * 1024


class TooMuch(requests.RequestException):
    """An answer that is longer, or takes longer, than it may."""


def take_body(
    answer: requests.Response,
    *,
    most_bytes: float,
    most_seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Read the body of a streamed answer into its `content`.

    Bytes count after decompression. Raises TooMuch, and what requests raises for a broken one.
    """
    deadline = clock() + most_seconds
    parts, size = [], 0
    try:
        for part in answer.iter_content(CHUNK):
            size += len(part)
            if size > most_bytes:
                msg = (
                    f"the answer is longer than {most_bytes / MIB:g} MiB (max_response_mib), "
                    "and was not read to its end"
                )
                raise TooMuch(msg)
            if clock() > deadline:
                msg = f"the answer was not complete after {most_seconds:g} s"
                raise TooMuch(msg)
            parts.append(part)
    except BaseException:
        answer.close()
        raise
    answer._content = b"".join(parts)
