"""Seed worlds: the same master data and documents in both systems, made deterministically."""

from __future__ import annotations

from sandbox.seed.demo import demo_world, small_world
from sandbox.seed.tenants import Tenant, split_by_tenant
from sandbox.seed.world import Expectation, World

__all__ = [
    "Expectation",
    "Tenant",
    "World",
    "demo_world",
    "small_world",
    "split_by_tenant",
]
