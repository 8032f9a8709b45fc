"""The tables of the PKI. :mod:`migrations` makes them; a test proves that the two do not drift apart."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""The tables of this package; :mod:`migrations` makes them beside those of the record."""

HASH_LENGTH = 64
TIME_LENGTH = 27
NAME_LENGTH = 80

certificates = Table(
    "pki_certificates",
    metadata,
    Column("fingerprint", String(HASH_LENGTH), nullable=False, comment="SHA-256 of the DER"),
    Column("issuer", String(HASH_LENGTH), nullable=False, comment="the issuer's fingerprint; a Root's own"),
    Column("serial", String(40), nullable=False, comment="hexadecimal"),
    Column("name", String(NAME_LENGTH), nullable=False, comment="common name of the holder"),
    Column("number", BigInteger, nullable=False, comment="SERIALNUMBER of the holder's name"),
    Column("profile", String(24), nullable=False),
    Column("key", String(HASH_LENGTH), nullable=False, comment="SHA-256 of SubjectPublicKeyInfo"),
    Column("not_before", String(TIME_LENGTH), nullable=False),
    Column("not_after", String(TIME_LENGTH), nullable=False),
    Column("status", String(12), nullable=False),
    Column("reason", String(24), nullable=True, comment="why it is revoked"),
    Column("status_since", String(TIME_LENGTH), nullable=False),
    Column("der", LargeBinary, nullable=False),
    PrimaryKeyConstraint("fingerprint"),
    UniqueConstraint("issuer", "serial"),
    UniqueConstraint("key", "profile"),
    Index(None, "name", "profile"),
    Index(None, "issuer", "status"),
)
"""Every certificate that a CA here issued or goes by."""

changes = Table(
    "pki_status_changes",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), autoincrement=True, nullable=False),
    Column("certificate", String(HASH_LENGTH), ForeignKey("pki_certificates.fingerprint"), nullable=False),
    Column("time", String(TIME_LENGTH), nullable=False),
    Column("change", String(12), nullable=False),
    Column("reason", String(24), nullable=True),
    Column("by", String(NAME_LENGTH), nullable=False, comment="common name, or who operates the CA"),
    PrimaryKeyConstraint("id"),
    Index(None, "certificate"),
)
"""What was done to certificates, by whom, and why. Rows are added, never changed."""

charges = Table(
    "pki_charges",
    metadata,
    Column("gateway", String(NAME_LENGTH), nullable=False, comment="common name"),
    Column(
        "in_charge",
        String(NAME_LENGTH),
        nullable=False,
        comment="common name: the GWA; before it, the GWH",
    ),
    Column("since", String(TIME_LENGTH), nullable=False),
    PrimaryKeyConstraint("gateway"),
)
"""Who is in charge of a gateway's certificates (TR-03129-4 2.3.7)."""

crls = Table(
    "pki_crls",
    metadata,
    Column("issuer", String(HASH_LENGTH), nullable=False, comment="fingerprint of the CA's certificate"),
    Column("number", BigInteger, nullable=False),
    Column("this_update", String(TIME_LENGTH), nullable=False),
    Column("next_update", String(TIME_LENGTH), nullable=False),
    Column("der", LargeBinary, nullable=False),
    PrimaryKeyConstraint("issuer", "number"),
)
"""Every CRL that was made."""


orders = Table(
    "pki_orders",
    metadata,
    Column("mark", String(HASH_LENGTH), nullable=False, comment="SHA-256 of sender and content"),
    Column("time", String(TIME_LENGTH), nullable=False, comment="when it was carried out"),
    PrimaryKeyConstraint("mark"),
)
"""Orders that were carried out, so that none is a second time."""

messages = Table(
    "pki_messages",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), autoincrement=True, nullable=False),
    Column("time", String(TIME_LENGTH), nullable=False),
    Column("caller", String(NAME_LENGTH), nullable=False, comment="common name"),
    Column("message_id", String(128), nullable=False),
    Column("subject", String(256), nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("id"),
)
"""General messages (TR-03129-4 2.3.1), for a person to read."""
