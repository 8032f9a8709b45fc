"""The guide ends in what the law admits, all of it and nothing else, wherever a technician gets in."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.technician_guide import TECHNICIAN, Guide, guide_for
from gateway.technician_questions import NO_FINDING, OTHER, QUESTIONS, Answer, Finding, Says
from lifecycle.evidence import Evidence, OpenFault
from lifecycle.facts import Fact
from lifecycle.faults import FAULTS, Fault
from lifecycle.functions import Function
from lifecycle.gate import Gate
from lifecycle.law import LAW, Law, Standing
from lifecycle.roles import Role
from lifecycle.states import State
from smgw.commands.technician import diagnose
from tests.support.lives import GATEWAY
from tests.support.technician import is_open, standings

OPEN = [standing for standing in standings() if is_open(Gate(*standing))]
MAKERS = Law(
    catalogue=FAULTS.extended(
        Fault(
            "antenna-loose",
            "Antenne lose",
            State.REVERSIBLE_FAULT,
            frozenset({Function.HANDLE_WAKE_UP}),
            frozenset({Role.SERVICETECHNIKER}),
            frozenset({Role.SERVICETECHNIKER}),
            "the Servicetechniker, on site",
            "maker",
        )
    )
)


def endings(guide: Guide, question: str | None = None, seen: tuple[str, ...] = ()) -> Iterator[Answer]:
    """The end of every way through a guide; a way that goes round or to no question fails the test."""
    question = question or guide.first
    assert question not in seen
    for answer in guide.questions[question].answers:
        if answer.to:
            yield from endings(guide, answer.to, (*seen, question))
        else:
            yield answer


def admitted(standing: Standing, law: Law) -> set[Finding]:
    """What the law lets a Servicetechniker say there, of the gateway as a whole."""
    found = {
        Finding(Says.FOUND, name) for name in law.catalogue if law.admit_fault(*standing, OpenFault(name), TECHNICIAN)
    }
    return found | {
        Finding(Says.CLEARED, name)
        for name in law.catalogue
        if law.admit_restored(*standing, OpenFault(name), TECHNICIAN)
    }


def test_there_is_somewhere_to_be_guided() -> None:
    assert {standing.state for standing in OPEN} == {
        State.OPERATION,
        State.REVERSIBLE_FAULT,
        State.IRREVERSIBLE_FAULT,
    }
    faults = {fault.name for standing in OPEN for fault in standing.evidence.faults}
    silent = {name for name, fault in FAULTS.items() if fault.leads_to is State.OUTAGE} | {"wan-han-not-separated"}
    assert faults == set(FAULTS) - silent


@pytest.mark.parametrize("law", [LAW, MAKERS], ids=["shipped", "extended"])
def test_it_ends_in_what_the_law_admits_and_in_nothing_else(law: Law) -> None:
    for standing in OPEN:
        guide = guide_for(*standing, law)
        found = {answer.finding for answer in endings(guide)}
        assert found - {NO_FINDING} == admitted(standing, law), standing
        assert NO_FINDING in found
        assert found == guide.findings
        assert (OTHER in guide.questions) is (law is MAKERS)


@pytest.mark.parametrize("law", [LAW, MAKERS], ids=["shipped", "extended"])
def test_it_asks_only_what_can_be_answered_and_reached(law: Law) -> None:
    for standing in OPEN:
        guide = guide_for(*standing, law)
        reached = {guide.first} | {answer.to for one in guide.questions.values() for answer in one.answers}
        assert reached - {""} == set(guide.questions)
        for question in guide.questions.values():
            assert len(question.answers) >= 2
            assert question.look
            assert all(text.german and text.english for text in (question.text, *question.look))
            for answer in question.answers:
                assert answer.text.german
                assert answer.text.english
                assert bool(answer.to) is (answer.then is None)


def test_a_finding_that_is_open_already_is_not_found_again() -> None:
    broken = Evidence().with_fault(OpenFault("connection-fault"))
    said = {answer.finding for answer in endings(guide_for(State.REVERSIBLE_FAULT, broken))}
    assert Finding(Says.FOUND, "connection-fault") not in said
    assert Finding(Says.CLEARED, "connection-fault") in said
    assert Finding(Says.CLEARED, "connection-fault") not in guide_for(State.OPERATION, Evidence()).findings


def test_a_module_that_the_gwa_has_terminated_is_no_breach() -> None:
    asked_for = Evidence.of(Fact.MODULE_TERMINATED)
    unasked = Finding(Says.FOUND, "module-terminated-unasked")
    assert unasked in guide_for(State.IRREVERSIBLE_FAULT, Evidence()).findings
    assert unasked not in guide_for(State.IRREVERSIBLE_FAULT, asked_for).findings


def test_nothing_is_offered_where_nobody_gets_in() -> None:
    for state in State:
        if state not in {State.OPERATION, State.REVERSIBLE_FAULT, State.IRREVERSIBLE_FAULT}:
            assert guide_for(state, Evidence()).findings == {NO_FINDING}


def test_a_law_that_lets_technicians_say_less_is_followed() -> None:
    mute = Law(
        catalogue=FAULTS.__class__(
            replace(fault, reported_by=fault.reported_by - {Role.SERVICETECHNIKER}) for fault in FAULTS.values()
        )
    )
    assert guide_for(State.OPERATION, Evidence(), mute).findings == {NO_FINDING}


def test_every_question_has_its_own_name() -> None:
    assert len({question.id for question in QUESTIONS}) == len(QUESTIONS)


@pytest.mark.parametrize("connected", [None, True, False])
def test_each_command_is_one_of_the_technicians_station(
    connected: bool | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for finding in {finding for standing in OPEN for finding in guide_for(*standing).findings}:
        program, group, name, *arguments = shlex.split(finding.command(GATEWAY, connected))
        assert (program, group, name) == ("smgw", "technician", "diagnose")
        told = diagnose.make_context(name, arguments).params
        assert told["gateway"] == GATEWAY
        assert told["out"] == Path("diagnosis.json")
        assert told["fault"] == (finding.fault if finding.says is Says.FOUND else None)
        assert told["cleared"] == (finding.fault if finding.says is Says.CLEARED else None)
        assert told["no_fault"] is (finding.says is Says.NOTHING)
        hidden = finding.says is Says.CLEARED and connected is False
        assert told["connected"] is (None if hidden else connected)
