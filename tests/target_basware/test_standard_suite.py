"""The SDK's own test suite for targets, as far as it fits one that takes two streams only."""

from __future__ import annotations

import io
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest
from sandbox.server import Sandbox
from singer_delivery.errors import DeliveryError
from singer_sdk.testing import get_target_test_class, suites
from singer_sdk.testing.target_tests import TargetCliPrintsTest
from target_basware.target import TargetBasware

PRINTS = suites.SingerTestSuite(kind="target", tests=[TargetCliPrintsTest])
FOREIGN = sorted(
    entry.name
    for entry in files("singer_sdk.testing.target_test_streams").iterdir()
    if entry.name.endswith(".singer")
)
CONFIG = {"base_url": "https://basware.example", "username": "u", "password": "p"}


class TestStandardSuite(
    get_target_test_class(  # type: ignore[misc]
        TargetBasware, config=CONFIG, custom_suites=[PRINTS], include_target_tests=False
    )
):
    pass


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_streams_end_in_words_and_write_nothing(
    name: str, sandbox: Sandbox, make_target: Callable[..., Any]
) -> None:
    text = (files("singer_sdk.testing.target_test_streams") / name).read_text(encoding="utf-8")
    with pytest.raises(DeliveryError):
        make_target().listen(io.StringIO(text))
    assert sandbox.journal.requests(system="basware", method="POST") == []
