"""Versions of managed policies, permissions boundaries of users, policies of resources.

A document moves from its policy's row to a row of its own, byte for byte, under the number it has; the
policy says which number is in force. Nothing that decides changes, so the change log is left alone.

Software that knows 0001 only can no longer read policies and would not heed a boundary: it must be stopped
first (docs/operations.md). Every statement is one that both databases know.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _policy_versions()
    _boundaries()
    _resource_policies()


def _policy_versions() -> None:
    op.create_table(
        "policy_versions",
        sa.Column("policy_id", KEY, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("policy_id", "version", name="pk_policy_versions"),
        sa.ForeignKeyConstraint(
            ["policy_id"], ["policies.id"], name="fk_policy_versions_policy_id"
        ),
    )
    # When a later version came is not known exactly: a new description counts as an update, too.
    op.execute(
        "INSERT INTO policy_versions (policy_id, version, document, created_at) "
        "SELECT id, version, document, CASE version WHEN 1 THEN created_at ELSE updated_at END "
        "FROM policies"
    )
    op.add_column(
        "policies", sa.Column("last_version", sa.Integer(), nullable=False, server_default="1")
    )
    op.execute("UPDATE policies SET last_version = version")
    op.drop_column("policies", "document")


def _boundaries() -> None:
    # In words, because SQLite takes a foreign key only together with its column.
    collation = ' COLLATE "C"' if op.get_context().dialect.name == "postgresql" else ""
    op.execute(
        f"ALTER TABLE users ADD COLUMN boundary_id TEXT{collation} "
        "CONSTRAINT fk_users_boundary_id REFERENCES policies (id)"
    )
    op.create_index("ix_users_boundary_id", "users", ["boundary_id"])


def _resource_policies() -> None:
    op.create_table(
        "resource_policies",
        sa.Column("resource", KEY, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("resource", name="pk_resource_policies"),
    )
