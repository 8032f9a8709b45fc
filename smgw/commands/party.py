"""``smgw party``: who may sign the record."""

from __future__ import annotations

from pathlib import Path

import click

from lifecycle.roles import PARTICIPANTS, Role
from smgw.failing import clear_errors
from smgw.printing import json_option, print_json
from smgw.workplace import Workplace, workplace_options

_SIGNING_ROLES = [str(role) for role in Role if role not in PARTICIPANTS]


@click.group("party")
def command() -> None:
    """Keys and certificates of the parties that sign the record.

    Certificates are issued by the operations CA of --home, which is made when it is first needed.
    """


@command.command("create")
@click.option(
    "--role",
    required=True,
    type=click.Choice(_SIGNING_ROLES, case_sensitive=False),
    help="The role the party will act in (Table 1.2).",
)
@click.option("--name", required=True, help='Its name, such as "Line 3"; for GATEWAY, the gateway\'s identification.')
@click.option(
    "--on-behalf-of",
    type=click.Choice(_SIGNING_ROLES, case_sensitive=False),
    help="Its principal (im Auftrag). By default the one that the role always acts for; "
    "a service provider of GWH or MSB names that role.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for party.key (mode 0600) and party.pem. A key there is never overwritten.",
)
@json_option
@workplace_options
@clear_errors()
def create(role: str, name: str, on_behalf_of: str | None, out: Path, as_json: bool, workplace: Workplace) -> None:
    """Make a party: a new key, and a certificate for it.

    \b
    Example:
      smgw party create --role GWH --name "Line 3" --out parties/line-3
    """
    principal = Role(on_behalf_of.upper()) if on_behalf_of else None
    party = workplace.authority().enrol(Role(role.upper()), name, principal)
    party.save(out)
    actor = party.actor
    if as_json:
        print_json(
            {
                "role": actor.role,
                "name": actor.name,
                "on_behalf_of": actor.on_behalf_of,
                "certificate": actor.certificate,
                "folder": str(out),
            }
        )
        return
    acts_for = f" on behalf of {actor.on_behalf_of}" if actor.on_behalf_of else ""
    click.echo(f"{actor.role} {actor.name!r}{acts_for}: key and certificate in {out}")
    click.echo(f"certificate {actor.certificate}")


@command.command("show")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@json_option
@clear_errors()
def show(folder: Path, as_json: bool) -> None:
    """Show who the party in FOLDER is, and until when its certificate is valid."""
    from lifecycle.parties import Party

    party = Party.load(folder)
    actor, certificate = party.actor, party.certificate
    told = {
        "role": actor.role,
        "name": actor.name,
        "on_behalf_of": actor.on_behalf_of,
        "certificate": actor.certificate,
        "not_before": certificate.not_valid_before_utc.isoformat(),
        "not_after": certificate.not_valid_after_utc.isoformat(),
    }
    if as_json:
        print_json(told)
        return
    for member, value in told.items():
        click.echo(f"{member:13} {value or '-'}")
