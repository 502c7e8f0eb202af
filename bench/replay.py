"""A server that costs next to nothing: it asks the sandbox once, and repeats the answers.

`python -m bench.replay --upstream https://localhost:… --ca-file …` listens on loopback without TLS
and prints its port. A GET that it has seen before is answered from memory with the same bytes, so
that what is measured is the client. Addresses of the upstream in answers become its own.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import requests

#: Hop by hop, or no longer true of what is kept.
DROPPED = frozenset({"transfer-encoding", "connection", "content-encoding", "content-length"})


class Replay:
    """Answers from memory, or from upstream the first time."""

    def __init__(self, upstream: str, ca_file: str) -> None:
        self.upstream, self.own = upstream.rstrip("/"), ""
        self._session = requests.Session()
        self._session.trust_env, self._session.verify = False, ca_file
        self._kept: dict[tuple[str, str], bytes] = {}
        self._threads = ThreadPoolExecutor(8)

    async def serve(self) -> None:
        """Listen until the process ends."""
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, limit=2**20)
        port = server.sockets[0].getsockname()[1]
        self.own = f"http://localhost:{port}"
        print(port, flush=True)
        await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.decode("latin-1").split("\r\n")
                method, target, _ = lines[0].split(" ")
                headers = {k.lower(): v for k, v in (x.split(": ", 1) for x in lines[1:] if x)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                writer.write(await self._answer(method, target, headers, body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> bytes:
        key = method, target
        if key not in self._kept:
            loop = asyncio.get_running_loop()
            answer = await loop.run_in_executor(
                self._threads, self._ask, method, target, headers, body
            )
            if method != "GET" or not answer.startswith(b"HTTP/1.1 200"):
                return answer
            self._kept[key] = answer
        return self._kept[key]

    def _ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
        sent = {k: v for k, v in headers.items() if k not in DROPPED | {"host"}}
        answer = self._session.request(
            method, self.upstream + target, headers=sent, data=body, allow_redirects=False
        )
        content = answer.content.replace(self.upstream.encode(), self.own.encode())
        kept = [f"{k}: {v}" for k, v in answer.headers.items() if k.lower() not in DROPPED]
        head = [f"HTTP/1.1 {answer.status_code} {answer.reason}", *kept]
        return "\r\n".join([*head, f"Content-Length: {len(content)}", "", ""]).encode() + content


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--ca-file", required=True)
    given = parser.parse_args()
    asyncio.run(Replay(given.upstream, given.ca_file).serve())


if __name__ == "__main__":
    main()
