"""What `singer-delivery watch` has told of alerts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the table; nothing was told before."""
    op.create_table(
        "told",
        sa.Column("hook", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("subject", sa.String(600), primary_key=True),
        sa.Column("severity", sa.Integer, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("members", sa.Text, nullable=False),
        sa.Column("since", sa.String(32)),
        sa.Column("told_at", sa.String(32), nullable=False),
    )
