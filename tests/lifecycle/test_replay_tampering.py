"""Whoever changed, removed, added or reordered anything, or acted outside the law, is found out where it was done."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from lifecycle.chains import BreakKind, Chain
from lifecycle.desk import attest, move, report
from lifecycle.facts import Fact
from lifecycle.head import sign_head
from lifecycle.journal import MAX_ENTRY_BYTES, Kind, SignedEntry, read_entry, sign_entry
from lifecycle.parties import OperationsAuthority, Party
from lifecycle.replay import replay
from lifecycle.roles import Role
from lifecycle.states import Event, State
from tests.lifecycle.tampering import (
    RECORD,
    TAMPERINGS,
    TRUST,
    K,
    Tampering,
    altered,
    assert_broken,
    in_both_forms,
    standing_after,
)
from tests.support.lives import GATEWAY, OTHER_GATEWAY, SECOND, START, Cast, Record, cast, life_of, shortest_way


@in_both_forms
@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda tampering: tampering.name)
def test_tampering_is_found_where_it_was_done(tampering: Tampering, as_file: bool) -> None:
    verdict = replay(RECORD.chain(tampering.do(list(RECORD.entries)), as_file=as_file), TRUST)
    assert_broken(verdict, tampering.seq, tampering.kind)
    assert verdict.entries == tampering.seq - 1 or tampering.kind is BreakKind.FORK
    assert verdict.standing == standing_after(verdict.entries)
    assert verdict.told()["break"] == {
        "seq": tampering.seq,
        "kind": str(tampering.kind),
        "reason": verdict.broken.reason if verdict.broken else "",
    }
    assert f"BROKEN at entry {tampering.seq}: {tampering.kind}: " in str(verdict)


@in_both_forms
@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda tampering: tampering.name)
def test_what_comes_after_until_is_not_looked_at(tampering: Tampering, as_file: bool) -> None:
    chain = RECORD.chain(tampering.do(list(RECORD.entries)), as_file=as_file)
    for until in {0, tampering.seq - 2, min(tampering.seq - 1, len(chain.lines) - 1)}:
        if 0 <= until < len(chain.lines):
            verdict = replay(chain, TRUST, until=until)
            assert verdict.ok, verdict
            assert verdict.entries == until
            assert verdict.standing == standing_after(until)


def forged(sequence: int, forge: Callable[[Record], object]) -> Chain:
    """A record that is sound up to *sequence*, then forged by somebody with a party's key, under a head of its own."""
    record = Record.of_length(sequence - 1)
    forge(record)
    return record.chain()


OPERATION = len(shortest_way(State.OPERATION)) + 1
GWA, GWH, DEVICE = cast()[Role.GWA], cast()[Role.GWH], cast()[Role.GATEWAY]


def transition(event: Event, source: State, to: State, **others: Any) -> dict[str, Any]:
    told = {"event": str(event), "from": str(source), "to": str(to), "way": "neutral"}
    return {**told, "recommended_met": [], "recommended_unmet": [], **others}


SKIPPING = transition(Event.BEGIN_OPERATION, State.FIRST_INSTALLATION, State.OPERATION)
ENTERING = transition(Event.ENTER_REVERSIBLE_FAULT, State.OPERATION, State.REVERSIBLE_FAULT)


