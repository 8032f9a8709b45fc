"""Original reading lists to test with: profiles, readings, and a gateway's clock with what passes evenly beside it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import Engine

from gateway.logs.store import LimitReached, LogPolicy, LogStore
from gateway.metering.reading_list import ReadingList
from gateway.metering.readings import OriginalReading
from gateway.metering.rules import ListProfile, Register
from gateway.sealing import DigestSigner
from gateway.storage import Storage
from tests.support.lives import GATEWAY, START, SettableClock

METER, OTHER_METER = "0a01454d480000bc614e", "0a01454d480000bc614f"
IMPORT = "0100010800ff"
ANNA, BERT = "anna", "bert"
QUARTER = timedelta(minutes=15)
YEAR = timedelta(days=365)
PROFILE = ListProfile(METER, IMPORT, ANNA, YEAR)
OTHER_PROFILE = ListProfile(OTHER_METER, IMPORT, BERT, YEAR)


def reading(value: int = 1, at: datetime = START, **others: object) -> OriginalReading:
    """A reading of the first meter."""
    members = {"meter": METER, "obis": IMPORT, "scaler": -1, "unit": 30, "flags": ("unsigned",)}
    return OriginalReading(captured=at, value=value, **{**members, **others})  # type: ignore[arg-type]


class Meters:
    """The lists of one gateway on an engine, with all that they stand on.

    :ivar clock: the gateway's clock.
    :ivar ticks: nanoseconds that pass evenly.
    :ivar profiles: the profiles, by register.
    :ivar told: what became of the logs' room.
    :ivar full: what was told of the disk.
    """

    def __init__(
        self,
        engine: Engine,
        profiles: Iterable[ListProfile] = (PROFILE, OTHER_PROFILE),
        *,
        signer: DigestSigner | None = None,
        policy: LogPolicy | None = None,
        now: datetime = START,
    ) -> None:
        self.clock = SettableClock(now)
        self.ticks = 0
        self.profiles: dict[Register, ListProfile] = {profile.register: profile for profile in profiles}
        self.told: list[LimitReached] = []
        self.full: list[bool] = []
        self.storage = Storage(engine, self.full.append)
        self.logs = LogStore(
            self.storage, GATEWAY, clock=self.clock, policy=policy, signer=signer, follow=self.told.append
        )
        self.lists = ReadingList(
            GATEWAY,
            self.logs,
            lambda: self.profiles,
            clock=self.clock,
            elapsed=lambda: self.ticks,
            signer=signer,
        )

    def pass_time(self, by: timedelta) -> datetime:
        """Time passes, and the clock shows it."""
        self.ticks += by // timedelta(microseconds=1) * 1000
        return self.clock.move(by)

    def take(self, value: int = 1, **others: object) -> str:
        """Take a reading captured now; its verdict."""
        (taken,) = self.lists.take([reading(value, self.clock(), **others)])
        return taken.verdict
