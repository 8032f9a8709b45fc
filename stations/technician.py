"""The Servicetechniker, on behalf of the GWA: looks at a gateway on site and says what is the matter (ch. 15 to 17).

It looks at the device: whether it answers at the HAN interface, where the gate opens that, and what is to be seen of
the module. That look is no function of the gateway; in OUTAGE it is all there is. What comes of it is a signed
diagnosis, and on record the fault in the Servicetechniker's own name, by which the GWA can tell an outage from a broken
connection. It sees no measured value, and cannot terminate the module, not even on the GWA's behalf (ch. 11).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from lifecycle.desk import report, restore
from lifecycle.diagnosis import Diagnosis, DiagnosisError, Findings, ModuleSight, mark_of, read_order
from lifecycle.evidence import OpenFault
from lifecycle.facts import Fact
from lifecycle.functions import Credential
from lifecycle.gate import Closed
from lifecycle.journal import Json, read_entry, step_of
from lifecycle.law import MAY_CHANGE_FAULTS, Report, Restore, Standing
from lifecycle.parties import Party
from lifecycle.records import Records
from lifecycle.roles import Role
from lifecycle.states import State
from securitymodule.coding import ModuleState
from securitymodule.errors import ModuleBusy, ModuleError, NoModule, ReaderUnavailable
from securitymodule.statements import ModuleInformation

CONNECTION_FAULT: Final = "connection-fault"
_MODULE_FAULTS: Final = {
    ModuleSight.ABSENT: "module-absent",
    ModuleSight.DAMAGED: "module-integrity-lost",
    ModuleSight.EXCHANGED: "module-integrity-lost",
    ModuleSight.TERMINATED: "module-terminated-unasked",
}
"""What the sight of a module comes to."""
_INTEGRITY: Final = "gate-shut"
"""The condition by which a gate says that everything is shut."""


class HanStatus(Protocol):
    """What a gateway shows the Servicetechniker at its HAN interface."""

    @property
    def state(self) -> State:
        """The state that it is in."""

    @property
    def faults(self) -> tuple[OpenFault, ...]:
        """The faults that are open."""


class Device(Protocol):
    """A gateway that shows a sign of life."""

    def status(self, credential: Credential, /) -> HanStatus:
        """What it shows the Servicetechniker.

        :raises Closed: if the gate is shut for it.
        """


@dataclass(frozen=True, slots=True)
class Site:
    """What stands before the Servicetechniker.

    :ivar gateway: identification on the name plate.
    :ivar device: the gateway; ``None`` where it shows no sign of life.
    :ivar module: asks the module who it is, without any PIN; ``None`` where the device is not to be opened.
    :ivar attestation_key: the key that the record pins for the module, an uncompressed point; empty where none is.
    :ivar connected: whether the GWA is reached from here; ``None`` where nobody has tried.
    """

    gateway: str
    device: Device | None
    module: Callable[[], ModuleInformation] | None = None
    attestation_key: bytes = b""
    connected: bool | None = None


class Technician:
    """One Servicetechniker.

    :param party: of role SERVICETECHNIKER.
    :param records: where the record is kept.
    :raises DiagnosisError: if the party acts in another role.
    """

    def __init__(self, party: Party, records: Records) -> None:
        if party.actor.role is not Role.SERVICETECHNIKER:
            raise DiagnosisError(f"a diagnosis is made by a {Role.SERVICETECHNIKER}, not by a {party.actor.role}")
        self._party = party
        self._records = records

    def look(self, site: Site) -> Findings:
        """What is to be seen on site. Nothing of the device is changed."""
        module = _look_at_module(site)
        if site.device is None:
            return Findings(False, connected=False, module=module)
        try:
            seen = site.device.status(Credential.TECHNICIAN_CERTIFICATE)
        except Closed as closed:
            refused = tuple(reason.condition for reason in closed.refused.reasons)
            return Findings(False, refused=refused, connected=site.connected, module=module)
        faults = tuple(sorted({fault.name for fault in seen.faults}))
        return Findings(True, seen.state, faults, connected=site.connected, module=module)

    def judge(self, findings: Findings, standing: Standing) -> OpenFault | None:
        """The fault that findings come to, by themselves; ``None`` for none. The Servicetechniker may know better.

        :param standing: where the gateway stands by the record.
        """
        name = _MODULE_FAULTS.get(findings.module)
        if findings.module is ModuleSight.TERMINATED and Fact.MODULE_TERMINATED in standing.evidence:
            name = None  # the GWA has asked for it
        if name is None and not findings.answers and standing.state in MAY_CHANGE_FAULTS:
            if _INTEGRITY in findings.refused:
                name = "record-integrity-lost"
            elif not findings.refused:
                name = "functionless"
        if name is None and findings.answers and findings.connected is False:
            name = CONNECTION_FAULT
        return OpenFault(name) if name is not None else None

    def diagnose(
        self,
        site: Site,
        order: bytes | None = None,
        *,
        fault: OpenFault | None = None,
        cleared: OpenFault | None = None,
        by_itself: bool = True,
    ) -> bytes:
        """Look, judge, and put on record what is for the record: the fault found, or the one cleared on site.

        A fault that is open already stays as it is, and one that is cleared is not cleared again; so a diagnosis that
        was cut short is made again.

        :param order: the GWA's signed order, where there is one.
        :param fault: the fault that the Servicetechniker finds.
        :param cleared: the fault that it has cleared.
        :param by_itself: whether, where neither is named, the findings decide (:meth:`judge`).
        :returns: the signed diagnosis.
        :raises DiagnosisError: if the order is none, or is for another gateway.
        :raises lifecycle.law.Unlawful: if a Servicetechniker cannot say that, or not now.
        """
        mark = self._mark_of(order, site.gateway)
        standing = self._records.kept(site.gateway).standing
        findings = self.look(site)
        if by_itself and fault is None and cleared is None:
            fault = self.judge(findings, standing)
        if cleared is not None and findings.connected is None and cleared.name == CONNECTION_FAULT:
            findings = replace(findings, connected=True)
        diagnosis = Diagnosis(site.gateway, mark, self._records.clock(), findings, fault, cleared)
        signed = diagnosis.signed(self._party)
        detail: dict[str, Json] = {"diagnosis": mark_of(signed), "findings": findings.told()}
        if mark:
            detail["order"] = mark
        if fault is not None and fault not in standing.evidence.faults:
            found = report(self._party, fault.name, fault.subject)
            self._records.act(site.gateway, self._party, found, detail=detail)
        if cleared is not None and not self._cleared_before(site.gateway, cleared):
            mended = restore(self._party, cleared.name, cleared.subject)
            self._records.act(site.gateway, self._party, mended, detail=detail)
        return signed

    def _cleared_before(self, gateway: str, fault: OpenFault) -> bool:
        """Whether the last that is on record of a fault is that this party has cleared it."""
        for signed in reversed(self._records.entries(gateway)):
            step = step_of(read_entry(signed.body))
            if isinstance(step, Report | Restore) and step.fault == fault:
                return isinstance(step, Restore) and step.actor == self._party.actor
        return False

    def _mark_of(self, order: bytes | None, gateway: str) -> str:
        if order is None:
            return ""
        read, _ = read_order(order, self._records.trust)
        if read.gateway != gateway:
            raise DiagnosisError(f"the order is to look at {read.gateway}, and this is {gateway}")
        return mark_of(order)


def _look_at_module(site: Site) -> ModuleSight:
    if site.module is None:
        return ModuleSight.UNSEEN
    try:
        told = site.module()
    except ModuleBusy:
        return ModuleSight.PRESENT  # the gateway itself works with it
    except (NoModule, ReaderUnavailable):
        return ModuleSight.ABSENT
    except ModuleError:
        return ModuleSight.DAMAGED
    if site.attestation_key and told.attestation_point != site.attestation_key:
        return ModuleSight.EXCHANGED
    return ModuleSight.TERMINATED if told.state is ModuleState.TERMINATED else ModuleSight.PRESENT
