"""What a gateway checks of itself when it starts: its record, its module, the two against each other, its software.

The record is replayed by :mod:`gateway.core`. Here the module is asked. It keeps the head of the record and lets it go
on only, so a record whose end was cut off, or that came out of an older backup, is behind the module; one that went
another way has another hash at that place. A module behind its record was not told in time, and is told now. Any check
that fails is an integrity failure, and shuts the gate until the next start.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

import structlog

from gateway.evidence import ModuleWitness, shows
from gateway.firmware import FirmwareError, installed_firmware, kept_firmware
from gateway.module import DeviceError, NoModuleConfigured
from lifecycle.canonical import JournalError
from lifecycle.evidence import Evidence
from lifecycle.facts import Fact
from lifecycle.gate import Gate, Shut
from lifecycle.journal import Position, genesis, read_entry
from lifecycle.store.errors import StoreError
from securitymodule.coding import ModuleState
from securitymodule.curves import CurveError, decode_point
from securitymodule.errors import ModuleError
from securitymodule.statements import ATTESTATION_CURVE, Attestation, StatementError

if TYPE_CHECKING:
    from lifecycle.store.repository import Repository
    from securitymodule.client import SecurityModule

_LASTING: Final = (
    Fact.MODULE_INTEGRATED,
    Fact.ROOT_CERTIFICATE_IN_MODULE,
    Fact.GWA_PUBLIC_KEYS_IN_MODULE,
    Fact.OPERATIONAL_CERTIFICATES_IN_MODULE,
)
"""Facts that a module shows for good, until it is terminated; the preliminary keys (ch. 4) are erased later."""
_NONCE_BYTES: Final = 16
_SHOWN: Final = 16
"""Digits of a hash that a message shows."""

_log = structlog.get_logger()


@unique
class Check(StrEnum):
    """What is checked."""

    RECORD = "record"
    """The record replays, the module's attestations in it too."""
    MODULE = "module"
    """The module is there, is the one on record, and shows what is on record."""
    RECORD_HEAD = "record head"
    """The record goes on from where the module knows it."""
    FIRMWARE = "firmware"
    """The installed software is the one that the module knows."""


@unique
class Outcome(StrEnum):
    """What came of a check."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_DONE = "not done"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check.

    :ivar check: what was checked.
    :ivar outcome: what came of it.
    :ivar words: what was found.
    """

    check: Check
    outcome: Outcome
    words: str

    def __str__(self) -> str:
        return f"{self.check} {self.outcome}: {self.words}"


@dataclass(frozen=True, slots=True)
class SelfTestReport:
    """What a self-test found.

    :ivar gateway: identification of the gateway.
    :ivar findings: every check, in the order of :class:`Check`.
    """

    gateway: str
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not self.failures

    @property
    def failures(self) -> tuple[Finding, ...]:
        """What failed."""
        return tuple(finding for finding in self.findings if finding.outcome is Outcome.FAILED)


class KnownHead(Protocol):
    """The end of the record as a module keeps it."""

    @property
    def sequence(self) -> int:
        """Sequence of the last entry."""

    @property
    def hash(self) -> str:
        """Its hash, hexadecimal."""


class Tested(Protocol):
    """What a self-test needs of a gateway.

    :ivar id: its identification, DIN 43863-5.
    """

    id: str

    @property
    def repository(self) -> Repository:
        """Where its record is kept."""

    def gate(self) -> Gate:
        """The gate as it is now."""

    def module(self) -> SecurityModule:
        """Its security module."""

    def record_head_in_module(self) -> KnownHead | None:
        """The head of the record as the module keeps it."""

    def write_record_head(self) -> bool:
        """Tell the module the head of the record; whether it lets itself be told."""

    def distrust(self, reason: str) -> None:
        """Integrity is lost: shut everything."""


class _Failed(Exception):
    """A check failed."""


class _NotDone(Exception):
    """A check cannot be done, and that is as it should be."""


def self_test(gateway: Tested, firmware: Callable[[], bytes] = installed_firmware) -> SelfTestReport:
    """Check a gateway's integrity. If a check fails, the gateway distrusts itself: its gate is shut.

    Never raises because of what it finds.

    :param firmware: gives the hash of the installed software.
    """
    test = _SelfTest(gateway, firmware)
    report = SelfTestReport(gateway.id, tuple(test.findings()))
    for finding in report.findings:
        _log.info("self-test", gateway=gateway.id, check=finding.check, outcome=finding.outcome, found=finding.words)
    if not report.passed:
        gateway.distrust("; ".join(map(str, report.failures)))
    return report


