"""What happens to hosts, their silence, and their draining."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from webcloud.db import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TIMES = ("silent_since", "draining_since", "emptied_at", "booted_at")


def upgrade() -> None:
    for name in TIMES:
        op.add_column("host", sa.Column(name, UtcDateTime(), nullable=True))
    # The defaults are for the rows that are there already.
    op.add_column(
        "host", sa.Column("forced_down", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column(
        "host", sa.Column("address", sa.String(length=64), nullable=False, server_default="")
    )
    op.create_table(
        "host_event",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("host_id", sa.String(length=36), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["host_id"],
            ["host.id"],
            name=op.f("fk_host_event_host_id_host"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_host_event")),
    )
    op.create_index("ix_host_event_host_id", "host_event", ["host_id", "id"])


def downgrade() -> None:
    op.drop_table("host_event")
    for name in ("forced_down", "address", *TIMES):
        op.drop_column("host", name)
