"""Contracts, meters and consumers to test with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.contracts import Billing, Contract
from gateway.han.consumers import Consumer
from gateway.lmn.profiles import Medium, MeterProfile, ProfileBook, Protocol
from gateway.profiles import KnownConsumer, Profiles
from gateway.tariffing.calendar import DayProfile, TariffCalendar
from gateway.tariffing.profile import TariffStage, UseCase

ANNA, BERT = "anna.sm", "bert.sm"
METER, OTHER_METER = "1EMH0012345678", "1EMH0012345679"
IMPORT, EXPORT, POWER = (bytes.fromhex(code) for code in ("0100010800ff", "0100020800ff", "0100100700ff"))
NT, HT, ERRORS = (bytes.fromhex(code) for code in ("0100010801ff", "0100010802ff", "010001083fff"))
POINT = "DE0001234567890000000000000000042"
START = datetime(2025, 12, 31, 23, tzinfo=UTC)
"""Midnight in Germany."""
DAY_AND_NIGHT = TariffCalendar((DayProfile(("every day",), ((0, 1), (6 * 3600, 2), (21 * 3600, 1))),))
STAGES = (TariffStage(1, NT, "NT"), TariffStage(2, HT, "HT"))


def contract(**others: Any) -> Contract:
    """A contract of Anna's by TAF-2: stage 2 from six to twenty-one, stage 1 else."""
    members: dict[str, Any] = {
        "id": "01005e318021.taf2-1.sm",
        "name": "Strom Tag und Nacht",
        "consumer": ANNA,
        "metering_point": POINT,
        "meter": METER,
        "registers": (IMPORT,),
        "use_case": UseCase.TIME_VARIABLE,
        "start": START,
        "end": None,
        "billing": Billing.MONTH,
        "supplier": "9900000000001",
        "retention": timedelta(days=1_100),
        "stages": STAGES,
        "calendars": (DAY_AND_NIGHT,),
    }
    return Contract(**{**members, **others})


def series_contract(**others: Any) -> Contract:
    """A contract of Bert's by TAF-7, without stages."""
    members = {
        "id": "01005e318021.taf7-1.sm",
        "name": "Zählerstandsgang",
        "consumer": BERT,
        "meter": OTHER_METER,
        "use_case": UseCase.READING_SERIES,
        "stages": (),
        "calendars": (),
    }
    return contract(**{**members, **others})


def meter(device_id: str = METER, *capture: bytes, period: timedelta = timedelta(minutes=15)) -> MeterProfile:
    """A meter of the wired bus, from which the import is kept if nothing else is said."""
    return MeterProfile(device_id, Medium.ELECTRICITY, Protocol.SML, capture or (IMPORT,), period)


def known(userid: str) -> KnownConsumer:
    """A consumer with a password."""
    return KnownConsumer(
        Consumer.known_by(userid, "correct horse battery staple"), (), userid.removesuffix(".sm").capitalize()
    )


def profiles(*contracts: Contract, meters: tuple[MeterProfile, ...] | None = None) -> Profiles:
    """Profiles with Anna and Bert, a meter each, and these contracts; without any, one of each."""
    metered = (meter(), meter(OTHER_METER)) if meters is None else meters
    return Profiles(ProfileBook(metered), contracts or (contract(), series_contract()), (known(ANNA), known(BERT)))
