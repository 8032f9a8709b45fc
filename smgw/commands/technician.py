"""``smgw technician``: the Servicetechniker on site, on behalf of the GWA."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lifecycle.faults import FAULTS
from smgw.failing import RefusedFailure, clear_errors
from smgw.printing import json_option, print_json
from smgw.workplace import Workplace, workplace_options

if TYPE_CHECKING:
    from lifecycle.evidence import OpenFault
    from lifecycle.store.repository import Repository

_fault_choice = click.Choice(sorted(FAULTS))


@click.group("technician")
def command() -> None:
    """Look at a gateway on site as a Servicetechniker, and say what is the matter.

    Anlage VIII ch. 15 to 17. The GWA orders it, and decides on it: 'smgw admin diagnosis'. A Servicetechniker is shown
    the state of the system and never a measured value, and does not terminate a module, not even on the GWA's behalf
    (ch. 11).
    """


@command.command("diagnose")
@click.argument("gateway", metavar="GATEWAY")
@click.option(
    "--order", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The GWA's order, where there is one."
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the signed diagnosis.")
@click.option("--dead", is_flag=True, help="The gateway shows no sign of life, so it is not tried.")
@click.option("--connected/--not-connected", default=None, help="Whether the GWA is reached from here.")
@click.option("--fault", type=_fault_choice, metavar="FAULT", help="What it is, if not what the findings come to.")
@click.option("--no-fault", is_flag=True, help="Only say what is seen; no fault goes on record.")
@click.option("--cleared", type=_fault_choice, metavar="FAULT", help="A fault that was cleared on site.")
@click.option("--yes", is_flag=True, help="Do not ask before a fault that is for good goes on record.")
@click.option("--module", metavar="URL", help="Where its module is.  [default: module: in the gateway's folder]")
@click.option(
    "--party",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the Servicetechniker's key.  [default: the home's own]",
)
@json_option
@workplace_options
@clear_errors()
def diagnose(
    gateway: str,
    order: Path | None,
    out: Path | None,
    dead: bool,
    connected: bool | None,
    fault: str | None,
    no_fault: bool,
    cleared: str | None,
    yes: bool,
    module: str | None,
    party: Path | None,
    as_json: bool,
    workplace: Workplace,
) -> None:
    """Look at GATEWAY: does it answer, where its gate opens that, and what is to be seen of its module?

    The fault found goes on record in the Servicetechniker's name; that is what the GWA decides on. Without --fault the
    findings decide by themselves: no sign of life comes to functionless, a module that is gone to module-absent, and
    so on. What nothing clears is asked about first.

    \b
    Examples:
      smgw technician diagnose EXXX0000000001 --order order.json --out diagnosis.json
      smgw technician diagnose EXXX0000000001 --order order.json --out diagnosis.json --dead
      smgw technician diagnose EXXX0000000001 --cleared connection-fault --out diagnosis.json

    --json prints {gateway, findings, fault, cleared, diagnosis, file}.
    """
    from lifecycle.diagnosis import mark_of, read_diagnosis
    from lifecycle.evidence import OpenFault
    from lifecycle.roles import Role
    from smgw.admin_place import clear_station_errors, records_of
    from stations.technician import Technician

    with records_of(workplace) as repository, clear_station_errors():
        repository.kept(gateway)
        technician = Technician(workplace.acting(Role.SERVICETECHNIKER, party), repository)
        site = _site(workplace, repository, gateway, module, dead=dead, connected=connected)
        said = OpenFault(fault) if fault is not None else None
        if said is None and cleared is None and not no_fault:
            said = technician.judge(technician.look(site), repository.kept(gateway).standing)
        _sure(said, gateway, yes=yes)
        document = technician.diagnose(
            site,
            order.read_bytes() if order is not None else None,
            fault=said,
            cleared=OpenFault(cleared) if cleared is not None else None,
            by_itself=False,
        )
        found, _ = read_diagnosis(document, repository.trust)
    if out is not None:
        out.write_bytes(document)
    findings = found.findings
    told = {
        "gateway": gateway,
        "findings": findings.told(),
        "fault": found.fault.name if found.fault else None,
        "cleared": found.cleared.name if found.cleared else None,
        "diagnosis": mark_of(document),
        "file": str(out) if out is not None else None,
    }
    if as_json:
        print_json(told)
        return
    answers = f"answers, {findings.state}" if findings.answers else "does not answer"
    why = f" ({', '.join(findings.refused)})" if findings.refused else ""
    click.echo(f"{gateway} {answers}{why}; its module is {findings.module}")
    click.echo(f"fault: {told['fault'] or 'none'}; cleared: {told['cleared'] or 'none'}")
    if out is not None:
        click.echo(f"the signed diagnosis is in {out}")


def _sure(fault: OpenFault | None, gateway: str, *, yes: bool) -> None:
    known = FAULTS[fault.name] if fault is not None else None
    if known is None or known.cleared_by or yes:
        return
    question = f"{known.name} ({known.german}) of {gateway} goes on record for good. Go on?"
    if not click.confirm(question, err=True):
        raise RefusedFailure("nothing was done")


def _site(
    workplace: Workplace,
    repository: Repository,
    gateway: str,
    module: str | None,
    *,
    dead: bool,
    connected: bool | None,
) -> Any:
    from gateway.core import Gateway
    from gateway.evidence import ModuleWitness
    from gateway.technician import TechnicianPort
    from lifecycle.replay import replay
    from smgw.admin_place import slot_of
    from stations.technician import Site

    witness = ModuleWitness()
    replay(repository.chain(gateway), repository.trust, witness=witness)
    device = None if dead else TechnicianPort(Gateway(gateway, repository).gate)
    slot = slot_of(workplace, gateway, module)
    return Site(
        gateway,
        device,
        slot.information if slot is not None else None,
        witness.pinned.point if witness.pinned is not None else b"",
        connected,
    )
