"""``smgw journal``: moves chains between databases and files."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import click

from smgw.failing import RefusedFailure, UsageFailure, clear_errors
from smgw.printing import json_option, print_json
from smgw.workplace import Workplace, workplace_options


@click.group("journal")
def command() -> None:
    """Move records as JSON lines: first head and certificates, then one entry a line.

    Two replicas of a chain may only fast-forward one another; anything else is a fork, and a fork is an alarm.
    """


@command.command("export")
@click.argument("gateways", metavar="[ID]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Every gateway's chain, one after the other.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write.  [default: standard output, as -]"
)
@workplace_options
@clear_errors()
def export(gateways: tuple[str, ...], every: bool, out: Path | None, workplace: Workplace) -> None:
    """Write the chains of gateways.

    \b
    Example:
      smgw journal export EXXX0012345678 --out EXXX0012345678.jsonl
    """
    if every == bool(gateways):
        raise UsageFailure("name gateways, or say --all")
    repository = workplace.repository()

    def lines() -> Iterator[bytes]:
        from lifecycle.head import entry_line, header_line
        from lifecycle.journal import SignedEntry

        for gateway in repository.gateways() if every else gateways:
            chain = repository.chain(gateway)
            assert chain.head is not None  # noqa: S101  a kept chain has one
            yield header_line(chain.head, chain.certificates.values())
            for line in chain.lines:
                yield entry_line(line) if isinstance(line, SignedEntry) else line

    if out is None or out == Path("-"):
        stdout = sys.stdout.buffer
        for line in lines():
            stdout.write(line + b"\n")
        return
    part = out.with_name(out.name + ".part")
    with part.open("wb") as file:
        for line in lines():
            file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(out)
    click.echo(f"written: {out}", err=True)


@command.command("import")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--ca", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The record's CA certificate (PEM)."
)
@json_option
@workplace_options
@clear_errors()
def import_(file: IO[bytes], ca: Path | None, as_json: bool, workplace: Workplace) -> None:
    """Take the chains in FILE (- for standard input), fast-forward only.

    Each chain is replayed first; one that is broken, or that forks from the one kept, changes nothing.

    A replica's keeper signs heads under the record's own CA. Where that CA lives:
    smgw party create --role KEEPER --name Replica --out REPLICA_HOME/keeper
    """
    from lifecycle.chains import chains_of
    from lifecycle.store.errors import BrokenChainError, ForkError
    from lifecycle.store.replicas import import_chain

    repository = workplace.repository(ca)
    refused = 0
    for chain in chains_of(file):
        try:
            new, kept = import_chain(repository, chain)
        except (BrokenChainError, ForkError) as error:
            refused += 1
            alarm = "FORK" if isinstance(error, ForkError) else "BROKEN"
            if as_json:
                print_json({"gateway": chain.gateway, "ok": False, "new": 0, "error": f"{alarm}: {error}"})
            else:
                click.echo(f"{alarm}: {error}", err=True)
            continue
        if as_json:
            print_json({"gateway": chain.gateway, "ok": True, "new": new, "error": None})
        else:
            click.echo(f"{chain.gateway}: {new} new entries, {kept.position.sequence} kept, {kept.standing.state}")
    if refused:
        raise RefusedFailure(f"{refused} of the chains refused; nothing of them was taken")


@command.command("head")
@click.argument("gateway", metavar="ID")
@workplace_options
@clear_errors()
def head(gateway: str, workplace: Workplace) -> None:
    """Print the signed head of a chain, as JSON.

    Kept elsewhere, it shows later that no tail was cut and no backup restored: smgw replay FILE --head HEAD.json
    """
    repository = workplace.repository()
    kept = repository.kept(gateway)
    der = repository.certificate(kept.head.certificate)
    assert der is not None  # noqa: S101  the keeper's certificate lies beside the chain
    click.echo(json.dumps({"head": kept.head.told(), "certificate": base64.b64encode(der).decode()}, indent=2))
