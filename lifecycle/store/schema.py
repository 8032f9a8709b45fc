"""The tables of the record. :mod:`migrations` makes them; a test proves that the two do not drift apart.

In SQLite chains and gateways are stored in the order of their keys, with no row id beside it: a transition then writes
two pages, and what it costs is the wait for the disk.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every table of the project hangs on this; packages above add theirs to it."""

GATEWAY_ID_LENGTH = 14
HASH_LENGTH = 64
TIME_LENGTH = 27
HEAD_COLUMNS = ("head_counter", "head_time", "head_certificate", "head_signature")

gateways = Table(
    "gateways",
    metadata,
    Column("id", String(GATEWAY_ID_LENGTH), nullable=False),
    Column("head_sequence", Integer, nullable=False, comment="of the last entry, 0 before the first"),
    Column("head_hash", String(HASH_LENGTH), nullable=False, comment="of the last entry, or of the genesis"),
    Column("head_counter", BigInteger, nullable=False),
    Column("head_time", String(TIME_LENGTH), nullable=False, comment="when the keeper took the entry"),
    Column("head_certificate", String(HASH_LENGTH), nullable=False),
    Column("head_signature", LargeBinary, nullable=False, comment="the keeper's"),
    PrimaryKeyConstraint("id"),
    sqlite_with_rowid=False,
)
"""Whose records are kept here, each with the signed head of its chain.

The head stands apart from the chain and is kept once: whoever takes entries away has no older head to put in its place.
"""

entries = Table(
    "entries",
    metadata,
    Column("gateway", String(GATEWAY_ID_LENGTH), ForeignKey("gateways.id"), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("time", String(TIME_LENGTH), nullable=False),
    Column("body", LargeBinary, nullable=False, comment="canonical bytes, RFC 8785"),
    Column("hash", String(HASH_LENGTH), nullable=False),
    Column("signature", LargeBinary, nullable=False, comment="ECDSA P-256 with SHA-256, DER"),
    Column("state", String(40), nullable=False, comment="of the gateway, after this entry"),
    Column("evidence", Text, nullable=False, comment="JSON: facts and open faults, after this entry"),
    PrimaryKeyConstraint("gateway", "sequence"),
    sqlite_with_rowid=False,
)
"""The chains, and where each entry leaves its gateway. Rows are added, never changed."""

appends = Table(
    "appends",
    MetaData(),
    *(Column(column.name, column.type) for column in entries.columns),
    *(Column(column.name, column.type) for column in gateways.columns if column.name in HEAD_COLUMNS),
)
"""A view to insert into, and nothing else: entry, new state and signed head go in together or not at all.

Its trigger is the optimistic lock. It adds the entry and moves the head forward by one, from the entry before; where
the head is elsewhere by then, or the place in the chain is taken, the whole insert fails as a violated constraint.
"""

certificates = Table(
    "certificates",
    metadata,
    Column("fingerprint", String(HASH_LENGTH), nullable=False),
    Column("der", LargeBinary, nullable=False),
    PrimaryKeyConstraint("fingerprint"),
)
"""Certificates of those who signed, addressed by the SHA-256 of their DER."""

commands = Table(
    "commands",
    metadata,
    Column("certificate", String(HASH_LENGTH), nullable=False),
    Column("key", String(128), nullable=False, comment="the caller's Idempotency-Key"),
    Column("intent", String(HASH_LENGTH), nullable=False, comment="what was asked for, whatever its place and time"),
    Column("gateway", String(GATEWAY_ID_LENGTH), ForeignKey("gateways.id"), nullable=False),
    Column("sequence", Integer, nullable=False, comment="the entry that came of it; 0 for a registration"),
    PrimaryKeyConstraint("certificate", "key"),
)
"""Which command of a party became which entry, so that a repeated command acts once."""

readers = Table(
    "readers",
    metadata,
    Column("token_hash", String(HASH_LENGTH), nullable=False, comment="SHA-256 of a bearer token (RFC 6750)"),
    Column("name", String(64), nullable=False),
    Column("expires", String(TIME_LENGTH), nullable=False),
    PrimaryKeyConstraint("token_hash"),
)
"""Who may read over the service."""
