"""Faults that the gateway finds by itself (Störungen, ch. 15, 16): on its record, and at its gate until they are there.

What was found holds at the gate at once. Then it is put on record, and the transition made that the law has for it; a
fault that is over, and that the gateway may clear, is cleared, and the gateway goes back into operation. Where the
record cannot be written, because the disk is full, some room that was kept for that is given up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from lifecycle.desk import decision_on, move, report, restore
from lifecycle.evidence import Evidence, OpenFault
from lifecycle.law import Law, Standing, Step, Unlawful
from lifecycle.parties import Party
from lifecycle.states import Event, State
from lifecycle.store.errors import StoreError

DISK_FULL: Final = OpenFault("disk-full")
_ENTER: Final = {
    State.REVERSIBLE_FAULT: Event.ENTER_REVERSIBLE_FAULT,
    State.IRREVERSIBLE_FAULT: Event.ENTER_IRREVERSIBLE_FAULT,
    State.OUTAGE: Event.ENTER_OUTAGE,
}
_STORE: Final = (StoreError, SQLAlchemyError)
"""What a record that cannot be read or written raises."""
_log = structlog.get_logger()


class OwnFaults:
    """The faults that one gateway opens and closes by itself.

    :param gateway: identification, DIN 43863-5.
    :param law: the law of its record.
    :param own: whose word it is; without it nothing is put on record, and what was found holds at the gate only.
    :param standing: where the record has it stand now.
    :param act: puts a step on record.
    :param make_room: gives up room on the disk for the record; whether there was some.
    """

    def __init__(
        self,
        gateway: str,
        law: Law,
        own: Party | None,
        *,
        standing: Callable[[], Standing],
        act: Callable[[Party, Step], object],
        make_room: Callable[[], bool],
    ) -> None:
        self._gateway = gateway
        self._law = law
        self._own = own
        self._standing = standing
        self._act = act
        self._make_room = make_room
        self._lock = threading.RLock()
        self._found: dict[OpenFault, None] = {}
        self._over: dict[OpenFault, None] = {}
        self._told: set[tuple[str, str]] = set()

    @property
    def unrecorded(self) -> tuple[OpenFault, ...]:
        """What was found and is not on record yet."""
        return tuple(self._found)

    def holds(self, fault: OpenFault) -> bool:
        """Whether a fault is open, on record or only found yet."""
        return fault in self._found or fault in self._recorded()

    def added_to(self, evidence: Evidence) -> Evidence:
        """Evidence with what was found and is not on record yet."""
        for fault in tuple(self._found):
            evidence = evidence.with_fault(fault)
        return evidence

    def found(self, fault: OpenFault) -> None:
        """There is a fault. It holds at the gate from now on, and on record from :meth:`settle` on."""
        with self._lock:
            self._over.pop(fault, None)
            self._found[fault] = None

    def over(self, fault: OpenFault) -> None:
        """A fault is over; it is cleared by :meth:`settle`, where the gateway may do that."""
        with self._lock:
            self._found.pop(fault, None)
            if fault in self._recorded():
                self._over[fault] = None

    def settle(self) -> None:
        """Bring the record in line with what was found, and the state with the record. Never raises for a refusal.

        What could not be put on record is tried again the next time.
        """
        if self._own is None:
            self._over.clear()
            return
        with self._lock:
            for fault in tuple(self._found):
                if fault in self._recorded() or self._put(report(self._own, fault.name, fault.subject)):
                    self._found.pop(fault, None)
            for fault in tuple(self._over):
                if fault not in self._recorded() or self._put(restore(self._own, fault.name, fault.subject)):
                    self._over.pop(fault, None)
            self._follow(self._own)

    def _follow(self, own: Party) -> None:
        """Make the transition that the open faults call for."""
        standing = self._known()
        if standing is None:
            return
        names = {fault.name for fault in standing.evidence.faults}
        led_to = {self._law.catalogue[name].leads_to for name in names if name in self._law.catalogue}
        for state in reversed(_ENTER):  # the gravest first
            if state in led_to and standing.state is not state:
                if decision_on(move(own, _ENTER[state]), standing, self._law):  # there is no way back to a lighter one
                    self._put(move(own, _ENTER[state]))
                return
        if not names and standing.state is State.REVERSIBLE_FAULT:
            self._put(move(own, Event.RESTORE_OPERATION))

    def _put(self, step: Step) -> bool:
        """Whether a step is on record now."""
        assert self._own is not None  # noqa: S101  asked before
        try:
            try:
                self._act(self._own, step)
            except _STORE:
                if not self._make_room():
                    raise
                self._act(self._own, step)
        except (Unlawful, *_STORE) as error:
            self._tell_once(step.attempt, str(error))
            return False
        return True

    def _tell_once(self, attempt: str, error: str) -> None:
        if (attempt, error) not in self._told:
            self._told.add((attempt, error))
            _log.warning("fault not on record", gateway=self._gateway, attempt=attempt, error=error)

    def _recorded(self) -> frozenset[OpenFault]:
        standing = self._known()
        return frozenset() if standing is None else frozenset(standing.evidence.faults)

    def _known(self) -> Standing | None:
        try:
            return self._standing()
        except _STORE:  # the gate is shut then
            return None
