"""airbyte-cdk as its documentation writes it: a declarative low-code source, read to stdout."""
# /// script
# requires-python = ">=3.11"
# dependencies = ["airbyte-cdk>=7.39"]
# ///

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path


def manifest(url: str, fields: str) -> dict[str, object]:
    """Return the low-code definition of the source."""
    text = {"type": ["null", "string"]}
    schema = {"type": "object", "properties": dict.fromkeys(fields.split(","), text)}
    link = "response.get('@odata.nextLink')"
    return {
        "version": "6.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": ["vendors"]},
        "streams": [
            {
                "type": "DeclarativeStream",
                "name": "vendors",
                "primary_key": ["dataAreaId", "VendorAccountNumber"],
                "retriever": {
                    "type": "SimpleRetriever",
                    "requester": {
                        "type": "HttpRequester",
                        "url_base": f"{url}/data/",
                        "path": "VendorsV3",
                        "http_method": "GET",
                        "request_parameters": {"cross-company": "true", "$select": fields},
                    },
                    "record_selector": {
                        "type": "RecordSelector",
                        "extractor": {"type": "DpathExtractor", "field_path": ["value"]},
                    },
                    "paginator": {
                        "type": "DefaultPaginator",
                        "page_token_option": {"type": "RequestPath"},
                        "pagination_strategy": {
                            "type": "CursorPagination",
                            "cursor_value": f"{{{{ {link} }}}}",
                            "stop_condition": f"{{{{ not {link} }}}}",
                        },
                    },
                },
                "schema_loader": {"type": "InlineSchemaLoader", "schema": schema},
            }
        ],
        "spec": {
            "type": "Spec",
            "connection_specification": {"type": "object", "properties": {}},
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--fields", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()
    from airbyte_cdk.cli.source_declarative_manifest import run  # noqa: PLC0415

    stream = {"name": "vendors", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}
    chosen = {"sync_mode": "full_refresh", "destination_sync_mode": "overwrite", "stream": stream}
    files = {
        "manifest-path": manifest(given.url, given.fields),
        "config": {},
        "catalog": {"streams": [chosen]},
    }
    given.folder.mkdir(parents=True, exist_ok=True)
    arguments = ["read"]
    for name, content in files.items():
        file = given.folder / f"{name}.json"
        file.write_text(json.dumps(content))
        arguments += [f"--{name}", str(file)]
    sys.argv[1:] = arguments
    run()


if __name__ == "__main__":
    main()
