"""What Alembic runs: the migrations, on the connection that `upgrade_database` has opened."""

from alembic import context

from ingest.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
