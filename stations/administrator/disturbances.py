"""What the GWA puts on record of its gateways, and how it goes about faults and diagnoses (Störungen, ch. 15 to 17).

The half of :class:`stations.administrator.station.Administrator` that needs no key in the SM-PKI.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.core import Gateway
from lifecycle.desk import decision_on, move, report, restore
from lifecycle.diagnosis import Diagnosis, DiagnosisOrder, mark_of, read_diagnosis, read_order
from lifecycle.evidence import NOTHING, OpenFault, OpenFaultKind
from lifecycle.functions import Function
from lifecycle.gate import Gate
from lifecycle.journal import Json
from lifecycle.law import Permitted, Refused, Standing, Step, Unlawful
from lifecycle.parties import Clock, Party
from lifecycle.roles import Role
from lifecycle.states import Event, State
from stations.administrator.issued import AdministrationError

_ENTER: Final = (
    (OpenFaultKind.OUTAGE_FAULT_OPEN, Event.ENTER_OUTAGE),
    (OpenFaultKind.IRREVERSIBLE_FAULT_OPEN, Event.ENTER_IRREVERSIBLE_FAULT),
    (OpenFaultKind.REVERSIBLE_FAULT_OPEN, Event.ENTER_REVERSIBLE_FAULT),
)
"""What an open fault calls for, the gravest first (ch. 15 to 17)."""


@dataclass(frozen=True, slots=True)
class Condition:
    """How a gateway is, after something was reported or cleared.

    :ivar state: the state that it is in.
    :ivar faults: the faults that are open.
    :ivar affected: functions that OPERATION has, and that are off now.
    """

    state: State
    faults: tuple[OpenFault, ...]
    affected: tuple[Function, ...]


def say_nothing(_words: str) -> None:
    """Tells nobody."""


class Disturbances:
    """The GWA at its desk.

    :param party: who signs the record; of role GWA.
    :param clock: tells the time, UTC.
    :param tell: is told what is done, in a few words.
    :raises AdministrationError: if the party acts in another role.
    """

    def __init__(self, party: Party, clock: Clock, tell: Callable[[str], None] = say_nothing) -> None:
        if party.actor.role is not Role.GWA:
            raise AdministrationError(f"gateways are administered by a {Role.GWA}, not by a {party.actor.role}")
        self._party = party
        self._clock = clock
        self._tell = tell

    def report_fault(self, gateway: Gateway, fault: str, subject: str = "") -> Condition:
        """Open a fault, and take the gateway into the state that its open faults call for.

        :raises lifecycle.law.Unlawful: if the GWA cannot see such a fault, or the law does not know it.
        """
        if OpenFault(fault, subject) not in self._standing(gateway).evidence.faults:
            self._act(gateway, report(self._party, fault, subject))
        self._settle(gateway)
        return self.condition(gateway)

    def restore_fault(self, gateway: Gateway, fault: str, subject: str = "") -> Condition:
        """Close a fault, and take the gateway back into operation where none is left.

        :raises lifecycle.law.Unlawful: if the fault is not open, or not for the GWA to clear.
        """
        is_open = OpenFault(fault, subject) in self._standing(gateway).evidence.faults
        if is_open or not self._next_of(gateway):  # else it was cleared before, and the move is what is left to do
            self._act(gateway, restore(self._party, fault, subject))
        self._settle(gateway)
        return self.condition(gateway)

    def condition(self, gateway: Gateway) -> Condition:
        """How a gateway is, by its record."""
        state, evidence = self._standing(gateway)
        law = gateway.repository.law
        usual, now = Gate(State.OPERATION, NOTHING, law=law).opened, Gate(state, evidence, law=law).opened
        affected = {grant.function for grant in usual} - {grant.function for grant in now}
        return Condition(state, evidence.faults, tuple(sorted(affected)))

    def order_diagnosis(self, gateway: str) -> bytes:
        """Send the Servicetechniker to look at a gateway: an order, signed.

        :raises JournalError: if the gateway's identification is none.
        """
        return DiagnosisOrder(gateway, self._clock(), secrets.token_hex(16)).signed(self._party)

    def take_in(self, gateway: Gateway, order: bytes, diagnosis: bytes) -> tuple[Diagnosis, Condition]:
        """Take in what the Servicetechniker found, and decide: the gateway goes where its open faults call for it,
        which may be OUTAGE, or back into operation.

        :raises DiagnosisError: if order or diagnosis is none, or not signed by whoever may.
        :raises AdministrationError: if they do not belong together, or the record does not bear the diagnosis out.
        """
        trust = gateway.repository.trust
        asked, orderer = read_order(order, trust)
        found, _ = read_diagnosis(diagnosis, trust)
        if orderer.certificate != self._party.actor.certificate:
            raise AdministrationError(f"the diagnosis was ordered by {orderer.name}, not by {self._party.actor.name}")
        if (asked.gateway, found.gateway) != (gateway.id, gateway.id):
            raise AdministrationError(f"the diagnosis is of {found.gateway}, not of {gateway.id}")
        if found.order != mark_of(order):
            raise AdministrationError("the diagnosis answers another order")
        faults = self._standing(gateway).evidence.faults
        if found.fault is not None and found.fault not in faults:
            raise AdministrationError(
                f"the diagnosis says {found.fault.name}, and the record does not have that open: the Servicetechniker "
                "puts it on record"
            )
        if found.cleared is not None and found.cleared in faults:
            raise AdministrationError(f"the diagnosis says that {found.cleared.name} is cleared, and it is open")
        self._settle(gateway)
        return found, self.condition(gateway)

    def _settle(self, gateway: Gateway) -> None:
        """Go where the open faults call for it, as far as the law lets the GWA."""
        while (event := self._next_of(gateway)) is not None:
            self._act(gateway, move(self._party, event))

    def _next_of(self, gateway: Gateway) -> Event | None:
        standing = self._standing(gateway)
        calls = [event for kind, event in _ENTER if kind in standing.evidence] or [Event.RESTORE_OPERATION]
        for event in calls:
            if isinstance(decision_on(move(self._party, event), standing, gateway.repository.law), Permitted):
                return event
        return None

    def _standing(self, gateway: Gateway) -> Standing:
        return gateway.repository.kept(gateway.id).standing

    def _lawful(self, gateway: Gateway, step: Step) -> None:
        standing = self._standing(gateway)
        decision = decision_on(step, standing, gateway.repository.law)
        if isinstance(decision, Refused):
            raise Unlawful(step.attempt, standing.state, decision)

    def _act(self, gateway: Gateway, step: Step, detail: Mapping[str, Json] | None = None) -> None:
        gateway.act(self._party, step, detail=detail)
        self._tell(f"on record: {step.attempt}")
