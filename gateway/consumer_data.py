"""The desk at which consumers (Anschlussnutzer) are served: what the HAN interface and its page show is made here.

Who comes here was let in by the HAN interface, and is named each time. What is not his is not found: no way leads from
here to another's contracts, lists or log. Lists and logs are read at their own doors, which ask the gate again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import structlog

from gateway.consumer_export import ConsumerExports
from gateway.consumer_lists import ConsumerLists
from gateway.consumer_log import ConsumerLog
from gateway.consumer_page import ConsumerPage
from gateway.consumer_words import Access
from gateway.contract_file import canonical_contract
from gateway.contracts import Contract
from gateway.derived.port import TariffPort
from gateway.han.data import (
    ChannelReadings,
    FirmwarePart,
    GatewayInformation,
    LogEntry,
    LogQuery,
    ReadingsQuery,
    UsagePoint,
    UsagePointProfile,
    WanCertificate,
)
from gateway.han.errors import HanError
from gateway.han.page_data import (
    Consumption,
    ContractView,
    Export,
    ExportFile,
    LatestReading,
    PlainLogEntry,
    Step,
)
from gateway.lmn.status import CombinedStatus, GatewayStatus
from gateway.logs.events import EventId
from gateway.logs.port import LogPort
from gateway.logs.store import MAX_DETAIL, Note
from gateway.metering.port import MeteringPort
from gateway.module import DeviceError
from gateway.pki.keys import CertificateRefused
from gateway.profiles import Profiles
from gateway.selftest import SelfTestReport
from gateway.tariffing.errors import TariffingError
from gateway.tariffing.status import fnn_of_word
from lifecycle.functions import Credential, Function, Interface
from lifecycle.gate import Gate
from lifecycle.phases.model import Grant
from lifecycle.roles import Role
from lifecycle.states import State
from securitymodule.errors import ModuleError
from smpki.oids import DATA
from smpki.signed import Signer, sign

TESTS_ITSELF: Final = Grant(Role.GATEWAY, Interface.INSIDE, Function.SELF_TEST, Credential.INSIDE)
TIME_FAULTS: Final = frozenset({"clock-deviation", "time-synchronisation-failing"})
"""Faults of the catalogue with which the gateway's time is not to be relied on."""
_MOST_SIGNED: Final = 1_024
_log = structlog.get_logger()


