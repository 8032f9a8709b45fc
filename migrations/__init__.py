"""Alembic migrations of the project's one database."""
