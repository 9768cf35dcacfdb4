"""Ratios of hosts, aggregates, server groups, and where an instance wants to be."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from webcloud.db import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

RATIOS = ("cpu_ratio", "memory_ratio", "disk_ratio")


def upgrade() -> None:
    for name in RATIOS:
        op.add_column("host", sa.Column(name, sa.Double(), nullable=True))
    op.add_column("placement", sa.Column("counts", sa.JSON(), nullable=True))
    op.add_column("instance", sa.Column("server_group_id", sa.String(length=36), nullable=True))
    op.create_index("ix_instance_server_group_id", "instance", ["server_group_id"])
    op.add_column("instance", sa.Column("wishes", sa.JSON(), nullable=True))
    op.create_table(
        "aggregate",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("properties", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_aggregate")),
        sa.UniqueConstraint("uuid", name=op.f("uq_aggregate_uuid")),
        sa.UniqueConstraint("name", name=op.f("uq_aggregate_name")),
    )
    op.create_table(
        "aggregate_host",
        sa.Column("aggregate_id", sa.Integer(), nullable=False),
        sa.Column("host_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["aggregate_id"],
            ["aggregate.id"],
            name=op.f("fk_aggregate_host_aggregate_id_aggregate"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["host_id"],
            ["host.id"],
            name=op.f("fk_aggregate_host_host_id_host"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("aggregate_id", "host_id", name=op.f("pk_aggregate_host")),
    )
    op.create_index("ix_aggregate_host_host_id", "aggregate_host", ["host_id"])
    op.create_table(
        "server_group",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("policy", sa.String(length=32), nullable=False),
        sa.Column("most_per_host", sa.Integer(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_server_group")),
    )
    op.create_index("ix_server_group_project_id", "server_group", ["project_id"])


def downgrade() -> None:
    op.drop_table("server_group")
    op.drop_table("aggregate_host")
    op.drop_table("aggregate")
    op.drop_column("instance", "wishes")
    op.drop_index("ix_instance_server_group_id", "instance")
    op.drop_column("instance", "server_group_id")
    op.drop_column("placement", "counts")
    for name in RATIOS:
        op.drop_column("host", name)
