"""The sandbox as pytest fixtures: `pytest_plugins = ["sandbox.fixtures"]`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.server import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def sandbox_server() -> Iterator[Sandbox]:
    """Both systems, served once for the whole test session."""
    with Sandbox() as server:
        yield server


@pytest.fixture
def sandbox(sandbox_server: Sandbox) -> Sandbox:
    """The served sandbox, empty and with default behaviour at the start of each test."""
    sandbox_server.reset()
    return sandbox_server
