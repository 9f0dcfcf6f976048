"""Identity providers, and the users and groups that they vouch for.

There are none yet. Nothing that decides changes, so the change log is left alone.

Software that knows 0004 only would take a provider's users for users of its own, enabled whatever became of the
provider: it must be stopped first, as always (docs/operations.md). Every statement is one that both databases
know; SQLite adds no foreign key to a table that is there, so `provider_id` has none.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "providers",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", KEY, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary()),
        sa.Column("sessions_void_before", sa.Double(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_providers"),
        sa.UniqueConstraint("name_key", name="uq_providers_name_key"),
    )
    op.create_table(
        "provider_policies",
        sa.Column("provider_id", KEY, nullable=False),
        sa.Column("policy_id", KEY, nullable=False),
        sa.PrimaryKeyConstraint("provider_id", "policy_id", name="pk_provider_policies"),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["providers.id"], name="fk_provider_policies_provider_id"
        ),
        sa.ForeignKeyConstraint(
            ["policy_id"], ["policies.id"], name="fk_provider_policies_policy_id"
        ),
    )
    op.create_index("ix_provider_policies_policy_id", "provider_policies", ["policy_id"])
    op.add_column("users", sa.Column("provider_id", KEY))
    op.add_column("users", sa.Column("display_name", sa.Text(), nullable=False, server_default=""))
    op.add_column(
        "users", sa.Column("external_groups", sa.Text(), nullable=False, server_default="[]")
    )
    op.add_column("users", sa.Column("absent_since", sa.Double()))
    op.create_index("ix_users_provider_id", "users", ["provider_id"])
    op.add_column("groups", sa.Column("provider_id", KEY))
    op.create_index("ix_groups_provider_id", "groups", ["provider_id"])
    op.add_column(
        "access_keys", sa.Column("granted", sa.Text(), nullable=False, server_default="[]")
    )
    op.add_column("access_keys", sa.Column("facts", sa.Text(), nullable=False, server_default="{}"))
