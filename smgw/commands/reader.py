"""``smgw reader``: who may read the record over the service."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from lifecycle.store.engine import open_database
from smgw.failing import UsageFailure, clear_errors
from smgw.printing import json_option, print_json
from smgw.workplace import Workplace, workplace_options

if TYPE_CHECKING:
    from lifecycle.service.readers import Readers


@click.group("reader")
def command() -> None:
    """Tokens that let somebody read over the service (RFC 6750); only their hashes are kept."""


@command.command("create")
@click.option("--name", required=True, help='Whom the token is for, such as "Audit 2026".')
@click.option(
    "--days", type=click.IntRange(1, 3650), default=90, show_default=True, help="After how many days it expires."
)
@json_option
@workplace_options
@clear_errors()
def create(name: str, days: int, as_json: bool, workplace: Workplace) -> None:
    """Make a token and print it, this once.

    \b
    Example:
      smgw reader create --name "Audit 2026" --days 30
      curl -H "Authorization: Bearer TOKEN" http://127.0.0.1:8000/api/v1/gateways
    """
    from lifecycle.service.readers import ReaderError

    readers = _readers(workplace)
    try:
        token = readers.create(name, timedelta(days=days))
    except ReaderError as error:
        raise UsageFailure(str(error)) from error
    reader = readers.find(token)
    expires = reader.expires if reader is not None else None
    if as_json:
        print_json({"name": name, "token": token, "expires": expires})
        return
    click.echo(token)
    click.echo(f"for {name!r}, until {expires}; it is not shown again", err=True)


@command.command("list")
@json_option
@workplace_options
@clear_errors()
def list_readers(as_json: bool, workplace: Workplace) -> None:
    """List who may read, and until when."""
    found = _readers(workplace).all()
    for reader in found:
        if as_json:
            print_json({"name": reader.name, "expires": reader.expires})
        else:
            click.echo(f"{reader.expires}  {reader.name}")


@command.command("revoke")
@click.argument("name")
@json_option
@workplace_options
@clear_errors()
def revoke(name: str, as_json: bool, workplace: Workplace) -> None:
    """Take back every token made for NAME."""
    count = _readers(workplace).revoke(name)
    if as_json:
        print_json({"name": name, "revoked": count})
    elif count:
        click.echo(f"{count} token{'' if count == 1 else 's'} of {name!r} taken back")
    if not count:
        raise UsageFailure(f"there is no token of {name!r}")


def _readers(workplace: Workplace) -> Readers:
    from lifecycle.service.readers import Readers

    workplace.make()
    return Readers(open_database(workplace.database_url))
