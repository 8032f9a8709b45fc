"""The gateway asks at every door, in every state, under every fault; it keeps record and module together."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import gateway as gateway_package
from gateway.core import Gateway, RecordHead
from gateway.door import DOOR_ATTRIBUTE, Door
from gateway.evidence import ATTESTATION, EvidenceError, ModuleWitness
from gateway.lmn.device_id import server_id_from_device_id
from gateway.lmn.hdlc import HdlcAddress, encode_frame
from gateway.lmn.hdlc_link import HdlcDecoder, HdlcMessage
from gateway.lmn.lines import MAX_LINES, LineError
from gateway.module import DeviceError, NoModuleConfigured
from lifecycle.desk import attest, move, report
from lifecycle.evidence import NOTHING, OpenFault
from lifecycle.facts import Fact
from lifecycle.faults import FAULTS
from lifecycle.functions import HANDLES_READINGS, Credential
from lifecycle.gate import Closed, Gate, Shut
from lifecycle.journal import read_entry
from lifecycle.law import Standing, Unlawful
from lifecycle.parties import OperationsAuthority, Party, Trust
from lifecycle.replay import replay
from lifecycle.roles import ROLES, Role
from lifecycle.states import Event, State
from lifecycle.store.engine import open_database
from lifecycle.store.errors import StoreError
from lifecycle.store.repository import Repository
from securitymodule.coding import FileId, ModuleState
from securitymodule.errors import CommandRefused, ModuleBusy
from stations.meter import HouseholdMeter
from tests.support.daily import ANNA, BERT, EXPORT, IMPORT, METER, POWER, house
from tests.support.gateways import INTEGRATOR_PIN, TRANSPORT_PIN, At, CutConnection, Device, PowerCut

ID = "EXXX0012345678"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
METER_SERVER_ID = server_id_from_device_id(METER).hex()
MESSAGE = next(
    event
    for event in HdlcDecoder().feed(encode_frame(HdlcAddress(16), HdlcAddress(17), 0x13, b"no SML"))
    if isinstance(event, HdlcMessage)
)
READ_THERE = {State.OPERATION, State.REVERSIBLE_FAULT, State.IRREVERSIBLE_FAULT}
FAULTY = {State.OPERATION, State.REVERSIBLE_FAULT, State.IRREVERSIBLE_FAULT, State.OUTAGE}

NOT_DOORS = {
    "Gateway": {
        "act": "asks the law, not the gate: it is what moves the gate",
        "attest": "as act",
        "start": "checks itself before anything else, and can only shut",
        "distrust": "shuts everything, and opens nothing",
        "on_change": "tells that the gate may have changed; opens nothing",
        "module": "for the subsystems inside, which are asked at their own doors",
        "record_head_in_module": "for the self-test inside: reads where the record ends, by the module's word",
        "write_record_head": "for the self-test inside: tells the module where the record ends",
        "close": "lets go of the module",
        "repository": "the record, which is there to be read and asks the law itself",
        "local": "its functions have doors of their own",
        "administration": "its functions have doors of their own",
        "certificates": "for the subsystems inside: what is in the module, by its public side",
        "logs": "they have doors of their own",
        "metering": "the lists have doors of their own",
        "tariffs": "the rule sets have doors of their own",
        "technician": "it has doors of its own",
        "profiles": "for the subsystems inside, which are asked at their own doors",
        "use_profiles": "for whoever starts the gateway, from its configuration; what they open is behind doors",
        "keep_up": "nobody's call but the gateway's own: what it does is asked for at the doors inside",
        "consumer_data": "what the doors of the HAN interface lead to",
    },
    "LocalFunctions": {
        "present_integrator_pin": "the module checks the PIN; what it opens is behind doors",
        "end_session": "shuts what a PIN opened",
        "integrator_present": "says whether the PIN was presented in this session",
    },
}
"""What is public of a class with a gate before it and is no entry point, each with the reason."""


@cache
def gated_classes() -> list[type]:
    """Every class of the package that has a gate before it, or a door in it."""
    found: dict[str, type] = {}
    for module in pkgutil.walk_packages(gateway_package.__path__, "gateway."):
        for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            doors = [value for value in vars(kind).values() if hasattr(value, DOOR_ATTRIBUTE)]
            has_gate = callable(vars(kind).get("gate")) and not getattr(kind, "_is_protocol", False)
            if kind.__module__.startswith("gateway.") and (doors or has_gate):
                found[kind.__qualname__] = kind
    return list(found.values())


def public_methods(kind: type) -> Iterator[tuple[str, Any]]:
    """What can be called, or asked for as a property, from outside."""
    for name, member in inspect.getmembers(kind, lambda member: callable(member) or isinstance(member, property)):
        if not name.startswith("_"):
            yield name, member


def entry_points() -> list[tuple[type, str, Door]]:
    """Every entry point of the package with what it declares."""
    return [
        (kind, name, getattr(method, DOOR_ATTRIBUTE))
        for kind in gated_classes()
        for name, method in public_methods(kind)
        if hasattr(method, DOOR_ATTRIBUTE)
    ]


@pytest.fixture(scope="module")
def authority() -> OperationsAuthority:
    return OperationsAuthority.create(clock=lambda: NOW - timedelta(days=1))


@pytest.fixture
def repository(tmp_path: Path, authority: OperationsAuthority) -> Repository:
    keeper = authority.enrol(Role.KEEPER, "keeper", clock=lambda: NOW - timedelta(days=1))
    engine = open_database(f"sqlite:///{tmp_path / 'smgw.db'}")
    kept = Repository(engine, Trust(authority.certificate), keeper, clock=lambda: NOW)
    kept.register(ID)
    return kept


@pytest.fixture
def gwh(authority: OperationsAuthority) -> Party:
    return authority.enrol(Role.GWH, "Line 3", clock=lambda: NOW - timedelta(days=1))


@pytest.fixture
def frame() -> bytes:
    return HouseholdMeter("1EMH0012345678", NOW - timedelta(days=1), seed=1).frame_at(NOW)


def at(repository: Repository, monkeypatch: pytest.MonkeyPatch, standing: Standing) -> None:
    """Have the record say that the gateway stands here."""
    kept = replace(repository.kept(ID), standing=standing)
    monkeypatch.setattr(repository, "kept", lambda _gateway: kept)


ARGUMENTS: dict[str, Callable[[Gateway, Credential], Any]] = {
    "receive": lambda gateway, credential: gateway.receive(credential, b""),
    "receive_message": lambda gateway, credential: gateway.receive_message(credential, MESSAGE, line="bus"),
    "test_itself": lambda gateway, credential: gateway.test_itself(credential),
}
"""What the entry points of a gateway without a module are called with."""


def faults() -> list[OpenFault]:
    """Each fault of the catalogue, open."""
    return [OpenFault(name, "consumer-1" if fault.per_subject else "") for name, fault in FAULTS.items()]


def standings() -> list[Standing]:
    """Every state; those in which faults can be open, under each of them too."""
    every = [Standing(state, NOTHING) for state in State]
    return every + [Standing(state, NOTHING.with_fault(fault)) for state in FAULTY for fault in faults()]


def test_every_public_method_declares_its_function_or_says_why_not() -> None:
    for kind in gated_classes():
        excepted = {*NOT_DOORS.get(kind.__qualname__, {}), "gate"}  # what answers what is open, and opens nothing
        undeclared = {name for name, method in public_methods(kind) if not hasattr(method, DOOR_ATTRIBUTE)}
        assert undeclared == excepted, f"{kind.__qualname__} has public methods that ask at no door"


def test_nobody_is_excepted_who_is_not_there() -> None:
    assert NOT_DOORS.keys() <= {kind.__qualname__ for kind in gated_classes()}


@pytest.mark.parametrize(
    ("kind", "name", "door"), [pytest.param(*each, id=f"{each[0].__name__}.{each[1]}") for each in entry_points()]
)
def test_every_door_opens_just_where_the_gate_says(kind: type, name: str, door: Door) -> None:
    """Whoever is let in is let in to a call with far too many arguments, which ends before anything of it has run."""
    gates: list[Gate] = []
    behind = type(kind.__name__, (kind,), {"gate": lambda _self: gates[-1]})
    method = getattr(object.__new__(behind), name)
    opened = set()
    for standing in standings():
        gates.append(Gate(*standing))
        for credential in Credential:
            asked = door.ask(gates[-1], credential)
            with pytest.raises(TypeError if asked else Closed) as raised:
                method(credential, *range(50))
            if asked:
                assert "positional argument" in str(raised.value)
                assert credential in ROLES[door.role].credentials
                opened.add(standing.state)
            else:
                assert isinstance(raised.value, Closed)
                assert raised.value.refused == asked
    assert opened
    if door.function in HANDLES_READINGS:
        assert opened <= READ_THERE


@pytest.mark.parametrize("shut", Shut)
def test_nothing_opens_behind_a_gate_that_is_shut(shut: Shut) -> None:
    for kind, name, door in entry_points():
        behind = type(kind.__name__, (kind,), {"gate": lambda _self: Gate(State.OPERATION, NOTHING, shut)})
        for credential in ROLES[door.role].credentials:
            with pytest.raises(Closed):
                getattr(object.__new__(behind), name)(credential)


def test_a_gateway_without_a_module_is_walked_for_real(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = Gateway(ID, repository)
    for standing in standings():
        at(repository, monkeypatch, standing)
        for kind, name, door in entry_points():
            if kind is not Gateway or name not in ARGUMENTS:
                continue
            for credential in ROLES[door.role].credentials:
                asked = door.ask(Gate(*standing), credential)
                if asked:
                    ARGUMENTS[name](gateway, credential)
                else:
                    with pytest.raises(Closed) as closed:
                        ARGUMENTS[name](gateway, credential)
                    assert closed.value.refused == asked


def test_a_reading_walks_from_the_wire_to_the_list(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, frame: bytes
) -> None:
    gateway = Gateway(ID, repository, profiles=house())
    at(repository, monkeypatch, Standing(State.OPERATION, NOTHING))
    half = len(frame) // 2
    assert gateway.receive(Credential.METER_CERTIFICATE, frame[:half]).events == ()
    received = gateway.receive(Credential.METER_CERTIFICATE, frame[half:])
    assert len(received.events) == 1
    assert {capture.reading.obis for capture in received.captures} == {IMPORT, EXPORT, POWER}
    assert received.kept == 1, "only what a contract needs is kept"
    (entry,) = gateway.metering.own_entries(Credential.CONSUMER_PASSWORD, ANNA, METER_SERVER_ID, IMPORT.hex())
    assert (entry.captured, entry.target, entry.consumer) == (NOW, NOW, ANNA)
    assert entry.value == HouseholdMeter(METER, NOW - timedelta(days=1), seed=1).energy_at(NOW)[0]
    assert not gateway.metering.own_entries(Credential.CONSUMER_PASSWORD, BERT, METER_SERVER_ID, IMPORT.hex())


def test_bytes_that_arrive_at_a_shut_gate_are_gone(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, frame: bytes
) -> None:
    gateway = Gateway(ID, repository, profiles=house())
    half = len(frame) // 2
    at(repository, monkeypatch, Standing(State.OPERATION, NOTHING.with_fault(OpenFault("disk-full"))))
    with pytest.raises(Closed, match="disk-full is open"):
        gateway.receive(Credential.METER_KEY, frame[:half])
    at(repository, monkeypatch, Standing(State.OPERATION, NOTHING))
    received = gateway.receive(Credential.METER_KEY, frame[half:])
    assert not received.captures
    assert not gateway.metering.own_entries(Credential.CONSUMER_PASSWORD, ANNA, METER_SERVER_ID, IMPORT.hex())


def test_while_a_transition_is_made_everything_is_shut(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, gwh: Party
) -> None:
    gateway = Gateway(ID, repository)
    seen: list[Gate] = []
    acting = repository.act

    def look_meanwhile(*args: Any, **kwargs: Any) -> Any:
        seen.append(gateway.gate())
        return acting(*args, **kwargs)

    monkeypatch.setattr(repository, "act", look_meanwhile)
    gateway.act(gwh, attest(gwh, Fact.DEVELOPMENT_COMPLETE))
    gateway.act(gwh, move(gwh, Event.BEGIN_PRODUCTION))
    assert [gate.shut for gate in seen] == [Shut.TRANSITION_IN_PROGRESS] * 2
    assert gateway.gate().shut is None
    assert gateway.gate().state is State.PRODUCTION


def test_a_refused_step_leaves_the_gate_as_it_was(repository: Repository, gwh: Party) -> None:
    gateway = Gateway(ID, repository)
    before = repository.kept(ID)
    with pytest.raises(Unlawful):
        gateway.act(gwh, report(gwh, "disk-full"))
    assert repository.kept(ID) == before
    assert gateway.gate().shut is None


def test_a_state_that_cannot_be_read_opens_nothing(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = Gateway(ID, repository)

    def unreadable(_gateway: str) -> None:
        raise OSError("input/output error")

    monkeypatch.setattr(repository, "kept", unreadable)
    assert gateway.gate().shut is Shut.STATE_UNREADABLE
    with pytest.raises(Closed, match="the state cannot be read"):
        gateway.metering.own_entries(Credential.CONSUMER_PASSWORD, ANNA, METER_SERVER_ID, IMPORT.hex())


def test_a_broken_record_shuts_everything(repository: Repository, gwh: Party) -> None:
    repository.act(ID, gwh, attest(gwh, Fact.DEVELOPMENT_COMPLETE))
    with repository.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE entries SET body = replace(body, 'Line 3', 'Line 4')")
    gateway = Gateway(ID, repository)
    assert gateway.gate().shut is Shut.INTEGRITY_FAILURE


def test_a_gateway_listens_to_a_bounded_number_of_lines(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = Gateway(ID, repository)
    at(repository, monkeypatch, Standing(State.OPERATION, NOTHING))
    for number in range(MAX_LINES):
        gateway.receive(Credential.METER_KEY, b"", line=f"lmn{number}")
    with pytest.raises(LineError, match=f"listens to {MAX_LINES}"):
        gateway.receive(Credential.METER_KEY, b"", line="one too many")


def test_a_keeper_whose_certificate_has_ended_takes_nothing(
    repository: Repository, authority: OperationsAuthority
) -> None:
    later = NOW + timedelta(days=731)
    gwh = authority.enrol(Role.GWH, "Line 4", clock=lambda: later - timedelta(days=1))
    repository.clock = lambda: later
    with pytest.raises(StoreError, match="the keeper cannot sign heads"):
        repository.act(ID, gwh, attest(gwh, Fact.DEVELOPMENT_COMPLETE))
    assert repository.kept(ID).position.sequence == 0


# With a security module


def head_of(device: Device) -> RecordHead:
    """The end of the record."""
    position = device.repository.kept(device.id).position
    return RecordHead(position.sequence, position.hash)


def test_a_gateway_without_a_module_says_so(repository: Repository, gwh: Party) -> None:
    with Gateway(ID, repository) as gateway:
        for ask in (
            gateway.module,
            gateway.record_head_in_module,
            gateway.write_record_head,
            lambda: gateway.local,
            lambda: gateway.administration,
            lambda: gateway.certificates,
        ):
            with pytest.raises(NoModuleConfigured, match="no security module is configured"):
                ask()
        gateway.act(gwh, attest(gwh, Fact.DEVELOPMENT_COMPLETE))
        gateway.act(gwh, move(gwh, Event.BEGIN_PRODUCTION))
        with pytest.raises(NoModuleConfigured):
            gateway.attest(gwh, Fact.MODULE_INITIALISED)
    assert gateway.configuration is None


def test_a_module_takes_a_folder(at: At) -> None:
    device = at(State.DEVELOPMENT)
    with pytest.raises(DeviceError, match="has a folder"):
        Gateway(device.id, device.repository, slot=device.slot)


def test_the_module_is_opened_once_and_let_go(at: At) -> None:
    device = at(State.PREPERSONALISATION_2)
    gateway = device.gateway
    module = gateway.module()
    assert gateway.module() is module
    with pytest.raises(ModuleBusy):
        device.slot.open()
    gateway.close()
    gateway.close()
    with device.slot.open() as other:
        assert other.is_secure
    with gateway:
        assert gateway.module().information().state is ModuleState.READY
    device.slot.open().close()


def test_a_broken_channel_is_made_anew(at: At) -> None:
    device = at(State.PREPERSONALISATION_2)
    gateway = device.gateway
    power = CutConnection(device.slot.directory)
    device.slot.wrap = power
    broken = gateway.module()
    power.left = 0
    with pytest.raises(PowerCut):
        broken.challenge(8)
    device.slot.wrap = lambda connection: connection
    assert len(gateway.module().challenge(8)) == 8
    assert gateway.module() is not broken


def test_the_module_keeps_the_head_of_the_record(at: At) -> None:
    device = at(State.PREPERSONALISATION_2)
    gateway = device.gateway
    assert gateway.record_head_in_module() is None
    assert gateway.write_record_head()
    assert gateway.record_head_in_module() == head_of(device)
    device.work()
    assert gateway.record_head_in_module() == head_of(device)
    device.move(Role.GWH, Event.DISPATCH_TO_MSB)
    assert gateway.record_head_in_module() == head_of(device)
    gateway.close()
    device.work()  # the module is not open: it is not opened for this
    assert gateway.record_head_in_module() != head_of(device)
    assert gateway.write_record_head()
    assert gateway.record_head_in_module() == head_of(device)


def test_a_module_that_is_ahead_of_the_record_is_not_put_back(at: At) -> None:
    device = at(State.PREPERSONALISATION_2)
    gateway = device.gateway
    gateway.module().write_file(FileId.EF_RECORD_HEAD, (1000).to_bytes(8, "big") + bytes(32))
    with pytest.raises(CommandRefused):
        gateway.write_record_head()
    device.work()
    assert gateway.record_head_in_module() == RecordHead(1000, "00" * 32)


def test_a_module_that_cannot_be_reached_loses_no_step(at: At) -> None:
    device = at(State.DELIVERY_TO_MSB)
    gateway = device.gateway
    gateway.close()
    power = CutConnection(device.slot.directory)
    device.slot.wrap = power
    kept = gateway.record_head_in_module()
    power.left = 0
    device.attest(Role.GWH, Fact.GWH_HANDED_OVER)
    device.slot.wrap = lambda connection: connection
    assert Fact.GWH_HANDED_OVER in device.repository.kept(device.id).standing.evidence
    assert gateway.record_head_in_module() == kept != head_of(device)
    device.attest(Role.MSB, Fact.MSB_TOOK_OVER)
    assert gateway.record_head_in_module() == head_of(device)


def test_lost_integrity_shuts_everything_until_the_next_start(at: At) -> None:
    device = at(State.OPERATION)
    gateway = device.gateway
    told: list[Shut | None] = []
    unfollow = gateway.on_change(lambda: told.append(gateway.gate().shut))
    gateway.distrust("the firmware is another than the one that was installed")
    assert told == [Shut.INTEGRITY_FAILURE]
    with pytest.raises(Closed, match="integrity"):
        gateway.administration.status(Credential.GWA_CERTIFICATE)
    unfollow()
    unfollow()
    assert device.restart().gate().shut is None
    assert len(told) == 1


def test_who_follows_is_told_of_every_step_when_the_gate_is_open_again(repository: Repository, gwh: Party) -> None:
    gateway = Gateway(ID, repository)
    told: list[State | None] = []
    gateway.on_change(lambda: told.append(gateway.gate().state))
    gateway.act(gwh, attest(gwh, Fact.DEVELOPMENT_COMPLETE))
    gateway.act(gwh, move(gwh, Event.BEGIN_PRODUCTION))
    with pytest.raises(Unlawful):
        gateway.act(gwh, move(gwh, Event.BEGIN_OPERATION))
    assert told == [State.DEVELOPMENT, State.PRODUCTION, State.PRODUCTION]


def test_facts_about_the_module_are_shown_by_the_module(at: At) -> None:
    device = at(State.OPERATION)
    witness = ModuleWitness()
    verdict = replay(device.repository.chain(device.id), device.repository.trust, witness=witness)
    assert verdict.ok, str(verdict)
    assert not witness.claimed
    assert {shown.fact for shown in witness.shown} == {
        Fact.MODULE_INITIALISED,
        Fact.ROOT_CERTIFICATE_IN_MODULE,
        Fact.PRELIMINARY_KEYS_IN_MODULE,
        Fact.SEAL_CERTIFICATES_IN_MODULE,
        Fact.MODULE_INTEGRATED,
        Fact.GWA_CERTIFICATES_VERIFIED,
        Fact.GWA_PUBLIC_KEYS_IN_MODULE,
        Fact.OPERATIONAL_CERTIFICATES_IN_MODULE,
    }
    details = [read_entry(line.body).payload.get("detail", {}) for line in device.repository.entries(device.id)]
    assert sum(ATTESTATION in detail for detail in details) == len(witness.shown)


def test_what_the_module_does_not_show_is_not_put_on_record(at: At) -> None:
    device = at(State.PREPERSONALISATION_1_SEPARATE)
    before = device.repository.kept(device.id).position
    with pytest.raises(EvidenceError, match="ROOT not in the module"):
        device.attest(Role.GWH, Fact.ROOT_CERTIFICATE_IN_MODULE)
    assert device.repository.kept(device.id).position == before


def test_facts_on_record_are_left_as_they_are(at: At) -> None:
    device = at(State.PREPERSONALISATION_1_SEPARATE)
    device.work()
    before = device.repository.kept(device.id).position
    gwh = device.party(Role.GWH)
    assert device.gateway.attest(gwh, Fact.ROOT_CERTIFICATE_IN_MODULE, Fact.SEAL_CERTIFICATES_IN_MODULE) == []
    assert device.repository.kept(device.id).position == before


def test_a_record_whose_attestation_is_taken_out_shuts_the_gateway(at: At) -> None:
    device = at(State.PREPERSONALISATION_1_SEPARATE)
    gwh = device.party(Role.GWH)
    device.repository.act(device.id, gwh, attest(gwh, Fact.ROOT_CERTIFICATE_IN_MODULE))
    assert device.restart().gate().shut is Shut.INTEGRITY_FAILURE


def test_a_terminated_module_shows_that_it_is(at: At) -> None:
    device = at(State.OPERATION)
    gateway = device.gateway
    gateway.administration.terminate_module(Credential.GWA_CERTIFICATE, device.sign)
    kept = gateway.record_head_in_module()
    assert kept == head_of(device)
    device.attest(Role.GWA, Fact.MODULE_TERMINATED)
    assert gateway.record_head_in_module() == kept != head_of(device)
    assert not gateway.write_record_head()
    assert gateway.module() is gateway.module()
    with pytest.raises(Closed):
        gateway.administration.status(Credential.GWA_CERTIFICATE)
    assert device.restart().gate().shut is None
    witness = ModuleWitness()
    assert replay(device.repository.chain(device.id), device.repository.trust, witness=witness).ok
    assert witness.shown[-1].fact is Fact.MODULE_TERMINATED


def test_a_module_is_integrated_at_the_production_site_only(at: At) -> None:
    device = at(State.PREPERSONALISATION_1_SEPARATE)
    gateway = device.gateway
    with pytest.raises(Closed):
        gateway.integrate(Credential.PRODUCTION_SITE, TRANSPORT_PIN, INTEGRATOR_PIN)
    device.reach(State.INTEGRATION)
    with pytest.raises(Closed):
        gateway.integrate(Credential.MODULE_CONTACT, TRANSPORT_PIN, INTEGRATOR_PIN)
    gateway.integrate(Credential.PRODUCTION_SITE, TRANSPORT_PIN, INTEGRATOR_PIN)
    gateway.integrate(Credential.PRODUCTION_SITE, TRANSPORT_PIN, INTEGRATOR_PIN)
    assert gateway.module().information().state is ModuleState.READY
    assert not gateway.local.integrator_present
