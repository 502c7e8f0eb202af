"""A copy of the project to deploy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.deployment.files import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.copy(tmp_path / "project")
