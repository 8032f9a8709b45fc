"""The installer's works: planned, refused in the law's own words, done once, gone on with after a cut."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lifecycle.desk import attest, move
from lifecycle.facts import Fact
from lifecycle.law import Unlawful
from lifecycle.parties import PartyError
from lifecycle.phases import PHASES
from lifecycle.roles import Role
from lifecycle.states import Event, State
from lifecycle.store.errors import ConflictError, IdempotencyError, UnknownGatewayError
from lifecycle.store.replicas import replay_kept
from lifecycle.store.repository import Repository
from stations.installer.works import _STAGES, STAGE_OF, WORKS, Installer, Refusal, Stage, Work, look_at
from tests.stations.installer.conftest import DEVICES, PARTIES, dump
from tests.support.lives import GATEWAY, OTHER_GATEWAY, cast
from tests.support.processes import at_once

Brought = Callable[[State], Installer]
MSB, MONTEUR, GWA, DEVICE = (cast()[role] for role in (Role.MSB, Role.MONTEUR, Role.GWA, Role.GATEWAY))
KEY = "a-key-of-a-form"


def handed_over_by_msb(installer: Installer) -> None:
    """The MSB hands the gateway over."""
    installer.repository.act(GATEWAY, MSB, attest(MSB, Fact.MSB_HANDED_OVER_TO_MONTEUR))


def stages(installer: Installer, tested: bool = False) -> dict[Stage, bool]:
    """Which stages are done."""
    return {step.stage: step.done for step in look_at(installer, GATEWAY, lambda _: tested).stages}


def test_every_work_and_every_stage_is_described() -> None:
    assert set(WORKS) == set(Work)
    assert set(_STAGES) == set(Stage)
    assert set(STAGE_OF) == set(Work)


def test_the_way_into_the_cellar_is_signed_step_by_step(standing_in: Brought) -> None:
    installer = standing_in(State.FIRST_DELIVERY)
    assert not any(stages(installer).values())
    handed_over_by_msb(installer)
    done = [
        installer.do(GATEWAY, work)
        for work in (Work.TAKE_OVER, Work.ARRIVE, Work.MOUNT, Work.NOT_NEEDED, Work.HAND_OVER)
    ]
    assert [(each.state, len(each.entries)) for each in done] == [
        (State.FIRST_DELIVERY, 1),
        (State.FIRST_INSTALLATION, 2),
        (State.FIRST_INSTALLATION, 1),
        (State.FIRST_INSTALLATION, 1),
        (State.FIRST_INSTALLATION, 1),
    ]
    assert [entry.actor.role for each in done for entry in each.entries] == [Role.MONTEUR] * 5 + [Role.GATEWAY]
    assert {stage for stage, is_done in stages(installer).items() if not is_done} == {Stage.TESTED}
    # The GWA can go on from here, and the record is lawful.
    installer.repository.act(GATEWAY, GWA, move(GWA, Event.BEGIN_PERSONALISATION))
    assert replay_kept(installer.repository, GATEWAY).ok


@pytest.mark.parametrize(
    ("state", "work", "condition", "words"),
    [
        (State.FIRST_DELIVERY, Work.TAKE_OVER, "fact-in-order", "no MSB_HANDED_OVER_TO_MONTEUR"),
        (State.FIRST_DELIVERY, Work.ARRIVE, "fact-in-order", "no MONTEUR_TOOK_OVER"),
        (State.FIRST_DELIVERY, Work.MOUNT, "fact-in-its-state", "state FIRST_DELIVERY"),
        (State.PERSONALISATION, Work.CONFIGURE, "fact-in-its-state", "state PERSONALISATION"),
        (State.PERSONALISATION, Work.NOT_NEEDED, "fact-in-its-state", "state PERSONALISATION"),
        (State.FIRST_INSTALLATION, Work.HAND_OVER, "mounted", "not on record: MOUNTED"),
        (State.FIRST_INSTALLATION, Work.HAND_OVER, "communication-parameters", "none on record of"),
        (State.PERSONALISATION, Work.HAND_OVER, "fact-in-its-state", "state PERSONALISATION"),
        (State.OPERATION, Work.REMOVE_FOR_SCRAPPING, "certificates-revoked", "EVERY_CERTIFICATE_REVOKED"),
        (State.OPERATION, Work.REMOVE_FOR_SM_DESTRUCTION, "way-out-named", "REMOVE_FOR_SM_DESTRUCTION"),
        (State.REVERSIBLE_FAULT, Work.REMOVE_FOR_SCRAPPING, "way-out-named", "REMOVE_FOR_SCRAPPING"),
        (State.OUTAGE, Work.REPORT_REMOVED, "fact-in-its-state", "state OUTAGE"),
        (State.DELIVERY_FOR_SCRAPPING, Work.REPORT_REMOVED, "fact-once", "REMOVAL_COMPLETE on record already"),
    ],
)
def test_a_refusal_is_in_the_laws_own_words_and_changes_nothing(
    standing_in: Brought, state: State, work: Work, condition: str, words: str
) -> None:
    installer = standing_in(state)
    before = dump(installer.repository)
    with pytest.raises(Unlawful) as refused:
        installer.do(GATEWAY, work, key=KEY)
    reasons = {reason.condition: reason for reason in refused.value.refused.reasons}
    assert words in reasons[condition].found
    assert reasons[condition].chapter
    assert dump(installer.repository) == before
    asked = installer.ask(GATEWAY, work)
    assert isinstance(asked, Refusal)
    assert asked.refused == refused.value.refused


def test_a_plan_says_what_will_be_signed_and_signs_nothing(standing_in: Brought) -> None:
    installer = standing_in(State.FIRST_DELIVERY)
    handed_over_by_msb(installer)
    installer.do(GATEWAY, Work.TAKE_OVER)
    before = dump(installer.repository)
    plan = installer.plan(GATEWAY, Work.ARRIVE)
    assert [(each.what, each.actor, each.state) for each in plan.signings] == [
        (Fact.ARRIVED_IN_FIELD, MONTEUR.actor, State.FIRST_DELIVERY),
        (Event.BEGIN_FIRST_INSTALLATION, MONTEUR.actor, State.FIRST_INSTALLATION),
    ]
    assert dump(installer.repository) == before


def test_the_removal_says_what_the_anlage_recommends(standing_in: Brought) -> None:
    installer = standing_in(State.OUTAGE)
    installer.repository.act(GATEWAY, GWA, attest(GWA, Fact.EVERY_CERTIFICATE_REVOKED))
    assert installer.plan(GATEWAY, Work.REMOVE_FOR_SCRAPPING).against_advice
    assert not installer.plan(GATEWAY, Work.REMOVE_FOR_SM_DESTRUCTION).against_advice
    assert installer.do(GATEWAY, Work.REMOVE_FOR_SM_DESTRUCTION).state is State.REMOVAL_FOR_SM_DESTRUCTION
    assert installer.do(GATEWAY, Work.REPORT_REMOVED).entries[0].payload == {"fact": "REMOVAL_COMPLETE"}
    assert stages(installer) == {Stage.REMOVAL_BEGUN: True, Stage.REMOVED: True}


def test_a_removal_without_a_terminated_module_is_lawful_and_told(standing_in: Brought) -> None:
    installer = standing_in(State.OPERATION)
    installer.repository.act(GATEWAY, GWA, attest(GWA, Fact.EVERY_CERTIFICATE_REVOKED))
    assert installer.plan(GATEWAY, Work.REMOVE_FOR_SCRAPPING).unmet == ("module-terminated",)
    done = installer.do(GATEWAY, Work.REMOVE_FOR_SCRAPPING)
    assert done.entries[0].payload["recommended_unmet"] == ["module-terminated"]


def test_the_same_command_acts_once_even_at_once(standing_in: Brought) -> None:
    installer = standing_in(State.FIRST_INSTALLATION)
    end = installer.kept(GATEWAY).position.sequence
    results = at_once(*[lambda: installer.do(GATEWAY, Work.MOUNT, key=KEY)] * 6)
    assert sorted(result.repeated for result in results) == [False] + [True] * 5
    assert all(result.entries == results[0].entries for result in results)
    assert installer.kept(GATEWAY).position.sequence == end + 1
    with pytest.raises(IdempotencyError, match="for something else"):
        installer.do(GATEWAY, Work.NOT_NEEDED, key=KEY)
    with pytest.raises(Unlawful, match="fact-once"):
        installer.do(GATEWAY, Work.MOUNT, key="another-key")


def test_what_was_cut_short_is_gone_on_with(standing_in: Brought) -> None:
    """Arrival is two entries; after the first the power goes."""
    installer = standing_in(State.FIRST_DELIVERY)
    handed_over_by_msb(installer)
    installer.do(GATEWAY, Work.TAKE_OVER)
    installer.repository.act(GATEWAY, MONTEUR, attest(MONTEUR, Fact.ARRIVED_IN_FIELD))
    assert not stages(installer)[Stage.ARRIVED]
    plan = installer.plan(GATEWAY, Work.ARRIVE)
    assert [each.what for each in plan.signings] == [Event.BEGIN_FIRST_INSTALLATION]
    assert installer.do(GATEWAY, Work.ARRIVE).state is State.FIRST_INSTALLATION


def test_somebody_who_writes_between_is_heard(standing_in: Brought, monkeypatch: pytest.MonkeyPatch) -> None:
    """The place in the chain is taken once: the step is decided and signed again at the new end."""
    installer = standing_in(State.FIRST_INSTALLATION)
    append, tries = Repository.append, []

    def late(self: Repository, signed: object, *rest: object, **options: object) -> object:
        tries.append(signed)
        if len(tries) == 1:
            configurator = cast()[Role.ERSTKONFIGURATOR]
            self.act(GATEWAY, configurator, attest(configurator, Fact.COMMUNICATION_PARAMETERS_SET))
        return append(self, signed, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Repository, "append", late)
    installer.do(GATEWAY, Work.MOUNT, key=KEY)
    assert len(tries) == 2
    assert replay_kept(installer.repository, GATEWAY).ok

    def never(*_: object, **__: object) -> object:
        raise ConflictError("another was first")

    monkeypatch.setattr(Repository, "append", never)
    with pytest.raises(ConflictError):
        installer.do(GATEWAY, Work.HAND_OVER)


def test_whose_key_is_missing_cannot_be_signed_for(home: Repository, standing_in: Brought) -> None:
    standing_in(State.FIRST_INSTALLATION)
    nobody = Installer(home, {})
    before = dump(home)
    assert nobody.plan(GATEWAY, Work.MOUNT).signings[0].actor.name == ""
    with pytest.raises(PartyError, match=f"no key of MONTEUR for MSB at hand for {GATEWAY}"):
        nobody.do(GATEWAY, Work.MOUNT)
    other = Installer(home, PARTIES, {OTHER_GATEWAY: cast().acting(Role.GATEWAY, OTHER_GATEWAY)})
    other.do(GATEWAY, Work.MOUNT)
    other.do(GATEWAY, Work.NOT_NEEDED)
    with pytest.raises(PartyError, match="no key of GATEWAY"):
        other.do(GATEWAY, Work.HAND_OVER)
    assert len(dump(home)["entries"]) == len(before["entries"]) + 2


def test_an_unknown_gateway_is_unknown(home: Repository) -> None:
    with pytest.raises(UnknownGatewayError):
        look_at(Installer(home, PARTIES, DEVICES), GATEWAY, lambda _: False)


@pytest.mark.parametrize("state", list(State))
def test_every_state_can_be_looked_at(standing_in: Brought, state: State) -> None:
    """What is open is lawful, what is not names its chapter, and the connection test follows the gate."""
    installer = standing_in(state)
    view = look_at(installer, GATEWAY, lambda _: False)
    assert view.standing.state is state
    assert view.removing == (PHASES[state].chapter > 10)
    for step in view.stages:
        assert step.testable == (step.stage is Stage.TESTED and state is State.FIRST_INSTALLATION)
        for choice in step.choices:
            if choice.refusal is not None:
                assert all(reason.chapter for reason in choice.refusal.refused.reasons)
            else:
                installer.plan(GATEWAY, choice.work)


def test_the_connection_test_is_shut_once_the_local_interface_is_off(standing_in: Brought) -> None:
    installer = standing_in(State.FIRST_INSTALLATION)
    for work in (Work.MOUNT, Work.NOT_NEEDED, Work.HAND_OVER):
        installer.do(GATEWAY, work)
    view = look_at(installer, GATEWAY, lambda _: False)
    assert not any(step.testable for step in view.stages)
    assert view.next is None
