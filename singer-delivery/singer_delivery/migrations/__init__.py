"""Schema migrations of the ledger (Alembic)."""