@pytest.mark.parametrize(
    ("sequence", "forge", "kind"),
    [
        (1, lambda r: r.forge(Kind.EVIDENCE, {"fact": "MOUNTED"}, GWH), BreakKind.WRONG_ROLE),
        (1, lambda r: r.forge(Kind.EVIDENCE, {"fact": "DEVELOPMENT_COMPLETE"}, GWA), BreakKind.WRONG_ROLE),
        (2, lambda r: r.forge(Kind.EVIDENCE, {"fact": "DEVELOPMENT_COMPLETE"}, GWH), BreakKind.UNLAWFUL_EVIDENCE),
        (1, lambda r: r.forge(Kind.EVIDENCE, {"fact": "MODULE_INTEGRATED"}, GWH), BreakKind.UNLAWFUL_EVIDENCE),
        (
            1,
            lambda r: r.forge(
                Kind.TRANSITION, transition(Event.BEGIN_PRODUCTION, State.DEVELOPMENT, State.PRODUCTION), GWH
            ),
            BreakKind.UNLAWFUL_TRANSITION,
        ),
        (24, lambda r: r.forge(Kind.TRANSITION, SKIPPING, GWA), BreakKind.UNLAWFUL_TRANSITION),
        (OPERATION, lambda r: r.forge(Kind.TRANSITION, ENTERING, DEVICE), BreakKind.UNLAWFUL_TRANSITION),
        (OPERATION, lambda r: r.forge(Kind.FAULT, {"fault": "no-such-fault"}, DEVICE), BreakKind.UNLAWFUL_EVIDENCE),
        (OPERATION, lambda r: r.forge(Kind.FAULT, {"fault": "disk-full"}, GWH), BreakKind.WRONG_ROLE),
        (OPERATION, lambda r: r.forge(Kind.RESTORED, {"fault": "disk-full"}, GWA), BreakKind.UNLAWFUL_EVIDENCE),
        (
            OPERATION,
            lambda r: r.forge(Kind.FAULT, {"fault": "disk-full"}, cast().acting(Role.GATEWAY, OTHER_GATEWAY)),
            BreakKind.WRONG_ROLE,
        ),
        (
            OPERATION,
            lambda r: r.forge(Kind.FAULT, {"fault": "disk-full", "subject": ""}, DEVICE),
            BreakKind.MALFORMED_ENTRY,
        ),
        (
            OPERATION,
            lambda r: r.forge(Kind.FAULT, {"fault": "disk-full", "detail": {}}, DEVICE),
            BreakKind.MALFORMED_ENTRY,
        ),
        (
            OPERATION,
            lambda r: r.forge(Kind.FAULT, {"fault": "disk-full", "more": 1}, DEVICE),
            BreakKind.MALFORMED_ENTRY,
        ),
        (OPERATION, lambda r: r.forge(Kind.EVIDENCE, {"fact": "RUMOUR"}, GWA), BreakKind.MALFORMED_ENTRY),
        (OPERATION, lambda r: r.forge(Kind.TRANSITION, {"event": "JUMP"}, GWA), BreakKind.MALFORMED_ENTRY),
    ],
)
def test_a_key_does_not_make_it_lawful(sequence: int, forge: Callable[[Record], object], kind: BreakKind) -> None:
    """Somebody with a party's key signs what the law refuses; even the keeper's key does not help."""
    verdict = replay(forged(sequence, forge), TRUST)
    assert_broken(verdict, sequence, kind)
    assert verdict.standing == standing_after(sequence - 1)


@pytest.mark.parametrize(
    "payload",
    [
        {**ENTERING, "to": "OUTAGE"},
        {**ENTERING, "from": "PERSONALISATION"},
        {**ENTERING, "way": "recommended"},
        {**ENTERING, "recommended_met": ["module-terminated"]},
        {**ENTERING, "more": 1},
        {**ENTERING, "recommended_unmet": None},
        {name: told for name, told in ENTERING.items() if name != "way"},
        {"event": "ENTER_REVERSIBLE_FAULT"},
    ],
    ids=str,
)
def test_a_lawful_transition_told_otherwise_than_the_law_does_is_found(payload: dict[str, Any]) -> None:
    def forge(record: Record) -> None:
        record.tell(report(DEVICE, "disk-full"))
        record.forge(Kind.TRANSITION, payload, DEVICE)

    assert_broken(replay(forged(OPERATION, forge), TRUST), OPERATION + 1, BreakKind.UNLAWFUL_TRANSITION)


def test_a_transition_with_a_detail_is_lawful_like_one_without() -> None:
    record = Record.of_length(OPERATION - 1)
    record.tell(report(DEVICE, "disk-full"), detail={"free": 0})
    record.tell(move(DEVICE, Event.ENTER_REVERSIBLE_FAULT), detail={"note": "ä", "list": [None, True, {"x": -1}]})
    assert replay(record.chain(), TRUST).ok


