"""Records, attachments, the change log and its revision: the first schema.

It spells the tables out instead of importing `tables.py`, so that it goes on making what it made when it was
released, whatever the tables become; a test holds the sum of all migrations and `tables.py` together.
Forward only: to go back is to restore a backup. Why columns are what they are is said in `tables.py`.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _state()
    _named("users", sa.Column("tags", sa.Text(), nullable=False))
    _named("groups")
    _policies()
    _access_keys()
    _pairs("memberships", ("user_id", "users"), ("group_id", "groups"))
    _pairs("user_policies", ("user_id", "users"), ("policy_id", "policies"))
    _pairs("group_policies", ("group_id", "groups"), ("policy_id", "policies"))


def _state() -> None:
    state = op.create_table(
        "state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("trimmed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_state"),
        sa.CheckConstraint("id = 1", name=op.f("ck_state_one_row")),
    )
    op.bulk_insert(state, [{"id": 1, "revision": 0, "trimmed": 0}])
    op.create_table(
        "changes",
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.PrimaryKeyConstraint("revision", "seq", name="pk_changes"),
    )


def _named(table: str, *columns: "sa.Column[str]") -> None:
    op.create_table(
        table,
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", KEY, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        *columns,
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        sa.UniqueConstraint("name_key", name=f"uq_{table}_name_key"),
    )


def _policies() -> None:
    op.create_table(
        "policies",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", KEY, nullable=False),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_policies"),
        sa.UniqueConstraint("name_key", name="uq_policies_name_key"),
    )


def _access_keys() -> None:
    op.create_table(
        "access_keys",
        sa.Column("id", KEY, nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_access_keys"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_access_keys_user_id"),
    )
    op.create_index("ix_access_keys_user_id", "access_keys", ["user_id"])


def _pairs(table: str, *sides: tuple[str, str]) -> None:
    columns = [column for column, _ in sides]
    op.create_table(
        table,
        *(sa.Column(column, KEY, nullable=False) for column in columns),
        sa.PrimaryKeyConstraint(*columns, name=f"pk_{table}"),
        *(
            sa.ForeignKeyConstraint([column], [f"{target}.id"], name=f"fk_{table}_{column}")
            for column, target in sides
        ),
    )
    op.create_index(f"ix_{table}_{columns[1]}", table, [columns[1]])
