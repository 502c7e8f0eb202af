"""Answers of F&O: the captured texts, and the envelopes they come in."""

from __future__ import annotations

import io
import json
from typing import Any

import requests

WRITE_EXCEPTION = "Microsoft.Dynamics.Platform.Integration.Services.OData.AxODataWriteException"
UNKNOWN_GROUP = (
    "Write failed for table row of type 'CustCustomerV3Entity'. Infolog: Warning: The value 'Local'"
    " in field 'Customer group' is not found in the related table 'Customer groups'.; Warning: "
    "validateField failed on field 'CustCustomerV3Entity.CustomerGroupId'."
)
TAKEN = (
    "Write failed for table row of type 'CustCustomerGroupEntity'. Infolog: Info: Cannot create a "
    "record in Customer groups (CustGroup). Customer group: Batch2, T1.\n"
    "The record already exists.."
)
CONFLICT = (
    "Write failed for table row of type 'LedgerJournalHeaderEntity'. Infolog: Info: Cannot edit a "
    "record in Ledger journal table (LedgerJournalTable).\nAn update conflict occurred due to "
    "another user process deleting the record or changing one or more fields in the record."
)
NOT_THERE = "No resources were found when selecting for update."


def answer(status: int, body: Any = "", **headers: str) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response.headers.update(headers)
    text = body if isinstance(body, str) else json.dumps(body)
    response.raw = io.BytesIO(text.encode())
    return response


def inner(message: str, kind: str = WRITE_EXCEPTION, **more: Any) -> dict[str, Any]:
    nested = {"message": message, "type": kind, "stacktrace": "   at Microsoft.…", **more}
    return {"error": {"code": "", "message": "An error has occurred.", "innererror": nested}}
