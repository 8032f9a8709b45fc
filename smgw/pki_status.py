"""``smgw pki revoke|suspend|lift|charge``: what becomes of certificates, and who is in charge of a gateway's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from smgw.failing import UsageFailure
from smgw.pki_options import by_option, place_of, place_options
from smgw.printing import print_json
from smgw.workplace import Workplace
from smpki.orders import Change, Reason

if TYPE_CHECKING:
    from smpki.signed import Signer

_REASONS = [str(reason) for reason in Reason if reason is not Reason.CERTIFICATE_HOLD]


@click.command("revoke")
@click.argument("what", metavar="WHAT")
@click.option(
    "--reason", required=True, type=click.Choice(_REASONS, case_sensitive=False), help="Every revocation has one."
)
@by_option
@place_options
def revoke(what: str, reason: str, by: str | None, as_json: bool, workplace: Workplace) -> None:
    """Revoke certificates for good: all of a holder's, or the one with a fingerprint (its beginning will do).

    Without --by it is the CA's operator who revokes. A new CRL is made at once.

    \b
    Example:
      smgw pki revoke EXXX0012345678.SMGW --reason keyCompromise --by Admin.GWA
    """
    _change(workplace, Change.REVOKE, what, Reason(_exact(reason, _REASONS)), by, as_json)


@click.command("suspend")
@click.argument("what", metavar="WHAT")
@by_option
@place_options
def suspend(what: str, by: str | None, as_json: bool, workplace: Workplace) -> None:
    """Suspend a gateway's certificates until the suspension is lifted; for the GWA in charge only."""
    _change(workplace, Change.SUSPEND, what, None, by, as_json)


@click.command("lift")
@click.argument("what", metavar="WHAT")
@by_option
@place_options
def lift(what: str, by: str | None, as_json: bool, workplace: Workplace) -> None:
    """Lift the suspension of a gateway's certificates; for the GWA in charge only."""
    _change(workplace, Change.LIFT, what, None, by, as_json)


def _exact(word: str, known: list[str]) -> str:
    return next(one for one in known if one.lower() == word.lower())


def _change(
    workplace: Workplace, change: Change, what: str, reason: Reason | None, by: str | None, as_json: bool
) -> None:
    from smpki.desk import Desk
    from smpki.orders import StatusOrder

    place = place_of(workplace)
    if by is None and reason is None:
        raise UsageFailure(f"to {change} is for the GWA in charge: name it with --by")
    signer: Signer | None = place.open_party(by).signer() if by else None
    changed = []
    by_issuer: dict[str, list[str]] = {}
    for mark in place.marks_of(what):
        by_issuer.setdefault(place.issuer_of(mark).mark, []).append(mark)
    for marks in by_issuer.values():
        desk = Desk(place.issuer_of(marks[0]))
        if signer is not None:
            changed += desk.obey(StatusOrder(change, tuple(marks), reason, place.clock()).signed(signer))
        elif reason is not None:
            changed += desk.revoke(marks, reason)
    if as_json:
        print_json({"change": change, "changed": changed})
        return
    for mark in changed:
        click.echo(f"{_PAST[change]} {mark}")
    if not changed:
        click.echo(f"nothing to {change}: it is so already")


_PAST = {Change.REVOKE: "revoked", Change.SUSPEND: "suspended", Change.LIFT: "lifted"}


@click.command("charge")
@click.argument("gateway", metavar="GATEWAY")
@click.option("--to", "to", help="Common name of the GWA to take charge. Without it: who is in charge.")
@by_option
@place_options
def charge(gateway: str, to: str | None, by: str | None, as_json: bool, workplace: Workplace) -> None:
    """Show who is in charge of a gateway's certificates, or hand it over to another GWA (UpdateDeviceAdmin).

    \b
    Example:
      smgw pki charge EXXX0012345678.SMGW --to Neu.GWA --by Admin.GWA
    """
    from smpki.desk import Desk
    from smpki.orders import AdminOrder

    place = place_of(workplace)
    if to is not None:
        if by is None:
            raise UsageFailure("the GWA in charge hands over: name it with --by")
        order = AdminOrder((gateway,), to, place.clock())
        Desk(place.authority()).hand_over(order.signed(place.open_party(by).signer()))
    with place.store.unit() as unit:
        found = unit.in_charge(gateway)
    if found is None:
        raise UsageFailure(f"nobody is in charge of {gateway}: no certificates were issued to it")
    if as_json:
        print_json({"gateway": gateway, "in_charge": found[0], "since": found[1].isoformat()})
    else:
        click.echo(f"{found[0]} is in charge of {gateway} since {found[1]:%Y-%m-%d %H:%M} UTC")
