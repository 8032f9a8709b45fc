"""``smgw gateway run`` and what belongs to it: a gateway at work, its configuration, and a household to look at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from smgw.failing import UsageFailure, clear_errors
from smgw.listening import free_port
from smgw.printing import json_option, print_json, progress_bar
from smgw.workplace import Workplace, free_gateways, workplace_options

if TYPE_CHECKING:
    from gateway.settings import Settings
    from smgw.play import Play

_config = click.option(
    "--config",
    "path",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The configuration (smgw gateway example prints one).",
)
_SHORTEST_PASSWORD = 10


@click.command("run")
@_config
@clear_errors()
def run(path: Path) -> None:
    """Run a gateway: hear its meters, keep their readings, serve its consumers.

    It tells where everything listens, and works until it is stopped. SIGHUP has it read meters, contracts, consumers
    and technicians anew without losing a byte; a file with a mistake is refused, and the one before holds. With systemd
    it is a service of Type=notify: deploy/smgw-gateway.service.

    \b
    Example:
      smgw gateway example > gateway.toml
      smgw gateway check --config gateway.toml
      smgw --log-level info --log-format json gateway run --config gateway.toml

    Exit code: 0 when it was stopped, 1 if a defect ended it, 2 if it could not start.
    """
    from gateway.lmn.receivers import TcpServerReceiver
    from gateway.service_manager import ServiceManager
    from smgw.gateway_place import (
        Reloading,
        clear_running_errors,
        held_signals,
        in_words,
        keep_at_work,
        running_gateway,
        tell_start,
    )

    manager = ServiceManager()
    with clear_running_errors(), held_signals():
        settings = _read(path)
        with running_gateway(settings) as (running, receivers):
            heard = {each.line: each.address for each in receivers if isinstance(each, TcpServerReceiver)}
            words = [
                (line.name, f"{line.protocol} listens on {heard[line.name][0]}, port {heard[line.name][1]}")
                if line.name in heard
                else (line.name, f"{line.protocol} {line.way}")
                for line in settings.lines
            ]
            tell_start(running, words)
            click.echo("Ctrl-C stops it.")
            manager.ready(in_words(running.profiles))
            keep_at_work(running, manager, Reloading(running, settings))
        click.echo("Stopped.")


@click.command("check")
@_config
@json_option
@clear_errors()
def check(path: Path, as_json: bool) -> None:
    """Read a configuration and say what a gateway would do with it. Opens no port, no database and no module.

    Every mistake is named, not only the first.

    Exit code: 0 if it can be used, 2 if not.
    """
    from gateway.settings import SettingsError, read_settings
    from smgw.gateway_place import missing

    mistakes: tuple[str, ...] = ()
    settings: Settings | None = None
    try:
        settings = read_settings(path)
        mistakes = tuple(missing(settings))
    except SettingsError as error:
        mistakes = error.mistakes
    if as_json:
        print_json({"file": str(path), "ok": not mistakes, "mistakes": list(mistakes)})
    else:
        if settings is not None:
            _tell(settings)
        for mistake in mistakes:
            click.secho(mistake, fg="red")
        if not mistakes:
            click.echo("Nothing is wrong with it.")
    if mistakes:
        count = f"{len(mistakes)} mistake{'s' if len(mistakes) > 1 else ''}"
        raise UsageFailure(f"{count} in {path}, or in what it names")


@click.command("example")
def example() -> None:
    """Print a configuration with every table and key, commented."""
    from gateway.settings import example as text

    click.echo(text(), nl=False)


@click.command("play")
@click.option("--gateway", metavar="ID", help="Identification, DIN 43863-5.  [default: the next free EXXX00…]")
@click.option(
    "--speed",
    default=1_440.0,
    show_default=True,
    type=click.FloatRange(1, 86_400),
    help="How many times as fast as time it runs; 1440 is a day in a minute.",
)
@click.option(
    "--days", default=31, show_default=True, type=click.IntRange(0, 400), help="How much of the past comes first."
)
@click.option("--port", default=8443, show_default=True, type=click.IntRange(0, 65535), help="Port of the page.")
@workplace_options
@clear_errors()
def play(gateway: str | None, speed: float, days: int, port: int, workplace: Workplace) -> None:
    """Play a household with three meters: a new gateway in operation, and its consumer's page to look at.

    An electricity meter by SML, one with a solar system by HDLC, a gas meter by wireless M-Bus with its key. A month of
    the past comes first, through the same door as everything; then a day passes in a minute. The page is for this
    machine only, and its password is made for this play.

    Exit code: 0 when it was stopped, 2 if it could not start.
    """
    from gateway.service_manager import ServiceManager
    from smgw.gateway_place import clear_running_errors, held_signals, keep_at_work, stopped_within
    from smgw.play import KEEP_UP_SECONDS as PLAYED_SECONDS
    from smgw.play import Play, bring_into_operation

    repository = workplace.repository()
    name = gateway or next(free_gateways(repository))
    click.echo(f"Gateway {name} is made, installed and personalised …")
    bring_into_operation(workplace, repository, name)
    with (
        clear_running_errors(),
        held_signals(),
        Play(workplace, repository, name, speed=speed, days=days, port=free_port(port)) as played,
    ):
        if not catch_up(played, stopped_within):
            return
        tell_play(played)
        click.echo("Ctrl-C stops it.")
        keep_at_work(played.running, ServiceManager({}), None, PLAYED_SECONDS)
    click.echo("Stopped.")


@click.command("password")
@click.argument("userid", metavar="USERID")
@clear_errors()
def password(userid: str) -> None:
    """Ask for the password of consumer USERID and print the lines that stand for it in the configuration.

    The password itself is kept nowhere. The lines are as good as it is to whoever wants to come in: the file that they
    are put into is for its owner only.
    """
    from gateway.han.consumers import Consumer
    from gateway.settings import hash_lines

    try:
        Consumer.known_by(userid)
    except ValueError as error:
        raise UsageFailure(str(error)) from error
    chosen = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    if len(chosen) < _SHORTEST_PASSWORD:
        raise UsageFailure(f"a password has at least {_SHORTEST_PASSWORD} characters")
    for line in hash_lines(Consumer.known_by(userid, chosen)):
        click.echo(line)


def _read(path: Path) -> Settings:
    from gateway.settings import read_settings

    return read_settings(path)


def _tell(settings: Settings) -> None:
    """What a gateway would do."""
    from gateway.lmn.obis import format_obis

    device = settings.device
    click.echo(f"Gateway {device.id}, its keys in {device.home}, its folder {device.folder}")
    click.echo(f"  module    {device.module or 'the software module in its folder'}")
    click.echo(f"  database  {device.database or 'smgw.db in ' + str(device.home)}")
    for line in settings.lines:
        click.echo(f"  line      {line.name}: {line.protocol}, {line.way}")
    for meter in settings.profiles.meters:
        codes = ", ".join(map(format_obis, meter.capture))
        heard = f"line {meter.line}" if meter.line else "any line"
        medium = meter.medium.name.lower().replace("_", " ")
        every = f"{meter.period.total_seconds():.0f} s"
        click.echo(
            f"  meter     {meter.device_id}: {medium} by {meter.protocol.value} on {heard}, {codes} every {every}"
        )
    for known in settings.profiles.consumers:
        ways = [f"{len(known.certificates)} certificate(s)"] if known.certificates else []
        ways += ["a password"] if known.consumer.ha1 else []
        click.echo(f"  consumer  {known.consumer.userid}: comes in with {' or '.join(ways)}")
    for contract in settings.profiles.contracts:
        words = f"{contract.use_case} of meter {contract.meter} for {contract.consumer}"
        click.echo(f"  contract  {contract.id}: {words}, from {contract.start:%Y-%m-%d %H:%M} UTC")
    if settings.han is not None:
        host, port = settings.han.address
        click.echo(f"  listens   for consumers on {host}, port {port}, TLS with a key on {settings.han.curve}")
    if settings.technician is not None:
        host, port = settings.technician.address
        count = len(settings.technician.certificates)
        click.echo(f"  listens   for technicians on {host}, port {port}: {count} certificate(s)")
    if settings.monitor is not None:
        host, port = settings.monitor
        click.echo(f"  listens   for health and metrics on {host}, port {port}")


def catch_up(played: Play, stopped: Callable[[float], bool] | None = None) -> bool:
    """Wait for a play's past, with a progress bar; whether it came to that."""
    with progress_bar("the past", played.quarters, least=0) as advance:
        return played.catch_up(advance or (lambda _: None), stopped)


def tell_play(played: Play) -> None:
    """Say where the page is, and how to come in."""
    click.echo(f"The consumer's page of gateway {played.running.id}, where a day passes in {played.day_takes}:")
    click.echo(f"  page      {played.url}")
    click.echo(f"  user      {played.user}")
    click.echo(f"  password  {played.password}   (for this play only)")
    click.echo("  The certificate is the gateway's own, so the browser will say that the connection is not private")
    click.echo("  (NET::ERR_CERT_AUTHORITY_INVALID, or SEC_ERROR_UNKNOWN_ISSUER): Advanced, then go on to 127.0.0.1.")
    click.echo(f"  Its SHA-256 fingerprint: {played.fingerprint}")


COMMANDS = (run, check, example, play, password)
"""What the group ``smgw gateway`` takes in."""