def test_an_unlawful_detail_is_no_entry() -> None:
    record = Record.of_length(OPERATION - 1)
    body = altered(record.entries[-1], payload={**ENTERING}).replace(b'"way"', b'"detail":{"x":1.5},"way"')
    record.entries[-1] = sign_entry(body, DEVICE)
    assert_broken(replay(record.chain(), TRUST), OPERATION - 1, BreakKind.MALFORMED_ENTRY)


@in_both_forms
@pytest.mark.parametrize(
    "change",
    [
        lambda told: {**told, "more": 1},
        lambda told: {**told, "kind": "rumour"},
        lambda told: {**told, "time": "2026-02-30T08:00:00.000000Z"},
        lambda told: {**told, "seq": str(told["seq"])},
        lambda told: {name: value for name, value in told.items() if name != "actor"},
        lambda told: [told],
        lambda told: {**told, "payload": {**told["payload"], "detail": {"note": "n" * MAX_ENTRY_BYTES}}},
    ],
)
def test_what_is_hashed_and_signed_and_yet_no_entry_is_named_so(change: Callable[[Any], Any], as_file: bool) -> None:
    record = RECORD.copy()
    body = orjson.dumps(change(orjson.loads(record.entries[K - 1].body)), option=orjson.OPT_SORT_KEYS)
    record.entries[K - 1] = sign_entry(body, GWH)
    assert_broken(replay(record.chain(as_file=as_file), TRUST), K, BreakKind.MALFORMED_ENTRY)


@in_both_forms
@pytest.mark.parametrize(
    "rewrite",
    [
        lambda body: body.replace(b'","', b'", "', 1),
        lambda body: orjson.dumps(dict(reversed(orjson.loads(body).items()))),
        lambda body: body.replace(b'"seq"', b'"\\u0073eq"', 1),
    ],
)
def test_bytes_written_otherwise_are_no_entry_even_when_signed(
    rewrite: Callable[[bytes], bytes], as_file: bool
) -> None:
    record = RECORD.copy()
    record.entries[K - 1] = sign_entry(rewrite(record.entries[K - 1].body), GWH)
    assert_broken(replay(record.chain(as_file=as_file), TRUST), K, BreakKind.MALFORMED_ENTRY)


@in_both_forms
def test_a_clock_set_back_is_found(as_file: bool) -> None:
    record = Record.of_length(K - 1)
    record.clock.move(-2 * SECOND)
    *_, step = life_of(K)
    record.tell(step)
    assert_broken(replay(record.chain(as_file=as_file), TRUST), K, BreakKind.CLOCK_SET_BACK)


@in_both_forms
def test_two_entries_of_one_moment_are_in_order(as_file: bool) -> None:
    record = Record.of_length(K - 1)
    record.clock.move(-SECOND)
    *_, step = life_of(K)
    record.tell(step)
    assert replay(record.chain(as_file=as_file), TRUST).ok


def resigned(record: Record, sequence: int, party: Party, **changes: Any) -> Chain:
    record.entries[sequence - 1] = sign_entry(altered(record.entries[sequence - 1], **changes), party)
    return record.chain()


def test_a_role_that_the_certificate_does_not_give_is_found() -> None:
    """The GWA signs, truly, what only the manufacturer may say, and writes the manufacturer's role over its own."""
    record = Record.of_length(1)
    claimed = {**orjson.loads(record.entries[0].body)["actor"], "certificate": GWA.actor.certificate}
    assert_broken(replay(resigned(record, 1, GWA, actor=claimed), TRUST), 1, BreakKind.WRONG_ROLE)


@pytest.mark.parametrize("member", ["role", "name", "on_behalf_of"])
def test_an_actor_that_is_not_its_certificates_is_found(member: str) -> None:
    record = Record.of_length(OPERATION - 1)
    sequence = next(n for n, e in enumerate(record.entries, 1) if read_entry(e.body).actor.role is Role.MONTEUR)
    actor = orjson.loads(record.entries[sequence - 1].body)["actor"]
    other = {"role": "RECYCLER", "name": "Another", "on_behalf_of": None}[member]
    chain = resigned(record, sequence, cast()[Role.MONTEUR], actor={**actor, member: other})
    assert_broken(replay(chain, TRUST), sequence, BreakKind.WRONG_ROLE)


