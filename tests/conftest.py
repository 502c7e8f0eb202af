"""Fixtures and settings of all tests."""

from __future__ import annotations

from hypothesis import settings

pytest_plugins = ["sandbox.fixtures"]

# A slow machine is no failure: no test here is about time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