class _SelfTest:
    """The checks, each of which needs those before it."""

    def __init__(self, gateway: Tested, firmware: Callable[[], bytes]) -> None:
        self._gateway = gateway
        self._firmware = firmware
        self._witness = ModuleWitness()
        self._evidence = Evidence()
        self._told: Attestation | None = None
        self._untold = ""
        """Why there is no module to ask."""

    def findings(self) -> Iterable[Finding]:
        checks = {
            Check.RECORD: self._record,
            Check.MODULE: self._module,
            Check.RECORD_HEAD: self._record_head,
            Check.FIRMWARE: self._firmware_as_kept,
        }
        for check, work in checks.items():
            try:
                yield Finding(check, Outcome.PASSED, work())
            except _NotDone as reason:
                yield Finding(check, Outcome.NOT_DONE, str(reason))
            except (_Failed, DeviceError, ModuleError, FirmwareError) as reason:
                yield Finding(check, Outcome.FAILED, str(reason))

    def _record(self) -> str:
        self._untold = "the record cannot be believed"
        if self._gateway.gate().shut in {Shut.INTEGRITY_FAILURE, Shut.STATE_UNREADABLE}:
            raise _Failed(f"{self._gateway.gate().shut}, as was found before")
        repository = self._gateway.repository
        try:
            kept = repository.kept(self._gateway.id)
            for signed in repository.entries(self._gateway.id)[: kept.position.sequence]:
                contradiction = self._witness.examine(read_entry(signed.body))
                if contradiction is not None:
                    raise _Failed(contradiction)
        except (StoreError, JournalError) as error:
            raise _Failed(str(error)) from None
        self._evidence, self._untold = kept.standing.evidence, ""
        return f"{kept.position.sequence} entries, {kept.standing.state}"

    def _module(self) -> str:
        if self._untold:
            raise _NotDone(self._untold)
        self._untold = "the module could not be asked"
        pinned = self._witness.pinned
        if Fact.MODULE_INTEGRATED not in self._evidence:
            self._none("no module is built in yet")
        if Fact.MODULE_DESTROYED in self._evidence:
            self._none("the module is destroyed")
        if pinned is None:
            self._none("the record names no module by its key")
        nonce = secrets.token_bytes(_NONCE_BYTES)
        try:
            key = decode_point(ATTESTATION_CURVE, pinned.point)
            told = self._gateway.module().attest(nonce).verify(key, nonce)
        except NoModuleConfigured as reason:
            self._none(str(reason))
        except (StatementError, CurveError) as error:
            raise _Failed(f"not the module {pinned.serial} on record: {error}") from None
        if told.serial != pinned.serial:
            raise _Failed(f"the module is {told.serial}, the record's is {pinned.serial}")
        latest = self._witness.latest
        if latest is not None and told.counter <= latest.counter:
            raise _Failed(f"its counter is {told.counter}; on record it has been {latest.counter}: an older copy of it")
        self._shows_what_is_on_record(told)
        self._told, self._untold = told, ""
        return f"{told.serial}, {told.state.name}, counter {told.counter}"

    def _shows_what_is_on_record(self, told: Attestation) -> None:
        terminated = Fact.MODULE_TERMINATED in self._evidence
        if told.state is ModuleState.TERMINATED and not terminated:
            raise _Failed("the module is terminated, and the record does not tell of it")
        for fact in (Fact.MODULE_TERMINATED,) if terminated else _LASTING:
            lacking = shows(told, fact) if fact in self._evidence else None
            if lacking is not None:
                raise _Failed(f"{fact} is on record: {lacking}")

    def _record_head(self) -> str:
        self._asked()
        head = self._gateway.record_head_in_module()
        end = self._gateway.repository.kept(self._gateway.id).position  # now: the module is told after the record
        known = head.sequence if head is not None else 0
        if head is not None and known > end.sequence:
            raise _Failed(
                f"the module knows the record up to entry {known}, and it ends at entry {end.sequence}: "
                "its end was cut off, or an older one put in its place"
            )
        recorded = self._hash_at(known, end)
        if head is not None and head.hash != recorded:
            raise _Failed(
                f"the module knows entry {known} as {head.hash[:_SHOWN]}…, the record, which ends at entry "
                f"{end.sequence}, has {recorded[:_SHOWN]}… there: it went another way"
            )
        if head is not None and known == end.sequence:
            return f"at entry {known}, as in the module"
        if self._gateway.write_record_head():
            return f"the module knew entry {known} and is told of entry {end.sequence} now"
        return f"the module knows entry {known}, the record ends at entry {end.sequence}; it is told no more"

    def _hash_at(self, sequence: int, end: Position) -> str:
        if sequence == 0:
            return genesis(self._gateway.id).hash
        if sequence == end.sequence:
            return end.hash
        return self._gateway.repository.entries(self._gateway.id, after=sequence - 1, limit=1)[0].hash

    def _firmware_as_kept(self) -> str:
        told = self._asked()
        if told.state is ModuleState.TERMINATED:
            raise _NotDone("the module is terminated, and shows its files no more")
        kept, installed = kept_firmware(self._gateway.module()), self._firmware()
        if kept is None:
            raise _Failed("the module knows no software of this gateway")
        if kept != installed:
            raise _Failed(f"installed is {installed.hex()[:_SHOWN]}…, the module knows {kept.hex()[:_SHOWN]}…")
        return f"{installed.hex()[:_SHOWN]}…, as in the module"

    def _asked(self) -> Attestation:
        """What the module said of itself."""
        if self._told is None:
            raise _NotDone(self._untold)
        return self._told

    def _none(self, why: str) -> NoReturn:
        self._untold = why
        raise _NotDone(why)
