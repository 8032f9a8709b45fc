"""What one consumer has the page show him: each a door of its own, and his own data and log only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from gateway.door import entry_point
from gateway.han.errors import HanError
from gateway.han.page_data import (
    Consumption,
    ContractView,
    Export,
    ExportFile,
    LatestReading,
    PageData,
    PlainLogEntry,
    Step,
)
from lifecycle.functions import Function, Interface
from lifecycle.gate import Gate
from lifecycle.roles import Role


class PageView:
    """The page as one consumer sees it."""

    def __init__(self, consumer: str, gate: Callable[[], Gate], data: PageData) -> None:
        """:param consumer: his userid.
        :param gate: the gate as it is now.
        """
        self._consumer = consumer
        self._gate = gate
        self._data = data

    def gate(self) -> Gate:
        """The gate as it is now."""
        return self._gate()

    @entry_point(Role.ANSCHLUSSNUTZER, Interface.HAN_CONSUMER, Function.READ_OWN_DATA)
    def contracts(self) -> Sequence[ContractView]:
        """His contracts.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        return self._data.contracts(self._consumer)

    @entry_point(Role.ANSCHLUSSNUTZER, Interface.HAN_CONSUMER, Function.READ_OWN_DATA)
    def contract(self, wanted: str) -> ContractView:
        """One of them.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises HanError: 404 if it is not his.
        """
        found = next((one for one in self._data.contracts(self._consumer) if one.id == wanted), None)
        if found is None:
            raise HanError(404, "there is no such contract")
        return found

    @entry_point(Role.ANSCHLUSSNUTZER, Interface.HAN_CONSUMER, Function.READ_OWN_DATA)
    def consumption(self, contract: str, obis: str, begin: datetime, end: datetime, step: Step) -> Consumption:
        """What a register of one of his contracts counted.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises HanError: 404 if it is not his; 400 if the range is too long for the step.
        """
        return self._data.consumption(self._consumer, contract, obis, begin, end, step)

    @entry_point(Role.ANSCHLUSSNUTZER, Interface.HAN_CONSUMER, Function.READ_OWN_DATA)
    def latest(self) -> Sequence[LatestReading]:
        """The newest reading of each of his registers.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        return self._data.latest(self._consumer)

    @entry_point(Role.ANSCHLUSSNUTZER, Interface.HAN_CONSUMER, Function.READ_OWN_DATA)
    def export(self, contract: str, begin: datetime, end: datetime, kind: Export) -> ExportFile:
        """The values of one of his contracts as a file.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises HanError: 404 if it is not his; 400 if the range is too long.
        """
        return self._data.export(self._consumer, contract, begin, end, kind)

    @entry_point(Role.ANSCHLUSSNUTZER, Interface.HAN_CONSUMER, Function.READ_CONSUMER_LOG)
    def log(self, before: int | None, limit: int) -> Sequence[PlainLogEntry]:
        """Entries of his log (Anschlussnutzer-Log), newest first.

        :param before: entries with a lower index only.
        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        return self._data.plain_log(self._consumer, before=before, limit=limit)
