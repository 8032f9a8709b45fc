"""``smgw tariff``: what a bill should say, from what the gateway measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from smgw.failing import UsageFailure, clear_errors
from smgw.printing import json_option, print_json

if TYPE_CHECKING:
    from gateway.tariffing.ar2418 import Document

_document = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)


@click.group("tariff")
def command() -> None:
    """Tariffs: check what a supplier bills against what the gateway measured (AR 2418-6)."""


@command.command("check")
@click.argument("gateway_file", metavar="GATEWAY.xml", type=_document)
@click.argument("supplier_file", metavar="SUPPLIER.xml", type=_document)
@click.option("--usage-point", default="", metavar="ID", help="Which usage point, where the files share several.")
@click.option("--meter", default="", metavar="ID", help="Which meter, where several measure the same register.")
@click.option("--days/--no-days", "with_days", default=None, help="Show the table of days; else if there are up to 62.")
@json_option
@clear_errors()
def check(
    gateway_file: Path, supplier_file: Path, usage_point: str, meter: str, with_days: bool | None, as_json: bool
) -> None:
    """Compute the registers of a bill from readings and the supplier's tariff.

    GATEWAY.xml is what the gateway (or its adapter) hands out: original readings of one or more registers. SUPPLIER.xml
    is what the supplier hands out: billing period, tariff stages, and the calendar that says when which stage holds.
    Both are documents of AR 2418-6.

    What was measured between two readings belongs to the stage that held. Where a reading is missing or invalid (status
    3 or 4) just when the stage changes, nobody knows how much belongs to which stage: it goes to the error register
    (1.8.63), with the reason. Where readings are missing while the stage stays, it goes to that stage and is marked.
    Times are German local time, with its days of 23 and 25 hours. If either file states amounts, they are compared.

    \b
      smgw tariff check readings.xml tariff.xml
      smgw tariff check readings.xml tariff.xml --json | jq .registers

    \b
    --json prints one object:
      registers   register (OBIS code, twelve hexadecimal digits) -> amount: integer in the readings' unit and scaler
      days        list of {date, from, to, registers, complete}
      unassigned  list of {from, to, amount, reason, register}: what is in the error register
      gaps        the same for what is in a stage although readings are missing
      originals   original register -> {meter, amount, unit (DLMS), scaler, from, to, covers}
      stated      list of {by, register, stated, scaler, computed, agrees}
      usage_point, taf, tariff, period {from, to}, notes, good

    Exit code: 0 if readings cover the billing period and every stated amount agrees, 1 if not, 2 if the registers
    cannot be computed.
    """
    from gateway.tariffing.check import check as check_documents
    from smgw.tariff_views import as_json as in_json
    from smgw.tariff_views import as_text

    outcome = check_documents(_read(gateway_file), _read(supplier_file), usage_point, meter)
    if as_json:
        print_json(in_json(outcome))
    else:
        for line in as_text(outcome, with_days):
            click.echo(line)
    if not outcome.good:
        raise SystemExit(1)


def _read(file: Path) -> Document:
    from gateway.tariffing.ar2418_read import read
    from gateway.tariffing.errors import DocumentError

    try:
        return read(file.read_bytes())
    except DocumentError as error:
        raise UsageFailure(f"{file}: {error}") from error
