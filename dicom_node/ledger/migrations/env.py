"""Alembic's way in: runs on the connection, and in the transaction, that the ledger hands over."""

from __future__ import annotations

from alembic import context

from dicom_node.ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
