"""How long an operation may take in all, so that a clock that jumps cuts no long one short."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("operation", sa.Column("allowed_seconds", sa.Double(), nullable=True))


def downgrade() -> None:
    op.drop_column("operation", "allowed_seconds")
