"""${message}.

Runs before the new program starts and while the old one may still run: only add here what the old
program can live with (new tables, new columns that are nullable or have a default, new indexes).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    ${upgrades if upgrades else "pass"}
