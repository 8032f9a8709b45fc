"""The auditor's report: what the module showed, what is only claimed, and where a record breaks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.evidence import ATTESTATION, Claimed, Shown
from lifecycle.chains import BreakKind
from lifecycle.facts import Fact
from lifecycle.replay import Verdict, Witness, replay
from stations.auditor import audit, examined
from tests.lifecycle.tampering import TRUST, assert_broken, flipped
from tests.support.attested import (
    SERIAL,
    ScriptedModule,
    attestation_in,
    attested_record,
    detail_of,
    scrapped_life,
    sequences,
)
from tests.support.lives import GATEWAY, Record

LIFE = scrapped_life()
AT = sequences(LIFE)
IN_ORDER = sorted(AT, key=AT.__getitem__)
INTEGRATED = AT[Fact.MODULE_INTEGRATED]


def counter_of(fact: Fact) -> int:
    return attestation_in(detail_of(attested_record(), AT[fact])).counter


def test_a_life_that_a_module_showed() -> None:
    record = attested_record()
    found = audit(record.chain(as_file=True), TRUST)
    assert found.verdict == Verdict(GATEWAY, len(LIFE), record.standing, record.position)
    assert found.ok
    assert found.attested
    assert found.shown == tuple(Shown(AT[fact], fact, SERIAL, counter_of(fact)) for fact in IN_ORDER)
    assert found.claimed == ()
    assert found.module is not None
    assert found.summary() == ["module SM-0001 shows 9 facts: entries 3, 5, 6, 7, 9, 12, 14, 28, 31"]
    details = found.details()
    assert details[0] == f"attestation key {found.module.point.hex()}"
    counter = counter_of(Fact.MODULE_INTEGRATED)
    assert f"entry 9      MODULE_INTEGRATED                  module SM-0001, counter {counter}" in details
    assert len(details) == 1 + len(IN_ORDER)


def test_a_life_that_is_only_claimed() -> None:
    found = audit(Record.living(LIFE).chain(), TRUST)
    assert found.ok
    assert not found.attested
    assert found.claimed == tuple(Claimed(AT[fact], fact) for fact in IN_ORDER)
    assert (found.shown, found.module) == ((), None)
    assert found.summary() == ["9 facts about the module are claimed, not shown: entries 3, 5, 6, 7, 9, 12, 14, 28, 31"]
    assert found.details()[0] == "entry 3      MODULE_INITIALISED                 claimed"


def test_where_nothing_is_said_of_the_module() -> None:
    found = audit(Record.living(LIFE[:2]).chain(), TRUST)
    assert found.ok
    assert found.attested
    assert found.summary() == found.details() == []


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (attested_record, "module SM-0001 shows 1 fact: entry 3"),
        (lambda: Record.living(LIFE), "1 fact about the module is claimed, not shown: entry 3"),
    ],
)
def test_as_it_was(record: object, words: str) -> None:
    assert callable(record)
    found = audit(record().chain(), TRUST, until=4)
    assert found.verdict.entries == 4
    assert found.summary() == [words]


def test_the_report_as_json() -> None:
    found = audit(attested_record().chain(), TRUST, until=AT[Fact.ROOT_CERTIFICATE_IN_MODULE])
    assert found.module is not None
    assert found.told() == {
        "gateway": GATEWAY,
        "ok": True,
        "entries": 5,
        "state": "PREPERSONALISATION_1_SEPARATE",
        "break": None,
        "module": {"serial": SERIAL, "attestation_key": found.module.point.hex()},
        "shown": [
            {"seq": AT[fact], "fact": str(fact), "module": SERIAL, "counter": counter_of(fact)} for fact in IN_ORDER[:2]
        ],
        "claimed": [],
    }
    claiming = audit(Record.living(LIFE[:3]).chain(), TRUST).told()
    assert (claiming["module"], claiming["shown"]) == (None, [])
    assert claiming["claimed"] == [{"seq": 3, "fact": "MODULE_INITIALISED"}]


def lying_at_the_integration() -> Record:
    """Told by a party that had the attestation of another module at hand."""
    module, record = ScriptedModule(), Record()
    for number, step in enumerate(LIFE, 1):
        if number == INTEGRATED:
            said = module.states(Fact.MODULE_INTEGRATED, record)
            record.tell(step, detail={ATTESTATION: ScriptedModule().signed(said)})
        else:
            module.tell(record, step)
    return record


def test_a_contradiction_is_a_break_and_what_came_before_counts() -> None:
    found = audit(lying_at_the_integration().chain(), TRUST)
    assert_broken(found.verdict, INTEGRATED, BreakKind.CONTRADICTED_ATTESTATION)
    assert not found.ok
    assert not found.attested
    assert [each.sequence for each in found.shown] == [AT[fact] for fact in IN_ORDER if AT[fact] < INTEGRATED]
    assert found.module is not None


def test_what_stands_behind_a_wrong_signature_does_not_count() -> None:
    """The signatures are looked at last: what the witness saw behind the break is not told."""
    record = attested_record()
    entries = list(record.entries)
    entries[INTEGRATED - 1] = entries[INTEGRATED - 1]._replace(
        signature=flipped(entries[INTEGRATED - 1].signature, 300)
    )
    found = audit(record.chain(entries), TRUST)
    assert_broken(found.verdict, INTEGRATED, BreakKind.FLIPPED_BIT)
    assert [each.sequence for each in found.shown] == [AT[fact] for fact in IN_ORDER if AT[fact] < INTEGRATED]
    entries[0] = entries[0]._replace(signature=b"")
    nothing = audit(record.chain(entries), TRUST)
    assert (nothing.shown, nothing.module) == ((), None)


def test_what_is_claimed_behind_a_wrong_signature_does_not_count_either() -> None:
    record = Record.living(LIFE)
    entries = [*record.entries[: INTEGRATED - 1], record.entries[INTEGRATED - 1]._replace(signature=b"")]
    found = audit(record.chain([*entries, *record.entries[INTEGRATED:]]), TRUST)
    assert_broken(found.verdict, INTEGRATED, BreakKind.FLIPPED_BIT)
    assert [each.sequence for each in found.claimed] == [AT[fact] for fact in IN_ORDER if AT[fact] < INTEGRATED]


def test_a_head_kept_elsewhere_is_asked_for_too() -> None:
    record = attested_record()
    cut = Record.living(LIFE[:4])
    assert audit(cut.chain(), TRUST).ok
    assert_broken(audit(cut.chain(), TRUST, head=record.head).verdict, 5, BreakKind.CUT_TAIL)
    assert_broken(audit(replace(cut.chain(), head=None), TRUST).verdict, 5, BreakKind.CUT_TAIL)


def test_progress_is_told() -> None:
    done: list[int] = []
    audit(attested_record().chain(), TRUST, progress=done.append)
    assert sum(done) == 2 * len(LIFE)


def test_any_replay_can_be_examined() -> None:
    asked: list[Witness] = []

    def replaying(*, witness: Witness) -> Verdict:
        asked.append(witness)
        return replay(attested_record().chain(), TRUST, witness=witness)

    assert examined(replaying).attested
    assert examined(replaying).attested
    assert asked[0] is not asked[1]
