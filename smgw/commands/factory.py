"""``smgw factory``: gateways made from an order, by the factory integrator (GWH)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from smgw.failing import UsageFailure, clear_errors
from smgw.printing import json_option, print_json, progress_bar
from smgw.workplace import Workplace, workplace_options

if TYPE_CHECKING:
    from smgw.factory_place import FactoryPlace
    from stations.integrator.batch import Outcome
    from stations.integrator.checks import Inspector
    from stations.integrator.order import Order, Unit

_DEMO_VALID = timedelta(days=30)
_MOST_DEMO_UNITS = 10_000
_FEW = 8
_MOST_SHOWN = 40
_order_argument = click.argument("path", metavar="ORDER", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group("factory")
def command() -> None:
    """Make gateways as the manufacturer (GWH): Anlage VIII ch. 3 to 7, from an order, one or thousands.

    For each: its module is initialised; root, preliminary keys and seal certificates go into it, apart or assembled;
    it is integrated; the GWA's initial configuration file is imported; the gateway is handed over to the MSB. Every
    fact is on record with the module's own attestation.

    \b
    From nothing to three gateways:
      smgw pki init                          a Smart Metering PKI to test with
      smgw factory demo order/ --units 3     an order, and the files that its GWA has signed
      smgw factory check order/order.csv     is anything wrong with it?
      smgw factory run order/order.csv       make them
      smgw factory traveller order/order.csv --output order/

    Cut short at any moment, the same order is run again and goes on where it stood.
    """


@command.command("order")
def order() -> None:
    """Print a sample order, explained: CSV.

    The same as JSON is {"units": [{"gateway", "serial", "arrangement", "configuration", "reader"}]}.
    """
    from stations.integrator.order import SAMPLE_CSV

    click.echo(SAMPLE_CSV, nl=False)


@command.command("demo")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--units", type=click.IntRange(1, _MOST_DEMO_UNITS), default=3, show_default=True, help="How many gateways."
)
@json_option
@workplace_options
@clear_errors()
def demo(folder: Path, units: int, as_json: bool, workplace: Workplace) -> None:
    """Write an order into DIR, with the initial configuration file of each gateway.

    They are signed by the workplace's GWA, who is enrolled in its PKI when it is first needed; 'smgw admin config'
    makes such a file for an order of your own.
    """
    from smgw.factory_demo import write_demo

    written = write_demo(workplace, folder, units, _DEMO_VALID)
    if as_json:
        print_json({"order": str(written), "units": units})
    else:
        click.echo(f"{written}: {units} units. Make them: smgw factory run {written}")


@command.command("check")
@_order_argument
@json_option
@workplace_options
@click.pass_context
@clear_errors()
def check(context: click.Context, path: Path, as_json: bool, workplace: Workplace) -> None:
    """Say what is wrong with ORDER before anything is touched: its form, and each unit's record, module and file.

    Exit code: 0 if nothing is, 1 if something is.
    """
    order = _read(path)
    wrong = 0
    with _place(workplace) as place:
        inspector = place.inspector()
        for unit in order.units:
            problems = _problems(inspector, unit)
            wrong += bool(problems)
            if as_json:
                print_json({"gateway": unit.gateway, "serial": unit.serial, "ok": not problems, "problems": problems})
                continue
            for problem in problems:
                click.echo(f"{unit.where}: {problem}")
    if not as_json:
        click.echo(f"{len(order.units)} units, {f'{wrong} with problems' if wrong else 'all good'}")
    context.exit(1 if wrong else 0)


@command.command("run")
@_order_argument
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    help="How many processes work at once.  [default: one a core, one alone for a few units]",
)
@click.option(
    "--name", default="Werk", show_default=True, help="What the manufacturer is called in the SM-PKI: NAME.GWH."
)
@json_option
@workplace_options
@click.pass_context
@clear_errors()
def run(
    context: click.Context, path: Path, workers: int | None, name: str, as_json: bool, workplace: Workplace
) -> None:
    """Make every unit of ORDER. What is made already is left as it is; what was cut short is gone on with.

    Each unit is looked at before it is touched; one that cannot be made does not stop the others. The manufacturer is
    enrolled in the workplace's PKI when it is first needed.

    \b
    --json prints a line a unit as it is done, then a summary:
      {gateway, serial, made, state, words, seconds}
      {units, made, failed, seconds, units_per_hour, workers}

    Exit code: 0 if every unit is made, 1 if not, 2 if the order cannot be read or there is no PKI.
    """
    from smgw.factory_place import Bench
    from stations.integrator.batch import run_batch

    order = _read(path)
    with _place(workplace) as place:
        place.integrator(name)  # whatever is missing is made, or missed, before any worker begins
    crew = workers or _workers_for(len(order.units))
    outcomes: list[Outcome] = []
    begun = perf_counter()
    with progress_bar("units", len(order.units), least=2) as tick:

        def tell(outcome: Outcome) -> None:
            outcomes.append(outcome)
            if as_json:
                print_json(asdict(outcome) | {"seconds": round(outcome.seconds, 3)})
            if tick is not None:
                tick(1)

        options = context.find_root().params
        bench = Bench(workplace, name, (options["log_level"], options["log_format"]))
        run_batch(order.units, bench, crew, tell)
    seconds = perf_counter() - begun
    made = sum(outcome.made for outcome in outcomes)
    summary = {
        "units": len(outcomes),
        "made": made,
        "failed": len(outcomes) - made,
        "seconds": round(seconds, 3),
        "units_per_hour": round(len(outcomes) / seconds * 3600),
        "workers": crew,
    }
    if as_json:
        print_json(summary)
    else:
        _show(outcomes, summary)
    context.exit(0 if made == len(outcomes) else 1)


@command.command("status")
@_order_argument
@json_option
@workplace_options
@clear_errors()
def status(path: Path, as_json: bool, workplace: Workplace) -> None:
    """Say where each unit of ORDER stands, from its record.

    --json prints a line a unit: {gateway, serial, state, chapter, entries, delivered, since}
    """
    from lifecycle.phases import PHASES

    order = _read(path)
    with _place(workplace) as place:
        inspector = place.inspector()
        for unit in order.units:
            told = inspector.told(unit.gateway)
            phase = PHASES[told.standing.state] if told else None
            since = told.reached[-1][1] if told and told.reached else None
            if as_json:
                print_json(
                    {
                        "gateway": unit.gateway,
                        "serial": unit.serial,
                        "state": phase.state if phase else None,
                        "chapter": phase.chapter if phase else None,
                        "entries": told.entries if told else 0,
                        "delivered": bool(told and told.delivered),
                        "since": since,
                    }
                )
                continue
            where = f"{phase.state}, {phase.german} (ch. {phase.chapter})" if phase else "not begun"
            handed = ", handed over" if told and told.delivered else ""
            click.echo(f"{unit.gateway}  {unit.serial:<12}  {where}{handed}")


@command.command("traveller")
@click.argument("what", metavar="UNIT|ORDER")
@click.option(
    "--output",
    required=True,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the pages: one UNIT.html each.",
)
@json_option
@workplace_options
@clear_errors()
def traveller(what: str, output: Path, as_json: bool, workplace: Workplace) -> None:
    """Write the traveller (Begleitschein) of a gateway, or of every unit of an ORDER: one page each, to be printed.

    It says which gateway and module this is, its certificates, and where its record ends. It holds no secret. UNIT is a
    gateway's identification.
    """
    from lifecycle.journal import GATEWAY_ID
    from smgw.factory_pages import write_traveller

    units: dict[str, str | None]
    if GATEWAY_ID.fullmatch(what):
        units = {what: None}
    else:
        units = {unit.gateway: unit.reader for unit in _read(Path(what)).units}
    with _place(workplace) as place:
        missing = [gateway for gateway in units if place.entries(gateway) is None]
        if missing:
            raise UsageFailure(f"no record is kept of {', '.join(missing[:5])}: 'smgw factory run' begins it")
        output.mkdir(parents=True, exist_ok=True)
        for gateway, reader in units.items():
            page = write_traveller(place, gateway, reader, output)
            if as_json:
                print_json({"gateway": gateway, "page": str(page)})
            else:
                click.echo(str(page))


@contextmanager
def _place(workplace: Workplace) -> Iterator[FactoryPlace]:
    from smgw.factory_place import FactoryPlace

    place = FactoryPlace(workplace)
    try:
        yield place
    finally:
        place.close()


def _read(path: Path) -> Order:
    from stations.integrator.order import OrderError, read_order

    try:
        return read_order(path)
    except OrderError as error:
        raise UsageFailure(str(error)) from error


def _problems(inspector: Inspector, unit: Unit) -> list[str]:
    from stations.integrator.told import RecordContradicted

    try:
        with clear_errors():
            return inspector.problems(unit, inspector.told(unit.gateway))
    except RecordContradicted as error:
        return [str(error)]
    except click.ClickException as error:  # a record that cannot be read is a problem of this unit only
        return [error.message]


def _workers_for(units: int) -> int:
    """A worker takes a second to start, in which one alone makes a few units."""
    return len(os.sched_getaffinity(0)) if units >= _FEW else 1


def _show(outcomes: list[Outcome], summary: dict[str, Any]) -> None:
    wide = max((len(outcome.serial) for outcome in outcomes), default=0)
    shown = outcomes if len(outcomes) <= _MOST_SHOWN else [outcome for outcome in outcomes if not outcome.made]
    for outcome in sorted(shown, key=lambda outcome: outcome.gateway):
        told = outcome.words if outcome.made else click.style(f"NOT MADE: {outcome.words}", fg="red")
        state = outcome.state or "not begun"
        click.echo(f"{outcome.gateway}  {outcome.serial:<{wide}}  {state:<30}  {outcome.seconds:6.2f} s  {told}")
    failed = f", {summary['failed']} not made" if summary["failed"] else ""
    click.echo(
        f"{summary['made']} of {summary['units']} units made{failed}; {summary['seconds']:.1f} s, "
        f"{summary['units_per_hour']:,} an hour, {summary['workers']} at once"
    )
