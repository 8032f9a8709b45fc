"""The Recycler, on behalf of the MSB: takes a gateway over, destroys its module where it must, scraps it (ch. 14, 20).

The law is asked before anything is destroyed, and the record tells of it afterwards; cut short in between, the work is
gone on with.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from lifecycle.desk import attest, decision_on, move
from lifecycle.facts import Fact
from lifecycle.journal import Json
from lifecycle.law import Refused, Standing, Step, Unlawful
from lifecycle.parties import Party
from lifecycle.records import Records
from lifecycle.roles import Role
from lifecycle.states import Event, State
from securitymodule.card.sealing import seal_of

_INTO_RECYCLING: Final = {
    State.DELIVERY_FOR_SCRAPPING: Event.SCRAP_HARDWARE,
    State.DELIVERY_FOR_SM_DESTRUCTION: Event.BEGIN_SM_DESTRUCTION,
}
"""What the Recycler begins with what it took over (ch. 13, 19)."""
_PIECE: Final = 64 * 1024


class RecyclingError(Exception):
    """The Recycler cannot do that, or has not done it."""


class Recycler:
    """One Recycler.

    :param party: of role RECYCLER.
    :param records: where the record is kept.
    :raises RecyclingError: if the party acts in another role.
    """

    def __init__(self, party: Party, records: Records) -> None:
        if party.actor.role is not Role.RECYCLER:
            raise RecyclingError(f"gateways are recycled by a {Role.RECYCLER}, not by a {party.actor.role}")
        self._party = party
        self._records = records

    def take_over(self, gateway: str) -> State:
        """Take a gateway over from the MSB, and begin with it: scrap it, or see to its module first.

        :returns: the state it is in then.
        :raises Unlawful: if the MSB has not handed it over, or it is on no way to recycling.
        """
        standing = self._standing(gateway)
        event = _INTO_RECYCLING.get(standing.state)
        if event is None:
            if standing.state in {State.SM_DESTRUCTION, State.HARDWARE_SCRAPPING}:
                return standing.state  # taken over before
            event = Event.SCRAP_HARDWARE
            self._lawful(move(self._party, event), standing)
        if Fact.RECYCLER_TOOK_OVER not in standing.evidence:
            self._act(gateway, attest(self._party, Fact.RECYCLER_TOOK_OVER))
        self._act(gateway, move(self._party, event))
        return self._standing(gateway).state

    def destroy_module(self, gateway: str, destroy: Callable[[], str]) -> State:
        """Destroy the module, so that nothing in it can ever be read again, and scrap the rest (ch. 20, 14).

        :param destroy: does it, and says how in a few words; done again where it was cut short.
        :returns: the state it is in then: scrapped.
        :raises Unlawful: if the module is not to be destroyed, or not now; nothing has been done then.
        :raises RecyclingError: if something is left of it.
        """
        standing = self._standing(gateway)
        if standing.state is State.HARDWARE_SCRAPPING and Fact.MODULE_DESTROYED in standing.evidence:
            return standing.state
        if Fact.MODULE_DESTROYED not in standing.evidence:
            step = attest(self._party, Fact.MODULE_DESTROYED)
            self._lawful(step, standing)
            self._act(gateway, step, {"how": destroy()})
        self._act(gateway, move(self._party, Event.SCRAP_HARDWARE))
        return self._standing(gateway).state

    def _standing(self, gateway: str) -> Standing:
        return self._records.kept(gateway).standing

    def _lawful(self, step: Step, standing: Standing) -> None:
        decision = decision_on(step, standing, self._records.law)
        if isinstance(decision, Refused):
            raise Unlawful(step.attempt, standing.state, decision)

    def _act(self, gateway: str, step: Step, detail: dict[str, Json] | None = None) -> None:
        self._records.act(gateway, self._party, step, detail=detail)


def destroy_software_module(directory: Path) -> str:
    """Overwrite and remove a software module: its state, and the seal with the keys that open it.

    A file system that copies on writing, or a backup, may keep what was there; whoever keeps such keys
    (:mod:`securitymodule.card.sealing`) has to see to those too. A mark stays beside, by which what was cut short is
    told from a module that was never there.

    :param directory: the module's folder; its seal lies beside it.
    :returns: how, for the record.
    :raises RecyclingError: if there is no module, or something of it cannot be removed.
    """
    directory = directory.absolute()
    mark = directory.with_name(f"{directory.name}.destroyed")
    parts = [directory, seal_of(directory)]
    try:
        if not mark.exists():
            if not all(part.is_dir() for part in parts):
                raise RecyclingError(f"there is no software module in {directory}: nothing has been destroyed")
            mark.touch(mode=0o600)
            _sync(mark.parent)
        for part in parts:
            _shred(part)
        _sync(mark.parent)
    except OSError as error:
        raise RecyclingError(f"{error.filename or directory} cannot be destroyed: {error.strerror}") from error
    return "software module overwritten and removed"


def _shred(folder: Path) -> None:
    if not folder.exists():
        return
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            _overwrite(path)
    shutil.rmtree(folder)


def _overwrite(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        for at in range(0, size, _PIECE):
            file.write(bytes(min(_PIECE, size - at)))
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
