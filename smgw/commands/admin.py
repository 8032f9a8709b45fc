"""``smgw admin``: the administrator (GWA) at work on its gateways."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lifecycle.faults import FAULTS
from smgw.failing import RefusedFailure, clear_errors
from smgw.printing import json_option, print_json
from smgw.workplace import Workplace, workplace_options
from smpki.orders import Reason

if TYPE_CHECKING:
    from gateway.administration import GatewayStatus
    from gateway.core import Gateway
    from stations.administrator import Administrator, Condition, Looked

_REASONS = [str(reason) for reason in Reason if reason is not Reason.CERTIFICATE_HOLD]
_COLOURS = {"good": "green", "suspended": "yellow", "revoked": "red", "ended": "bright_black", "unclear": "yellow"}
_Command = Callable[..., Any]

_gateway_argument = click.argument("gateway", metavar="GATEWAY")
_subject_option = click.option("--subject", default="", help="The consumer concerned, where a fault is one consumer's.")
_yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
_file = click.Path(exists=True, dir_okay=False, path_type=Path)
_new_file = click.Path(dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class Hand:
    """What was given by options: who acts, and where.

    :ivar workplace: the home.
    :ivar name: what the GWA is called in the SM-PKI.
    :ivar party: folder of its key for the record.
    :ivar module: where the gateway's module is.
    """

    workplace: Workplace
    name: str
    party: Path | None
    module: str | None

    def administrator(self) -> Administrator:
        """The GWA."""
        from smgw.admin_place import administrator_of

        return administrator_of(self.workplace, self.name, self.party)

    @contextmanager
    def at(self, gateway: str, *, start: bool = True) -> Iterator[tuple[Administrator, Gateway]]:
        """The GWA and a gateway, open while it lasts.

        :param start: whether the gateway tests itself first.
        """
        from smgw.admin_place import gateway_of, records_of

        with (
            records_of(self.workplace) as repository,
            gateway_of(self.workplace, repository, gateway, self.module, start=start) as opened,
        ):
            yield self.administrator(), opened


def _hand_options(command: _Command) -> _Command:
    """The options that say who acts and where, handed to the command as ``hand``; and errors in clear words."""

    @wraps(command)
    def with_hand(
        *args: Any, workplace: Workplace, administrator: str, party: Path | None, module: str | None, **options: Any
    ) -> Any:
        from smgw.admin_place import clear_station_errors

        with clear_station_errors():
            return command(*args, hand=Hand(workplace, administrator, party, module), **options)

    folder = click.Path(exists=True, file_okay=False, path_type=Path)
    decorated: _Command = workplace_options(clear_errors()(with_hand))
    for option in (
        json_option,
        click.option(
            "--module", metavar="URL", help="Where its module is.  [default: module: in the gateway's folder]"
        ),
        click.option("--party", type=folder, help="Folder of the GWA's key for the record.  [default: the home's own]"),
        click.option(
            "--as",
            "administrator",
            default="Admin",
            show_default=True,
            metavar="NAME",
            envvar="SMGW_ADMINISTRATOR",
            help="What the GWA is called in the SM-PKI: NAME.GWA. Enrolled there when it is first needed.",
        ),
    ):
        decorated = option(decorated)
    return decorated


@click.group("admin")
def command() -> None:
    """Administer gateways as their GWA: personalise, renew, revoke, faults, diagnoses, the module's end.

    Anlage VIII ch. 6, 10, 11, 12 and 15 to 17. The gateway's folder is HOME/gateways/GATEWAY, and the gateway is run
    here while a command lasts. What the gateway does, its gate lets through or not; what the module does, only for the
    GWA whose keys are in it; and what goes on record, the law decides. Keys of the GWA that are missing are made.

    \b
    From an order for a gateway to its end:
      smgw admin config EXXX0000000001 --host gwa.example --port 8443 --out EXXX0000000001.p7m
      smgw admin personalise EXXX0000000001        its operational certificates; it goes into operation
      smgw admin certificates EXXX0000000001       what it has, when that ends, what is revoked
      smgw admin renew EXXX0000000001              before they end; the old triple is revoked then
      smgw admin fault EXXX0000000001 connection-fault
      smgw admin diagnosis order EXXX0000000001 --out order.json
      smgw admin revoke EXXX0000000001             every certificate; only then it may be taken out
      smgw admin terminate EXXX0000000001          its module, for good
      smgw admin hand-over EXXX0000000001 --to Neu.GWA

    Cut short at any moment, the same command is given again and goes on where it stood; no certificate is wasted.

    Exit code: 0 if it is done, 1 if it is refused (by the law, the gate, the module, the CA), 2 if it cannot be tried.
    """


@command.command("config")
@_gateway_argument
@click.option("--host", required=True, help="Host name or IP address under which the gateway reaches the GWA.")
@click.option("--port", required=True, type=click.IntRange(1, 65535), help="Its TCP port.")
@click.option("--wake-up-port", type=click.IntRange(1, 65535), help="UDP port at which the gateway waits to be woken.")
@click.option("--days", type=click.IntRange(1, 365), default=30, show_default=True, help="Valid for so many at most.")
@click.option("--out", required=True, type=_new_file, help="Where to write it (CMS, DER).")
@_hand_options
def config(
    gateway: str, host: str, port: int, wake_up_port: int | None, days: int, out: Path, as_json: bool, hand: Hand
) -> None:
    """Make the initial configuration file of GATEWAY, signed with the GWA's SIG key.

    Ch. 6: it holds the GWA's certificates and CRLs, and ends with the first of those; the gateway takes it once, in
    Vorpersonalisierung II, and after its module has verified it.

    --json prints {gateway, administrator, issued, valid_until, file}.
    """
    from gateway.configuration import CommunicationData, read_initial

    data = hand.administrator().initial_configuration(
        gateway, CommunicationData(host, port, wake_up_port), valid_for=timedelta(days=days)
    )
    told, _ = read_initial(data)
    out.write_bytes(data)
    if as_json:
        print_json(
            {
                "gateway": told.gateway,
                "administrator": told.administrator,
                "issued": told.issued.isoformat(),
                "valid_until": told.valid_until.isoformat(),
                "file": str(out),
            }
        )
    else:
        click.echo(f"{out}: for {told.gateway}, by {told.administrator}, to {told.valid_until:%Y-%m-%d %H:%M} UTC")


@command.command("personalise")
@_gateway_argument
@_hand_options
def personalise(gateway: str, as_json: bool, hand: Hand) -> None:
    """Bring the operational certificates into GATEWAY, and take it into operation.

    Ch. 10, Wirkzertifikate. The gateway makes its keys and asks for them; the GWA authorises that; the CA issues; the
    module verifies, and becomes operational; the preliminary triple is erased; the record tells of it with the module's
    attestation.

    --json prints the same as status.
    """
    with hand.at(gateway) as (administrator, opened):
        _tell_status(administrator.personalise(opened), as_json)


@command.command("renew")
@_gateway_argument
@click.option("--ahead", type=click.IntRange(0, 10_000), default=90, show_default=True, help="Days before the end.")
@click.option("--keep-old", is_flag=True, help="Leave the old triple good and in the module, until the next renew.")
@_hand_options
def renew(gateway: str, ahead: int, keep_old: bool, as_json: bool, hand: Hand) -> None:
    """Renew the operational certificates of GATEWAY where they end soon.

    Old and new overlap: the old triple is good until the new one is in use. Then it is revoked as superseded, and the
    module erases it.

    --json prints {gateway, renewed, superseded, ends}.
    """
    with hand.at(gateway) as (administrator, opened):
        done = administrator.renew(opened, ahead=timedelta(days=ahead), keep_old=keep_old)
    ends = done.ends.isoformat() if done.ends else None
    if as_json:
        print_json({"gateway": gateway, "renewed": done.renewed, "superseded": list(done.superseded), "ends": ends})
        return
    click.echo(f"{gateway}: {'renewed' if done.renewed else 'not due yet'}, to {ends}")
    for mark in done.superseded:
        click.echo(f"  superseded {mark}")


@command.command("status")
@_gateway_argument
@_hand_options
def status(gateway: str, as_json: bool, hand: Hand) -> None:
    """Ask GATEWAY what it says of itself; refused where its gate is shut, with the reason.

    --json prints {gateway, state, faults, module, module_state, administrator, certificates, ends, renewal_due}.
    """
    with hand.at(gateway) as (administrator, opened):
        _tell_status(administrator.status(opened), as_json)


@command.command("certificates")
@_gateway_argument
@_hand_options
def certificates(gateway: str, as_json: bool, hand: Hand) -> None:
    """Show what certificates GATEWAY got, when they end, and which are revoked, by validated CRLs.

    It is the SM-PKI that is asked, so the gateway need not answer.

    --json prints one object a line: {certificate, name, number, profile, issuer, serial, not_before, not_after,
    standing, words}.
    """
    from smgw.pki_options import told_certificate

    looked: list[Looked] = hand.administrator().certificates(gateway)
    for one in looked:
        told = told_certificate(one.certificate) | {"standing": str(one.standing), "words": one.words}
        if as_json:
            print_json(told)
            continue
        standing = click.style(f"{one.standing:9}", fg=_COLOURS[one.standing])
        click.echo(f"{standing} {told['profile']:11} ({one.number})  to {told['not_after'][:10]}  {one.mark[:16]}")
    if not looked and not as_json:
        click.echo(f"{gateway} has no certificates yet")


@command.command("fault")
@_gateway_argument
@click.argument("fault", type=click.Choice(sorted(FAULTS)), metavar="FAULT")
@_subject_option
@_hand_options
def fault(gateway: str, fault: str, subject: str, as_json: bool, hand: Hand) -> None:
    """Report FAULT of GATEWAY, and take it into the state that its open faults call for.

    Ch. 15 to 17. What the fault affects is off from then on. What the GWA cannot see from afar (an outage, a module
    that is gone) the Servicetechniker reports: 'smgw admin diagnosis'.

    --json prints {gateway, state, faults, affected}.
    """
    with hand.at(gateway) as (administrator, opened):
        _tell_condition(gateway, administrator.report_fault(opened, fault, subject), as_json)


@command.command("restore")
@_gateway_argument
@click.argument("fault", type=click.Choice(sorted(FAULTS)), metavar="FAULT")
@_subject_option
@_hand_options
def restore(gateway: str, fault: str, subject: str, as_json: bool, hand: Hand) -> None:
    """Report FAULT of GATEWAY cleared, and take it back into operation where none is left.

    --json prints {gateway, state, faults, affected}.
    """
    with hand.at(gateway) as (administrator, opened):
        _tell_condition(gateway, administrator.restore_fault(opened, fault, subject), as_json)


@command.group("diagnosis")
def diagnosis() -> None:
    """Have the Servicetechniker look at a gateway on site, and decide on what was found.

    \b
    To the GWA an outage looks like a broken connection. Only the look on site tells them apart:
      smgw admin diagnosis order EXXX0000000001 --out order.json
      smgw technician diagnose EXXX0000000001 --order order.json --out diagnosis.json
      smgw admin diagnosis take EXXX0000000001 --order order.json diagnosis.json
    """


@diagnosis.command("order")
@_gateway_argument
@click.option("--out", required=True, type=_new_file, help="Where to write the order.")
@_hand_options
def order(gateway: str, out: Path, as_json: bool, hand: Hand) -> None:
    """Order a diagnosis of GATEWAY: a document signed by the GWA.

    --json prints {gateway, order, file}.
    """
    from lifecycle.diagnosis import mark_of

    document = hand.administrator().order_diagnosis(gateway)
    out.write_bytes(document)
    if as_json:
        print_json({"gateway": gateway, "order": mark_of(document), "file": str(out)})
    else:
        click.echo(f"{out}: have a Servicetechniker look at {gateway}")


@diagnosis.command("take")
@_gateway_argument
@click.argument("document", metavar="DIAGNOSIS", type=_file)
@click.option("--order", "order_file", required=True, type=_file, help="The order that it answers.")
@_hand_options
def take(gateway: str, document: Path, order_file: Path, as_json: bool, hand: Hand) -> None:
    """Take the Servicetechniker's DIAGNOSIS in, and take GATEWAY where it calls for: an outage, or back to work.

    --json prints {gateway, findings, fault, cleared, state, faults, affected}.
    """
    with hand.at(gateway) as (administrator, opened):
        found, condition = administrator.take_in(opened, order_file.read_bytes(), document.read_bytes())
    told = {
        "findings": found.findings.told(),
        "fault": found.fault.name if found.fault else None,
        "cleared": found.cleared.name if found.cleared else None,
    }
    if not as_json:
        click.echo(f"found: {told['fault'] or 'no fault'}; cleared: {told['cleared'] or 'none'}")
    _tell_condition(gateway, condition, as_json, told)


@command.command("revoke")
@_gateway_argument
@click.option(
    "--reason",
    type=click.Choice(_REASONS, case_sensitive=False),
    default=str(Reason.CESSATION_OF_OPERATION),
    show_default=True,
    help="Every revocation has one.",
)
@_yes_option
@_hand_options
def revoke(gateway: str, reason: str, yes: bool, as_json: bool, hand: Hand) -> None:
    """Have every certificate of GATEWAY revoked, see that it is, and put that on record.

    Ch. 11, 12, 16, 17: preliminary and operational, all that the CAs have issued. It goes on record only when a CRL
    fetched afterwards, validated up to the pinned Root, shows each of them. Then the law lets the gateway be taken out
    for scrapping. The gateway need not answer.

    --json prints {gateway, certificates, ended, crls}.
    """
    _sure(yes, f"Every certificate of {gateway} is revoked for good. Go on?")
    exact = next(one for one in _REASONS if one.lower() == reason.lower())
    with hand.at(gateway) as (administrator, opened):
        done = administrator.revoke_every_certificate(opened, Reason(exact))
    if as_json:
        print_json({"gateway": gateway} | done.told())
        return
    click.echo(f"{gateway}: {len(done.certificates)} certificates seen revoked, {len(done.ended)} ended")
    for issuer, number, _ in done.crls:
        click.echo(f"  by CRL {number} of {issuer}")


@command.command("terminate")
@_gateway_argument
@_yes_option
@_hand_options
def terminate(gateway: str, yes: bool, as_json: bool, hand: Hand) -> None:
    """End the life of GATEWAY's module, for good: its keys and PINs are erased.

    Ch. 11, 16. Only the GWA itself can do this, and nobody on its behalf.

    --json prints {gateway, terminated}.
    """
    _sure(yes, f"The module of {gateway} is terminated for good. Go on?")
    with hand.at(gateway) as (administrator, opened):
        administrator.terminate_module(opened)
    if as_json:
        print_json({"gateway": gateway, "terminated": True})
    else:
        click.echo(f"{gateway}: the module is terminated, and on record so")


@command.command("hand-over")
@_gateway_argument
@click.option("--to", required=True, metavar="WHO", help="The GWA that takes over: NAME.GWA made here, or its folder.")
@click.option("--ca-only", is_flag=True, help="At the CA only: the gateway does not answer, or has let the other in.")
@_hand_options
def hand_over(gateway: str, to: str, ca_only: bool, as_json: bool, hand: Hand) -> None:
    """Hand GATEWAY over to another GWA, in its module and at the CA.

    At the CA that is UpdateDeviceAdmin (TR-03129-4). The module lets the other in by the word of the GWA whose keys it
    has; from then on it knows that one no more.

    --json prints {gateway, in_charge}.
    """
    from smgw.admin_place import successor_of

    name, triple = successor_of(hand.workplace, to)
    with hand.at(gateway) as (administrator, opened):
        if not ca_only:
            administrator.introduce(opened, triple)
        administrator.hand_over(gateway, name)
    if as_json:
        print_json({"gateway": gateway, "in_charge": name})
    else:
        click.echo(f"{name} is in charge of {gateway}")


@command.command("introduce")
@_gateway_argument
@_hand_options
def introduce(gateway: str, as_json: bool, hand: Hand) -> None:
    """Bring the GWA's own newest keys into GATEWAY's module, after they were renewed.

    'smgw pki renew NAME.GWA' renews them. Until they are in the module, the GWA is known there by the old ones.

    --json prints {gateway, introduced}.
    """
    with hand.at(gateway) as (administrator, opened):
        done = administrator.introduce(opened)
    if as_json:
        print_json({"gateway": gateway, "introduced": done})
    else:
        click.echo(f"{gateway}: {'the newest keys are in the module' if done else 'they were in the module already'}")


@command.command("firmware")
@_gateway_argument
@_yes_option
@_hand_options
def firmware(gateway: str, yes: bool, as_json: bool, hand: Hand) -> None:
    """Have GATEWAY's module know the software that is installed here, which the gateway runs from its next start on.

    A gateway whose software is another than its module knows shuts itself at the start (integrity failure). So this is
    what an update needs, and whoever has changed the program that runs a gateway kept in this home.

    --json prints {gateway, firmware, changed}.
    """
    from gateway.firmware import installed_firmware

    digest = installed_firmware()
    _sure(yes, f"{gateway} is to run the software that is installed here, {digest.hex()[:16]}…. Go on?")
    with hand.at(gateway, start=False) as (administrator, opened):
        changed = administrator.admit_firmware(opened, digest)
    if as_json:
        print_json({"gateway": gateway, "firmware": digest.hex(), "changed": changed})
    else:
        click.echo(f"{gateway}: {'its module knows this software now' if changed else 'its module knew this software'}")


def _sure(yes: bool, question: str) -> None:
    if not yes and not click.confirm(question, err=True):
        raise RefusedFailure("nothing was done")


def _tell_status(told: GatewayStatus, as_json: bool) -> None:
    from smgw.pki_options import told_certificate

    ends = told.ends.isoformat() if told.ends else None
    if as_json:
        print_json(
            {
                "gateway": told.gateway,
                "state": told.state,
                "faults": list(told.faults),
                "module": told.module,
                "module_state": told.module_state.name,
                "administrator": told.administrator,
                "certificates": [told_certificate(held.certificate) for held in told.certificates.values()],
                "ends": ends,
                "renewal_due": told.renewal_due,
            }
        )
        return
    click.echo(f"{told.gateway}: {told.state}, faults: {', '.join(told.faults) or 'none'}")
    click.echo(f"  module {told.module}: {told.module_state.name}, of {told.administrator or 'nobody'}")
    due = click.style(", renewal due", fg="yellow") if told.renewal_due else ""
    click.echo(f"  certificates to {ends or '-'}{due}")


def _tell_condition(gateway: str, condition: Condition, as_json: bool, more: dict[str, Any] | None = None) -> None:
    faults = [{"fault": fault.name, "subject": fault.subject} for fault in condition.faults]
    if as_json:
        told = {"state": condition.state, "faults": faults, "affected": list(condition.affected)}
        print_json({"gateway": gateway} | (more or {}) | told)
        return
    click.echo(f"{gateway}: {condition.state}, faults: {', '.join(fault['fault'] for fault in faults) or 'none'}")
    for function in condition.affected:
        click.echo(f"  off: {function}")
