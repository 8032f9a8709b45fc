"""What the gateway of a life knows of its meter: the story's own, or the one whose bytes were captured."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Final

from gateway.contracts import Billing, Contract
from gateway.han.consumers import Consumer
from gateway.lmn.device_id import DeviceIdError, device_id_from_server_id
from gateway.lmn.obis import EXPORT_ENERGY, IMPORT_ENERGY
from gateway.lmn.profiles import Medium, MeterProfile, ProfileBook, Protocol
from gateway.lmn.sml import Decoder, SmlFrame
from gateway.profiles import KnownConsumer, Profiles
from gateway.tariffing.profile import UseCase

METER_ID: Final = "1EMH0012345678"
"""The meter of the story, by DIN 43863-5."""
QUARTER_HOUR: Final = timedelta(minutes=15)
_UNNAMED: Final = "1XXX0000000001"
"""What a captured meter is called that names itself otherwise than by DIN 43863-5."""
_CONSUMER: Final = "consumer1.sm"
_BEGIN: Final = datetime(2020, 1, 1, tzinfo=UTC)


def story_profiles() -> Profiles:
    """The story's own meter, of which the registers of energy are kept."""
    return _profiles(METER_ID, (), (IMPORT_ENERGY, EXPORT_ENERGY))


def captured_profiles(capture: bytes) -> Profiles:
    """The meter that bytes were captured of, of which everything it sends is kept; none where no frame is whole."""
    frames = [event for event in Decoder().feed(capture) if isinstance(event, SmlFrame)]
    readings = [reading for frame in frames for reading in frame.readings]
    if not readings:
        return Profiles()
    server_id = readings[0].server_id
    registers = tuple(dict.fromkeys(reading.obis for reading in readings if reading.server_id == server_id))
    try:
        device_id = device_id_from_server_id(server_id)
    except DeviceIdError:
        device_id = _UNNAMED
    return _profiles(device_id, (server_id,), registers)


def _profiles(device_id: str, server_ids: tuple[bytes, ...], registers: tuple[bytes, ...]) -> Profiles:
    meter = MeterProfile(device_id, Medium.ELECTRICITY, Protocol.SML, registers, QUARTER_HOUR, server_ids=server_ids)
    contract = Contract(
        id="0100.taf7-1.sm",
        name="Zählerstandsgang",
        consumer=_CONSUMER,
        metering_point=f"DE{1:031}",
        meter=device_id,
        registers=registers,
        use_case=UseCase.READING_SERIES,
        start=_BEGIN,
        end=None,
        billing=Billing.YEAR,
        supplier="Stadtwerke",
        retention=timedelta(days=730),
    )
    consumer = KnownConsumer(Consumer.known_by(_CONSUMER, secrets.token_urlsafe()))
    return Profiles(ProfileBook([meter]), (contract,), (consumer,))
