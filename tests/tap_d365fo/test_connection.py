from __future__ import annotations

import socket
from typing import Any

import pytest
from sandbox.d365fo.tokens import UNREGISTERED_CLIENT_ID
from sandbox.faults import Fault
from sandbox.server import Sandbox
from singer_delivery.errors import AccessDenied, DeliveryError, Refused, SetupError, Unavailable
from tap_d365fo.connection import check_connection
from tap_d365fo.dimensions import DimensionFormats
from tap_d365fo.metadata import MetadataCache

from .conftest import Connect


def failure(connect: Connect, **changes: Any) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        check_connection(connect(max_attempts=1, connect_timeout_seconds=1, **changes))
    assert "entra-secret" not in str(caught.value)
    return caught.value


def test_a_connection_that_works_says_what_it_reached(
    connect: Connect, environment: Sandbox
) -> None:
    assert (
        check_connection(connect()) == f"{environment.d365fo_url} answers; first legal entity demf"
    )
    assert {request.method for request in environment.journal.requests("d365fo")} == {"GET"}


def test_a_wrong_secret(connect: Connect) -> None:
    error = failure(connect, client_secret="wrong-word")

    assert isinstance(error, AccessDenied)
    assert "client secret is wrong" in str(error)
    assert "wrong-word" not in str(error)


def test_an_unknown_tenant(connect: Connect) -> None:
    assert "tenant does not exist" in str(failure(connect, tenant_id="nobody.example"))


def test_an_unknown_application(connect: Connect) -> None:
    assert "check client_id and tenant_id" in str(failure(connect, client_id="nobody"))


def test_another_environment_than_the_tenants(connect: Connect, environment: Sandbox) -> None:
    other = environment.d365fo_url.replace("localhost", "127.0.0.1")

    assert "base_url must be its exact address" in str(failure(connect, base_url=other))


def test_an_application_that_dynamics_does_not_know(connect: Connect) -> None:
    error = failure(connect, client_id=UNREGISTERED_CLIENT_ID)

    assert isinstance(error, AccessDenied)
    assert "not registered in Microsoft Entra ID applications or lacks a role" in str(error)


def test_an_environment_that_does_not_answer(connect: Connect, environment: Sandbox) -> None:
    environment.faults.add(Fault("d365fo", "reset_before"))

    error = failure(connect)

    assert isinstance(error, Unavailable)
    assert f"GET {environment.d365fo_url}/data/Companies: " in str(error)
    assert "check the address" in str(error)


def test_an_unreachable_authority(connect: Connect) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        error = failure(connect, authority=f"https://localhost:{unused.getsockname()[1]}")

    assert isinstance(error, Unavailable)
    assert "no token from https://localhost" in str(error)


def test_a_certificate_that_is_not_trusted(connect: Connect) -> None:
    assert "set ca_file" in str(failure(connect, ca_file=None))


def test_a_user_who_may_see_no_company(connect: Connect, sandbox: Sandbox) -> None:
    client = connect()
    sandbox.d365fo.reset()

    with pytest.raises(Refused, match="shows no legal entity"):
        check_connection(client)


def test_the_dimension_formats_are_those_of_the_environment(connect: Connect) -> None:
    formats = DimensionFormats.load(connect())

    assert formats.ledger("605150", {"BusinessUnit": "1|2"}) == r"605150|1\|2"
    assert formats.default({"Department": "024"}) == "|024"


def test_formats_in_the_settings_come_first(connect: Connect, environment: Sandbox) -> None:
    formats = DimensionFormats.load(
        connect(), default="A-B", ledger="MainAccount-A", delimiter="Hyphen"
    )

    assert formats.ledger("1", {"A": "2"}) == "1-2"
    assert environment.journal.requests("d365fo") == []


def test_an_environment_that_hides_its_delimiter(connect: Connect, sandbox: Sandbox) -> None:
    client = connect()
    sandbox.d365fo.reset()

    with pytest.raises(SetupError, match="DimensionParameters"):
        DimensionFormats.load(client)


def test_the_metadata_of_the_environment_is_read(connect: Connect, tmp_path: Any) -> None:
    metadata = MetadataCache(tmp_path).load(connect())

    lines = metadata.entity_set("VendorInvoiceLines")
    assert lines.keys == ("dataAreaId", "HeaderReference", "InvoiceLineNumber")
    assert lines.properties["NetAmount"] == "Edm.Decimal"
