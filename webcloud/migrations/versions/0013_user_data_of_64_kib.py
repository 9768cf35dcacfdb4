"""User data of 64 KiB on MariaDB, whose TEXT holds 65,535 bytes and base64 takes 87,384."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _change(sa.Text(), mysql.MEDIUMTEXT())


def downgrade() -> None:
    _change(mysql.MEDIUMTEXT(), sa.Text())


def _change(before: sa.types.TypeEngine[str], after: sa.types.TypeEngine[str]) -> None:
    if op.get_bind().dialect.name in ("mysql", "mariadb"):
        op.alter_column(
            "instance", "user_data", existing_type=before, type_=after, existing_nullable=True
        )
