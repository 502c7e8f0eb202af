"""The limit of reading: one connection, json, each row a line on stdout, and nothing else."""

from __future__ import annotations

import argparse
import json
import sys

import urllib3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--fields", required=True)
    given = parser.parse_args()
    pool = urllib3.PoolManager()
    url = f"{given.url}/data/VendorsV3?cross-company=true&$select={given.fields}"
    while url:
        page = json.loads(pool.request("GET", url).data)
        for row in page["value"]:
            sys.stdout.write(json.dumps(row) + "\n")
        url = page.get("@odata.nextLink")


if __name__ == "__main__":
    main()
