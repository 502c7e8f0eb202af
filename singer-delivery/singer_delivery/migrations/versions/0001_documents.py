"""Documents, and the sequence of their outcomes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the first tables."""
    op.create_table(
        "documents",
        sa.Column("system", sa.String(255), primary_key=True),
        sa.Column("stream", sa.String(255), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("natural_key", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("remote_key", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("intended_at", sa.String(32)),
        sa.Column("settled_at", sa.String(32)),
    )
    for name, column in (
        ("documents_natural_key", "natural_key"),
        ("documents_sequence", "sequence"),
        ("documents_status", "status"),
    ):
        op.create_index(name, "documents", ["system", "stream", column])
    op.create_table(
        "sequences",
        sa.Column("system", sa.String(255), primary_key=True),
        sa.Column("last", sa.BigInteger, nullable=False),
    )
