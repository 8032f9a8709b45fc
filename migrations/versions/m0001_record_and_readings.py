"""The record, and original reading lists.

Revision: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None


_ENTRY = ("gateway", "sequence", "time", "body", "hash", "signature", "state", "evidence")
_HEAD = ("head_counter", "head_time", "head_certificate", "head_signature")
_NEW = ", ".join(f"NEW.{name}" for name in _ENTRY)
_NEW_HEAD = ", ".join(f"{name} = NEW.{name}" for name in _HEAD)

_VIEW = f"""
CREATE VIEW appends AS
SELECT {", ".join(f"entries.{name}" for name in _ENTRY)}, {", ".join(f"gateways.{name}" for name in _HEAD)}
FROM entries JOIN gateways ON gateways.id = entries.gateway
"""
_ADD_ENTRY = f"INSERT INTO entries ({', '.join(_ENTRY)}) VALUES ({_NEW})"
_MOVE_HEAD = f"""
UPDATE gateways SET head_sequence = NEW.sequence, head_hash = NEW.hash, {_NEW_HEAD}
WHERE id = NEW.gateway AND head_sequence = NEW.sequence - 1
"""
_REFUSAL = "the head of the chain is elsewhere"


def _create_view() -> None:
    """The view that entry, new state and signed head are inserted into together, with its trigger."""
    op.execute(_VIEW)
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"""
            CREATE TRIGGER append INSTEAD OF INSERT ON appends BEGIN
                {_ADD_ENTRY};
                {_MOVE_HEAD};
                SELECT CASE WHEN changes() = 0 THEN RAISE(ABORT, '{_REFUSAL}') END;
            END
        """)
        return
    op.execute(f"""
        CREATE FUNCTION append_entry() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            {_ADD_ENTRY};
            {_MOVE_HEAD};
            IF NOT FOUND THEN
                RAISE unique_violation USING MESSAGE = '{_REFUSAL}';
            END IF;
            RETURN NEW;
        END $$
    """)
    op.execute("CREATE TRIGGER append INSTEAD OF INSERT ON appends FOR EACH ROW EXECUTE FUNCTION append_entry()")


def _drop_view() -> None:
    op.execute("DROP VIEW appends")
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION append_entry")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "certificates",
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_certificates")),
    )
    op.create_table(
        "gateways",
        sa.Column("id", sa.String(length=14), nullable=False),
        sa.Column("head_sequence", sa.Integer(), nullable=False, comment="of the last entry, 0 before the first"),
        sa.Column("head_hash", sa.String(length=64), nullable=False, comment="of the last entry, or of the genesis"),
        sa.Column("head_counter", sa.BigInteger(), nullable=False),
        sa.Column("head_time", sa.String(length=27), nullable=False, comment="when the keeper took the entry"),
        sa.Column("head_certificate", sa.String(length=64), nullable=False),
        sa.Column("head_signature", sa.LargeBinary(), nullable=False, comment="the keeper's"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateways")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "readers",
        sa.Column("token_hash", sa.String(length=64), nullable=False, comment="SHA-256 of a bearer token (RFC 6750)"),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("expires", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_readers")),
    )
    op.create_table(
        "commands",
        sa.Column("certificate", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False, comment="the caller's Idempotency-Key"),
        sa.Column(
            "intent", sa.String(length=64), nullable=False, comment="what was asked for, whatever its place and time"
        ),
        sa.Column("gateway", sa.String(length=14), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False, comment="the entry that came of it; 0 for a registration"),
        sa.ForeignKeyConstraint(["gateway"], ["gateways.id"], name=op.f("fk_commands_gateway")),
        sa.PrimaryKeyConstraint("certificate", "key", name=op.f("pk_commands")),
    )
    op.create_table(
        "entries",
        sa.Column("gateway", sa.String(length=14), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("time", sa.String(length=27), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False, comment="canonical bytes, RFC 8785"),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False, comment="ECDSA P-256 with SHA-256, DER"),
        sa.Column("state", sa.String(length=40), nullable=False, comment="of the gateway, after this entry"),
        sa.Column("evidence", sa.Text(), nullable=False, comment="JSON: facts and open faults, after this entry"),
        sa.ForeignKeyConstraint(["gateway"], ["gateways.id"], name=op.f("fk_entries_gateway")),
        sa.PrimaryKeyConstraint("gateway", "sequence", name=op.f("pk_entries")),
        sqlite_with_rowid=False,
    )
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
    with op.batch_alter_table("readings", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_readings_gateway_meter_obis_captured"),
            ["gateway", "meter", "obis", "captured"],
            unique=False,
        )
    _create_view()


def downgrade() -> None:
    """Take back."""
    _drop_view()
    with op.batch_alter_table("readings", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_readings_gateway_meter_obis_captured"))

    op.drop_table("readings")
    op.drop_table("entries")
    op.drop_table("commands")
    op.drop_table("readers")
    op.drop_table("gateways")
    op.drop_table("certificates")
