"""``smgw install``: the Monteur and the Erstkonfigurator on site, with or without a network."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smgw.failing import RefusedFailure, UsageFailure, clear_errors
from smgw.listening import READABLE_FILE, bind, check_tls, hand_over_logs, refuse_in_the_open
from smgw.printing import json_option, print_json
from smgw.workplace import Workplace, workplace_options

if TYPE_CHECKING:
    from smgw.install_place import Hand, InstallPlace
    from stations.installer.report import TestReport
    from stations.installer.trip import Brought
    from stations.installer.works import Done, Plan, StageView, View

_gateway_argument = click.argument("gateway", metavar="[GATEWAY]", required=False)
_Command = Callable[..., Any]


@click.group("install")
def command() -> None:
    """Install and remove gateways on site, with or without a network.

    Anlage VIII ch. 8, 9, 12 and 18: the Monteur acts for the MSB, the Erstkonfigurator for the GWA. The chain of a
    gateway is taken along in a folder, the trip, and each step on site is signed into it. Back home it is brought home:
    fast-forward, or an alarm that names the entries if home went another way meanwhile.

    \b
    The way of a gateway into its cellar:
      smgw install take EXXX0000000001 --to trip        at home: chain, keys and a keeper for the trip
      smgw install status --trip trip                   what is done, what is next, what is refused and why
      smgw install take-over --trip trip                the Monteur takes it over from the MSB
      smgw install arrive --trip trip                   it is on site: the first installation begins
      smgw install mount --trip trip                    it is mounted
      smgw install configure --trip trip --local tcp:127.0.0.1:7401 --apn iot.example
      smgw install test --trip trip --local tcp:127.0.0.1:7401
      smgw install hand-over --trip trip --device-key KEY   its local interface is off; the GWA goes on
      smgw install return trip                          home again
    Or all of it by thumb: smgw install serve --trip trip

    Every step first shows what it will sign and asks. What is on record stays: --dry-run shows and signs nothing, --yes
    does not ask. Without --trip a step is signed into the home's own record.
    """


def _hand_options(command: _Command) -> _Command:
    """The options that say where the installer works and with what, handed to the command as ``hand``."""

    @wraps(command)
    def with_hand(*args: Any, workplace: Workplace, **options: Any) -> Any:
        from smgw.install_place import Hand, clear_install_errors

        names = ("trip", "monteur", "configurator", "device_key", "local", "device")
        given = {name: options.pop(name) for name in names}
        with clear_install_errors():
            return command(*args, hand=Hand(workplace, **given), **options)

    folder = click.Path(exists=True, file_okay=False, path_type=Path)
    options = (
        click.option("--trip", type=folder, envvar="SMGW_TRIP", help="The folder that 'smgw install take' made."),
        click.option("--monteur", type=folder, help="Folder of the Monteur's key.  [default: the trip's or home's]"),
        click.option("--configurator", type=folder, help="Folder of the Erstkonfigurator's key.  [default: as above]"),
        click.option("--device-key", type=folder, help="Folder of the gateway's own key, which signs the hand-over."),
        click.option("--local", metavar="ADDRESS", help="Local interface: tcp:127.0.0.1:PORT or serial:/dev/DEVICE."),
        click.option("--device", type=folder, help="Or the gateway's folder, to run the gateway here meanwhile."),
    )
    decorated: _Command = workplace_options(clear_errors()(with_hand))
    for option in reversed(options):
        decorated = option(decorated)
    return decorated


def _step_options(function: _Command) -> _Command:
    for option in (
        json_option,
        click.option("--dry-run", is_flag=True, help="Show what would be signed; sign nothing."),
        click.option("--yes", is_flag=True, help="Sign without asking."),
    ):
        function = option(function)
    return function


@command.command("take")
@click.argument("gateways", metavar="GATEWAY...", nargs=-1, required=True)
@click.option(
    "--to", "folder", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the trip."
)
@click.option("--monteur", default="Monteur", show_default=True, help="Name of who mounts; a key is made for the trip.")
@click.option(
    "--configurator",
    default="Erstkonfigurator",
    show_default=True,
    help="Name of who configures; the same for the GWA.",
)
@json_option
@workplace_options
@clear_errors()
def take(
    gateways: tuple[str, ...], folder: Path, monteur: str, configurator: str, as_json: bool, workplace: Workplace
) -> None:
    """Take the chains of gateways along, into the folder --to.

    The folder is a small home of its own: the chains, the operations CA's certificate, the keys of Monteur and
    Erstkonfigurator, and a keeper's key that was made for this folder only. The CA's own key stays here. A folder that
    is a trip already is given what is new here, and more chains.

    \b
    Examples:
      smgw install take EXXX0000000001 --to /media/stick/monday --monteur "Monteur 7"
      smgw gateway list --home /media/stick/monday
    """
    from smgw.install_place import clear_install_errors
    from smgw.trip_place import set_out

    with clear_install_errors():
        trip, brought = set_out(workplace, folder, gateways, monteur=monteur, configurator=configurator)
    for each in brought:
        _tell_brought(each, as_json, "taken along")
    if not as_json:
        click.echo(f"{trip.folder} holds {len(trip.gateways)}: {', '.join(trip.gateways)}")
        click.echo("Keep it to yourself: its keys sign for the Monteur and the Erstkonfigurator.")


@command.command("return")
@click.argument("folder", metavar="TRIP", type=click.Path(exists=True, file_okay=False, path_type=Path))
@json_option
@workplace_options
@clear_errors()
def return_(folder: Path, as_json: bool, workplace: Workplace) -> None:
    """Bring the chains in the folder TRIP home.

    Each is replayed first, and has to reach the head that was signed here when it left. Then it is fast-forwarded, all
    of it or nothing. Where this home went another way meanwhile, that is a fork: an alarm that names the entries on
    either side. Nothing is taken then and nothing is lost: TRIP stays as it is, its chain is written to HOME/refused.

    Exit code: 0 if every chain is home, 1 if one was refused, 2 if it could not be tried.
    """
    from lifecycle.parties import utc_now
    from lifecycle.store.errors import BrokenChainError, ForkError
    from smgw.install_place import clear_install_errors
    from smgw.trip_place import Trip
    from stations.installer.trip import ForkAlarm

    refused = 0
    with clear_install_errors():
        trip, home = Trip(folder), workplace.repository()
        for gateway in trip.gateways:
            try:
                _tell_brought(trip.give_back(home, gateway), as_json, "brought home")
            except (ForkError, BrokenChainError) as error:
                refused += 1
                aside = trip.keep_aside(workplace, gateway, utc_now())
                alarm = "FORK" if isinstance(error, ForkError) else "BROKEN"
                if as_json:
                    fork = error.told() if isinstance(error, ForkAlarm) else None
                    told = {"gateway": gateway, "ok": False, "new": 0, "error": f"{alarm}: {error}"}
                    print_json({**told, "fork": fork, "kept_aside": str(aside)})
                else:
                    click.secho(f"{alarm}: {error}", fg="red", err=True)
                    click.echo(f"  the chain as it came is in {aside}", err=True)
    if refused:
        raise RefusedFailure(f"{refused} of {len(trip.gateways)} chains refused; nothing of them was taken")


def _tell_brought(brought: Brought, as_json: bool, how: str) -> None:
    state, entries = brought.kept.standing.state, brought.kept.position.sequence
    if as_json:
        told = {"gateway": brought.gateway, "ok": True, "new": brought.new, "entries": entries, "state": state}
        print_json({**told, "error": None})
    else:
        click.echo(f"{brought.gateway}: {how}, {brought.new} new entries, {entries} in all, {state}")


@command.command("status")
@_gateway_argument
@json_option
@_hand_options
def status(gateway: str | None, as_json: bool, hand: Hand) -> None:
    """Show the steps of a gateway: done, next, and what the law refuses and why. Of a trip without GATEWAY, of all."""
    from stations.installer.works import look_at

    with hand.place(gateway, signing=False) as place:
        for each in place.gateways:
            view = look_at(place.installer, each, place.site.reports.has_succeeded)
            report = place.site.reports.last(each)
            if as_json:
                print_json(_view_told(view, report))
            else:
                _tell_view(view, report)


def _view_told(view: View, report: TestReport | None) -> dict[str, Any]:
    steps = []
    for step in view.stages:
        refused = {
            str(choice.work): [str(reason) for reason in choice.refusal.refused.reasons]
            for choice in step.choices
            if choice.refusal is not None
        }
        possible = [str(choice.work) for choice in step.choices if choice.refusal is None]
        entry = None if step.told is None else step.told.sequence
        steps.append({"step": step.stage, "done": step.done, "entry": entry, "possible": possible, "refused": refused})
    return {
        "gateway": view.gateway,
        "state": view.standing.state,
        "entries": view.entries,
        "next": None if view.next is None else view.next.stage,
        "steps": steps,
        "test": None if report is None else report.told(),
    }


def _tell_view(view: View, report: TestReport | None) -> None:
    from lifecycle.phases import PHASES

    phase = PHASES[view.standing.state]
    click.secho(f"{view.gateway}", bold=True, nl=False)
    click.echo(f"  {phase.german}  {phase.state}  (ch. {phase.chapter}), {view.entries} entries")
    for step in view.stages:
        _tell_step(step, is_next=step == view.next)
    if report is not None:
        click.echo(f"  last connection test: {_report_in_words(report)}")


def _tell_step(step: StageView, *, is_next: bool) -> None:
    mark, colour = ("✓", "green") if step.done else (("→", "yellow") if is_next else ("·", None))
    click.secho(f"  {mark} ", fg=colour, nl=False)
    click.echo(step.stage.replace("-", " "), nl=False)
    if step.told is not None:
        actor = step.told.actor
        click.secho(
            f"  entry {step.told.sequence}, {actor.role} {actor.name}, {step.told.time[:16]}Z", dim=True, nl=False
        )
    click.echo()
    for choice in step.choices:
        if choice.refusal is None:
            click.echo(f"      possible: smgw install {_WORDS[choice.work]}")
            continue
        for reason in choice.refusal.refused.reasons:
            click.secho(f"      {_WORDS[choice.work]} is refused: {reason}", dim=True)


_WORDS: Mapping[str, str] = {
    "take-over": "take-over",
    "arrive": "arrive",
    "mount": "mount",
    "configure": "configure",
    "not-needed": "configure --not-needed",
    "hand-over": "hand-over",
    "remove-for-scrapping": "remove --for scrapping",
    "remove-for-sm-destruction": "remove --for sm-destruction",
    "report-removed": "remove --complete",
}
"""What to type for each work."""


@command.command("take-over")
@_gateway_argument
@_step_options
@_hand_options
def take_over(gateway: str | None, hand: Hand, **how: bool) -> None:
    """The Monteur takes the gateway over from the MSB (ch. 8), who has handed it over before:

    \b
      smgw gateway attest GATEWAY MSB_HANDED_OVER_TO_MONTEUR --party MSB
    """
    _work(hand, gateway, "take-over", how)


@command.command("arrive")
@_gateway_argument
@_step_options
@_hand_options
def arrive(gateway: str | None, hand: Hand, **how: bool) -> None:
    """The gateway is where it will be used: the first installation begins (ch. 9)."""
    _work(hand, gateway, "arrive", how)


@command.command("mount")
@_gateway_argument
@_step_options
@_hand_options
def mount(gateway: str | None, hand: Hand, **how: bool) -> None:
    """The Monteur reports the gateway mounted (ch. 9)."""
    _work(hand, gateway, "mount", how)


@command.command("configure")
@_gateway_argument
@click.option("--not-needed", is_flag=True, help="The site needs no communication parameters.")
@click.option("--host", help="Host name or IP address of the GWA.")
@click.option("--port", type=click.IntRange(1, 65535), help="Its TCP port.")
@click.option("--apn", help="Access point name of the mobile network.")
@click.option("--proxy-host", help="Host name or IP address of a proxy at the site.")
@click.option("--proxy-port", type=click.IntRange(1, 65535), help="Its TCP port.")
@_step_options
@_hand_options
def configure(
    gateway: str | None,
    not_needed: bool,
    host: str | None,
    port: int | None,
    apn: str | None,
    proxy_host: str | None,
    proxy_port: int | None,
    hand: Hand,
    **how: bool,
) -> None:
    """The Erstkonfigurator sets communication parameters over the local interface, and attests it (ch. 9).

    What is not given stays as the GWA's configuration file has it. The local interface is on in the first installation
    only, until the hand-over. Where nothing has to be set the Monteur says so: --not-needed.

    \b
    Examples:
      smgw install configure --trip trip --local tcp:127.0.0.1:7401 --apn iot.example
      smgw install configure --trip trip --not-needed
    """
    from gateway.configuration import CommunicationParameters

    given = {"host": host, "port": port, "apn": apn, "proxy_host": proxy_host, "proxy_port": proxy_port}
    anything = any(value is not None for value in given.values())
    if not_needed:
        if anything:
            raise UsageFailure("--not-needed, or parameters to set; not both")
        _work(hand, gateway, "not-needed", how)
        return
    if not anything:
        raise UsageFailure("say what to set (--host, --port, --apn, --proxy-host, --proxy-port), or --not-needed")
    parameters = CommunicationParameters(host, port, apn, proxy_host, proxy_port)
    _work(hand, gateway, "configure", how, lambda place, name: place.site.configure(name, parameters))


@command.command("test")
@_gateway_argument
@json_option
@_hand_options
def test(gateway: str | None, as_json: bool, hand: Hand) -> None:
    """Have the gateway try to reach its GWA, over its local interface. Shows what was tried, the result, and how long.

    Nothing of it goes on record: the law knows no fact of a connection test. The report stays in the folder.

    Exit code: 0 if the GWA was reached, 1 if not.
    """
    with hand.place(gateway) as place:
        report = place.site.test(place.only())
    if as_json:
        print_json(report.told())
    else:
        click.echo(_report_in_words(report))
    if not report.reached:
        raise RefusedFailure("the gateway did not reach its GWA")


def _report_in_words(report: TestReport) -> str:
    result = "reached" if report.reached else f"not reached: {report.trouble}"
    return f"{report.host} port {report.port}, {result}, after {report.milliseconds} ms ({report.time:%Y-%m-%d %H:%M}Z)"


@command.command("hand-over")
@_gateway_argument
@_step_options
@_hand_options
def hand_over(gateway: str | None, hand: Hand, **how: bool) -> None:
    """Nothing is left to do on site: the gateway's local interface goes off, for good, and the GWA goes on (ch. 10).

    It is the gateway that attests it, with its own key: --device-key, or HOME/parties/gateways/GATEWAY. Refused while
    the GWA could not go on: not mounted, or neither parameters set nor said to be not needed.
    """
    _work(hand, gateway, "hand-over", how)


@command.command("remove")
@_gateway_argument
@click.option(
    "--for",
    "purpose",
    type=click.Choice(["scrapping", "sm-destruction"]),
    help="Begin the removal: for scrapping (ch. 12), or for destruction of the module (ch. 18).",
)
@click.option("--complete", is_flag=True, help="Report the removal complete.")
@_step_options
@_hand_options
def remove(gateway: str | None, purpose: str | None, complete: bool, hand: Hand, **how: bool) -> None:
    """The Monteur takes the gateway out: begins the removal (--for), and reports it complete (--complete).

    For scrapping the law demands that the GWA had every certificate of the gateway revoked, and recommends that the
    module is terminated. After an outage (ch. 17) the way that the Anlage recommends is --for sm-destruction.

    \b
    Examples:
      smgw install remove EXXX0000000001 --for scrapping
      smgw install remove EXXX0000000001 --complete
    """
    if complete is (purpose is not None):
        raise UsageFailure("--for scrapping or --for sm-destruction begins the removal, --complete reports its end")
    if complete:
        _work(hand, gateway, "report-removed", how)
    else:
        _work(hand, gateway, f"remove-for-{purpose}", how)


def _work(
    hand: Hand,
    gateway: str | None,
    work_name: str,
    how: dict[str, bool],
    do: Callable[[InstallPlace, str], Done] | None = None,
) -> None:
    """Show what a work will sign, ask, and do it."""
    from stations.installer.works import Work

    work = Work(work_name)
    as_json, dry_run, yes = how["as_json"], how["dry_run"], how["yes"]
    with hand.place(gateway, signing=not dry_run) as place:
        name = place.only()
        plan = place.installer.plan(name, work)
        if as_json and not (dry_run or yes):
            raise UsageFailure("--json does not ask: add --yes to sign, or --dry-run to see what would be signed")
        if not as_json:
            _tell_plan(plan)
        if dry_run:
            if as_json:
                print_json(_plan_told(plan))
            else:
                click.echo("Nothing was signed.")
            return
        if not yes and not click.confirm("Sign and record? What is on record stays"):
            click.echo("Nothing was signed.")
            return
        done = place.installer.do(name, work) if do is None else do(place, name)
    entries = [entry.sequence for entry in done.entries]
    if as_json:
        print_json({"gateway": name, "work": work, "entries": entries, "state": done.state})
    else:
        click.secho("✓ ", fg="green", nl=False)
        click.echo(
            f"{'entry' if len(entries) == 1 else 'entries'} {', '.join(map(str, entries))}; {name} is in {done.state}"
        )


def _plan_told(plan: Plan) -> dict[str, Any]:
    signings = [
        {
            "what": signing.what,
            "role": signing.actor.role,
            "name": signing.actor.name,
            "on_behalf_of": signing.actor.on_behalf_of,
            "state": signing.state,
        }
        for signing in plan.signings
    ]
    told = {"gateway": plan.gateway, "work": plan.work, "signings": signings}
    return {**told, "against_advice": plan.against_advice, "recommended_unmet": list(plan.unmet)}


def _tell_plan(plan: Plan) -> None:
    from lifecycle.law import in_words

    click.echo(f"{plan.gateway}: this will be signed")
    for signing in plan.signings:
        click.echo(f"  {signing.what}  by {in_words(signing.actor)} {signing.actor.name!r}, then {signing.state}")
    if plan.against_advice:
        click.secho(
            "  The Anlage does not recommend this way (ch. 17): --for sm-destruction is recommended.", fg="yellow"
        )
    for name in plan.unmet:
        click.secho(f"  Recommended, and not met: {name}; it is recorded so.", fg="yellow")


@command.command("serve")
@_gateway_argument
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8010, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 takes a free one."
)
@click.option("--tls-cert", type=READABLE_FILE, help="Certificate chain (PEM) for TLS.")
@click.option("--tls-key", type=READABLE_FILE, help="Its private key (PEM).")
@click.option(
    "--without-tls", is_flag=True, help="Listen beyond this machine without TLS: only behind a proxy that does TLS."
)
@_hand_options
def serve(
    gateway: str | None,
    host: str,
    port: int,
    tls_cert: Path | None,
    tls_key: Path | None,
    without_tls: bool,
    hand: Hand,
) -> None:
    """Serve a page for a phone held in one hand: the steps in order, what is next, and why not.

    Prints a link with a pairing code that works once; whoever opens it first is let in, and nobody else. The page is
    served on this machine only, unless --host and TLS say otherwise.

    \b
    Examples:
      smgw install serve --trip trip --local tcp:127.0.0.1:7401
      smgw install serve --trip trip --host 192.0.2.7 --tls-cert chain.pem --tls-key key.pem

    Exit code: 0 when it was stopped, 2 if it could not start.
    """
    check_tls(tls_cert, tls_key)
    with hand.place(gateway) as place, bind(host, port) as bound:
        refuse_in_the_open(bound, secured=tls_cert is not None or without_tls)
        _run(place, bound, tls_cert, tls_key)


def _run(place: InstallPlace, bound: socket.socket, certificate: Path | None, key: Path | None) -> None:
    import uvicorn

    from stations.installer.page.app import create_app
    from stations.installer.page.pairing import Pairing

    pairing = Pairing()
    host, port = bound.getsockname()[:2]
    shown = f"[{host}]" if bound.family == socket.AF_INET6 else host
    address = f"{'https' if certificate else 'http'}://{shown}:{port}"
    config = uvicorn.Config(
        create_app(place.site, place.gateways, pairing),
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        ssl_certfile=certificate,
        ssl_keyfile=key and os.fspath(key),
    )
    click.echo(f"The page for {', '.join(place.gateways)} is at {address}")
    click.echo(f"  open once on the phone   {address}/?code={pairing.code}")
    click.echo(f"  or type the code         {pairing.code}")
    click.echo("Ctrl-C stops it.")
    hand_over_logs()
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run([bound])
    click.echo("Stopped.")
