"""The tables of the logs. They hang on the record's metadata, and :mod:`migrations` makes them."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
)

from lifecycle.store.schema import GATEWAY_ID_LENGTH, HASH_LENGTH, TIME_LENGTH, metadata

CONSUMER_LENGTH = 64

log_books = Table(
    "log_books",
    metadata,
    Column("gateway", String(GATEWAY_ID_LENGTH), ForeignKey("gateways.id"), nullable=False),
    Column("log", String(12), nullable=False),
    Column("consumer", String(CONSUMER_LENGTH), nullable=False, comment="whose log; empty for the other two"),
    Column("first", Integer, nullable=False, comment="number of the oldest entry kept"),
    Column("last", Integer, nullable=False, comment="number of the newest entry, 0 before the first"),
    Column("last_hash", String(HASH_LENGTH), nullable=False),
    PrimaryKeyConstraint("gateway", "log", "consumer"),
)
"""Where each log begins and ends."""

log_entries = Table(
    "log_entries",
    metadata,
    Column("gateway", String(GATEWAY_ID_LENGTH), nullable=False),
    Column("log", String(12), nullable=False),
    Column("consumer", String(CONSUMER_LENGTH), nullable=False),
    Column("number", Integer, nullable=False),
    Column("time", String(TIME_LENGTH), nullable=False),
    Column("event", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False, comment="canonical bytes, RFC 8785"),
    Column("hash", String(HASH_LENGTH), nullable=False),
    Column("key", String(HASH_LENGTH), nullable=True, comment="whose signature; SHA-256 of the certificate"),
    Column("signature", LargeBinary, nullable=True, comment="the gateway's, over the hash"),
    PrimaryKeyConstraint("gateway", "log", "consumer", "number"),
    ForeignKeyConstraint(["gateway", "log", "consumer"], ["log_books.gateway", "log_books.log", "log_books.consumer"]),
    Index(None, "gateway", "log", "consumer", "time"),
)
"""The entries of every log. Rows are added, and the oldest taken away; never changed."""
