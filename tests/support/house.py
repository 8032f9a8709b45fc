"""A whole house to test a gateway in: module, record and PKI, meters that push SML, and the HAN interface over TLS.

Time passes only as readings come in. What is written is not synced to the disk: a power cut is played otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import jsonschema_rs
from sqlalchemy import event

from gateway.core import Gateway
from gateway.daily import Received
from gateway.han.answers import ERROR, schema
from gateway.han.app import Limits
from gateway.han.interface import HanInterface
from gateway.han.own_key import OwnCertificate
from gateway.known_consumers import KnownConsumers
from gateway.lmn.profiles import ProfileBook
from gateway.logs.store import LogPolicy
from gateway.profiles import Profiles
from gateway.tariffing.periods import LOCAL
from gateway.tariffing.profile import TariffStage, UseCase
from lifecycle.functions import Credential
from lifecycle.roles import Role
from lifecycle.states import State
from stations.meter import HouseholdMeter
from tests.gateway.han.test_peers import Ask, by_httpx
from tests.support.contracts import DAY_AND_NIGHT, NT, STAGES
from tests.support.daily import (
    ANNA,
    BERT,
    EXPORT,
    IMPORT,
    METER,
    OTHER_METER,
    OTHER_POINT,
    PASSWORD,
    POWER,
    consumers,
    contract,
    meter,
)
from tests.support.gateways import Device
from tests.support.han import GENEROUS, Home, Ticking

TAF1, TAF2, TAF7, BERTS = (f"01005e318021.{number}.sm" for number in ("taf1-1", "taf2-1", "taf7-1", "taf2-2"))
FRAMES_EVERY = timedelta(minutes=5)
MICROSECOND = timedelta(microseconds=1)


def local(text: str) -> datetime:
    """A German date or time."""
    return datetime.fromisoformat(text).replace(tzinfo=LOCAL).astimezone(UTC)


def household(begin: datetime) -> Profiles:
    """Anna with three contracts on one meter, Bert with one on his.

    :param begin: when the contracts begin.
    """
    by_clock: dict[str, Any] = {
        "use_case": UseCase.TIME_VARIABLE,
        "stages": STAGES,
        "calendars": (DAY_AND_NIGHT,),
        "start": begin,
    }
    agreed = (
        contract(id=TAF2, name="Tag und Nacht", participants=("emt.sm",), **by_clock),
        contract(id=TAF1, start=begin, stages=(TariffStage(1, NT, "Strom"),)),
        contract(
            id=TAF7, use_case=UseCase.READING_SERIES, stages=(), start=begin, registers=(IMPORT, EXPORT), name="Gang"
        ),
        contract(BERT, OTHER_METER, id=BERTS, metering_point=OTHER_POINT, **by_clock),
    )
    meters = ProfileBook([meter(METER, IMPORT, EXPORT, POWER), meter(OTHER_METER, IMPORT, EXPORT, POWER)])
    return Profiles(meters, agreed, consumers(ANNA, BERT))


@dataclass
class Machine:
    """A consumer's program; every answer it gets is held against the schema.

    :ivar path: where it asks.
    """

    ask: Ask
    path: str

    def status(self, method: str, **parameters: object) -> tuple[int, dict[str, Any]]:
        """Status and answer."""
        status, answer = self.ask(self.path, {"method": method, **parameters})
        jsonschema_rs.validator_for(schema(method if status == 200 else ERROR)).validate(answer)
        return status, answer

    def get(self, method: str, **parameters: object) -> dict[str, Any]:
        """The answer, where there is one."""
        status, answer = self.status(method, **parameters)
        assert status == 200, answer
        return answer

    def readings(self, point: str, database: str, **parameters: object) -> dict[str, list[dict[str, Any]]]:
        """Readings of a usage point, by register."""
        answer = self.get("readings", **{"usage-point-id": point, "database": database, **parameters})
        channels = answer["readings"]["channels"]
        assert answer["records"] == str(sum(len(channel["readings"]) for channel in channels))
        return {channel["obis"].partition(".")[0]: channel["readings"] for channel in channels}

    def log(self, **parameters: object) -> list[dict[str, Any]]:
        """Entries of the log."""
        return list(self.get("log", **parameters)["log"]["entries"])


@dataclass
class House:
    """A gateway at work, and who is around it.

    :ivar ticking: seconds of the HAN interface.
    :ivar sent: what each meter said on its raster: by device and register, when it came and the value.
    """

    device: Device
    profiles: Profiles
    gateway: Gateway
    begun: datetime
    interface: HanInterface | None = None
    ticking: Ticking = field(default_factory=Ticking)
    sent: dict[tuple[str, bytes], dict[datetime, int]] = field(default_factory=dict)

    @property
    def clock(self) -> Callable[[], datetime]:
        """The gateway's clock."""
        return self.device.clock

    @property
    def port(self) -> int:
        """Where the HAN interface listens."""
        assert self.interface is not None
        assert self.interface.address is not None
        return self.interface.address[1]

    @property
    def url(self) -> str:
        """The root of the HAN interface."""
        return f"https://127.0.0.1:{self.port}"

    def at(self, time: datetime) -> None:
        """It is later now."""
        assert time >= self.clock()
        self.device.clock.now = time

    def receive(self, frame: bytes) -> list[Received]:
        """A frame comes in two pieces."""
        middle = len(frame) // 3
        return [self.gateway.receive(Credential.METER_KEY, piece) for piece in (frame[:middle], frame[middle:])]

    def push(self, pushing: HouseholdMeter, device: str, time: datetime) -> int:
        """A meter's frame comes in at a time; how many readings are kept of it."""
        if time > self.clock():
            self.at(time)
        kept = sum(each.kept for each in self.receive(pushing.frame_at(time)))
        if kept:
            for obis, value in zip((IMPORT, EXPORT), pushing.energy_at(time), strict=True):
                self.sent.setdefault((device, obis), {})[time] = value
        return kept

    def client(self, user: str = ANNA, password: str = PASSWORD, **more: Any) -> httpx.Client:
        """A client that answers challenges and follows nothing."""
        return httpx.Client(
            base_url=self.url,
            auth=httpx.DigestAuth(user, password),
            verify=False,  # noqa: S501
            timeout=30,
            **more,
        )

    def machine(self, name: str = ANNA, peer: Callable[[Home, str, str], Ask] = by_httpx) -> Machine:
        """A consumer's program."""
        # Of a home a peer needs address and client, which a house has too.
        return Machine(peer(cast("Home", self), name, PASSWORD), f"/smgw/m2m/{name}/json")

    def restart(self) -> Gateway:
        """The gateway is gone at once, with all that it held in memory; another one starts on what there is."""
        self.gateway.close()
        self.gateway = opened(self.device, self.profiles, self.begun)
        self.gateway.start()
        return self.gateway

    def close(self) -> None:
        """Close the interface, and let the module go."""
        if self.interface is not None:
            self.interface.close()
        self.gateway.close()


