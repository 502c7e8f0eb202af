"""Where a document came from, and whether the target holds a version of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns; what was delivered is held."""
    for column in (
        sa.Column("source", sa.String(255), nullable=False, server_default=""),
        sa.Column("scope", sa.Text, nullable=False, server_default=""),
        sa.Column("held", sa.Integer, nullable=False, server_default="0"),
    ):
        op.add_column("documents", column)
    op.execute("UPDATE documents SET held = 1 WHERE status IN ('delivered', 'unchanged')")
