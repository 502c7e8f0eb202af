"""A connection test of our own: what Basware sends when somebody subscribes."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

import requests
from singer_delivery.failures import describe_failure

from tap_basware.notification import CONNECTION_TEST
from tap_basware.webhook.signature import ANY, HEADER, header_value

PATIENCE = 10.0


def try_connection(url: str, secret: str, config: Mapping[str, Any]) -> str | None:
    """Send a signed connection test; return None when it is answered well, else what is wrong."""
    body = json.dumps(
        {
            "taskId": str(uuid.uuid4()),
            "taskStatus": "New",
            "taskType": CONNECTION_TEST,
            "documentId": CONNECTION_TEST,
        }
    ).encode()
    signature = header_value(secret, body, config.get("signature_format") or ANY)
    headers = {"Content-Type": "application/json", HEADER: signature}
    try:
        answer = requests.post(
            url,
            data=body,
            headers=headers,
            timeout=PATIENCE,
            allow_redirects=False,
            verify=config.get("ca_file") or True,
        )
    except requests.RequestException as error:
        return describe_failure(error)
    if answer.status_code == 401:
        return "it answers 401: it has another secret"
    return None if answer.status_code == 200 else f"it answers {answer.status_code}"
