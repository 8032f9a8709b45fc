"""What the station needs of the place where it stands, and how it says that a unit cannot be made."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from gateway.core import Gateway
from lifecycle.journal import SignedEntry
from securitymodule.client import SecurityModule
from stations.integrator.order import Unit


class UnitRefused(Exception):
    """A unit that cannot be made.

    :ivar problems: why not.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class Site(Protocol):
    """Where units are made: records, and the gateways that are being put together."""

    def alone(self, gateway: str) -> AbstractContextManager[None]:
        """Keep every other process of the site from this unit; waits for it."""
        ...

    def taken_for(self, serial: str) -> str | None:
        """The gateway whose record was begun here for the module with this serial number, ``None`` where none was."""
        ...

    def begin(self, unit: Unit) -> None:
        """Begin the record of a gateway for a module; nothing where the same was begun before.

        :raises UnitRefused: if its record was begun otherwise, or the module taken for another gateway.
        """
        ...

    def entries(self, gateway: str) -> list[SignedEntry] | None:
        """The record of a gateway, ``None`` where there is none."""
        ...

    def url(self, unit: Unit) -> str:
        """Where a unit's module is: ``module:DIR`` or ``pcsc:READER NAME``."""
        ...

    def connect(self, unit: Unit) -> SecurityModule:
        """A unit's module, without a secure channel.

        :raises ModuleError: if it cannot be reached, or somebody else has it.
        """
        ...

    def device(self, unit: Unit) -> Gateway:
        """A unit's gateway, with its module where that is put in; to be closed when it is no longer needed."""
        ...
