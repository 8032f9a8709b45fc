"""Travellers of the workplace's gateways."""

from __future__ import annotations

from pathlib import Path

from gateway.configuration_folder import FOLDER, ConfigurationFolder
from securitymodule.card import durable
from securitymodule.client import SecurityModule
from securitymodule.errors import ModuleError
from smgw.factory_place import FactoryPlace, module_url
from smpki.inprocess import InProcessCa
from smpki.names import Function, PkiName
from stations.integrator.told import read_told
from stations.integrator.traveller import Sheet, render


def write_traveller(place: FactoryPlace, gateway: str, reader: str | None, folder: Path) -> Path:
    """Write the traveller of a gateway that is on record.

    :param reader: PC/SC reader of its module, ``None`` for a software module.
    :param folder: where its page goes.
    :returns: the page.
    :raises OSError: if it cannot be written.
    """
    home = place.folder(gateway)
    url = module_url(home, reader)
    holder = PkiName(gateway, Function.SMGW, place.pki.environment()).common_name
    initial = ConfigurationFolder(home / FOLDER).initial()
    sheet = Sheet(
        gateway=gateway,
        told=read_told(place.repository.entries(gateway)),
        head=place.repository.kept(gateway).head,
        verdict=place.verdict(gateway),
        url=url,
        atr=_atr(url),
        certificates=InProcessCa(place.pki.authority()).certificates(holder),
        administrator=initial.administrator if initial is not None else "",
        printed=place.repository.clock(),
    )
    page = folder / f"{gateway}.html"
    durable.replace(page, render(sheet).encode())
    return page


def _atr(url: str) -> bytes:
    """The answer to reset of a module, empty where it is not at hand: in use, or in the field already."""
    try:
        with SecurityModule.open(url) as module:
            return module.atr
    except ModuleError:
        return b""
