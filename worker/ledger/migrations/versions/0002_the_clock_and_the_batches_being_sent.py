"""How far the ledger's clock has come, and a quick way to the batches that are being sent.

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
    moment: sa.Column[float] = sa.Column("seen_at", sa.Double(), server_default=sa.text("0"), nullable=False)
    op.add_column("target", moment)
    sending = sa.text("status = 'sending'")
    op.create_index(
        "ix_batch_sending",
        "batch",
        ["lease_until"],
        sqlite_where=sending,
        postgresql_where=sending,
    )
