"""Where the GWA, the Servicetechniker and the Recycler of a workplace work.

::

    HOME/pki/parties/NAME.GWA/               the GWA's triple in the SM-PKI, enrolled when it is first needed
    HOME/pki/parties/NAME.GWA/gateways/      what it has received for its gateways; see stations.administrator.issued
    HOME/parties/gwa/                        the GWA's key for the record; the same for servicetechniker and recycler
    HOME/gateways/EXXX0000000001/            a gateway's folder; see gateway.module
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import click
from cryptography import x509

from gateway.core import Gateway
from gateway.module import SECRET_FILE, ModuleSlot
from lifecycle.diagnosis import DiagnosisError
from lifecycle.roles import Role
from lifecycle.store.repository import Repository
from smgw.failing import RefusedFailure, UsageFailure
from smgw.pki_place import PkiPlace
from smgw.workplace import Workplace
from smpki.errors import KeyStoreError
from smpki.inprocess import InProcessCa
from smpki.names import Function, PkiName
from smpki.profiles import SUB_CA
from stations.administrator import AdministrationError, Administrator
from stations.recycler import RecyclingError

ADMINISTRATOR: Final = "Admin"
"""What the GWA is called in the SM-PKI unless told otherwise."""


def say(words: str) -> None:
    """Progress, for people."""
    click.echo(f"… {words}", err=True)


@contextmanager
def clear_station_errors() -> Iterator[None]:
    """What only these stations meet, as Click's errors."""
    try:
        yield
    except (AdministrationError, DiagnosisError, RecyclingError) as error:
        raise RefusedFailure(str(error)) from error


@contextmanager
def records_of(workplace: Workplace) -> Iterator[Repository]:
    """The records of a workplace, open while it lasts."""
    repository = workplace.repository()
    try:
        yield repository
    finally:
        repository.engine.dispose()


@contextmanager
def gateway_of(
    workplace: Workplace, repository: Repository, gateway: str, module: str | None = None, *, start: bool = True
) -> Iterator[Gateway]:
    """A gateway, run here while it lasts; without a module where it has no folder.

    :param module: where its module is; the software module in its folder by default.
    :param start: whether it tests itself; not where it is to take the software that fails the test.
    :raises lifecycle.store.errors.UnknownGatewayError: if no record is kept of it.
    """
    repository.kept(gateway)
    folder, slot = workplace.gateway_folder(gateway), slot_of(workplace, gateway, module)
    with closing(Gateway(gateway, repository, slot=slot, folder=folder if slot is not None else None)) as opened:
        if start:
            opened.start()
        yield opened


def slot_of(workplace: Workplace, gateway: str, module: str | None = None) -> ModuleSlot | None:
    """Where a gateway's module is; ``None`` where the gateway has no folder here."""
    folder = workplace.gateway_folder(gateway)
    if not (folder / SECRET_FILE).exists():
        if module is not None:
            raise UsageFailure(f"{gateway} has no folder {folder}, and so nothing that opens its module")
        return None
    return ModuleSlot.in_folder(folder, module)


def administrator_of(
    workplace: Workplace, name: str, folder: Path | None, tell: Callable[[str], None] = say
) -> Administrator:
    """The GWA of a workplace. Keys that are missing are made, and it is enrolled in the SM-PKI.

    :param name: what it is called there.
    :param folder: of its key for the record.
    :raises smpki.errors.StoreError: if there is no PKI yet.
    """
    party = workplace.acting(Role.GWA, folder)
    pki = PkiPlace(workplace)
    place = pki.enrolled(PkiName(name, Function.GWA, pki.environment()))
    pki.crls()  # so that no CA's list is out of date
    newest = pki.authority()
    others = [one for one in pki.authorities() if one.profile is SUB_CA and one.mark != newest.mark]
    return Administrator(
        party,
        place,
        InProcessCa(newest),
        pki.clock,
        root=pki.pinned(),
        earlier=[InProcessCa(other) for other in others],
        tell=tell,
    )


def successor_of(workplace: Workplace, who: str) -> tuple[str, list[x509.Certificate]]:
    """Another GWA, by its name or its folder: its common name and its triple.

    :raises KeyStoreError: if it is not here, or has no certificates yet.
    """
    folder = PkiPlace(workplace).open_party(who)
    current = folder.current()
    if current is None:
        raise KeyStoreError(f"{folder.name} has no certificates yet")
    return folder.name.common_name, list(current.certificates.values())
