"""The worked figures of the official tariff check come out of the gateway itself, from a meter's bytes on."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.contracts import Contract
from gateway.lmn import obis
from gateway.lmn.device_id import device_id_from_server_id
from gateway.lmn.profiles import ProfileBook
from gateway.lmn.sml import ListEntry, SmlTime, TimeKind, build_push_frame, status_word, unsigned
from gateway.lmn.status import METER_FIXED, METER_REGULAR, MeterStatus
from gateway.logs.events import EventId
from gateway.profiles import Profiles
from gateway.tariffing.ar2418 import StatedReading, UsagePoint
from gateway.tariffing.ar2418_read import read
from gateway.tariffing.profile import EvaluationProfile
from lifecycle.functions import Credential
from tests.shared_data import shared_data
from tests.support.contracts import ERRORS, HT, NT
from tests.support.daily import ANNA, IMPORT, POINT, QUARTER, consumers, contract, meter
from tests.support.house import House, house

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@dataclass
class Billed:
    """What a gateway handed out, and by what a supplier bills it.

    :ivar measured: the readings.
    :ivar profile: the supplier's.
    """

    measured: UsagePoint
    profile: EvaluationProfile

    @classmethod
    def of(cls, gateway: str, supplier: str) -> Billed:
        """The two files."""
        folder = shared_data() / "data" / "trudi"
        (measured,), (billed,) = (
            read((folder / f"{name}.xml").read_bytes()).usage_points for name in (gateway, supplier)
        )
        assert billed.profile is not None
        return cls(measured, billed.profile)

    @property
    def server_id(self) -> bytes:
        """The meter's."""
        (original,) = self.measured.originals
        return bytes.fromhex(original.meter)

    @property
    def readings(self) -> tuple[StatedReading, ...]:
        """What the meter said."""
        (original,) = self.measured.originals
        assert (original.kind.obis, original.kind.exponent) == (IMPORT, -1)
        return original.readings

    @property
    def contract(self) -> Contract:
        """The contract by the supplier's profile."""
        profile = self.profile
        return contract(
            device_id=device_id_from_server_id(self.server_id),
            id=f"01005e318021.taf{int(profile.use_case)}-1.sm",
            use_case=profile.use_case,
            stages=profile.stages,
            default_stage=profile.default_stage,
            calendars=profile.calendars,
            start=profile.period.begin,
            end=profile.period.end,
        )

    def profiles(self, raster: timedelta) -> Profiles:
        """The contract, its meter and the consumer."""
        agreed = self.contract
        return Profiles(ProfileBook([meter(agreed.meter, IMPORT, period=raster)]), (agreed,), consumers(ANNA))

    def frames(self, spoilt: Container[datetime] = ()) -> Iterator[tuple[datetime, bytes]]:
        """The meter's frames, and when each comes.

        :param spoilt: when it says that something is wrong with it.
        """
        for number, each in enumerate(self.readings, start=1):
            assert each.value is not None
            word = METER_FIXED | METER_REGULAR | (MeterStatus.FATAL_ERROR if each.at in spoilt else 0)
            entry = ListEntry(
                IMPORT, unsigned(each.value, 8), unit=obis.UNIT_WATT_HOUR, scaler=-1, status=status_word(word)
            )
            yield (
                each.at,
                build_push_frame(
                    self.server_id,
                    [entry],
                    transaction_id=(3 * number).to_bytes(4, "big"),
                    req_file_id=number.to_bytes(4, "big"),
                    sensor_time=SmlTime(TimeKind.SECONDS_INDEX, number),
                ),
            )


def metered(billed: Billed, at: House, spoilt: Container[datetime] = ()) -> int:
    """Time passes, and the meter's frames come in; how many readings are kept."""
    kept = 0
    for time, frame in billed.frames(spoilt):
        at.at(time)
        kept += sum(each.kept for each in at.receive(frame))
    return kept


