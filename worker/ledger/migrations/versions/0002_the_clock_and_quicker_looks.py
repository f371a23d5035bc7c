"""How far the ledger's clock has come, and indexes for what every batch and poll looks for.

Runs before the new program starts and while the old one may still run: only add here what the old
program can live with (new tables, new columns that are nullable or have a default, new indexes).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "target", sa.Column("seen_at", sa.Double(), server_default=sa.text("0"), nullable=False)
    )
    _replace("batch", None, "ix_batch_sending", ["lease_until"], "status = 'sending'")
    _replace("batch", "ix_batch_waiting", "ix_batch_untaken", ["ended_at"], "lines > sent")
    _replace(
        "confirmation",
        "ix_confirmation_open",
        "ix_confirmation_open",
        ["channel_id", "state", "looked_at", "since"],
        "state <> 'confirmed'",
    )
    op.drop_index("ix_confirmation_waiting", "confirmation")
    _replace(
        "confirmation", "ix_confirmation_remote", "ix_confirmation_remote", ["remote_pk"], None
    )


def _replace(table: str, old: str | None, new: str, columns: list[str], where: str | None) -> None:
    if old is not None:
        op.drop_index(old, table)
    condition = None if where is None else sa.text(where)
    op.create_index(new, table, columns, sqlite_where=condition, postgresql_where=condition)
