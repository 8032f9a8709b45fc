"""What the gateway notices about a reading or a gap, and which bits of its status word say so."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum, unique
from typing import Final

from gateway.lmn.status import CombinedStatus, GatewayStatus, noted_meter_status


@unique
class Mark(StrEnum):
    """What the gateway noticed about a reading or a gap."""

    CLOCK_JUMPED = "clock-jumped"
    """The clock was moved between the reading before and this one."""
    CLOCK_SET_BACK = "clock-set-back"
    """It was captured before the reading before it: a new epoch of the list begins."""
    POINT_REPEATED = "point-repeated"
    """Its raster point was passed once already, in an earlier epoch."""
    RAN_BACK = "ran-back"
    """The register shows less than before."""
    UNIT_CHANGED = "unit-changed"
    """The register is in another unit than before."""
    METER_FATAL = "meter-fatal"
    """The meter reports a fatal error."""
    RESTARTED = "restarted"
    """Metering was started anew between the reading before and this one."""
    MISSING = "missing"
    """There is no reading: a gap."""


_BITS: Final = {
    Mark.CLOCK_JUMPED: GatewayStatus.SYSTEM_TIME_INVALID,
    Mark.CLOCK_SET_BACK: GatewayStatus.SYSTEM_TIME_INVALID,
    Mark.POINT_REPEATED: GatewayStatus.PTB_WARNING,
    Mark.RAN_BACK: GatewayStatus.PTB_TEMPORARY_ERROR_INVALID,
    Mark.UNIT_CHANGED: GatewayStatus.PTB_TEMPORARY_ERROR_INVALID,
    Mark.METER_FATAL: GatewayStatus(0),  # the meter's own word says it
    Mark.RESTARTED: GatewayStatus(0),  # of interest, and no doubt about the value
    Mark.MISSING: GatewayStatus.PTB_TEMPORARY_ERROR_INVALID,
}


def status_of(marks: Iterable[Mark], flags: Iterable[str]) -> CombinedStatus:
    """The status of a reading, from what the gateway and the codec noticed."""
    gateway = GatewayStatus(0)
    for mark in marks:
        gateway |= _BITS[mark]
    return CombinedStatus(gateway, noted_meter_status(flags))
