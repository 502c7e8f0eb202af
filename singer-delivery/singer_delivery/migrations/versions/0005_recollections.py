"""What records became when they were mapped last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the table; nothing is remembered, so every record is mapped once more."""
    op.create_table(
        "recollections",
        sa.Column("system", sa.String(255), primary_key=True),
        sa.Column("source", sa.String(255), primary_key=True),
        sa.Column("record", sa.String(600), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("made", sa.Text, nullable=False),
    )
