from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sandbox.d365fo.tokens import CLIENT_ID, CLIENT_SECRET, TENANT_ID
from sandbox.server import Sandbox
from tap_d365fo.client import D365Client
from tap_d365fo.settings import build_client

COMPANIES = ("usmf", "demf")
VENDORS = 30


@pytest.fixture
def environment(sandbox: Sandbox) -> Sandbox:
    """Two legal entities with thirty vendors each; usmf is the service user's default."""
    sandbox.d365fo.load(
        {
            "Companies": [{"DataArea": company} for company in COMPANIES],
            "LegalEntities": [{"LegalEntityId": company} for company in COMPANIES],
            "VendorsV3": [
                {"dataAreaId": company, "VendorAccountNumber": f"V-{number:03}"}
                for company in COMPANIES
                for number in range(VENDORS)
            ],
            "DimensionParameters": [{"Key": 0, "DimensionSegmentDelimiter": "Bar"}],
            "DimensionIntegrationFormats": [
                {
                    "DimensionFormatName": name,
                    "DimensionFormatType": f"DataEntity{kind}DimensionFormat",
                    "FinancialDimensionFormat": text,
                    "IsActive": active,
                }
                for name, kind, text, active in (
                    ("old", "Ledger", "MainAccount", "No"),
                    ("new", "Ledger", "MainAccount|BusinessUnit", "Yes"),
                    ("plain", "Default", "BusinessUnit|Department", "Yes"),
                )
            ],
        },
        default_company="usmf",
    )
    return sandbox


@pytest.fixture
def config(environment: Sandbox) -> dict[str, Any]:
    return {
        "base_url": environment.d365fo_url,
        "authority": environment.entra_url,
        "tenant_id": TENANT_ID,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "ca_file": str(environment.ca_file),
        "read_timeout_seconds": 5,
    }


Connect = Callable[..., D365Client]


@pytest.fixture
def connect(config: dict[str, Any]) -> Iterator[Connect]:
    """Return clients of the environment that do not wait between attempts."""
    clients: list[D365Client] = []

    def build(**changes: Any) -> D365Client:
        client = build_client({**config, **changes})
        client.sleep = lambda _: None
        clients.append(client)
        return client

    yield build
    for client in clients:
        client.close()


@pytest.fixture
def client(connect: Connect) -> D365Client:
    return connect()
