from __future__ import annotations

import pytest
from singer_delivery.errors import SetupError
from tap_basware.regions import base_url


@pytest.mark.parametrize(
    ("region", "environment", "address"),
    [
        ("EU", "production", "https://api.basware.com"),
        ("EU", "test", "https://test-api.basware.com"),
        ("us", "Test", "https://test-api.us.basware.com"),
        ("AU", "production", "https://api.au.basware.com"),
        ("ca", "test", "https://test-api.ca.basware.com"),
    ],
)
def test_presets(region: str, environment: str, address: str) -> None:
    assert base_url({"region": region, "environment": environment}) == address


def test_production_is_the_default_environment() -> None:
    assert base_url({"region": "EU"}) == "https://api.basware.com"


def test_base_url_overrides_the_presets() -> None:
    config = {"region": "nowhere", "base_url": " https://basware.example/ "}
    assert base_url(config) == "https://basware.example"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"region": "UK"}, "region is 'UK': choose one of EU, US, AU, CA, or set base_url"),
        ({}, "no region is set: choose one of EU, US, AU, CA, or set base_url"),
        ({"region": "EU", "environment": "dev"}, "choose production or test"),
    ],
)
def test_an_unknown_choice_lists_the_choices(config: dict[str, str], words: str) -> None:
    with pytest.raises(SetupError, match=words):
        base_url(config)