class ConsumerDesk:
    """Serves consumers, as :class:`gateway.han.data.ConsumerData` and :class:`gateway.han.page_data.PageData` ask."""

    def __init__(
        self,
        gateway: str,
        gate: Callable[[], Gate],
        profiles: Callable[[], Profiles],
        metering: MeteringPort,
        tariffs: TariffPort,
        logs: LogPort,
        *,
        clock: Callable[[], datetime],
        firmware: Callable[[], Sequence[FirmwarePart]],
        certificates: Callable[[], Sequence[WanCertificate]],
        signer: Callable[[], Signer],
        self_test: Callable[[Credential], SelfTestReport],
    ) -> None:
        """:param gateway: identification, DIN 43863-5.
        :param gate: the gate as it is now.
        :param profiles: the profiles as they are now.
        :param clock: the time, UTC.
        :param firmware: the parts of the firmware.
        :param certificates: the gateway's SIG certificates, number 0 the seal (Gütesiegel).
        :param signer: the gateway's SIG key.
        :param self_test: the gateway's self-test at its door inside.
        """
        self._gateway = gateway
        self._gate = gate
        self._profiles = profiles
        self._clock = clock
        self._firmware = firmware
        self._certificates = certificates
        self._signer = signer
        self._self_test = self_test
        self._testing = threading.Lock()
        self._signed: dict[str, tuple[Contract, bytes]] = {}
        self._log = ConsumerLog(gateway, logs, clock)
        self._lists = ConsumerLists(metering, tariffs, clock, certificates)
        self._page = ConsumerPage(profiles, self._lists, tariffs, clock)
        self._exports = ConsumerExports(
            metering,
            tariffs,
            self._lists,
            self._log,
            information=self.information,
            signed_profile=self._signed_profile,
            signer=signer,
            raster=lambda contract: self._page.usage_point(contract).registers_every,
            clock=clock,
        )

    # For machines and people

    def information(self) -> GatewayInformation:
        """What the gateway says of itself.

        :raises ModuleError: if its module cannot be asked for certificates.
        """
        gate = self._gate()
        status = GatewayStatus(0)
        if gate.state is State.IRREVERSIBLE_FAULT or gate.shut is not None:
            status |= GatewayStatus.FATAL_ERROR
        if any(fault.name in TIME_FAULTS for fault in gate.evidence.faults):
            status |= GatewayStatus.SYSTEM_TIME_INVALID
        word = bytes.fromhex(fnn_of_word(CombinedStatus(status, None).word))[:4]
        return GatewayInformation(
            self._gateway, self._clock(), word, tuple(self._firmware()), tuple(self._certificates())
        )

    # For machines

    def usage_points(self, consumer: str) -> Sequence[UsagePoint]:
        """His contracts, in short."""
        self._note(consumer, Access.VALUES)
        return [self._page.usage_point(contract) for contract in self._profiles().contracts_of(consumer)]

    def usage_point(self, consumer: str, usage_point: str) -> UsagePointProfile | None:
        """One of his contracts, ``None`` if there is none or it is not his.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        contract = self._profiles().contract(consumer, usage_point)
        if contract is None:
            return None
        self._note(consumer, Access.VALUES)
        return UsagePointProfile(
            contract.id,
            contract.name,
            contract.participants,
            contract.transparent,
            self._signed_profile(contract),
            self._lists.databases(contract),
        )

    def readings(self, consumer: str, query: ReadingsQuery) -> Sequence[ChannelReadings]:
        """Readings of one of his contracts; none if it is not his.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises HanError: 400 if they are too many, or the contract does not fit what is measured.
        """
        contract = self._profiles().contract(consumer, query.usage_point)
        if contract is None:
            return []
        self._note(consumer, Access.VALUES)
        try:
            return self._lists.readings(contract, query)
        except TariffingError as error:
            raise HanError(400, str(error)) from None

    def log(self, consumer: str, query: LogQuery) -> Sequence[LogEntry]:
        """Entries of his log.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        return self._log.entries(consumer, query)

    def self_test_running(self) -> bool:
        """Whether the gateway is testing itself for a consumer."""
        return self._testing.locked()

    def start_self_test(self, consumer: str) -> None:
        """Have the gateway test itself, and return at once. The result goes into this consumer's log.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises HanError: 403 if it is testing itself already.
        """
        self._gate().require(TESTS_ITSELF)
        if not self._testing.acquire(blocking=False):
            raise HanError(403, "a self-test is running")
        threading.Thread(target=self._test, args=(consumer,), name="self-test", daemon=True).start()

    # For people

    def contracts(self, consumer: str) -> Sequence[ContractView]:
        """His contracts.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        self._note(consumer, Access.VALUES)
        return [self._page.contract(contract) for contract in self._profiles().contracts_of(consumer)]

    def consumption(
        self, consumer: str, contract: str, obis: str, begin: datetime, end: datetime, step: Step
    ) -> Consumption:
        """What a register of one of his contracts counted.

        :param obis: the original register, 12 hexadecimal digits.
        :raises HanError: 404 if it is not his; 400 if the range is none or too long for the step.
        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        found = self._own(consumer, contract)
        self._note(consumer, Access.VALUES)
        return self._page.consumption(found, obis, begin, end, step)

    def latest(self, consumer: str) -> Sequence[LatestReading]:
        """The newest reading of each of his registers.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        self._note(consumer, Access.VALUES)
        return self._page.latest(consumer)

    def plain_log(self, consumer: str, *, before: int | None, limit: int) -> Sequence[PlainLogEntry]:
        """Entries of his log in words, newest first.

        :param before: entries with a lower index only.
        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        return self._log.plain(consumer, before, limit)

    def export(self, consumer: str, contract: str, begin: datetime, end: datetime, kind: Export) -> ExportFile:
        """The values of one of his contracts as a file.

        :raises HanError: 404 if it is not his; 400 if the range is none or too long; 503 if nothing can be signed.
        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        found = self._own(consumer, contract)
        try:
            made = self._exports.export(found, begin, end, kind)
        except (CertificateRefused, DeviceError, ModuleError) as error:
            _log.warning("export not signed", gateway=self._gateway, reason=str(error))
            raise HanError(503, "the gateway cannot sign now") from None
        self._note(consumer, Access(kind.value), found.id)
        return made

    # Within

    def _note(self, consumer: str, access: Access, contract: str = "") -> None:
        """Note what one of the gateway's consumers reads: nobody else has a log."""
        if any(known.consumer.userid == consumer for known in self._profiles().consumers):
            self._log.note_access(consumer, access, contract)

    def _own(self, consumer: str, contract: str) -> Contract:
        found = self._profiles().contract(consumer, contract)
        if found is None:
            raise HanError(404, "there is no such contract")
        return found

    def _signed_profile(self, contract: Contract) -> bytes:
        """CMS SignedData over a contract, by the gateway's SIG key; made once, empty where it cannot sign now."""
        known = self._signed.get(contract.id)
        if known is not None and known[0] is contract:
            return known[1]
        try:
            made = sign(canonical_contract(contract), DATA, self._signer(), self._clock())
        except (CertificateRefused, DeviceError, ModuleError) as error:
            _log.warning("profile not signed", gateway=self._gateway, reason=str(error))
            return b""
        if len(self._signed) >= _MOST_SIGNED:
            self._signed.clear()
        self._signed[contract.id] = (contract, made)
        return made

    def _test(self, consumer: str) -> None:
        finding = "it ended with an error of its own"
        passed = False
        try:
            report = self._self_test(Credential.INSIDE)
            passed, finding = report.passed, ", ".join(str(failed.check) for failed in report.failures)
        finally:
            self._testing.release()
            note = Note(EventId.OWN_SELF_TEST_PASSED, {}, consumer)
            if not passed:
                note = Note(EventId.OWN_SELF_TEST_FAILED, {"finding": finding[:MAX_DETAIL]}, consumer)
            self._log.write(note)
