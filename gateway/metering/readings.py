"""A reading as a meter sent it, before anything is made of it: integer value, scaler and unit, and when it came."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.lmn.intake import Capture


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

    @classmethod
    def of(cls, capture: Capture) -> OriginalReading:
        """What the meters' network captured of a known meter; it goes by the server id that its profile says."""
        reading = capture.reading
        return cls(
            capture.profile.server_id.hex(),
            reading.obis.hex(),
            capture.captured,
            reading.value,
            reading.scaler,
            reading.unit,
            reading.flags,
        )