@pytest.mark.parametrize(
    ("gateway", "supplier", "raster", "hours", "expected"),
    [
        ("result_single_day", "supplier_single_day", QUARTER, 24, {NT: 360, HT: 600, ERRORS: 0}),
        ("result_single_day_2h-gap", "supplier_single_day", QUARTER, 24, {NT: 310, HT: 560, ERRORS: 90}),
        ("result_single_day_dst_oct", "supplier_single_day_dst_oct", QUARTER, 25, {NT: 360, HT: 600, ERRORS: 0}),
        # Data-sparing: of a month's frames each hour's first is kept.
        ("taf1_result_1_month", "taf1_supplier_1_month", HOUR, 31 * 24 + 1, {NT: 29_800}),
    ],
)
def test_worked_figures(
    gateway: str, supplier: str, raster: timedelta, hours: int, expected: dict[bytes, int], tmp_path: Path
) -> None:
    billed = Billed.of(gateway, supplier)
    agreed, period = billed.contract, billed.profile.period
    assert period.seconds == hours * 3_600
    with house(tmp_path, billed.profiles(raster), period.begin - MINUTE) as at:
        on_raster = [each for each in billed.readings if each.at.timestamp() % raster.total_seconds() == 0]
        assert metered(billed, at) == len(on_raster)

        (account,) = at.gateway.tariffs.derive(Credential.INSIDE, agreed.id, period, consumer=ANNA)
        assert account.registers == expected
        assert account.uncovered is None
        assert account.total == sum(expected.values())

        machine = at.machine()
        found = machine.readings(agreed.id, "derived", **{"last-reading": True})
        shown = {bytes.fromhex(register): [int(each["value"]) for each in last] for register, last in found.items()}
        assert shown == {ERRORS: []} | {register: [amount] if amount else [] for register, amount in expected.items()}
        (point,) = machine.get("user-info")["user-info"]["usage-points"]
        assert point["metering-point-id"] == POINT
        (only,) = point["billing-Periods"]
        assert datetime.fromisoformat(only["start-time"]) == period.begin
        if hours < 31 * 24:
            whole = machine.readings(agreed.id, "derived", fromtime=only["start-time"], totime=period.end.isoformat())
            assert {
                bytes.fromhex(each): [int(one["value"]) for one in told][-1:] for each, told in whole.items()
            } == shown

        *_, (_, frame) = billed.frames()
        at.at(period.end + HOUR)
        assert sum(each.kept for each in at.receive(frame)) == 0, "the contract is over"
        (point,) = machine.get("user-info")["user-info"]["usage-points"]
        assert (point["taf-state"], datetime.fromisoformat(point["end-time"])) == ("archive", period.end)
        assert machine.readings(agreed.id, "derived", **{"last-reading": True}) == found


def test_what_a_meter_in_error_says_is_as_if_it_were_missing(tmp_path: Path) -> None:
    """The whole day; in the two hours that the other file lacks, the meter reports a fatal error."""
    billed = Billed.of("result_single_day", "supplier_single_day")
    lacking = Billed.of("result_single_day_2h-gap", "supplier_single_day")
    spoilt = {each.at for each in billed.readings} - {each.at for each in lacking.readings}
    assert len(spoilt) > 5
    agreed, period = billed.contract, billed.profile.period
    with house(tmp_path, billed.profiles(QUARTER), period.begin - MINUTE) as at:
        assert metered(billed, at, spoilt) == len(billed.readings), "it is kept all the same"
        machine = at.machine()
        whole = {"fromtime": (period.begin - HOUR).isoformat(), "totime": (period.end + HOUR).isoformat()}
        origin = machine.readings(agreed.id, "origin", **whole)[IMPORT.hex()]
        wrong = {datetime.fromisoformat(each["capture-time"]) for each in origin if each["meter-status"] == "20807800"}
        assert wrong == spoilt
        derived = machine.readings(agreed.id, "derived", **whole)
        amounts = {bytes.fromhex(register): int(told[-1]["value"]) for register, told in derived.items()}
        assert amounts == {NT: 310, HT: 560, ERRORS: 90}
        (other,) = at.gateway.logs.calibration_log(Credential.GWA_CERTIFICATE)
        assert other.event.number is EventId.METER_FATAL
