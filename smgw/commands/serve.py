"""``smgw serve``: the lifecycle service and its cockpit."""

from __future__ import annotations

import socket
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lifecycle.roles import PARTICIPANTS, ROLES, Role
from smgw.failing import clear_errors
from smgw.listening import READABLE_FILE, bind, check_tls, hand_over_logs, refuse_in_the_open
from smgw.workplace import Workplace, workplace_options

if TYPE_CHECKING:
    from lifecycle.service.server import LifecycleServer

_DEV_READER = "dev"
_DEV_LIFETIME = timedelta(days=1)
_DEV_ROLES = [role for role in Role if role not in {*PARTICIPANTS, Role.KEEPER, Role.GATEWAY}]
"""Who gets a key: all who act in the record. A gateway's own key bears its name, so there is none for all of them."""


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 takes a free one."
)
@click.option(
    "--dev", is_flag=True, help="For trying things out: makes a party for each role and a link that signs in."
)
@click.option("--tls-cert", type=READABLE_FILE, help="Certificate chain (PEM) for TLS.")
@click.option("--tls-key", type=READABLE_FILE, help="Its private key (PEM).")
@click.option(
    "--without-tls",
    is_flag=True,
    help="Listen beyond this machine without TLS: only behind a proxy that does TLS.",
)
@workplace_options
@clear_errors()
def command(
    host: str,
    port: int,
    dev: bool,
    tls_cert: Path | None,
    tls_key: Path | None,
    without_tls: bool,
    workplace: Workplace,
) -> None:
    """Serve the record over HTTP, and a cockpit to look at it with.

    Commands are signed by who acts ('smgw party create'); reading takes a token ('smgw reader create'). With --dev,
    keys for every role lie under HOME/parties and the link printed signs in.

    \b
    Examples:
      smgw serve --dev
      smgw serve --host 0.0.0.0 --port 8443 --tls-cert chain.pem --tls-key key.pem --database postgresql://smgw@db/smgw
      curl -H "Authorization: Bearer TOKEN" http://127.0.0.1:8000/api/v1/gateways

    Exit code: 0 when it was stopped, 2 if it could not start.
    """
    check_tls(tls_cert, tls_key)
    bound = bind(host, port)
    with bound:
        refuse_in_the_open(bound, secured=tls_cert is not None or without_tls)
        server = _server(workplace, bound, dev, tls_cert, tls_key)
        hand_over_logs()
        # What stopped it is passed on once uvicorn has stopped in order.
        with suppress(KeyboardInterrupt):
            server.run()
        click.echo("Stopped.")


def _server(
    workplace: Workplace, bound: socket.socket, dev: bool, certificate: Path | None, key: Path | None
) -> LifecycleServer:
    from lifecycle.service.app import create_app
    from lifecycle.service.readers import Readers
    from lifecycle.service.server import LifecycleServer

    repository = workplace.repository()
    server = LifecycleServer(create_app(repository, sign_in_by_link=dev), bound, certificate, key)
    database = repository.engine.url.render_as_string(hide_password=True)
    click.echo(f"Serving {database} at {server.address}")
    if dev:
        for role in _DEV_ROLES:
            workplace.party(role, ROLES[role].german)
        readers = Readers(repository.engine, repository.clock)
        readers.revoke(_DEV_READER)
        token = readers.create(_DEV_READER, _DEV_LIFETIME)
        click.echo(f"  keys of every role   {workplace.home / 'parties'}")
        click.echo(f"  token for the API    {token}")
        click.echo(f"  cockpit, signed in   {server.address}/?token={token}")
    else:
        click.echo(f"  cockpit              {server.address}/   (a token to sign in: smgw reader create)")
    click.echo(f"  OpenAPI              {server.address}/api/v1/openapi.json")
    click.echo("Ctrl-C stops it.")
    return server
