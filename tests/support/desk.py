"""A consumer desk to test with: real lists and logs in SQLite, a gate and a clock that tests own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from cryptography.hazmat.primitives import hashes
from sqlalchemy import Engine

from gateway.consumer_data import ConsumerDesk
from gateway.derived.port import TariffPort
from gateway.han.data import FirmwarePart, WanCertificate
from gateway.logs.port import LogPort
from gateway.logs.store import LogPolicy
from gateway.metering.port import MeteringPort
from gateway.metering.readings import OriginalReading
from gateway.pki.keys import der_of
from gateway.profiles import Profiles
from gateway.selftest import Check, Finding, Outcome, SelfTestReport
from lifecycle.evidence import NOTHING
from lifecycle.functions import Credential
from lifecycle.gate import Gate
from lifecycle.states import State
from lifecycle.store.engine import open_database
from lifecycle.store.repository import Repository
from smpki.keys import SoftwareKey
from smpki.signed import Signer
from tests.smpki.test_cms import Party, sender
from tests.support.contracts import IMPORT, METER, OTHER_METER, START, profiles
from tests.support.lists import Meters
from tests.support.lives import GATEWAY, SettableClock, cast

QUARTER = timedelta(minutes=15)


class Sealer:
    """Signs digests with the key of a certificate, in the place of the module's."""

    def __init__(self, party: Party) -> None:
        self._key: SoftwareKey = party.key
        self.key = party.certificate.fingerprint(hashes.SHA256()).hex()

    def sign_digest(self, digest: bytes) -> bytes:
        """The signature over a digest."""
        return self._key.sign(digest)


def database(url: str = "sqlite://") -> Engine:
    """A database with one gateway in it."""
    engine = open_database(url)
    Repository(engine, cast().trust, cast().keeper, clock=SettableClock()).register(GATEWAY)
    return engine


class Served:
    """A gateway's desk with all that it stands on.

    :ivar gate: the gate as it is now.
    :ivar profiles: the profiles as they are now.
    :ivar clock: the gateway's clock.
    :ivar tested: what the next self-test finds.
    """

    def __init__(
        self,
        engine: Engine | None = None,
        known: Profiles | None = None,
        *,
        now: datetime = START,
        policy: LogPolicy | None = None,
    ) -> None:
        self.gate = Gate(State.OPERATION, NOTHING)
        self.profiles = known or profiles()
        party = sender()
        self.party = party
        lists = self.profiles.list_profiles(now).values()
        self.meters = Meters(engine or database(), lists, signer=Sealer(party), policy=policy, now=now)
        self.clock = self.meters.clock
        self.logs = LogPort(lambda: self.gate, self.meters.logs)
        self.metering = MeteringPort(lambda: self.gate, self.meters.lists, lambda: self.meters.profiles)
        self.tariffs = TariffPort(lambda: self.gate, self.meters.lists, lambda: self.profiles, self.clock)
        self.tested = SelfTestReport(GATEWAY, (Finding(Check.RECORD, Outcome.PASSED, "whole"),))
        self.desk = ConsumerDesk(
            GATEWAY,
            lambda: self.gate,
            lambda: self.profiles,
            self.metering,
            self.tariffs,
            self.logs,
            clock=self.clock,
            firmware=lambda: (FirmwarePart("smgw", "0.1.0", bytes(32)),),
            certificates=lambda: (
                WanCertificate(0, b"seal", b"ca"),
                WanCertificate(1, der_of(party.certificate), b"ca"),
            ),
            signer=self._signer,
            self_test=self._test,
        )

    def _signer(self) -> Signer:
        return self.party.signer

    def _test(self, _credential: Credential) -> SelfTestReport:
        return self.tested

    def read(
        self,
        values: Mapping[datetime, int],
        *,
        device: str = METER,
        obis: bytes = IMPORT,
        scaler: int = -1,
        flags: Iterable[str] = ("unsigned",),
    ) -> None:
        """Take readings; time passes until the last of them."""
        last = max(values)
        if last > self.clock():
            self.meters.pass_time(last - self.clock())
        server_id = next(meter.server_id.hex() for meter in self.profiles.meters if meter.device_id == device)
        self.meters.lists.take(
            [
                OriginalReading(server_id, obis.hex(), at, value, scaler, 30, tuple(flags))
                for at, value in sorted(values.items())
            ]
        )


def rising(begin: datetime, count: int, step: int = 10, start: int = 1_000) -> dict[datetime, int]:
    """A reading each quarter of an hour, each *step* above the one before."""
    return {begin + number * QUARTER: start + number * step for number in range(count)}


def two_days(engine: Engine | None = None) -> Served:
    """A desk with two days of Anna's and Bert's readings."""
    made = Served(engine)
    made.read(rising(START, 193))
    made.read(rising(START, 193, step=7), device=OTHER_METER)
    return made
