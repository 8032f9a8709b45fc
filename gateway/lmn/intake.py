"""The door of the meters' network: what the decoders found, through the profiles, into captured readings.

A meter without a profile is logged and dropped; so is a known one that comes over another protocol or line than its
profile says, or that names another meter. Of a known one every code to capture is taken, each time: which of them
counts for a point of the raster is for :mod:`gateway.metering.rules` to say. Whether readings may be kept at all is not
asked here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from gateway.lmn.hdlc_link import HdlcMessage
from gateway.lmn.profiles import MeterProfile, ProfileBook, Protocol
from gateway.lmn.quirks import FLAG_KERMIT, apply_quirks, wire_numbers
from gateway.lmn.receivers import line_of
from gateway.lmn.sml import SmlFrame
from gateway.lmn.sml_elements import Number
from gateway.lmn.sml_readings import Reading
from gateway.lmn.sml_transport import Skipped
from gateway.lmn.wmbus import Telegram

MAX_REMEMBERED: Final = 1_024
"""Different complaints that are counted; each is logged the first, second, fourth, eighth ... time."""

Event = SmlFrame | HdlcMessage | Telegram | Skipped

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Capture:
    """A reading of a known meter, after its profile's quirks, and when the gateway received it (UTC)."""

    profile: MeterProfile
    reading: Reading
    captured: datetime


class Intake:
    """Takes the events of all lines of one gateway."""

    def __init__(self, book: Callable[[], ProfileBook], clock: Callable[[], datetime]) -> None:
        """:param book: the profiles as they are now.
        :param clock: the time in UTC, with zone.
        """
        self._book = book
        self._clock = clock
        self._complaints: dict[tuple[str, ...], int] = {}

    def take(self, line: str, events: Iterable[Event]) -> list[Capture]:
        """What is to be kept of the events of a line, in order.

        :raises ValueError: if the clock gives a time without zone.
        """
        now = self._clock()
        if now.tzinfo is None:
            raise ValueError(f"the clock gives {now.isoformat()}, a time without zone")
        captures: list[Capture] = []
        for event in events:
            if isinstance(event, Skipped):
                self._complain("bytes skipped", line, reason=event.reason)
            elif isinstance(event, Telegram):
                captures += self._of_telegram(line, event, now)
            elif event.error is not None:
                self._complain("frame dropped", line, reason=event.error)
            else:
                for reading, number in zip(event.readings, wire_numbers(event.messages), strict=True):
                    captures += self._of_sml(line, event, reading, number, now)
        return captures

    def _of_telegram(self, line: str, telegram: Telegram, now: datetime) -> list[Capture]:
        profile = self._book().by_address(telegram.address)
        if profile is None:
            self._complain("meter without a profile, dropped", line, meter=str(telegram.address))
            return []
        if telegram.error is not None:
            self._complain("telegram dropped", line, meter=profile.device_id, reason=_kind(telegram.error))
            return []
        known = profile.all_server_ids | {telegram.address.server_id}
        captures: list[Capture] = []
        for reading in telegram.readings:
            if reading.server_id in known:
                captures += self._capture(line, Protocol.WMBUS, profile, reading, None, now)
            else:
                self._complain(
                    "meter names another, dropped", line, meter=profile.device_id, other=reading.server_id.hex()
                )
        return captures

    def _of_sml(
        self, line: str, event: SmlFrame | HdlcMessage, reading: Reading, number: Number, now: datetime
    ) -> list[Capture]:
        profile = self._book().by_server_id(reading.server_id)
        if profile is None:
            self._complain("meter without a profile, dropped", line, meter=reading.server_id.hex())
            return []
        if isinstance(event, SmlFrame):
            return self._capture(line, Protocol.SML, profile, reading, number, now)
        if profile.hdlc_address not in (None, event.source):
            self._complain("address not as in the profile, dropped", line, meter=profile.device_id)
            return []
        return self._capture(line, Protocol.SML_HDLC, profile, reading, number, now)

    def _capture(
        self,
        line: str,
        protocol: Protocol,
        profile: MeterProfile,
        reading: Reading,
        number: Number | None,
        now: datetime,
    ) -> list[Capture]:
        if profile.protocol is not protocol:
            self._complain(
                "protocol not as in the profile, dropped",
                line,
                meter=profile.device_id,
                protocol=protocol.value,
            )
            return []
        if profile.line not in (None, line_of(line)):
            self._complain("line not as in the profile, dropped", line, meter=profile.device_id)
            return []
        if reading.obis not in profile.capture:
            return []
        reading = apply_quirks(profile.quirks, reading, number)
        if FLAG_KERMIT in reading.flags:
            self._complain("checksum not as in the profile, dropped", line, meter=profile.device_id)
            return []
        return [Capture(profile, reading, now)]

    def _complain(self, what: str, line: str, **about: str) -> None:
        key = (what, line, *about.values())
        if key not in self._complaints and len(self._complaints) >= MAX_REMEMBERED:
            self._complaints.clear()
        times = self._complaints[key] = self._complaints.get(key, 0) + 1
        if times & times - 1 == 0:
            _log.warning(what, line=line, times=times, **about)


def _kind(error: str) -> str:
    """An error's words without its numbers, so that a counter in it does not make it a new complaint each time."""
    return "".join("#" if character.isdigit() else character for character in error)
