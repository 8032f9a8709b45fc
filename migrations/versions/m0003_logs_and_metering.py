"""The logs, and the original reading lists as profiles have them kept; readings kept without a profile go.

Revision: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | None = None
depends_on: str | None = None

_SEALED = "whose signature; SHA-256 of the certificate"


def _logs() -> None:
    op.create_table(
        "log_books",
        sa.Column("gateway", sa.String(length=14), nullable=False),
        sa.Column("log", sa.String(length=12), nullable=False),
        sa.Column("consumer", sa.String(length=64), nullable=False, comment="whose log; empty for the other two"),
        sa.Column("first", sa.Integer(), nullable=False, comment="number of the oldest entry kept"),
        sa.Column("last", sa.Integer(), nullable=False, comment="number of the newest entry, 0 before the first"),
        sa.Column("last_hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["gateway"], ["gateways.id"], name=op.f("fk_log_books_gateway")),
        sa.PrimaryKeyConstraint("gateway", "log", "consumer", name=op.f("pk_log_books")),
    )
    op.create_table(
        "log_entries",
        sa.Column("gateway", sa.String(length=14), nullable=False),
        sa.Column("log", sa.String(length=12), nullable=False),
        sa.Column("consumer", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("time", sa.String(length=27), nullable=False),
        sa.Column("event", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False, comment="canonical bytes, RFC 8785"),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=True, comment=_SEALED),
        sa.Column("signature", sa.LargeBinary(), nullable=True, comment="the gateway's, over the hash"),
        sa.ForeignKeyConstraint(
            ["gateway", "log", "consumer"],
            ["log_books.gateway", "log_books.log", "log_books.consumer"],
            name=op.f("fk_log_entries_gateway_log_consumer"),
        ),
        sa.PrimaryKeyConstraint("gateway", "log", "consumer", "number", name=op.f("pk_log_entries")),
    )
    op.create_index(
        op.f("ix_log_entries_gateway_log_consumer_time"), "log_entries", ["gateway", "log", "consumer", "time"]
    )


def _register() -> tuple[sa.Column[str], ...]:
    return (
        sa.Column("gateway", sa.String(length=14), nullable=False),
        sa.Column("meter", sa.String(length=64), nullable=False),
        sa.Column("obis", sa.String(length=12), nullable=False),
    )


def _of_register(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["gateway", "meter", "obis"],
        ["list_registers.gateway", "list_registers.meter", "list_registers.obis"],
        name=op.f(f"fk_{table}_gateway_meter_obis"),
    )


def _line(body: str) -> tuple[sa.Column[bytes] | sa.Column[str], ...]:
    return (
        sa.Column("body", sa.LargeBinary(), nullable=False, comment=body),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=True, comment=_SEALED),
        sa.Column("signature", sa.LargeBinary(), nullable=True, comment="the gateway's, over the hash"),
    )


def _lists() -> None:
    op.create_table(
        "list_registers",
        sa.Column("gateway", sa.String(length=14), nullable=False),
        sa.Column("meter", sa.String(length=64), nullable=False, comment="server id, hexadecimal"),
        sa.Column("obis", sa.String(length=12), nullable=False, comment="hexadecimal"),
        sa.Column("last", sa.Integer(), nullable=False, comment="number of the newest entry, 0 before the first"),
        sa.Column("last_hash", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False, comment="how often the clock was set back"),
        sa.Column(
            "target",
            sa.String(length=27),
            nullable=True,
            comment="newest raster point, met or missed, of this epoch",
        ),
        sa.Column("highest", sa.String(length=27), nullable=True, comment="latest raster point of any epoch"),
        sa.Column("captured", sa.String(length=27), nullable=True, comment="of the newest reading kept"),
        sa.Column(
            "value", sa.String(length=24), nullable=True, comment="of the newest reading kept; integer in decimal"
        ),
        sa.Column("scaler", sa.Integer(), nullable=True),
        sa.Column("unit", sa.Integer(), nullable=True, comment="DLMS unit"),
        sa.Column("marks", sa.String(length=255), nullable=False, comment="of the newest reading kept"),
        sa.Column("retention", sa.BigInteger(), nullable=False, comment="how long its entries are kept, in seconds"),
        sa.ForeignKeyConstraint(["gateway"], ["gateways.id"], name=op.f("fk_list_registers_gateway")),
        sa.PrimaryKeyConstraint("gateway", "meter", "obis", name=op.f("pk_list_registers")),
    )
    op.create_table(
        "list_entries",
        *_register(),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("consumer", sa.String(length=64), nullable=False, comment="whose metering it is"),
        sa.Column(
            "time",
            sa.String(length=27),
            nullable=False,
            comment="target time, of a gap the last; else capture time",
        ),
        *_line("canonical bytes, RFC 8785"),
        _of_register("list_entries"),
        sa.PrimaryKeyConstraint("gateway", "meter", "obis", "number", name=op.f("pk_list_entries")),
    )
    op.create_index(
        op.f("ix_list_entries_gateway_meter_obis_time"), "list_entries", ["gateway", "meter", "obis", "time"]
    )
    op.create_table(
        "list_deletions",
        *_register(),
        sa.Column("number", sa.Integer(), nullable=False),
        *_line("canonical bytes, RFC 8785: counts, ranges, hashes"),
        _of_register("list_deletions"),
        sa.PrimaryKeyConstraint("gateway", "meter", "obis", "number", name=op.f("pk_list_deletions")),
    )


def _readings() -> None:
    op.create_table(
        "readings",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("gateway", sa.String(length=14), nullable=False),
        sa.Column("meter", sa.String(length=64), nullable=False, comment="server id, hexadecimal"),
        sa.Column("obis", sa.String(length=12), nullable=False, comment="hexadecimal"),
        sa.Column("captured", sa.String(length=27), nullable=False),
        sa.Column(
            "value",
            sa.String(length=24),
            nullable=False,
            comment="integer in decimal: an unsigned 64-bit value fits no column",
        ),
        sa.Column("scaler", sa.Integer(), nullable=False),
        sa.Column("unit", sa.Integer(), nullable=True, comment="DLMS unit"),
        sa.Column("flags", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(["gateway"], ["gateways.id"], name=op.f("fk_readings_gateway")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_readings")),
    )
    op.create_index(
        op.f("ix_readings_gateway_meter_obis_captured"), "readings", ["gateway", "meter", "obis", "captured"]
    )


def upgrade() -> None:
    """Apply. Readings that were kept without raster, profile or signature are on no list, and are deleted."""
    _logs()
    _lists()
    op.drop_index(op.f("ix_readings_gateway_meter_obis_captured"), table_name="readings")
    op.drop_table("readings")


def downgrade() -> None:
    """Take back."""
    _readings()
    op.drop_table("list_deletions")
    op.drop_index(op.f("ix_list_entries_gateway_meter_obis_time"), table_name="list_entries")
    op.drop_table("list_entries")
    op.drop_table("list_registers")
    op.drop_index(op.f("ix_log_entries_gateway_log_consumer_time"), table_name="log_entries")
    op.drop_table("log_entries")
    op.drop_table("log_books")
