"""Data for the consumer's page, in memory: a year of quarter hours, two tariff stages, a roof that feeds in, a gap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache

from gateway.han.data import BillingPeriod, TafState
from gateway.han.errors import HanError
from gateway.han.page_data import (
    Bucket,
    Consumption,
    ContractView,
    Export,
    ExportFile,
    LatestReading,
    PlainLogEntry,
    RegisterView,
    StageAmount,
    StageView,
    Step,
    SwitchView,
)
from gateway.tariffing.periods import DAY, LOCAL, local_date, midnight
from tests.support.han import NOW, QUARTER, USER

IMPORT, EXPORT = "0100010800ff", "0100020800ff"
HIGH, LOW, ERROR = "0100010801ff", "0100010802ff", "010001083fff"
CONTRACT, OLD_CONTRACT = "01005e318021.taf2-1.sm", "01005e318021.taf1-1.sm"
METER = "1EMH0012345678"
FIRST = date(2025, 2, 1)
"""Before it there are no readings."""
GAP = (datetime(2026, 2, 20, 9, tzinfo=UTC), datetime(2026, 2, 20, 15, 30, tzinfo=UTC))
"""No readings: from, until."""
ERRORS = (datetime(2026, 2, 25, 17, tzinfo=UTC), datetime(2026, 2, 25, 17, 45, tzinfo=UTC))
"""Counted in the error register: from, until."""
_LONGEST = {
    Step.QUARTER_HOUR: timedelta(days=31, hours=1),
    Step.HOUR: timedelta(days=93, hours=1),
    Step.DAY: timedelta(days=732),
    Step.MONTH: timedelta(days=3653),
}


def _view(number: int) -> ContractView:
    day = midnight(local_date(NOW))
    switches = [SwitchView(day, 2)]
    for more in range(7):
        here = local_date(NOW) + more * DAY
        if here.weekday() < 5:
            switches += [SwitchView(midnight(here) + timedelta(hours=hour), stage) for hour, stage in ((6, 1), (22, 2))]
    return ContractView(
        id=CONTRACT,
        name="Ökostrom Flex",
        metering_point="DE" + str(number).zfill(31),
        meter=METER,
        taf=2,
        state=TafState.RUNNING,
        start=midnight(FIRST),
        end=None,
        supplier="Stadtwerke Neuland",
        participants=("lieferant.stadtwerke-neuland.emt", "netz.neuland.emt"),
        registers=(RegisterView(IMPORT, -1, 30, False), RegisterView(EXPORT, -1, 30, True)),
        stages=(
            StageView(HIGH, 1, "Hochtarif", False),
            StageView(LOW, 2, "Niedertarif", False),
            StageView(ERROR, None, "", True),
        ),
        billing_periods=tuple(_months()),
        registers_every=QUARTER,
        retention=timedelta(days=3 * 365),
        switches=tuple(switches),
    )


def _months() -> Iterator[BillingPeriod]:
    day = FIRST
    while _next_month(day) <= local_date(NOW):
        yield BillingPeriod(midnight(day), midnight(_next_month(day)))
        day = _next_month(day)
    yield BillingPeriod(midnight(day), None)


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1)


@cache
def quarter(obis: str, begin: datetime) -> int:
    """What a quarter of an hour counted, in tenths of a watt hour; the same each time it is asked for."""
    local = begin.astimezone(LOCAL)
    noise = (local.toordinal() * 7919 + local.hour * 104729 + local.minute * 1299709) % 1000
    hour = local.hour * 4 + local.minute // 15
    if obis == EXPORT:
        high = max(0, 1600 - (hour - 51) ** 2) * (4 + 6 * min(local.month, 13 - local.month)) // 12
        return high * (400 + noise % 600) // 1000 * (3 + local.toordinal() % 7) // 4
    base = 380 + noise // 2 + (900 + noise if 26 <= hour < 34 else 0) + (1900 + 2 * noise if 68 <= hour < 88 else 0)
    return base * (10 + abs(7 - local.month)) // 10


@dataclass
class MemoryPage:
    """What consumers may see on the page, in memory.

    :ivar views: the first consumer's contracts.
    :ivar entries: his log, oldest first.
    :ivar broken: whether everything fails.
    :ivar exported: what was exported.
    """

    now: datetime = NOW
    views: list[ContractView] = field(default_factory=lambda: [_view(1)])
    entries: list[PlainLogEntry] = field(default_factory=lambda: list(_log()))
    broken: bool = False
    empty: bool = False
    ptb: int = 0
    exported: list[tuple[str, datetime, datetime, Export]] = field(default_factory=list)

    def contracts(self, consumer: str) -> Sequence[ContractView]:
        """The first consumer's; the other has none."""
        if self.broken:
            raise RuntimeError("secret detail")
        return self.views if consumer == USER else []

    def consumption(
        self, consumer: str, contract: str, obis: str, begin: datetime, end: datetime, step: Step
    ) -> Consumption:
        """What a register counted."""
        own = next((one for one in self.contracts(consumer) if one.id == contract), None)
        if own is None or obis not in {one.obis for one in own.registers}:
            raise HanError(404, "there is no such contract or register")
        if end - begin > _LONGEST[step]:
            raise HanError(400, f"the range is too long for steps of a {step}")
        buckets = tuple(self._bucket(obis, *edges) for edges in _edges(begin, end, step))
        totals: dict[str, int] = {}
        for bucket in buckets:
            for one in bucket.amounts:
                totals[one.register] = totals.get(one.register, 0) + one.amount
        marked = ("Am 25.02.2026 von 18:00 bis 18:45 war die Uhrzeit nicht sicher.",) if totals.get(ERROR) else ()
        amounts = tuple(StageAmount(register, amount) for register, amount in totals.items())
        return Consumption(contract, obis, -1, 30, step, buckets, amounts, marked)

    def _bucket(self, obis: str, begin: datetime, end: datetime) -> Bucket:
        found: dict[str, int] = {}
        complete = not self.empty
        at = begin
        while at < end:
            if self.empty or at < midnight(FIRST) or at + QUARTER > self.now or GAP[0] <= at < GAP[1]:
                complete = False
            else:
                register = _register(obis, at)
                found[register] = found.get(register, 0) + quarter(obis, at)
                complete = complete and register != ERROR
            at += QUARTER
        return Bucket(begin, end, tuple(StageAmount(register, found[register]) for register in sorted(found)), complete)

    def latest(self, consumer: str) -> Sequence[LatestReading]:
        """The newest values."""
        if consumer != USER or self.empty:
            return []
        return [
            LatestReading(IMPORT, METER, 123_456_789, -1, 30, NOW, self.ptb),
            LatestReading(EXPORT, METER, 45_678_901, -1, 30, NOW, 0),
        ]

    def plain_log(self, consumer: str, *, before: int | None, limit: int) -> Sequence[PlainLogEntry]:
        """Newest first."""
        own = self.entries if consumer == USER else []
        return [one for one in reversed(own) if before is None or one.index < before][:limit]

    def export(self, consumer: str, contract: str, begin: datetime, end: datetime, kind: Export) -> ExportFile:
        """A file that names what was asked for."""
        if contract not in {one.id for one in self.contracts(consumer)}:
            raise HanError(404, "there is no such contract")
        self.exported.append((contract, begin, end, kind))
        kinds = {
            Export.AR2418: ("xml", "application/xml"),
            Export.CSV: ("csv", "text/csv; charset=utf-8"),
            Export.SIGNED: ("p7m", "application/pkcs7-mime"),
        }
        suffix, media_type = kinds[kind]
        content = f"{contract} {begin.isoformat()} {end.isoformat()} {kind}".encode()
        return ExportFile(f'../{contract} "x".{suffix}', media_type, content)

    def add_old_contract(self) -> None:
        """A contract that has ended."""
        old = replace(
            self.views[0], id=OLD_CONTRACT, name="Grundtarif", taf=1, state=TafState.ARCHIVE, end=midnight(FIRST)
        )
        self.views.append(replace(old, start=midnight(date(2024, 1, 1)), switches=(), participants=()))


