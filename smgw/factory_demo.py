"""An order to try the factory with: gateways of our own, and the workplace's GWA who signs for them."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Final

from gateway.configuration import CommunicationData
from securitymodule.card import durable
from smgw.admin_place import ADMINISTRATOR, administrator_of
from smgw.factory_place import FactoryPlace
from smgw.failing import UsageFailure
from smgw.workplace import Workplace, free_gateways
from stations.integrator.order import FIELDS, Arrangement

_COMMUNICATION: Final = CommunicationData("gwa.example", 8443)


def write_demo(workplace: Workplace, folder: Path, units: int, valid: timedelta) -> Path:
    """Write an order for gateways that are not on record yet, with the initial configuration file of each.

    :param valid: how long the files can be imported, at most.
    :returns: the order's file.
    :raises smpki.errors.StoreError: if there is no PKI yet.
    :raises UsageFailure: if there is an order already.
    :raises OSError: if it cannot be written.
    """
    path = folder / "order.csv"
    if path.exists():
        raise UsageFailure(f"{path} is there already: run it, or choose another folder")
    place = FactoryPlace(workplace)
    try:
        place.pki.pinned()
        gateways = list(islice(free_gateways(place.repository), units))
    finally:
        place.close()
    administrator = administrator_of(workplace, ADMINISTRATOR, None, tell=lambda _: None)
    folder.mkdir(parents=True, exist_ok=True)
    order = io.StringIO()
    writer = csv.writer(order, lineterminator="\n")
    writer.writerow(FIELDS)
    for number, gateway in enumerate(gateways):
        file = administrator.initial_configuration(gateway, _COMMUNICATION, valid_for=valid)
        durable.replace(folder / f"{gateway}.p7m", file)
        arrangement = list(Arrangement)[number % len(Arrangement)]
        writer.writerow([gateway, f"SM-{gateway[-8:]}", arrangement, f"{gateway}.p7m", ""])
    durable.replace(path, order.getvalue().encode())
    return path