def without(certificates: Iterable[str], chain: Chain) -> Chain:
    return replace(chain, certificates={n: der for n, der in chain.certificates.items() if n not in certificates})


@in_both_forms
def test_a_certificate_that_is_not_there_is_unknown(as_file: bool) -> None:
    sequence = next(n for n, e in enumerate(RECORD.entries, 1) if read_entry(e.body).actor.role is Role.MSB)
    chain = without([cast()[Role.MSB].actor.certificate], RECORD.chain(as_file=as_file))
    assert_broken(replay(chain, TRUST), sequence, BreakKind.UNKNOWN_CERTIFICATE)


@pytest.mark.parametrize("instead", [cast()[Role.GWA].certificate_der, b"", b"\x30\x00"])
def test_another_certificate_in_its_place_is_unknown(instead: bytes) -> None:
    chain = replace(RECORD.chain(), certificates={**RECORD.certificates, GWH.actor.certificate: instead})
    assert_broken(replay(chain, TRUST), 1, BreakKind.UNKNOWN_CERTIFICATE)


@in_both_forms
def test_a_party_of_another_operations_ca_is_unknown(as_file: bool) -> None:
    strangers = Cast.enrolled()
    record = Record(played_by=strangers)
    for step in life_of(8):
        record.tell(step)
    assert replay(record.chain(as_file=as_file), strangers.trust).ok
    assert_broken(replay(record.chain(as_file=as_file), TRUST), 1, BreakKind.UNKNOWN_CERTIFICATE)


@in_both_forms
@pytest.mark.parametrize("days", [-1, 731])
def test_a_certificate_that_was_not_valid_then_is_unknown(days: int, as_file: bool) -> None:
    record = Record()
    record.clock.now = START + timedelta(days=days) - SECOND
    record.tell(attest(GWH, Fact.DEVELOPMENT_COMPLETE))
    assert_broken(replay(record.chain(as_file=as_file), TRUST), 1, BreakKind.UNKNOWN_CERTIFICATE)


def test_a_certificate_that_expired_since_was_valid_then() -> None:
    """What counts is the time of the entry, and whose keys the keeper takes it with later."""
    record = Record.of_length(3)
    later = OperationsAuthority(cast().authority.certificate, cast().authority._key)
    keeper = later.enrol(Role.KEEPER, "later keeper", clock=lambda: START + timedelta(days=1000))
    head = sign_head(GATEWAY, record.position, 1, START + timedelta(days=1001), keeper)
    certificates = {**record.certificates, keeper.actor.certificate: keeper.certificate_der}
    assert replay(Chain(GATEWAY, record.entries, certificates, head), TRUST).ok


def test_the_earlier_break_is_named_when_there_are_two() -> None:
    entries = list(RECORD.entries)
    entries[K + 5] = entries[K + 5]._replace(hash="0" * 64)
    entries[K - 1] = entries[K - 1]._replace(signature=entries[K].signature)
    verdict = replay(RECORD.chain(entries), TRUST)
    assert_broken(verdict, K, BreakKind.FLIPPED_BIT)
    assert verdict.entries == K - 1
    assert verdict.standing == standing_after(K - 1)
    assert verdict.position.hash == RECORD.entries[K - 2].hash


def test_an_unlawful_entry_with_a_wrong_signature_is_nobodys_word() -> None:
    chain = forged(1, lambda r: r.forge(Kind.EVIDENCE, {"fact": "DEVELOPMENT_COMPLETE"}, GWA))
    entry = chain.lines[0]
    assert isinstance(entry, SignedEntry)
    unsigned = replace(chain, lines=[entry._replace(signature=b"")])
    assert_broken(replay(unsigned, TRUST), 1, BreakKind.FLIPPED_BIT)
    assert_broken(replay(unsigned, TRUST, signatures=False), 1, BreakKind.WRONG_ROLE)
