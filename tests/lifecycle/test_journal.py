"""Entries: what is composed is read back, one way of writing holds, and whatever is no entry is named."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.canonical import JournalError, canonical
from lifecycle.desk import attest, decision_on, report, sign_step
from lifecycle.evidence import OpenFault
from lifecycle.facts import Fact
from lifecycle.journal import (
    MAX_ENTRY_BYTES,
    Entry,
    Kind,
    Position,
    check_gateway_id,
    compose,
    entry_of,
    genesis,
    is_canonical,
    payload_of,
    read_entry,
    sign_entry,
    step_of,
)
from lifecycle.law import BEGINNING, LAW, Attest, Move, Permitted, Report, Restore
from lifecycle.roles import Actor, Role
from lifecycle.states import Event, State
from tests.support.lives import GATEWAY, START, Record, attestation, cast, life_of, shortest_way

MONTEUR = Actor(Role.MONTEUR, "Müller & Söhne", Role.MSB, "ab" * 32)

PINNED = (
    b'{"actor":{"certificate":"' + b"ab" * 32 + b'","name":"M\xc3\xbcller & S\xc3\xb6hne","on_behalf_of":"MSB",'
    b'"role":"MONTEUR"},"gateway":"EXXX0012345678","kind":"evidence","payload":{"detail":{"place":"cellar",'
    b'"steps":3},"fact":"MOUNTED"},"previous":"'
    b'26830541d8ed40f864b7bc65e310896d692d2278427b3a4e9b6cabe846b92905"'
    b',"seq":1,"time":"2026-03-02T08:00:00.000000Z"}'
)
"""What a record written today has to look like for ever."""


def told(**changes: Any) -> dict[str, Any]:
    """A sound entry as JSON, with these members changed."""
    return {
        "gateway": GATEWAY,
        "seq": 1,
        "time": "2026-03-02T08:00:00.000000Z",
        "kind": "evidence",
        "payload": {"fact": "MOUNTED"},
        "actor": {"role": "MONTEUR", "name": "Müller", "on_behalf_of": "MSB", "certificate": "ab" * 32},
        "previous": genesis(GATEWAY).hash,
        **changes,
    }


def test_the_bytes_of_an_entry_are_pinned() -> None:
    payload = {"fact": "MOUNTED", "detail": {"steps": 3, "place": "cellar"}}
    body = compose(GATEWAY, genesis(GATEWAY), START, Kind.EVIDENCE, payload, MONTEUR)
    assert body == PINNED
    assert read_entry(body) == Entry(
        GATEWAY, 1, "2026-03-02T08:00:00.000000Z", Kind.EVIDENCE, payload, MONTEUR, genesis(GATEWAY).hash
    )


def test_the_genesis_binds_format_and_gateway() -> None:
    written = b'{"format":"smgw-journal/1","gateway":"EXXX0012345678"}'
    assert genesis(GATEWAY) == Position(0, hashlib.sha256(written).hexdigest(), "")
    assert genesis("EXXX0012345679").hash != genesis(GATEWAY).hash


@pytest.mark.parametrize(
    "gateway",
    ["", "EXXX001234567", "EXXX00123456789", "eXXX0012345678", "1XXX0012345678", "EXX10012345678", "EXXX00１２345678"],
)
def test_what_is_no_gateway_identification_is_refused(gateway: str) -> None:
    for refuse in (check_gateway_id, genesis):
        with pytest.raises(JournalError, match="DIN 43863-5"):
            refuse(gateway)


@pytest.mark.parametrize("state", State)
def test_every_step_of_a_life_is_told_and_read_back(state: State) -> None:
    standing = BEGINNING
    for step in shortest_way(state):
        played, party = cast().played(step)
        decision = decision_on(played, standing)
        assert isinstance(decision, Permitted)
        kind, payload = payload_of(played, decision, {"note": "ä", "list": [1, None, True]})
        entry = read_entry(compose(GATEWAY, genesis(GATEWAY), START, kind, payload, party.actor))
        assert step_of(entry) == played
        assert entry.payload["detail"] == {"note": "ä", "list": [1, None, True]}
        assert entry.payload.items() >= decision.told.items()
        standing = LAW.advance(standing, played)
    assert standing.state is state


def test_each_kind_of_step_has_its_kind_of_entry() -> None:
    gateway = cast()[Role.GATEWAY].actor
    permitted = Permitted(State.OPERATION, State.OPERATION)
    fault = OpenFault("consumer-log-full", "consumer 7")
    assert payload_of(Attest(Fact.MOUNTED, gateway), permitted) == (Kind.EVIDENCE, {"fact": "MOUNTED"})
    assert payload_of(Report(fault, gateway), permitted) == (
        Kind.FAULT,
        {"fault": "consumer-log-full", "subject": "consumer 7"},
    )
    assert payload_of(Restore(OpenFault("disk-full"), gateway), permitted) == (Kind.RESTORED, {"fault": "disk-full"})


def test_the_record_tells_recommended_ways_apart() -> None:
    actor = cast()[Role.MONTEUR].actor
    for state, advice, unmet in (
        (State.OPERATION, "neutral", ["module-terminated"]),
        (State.OUTAGE, "not recommended", []),
    ):
        record = Record.living(shortest_way(state))
        record.tell(attestation(Fact.EVERY_CERTIFICATE_REVOKED, Role.GWA))
        entry = read_entry(record.tell(Move(Event.REMOVE_FOR_SCRAPPING, actor)).body)
        assert entry.payload == {
            "event": "REMOVE_FOR_SCRAPPING",
            "from": str(state),
            "to": "REMOVAL_FOR_SCRAPPING",
            "way": advice,
            "recommended_met": [],
            "recommended_unmet": unmet,
        }


@pytest.mark.parametrize(
    "changes",
    [
        {"seq": 0},
        {"seq": -1},
        {"seq": True},
        {"seq": "1"},
        {"seq": 1.0},
        {"seq": None},
        {"seq": 2**53},
        {"kind": "rumour"},
        {"kind": None},
        {"kind": ["evidence"]},
        {"gateway": "EXXX001234567"},
        {"gateway": 7},
        {"time": "2026-03-02T08:00:00Z"},
        {"time": "2026-02-30T08:00:00.000000Z"},
        {"time": "2026-03-02T25:00:00.000000Z"},
        {"time": 7},
        {"previous": None},
        {"previous": 0},
        {"payload": None},
        {"payload": ["fact", "MOUNTED"]},
        {"more": 1},
        {"actor": None},
        {"actor": {}},
        {"actor": {"role": "MONTEUR", "name": "M", "on_behalf_of": "MSB"}},
        {"actor": {"role": "MONTEUR", "name": "M", "on_behalf_of": "MSB", "certificate": "a", "more": 1}},
        {"actor": {"role": "KING", "name": "M", "on_behalf_of": None, "certificate": "a"}},
        {"actor": {"role": None, "name": "M", "on_behalf_of": None, "certificate": "a"}},
        {"actor": {"role": ["GWA"], "name": "M", "on_behalf_of": None, "certificate": "a"}},
        {"actor": {"role": "GWA", "name": 7, "on_behalf_of": None, "certificate": "a"}},
        {"actor": {"role": "GWA", "name": ["M"], "on_behalf_of": None, "certificate": "a"}},
        {"actor": {"role": "GWA", "name": "M", "on_behalf_of": "", "certificate": "a"}},
        {"actor": {"role": "GWA", "name": "M", "on_behalf_of": False, "certificate": "a"}},
        {"actor": {"role": "GWA", "name": "M", "on_behalf_of": None, "certificate": None}},
    ],
    ids=str,
)
def test_an_entry_with_a_malformed_member_is_none(changes: dict[str, Any]) -> None:
    assert entry_of(told()).kind is Kind.EVIDENCE
    with pytest.raises(JournalError):
        entry_of(told(**changes))
    with pytest.raises(JournalError):
        read_entry(orjson.dumps(told(**changes), option=orjson.OPT_SORT_KEYS))


@pytest.mark.parametrize("name", sorted(told()))
def test_an_entry_that_lacks_a_member_is_none(name: str) -> None:
    short = told()
    del short[name]
    with pytest.raises(JournalError, match="has just the members"):
        entry_of(short)


@pytest.mark.parametrize("value", [None, 1, "entry", [], [told()]])
def test_what_is_no_object_is_no_entry(value: object) -> None:
    with pytest.raises(JournalError, match="has just the members"):
        entry_of(value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"{}",
        PINNED + b"\n",
        b" " + PINNED,
        PINNED.replace(b":", b": ", 1),
        PINNED.replace("ü".encode(), b"\\u00fc"),
        PINNED.replace(b'"seq":1', b'"seq":1,"seq":1'),
        PINNED.replace(b'"seq":1', b'"seq":1.0'),
        PINNED.replace(b'"seq":1', b'"seq":1e0'),
        PINNED.replace(b'"seq":1', b'"seq":01'),
        PINNED.replace(b'"steps":3', b'"steps":3.5'),
        PINNED.replace(b'"steps":3', b'"steps":-0'),
        PINNED.replace(b'"steps":3', b'"steps":9007199254740992'),
        PINNED.replace(b"cellar", b"\\ud800"),
        orjson.dumps(orjson.loads(PINNED), option=orjson.OPT_INDENT_2),
        orjson.dumps(told()),
        b"[" * 100_000,
    ],
)
def test_bytes_that_are_not_canonical_are_no_entry(body: bytes) -> None:
    with pytest.raises(JournalError):
        read_entry(body)


def test_an_entry_has_a_largest_size() -> None:
    def body(length: int) -> bytes:
        detail = {"fact": "MOUNTED", "detail": {"note": "n" * length}}
        return compose(GATEWAY, genesis(GATEWAY), START, Kind.EVIDENCE, detail, MONTEUR)

    fits = MAX_ENTRY_BYTES - len(body(0))
    assert len(body(fits)) == MAX_ENTRY_BYTES
    assert read_entry(body(fits)).kind is Kind.EVIDENCE
    with pytest.raises(JournalError, match=f"{MAX_ENTRY_BYTES} is the most"):
        body(fits + 1)
    with pytest.raises(JournalError, match=f"{MAX_ENTRY_BYTES} is the most"):
        read_entry(body(fits).replace(b"nnnn", b"nnnnn", 1))


def test_what_cannot_stand_in_the_record_is_not_composed() -> None:
    for payload in ({"fact": 1.5}, {"detail": {"ä": 1}}, {"detail": {"at": START}}):
        with pytest.raises(JournalError):
            compose(GATEWAY, genesis(GATEWAY), START, Kind.EVIDENCE, payload, MONTEUR)
    with pytest.raises(JournalError, match="zone"):
        compose(GATEWAY, genesis(GATEWAY), START.replace(tzinfo=None), Kind.EVIDENCE, {}, MONTEUR)
    with pytest.raises(JournalError, match="DIN"):
        compose("nobody", genesis(GATEWAY), START, Kind.EVIDENCE, {}, MONTEUR)


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("evidence", {}),
        ("evidence", {"fact": None}),
        ("evidence", {"fact": "RUMOUR"}),
        ("evidence", {"fact": ["MOUNTED"]}),
        ("evidence", {"fact": "MOUNTED", "more": 1}),
        ("evidence", {"fact": "MOUNTED", "detail": None}),
        ("evidence", {"fact": "MOUNTED", "detail": []}),
        ("evidence", {"fact": "MOUNTED", "detail": {}}),
        ("evidence", {"fact": "MOUNTED", "detail": {"height": 1.5}}),
        ("evidence", {"detail": {"fact": "MOUNTED"}}),
        ("transition", {}),
        ("transition", {"event": "JUMP"}),
        ("transition", {"event": 1}),
        ("transition", {"event": ["ENTER_OUTAGE"]}),
        ("transition", {"event": "ENTER_OUTAGE", "detail": {}}),
        ("fault", {}),
        ("fault", {"fault": 1}),
        ("fault", {"fault": "disk-full", "subject": None}),
        ("fault", {"fault": "disk-full", "subject": ""}),
        ("fault", {"fault": "disk-full", "more": ""}),
        ("restored", {"subject": "consumer"}),
        ("restored", {"fault": "disk-full", "detail": "x"}),
    ],
    ids=str,
)
def test_a_payload_that_does_not_fit_its_kind_tells_no_step(kind: str, payload: dict[str, Any]) -> None:
    entry = entry_of(told(kind=kind, payload=payload))
    with pytest.raises(JournalError):
        step_of(entry)


scalars: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 2**53 - 1, 2**53, -(2**53), 2**64 - 1, 1.0, 1e300, "", "x", "ä", "MOUNTED", "ENTER_OUTAGE", []]
)
member_names = st.sampled_from(
    ["fact", "event", "fault", "subject", "detail", "from", "b", "a", "ä", "\U0001f600", "\uffee"]
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(member_names, inner, max_size=3), max_leaves=12
)
payloads = st.dictionaries(member_names, values, max_size=4)


@settings(max_examples=500)
@given(payloads, st.sampled_from(Kind), st.integers(1, 2**60), st.booleans(), st.data())
def test_the_quick_look_at_canonical_bytes_agrees_with_the_thorough_one(
    payload: dict[str, Any], kind: Kind, sequence: int, in_order: bool, data: st.DataObject
) -> None:
    whole = told(payload=payload, kind=str(kind), seq=sequence)
    shuffled = {name: whole[name] for name in data.draw(st.permutations(list(whole)))}
    shuffled["actor"] = {name: whole["actor"][name] for name in data.draw(st.permutations(list(whole["actor"])))}
    body = orjson.dumps(shuffled, option=orjson.OPT_SORT_KEYS if in_order else 0)
    found = orjson.loads(body)
    try:
        entry_of(found)
    except JournalError:
        return
    try:
        thorough = canonical(found) == body
    except JournalError:
        thorough = False
    assert is_canonical(found, body) is thorough


@given(st.integers(0, len(PINNED) - 1), st.integers(1, 255))
def test_a_changed_byte_is_noticed_or_changes_what_is_read(place: int, change: int) -> None:
    damaged = bytearray(PINNED)
    damaged[place] ^= change
    try:
        assert read_entry(bytes(damaged)) != read_entry(PINNED)
    except JournalError as error:
        assert str(error)  # noqa: PT017  either answer is right


def test_an_entry_is_hashed_and_signed_over_its_bytes() -> None:
    signed = sign_entry(PINNED, cast()[Role.MONTEUR])
    assert signed.body == PINNED
    assert signed.hash == hashlib.sha256(PINNED).hexdigest()
    credentials = cast().trust.credentials(cast()[Role.MONTEUR].certificate_der)
    assert credentials.verifies(signed.signature, PINNED)
    assert not credentials.verifies(signed.signature, PINNED + b" ")


def test_entries_follow_one_another() -> None:
    record = Record.living(life_of(8))
    previous = genesis(GATEWAY).hash
    for sequence, signed in enumerate(record.entries, 1):
        entry = read_entry(signed.body)
        assert (entry.sequence, entry.previous) == (sequence, previous)
        previous = signed.hash
    assert record.position == Position(8, previous, "2026-03-02T08:00:07.000000Z")
    assert (
        read_entry(
            sign_step(
                attest(cast()[Role.GWH], Fact.DEVELOPMENT_COMPLETE),
                cast()[Role.GWH],
                GATEWAY,
                BEGINNING,
                record.position,
                START + timedelta(minutes=1),
            ).body
        ).sequence
        == 9
    )


def test_a_subject_is_told_only_where_there_is_one() -> None:
    record = Record.living(shortest_way(State.OPERATION))
    gateway = cast()[Role.GATEWAY]
    whole = read_entry(record.tell(report(gateway, "disk-full")).body)
    one = read_entry(record.tell(report(gateway, "consumer-log-full", "consumer 7")).body)
    assert whole.payload == {"fault": "disk-full"}
    assert one.payload == {"fault": "consumer-log-full", "subject": "consumer 7"}
    assert step_of(one) == report(gateway, "consumer-log-full", "consumer 7")
