"""The original reading list (originäre Messwertliste) in the same database as the record.

A reading is kept as the meter sent it: integer value, scaler and unit, flags, and when it was captured. Whether it may
be kept at all is for the gate to say, and :mod:`gateway.core` asks it before it comes here. The list as profiles have
it kept, with raster, gaps and signatures, is :mod:`gateway.metering.reading_list`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    func,
    insert,
    select,
)

from lifecycle.canonical import format_time
from lifecycle.store.schema import GATEWAY_ID_LENGTH, TIME_LENGTH, metadata

_FLAGS_LENGTH = 255

readings = Table(
    "readings",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), autoincrement=True, nullable=False),
    Column("gateway", String(GATEWAY_ID_LENGTH), ForeignKey("gateways.id"), nullable=False),
    Column("meter", String(64), nullable=False, comment="server id, hexadecimal"),
    Column("obis", String(12), nullable=False, comment="hexadecimal"),
    Column("captured", String(TIME_LENGTH), nullable=False),
    Column("value", String(24), nullable=False, comment="integer in decimal: an unsigned 64-bit value fits no column"),
    Column("scaler", Integer, nullable=False),
    Column("unit", Integer, nullable=True, comment="DLMS unit"),
    Column("flags", String(_FLAGS_LENGTH), nullable=False),
    PrimaryKeyConstraint("id"),
    Index(None, "gateway", "meter", "obis", "captured"),
)
"""The original reading list of every gateway in the database."""


@dataclass(frozen=True, slots=True)
class OriginalReading:
    """One line of the original reading list.

    :ivar meter: server id of the meter (Geräte-ID), hexadecimal.
    :ivar obis: OBIS code, 12 hexadecimal digits.
    :ivar captured: when the gateway received it (capture time), UTC.
    :ivar value: integer as the meter sent it; times ten to the power of *scaler* it is in *unit*.
    :ivar scaler: power of ten.
    :ivar unit: DLMS unit, ``None`` where the meter names none.
    :ivar flags: what the codec noticed, and the meter's status.
    """

    meter: str
    obis: str
    captured: datetime
    value: int
    scaler: int
    unit: int | None
    flags: tuple[str, ...] = ()


class ReadingStore:
    """Keeps original reading lists. Adds, never changes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, gateway: str, new: Sequence[OriginalReading]) -> None:
        """Keep readings, all of them or none; when this returns they survive the loss of power."""
        if not new:
            return
        rows = [
            {
                "gateway": gateway,
                "meter": reading.meter,
                "obis": reading.obis,
                "captured": format_time(reading.captured),
                "value": str(reading.value),
                "scaler": reading.scaler,
                "unit": reading.unit,
                "flags": _in_one_text(reading.flags),
            }
            for reading in new
        ]
        with self._engine.begin() as connection:
            connection.execute(insert(readings), rows)

    def latest(self, gateway: str, limit: int = 20) -> list[OriginalReading]:
        """The newest readings of a gateway, newest first."""
        query = select(readings).where(readings.c.gateway == gateway).order_by(readings.c.id.desc()).limit(limit)
        with self._engine.connect() as connection:
            return [
                OriginalReading(
                    row.meter,
                    row.obis,
                    datetime.fromisoformat(row.captured),
                    int(row.value),
                    row.scaler,
                    row.unit,
                    tuple(row.flags.split()),
                )
                for row in connection.execute(query)
            ]

    def count(self, gateway: str) -> int:
        """How many readings are kept of a gateway."""
        query = select(func.count()).select_from(readings).where(readings.c.gateway == gateway)
        with self._engine.connect() as connection:
            return connection.execute(query).scalar_one()


def _in_one_text(flags: Sequence[str]) -> str:
    """Flags as they are kept: as many of them, whole, as the column takes. The codec's own all fit."""
    text = " ".join(flags)
    return text if len(text) <= _FLAGS_LENGTH else text[: _FLAGS_LENGTH + 1].rpartition(" ")[0]
