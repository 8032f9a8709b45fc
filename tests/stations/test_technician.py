"""The Servicetechniker looks, signs, and opens the way to OUTAGE; it sees no reading and ends no module."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.technician import TechnicianPort
from lifecycle.desk import attest, move, report
from lifecycle.diagnosis import (
    Diagnosis,
    DiagnosisError,
    DiagnosisOrder,
    Findings,
    ModuleSight,
    mark_of,
    read_diagnosis,
)
from lifecycle.evidence import NOTHING, OpenFault
from lifecycle.facts import Fact
from lifecycle.functions import SHOWS_MEASURED_VALUES, Credential
from lifecycle.gate import Gate, Shut, shut_gate
from lifecycle.journal import read_entry
from lifecycle.law import Standing, Unlawful
from lifecycle.roles import Role
from lifecycle.states import Event, State
from lifecycle.store.engine import open_database
from lifecycle.store.repository import Repository
from securitymodule.coding import ModuleState
from securitymodule.errors import ModuleBusy, ModuleError, NoModule, ProtocolError
from securitymodule.statements import ModuleInformation
from stations.technician import Site, Technician
from tests.support.lives import GATEWAY, OTHER_GATEWAY, START, SettableClock, cast, live, shortest_way

POINT = b"\x04" + bytes(64)
OUT = OpenFault("functionless")
BROKEN = OpenFault("connection-fault")


def information(state: ModuleState = ModuleState.OPERATIONAL, point: bytes = POINT) -> ModuleInformation:
    """What a module says of itself."""
    return ModuleInformation("SM-1", state, 7, "1.0", (13,), 8, 8, point)


def failing(error: ModuleError) -> Callable[[], ModuleInformation]:
    """A module that cannot be asked."""

    def ask() -> ModuleInformation:
        raise error

    return ask


@dataclass
class Field:
    """A gateway in the field: its record, and the port that the technician plugs in to."""

    repository: Repository

    @property
    def technician(self) -> Technician:
        return Technician(cast()[Role.SERVICETECHNIKER], self.repository)

    @property
    def standing(self) -> Standing:
        return self.repository.kept(GATEWAY).standing

    @property
    def port(self) -> TechnicianPort:
        return TechnicianPort(lambda: Gate(*self.standing))

    def site(self, *, connected: bool | None = None, module: Callable[[], ModuleInformation] = information) -> Site:
        return Site(GATEWAY, self.port, module, POINT, connected)

    def dead(self, module: Callable[[], ModuleInformation] | None = None) -> Site:
        return Site(GATEWAY, None, module, POINT)

    def order(self) -> bytes:
        return DiagnosisOrder(GATEWAY, self.repository.clock(), "00" * 16).signed(cast()[Role.GWA])


@pytest.fixture
def field(tmp_path: Path) -> Field:
    repository = Repository(
        open_database(f"sqlite:///{tmp_path / 'smgw.db'}"), cast().trust, cast().keeper, clock=SettableClock()
    )
    live(repository, shortest_way(State.OPERATION))
    return Field(repository)


def test_a_functionless_gateway_is_told_from_a_broken_connection(field: Field) -> None:
    gwa = cast()[Role.GWA]
    field.repository.act(GATEWAY, gwa, report(gwa, BROKEN.name))
    field.repository.act(GATEWAY, gwa, move(gwa, Event.ENTER_REVERSIBLE_FAULT))
    with pytest.raises(Unlawful):
        field.repository.act(GATEWAY, gwa, move(gwa, Event.ENTER_OUTAGE))
    order = field.order()
    document = field.technician.diagnose(field.dead(), order)
    told, actor = read_diagnosis(document, cast().trust)
    assert actor == cast()[Role.SERVICETECHNIKER].actor
    assert (told.order, told.fault) == (mark_of(order), OUT)
    assert told.findings == Findings(False, connected=False)
    assert OUT in field.standing.evidence.faults
    entry = read_entry(field.repository.entries(GATEWAY)[-1].body)
    assert entry.actor == actor
    assert entry.payload["detail"] == {
        "diagnosis": mark_of(document),
        "order": mark_of(order),
        "findings": told.findings.told(),
    }
    field.repository.act(GATEWAY, gwa, move(gwa, Event.ENTER_OUTAGE))


def test_a_diagnosis_is_made_again_and_recorded_once(field: Field) -> None:
    first = field.technician.diagnose(field.dead())
    entries = len(field.repository.entries(GATEWAY))
    assert field.technician.diagnose(field.dead()) == first or mark_of(first)
    assert len(field.repository.entries(GATEWAY)) == entries


def test_a_connection_is_mended_on_site(field: Field) -> None:
    gwa = cast()[Role.GWA]
    field.repository.act(GATEWAY, gwa, report(gwa, BROKEN.name))
    document = field.technician.diagnose(field.site(), cleared=BROKEN)
    told, _ = read_diagnosis(document, cast().trust)
    assert (told.cleared, told.fault, told.findings.connected) == (BROKEN, None, True)
    assert not field.standing.evidence.faults
    entries = len(field.repository.entries(GATEWAY))
    field.technician.diagnose(field.site(), cleared=BROKEN)  # cut short before the document was handed over
    assert len(field.repository.entries(GATEWAY)) == entries
    with pytest.raises(Unlawful, match="disk-full to be open"):
        field.technician.diagnose(field.site(), cleared=OpenFault("disk-full"))


@pytest.mark.parametrize(
    ("module", "sight", "fault"),
    [
        (information, ModuleSight.PRESENT, None),
        (failing(ModuleBusy("in use")), ModuleSight.PRESENT, None),
        (failing(NoModule("an empty reader")), ModuleSight.ABSENT, "module-absent"),
        (failing(ProtocolError("noise")), ModuleSight.DAMAGED, "module-integrity-lost"),
        (lambda: information(point=b"\x04" + bytes([1] * 64)), ModuleSight.EXCHANGED, "module-integrity-lost"),
        (lambda: information(ModuleState.TERMINATED), ModuleSight.TERMINATED, "module-terminated-unasked"),
    ],
)
def test_what_is_seen_of_the_module(
    field: Field, module: Callable[[], ModuleInformation], sight: ModuleSight, fault: str | None
) -> None:
    document = field.technician.diagnose(field.site(module=module))
    told, _ = read_diagnosis(document, cast().trust)
    assert told.findings.module is sight
    assert told.findings.state is State.OPERATION
    assert (told.fault.name if told.fault else None) == fault
    assert [open_.name for open_ in field.standing.evidence.faults] == ([fault] if fault else [])


def test_a_module_that_the_gwa_has_terminated_is_no_fault(field: Field) -> None:
    gwa = cast()[Role.GWA]
    field.repository.act(GATEWAY, gwa, attest(gwa, Fact.MODULE_TERMINATED))
    told, _ = read_diagnosis(
        field.technician.diagnose(field.site(module=lambda: information(ModuleState.TERMINATED))), cast().trust
    )
    assert told.fault is None
    assert told.findings.refused == ("interface-on",)  # with the module every interface is off


def test_what_findings_come_to(field: Field) -> None:
    operating = Standing(State.OPERATION, NOTHING)
    judge = field.technician.judge
    assert judge(Findings(True, State.OPERATION, connected=True), operating) is None
    assert judge(Findings(True, State.OPERATION), operating) is None
    assert judge(Findings(True, State.OPERATION, connected=False), operating) == BROKEN
    assert judge(Findings(False), operating) == OUT
    assert judge(Findings(False, refused=("gate-shut",)), operating) == OpenFault("record-integrity-lost")
    assert judge(Findings(False, refused=("interface-on",)), operating) is None
    assert judge(Findings(False), Standing(State.OUTAGE, NOTHING)) is None


def test_an_integrity_failure_is_seen_at_the_port(field: Field) -> None:
    shut = TechnicianPort(lambda: shut_gate(Shut.INTEGRITY_FAILURE))
    told, _ = read_diagnosis(field.technician.diagnose(Site(GATEWAY, shut)), cast().trust)
    assert told.fault == OpenFault("record-integrity-lost")
    assert told.findings.module is ModuleSight.UNSEEN


def test_the_technician_may_know_better(field: Field) -> None:
    told, _ = read_diagnosis(
        field.technician.diagnose(field.site(connected=False), fault=OpenFault("connection-beyond-repair")),
        cast().trust,
    )
    assert told.fault == OpenFault("connection-beyond-repair")
    quiet, _ = read_diagnosis(field.technician.diagnose(field.dead(), by_itself=False), cast().trust)
    assert quiet.fault is None


def test_what_only_others_see_it_cannot_report(field: Field) -> None:
    for name in ("calibration-log-full", "disk-full", "no-such-fault"):
        with pytest.raises(Unlawful):
            field.technician.diagnose(field.site(), fault=OpenFault(name))
    assert not field.standing.evidence.faults


def test_it_neither_ends_a_module_nor_moves_a_gateway(field: Field) -> None:
    technician = cast()[Role.SERVICETECHNIKER]
    assert technician.actor.on_behalf_of is Role.GWA
    with pytest.raises(Unlawful, match="needs GWA; found SERVICETECHNIKER for GWA"):
        field.repository.act(GATEWAY, technician, attest(technician, Fact.MODULE_TERMINATED))
    field.technician.diagnose(field.dead())
    with pytest.raises(Unlawful, match="found SERVICETECHNIKER for GWA"):
        field.repository.act(GATEWAY, technician, move(technician, Event.ENTER_OUTAGE))


def test_it_is_shown_no_measured_value_anywhere() -> None:
    for state in State:
        opened = Gate(state, NOTHING).opened
        assert not any(
            grant.role is Role.SERVICETECHNIKER for grant in opened if grant.function in SHOWS_MEASURED_VALUES
        )
    status = TechnicianPort(lambda: Gate(State.OPERATION, NOTHING)).status(Credential.TECHNICIAN_CERTIFICATE)
    assert {member for member in dir(status) if not member.startswith("_")} == {"state", "faults"}


def test_an_order_for_another_gateway_is_refused(field: Field) -> None:
    other = DiagnosisOrder(OTHER_GATEWAY, START, "00" * 16).signed(cast()[Role.GWA])
    with pytest.raises(DiagnosisError, match=f"to look at {OTHER_GATEWAY}"):
        field.technician.diagnose(field.dead(), other)
    with pytest.raises(DiagnosisError, match="not by MSB"):
        field.technician.diagnose(field.dead(), DiagnosisOrder(GATEWAY, START, "00" * 16).signed(cast()[Role.MSB]))
    assert not field.standing.evidence.faults


def test_others_make_no_diagnosis(field: Field) -> None:
    with pytest.raises(DiagnosisError, match="not by a GWA"):
        Technician(cast()[Role.GWA], field.repository)
    forged = Diagnosis(GATEWAY, "", START, Findings(False), OUT).signed(cast()[Role.GWA])
    with pytest.raises(DiagnosisError, match="signed by a SERVICETECHNIKER, not by GWA"):
        read_diagnosis(forged, cast().trust)
