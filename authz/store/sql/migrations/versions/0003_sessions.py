"""Service accounts (access keys with a name, a policy, an expiry), and sessions that end before their time.

Keys that are there have none of these and never expire; nobody's sessions are void. Nothing that decides
changes, so the change log is left alone.

Software that knows 0002 only would not heed a key's own policy or its expiry: it must be stopped first
(docs/operations.md). Every statement is one that both databases know.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    for name in ("name", "policy"):
        op.add_column("access_keys", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.add_column("access_keys", sa.Column("expires_at", sa.Double()))
    op.add_column(
        "users",
        sa.Column("sessions_void_before", sa.Double(), nullable=False, server_default="0"),
    )
    op.create_table(
        "revoked_sessions",
        sa.Column("access_key_id", KEY, nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("access_key_id", name="pk_revoked_sessions"),
    )
    op.create_index("ix_revoked_sessions_expires_at", "revoked_sessions", ["expires_at"])
