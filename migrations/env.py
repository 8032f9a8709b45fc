"""Alembic's environment: runs migrations on the engine that :mod:`lifecycle.store.engine` hands over."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Engine

import gateway.logs.schema
import gateway.metering.schema  # noqa: F401  their tables hang on the same metadata
import smpki.schema
from lifecycle.store.schema import metadata

TABLES = [metadata, smpki.schema.metadata]
"""Every table of the project: those of the record and what hangs on it, and those of the PKI."""


def run() -> None:
    """Run the migrations asked for, in one transaction."""
    engine = context.config.attributes["engine"]
    assert isinstance(engine, Engine)  # noqa: S101  `smgw db` always hands one over
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=TABLES, render_as_batch=True, transactional_ddl=True)
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()


run()
