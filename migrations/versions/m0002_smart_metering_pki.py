"""The Smart Metering PKI: certificates and their status, who is in charge, CRLs, orders.

Revision: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "pki_certificates",
        sa.Column("fingerprint", sa.String(length=64), nullable=False, comment="SHA-256 of the DER"),
        sa.Column("issuer", sa.String(length=64), nullable=False, comment="the issuer's fingerprint; a Root's own"),
        sa.Column("serial", sa.String(length=40), nullable=False, comment="hexadecimal"),
        sa.Column("name", sa.String(length=80), nullable=False, comment="common name of the holder"),
        sa.Column("number", sa.BigInteger(), nullable=False, comment="SERIALNUMBER of the holder's name"),
        sa.Column("profile", sa.String(length=24), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False, comment="SHA-256 of SubjectPublicKeyInfo"),
        sa.Column("not_before", sa.String(length=27), nullable=False),
        sa.Column("not_after", sa.String(length=27), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.String(length=24), nullable=True, comment="why it is revoked"),
        sa.Column("status_since", sa.String(length=27), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_pki_certificates")),
        sa.UniqueConstraint("issuer", "serial", name=op.f("uq_pki_certificates_issuer_serial")),
        sa.UniqueConstraint("key", "profile", name=op.f("uq_pki_certificates_key_profile")),
    )
    with op.batch_alter_table("pki_certificates", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_pki_certificates_issuer_status"), ["issuer", "status"], unique=False)
        batch_op.create_index(batch_op.f("ix_pki_certificates_name_profile"), ["name", "profile"], unique=False)

    op.create_table(
        "pki_charges",
        sa.Column("gateway", sa.String(length=80), nullable=False, comment="common name"),
        sa.Column(
            "in_charge", sa.String(length=80), nullable=False, comment="common name: the GWA; before it, the GWH"
        ),
        sa.Column("since", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("gateway", name=op.f("pk_pki_charges")),
    )
    op.create_table(
        "pki_crls",
        sa.Column("issuer", sa.String(length=64), nullable=False, comment="fingerprint of the CA's certificate"),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("this_update", sa.String(length=27), nullable=False),
        sa.Column("next_update", sa.String(length=27), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "number", name=op.f("pk_pki_crls")),
    )
    op.create_table(
        "pki_messages",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("time", sa.String(length=27), nullable=False),
        sa.Column("caller", sa.String(length=80), nullable=False, comment="common name"),
        sa.Column("message_id", sa.String(length=128), nullable=False),
        sa.Column("subject", sa.String(length=256), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pki_messages")),
    )
    op.create_table(
        "pki_orders",
        sa.Column("mark", sa.String(length=64), nullable=False, comment="SHA-256 of sender and content"),
        sa.Column("time", sa.String(length=27), nullable=False, comment="when it was carried out"),
        sa.PrimaryKeyConstraint("mark", name=op.f("pk_pki_orders")),
    )
    op.create_table(
        "pki_status_changes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("certificate", sa.String(length=64), nullable=False),
        sa.Column("time", sa.String(length=27), nullable=False),
        sa.Column("change", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.String(length=24), nullable=True),
        sa.Column("by", sa.String(length=80), nullable=False, comment="common name, or who operates the CA"),
        sa.ForeignKeyConstraint(
            ["certificate"], ["pki_certificates.fingerprint"], name=op.f("fk_pki_status_changes_certificate")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pki_status_changes")),
    )
    with op.batch_alter_table("pki_status_changes", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_pki_status_changes_certificate"), ["certificate"], unique=False)


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("pki_status_changes", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_pki_status_changes_certificate"))

    op.drop_table("pki_status_changes")
    op.drop_table("pki_orders")
    op.drop_table("pki_messages")
    op.drop_table("pki_crls")
    op.drop_table("pki_charges")
    with op.batch_alter_table("pki_certificates", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_pki_certificates_name_profile"))
        batch_op.drop_index(batch_op.f("ix_pki_certificates_issuer_status"))

    op.drop_table("pki_certificates")