def _register(obis: str, at: datetime) -> str:
    if obis == EXPORT:
        return obis
    if ERRORS[0] <= at < ERRORS[1]:
        return ERROR
    local = at.astimezone(LOCAL)
    return HIGH if local.weekday() < 5 and 6 <= local.hour < 22 else LOW


def _edges(begin: datetime, end: datetime, step: Step) -> Iterator[tuple[datetime, datetime]]:
    at = begin
    while at < end:
        match step:
            case Step.QUARTER_HOUR:
                after = at + QUARTER
            case Step.HOUR:
                after = at + timedelta(hours=1)
            case Step.DAY:
                after = midnight(local_date(at) + DAY)
            case Step.MONTH:
                after = midnight(_next_month(local_date(at)))
        yield at, after
        at = after


def _log() -> Iterator[PlainLogEntry]:
    kinds = (
        (3002, 1, 0, "Eigene Daten gelesen: Verlauf", "own data read: history"),
        (
            3001,
            1,
            0,
            "96 Messwerte von 2026-02-27 00:00 bis 2026-02-28 00:00 an lieferant.stadtwerke-neuland.emt übertragen "
            "(TAF-2, Abrechnung)",
            "96 readings from 2026-02-27 00:00 to 2026-02-28 00:00 delivered to lieferant.stadtwerke-neuland.emt "
            "(TAF-2, billing)",
        ),
        (3003, 2, 1, "Zugriff abgewiesen: falsches Passwort", "access refused: wrong password"),
        (3004, 1, 0, "Profil 01005e318021.taf2-1.sm geändert durch gwa.neuland", "profile changed by gwa.neuland"),
        (3050, 2, 0, "Ihr Log ist zu 80 % belegt", "your log is 80 % full"),
    )
    for index in range(1, 131):
        event, level, outcome, german, english = kinds[index % len(kinds)]
        time = NOW - timedelta(hours=130 - index, minutes=index % 50)
        yield PlainLogEntry(index, time, level, outcome, event, german, english)
