"""Basware's import API that takes records as fast as they come: `python -m bench.import_server`.

It reads the arrays, holds them to the limit of records a request, counts, and says of each request
that P2P processed it. Tokens are the sandbox's. GET /bench is what it counted, POST /bench forgets.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import uuid
from collections.abc import Mapping

from bench.replay import Replay

LIMITS = {"vendors": 200}
STATUS = re.compile(r"/v1/requestStatus/([\w-]+)")
IMPORT = re.compile(r"/v1/(vendors)$")


class Imports(Replay):
    """Takes records."""

    def __init__(self, upstream: str, ca_file: str) -> None:
        super().__init__(upstream, ca_file)
        self.forget()

    def forget(self) -> None:
        """Have nothing, as freshly started."""
        self.requests = self.records = 0
        self.keys: set[str] = set()
        self.codes: dict[str, list[str]] = {}

    async def _answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> bytes:
        if target == "/bench":
            if method == "POST":
                self.forget()
            counted = {"requests": self.requests, "records": self.records, "keys": len(self.keys)}
            return _response("200 OK", counted)
        if method == "POST" and (found := IMPORT.match(target)):
            return self._take(found[1], json.loads(body))
        if method == "GET" and (found := STATUS.match(target)):
            return self._status(found[1], brief="ignoreSuccess" in target)
        return await super()._answer(method, target, headers, body)

    def _take(self, name: str, records: list[dict[str, object]]) -> bytes:
        self.requests += 1
        if len(records) > LIMITS[name]:
            return _response("400 Bad Request", {"message": "too many records"})
        request = str(uuid.uuid4())
        self.codes[request] = [str(record["externalCode"]) for record in records]
        self.records += len(records)
        self.keys.update(self.codes[request])
        return _response("200 OK", {"requestId": request}, request)

    def _status(self, request: str, *, brief: bool) -> bytes:
        if request not in self.codes:
            return _response("404 Not Found", {})
        codes = () if brief else self.codes[request]
        items = [{"externalCode": code, "status": "Success"} for code in codes]
        stamp = "2026-11-01T00:00:00.000Z"
        system = {
            "system": "P2P",
            "module": "IA",
            "systemStatus": "Success",
            "lastUpdated": stamp,
            "items": items,
        }
        state = {
            "requestId": request,
            "entityType": "Vendor",
            "entityVersion": "VendorV1",
            "requestStatus": "Success",
            "operationType": "POST",
            "lastUpdated": stamp,
            "systems": [system],
        }
        return _response("200 OK", {"requestStatus": [state]})


def _response(status: str, content: object, request: str = "") -> bytes:
    text = json.dumps(content).encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
        f"x-amzn-RequestId: {request or uuid.uuid4()}\r\nContent-Length: {len(text)}\r\n\r\n"
    )
    return head.encode() + text


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--ca-file", required=True)
    given = parser.parse_args()
    asyncio.run(Imports(given.upstream, given.ca_file).serve())


if __name__ == "__main__":
    main()
