"""When what is stored of an external user was said: older proofs change nothing of it.

Of those who logged in before nobody knows; their next login says it. Nothing that decides changes, so the
change log is left alone.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("users", sa.Column("vouched_at", sa.Double()))
