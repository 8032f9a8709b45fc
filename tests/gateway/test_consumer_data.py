"""The consumer's desk: his contracts, lists and charts, and nothing of another's."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.contract_file import canonical_contract, read_contract
from gateway.han import answers
from gateway.han.data import (
    BillingPeriod,
    Channel,
    ConsumerData,
    Database,
    HanReading,
    LogQuery,
    ReadingsQuery,
    TafState,
    WantedChannel,
)
from gateway.han.errors import HanError
from gateway.han.page_data import Export, PageData, Step
from gateway.han.queries import LogRequest, ReadingsRequest, UsagePointRequest
from gateway.han.view import ConsumerView, SelfTests
from gateway.logs.events import Log
from gateway.pki.keys import CertificateRefused
from gateway.selftest import Check, Finding, Outcome
from gateway.tariffing.profile import UseCase
from lifecycle.evidence import NOTHING, OpenFault
from lifecycle.functions import Credential
from lifecycle.gate import Closed, Gate, Shut, shut_gate
from lifecycle.states import State
from smpki.oids import DATA
from smpki.signed import read_signed
from tests.support.contracts import (
    ANNA,
    BERT,
    ERRORS,
    EXPORT,
    HT,
    IMPORT,
    METER,
    NT,
    OTHER_METER,
    POWER,
    START,
    contract,
    meter,
    profiles,
    series_contract,
)
from tests.support.desk import QUARTER, Served, database, rising, two_days
from tests.support.lives import GATEWAY

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TAF2, TAF7 = contract(), series_contract()
REGULAR = bytes.fromhex("a000000000000000")


def query(database: Database = Database.ORIGIN, **others: Any) -> ReadingsQuery:
    members: dict[str, Any] = {
        "usage_point": TAF2.id,
        "database": database,
        "channels": (),
        "last": False,
        "after": START - HOUR,
        "until": START + 30 * DAY,
        "limit": 50_000,
        **others,
    }
    return ReadingsQuery(**members)


@pytest.fixture
def served(tmp_path: Path) -> Served:
    """Two days of Anna's and Bert's readings."""
    return two_days(database(f"sqlite:///{tmp_path / 'smgw.db'}"))


def only(served: Served, asked: ReadingsQuery, consumer: str = ANNA) -> tuple[HanReading, ...]:
    """The readings of the only channel."""
    (channel,) = served.desk.readings(consumer, asked)
    return channel.readings


def test_it_is_what_interface_and_page_ask_for(served: Served) -> None:
    machine: ConsumerData = served.desk
    page: PageData = served.desk
    assert [each.id for each in machine.usage_points(ANNA)] == [each.id for each in page.contracts(ANNA)]


def test_the_gateway_says_what_it_is_and_how_it_is(served: Served) -> None:
    told = served.desk.information()
    assert (told.gateway, told.time, told.state.hex()) == (GATEWAY, START + 2 * DAY, "a0000000")
    assert [each.index for each in told.certificates] == [0, 1]
    served.gate = Gate(State.REVERSIBLE_FAULT, NOTHING.with_fault(OpenFault("clock-deviation")))
    assert served.desk.information().state.hex() == "a0400000"  # bit 9, time invalid
    served.gate = shut_gate(Shut.INTEGRITY_FAILURE)
    assert served.desk.information().state.hex() == "a0800000"  # bit 8, fatal


def test_usage_points_are_his_contracts(served: Served) -> None:
    (point,) = served.desk.usage_points(ANNA)
    assert (point.id, point.taf, point.state, point.meters) == (TAF2.id, 2, TafState.RUNNING, (METER,))
    assert (point.metering_point, point.registers_every) == (TAF2.metering_point, QUARTER)
    assert point.billing_periods == (BillingPeriod(START, None),)
    served.meters.pass_time(40 * DAY)
    (point,) = served.desk.usage_points(ANNA)
    assert point.billing_periods == (BillingPeriod(START, START + 31 * DAY), BillingPeriod(START + 31 * DAY, None))
    assert [each.id for each in served.desk.usage_points(BERT)] == [TAF7.id]
    for nobody in ("nobody", ""):
        assert served.desk.usage_points(nobody) == []
        assert served.meters.logs.end(Log.CONSUMER, nobody).number == 0  # and has no log


def test_a_usage_point_says_its_lists_and_its_profile_signed(served: Served) -> None:
    found = served.desk.usage_point(ANNA, TAF2.id)
    assert found is not None
    stages = tuple(Channel(register.hex(), -1, 30) for register in (NT, HT, ERRORS))
    original = (Channel(IMPORT.hex(), -1, 30),)
    assert found.databases == {
        Database.ORIGIN: original,
        Database.DERIVED: stages,
        Database.CALCULATED: stages,
        Database.DAILY: original,
    }
    message = read_signed(found.profile, DATA)
    assert message.verify() == served.party.certificate
    assert message.content == canonical_contract(TAF2)
    assert read_contract(orjson.loads(message.content), "profile") == TAF2
    again = served.desk.usage_point(ANNA, TAF2.id)
    assert again is not None
    assert again.profile is found.profile  # the module signs once
    other = served.desk.usage_point(BERT, TAF7.id)
    assert other is not None
    assert other.databases.keys() == {Database.ORIGIN, Database.DAILY}


def test_without_a_reading_a_channel_has_no_unit_and_without_a_key_no_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    served = Served()

    def refuse() -> Any:
        raise CertificateRefused("no certificates yet")

    monkeypatch.setattr(served.desk, "_signer", refuse)
    found = served.desk.usage_point(ANNA, TAF2.id)
    assert found is not None
    assert (found.databases[Database.ORIGIN], found.profile) == ((Channel(IMPORT.hex(), 0, 255),), b"")
    assert only(served, query()) == ()


def test_originals_are_as_they_are_kept_with_words_and_signatures(served: Served) -> None:
    found = only(served, query())
    entries = served.meters.lists.entries(TAF2.server_id, IMPORT.hex())
    assert [each.value for each in found] == [entry.value for entry in entries]
    first, entry = found[0], entries[0]
    assert (first.captured, first.target) == (START, START)
    assert first.gateway_status + first.meter_status == first.cosem_status == REGULAR
    assert entry.seal is not None
    assert (first.owner, first.signature) == (1, entry.seal.signature)
    key = served.party.certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    (line,) = served.meters.lists.lines_of(TAF2.server_id, IMPORT.hex(), limit=1)
    key.verify(first.signature, line.body, ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        key.verify(first.signature, line.body + b" ", ec.ECDSA(hashes.SHA256()))


def test_a_range_is_by_capture_time_and_bounded(served: Served) -> None:
    assert [each.captured for each in only(served, query(after=START, until=START + HOUR))] == [
        START + number * QUARTER for number in (1, 2, 3, 4)
    ]
    assert len(only(served, query(limit=5))) == 5
    assert only(served, query(after=START + 3 * DAY)) == ()
    (last,) = only(served, query(last=True, after=None, until=None))
    assert last.captured == START + 2 * DAY
    (before,) = only(served, query(last=True, after=None, until=START + DAY + timedelta(minutes=1)))
    assert before.captured == START + DAY
    assert only(served, query(last=True, after=START + 2 * DAY, until=START + 3 * DAY)) == ()


@pytest.mark.parametrize("database_name", Database)
def test_any_year_can_be_asked_for(served: Served, database_name: Database) -> None:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    for after, until in ((first, last), (None, last), (first, first), (last, last)):
        for is_last in (True, False):
            found = served.desk.readings(ANNA, query(database_name, after=after, until=until, last=is_last))
            assert any(each.readings for each in found) is (until is last and after is not last)


def test_beside_its_point_a_reading_is_found_by_when_it_was_captured() -> None:
    served = Served()
    early, late = START + QUARTER - timedelta(seconds=3), START + 2 * QUARTER + timedelta(seconds=4)
    served.read({early: 10, late: 20})
    assert [each.captured for each in only(served, query(until=START + QUARTER - timedelta(seconds=1)))] == [early]
    assert [each.target for each in only(served, query(after=START + 2 * QUARTER))] == [START + 2 * QUARTER]
    assert only(served, query(until=START + 2 * QUARTER))[-1].captured == early
    (last,) = only(served, query(last=True, after=None, until=START + 2 * QUARTER))
    assert last.captured == early


def test_where_the_clock_was_set_back_capture_times_still_rise() -> None:
    served = Served()
    served.read(rising(START, 9))
    served.clock.now = START + HOUR
    for number in range(1, 9):
        served.read({START + HOUR + number * QUARTER: 1_090 + number * 10})
    times = [each.captured for each in only(served, query())]
    assert times == sorted(set(times))
    assert len(times) == 13


def test_derived_lists_grow_and_name_where_the_stage_changed(served: Served) -> None:
    found = {each.obis: each.readings for each in served.desk.readings(ANNA, query(Database.DERIVED))}
    assert found.keys() == {NT.hex(), HT.hex(), ERRORS.hex()}
    assert [(each.target, each.value) for each in found[HT.hex()]] == [
        (START + 21 * HOUR, 600),
        (START + 45 * HOUR, 1_200),
    ]
    assert all(each.cosem_status == REGULAR and each.signature == b"" for each in found[NT.hex()])
    switched = {each.obis: each.readings for each in served.desk.readings(ANNA, query(Database.CALCULATED))}
    assert [each.target for each in switched[NT.hex()]] == [START + 6 * HOUR, START + DAY + 6 * HOUR]
    (last,) = only(served, query(Database.DERIVED, last=True, after=None, channels=(WantedChannel(NT.hex()),)))
    assert (last.value, last.target) == (720, START + 2 * DAY)


def test_unassigned_energy_says_so_in_its_status() -> None:
    served = Served()
    served.read({at: value for at, value in rising(START, 97).items() if at != START + 6 * HOUR})
    (reading,) = only(served, query(Database.DERIVED, channels=(WantedChannel(ERRORS.hex()),)))
    assert (reading.value, reading.gateway_status.hex()) == (20, "a0040000")  # bit 13, temporary error


def test_daily_values_are_the_originals_of_midnights(served: Served) -> None:
    found = only(served, query(Database.DAILY))
    assert [(each.target, each.value) for each in found] == [
        (START, 1_000),
        (START + DAY, 1_960),
        (START + 2 * DAY, 2_920),
    ]
    originals = {each.captured: each for each in only(served, query())}
    assert all(originals[each.captured] == each for each in found)
    (last,) = only(served, query(Database.DAILY, last=True, after=None, until=None))
    assert last == found[-1]


def test_channels_are_chosen_by_register_and_meter(served: Served) -> None:
    def asked(*wanted: WantedChannel) -> list[str]:
        return [each.obis for each in served.desk.readings(ANNA, query(Database.DERIVED, channels=wanted))]

    assert asked(WantedChannel(HT.hex())) == [HT.hex()]
    assert asked(WantedChannel(HT.hex(), METER.lower())) == [HT.hex()]
    assert asked(WantedChannel(HT.hex(), TAF2.server_id)) == [HT.hex()]
    assert asked(WantedChannel(HT.hex(), OTHER_METER)) == []
    assert asked(WantedChannel(EXPORT.hex())) == []


def test_nothing_of_another_s_is_reachable(served: Served) -> None:
    """Each with each id of the other, at every way there is."""
    served.desk.usage_points(ANNA)
    served.desk.usage_points(BERT)
    begin, end = START, START + DAY
    for consumer, id, obis in ((ANNA, TAF7.id, IMPORT.hex()), (BERT, TAF2.id, IMPORT.hex()), ("", TAF2.id, "")):
        assert served.desk.usage_point(consumer, id) is None
        for database_name in Database:
            assert served.desk.readings(consumer, query(database_name, usage_point=id)) == []
        for kind in Export:
            with pytest.raises(HanError, match="there is no such contract") as refused:
                served.desk.export(consumer, id, begin, end, kind)
            assert refused.value.status == 404
        with pytest.raises(HanError, match="there is no such contract") as refused:
            served.desk.consumption(consumer, id, obis, begin, end, Step.DAY)
        assert refused.value.status == 404
    for consumer, own, other in ((ANNA, METER, OTHER_METER), (BERT, OTHER_METER, METER)):
        seen = repr(
            [
                served.desk.contracts(consumer),
                served.desk.latest(consumer),
                served.desk.usage_points(consumer),
                served.desk.log(consumer, LogQuery(None, None, 0, 100)),
                served.desk.plain_log(consumer, before=None, limit=100),
            ]
        )
        assert own in seen
        assert other not in seen
        assert (BERT if consumer == ANNA else ANNA) not in seen


def test_a_meter_that_was_another_s_shows_the_new_one_nothing_of_then(served: Served) -> None:
    served.profiles = profiles(contract(consumer=BERT), meters=(meter(),))
    assert only(served, query(), BERT) == ()
    assert served.desk.latest(BERT) == []
    assert served.desk.consumption(BERT, TAF2.id, IMPORT.hex(), START, START + DAY, Step.DAY).totals[0].amount == 0


def test_contracts_for_people(served: Served) -> None:
    (view,) = served.desk.contracts(ANNA)
    assert [(each.obis, each.scaler, each.unit, each.feeds_in) for each in view.registers] == [
        (IMPORT.hex(), -1, 30, False)
    ]
    assert [(each.register, each.number, each.name, each.is_error) for each in view.stages] == [
        (NT.hex(), 1, "NT", False),
        (HT.hex(), 2, "HT", False),
        (ERRORS.hex(), None, "", True),
    ]
    assert (view.taf, view.supplier, view.retention) == (2, "9900000000001", timedelta(days=1_100))
    (series,) = served.desk.contracts(BERT)
    assert [(each.register, each.number, each.is_error) for each in series.stages] == [
        (IMPORT.hex(), None, False),
        (ERRORS.hex(), None, True),
    ]


def test_what_goes_to_the_grid_is_named_and_a_power_has_no_stages() -> None:
    members: dict[str, Any] = {"use_case": UseCase.HIGH_FREQUENCY, "stages": (), "calendars": ()}
    shows = contract(id="x.taf14-1.sm", registers=(EXPORT, POWER), **members)
    served = Served(known=profiles(shows, meters=(meter(METER, EXPORT, POWER),)))
    (view,) = served.desk.contracts(ANNA)
    assert [each.feeds_in for each in view.registers] == [True, False]
    assert [each.register for each in view.stages] == [EXPORT.hex(), "0100023f"[:6] + "083fff"]
    with pytest.raises(HanError, match="is no register that counts") as refused:
        served.desk.consumption(ANNA, shows.id, POWER.hex(), START - DAY, START + DAY, Step.DAY)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("step", "days"), [(Step.QUARTER_HOUR, 31), (Step.HOUR, 93), (Step.DAY, 731), (Step.MONTH, 3_653)]
)
def test_a_chart_has_a_longest_range(served: Served, step: Step, days: int) -> None:
    def asked(begin: datetime, end: datetime) -> int:
        try:
            return len(served.desk.consumption(ANNA, TAF2.id, IMPORT.hex(), begin, end, step).buckets)
        except HanError as refused:
            return refused.status

    assert asked(START, START + days * DAY) in (192, 48, 2, 1)
    assert asked(START, START + days * DAY + 2 * HOUR) == 400
    assert asked(START, START) == 400
    with pytest.raises(HanError, match="no such register") as refused:
        served.desk.consumption(ANNA, TAF2.id, "zz", START, START + DAY, step)
    assert refused.value.status == 404


def test_the_latest_reading_of_each_register(served: Served) -> None:
    (latest,) = served.desk.latest(ANNA)
    assert (latest.obis, latest.meter, latest.value, latest.ptb) == (IMPORT.hex(), METER, 2_920, 0)
    served.meters.pass_time(2 * HOUR)
    assert served.meters.lists.close_gaps() == 2
    assert served.desk.latest(ANNA) == [latest]


def test_when_the_gate_shuts_it_shuts_for_each(served: Served) -> None:
    served.desk.usage_points(ANNA)
    served.gate = shut_gate(Shut.INTEGRITY_FAILURE)
    for call in (
        lambda: served.desk.readings(ANNA, query()),
        lambda: served.desk.latest(ANNA),
        lambda: served.desk.log(ANNA, LogQuery(None, None, 0, 10)),
        lambda: served.desk.plain_log(ANNA, before=None, limit=10),
        lambda: served.desk.export(ANNA, TAF2.id, START, START + DAY, Export.CSV),
        lambda: served.desk.start_self_test(ANNA),
        lambda: served.desk.consumption(ANNA, TAF2.id, IMPORT.hex(), START, START + DAY, Step.DAY),
    ):
        with pytest.raises(Closed):
            call()


def wait_for_self_test(served: Served) -> None:
    for thread in threading.enumerate():
        if thread.name == "self-test":
            thread.join(10)
    assert not served.desk.self_test_running()


def test_a_self_test_ends_in_the_log_of_who_asked(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    begin, go_on = threading.Event(), threading.Event()
    found = served.tested

    def test(_credential: object) -> object:
        begin.set()
        assert go_on.wait(10)
        return found

    monkeypatch.setattr(served.desk, "_self_test", test)
    served.desk.start_self_test(ANNA)
    assert begin.wait(10)
    assert served.desk.self_test_running()
    with pytest.raises(HanError, match="a self-test is running"):
        served.desk.start_self_test(BERT)
    go_on.set()
    wait_for_self_test(served)
    (entry,) = served.desk.plain_log(ANNA, before=None, limit=10)
    assert (entry.event, entry.english, entry.german) == (
        3020,
        "The gateway's self-test passed.",
        "Selbsttest des SMGW bestanden.",
    )
    assert served.desk.plain_log(BERT, before=None, limit=10) == []


def test_a_self_test_that_fails_says_what_failed_and_no_more(served: Served) -> None:
    secret = Finding(Check.FIRMWARE, Outcome.FAILED, "the hash is 4711 and not 0815")
    served.tested = replace(served.tested, findings=(*served.tested.findings, secret))
    served.desk.start_self_test(ANNA)
    wait_for_self_test(served)
    (entry,) = served.desk.log(ANNA, LogQuery(None, None, 0, 10))
    assert (entry.event, entry.message) == (3021, "Selbsttest des SMGW nicht bestanden: firmware.")
    assert (entry.level, entry.outcome) == ("ERROR", "FAILURE")


def test_the_interface_s_answers_of_it_fit_their_schemas(served: Served) -> None:
    view = ConsumerView(ANNA, lambda: served.gate, served.desk, SelfTests(served.desk, lambda: 0.0), served.clock)
    shown = Credential.CONSUMER_PASSWORD
    built = {
        "smgw-info": [answers.smgw_info(view.information(shown), b"han")],
        "user-info": [answers.user_info(view.usage_points(shown))],
        "usage-point-info": [answers.usage_point_info(view.usage_point(shown, UsagePointRequest(TAF2.id, None)))],
        "readings": [
            answers.readings(TAF2.id, database_name, view.readings(shown, asked))
            for database_name in Database
            for asked in (
                ReadingsRequest(TAF2.id, database_name, (), False, START, START + 3 * DAY, None),
                ReadingsRequest(TAF2.id, database_name, (), True, None, None, None),
            )
        ],
        "log": [answers.log(view.log(shown, LogRequest(None, None, 0, 100)))],
    }
    for name, found in built.items():
        for each in found:
            whole = {"method": name, "version": answers.VERSION, "elapsed-time": "1", **each}
            jsonschema_rs.validator_for(answers.schema(name)).validate(whole)
    assert [each["records"] for each in built["readings"]] == ["192", "1", "6", "2", "4", "2", "2", "1"]


def test_by_count_a_list_is_read_to_its_end(served: Served) -> None:
    view = ConsumerView(ANNA, lambda: served.gate, served.desk, SelfTests(served.desk, lambda: 0.0), served.clock)
    after, seen = START - HOUR, 0
    while True:
        asked = ReadingsRequest(TAF2.id, Database.ORIGIN, (), False, after, START + 3 * DAY, 50)
        page = view.readings(Credential.CONSUMER_PASSWORD, asked)
        seen += len(page.channels[0].readings)
        if page.next_after is None:
            break
        after = page.next_after
    assert seen == 193


def test_the_seal_s_owner_is_the_certificate_that_is_shown(served: Served) -> None:
    shown = {each.index: hashlib.sha256(each.sig).hexdigest() for each in served.desk.information().certificates}
    entry = served.meters.lists.latest(TAF2.server_id, IMPORT.hex(), consumer=ANNA)
    assert entry is not None
    assert entry.seal is not None
    assert shown[1] == entry.seal.key
    assert served.meters.lists.latest(TAF2.server_id, IMPORT.hex(), consumer=BERT) is None
    assert served.clock() == START + 2 * DAY
    assert START.tzinfo is UTC
