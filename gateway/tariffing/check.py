"""The tariff check: what a gateway measured, by the profile a supplier bills with, beside what either says came out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.lmn.obis import format_obis
from gateway.tariffing.ar2418 import Document, MeterReadings, StatedReading, UsagePoint, same_device
from gateway.tariffing.booking import Account
from gateway.tariffing.errors import DocumentError
from gateway.tariffing.periods import SECOND, Period
from gateway.tariffing.profile import EvaluationProfile, same_quantity
from gateway.tariffing.readings import ReadingList
from gateway.tariffing.rules import account as account_of


@dataclass(frozen=True, slots=True)
class StatedFigure:
    """A register's amount of the billing period as a document says it, beside ours.

    :ivar by: ``gateway`` or ``supplier``.
    :ivar stated: as the document has it, times ten to *scaler*.
    :ivar computed: ours, times ten to the original list's scaler.
    """

    by: str
    register: bytes
    stated: int
    scaler: int
    computed: int
    computed_scaler: int

    @property
    def agrees(self) -> bool:
        """Whether they are one amount."""
        lower = min(self.scaler, self.computed_scaler)
        stated = self.stated * 10 ** (self.scaler - lower)
        return bool(stated == self.computed * 10 ** (self.computed_scaler - lower))


@dataclass(frozen=True)
class TariffCheck:
    """The outcome for one usage point.

    :ivar accounts: one for each original register that the profile bills.
    :ivar stated: figures in either document that can be compared.
    :ivar notes: what else is to be known, in words.
    """

    usage_point: UsagePoint
    profile: EvaluationProfile
    accounts: tuple[Account, ...]
    stated: tuple[StatedFigure, ...]
    notes: tuple[str, ...]

    @property
    def registers(self) -> dict[bytes, int]:
        """Every register with its amount, in its original list's unit and scaler."""
        return {register: amount for account in self.accounts for register, amount in account.registers.items()}

    @property
    def uncovered(self) -> tuple[str, ...]:
        """What of the billing period has no readings, in words; empty if it can be billed."""
        return tuple(
            f"{format_obis(account.original.obis)}: {account.uncovered}"
            for account in self.accounts
            if account.uncovered is not None
        )

    @property
    def good(self) -> bool:
        """Whether readings cover the period and every stated figure agrees."""
        return not self.uncovered and all(figure.agrees for figure in self.stated)


def check(gateway: Document, supplier: Document, usage_point: str = "", meter: str = "") -> TariffCheck:
    """Compute the registers of a usage point.

    :param usage_point: which one, where the documents have several in common.
    :param meter: which meter, where several measure one register.
    :raises DocumentError: if the documents do not belong together, or lack readings or a profile.
    :raises ProfileError: if the profile does not fit the registers.
    :raises ReadingsError: if readings are lacking or contradict one another.
    """
    measured, billed = _pair(gateway, supplier, usage_point)
    profile = billed.profile
    assert profile is not None  # noqa: S101  chosen because it has one
    originals = _originals(measured, meter)
    with_stages = [each for each in originals if profile.stages_of(each.obis).billed]
    if not with_stages:
        raise DocumentError(
            f"no stage of the profile counts what is measured: stages "
            f"{', '.join(format_obis(stage.register) for stage in profile.stages)}; measured "
            f"{', '.join(format_obis(each.obis) for each in originals)}"
        )
    accounts = tuple(account_of(profile, each) for each in with_stages)
    notes = [*_mismatches(measured, billed), *_unbilled(originals, profile), *_unmeasured(with_stages, profile)]
    notes += [f"{format_obis(account.original.obis)}: {note}" for account in accounts for note in account.notes]
    return TariffCheck(measured, profile, accounts, tuple(_figures(measured, billed, accounts)), tuple(notes))


def _pair(gateway: Document, supplier: Document, wanted: str) -> tuple[UsagePoint, UsagePoint]:
    with_profile = [point for point in supplier.usage_points if point.profile is not None]
    if not with_profile:
        swapped = any(point.profile for point in gateway.usage_points)
        hint = "; the gateway's has one: are the two files swapped?" if swapped else ""
        raise DocumentError(f"the supplier's document has no evaluation profile (AnalysisProfile){hint}")
    pairs = [
        (measured, billed)
        for measured in gateway.usage_points
        for billed in with_profile
        if _may_be_one(measured, billed) and (not wanted or wanted in (measured.usage_point_id, billed.usage_point_id))
    ]
    if not pairs:
        raise DocumentError(
            f"{'usage point ' + wanted if wanted else 'a usage point'} is not in both documents: the gateway's has "
            f"{_ids(gateway.usage_points)}, the supplier's {_ids(with_profile)}"
        )
    if len(pairs) > 1:
        raise DocumentError(
            f"the documents have several usage points in common, one has to be named: "
            f"{_ids([measured for measured, _ in pairs])}"
        )
    return pairs[0]


