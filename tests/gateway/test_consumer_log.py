"""The consumer's own log at the desk: what he reads is noted, not too often, and told in plain words."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.consumer_words import Access
from gateway.han.data import LogQuery
from gateway.han.page_data import Export, PlainLogEntry
from gateway.logs.events import EventId
from gateway.logs.port import Delivery
from gateway.logs.store import LogPolicy, Note
from lifecycle.functions import Credential
from tests.support.contracts import ANNA, BERT, START, contract
from tests.support.desk import Served, rising

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def plain(served: Served, consumer: str = ANNA) -> list[PlainLogEntry]:
    return list(served.desk.plain_log(consumer, before=None, limit=100))


def test_polling_is_noted_once_a_day() -> None:
    served = Served()
    for number in range(8):
        served.desk.usage_points(ANNA)
        served.desk.latest(ANNA)
        served.desk.contracts(ANNA)
        assert len(plain(served)) == 1 + number // 4
        served.meters.pass_time(DAY / 4)
    assert plain(served, BERT) == []
    assert plain(served)[0].german == f"Eigene Daten gelesen: Messwerte und Verträge (durch {ANNA})."
    assert plain(served)[0].english == f"Own data read: readings and contracts (by {ANNA})."


def test_each_kind_of_file_is_noted_and_what_is_refused_is_not() -> None:
    served = Served()
    served.read(rising(START, 5))
    served.desk.export(ANNA, contract().id, START, START + HOUR, Export.CSV)
    served.desk.export(ANNA, contract().id, START, START + HOUR, Export.AR2418)
    said = [entry.german for entry in plain(served)]
    assert said == [
        f"Eigene Daten gelesen: Datei nach VDE-AR-E 2418-6, {contract().id} (durch {ANNA}).",
        f"Eigene Daten gelesen: Tabelle (CSV), {contract().id} (durch {ANNA}).",
    ]


def test_a_clock_that_was_set_back_does_not_silence_it() -> None:
    served = Served()
    served.desk.latest(ANNA)
    served.clock.move(-DAY)
    served.desk.latest(ANNA)
    assert len(plain(served)) == 2


def test_with_a_full_log_he_reads_all_the_same() -> None:
    served = Served(policy=LogPolicy(consumer=4))
    served.read(rising(START, 5))
    for _ in range(6):
        assert served.desk.latest(ANNA)
        served.meters.pass_time(2 * DAY)
    assert plain(served)[0].event == EventId.OWN_LOG_FULL
    assert len(plain(served)) == 4


def test_it_says_who_got_what_when_and_why() -> None:
    served = Served()
    served.logs.note_delivery(Credential.INSIDE, Delivery(ANNA, "lieferant.example", "TAF-7", 96, START, START + DAY))
    (entry,) = plain(served)
    assert entry.german == (
        "96 Messwerte von 01.01.2026 00:00:00 MEZ bis 02.01.2026 00:00:00 MEZ an lieferant.example übertragen (TAF-7)."
    )
    assert entry.english == (
        "96 readings from 2026-01-01 00:00:00 CET to 2026-01-02 00:00:00 CET delivered to lieferant.example (TAF-7)."
    )


def test_meters_and_registers_are_written_as_on_bills() -> None:
    served = Served()
    told: dict[str, str | int] = {
        "count": 2,
        "meter": "0a01454d480000bc614e",
        "obis": "0100010800ff",
        "since": "2026-07-01T00:00:00.000000Z",
        "until": "2026-07-01T00:15:00.000000Z",
        "hash": "00ff",
    }
    served.logs.write(Credential.INSIDE, [Note(EventId.OWN_READINGS_DELETED, told, ANNA)])
    (entry,) = plain(served)
    assert entry.german.startswith(
        "2 Listeneinträge gelöscht: Zähler 1EMH0012345678, Register 1-0:1.8.0*255, 01.07.2026 02:00:00 MESZ bis"
    )
    odd = Note(EventId.OWN_READINGS_DELETED, {**told, "meter": "zz", "obis": "0"}, ANNA)
    served.logs.write(Credential.INSIDE, [odd])
    assert "Zähler zz, Register 0," in plain(served)[0].german


def test_machines_get_the_same_by_index_and_time() -> None:
    served = Served()
    for number in range(5):
        served.desk.latest(ANNA)
        assert number < 5
        served.meters.pass_time(DAY)
    every = served.desk.log(ANNA, LogQuery(None, None, 0, 100))
    assert [entry.index for entry in every] == [1, 2, 3, 4, 5]
    first = every[0]
    assert (first.event, first.level, first.outcome, first.subject, first.user) == (3002, "INFO", "SUCCESS", ANNA, ANNA)
    assert first.message == plain(served)[-1].german
    assert [entry.index for entry in served.desk.log(ANNA, LogQuery(None, None, 3, 2))] == [3, 4]
    since, before = START + DAY, START + 3 * DAY
    assert [entry.index for entry in served.desk.log(ANNA, LogQuery(since, before, 0, 100))] == [2, 3]
    assert served.desk.log(BERT, LogQuery(None, None, 0, 100)) == []


@pytest.mark.parametrize(
    ("before", "limit", "found"),
    [
        (None, 2, [5, 4]),
        (None, 100, [5, 4, 3, 2, 1]),
        (4, 2, [3, 2]),
        (2, 9, [1]),
        (1, 9, []),
        (-5, 9, []),
        (900, 1, [5]),
        (None, 0, []),
        (None, -1, []),
    ],
)
def test_people_read_the_newest_first(before: int | None, limit: int, found: list[int]) -> None:
    served = Served()
    for _ in range(5):
        served.desk.latest(ANNA)
        served.meters.pass_time(DAY)
    assert [entry.index for entry in served.desk.plain_log(ANNA, before=before, limit=limit)] == found


def test_every_file_has_a_kind_of_access() -> None:
    assert {str(kind) for kind in Export} == {str(access) for access in Access} - {str(Access.VALUES)}
