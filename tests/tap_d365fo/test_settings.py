from __future__ import annotations

import pytest
from singer_delivery.errors import SetupError
from tap_d365fo.auth import default_scope
from tap_d365fo.settings import build_client, environment_url

CONFIG = {
    "base_url": "https://Contoso.operations.eu.dynamics.com/data/",
    "tenant_id": "t",
    "client_id": "c",
    "client_secret": "s3cret",
}


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://contoso.operations.dynamics.com", "https://contoso.operations.dynamics.com"),
        ("https://CONTOSO.sandbox.operations.eu.dynamics.com/", None),
        ("https://x.axcloud.dynamics.com/data", None),
        ("https://usnconeboxax1aos.cloud.onebox.dynamics.com/data/", None),
        ("https://x.operations.dynamics.us:443", "https://x.operations.dynamics.us"),
        ("https://x.operations365.dynamics.cn", None),
        ("https://localhost:8443/data", "https://localhost:8443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ],
)
def test_environments_that_are_accepted(text: str, origin: str | None) -> None:
    expected = origin or text.lower().rstrip("/").removesuffix("/data")

    assert environment_url(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "contoso",
        "",
        "http://contoso.operations.dynamics.com",
        "https://contoso.example.com",
        "https://dynamics.com.example.com",
        "https://x.dynamics.example",
        "https://user:word@contoso.operations.dynamics.com",
        "https://contoso.operations.dynamics.com/data/VendorsV3",
        "https://contoso.operations.dynamics.com/?cmp=usmf",
    ],
)
def test_anything_else_is_refused_in_words(text: str) -> None:
    with pytest.raises(SetupError, match=r"^base_url: "):
        environment_url(text)


def test_other_hosts_can_be_allowed() -> None:
    assert environment_url("https://erp.example.com", allow_other_hosts=True) == (
        "https://erp.example.com"
    )


def test_the_client_is_pinned_to_the_service_root() -> None:
    client = build_client(CONFIG)

    assert client.base_url == "https://contoso.operations.eu.dynamics.com/data"
    assert client.environment == "https://contoso.operations.eu.dynamics.com"
    assert "s3cret" not in repr(client)


def test_the_scope_is_the_exact_host() -> None:
    assert default_scope("https://Contoso.operations.dynamics.com/") == (
        "https://contoso.operations.dynamics.com/.default"
    )


def test_missing_settings_are_named() -> None:
    with pytest.raises(SetupError, match="tenant_id, client_secret"):
        build_client({"base_url": CONFIG["base_url"], "client_id": "c"})


def test_a_wrong_authority_is_named() -> None:
    with pytest.raises(SetupError, match=r"^authority: "):
        build_client(CONFIG | {"authority": "login.microsoftonline.com"})
