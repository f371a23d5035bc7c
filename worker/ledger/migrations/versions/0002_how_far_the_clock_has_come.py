"""How far the ledger's clock has come.

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
