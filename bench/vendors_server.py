"""Dynamics with any number of vendors, all made from one row: `python -m bench.vendors_server`.

Pages of VendorsV3 are written from the sandbox's own first row with another account number and name
in each, so that a million of them need neither memory nor time of the sandbox; everything else is
what the sandbox says. Rows come as F&O gives them: by key, by `$top`, else in pages of 10,000 with
a nextLink.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from bench.replay import Replay

SET = "/data/VendorsV3"
PAGE = 10_000
#: Pages of more vendors are written again each time.
MOST_KEPT = 200_000
NUMBER = re.compile(r"VendorAccountNumber (ge|gt) 'V(\d+)'")
NAMES = ("VendorAccountNumber", "VendorOrganizationName")
HEAD = (
    "HTTP/1.1 200 OK\r\nContent-Type: application/json; odata.metadata=minimal\r\n"
    "OData-Version: 4.0\r\nContent-Length: %d\r\n\r\n"
)


class Vendors(Replay):
    """Answers for VendorsV3 from a template; `suffix` ends each name.

    Nobody needs a token but `bearer`, which the template is read with.
    """

    def __init__(
        self, upstream: str, ca_file: str, *, bearer: str, vendors: int, suffix: str
    ) -> None:
        super().__init__(upstream, ca_file)
        self.vendors, self.suffix = vendors, suffix
        self._credentials = {"authorization": f"Bearer {bearer}"}
        self._templates: dict[str, bytes] = {}
        self._pages: dict[str, bytes] = {}

    async def _answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> bytes:
        parts = urlsplit(target)
        if method != "GET" or parts.path != SET:
            return await super()._answer(method, target, headers, body)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        template = await self._template(query.get("$select", ""))
        if self.vendors > MOST_KEPT:
            return self._page(target, query, template)
        if target not in self._pages:
            self._pages[target] = self._page(target, query, template)
        return self._pages[target]

    async def _template(self, select: str) -> bytes:
        """Return the bytes of a row with these fields, with %d for number and name."""
        if select not in self._templates:
            query = f"?$select={select}&$top=1&cross-company=true" if select else "?$top=1"
            found = await super()._answer("GET", SET + query, self._credentials, b"")
            row = json.loads(found.partition(b"\r\n\r\n")[2])["value"][0]
            kept = {name: value for name, value in row.items() if name not in NAMES}
            text = json.dumps(kept, separators=(",", ":"))[1:-1].replace("%", "%%")
            self._templates[select] = (
                f'{{{text},"VendorAccountNumber":"V%07d","VendorOrganizationName":'
                f'"Vendor %d{self.suffix}"}}'
            ).encode()
        return self._templates[select]

    def _page(self, target: str, query: Mapping[str, str], template: bytes) -> bytes:
        first = self._first(query.get("$filter", "")) + int(query.get("$skip", 0))
        top = int(query["$top"]) if "$top" in query else None
        last = min(self.vendors, first + min(PAGE, PAGE if top is None else top))
        rows = b",".join(template % (n, n) for n in range(first, last))
        link = b""
        if top is None and last < self.vendors:
            bare = re.sub(r"&?(\$|%24)skip=\d+", "", target)
            link = f',"@odata.nextLink":"{self.own}{bare}&$skip={last}"'.encode()
        context = f'{{"@odata.context":"{self.own}/data/$metadata#VendorsV3","value":['.encode()
        content = context + rows + b"]" + link + b"}"
        return (HEAD % len(content)).encode() + content

    def _first(self, condition: str) -> int:
        """Return the number of the first vendor that a filter leaves."""
        if not condition:
            return 0
        if found := NUMBER.search(condition):
            return int(found[2]) + (found[1] == "gt")
        if re.search(r"dataAreaId gt ", condition):
            return self.vendors
        if re.fullmatch(r"\(?dataAreaId eq 'usmf'\)?", condition):
            return 0
        msg = f"this filter is not known here: {condition}"
        raise NotImplementedError(msg)


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--ca-file", required=True)
    parser.add_argument("--bearer", required=True)
    parser.add_argument("--vendors", type=int, required=True)
    parser.add_argument("--suffix", default="")
    given = parser.parse_args()
    server = Vendors(
        given.upstream,
        given.ca_file,
        bearer=given.bearer,
        vendors=given.vendors,
        suffix=given.suffix,
    )
    asyncio.run(server.serve())


if __name__ == "__main__":
    main()
