"""How commands print: JSON with stable keys for machines, progress on standard error for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON with stable keys.")
"""The option that every command has which prints results."""


def print_json(told: Any) -> None:
    """One JSON value on one line."""
    click.echo(json.dumps(told, ensure_ascii=False))


@contextmanager
def progress_bar(label: str, total: int, *, least: int = 5_000) -> Iterator[Callable[[int], None] | None]:
    """A progress bar on standard error, for work of more than *least* units on a terminal; else nothing."""
    if total < least or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.advance(task, done)
