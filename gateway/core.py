"""Puts a gateway together: its record, its gate, its module, its subsystems. A reading's walk begins here.

The gate is asked anew for every chunk of bytes, with the standing as the record has it at that moment and the faults
that the gateway has found by itself; while a transition is being made, it is shut.

The record comes first, and effects follow: what is on record is then told to the module, which keeps the record's head.
A cut in between leaves the module behind the record, never ahead of it; :mod:`gateway.selftest` brings it in line.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import structlog
from cryptography import x509

from gateway.administration import Administration
from gateway.configuration_folder import FOLDER, ConfigurationFolder
from gateway.consumer_data import ConsumerDesk
from gateway.daily import DailyWork, Received
from gateway.derived.port import TariffPort
from gateway.door import LetIn, entry_point, entry_point_for_each
from gateway.evidence import MODULE_FACTS, ModuleWitness, attested
from gateway.faults import OwnFaults
from gateway.firmware import keep_firmware, own_version
from gateway.lmn.hdlc_link import HdlcMessage
from gateway.lmn.lines import LineProtocol
from gateway.local_functions import LocalFunctions
from gateway.logs.events import EventId
from gateway.logs.port import LogPort
from gateway.logs.store import MAX_DETAIL, LogPolicy, Note
from gateway.metering.port import MeteringPort
from gateway.module import DeviceError, ModuleSlot, NoModuleConfigured
from gateway.pki.certificates import Certificates
from gateway.pki.seal import FOLDER as SEALS
from gateway.pki.seal import ISSUERS, QUALITY, KeptCertificates, ModuleSealer
from gateway.presented import PresentedCertificates, own_firmware
from gateway.profiles import Profiles
from gateway.reaching import way_to_administrator
from gateway.selftest import SelfTestReport, self_test
from gateway.technician import TechnicianPort
from gateway.technician_connection import ConnectionTests
from gateway.technician_parts import room_on
from lifecycle.evidence import OpenFault
from lifecycle.facts import Fact
from lifecycle.functions import Function, Interface
from lifecycle.gate import Gate, Shut, gate_for, shut_gate
from lifecycle.journal import Json, Position
from lifecycle.law import Attest, Move, Report, Restore, Step
from lifecycle.parties import Party
from lifecycle.roles import Role
from lifecycle.states import State
from lifecycle.store.replicas import replay_kept
from lifecycle.store.repository import Appended, Repository
from securitymodule.client import SecurityModule
from securitymodule.coding import RECORD_HEAD_BYTES, FileId, ModuleState
from securitymodule.errors import ModuleBusy, ModuleError
from securitymodule.statements import MIN_NONCE, Attestation
from smpki.signed import Signer

_log = structlog.get_logger()

_SEQUENCE_BYTES: Final = 8
_TAKES_HEAD: Final = frozenset({ModuleState.INTEGRATED, ModuleState.READY, ModuleState.OPERATIONAL})
"""States in which the module lets the head of the record be written."""


@dataclass(frozen=True, slots=True)
class RecordHead:
    """The end of the record as the module keeps it.

    :ivar sequence: sequence of the last entry.
    :ivar hash: its hash, SHA-256, hexadecimal.
    """

    sequence: int
    hash: str


class Gateway:
    """One smart meter gateway (SMGW). With a security module it is to be started and closed, or a context manager.

    At the start its record is replayed, the module's attestations in it too: where that is broken, everything stays
    shut (integrity failure).

    :param gateway: its identification, DIN 43863-5.
    :param repository: where its record is kept.
    :param clock: when readings are captured, UTC; by default the repository's clock.
    :param slot: where its security module is; without one, whatever needs the module fails, and nothing is signed.
    :param folder: the gateway's folder, see :mod:`gateway.module`; needed with *slot*.
    :param own: its own key for the record, by which it reports the faults that it finds.
    :param profiles: the meters, contracts and consumers that it knows.
    :param lines: what is spoken on its LMN lines; SML where nothing is said.
    :param log_policy: how large its logs are.
    :param elapsed: nanoseconds that pass evenly, whatever the clock is set to.
    :raises DeviceError: if there is a slot and no folder.
    """

    def __init__(
        self,
        gateway: str,
        repository: Repository,
        *,
        clock: Callable[[], datetime] | None = None,
        slot: ModuleSlot | None = None,
        folder: Path | None = None,
        own: Party | None = None,
        profiles: Profiles | None = None,
        lines: Mapping[str, LineProtocol] | None = None,
        log_policy: LogPolicy | None = None,
        elapsed: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.id = gateway
        self._repository = repository
        self._clock = clock or repository.clock
        self._moving = threading.Lock()
        self._telling = threading.Lock()
        self._elsewhere = False
        self._followed: Gate | None = None
        self._followers: list[Callable[[], None]] = []
        if slot is not None and folder is None:
            raise DeviceError("a gateway with a security module has a folder, and none is configured")
        self._slot = slot
        self._module: SecurityModule | None = None
        self._module_lock = threading.RLock()
        self.configuration = ConfigurationFolder(folder / FOLDER) if folder is not None else None
        """Where its configuration is kept, ``None`` where it has no folder."""
        self._certificates = Certificates(self.module)
        self._sealer: ModuleSealer | None = None
        self._presented: PresentedCertificates | None = None
        self._issuers: KeptCertificates | None = None
        if slot is not None and folder is not None and self.configuration is not None:
            seals, quality = KeptCertificates(folder / SEALS), KeptCertificates(folder / QUALITY)
            self._issuers = KeptCertificates(folder / ISSUERS)
            self._sealer = ModuleSealer(self.module, self._certificates, seals)
            self._presented = PresentedCertificates(
                self._certificates, seals, quality, self._issuers, self.configuration
            )
            self._local = LocalFunctions(
                gateway,
                self.gate,
                self.module,
                self.configuration,
                clock=self._clock,
                forget=self._forget_presented,
            )
            self._administration = Administration(
                gateway,
                self.gate,
                self.module,
                standing=lambda: repository.kept(gateway).standing,
                clock=self._clock,
                let_go=self.close,
                renewed=self._renewed,
                keep_seal=quality.add,
            )
        self._daily = DailyWork(
            gateway,
            repository.engine,
            self.gate,
            lambda make_room: OwnFaults(
                gateway,
                repository.law,
                own,
                standing=lambda: repository.kept(gateway).standing,
                act=self.act,
                make_room=make_room,
            ),
            clock=self._clock,
            elapsed=elapsed,
            profiles=profiles or Profiles(),
            lines=lines or {},
            policy=log_policy,
            signer=self._sealer,
            folder=folder,
        )
        self._technician = TechnicianPort(
            self.gate,
            gateway=gateway,
            law=repository.law,
            clock=self._clock,
            module=(lambda: self.module().information()) if slot is not None else None,
            record=lambda: repository.kept(gateway).position,
            disk=partial(room_on, folder) if folder is not None else None,
            lines=lambda: self._daily.heard,
            certificates=self._certificates.held if slot is not None else tuple,
            logs=self._daily.logs,
            tests=(
                ConnectionTests(partial(way_to_administrator, self.configuration), clock=self._clock)
                if self.configuration is not None
                else None
            ),
            consumers=lambda: [known.consumer.userid for known in self.profiles.consumers],
        )
        self._desk = ConsumerDesk(
            gateway,
            self.gate,
            lambda: self.profiles,
            self._daily.metering,
            self._daily.tariffs,
            self._daily.logs,
            clock=self._clock,
            firmware=own_firmware,
            certificates=self._presented if self._presented is not None else tuple,
            signer=self._signer,
            self_test=self.test_itself,
        )
        verdict = replay_kept(repository, gateway, witness=ModuleWitness())
        self._intact = verdict.ok
        if not verdict.ok:
            _log.error("record broken, gateway shut", gateway=gateway, verdict=str(verdict))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def repository(self) -> Repository:
        """Where its record is kept."""
        return self._repository

    def gate(self) -> Gate:
        """The gate as it is now; shut if the state cannot be read, integrity is lost, or a transition is under way."""
        if not self._intact:
            return shut_gate(Shut.INTEGRITY_FAILURE)
        if self._moving.locked():
            return shut_gate(Shut.TRANSITION_IN_PROGRESS)
        try:
            standing = self._repository.kept(self.id).standing
        except Exception as error:  # whatever the reason, a state that cannot be read opens nothing
            _log.error("state unreadable, gateway shut", gateway=self.id, error=str(error))
            return shut_gate(Shut.STATE_UNREADABLE)
        return gate_for(standing.state, self._daily.faults.added_to(standing.evidence), self._repository.law)

    def start(self) -> SelfTestReport | None:
        """Check its integrity (Selbsttest), as every start does; what fails shuts the gate, and is logged.

        :returns: what was found; ``None`` where it has no module, or its state opens nothing that could be shut.
        """
        if not self.gate().opened:
            return None
        self._elsewhere = self._slot is not None and self._is_module_busy()
        self._note(Note(EventId.STARTED, {"firmware": own_version()}))
        report = self._self_test() if self._slot is not None else None
        self._daily.start()
        return report

    def _is_module_busy(self) -> bool:
        """Whether somebody else has the module: then the gateway runs there, and its logs are not for us to write."""
        try:
            self.module()
        except ModuleBusy:
            return True
        except (DeviceError, ModuleError):  # the self-test says so
            return False
        return False

    def _note(self, *notes: Note) -> None:
        if not self._elsewhere:
            self._daily.note(*notes)

    def _self_test(self) -> SelfTestReport:
        report = self_test(self)
        if report.passed:
            self._note(Note(EventId.SELF_TEST_PASSED))
        return report

    @entry_point(Role.GATEWAY, Interface.INSIDE, Function.SELF_TEST)
    def test_itself(self) -> SelfTestReport:
        """Check its integrity again (Selbsttest, ch. 11), as :meth:`start` does.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        return self._self_test()

    def distrust(self, reason: str) -> None:
        """The integrity of record, module or firmware is lost: shut everything, until a new start finds otherwise.

        :param reason: what was found, in words.
        """
        finding = reason[:MAX_DETAIL]
        self._note(Note(EventId.SELF_TEST_FAILED, {"finding": finding}))
        self._note(Note(EventId.INTEGRITY_LOST, {"finding": finding}))  # by itself: the module may not sign any more
        self._intact = False
        _log.error("integrity lost, gateway shut", gateway=self.id, reason=reason)
        self._changed()

    def act(self, party: Party, step: Step, *, detail: Mapping[str, Json] | None = None) -> Appended:
        """Make a step of this gateway's life. The law decides; until it is on record, the gate is shut.

        Afterwards the module, if it is open and lets itself be told, keeps the new head of the record. That this failed
        is logged: the record holds all the same.

        :raises lifecycle.law.Unlawful: if the law refuses; nothing has changed.
        """
        try:
            with self._moving:
                before = self._repository.kept(self.id).standing.state if isinstance(step, Move) else None
                appended = self._repository.act(self.id, party, step, detail=detail)
                self._tell_if_open(appended.kept.position)
        finally:  # after a failure too: what is on record then is for the gate to say
            self._changed()
        self._note(*_told_of(step, before, appended.kept.standing.state))
        return appended

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have *callback* called whenever the gate may have changed: after each step, and when integrity is lost.

        It is called in the thread that changed it, and must not raise.

        :returns: what ends that.
        """
        self._followers.append(callback)

        def unfollow() -> None:
            if callback in self._followers:
                self._followers.remove(callback)

        return unfollow

    def _changed(self) -> None:
        for follower in tuple(self._followers):
            follower()

    def _tell_if_open(self, position: Position) -> None:
        """Tell the module, where it is open, the head of the record."""
        with self._telling:
            if self._module is None:
                return
            try:
                self._tell(self._module, position)
            except ModuleError as error:
                _log.warning("record ahead of the module", gateway=self.id, error=str(error))

    def attest(self, party: Party, *facts: Fact, module: SecurityModule | None = None) -> list[Appended]:
        """Put facts on record, those that are not there yet; facts about the module with the module's attestation.

        :param module: the module, where it is not in this gateway yet and somebody has it open.
        :returns: what was put on record, in the order of *facts*.
        :raises lifecycle.law.Unlawful: if the law refuses one; those before it are on record.
        :raises gateway.evidence.EvidenceError: if the module does not show one; nothing has changed.
        :raises NoModuleConfigured: if one is about the module, and there is none.
        :raises ModuleError: if the module cannot be asked; nothing has changed.
        """
        on_record = self._repository.kept(self.id).standing.evidence
        new = [fact for fact in facts if fact not in on_record]
        to_show = [fact for fact in new if fact in MODULE_FACTS]
        detail = self._attested(to_show, module) if to_show else None
        return [
            self.act(party, Attest(fact, party.actor), detail=detail if fact in MODULE_FACTS else None) for fact in new
        ]

    def _attested(self, facts: Sequence[Fact], module: SecurityModule | None) -> dict[str, Json]:
        if module is not None:
            return attested(module, self.id, *facts)
        if self._module is not None:
            return attested(self.module(), self.id, *facts)
        # An attestation takes no secure channel, so a module that is not this gateway's yet can give it too.
        with self._configured().connect() as plain:
            return attested(plain, self.id, *facts)

    # The security module

    def module(self) -> SecurityModule:
        """The gateway's module, its secure channel open; opened when first needed and kept until :meth:`close`.

        One that is terminated has no channel any more.

        :raises NoModuleConfigured: if there is none.
        :raises DeviceError: if it has not been integrated yet.
        :raises ModuleError: if it cannot be reached, somebody else has it, or it is in another gateway.
        """
        slot = self._configured()
        with self._module_lock:
            if self._module is not None and not self._in_use(self._module):
                self.close()
            if self._module is None:
                self._module = slot.open()
            return self._module

    @property
    def local(self) -> LocalFunctions:
        """What it does for who stands before it.

        :raises NoModuleConfigured: if it has no security module.
        """
        self._configured()
        return self._local

    @property
    def administration(self) -> Administration:
        """What its administrator has it do with its keys.

        :raises NoModuleConfigured: if it has no security module.
        """
        self._configured()
        return self._administration

    @property
    def certificates(self) -> Certificates:
        """The certificates in its module.

        :raises NoModuleConfigured: if it has no security module.
        """
        self._configured()
        return self._certificates

    def close(self) -> None:
        """Let the module go. It is opened again when it is needed."""
        with self._module_lock:
            module, self._module = self._module, None
            if module is not None:
                module.close()

    def record_head_in_module(self) -> RecordHead | None:
        """The head of the record as the module keeps it, ``None`` where it was never told one.

        :raises NoModuleConfigured: if there is no module.
        :raises ModuleError: if it cannot be asked.
        """
        module = self.module()
        if self._terminated(module):  # its files are shut, and its attestation says it still
            told = Attestation.decode(module.attest(secrets.token_bytes(MIN_NONCE)).body).record_head
        else:
            told = module.read_file(FileId.EF_RECORD_HEAD)
        if not any(told):
            return None
        return RecordHead(int.from_bytes(told[:_SEQUENCE_BYTES], "big"), told[_SEQUENCE_BYTES:RECORD_HEAD_BYTES].hex())

    def write_record_head(self) -> bool:
        """Tell the module the head of the record as it is now.

        :returns: whether the module keeps heads in the state it is in.
        :raises NoModuleConfigured: if there is no module.
        :raises ModuleError: if it cannot be told; CommandRefused if it knows a later head, or another of that sequence.
        """
        with self._telling:
            return self._tell(self.module(), self._repository.kept(self.id).position)

    @entry_point(Role.GWH, Interface.SM_DIRECT, Function.INTEGRATE_MODULE)
    def integrate(self, transport_pin: str, integrator_pin: str) -> None:
        """Take the module in (Integration, ch. 5). See :meth:`gateway.module.ModuleSlot.integrate`.

        From then on it keeps the hash of the installed software (:mod:`gateway.firmware`).

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises gateway.firmware.FirmwareError: if the software cannot be read.
        """
        slot = self._configured()
        with self._module_lock:
            self.close()
            slot.integrate(transport_pin, integrator_pin)
            with slot.open() as module:
                keep_firmware(module)

    def _configured(self) -> ModuleSlot:
        if self._slot is None:
            raise NoModuleConfigured
        return self._slot

    def _forget_presented(self) -> None:
        """Make the secure channel anew, so that what a PIN or a signature opened is shut."""
        with self._module_lock:
            if self._module is not None and self._module.is_secure:
                self._configured().authenticate(self._module)

    @classmethod
    def _in_use(cls, module: SecurityModule) -> bool:
        """Whether an open module can go on to be used; else its channel broke, or the module is gone."""
        try:
            return module.is_secure or cls._terminated(module)
        except ModuleError:
            return False

    @staticmethod
    def _terminated(module: SecurityModule) -> bool:
        return module.information().state is ModuleState.TERMINATED

    @staticmethod
    def _tell(module: SecurityModule, position: Position) -> bool:
        if module.information().state not in _TAKES_HEAD:
            return False
        head = position.sequence.to_bytes(_SEQUENCE_BYTES, "big") + bytes.fromhex(position.hash)
        module.write_file(FileId.EF_RECORD_HEAD, head)
        return True

    # Daily work

    @property
    def profiles(self) -> Profiles:
        """The meters, contracts and consumers that it knows."""
        return self._daily.profiles

    @property
    def logs(self) -> LogPort:
        """Its logs; they have doors of their own."""
        return self._daily.logs

    @property
    def metering(self) -> MeteringPort:
        """Its original reading lists; they have doors of their own."""
        return self._daily.metering

    @property
    def tariffs(self) -> TariffPort:
        """Its rule sets; they have doors of their own."""
        return self._daily.tariffs

    @property
    def technician(self) -> TechnicianPort:
        """Where the Servicetechniker plugs in; it has doors of its own."""
        return self._technician

    @property
    def consumer_data(self) -> ConsumerDesk:
        """What its consumers are shown; whom it serves has come through a door of the HAN interface."""
        return self._desk

    def _renewed(self, sub_ca: x509.Certificate | None) -> None:
        """Other certificates may be in the module."""
        if sub_ca is not None and self._issuers is not None:
            self._issuers.add(sub_ca)
        for remembers in (self._sealer, self._presented):
            if remembers is not None:
                remembers.forget()

    def _signer(self) -> Signer:
        """Its SIG key, with the certificate in use.

        :raises NoModuleConfigured: if there is no module.
        """
        if self._sealer is None:
            raise NoModuleConfigured
        return self._sealer.signer

    def use_profiles(self, profiles: Profiles, by: str) -> None:
        """Take other profiles in the place of those there are; what was received or kept stays.

        :param by: whose doing it is, for the logs.
        :raises gateway.logs.store.LogError: if a log that has to say so takes no more; nothing has changed.
        :raises gateway.storage.StorageFull: if there is no room; nothing has changed.
        """
        self._daily.use(profiles, by)
        self._changed()

    def keep_up(self) -> int:
        """What time brings, to be called every few seconds.

        Gaps and deletions are written down, faults that are over are cleared where the gateway may do that, and who
        follows the gate is told of what others have put on record.

        :returns: on how many lists a gap was written down.
        """
        gaps = self._daily.keep_up()
        gate = self.gate()
        if gate is not self._followed:
            self._followed = gate
            self._changed()
        return gaps

    @entry_point_for_each(Role.MESSEINRICHTUNG, Interface.LMN, Function.RECEIVE_READINGS)
    def receive(self, let_in: LetIn, chunk: bytes, *, line: str = "lmn0") -> Received:
        """Take bytes from a line of the LMN; what known meters say in sound frames goes on the original reading lists.

        :param chunk: bytes in pieces of any size; none for a pause.
        :param line: the line that they came over.
        :raises lifecycle.gate.Closed: if the gate is shut for it; the bytes are dropped.
        :raises gateway.lmn.lines.LineError: if it would be one line too many.
        :raises gateway.logs.store.LogFull: if something has to be logged and cannot; nothing is kept.
        :raises gateway.storage.StorageFull: if there is no room; nothing is kept.
        :raises ModuleError: if the module does not sign; nothing is kept.
        :raises OSError: if the counter of a wireless meter cannot be kept: the line must be given up.
        """
        return self._daily.receive(let_in, line, chunk)

    @entry_point_for_each(Role.MESSEINRICHTUNG, Interface.LMN, Function.RECEIVE_READINGS)
    def receive_message(self, let_in: LetIn, message: HdlcMessage, *, line: str) -> Received:
        """Take the answer of a meter that was asked, as :meth:`receive` takes what comes by itself.

        :param line: the line that it was asked over.
        """
        return self._daily.receive_message(let_in, line, message)


def _told_of(step: Step, before: State | None, after: State) -> list[Note]:
    """What the system log says of a step."""
    match step:
        case Move() if before is not None:
            return [Note(EventId.STATE_CHANGED, {"before": str(before), "after": str(after)})]
        case Report(fault, _):
            return [Note(EventId.FAULT_OPENED, {"fault": _named(fault)})]
        case Restore(fault, _):
            return [Note(EventId.FAULT_CLEARED, {"fault": _named(fault)})]
        case _:
            return []


def _named(fault: OpenFault) -> str:
    return f"{fault.name} ({fault.subject})" if fault.subject else fault.name
