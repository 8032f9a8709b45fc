"""``smgw db``: the schema of the database."""

from __future__ import annotations

import click

from smgw.failing import clear_errors
from smgw.printing import json_option, print_json
from smgw.workplace import Workplace, workplace_options


@click.group("db")
def command() -> None:
    """The database's schema, kept by alembic.

    An empty database is given its schema by the first command that needs it.
    """


@command.command("upgrade")
@json_option
@workplace_options
@clear_errors()
def upgrade(as_json: bool, workplace: Workplace) -> None:
    """Bring the database to the schema that this version needs. Safe to repeat."""
    from lifecycle.store.engine import connect, upgrade

    workplace.make()
    before, now = upgrade(connect(workplace.database_url))
    if as_json:
        print_json({"before": before, "now": now})
    elif before == now:
        click.echo(f"schema {now}: nothing to do")
    else:
        click.echo(f"schema {before or 'none'} -> {now}")


@command.command("status")
@json_option
@workplace_options
@clear_errors()
def status(as_json: bool, workplace: Workplace) -> None:
    """Which schema the database is at, and which one this version needs."""
    from lifecycle.store.engine import connect, current_revision, needed_revision

    current, needed = current_revision(connect(workplace.database_url)), needed_revision()
    if as_json:
        print_json({"current": current, "needed": needed})
    else:
        click.echo(f"at {current or 'none'}, needed {needed}")
    if current != needed:
        raise SystemExit(1)
