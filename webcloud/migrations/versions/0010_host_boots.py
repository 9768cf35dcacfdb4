"""Which start of its machine a host speaks from, and what was known before it fell silent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from webcloud.db import UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("host", sa.Column("boot_id", sa.String(36), nullable=False, server_default=""))
    op.add_column(
        "host", sa.Column("restart_due", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("host", sa.Column("went_silent_at", UtcDateTime(), nullable=True))
    op.add_column(
        "instance", sa.Column("power_before", sa.String(16), nullable=False, server_default="")
    )


def downgrade() -> None:
    op.drop_column("instance", "power_before")
    op.drop_column("host", "went_silent_at")
    op.drop_column("host", "restart_due")
    op.drop_column("host", "boot_id")