def _may_be_one(measured: UsagePoint, billed: UsagePoint) -> bool:
    ids = {point.usage_point_id for point in (measured, billed) if point.usage_point_id}
    return len(ids) < 2


def _ids(points: Sequence[UsagePoint]) -> str:
    return ", ".join(point.usage_point_id or "(one without an id)" for point in points)


def _originals(measured: UsagePoint, meter: str) -> list[ReadingList]:
    if not measured.originals:
        has = ", ".join(each.kind.name or format_obis(each.kind.obis) for each in measured.lists)
        raise DocumentError(
            f"the gateway's document has no original reading list{f', only {has}' if has else ': no readings at all'}",
            measured.line,
        )
    wanted = [each for each in measured.originals if not meter or same_device(each.meter, meter)]
    if not wanted:
        meters = sorted({each.meter for each in measured.originals})
        raise DocumentError(f"no original reading list is of meter {meter}; there are: {', '.join(meters)}")
    joined: dict[bytes, ReadingList] = {}
    for each in wanted:
        new = each.reading_list()
        known = joined.get(new.obis)
        joined[new.obis] = new if known is None else _joined(known, new, each.line)
    return list(joined.values())


def _joined(known: ReadingList, new: ReadingList, line: int | None) -> ReadingList:
    if not same_device(known.meter, new.meter):
        raise DocumentError(
            f"{format_obis(new.obis)} is measured by {known.meter} and {new.meter}: one meter has to be named", line
        )
    if (known.scaler, known.unit) != (new.scaler, new.unit):
        raise DocumentError(f"two lists of {new} differ in unit or scaler", line)
    first = len(known.readings)
    moved = [replace(each, position=first + each.position) for each in new.readings]
    period = known.stated_period or new.stated_period
    return ReadingList(known.obis, known.meter, known.scaler, known.unit, [*known.readings, *moved], period)


def _mismatches(measured: UsagePoint, billed: UsagePoint) -> Iterator[str]:
    gateways = [point.gateway.gateway_id if point.gateway else "" for point in (measured, billed)]
    for what, one, other in (
        ("usage point", measured.usage_point_id, billed.usage_point_id),
        ("gateway", *gateways),
        ("invoicing party", measured.invoicing_party, billed.invoicing_party),
        ("tariff", measured.tariff_name, billed.tariff_name),
    ):
        if one != other and not (what == "gateway" and same_device(one, other)):
            yield f"{what}: the gateway's document says {one or 'none'}, the supplier's {other or 'none'}"


def _unbilled(originals: Sequence[ReadingList], profile: EvaluationProfile) -> Iterator[str]:
    for each in originals:
        if not profile.stages_of(each.obis).billed:
            yield f"{format_obis(each.obis)} is measured, and no stage of the profile counts it"


def _unmeasured(originals: Sequence[ReadingList], profile: EvaluationProfile) -> Iterator[str]:
    for stage in profile.stages:
        if not any(same_quantity(stage.register, each.obis) for each in originals):
            yield f"stage {stage.number} counts in {format_obis(stage.register)}, and nothing measures it"


def _figures(measured: UsagePoint, billed: UsagePoint, accounts: Sequence[Account]) -> Iterator[StatedFigure]:
    for by, lists in (("gateway", measured.derived), ("supplier", billed.lists)):
        for each in lists:
            for account in accounts:
                amounts = {**account.registers, account.original.obis: account.total}
                stated = _stated_amount(each, account.period)
                if stated is None or each.kind.obis not in amounts:
                    continue
                ours = account.original.scaler
                scaler = ours if each.kind.scaler is None else each.kind.exponent
                yield StatedFigure(by, each.kind.obis, stated, scaler, amounts[each.kind.obis], ours)


def _stated_amount(readings: MeterReadings, period: Period) -> int | None:
    """What a list says of the whole period: its growth, or a figure that is said to be of the period."""
    at_begin = _value_at(readings.readings, period.begin)
    at_end = _value_at(readings.readings, period.end)
    if at_begin is not None and at_end is not None:
        return at_end - at_begin
    for block in readings.blocks:
        of_period = block.begin == period.begin and block.seconds == period.seconds
        for reading in block.readings:
            if reading.seconds and reading.at == period.begin and reading.seconds == period.seconds:
                return reading.value
        if of_period and len(block.readings) == 1:
            return block.readings[0].value
    return None


def _value_at(readings: Sequence[StatedReading], instant: datetime) -> int | None:
    near = 9 * SECOND
    found = (each for each in readings if not each.seconds and abs((each.target or each.at) - instant) <= near)
    return next((each.value for each in found), None)
