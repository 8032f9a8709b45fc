"""The desk: what the law permits is signed, what it refuses is not."""

from __future__ import annotations

import pytest

from lifecycle.canonical import JournalError
from lifecycle.desk import attest, decision_on, move, report, restore, sign_step
from lifecycle.evidence import OpenFault
from lifecycle.facts import Fact
from lifecycle.journal import read_entry, step_of
from lifecycle.law import BEGINNING, LAW, Attest, Move, Permitted, Refused, Report, Restore, Standing, Step, Unlawful
from lifecycle.roles import Role
from lifecycle.states import Event, State
from tests.support.lives import GATEWAY, START, Record, cast, lives, shortest_way

GWH, GWA, DEVICE = cast()[Role.GWH], cast()[Role.GWA], cast()[Role.GATEWAY]


def test_the_steps_name_their_party() -> None:
    assert move(GWH, Event.BEGIN_PRODUCTION) == Move(Event.BEGIN_PRODUCTION, GWH.actor)
    assert attest(GWH, Fact.DEVELOPMENT_COMPLETE) == Attest(Fact.DEVELOPMENT_COMPLETE, GWH.actor)
    assert report(DEVICE, "disk-full") == Report(OpenFault("disk-full"), DEVICE.actor)
    assert report(DEVICE, "consumer-log-full", "c") == Report(OpenFault("consumer-log-full", "c"), DEVICE.actor)
    assert restore(GWA, "disk-full") == Restore(OpenFault("disk-full"), GWA.actor)
    assert restore(GWA, "consumer-log-full", "c") == Restore(OpenFault("consumer-log-full", "c"), GWA.actor)


def test_the_decision_is_the_laws() -> None:
    """Over every standing of every lawful life, and the steps that are lawful one standing on."""
    graph = lives()
    asked: dict[bool, int] = {True: 0, False: 0}
    for number in range(0, len(graph.standings), 7):
        standing = graph.standings[number]
        steps: list[Step] = [step for step, _ in graph.steps[number]]
        steps += [step for _, onward in graph.steps[number] for step, _ in graph.steps[onward]]
        for step in steps:
            decision = decision_on(step, standing)
            if isinstance(decision, Permitted):
                assert decision.target is LAW.advance(standing, step).state
            else:
                with pytest.raises(Unlawful) as caught:
                    LAW.advance(standing, step)
                assert caught.value.refused == decision
            asked[bool(decision)] += 1
    assert min(asked.values()) > 100


def test_a_lawful_step_is_signed_at_its_place() -> None:
    record = Record.living(shortest_way(State.OPERATION))
    step = report(DEVICE, "disk-full")
    signed = sign_step(
        step, DEVICE, GATEWAY, record.standing, record.position, record.clock(), detail={"free": 0, "of": "4 GB"}
    )
    entry = read_entry(signed.body)
    assert step_of(entry) == step
    assert (entry.sequence, entry.previous) == (record.position.sequence + 1, record.position.hash)
    assert entry.payload["detail"] == {"free": 0, "of": "4 GB"}
    assert cast().trust.credentials(DEVICE.certificate_der).verifies(signed.signature, signed.body)


@pytest.mark.parametrize(
    "step",
    [
        move(GWH, Event.BEGIN_PRODUCTION),
        move(GWA, Event.BEGIN_OPERATION),
        attest(GWA, Fact.DEVELOPMENT_COMPLETE),
        attest(GWH, Fact.MOUNTED),
        report(DEVICE, "disk-full"),
        report(DEVICE, "no-such-fault"),
        restore(GWA, "disk-full"),
    ],
    ids=lambda step: step.attempt,
)
def test_what_the_law_refuses_is_not_signed(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lifecycle.desk.sign_entry", lambda *_: pytest.fail("signed"))
    with pytest.raises(Unlawful) as caught:
        sign_step(step, GWH, GATEWAY, BEGINNING, Record().position, START)
    assert isinstance(caught.value.refused, Refused)
    assert caught.value.state is State.DEVELOPMENT


def test_a_detail_that_cannot_stand_in_the_record_is_not_signed() -> None:
    with pytest.raises(JournalError):
        sign_step(
            attest(GWH, Fact.DEVELOPMENT_COMPLETE),
            GWH,
            GATEWAY,
            Standing(State.DEVELOPMENT, BEGINNING.evidence),
            Record().position,
            START,
            detail={"ä": 1},
        )
