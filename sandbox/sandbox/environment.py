"""The plugins' settings for a served sandbox, as environment variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.server import Sandbox


def plugin_environment(sandbox: Sandbox) -> dict[str, str]:
    """PLACEHOLDER."""
    raise NotImplementedError
