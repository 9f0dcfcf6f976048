"""Roles, and the policies attached to them.

There are none yet. Nothing that decides changes, so the change log is left alone.

Software that knows 0003 only knows no session of a role and refuses it, and cannot delete a policy that a
role has: it must be stopped first, as always (docs/operations.md). Every statement is one that both databases
know.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "roles",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", KEY, nullable=False),
        sa.Column("trust", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("max_session_duration", sa.Integer(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("boundary_id", KEY),
        sa.Column("sessions_void_before", sa.Double(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_roles"),
        sa.UniqueConstraint("name_key", name="uq_roles_name_key"),
        sa.ForeignKeyConstraint(["boundary_id"], ["policies.id"], name="fk_roles_boundary_id"),
    )
    op.create_index("ix_roles_boundary_id", "roles", ["boundary_id"])
    op.create_table(
        "role_policies",
        sa.Column("role_id", KEY, nullable=False),
        sa.Column("policy_id", KEY, nullable=False),
        sa.PrimaryKeyConstraint("role_id", "policy_id", name="pk_role_policies"),
        sa.ForeignKeyConstraint(["role_id"], ["roles.id"], name="fk_role_policies_role_id"),
        sa.ForeignKeyConstraint(["policy_id"], ["policies.id"], name="fk_role_policies_policy_id"),
    )
    op.create_index("ix_role_policies_policy_id", "role_policies", ["policy_id"])
