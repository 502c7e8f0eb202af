"""Several reads in one `$batch`, as far as the environment takes that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import requests
from singer_delivery.errors import InDoubt, Refused, Unavailable
from singer_delivery.exact_json import parse_json
from singer_delivery.http import ApiSession
from singer_delivery.throttle import retry_after

from tap_d365fo.batch import (
    MalformedBatch,
    Operation,
    PartResponse,
    decode_batch,
    encode_batch,
    shared_headers,
)


@dataclass(frozen=True)
class ReadSender:
    """Sends reads together through a session, under the session's own limits."""

    session: ApiSession

    def send(self, urls: Sequence[str]) -> list[list[dict[str, Any]]]:
        """Return the rows of the first of these reads, up to the first that has no whole answer.

        A server reads in the order of the request (OData 4.0 part 1, §11.7.2). Raises Refused
        where the environment does not take reads so, and AccessDenied.
        """
        content_type, body = encode_batch([Operation("GET", url) for url in urls])
        headers = {
            "Content-Type": content_type,
            "Accept": "multipart/mixed",
            "Prefer": "odata.continue-on-error",
        }
        try:
            response = self.session.request("POST", "$batch", data=body, headers=headers)
            groups = decode_batch(response.headers.get("Content-Type", ""), response.content)
        except (InDoubt, Unavailable, MalformedBatch):
            return []  # a read may be repeated, and one by one it says better what is wrong
        answers = [parts[0] for parts in groups if len(parts) == 1][: len(urls)]
        if answers and all(part.status in _UNKNOWN for part in answers):
            msg = f"{self.session.origin} does not take reads in a $batch"
            raise Refused(msg, status=answers[0].status)
        return self._whole(answers, response)

    def _whole(
        self, answers: Sequence[PartResponse], response: requests.Response
    ) -> list[list[dict[str, Any]]]:
        found = []
        for part in answers:
            if part.status != 200:
                self._wait(part, response)
                break
            rows = _rows(part.body)
            if rows is None:
                break
            found.append(rows)
        return found

    def _wait(self, part: PartResponse, response: requests.Response) -> None:
        """Keep everybody quiet where a part says so: it is asked again."""
        if seconds := retry_after(part.within(shared_headers(response)).as_response()):
            self.session.gate.close_for(seconds)


#: What a server says to a kind of request that it does not know.
_UNKNOWN = frozenset({400, 404, 405, 501})


def _rows(body: bytes) -> list[dict[str, Any]] | None:
    """Return the rows of a whole answer; None for one that has further pages, or cannot be read."""
    try:
        content = parse_json(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or "@odata.nextLink" in content:
        return None
    rows = content.get("value")
    return rows if isinstance(rows, list) else None
