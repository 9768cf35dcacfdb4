"""Where an instance is being moved to, and what lies of it elsewhere."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from webcloud.db import UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("instance", sa.Column("target_host_id", sa.String(length=36), nullable=True))
    op.create_index(op.f("ix_instance_target_host_id"), "instance", ["target_host_id"])
    op.create_table(
        "leftover",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("instance_id", sa.String(length=36), nullable=False),
        sa.Column("host_id", sa.String(length=36), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("ports", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_id"],
            ["instance.id"],
            name=op.f("fk_leftover_instance_id_instance"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["host_id"], ["host.id"], name=op.f("fk_leftover_host_id_host"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leftover")),
    )
    op.create_index("ix_leftover_host_id", "leftover", ["host_id"])
    op.create_index(
        "uq_leftover_instance_host", "leftover", ["instance_id", "host_id"], unique=True
    )


def downgrade() -> None:
    op.drop_table("leftover")
    op.drop_index(op.f("ix_instance_target_host_id"), table_name="instance")
    op.drop_column("instance", "target_host_id")
