"""The tables of the original reading lists as profiles have them kept. :mod:`migrations` makes them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    select,
)

from lifecycle.store.schema import GATEWAY_ID_LENGTH, HASH_LENGTH, TIME_LENGTH, metadata

METER_LENGTH = 64
OBIS_LENGTH = 12
CONSUMER_LENGTH = 64
_REGISTER = ("gateway", "meter", "obis")

list_registers = Table(
    "list_registers",
    metadata,
    Column("gateway", String(GATEWAY_ID_LENGTH), ForeignKey("gateways.id"), nullable=False),
    Column("meter", String(METER_LENGTH), nullable=False, comment="server id, hexadecimal"),
    Column("obis", String(OBIS_LENGTH), nullable=False, comment="hexadecimal"),
    Column("last", Integer, nullable=False, comment="number of the newest entry, 0 before the first"),
    Column("last_hash", String(HASH_LENGTH), nullable=False),
    Column("epoch", Integer, nullable=False, comment="how often the clock was set back"),
    Column("target", String(TIME_LENGTH), nullable=True, comment="newest raster point, met or missed, of this epoch"),
    Column("highest", String(TIME_LENGTH), nullable=True, comment="latest raster point of any epoch"),
    Column("captured", String(TIME_LENGTH), nullable=True, comment="of the newest reading kept"),
    Column("value", String(24), nullable=True, comment="of the newest reading kept; integer in decimal"),
    Column("scaler", Integer, nullable=True),
    Column("unit", Integer, nullable=True, comment="DLMS unit"),
    Column("marks", String(255), nullable=False, comment="of the newest reading kept"),
    Column("retention", BigInteger, nullable=False, comment="how long its entries are kept, in seconds"),
    PrimaryKeyConstraint(*_REGISTER),
)
"""Where the list of each register ends, what its next reading is compared with, and how long its entries are kept."""

list_entries = Table(
    "list_entries",
    metadata,
    *(Column(name, list_registers.c[name].type, nullable=False) for name in _REGISTER),
    Column("number", Integer, nullable=False),
    Column("consumer", String(CONSUMER_LENGTH), nullable=False, comment="whose metering it is"),
    Column("time", String(TIME_LENGTH), nullable=False, comment="target time, of a gap the last; else capture time"),
    Column("body", LargeBinary, nullable=False, comment="canonical bytes, RFC 8785"),
    Column("hash", String(HASH_LENGTH), nullable=False),
    Column("key", String(HASH_LENGTH), nullable=True, comment="whose signature; SHA-256 of the certificate"),
    Column("signature", LargeBinary, nullable=True, comment="the gateway's, over the hash"),
    PrimaryKeyConstraint(*_REGISTER, "number"),
    ForeignKeyConstraint(_REGISTER, [f"list_registers.{name}" for name in _REGISTER]),
    Index(None, *_REGISTER, "time"),
)
"""Readings and gaps. Rows are added, and deleted when their time is over; never changed."""

list_deletions = Table(
    "list_deletions",
    metadata,
    *(Column(name, list_registers.c[name].type, nullable=False) for name in _REGISTER),
    Column("number", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False, comment="canonical bytes, RFC 8785: counts, ranges, hashes"),
    Column("hash", String(HASH_LENGTH), nullable=False),
    Column("key", String(HASH_LENGTH), nullable=True, comment="whose signature; SHA-256 of the certificate"),
    Column("signature", LargeBinary, nullable=True, comment="the gateway's, over the hash"),
    PrimaryKeyConstraint(*_REGISTER, "number"),
    ForeignKeyConstraint(_REGISTER, [f"list_registers.{name}" for name in _REGISTER]),
)
"""What was deleted of each list: one line a deletion, chained like the entries."""


def of_register(table: Table, gateway: str, register: tuple[str, str]) -> Any:
    """The rows of a register, in order; that register's own row of :data:`list_registers`."""
    meter, obis = register
    query = select(table).where(table.c.gateway == gateway, table.c.meter == meter, table.c.obis == obis)
    return query if table is list_registers else query.order_by(table.c.number)