def opened(device: Device, profiles: Profiles, begun: datetime, policy: LogPolicy | None = None) -> Gateway:
    """A gateway on a device."""
    return Gateway(
        device.id,
        device.repository,
        clock=device.clock,
        slot=device.slot,
        folder=device.folder,
        own=device.party(Role.GATEWAY),
        profiles=profiles,
        log_policy=policy,
        elapsed=lambda: (device.clock() - begun) // MICROSECOND * 1000,
    )


@contextmanager
def house(
    folder: Path,
    profiles: Profiles,
    begin: datetime,
    *,
    han: bool = True,
    limits: Limits = GENEROUS,
    policy: LogPolicy | None = None,
) -> Iterator[House]:
    """A gateway at work from a time on."""
    device = Device.at(folder / "device", State.OPERATION)
    device.gateway.close()
    device.clock.now = begin
    engine = device.repository.engine
    engine.dispose()
    event.listen(engine, "connect", lambda connection, _record: connection.execute("PRAGMA synchronous=OFF"))
    made = House(device, profiles, opened(device, profiles, begin, policy), begin)
    device.gateway = made.gateway
    try:
        report = made.gateway.start()
        assert report is not None
        assert report.passed
        if han:
            made.interface = HanInterface(
                made.gateway,
                ("127.0.0.1", 0),
                OwnCertificate.open_or_make(folder / "han.pem", device.id, lambda: datetime.now(UTC)),
                KnownConsumers(lambda: made.gateway.profiles),
                made.gateway.consumer_data,
                clock=device.clock,
                monotonic=made.ticking,
                limits=limits,
                page=made.gateway.consumer_data,
            )
        yield made
    finally:
        made.close()


def raster(begin: datetime, end: datetime, every: timedelta = FRAMES_EVERY) -> Iterator[datetime]:
    """Times at which meters push, begin and end among them; each a few seconds beside what it is meant for."""
    number, at = 0, begin
    while at <= end:
        yield at + timedelta(seconds=(number * 5 % 13) - 6)
        number, at = number + 1, at + every
