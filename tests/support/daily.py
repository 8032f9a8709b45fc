"""Meters, contracts and consumers of a small house to test a gateway's daily work with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.contracts import Billing, Contract
from gateway.han.consumers import Consumer
from gateway.lmn.profiles import Medium, MeterProfile, ProfileBook, Protocol
from gateway.profiles import KnownConsumer, Profiles
from gateway.tariffing.profile import TariffStage, UseCase

ANNA, BERT = "anna.sm", "bert.sm"
PASSWORD = "correct horse battery staple"  # noqa: S105  of a test
METER, OTHER_METER = "1EMH0012345678", "1EMH0012345679"
IMPORT, EXPORT, POWER = (bytes.fromhex(code) for code in ("0100010800ff", "0100020800ff", "0100100700ff"))
QUARTER = timedelta(minutes=15)
POINT, OTHER_POINT = "DE" + "0" * 30 + "1", "DE" + "0" * 30 + "2"


def meter(device_id: str = METER, *capture: bytes, period: timedelta = QUARTER) -> MeterProfile:
    """An electricity meter that pushes SML."""
    registers = capture or (IMPORT, EXPORT, POWER)
    return MeterProfile(device_id, Medium.ELECTRICITY, Protocol.SML, registers, period)


def contract(consumer: str = ANNA, device_id: str = METER, **others: object) -> Contract:
    """A contract under TAF-1 on what a meter imports."""
    members: dict[str, object] = {
        "id": f"01005e318021.taf1-{1 if consumer == ANNA else 2}.sm",
        "name": "Haushalt",
        "consumer": consumer,
        "metering_point": POINT if consumer == ANNA else OTHER_POINT,
        "meter": device_id,
        "registers": (IMPORT,),
        "use_case": UseCase.DATA_SPARING,
        "start": datetime(2025, 12, 31, 23, tzinfo=UTC),
        "end": None,
        "billing": Billing.MONTH,
        "supplier": "Stadtwerke",
        "retention": timedelta(days=730),
        "stages": (TariffStage(1, bytes.fromhex("0100010801ff"), "Strom"),),
    }
    return Contract(**(members | others))  # type: ignore[arg-type]


def consumers(*names: str) -> tuple[KnownConsumer, ...]:
    """Consumers with one password."""
    return tuple(KnownConsumer(Consumer.known_by(name, PASSWORD), (), name) for name in names)


def house(*, both: bool = False) -> Profiles:
    """One consumer with one meter, or two with one each."""
    if not both:
        return Profiles(ProfileBook([meter()]), (contract(),), consumers(ANNA))
    meters = ProfileBook([meter(), meter(OTHER_METER)])
    return Profiles(meters, (contract(), contract(BERT, OTHER_METER)), consumers(ANNA, BERT))
