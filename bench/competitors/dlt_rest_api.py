"""dlt as its documentation writes it: the rest_api source, extract only, nothing normalised.

It writes the rows to files, as dlt does; how many are printed.
"""
# /// script
# requires-python = ">=3.11"
# dependencies = ["dlt>=1.31"]
# ///

from __future__ import annotations

import argparse
import os


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--fields", required=True)
    parser.add_argument("--folder", required=True)
    given = parser.parse_args()
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["DLT_DATA_DIR"] = given.folder
    import dlt  # noqa: PLC0415
    from dlt.sources.rest_api import rest_api_source  # noqa: PLC0415

    source = rest_api_source(
        {
            "client": {
                "base_url": f"{given.url}/data/",
                "paginator": {"type": "json_link", "next_url_path": "'@odata.nextLink'"},
            },
            "resources": [
                {
                    "name": "vendors",
                    "endpoint": {
                        "path": "VendorsV3",
                        "params": {"cross-company": "true", "$select": given.fields},
                        "data_selector": "value",
                    },
                }
            ],
        },
        name="dynamics",
    )
    pipeline = dlt.pipeline("bench", destination="filesystem", pipelines_dir=given.folder)
    pipeline.extract(source)
    steps = pipeline.last_trace.last_extract_info.metrics.values()
    tables = [each["table_metrics"] for step in steps for each in step]
    print(sum(table["vendors"].items_count for table in tables if "vendors" in table))


if __name__ == "__main__":
    main()
