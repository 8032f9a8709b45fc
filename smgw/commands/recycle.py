"""``smgw recycle``: the Recycler, on behalf of the MSB: takes over, destroys the module, scraps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from smgw.failing import RefusedFailure, clear_errors
from smgw.printing import json_option, print_json
from smgw.workplace import Workplace, workplace_options


@click.group("recycle")
def command() -> None:
    """Recycle gateways: take over from the MSB, destroy the module, scrap.

    Anlage VIII ch. 13, 14, 19, 20. One whose certificates were revoked (and whose module, as recommended, was
    terminated) is scrapped when it is taken over. One that came out of an outage has its module destroyed first.

    \b
      smgw gateway attest EXXX0000000001 MSB_HANDED_OVER_TO_RECYCLER --party stadtwerke
      smgw recycle take-over EXXX0000000001
      smgw recycle destroy EXXX0000000001
    """


def _recycler_options(command: Callable[..., Any]) -> Callable[..., Any]:
    party = click.option(
        "--party",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Folder of the Recycler's key.  [default: the home's own]",
    )
    return party(json_option(workplace_options(clear_errors()(command))))


@command.command("take-over")
@click.argument("gateway", metavar="GATEWAY")
@_recycler_options
def take_over(gateway: str, party: Path | None, as_json: bool, workplace: Workplace) -> None:
    """Take GATEWAY over from the MSB, and begin with it: scrap it, or see to its module first.

    --json prints {gateway, state}.
    """
    from lifecycle.roles import Role
    from smgw.admin_place import clear_station_errors, records_of
    from stations.recycler import Recycler

    with records_of(workplace) as repository, clear_station_errors():
        state = Recycler(workplace.acting(Role.RECYCLER, party), repository).take_over(gateway)
    _tell(gateway, state, as_json)


@command.command("destroy")
@click.argument("gateway", metavar="GATEWAY")
@click.option("--how", metavar="WORDS", help="How you have destroyed the module, where it is a chip; for the record.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_recycler_options
def destroy(gateway: str, how: str | None, yes: bool, party: Path | None, as_json: bool, workplace: Workplace) -> None:
    """Destroy the module of GATEWAY, so that nothing in it can be read again, and scrap the rest.

    Ch. 20, 14. A software module is overwritten and removed, with the seal that holds its keys. For a chip, destroy it
    yourself first and say --how. The law is asked before anything is destroyed.

    --json prints {gateway, state}.
    """
    from gateway.module import MODULE_FOLDER
    from lifecycle.roles import Role
    from smgw.admin_place import clear_station_errors, records_of
    from stations.recycler import Recycler, destroy_software_module

    if not yes and not click.confirm(f"The module of {gateway} is destroyed for good. Go on?", err=True):
        raise RefusedFailure("nothing was done")
    module = workplace.gateway_folder(gateway) / MODULE_FOLDER
    with records_of(workplace) as repository, clear_station_errors():
        station = Recycler(workplace.acting(Role.RECYCLER, party), repository)
        state = station.destroy_module(gateway, lambda: how if how is not None else destroy_software_module(module))
    _tell(gateway, state, as_json)


def _tell(gateway: str, state: str, as_json: bool) -> None:
    if as_json:
        print_json({"gateway": gateway, "state": state})
    else:
        click.echo(f"{gateway} is in {state}")
