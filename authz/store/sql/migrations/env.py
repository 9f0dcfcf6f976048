"""What Alembic runs for every command: it migrates on the connection it is handed, inside its transaction.

`schema.py` opens and locks that connection; there is no way in without it, so no migration runs unlocked.
"""

from alembic import context

from authz.store.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
