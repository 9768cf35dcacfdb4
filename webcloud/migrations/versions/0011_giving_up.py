"""Giving a host up is a state of its own, apart from ending its credential."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from webcloud.db import UtcDateTime, now

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("host", sa.Column("given_up_at", UtcDateTime(), nullable=True))
    host = sa.table(
        "host",
        sa.column("credential_hash", sa.String()),
        sa.column("given_up_at", UtcDateTime()),
    )
    # Nothing else has ended a credential so far.
    op.execute(
        host.update()
        .where(host.c.credential_hash == "", host.c.given_up_at.is_(None))
        .values(given_up_at=now())
    )


def downgrade() -> None:
    op.drop_column("host", "given_up_at")
