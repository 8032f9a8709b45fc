"""``smgw life``: the main job, one gateway's whole life, to watch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smgw.failing import RefusedFailure, UsageFailure, clear_errors
from smgw.listening import free_port
from smgw.printing import json_option, print_json, progress_bar
from smgw.workplace import Workplace, free_gateways, workplace_options

if TYPE_CHECKING:
    from smgw.life import Told

_LARGEST_CAPTURE = 16 * 1024 * 1024
_PAGE_PORT = 8443


@click.command("life")
@click.option("--gateway", metavar="ID", help="Identification, DIN 43863-5.  [default: the next free EXXX00…]")
@click.option(
    "--capture",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="SML bytes of a real meter to read in OPERATION.  [default: a day of our own household meter]",
)
@click.option(
    "--end",
    type=click.Choice(["scrapping", "sm-destruction"]),
    default="scrapping",
    show_default=True,
    help="Which way out: after an irreversible fault (ch. 16), or after an outage (ch. 17).",
)
@click.option(
    "--order",
    type=click.Choice(["separate", "assembled"]),
    default="separate",
    show_default=True,
    help="Which order of ch. 4 and 5: module prepared apart, or in the assembled gateway.",
)
@click.option(
    "--module",
    type=click.Choice(["software", "pcsc"]),
    default="software",
    show_default=True,
    help="Where its security module is: in this process, or in a virtual reader of a real PC/SC daemon.",
)
@click.option(
    "--exit", "leave", is_flag=True, help="End after the verdict. Otherwise cockpit and consumer's page are served."
)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port of the cockpit.")
@click.option(
    "--days",
    default=5,
    show_default=True,
    type=click.IntRange(0, 400),
    help="How much of a household's past is played before its page is shown.",
)
@json_option
@workplace_options
@clear_errors()
def command(
    gateway: str | None,
    capture: Path | None,
    end: str,
    order: str,
    module: str,
    leave: bool,
    port: int,
    days: int,
    as_json: bool,
    workplace: Workplace,
) -> None:
    """Take a new gateway through its whole life, from development to scrapping, then replay its record.

    Keys, signatures and conditions are real: a security module holds the gateway's keys, a Smart Metering PKI certifies
    them, and every station does its own work. It is produced, pre-personalised, integrated, delivered, installed,
    personalised; it reads a meter, is disturbed and restored, breaks, is taken out and scrapped. A few things are tried
    on the way that must be refused. The verdict of the replay ends it; then, without --exit, the cockpit is served, and
    beside it the consumer's page of a second gateway, in whose household a day passes in a minute.

    \b
    Examples:
      smgw life --exit
      smgw life --capture meter.bin --end sm-destruction --exit

    Exit code: 0 if the record was found lawful, 1 if not, 2 if it could not run.
    """
    from smgw.life import Ending, Life
    from smgw.life_cast import reader_for
    from stations.integrator.order import Arrangement

    repository = workplace.repository()
    name = gateway or next(free_gateways(repository))
    read = _read(capture)
    with (
        reader_for(module) as reader,
        Life(workplace, repository, name, _telling(as_json), capture=read, reader=reader) as story,
    ):
        story.run(Ending(end), Arrangement(order))
        with progress_bar("replay", 2 * repository.kept(name).position.sequence) as progress:
            verdict = story.replayed(progress=progress)
    if as_json:
        print_json({"step": "verdict", **verdict.told()})
    else:
        click.echo()
        click.secho(f"Replayed from the record: {verdict}", fg="green" if verdict.ok else "red", bold=True)
        click.echo(f"Again, whenever you like: smgw replay --gateway {name}")
    if not verdict.ok:
        raise RefusedFailure("the record of this life is broken")
    if not leave:
        _serve(workplace, port, days)


def _serve(workplace: Workplace, port: int, days: int) -> None:
    """The cockpit on this record, with a second gateway in its household so that there is something open to see."""
    from smgw.commands.gateway_run import catch_up, tell_play
    from smgw.commands.serve import command as serve
    from smgw.gateway_place import clear_running_errors
    from smgw.play import Play, bring_into_operation

    repository = workplace.repository()
    sister = next(free_gateways(repository))
    bring_into_operation(workplace, repository, sister)
    with (
        clear_running_errors(),
        Play(workplace, repository, sister, days=days, port=free_port(_PAGE_PORT)) as play,
    ):
        click.echo(f"A second gateway, {sister}, has been brought into OPERATION for you to look at.")
        if catch_up(play):
            tell_play(play)
        cockpit = free_port(port)
        if port and not cockpit:
            click.echo(f"Port {port} is taken; the cockpit takes a free one.")
        with play.in_background():
            click.get_current_context().invoke(
                serve, port=cockpit, dev=True, home=workplace.home, database=workplace.database
            )


def _read(capture: Path | None) -> bytes | None:
    if capture is None:
        return None
    size = capture.stat().st_size
    if not 0 < size <= _LARGEST_CAPTURE:
        raise UsageFailure(f"{capture} has {size} bytes; a capture has 1 to {_LARGEST_CAPTURE}")
    return capture.read_bytes()


def _telling(as_json: bool) -> Any:
    return _tell_json if as_json else _tell


def _tell(told: Told) -> None:
    from smgw.life import ConnectionTested, MeterRead, PhaseEntered, RefusedAttempt, StepTaken

    match told:
        case PhaseEntered(phase, by, advice, unmet):
            click.echo()
            click.secho(f"{phase.german}", bold=True, nl=False)
            click.echo(f"  {phase.state}  (ch. {phase.chapter}), {_where(phase.place)}, by {by}")
            if advice != "neutral":
                click.echo(f"  · a way out that the Anlage calls {advice}")
            for condition in unmet:
                click.echo(f"  · recommended, not done: {condition}")
        case StepTaken(text, by, shown):
            click.echo("  ", nl=False)
            click.secho("✓", fg="green", nl=False)
            click.echo(f" {text}", nl=False)
            click.secho(f"  [{by}]", dim=True)
            if shown:
                click.secho(f"      shown by {shown}", dim=True)
        case ConnectionTested(report):
            click.echo("  ", nl=False)
            click.secho("✓" if report.reached else "✗", fg="green" if report.reached else "red", nl=False)
            click.echo(f" connection test: {report.host} port {report.port}, ", nl=False)
            click.echo(f"reached in {report.milliseconds} ms" if report.reached else report.trouble)
        case RefusedAttempt(attempt, why):
            click.echo("  ", nl=False)
            click.secho("✗", fg="red", nl=False)
            click.echo(f" {attempt}: ", nl=False)
            click.secho("refused", fg="red")
            click.secho(f"    {why}", dim=True)
        case MeterRead():
            _tell_readings(told)


def _tell_readings(told: Any) -> None:
    from gateway.lmn.obis import format_obis, format_scaled, obis_name, unit_symbol

    click.echo("  ", nl=False)
    click.secho("✓", fg="green", nl=False)
    click.echo(
        f" meter read through the gate: {told.frames} frames, {told.stored} readings on the original reading list"
    )
    for reading in told.latest:
        code = reading.obis
        value = f"{format_scaled(reading.value, reading.scaler)} {unit_symbol(reading.unit)}".strip()
        click.echo(f"      {format_obis(code):16} {value:>18}  {obis_name(code)}")
    for reason in told.unreadable:
        click.secho(f"      without readings: {reason}", dim=True)


def _where(place: object) -> str:
    return str(place) if place else "nowhere yet"


def _tell_json(told: Told) -> None:
    from smgw.life import ConnectionTested, MeterRead, PhaseEntered, RefusedAttempt, StepTaken

    match told:
        case PhaseEntered(phase, by, advice, unmet):
            print_json({"step": "phase", "state": phase.state, "by": by, "way": advice, "recommended_unmet": unmet})
        case StepTaken(text, by, shown):
            print_json({"step": "recorded", "text": text, "by": by, "shown": shown or None})
        case ConnectionTested(report):
            print_json({"step": "connection", **report.told()})
        case RefusedAttempt(attempt, why):
            print_json({"step": "refused", "attempt": attempt, "why": why})
        case MeterRead(frames, unreadable, stored, _):
            print_json({"step": "readings", "frames": frames, "stored": stored, "without_readings": list(unreadable)})
