"""When providers were last asked about their users, and a trail of the sessions that were issued.

Nothing that decides changes, so the change log is left alone. Software that knows 0005 only notices neither.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column(
        "providers", sa.Column("checked_at", sa.Double(), nullable=False, server_default="0")
    )
    op.create_table(
        "issued_sessions",
        sa.Column("access_key_id", KEY, nullable=False),
        sa.Column("parent_id", KEY, nullable=False),
        sa.Column("issuer_id", KEY, nullable=False),
        sa.Column("provider_id", KEY, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("source_ip", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("access_key_id", name="pk_issued_sessions"),
    )
    for column in ("parent_id", "issuer_id", "provider_id", "issued_at", "expires_at"):
        op.create_index(f"ix_issued_sessions_{column}", "issued_sessions", [column])
