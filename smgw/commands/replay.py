"""``smgw replay``: is this what happened, and was it lawful?"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from smgw.failing import RefusedFailure, UsageFailure, clear_errors
from smgw.printing import json_option, print_json, progress_bar
from smgw.workplace import Workplace, workplace_options

if TYPE_CHECKING:
    from lifecycle.chains import Chain
    from lifecycle.head import Head
    from stations.auditor import Audit


@click.command("replay")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--gateway", "only", metavar="ID", help="Only this gateway.")
@click.option("--until", metavar="SEQ|TIME", help="Show the gateway as it was after entry SEQ, or at TIME (ISO 8601).")
@click.option(
    "--head",
    "head_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A signed head kept elsewhere (smgw journal head), which the chain has to reach.",
)
@click.option(
    "--ca",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Certificate (PEM) of the operations CA to trust.  [default: that of --home]",
)
@click.option("--attested", is_flag=True, help="Fail where a fact about the module is only claimed.")
@click.option("--evidence", is_flag=True, help="List the facts about the module, each with what shows it.")
@json_option
@workplace_options
@clear_errors()
def command(
    file: Path | None,
    only: str | None,
    until: str | None,
    head_file: Path | None,
    ca: Path | None,
    attested: bool,
    evidence: bool,
    as_json: bool,
    workplace: Workplace,
) -> None:
    """Fold a record through the law again: chain, signatures, certificates and roles, evidence, order of time, state.

    Reads FILE (from smgw journal export), or without FILE the database. The verdict is one line a gateway. Where the
    record breaks, it names the entry and the kind: flipped bit, missing entry, swapped pair, cut tail, fork, clock set
    back, wrong role, unlawful transition, unknown certificate, unlawful evidence, malformed entry, contradicted
    attestation, state differs.

    A second line tells how the facts about the module are known: shown by the module, whose attestations in the record
    are examined always, or claimed by a party alone. A record whose module is pinned may claim none; with --attested no
    record may.

    \b
    Examples:
      smgw replay EXXX0012345678.jsonl --ca ca.pem
      smgw replay --database postgresql://smgw@db/fleet --gateway EXXX0012345678
      smgw replay EXXX0012345678.jsonl --until 2026-03-01
      smgw replay EXXX0012345678.jsonl --attested --evidence

    \b
    --json prints one object a gateway:
      gateway, ok, entries, state, break {seq, kind, reason} or null, module {serial, attestation_key} or null,
      shown [{seq, fact, module, counter}], claimed [{seq, fact}]; with --until also facts and faults

    Exit code: 0 if every record is whole and lawful (with --attested: and claims nothing about its module), 1 if one is
    not, 2 if it could not be read.
    """
    if file is not None and workplace.database is not None:
        raise UsageFailure("a FILE or a --database, not both")
    point = _point(until) if until else None
    head, certificates = _head_from(head_file) if head_file else (None, {})
    audits = (
        _of_file(file, workplace, ca, only, point, head, certificates)
        if file
        else _of_database(workplace, ca, only, point, head, certificates)
    )
    seen = failed = 0
    for audit in audits:
        seen += 1
        failed += not (audit.attested if attested else audit.ok)
        if as_json:
            _print_json(audit, as_it_was=point is not None)
        else:
            _print(audit, as_it_was=point is not None, attested=attested, evidence=evidence)
    if not seen:
        raise RefusedFailure(f"no record of gateway {only}" if only else "no record at all: there is nothing to replay")
    if failed:
        raise SystemExit(1)


def _of_file(
    file: Path,
    workplace: Workplace,
    ca: Path | None,
    only: str | None,
    point: int | datetime | None,
    head: Head | None,
    certificates: dict[str, bytes],
) -> Iterator[Audit]:
    from lifecycle.chains import chains_of
    from stations.auditor import audit

    trust = workplace.trust(ca)
    with file.open("rb") as lines:
        for chain in chains_of(lines):
            if only in (None, chain.gateway):
                with progress_bar(chain.gateway, 2 * len(chain.lines)) as progress:
                    known = _with(chain, certificates)
                    yield audit(known, trust, head=head, until=point, progress=progress)


def _of_database(
    workplace: Workplace,
    ca: Path | None,
    only: str | None,
    point: int | datetime | None,
    head: Head | None,
    certificates: dict[str, bytes],
) -> Iterator[Audit]:
    from lifecycle.store.replicas import replay_kept
    from stations.auditor import examined

    repository = workplace.repository(ca)
    for gateway in [only] if only else repository.gateways():
        with progress_bar(gateway, 2 * repository.kept(gateway).position.sequence) as progress:
            replaying = partial(replay_kept, repository, gateway, head=head, head_certificates=certificates)
            yield examined(partial(replaying, until=point, progress=progress))


def _with(chain: Chain, certificates: dict[str, bytes]) -> Chain:
    return replace(chain, certificates={**chain.certificates, **certificates})


def _point(text: str) -> int | datetime:
    if text.isdecimal():
        return int(text)
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageFailure(f"--until {text}: neither a sequence nor a time such as 2026-03-01T12:00:00Z") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _head_from(path: Path) -> tuple[Head, dict[str, bytes]]:
    from lifecycle.canonical import JournalError
    from lifecycle.head import head_of
    from lifecycle.parties import fingerprint_of

    try:
        told = json.loads(path.read_bytes())
        der = base64.b64decode(told["certificate"], validate=True)
        return head_of(told["head"]), {fingerprint_of(der): der}
    except (ValueError, KeyError, TypeError, JournalError) as error:
        raise UsageFailure(f"{path} holds no head as 'smgw journal head' writes it: {error}") from error


def _print_json(audit: Audit, *, as_it_was: bool) -> None:
    evidence = audit.verdict.standing.evidence
    told = audit.told()
    if as_it_was:
        told["facts"] = sorted(evidence.facts)
        told["faults"] = [{"fault": fault.name, "subject": fault.subject} for fault in evidence.faults]
    print_json(told)


def _print(audit: Audit, *, as_it_was: bool, attested: bool, evidence: bool) -> None:
    verdict = audit.verdict
    click.secho(str(verdict), fg="green" if verdict.ok else "red")
    for line in audit.summary():
        click.secho(f"  {line}", fg="red" if attested and audit.claimed else None)
    for line in audit.details() if evidence else ():
        click.echo(f"    {line}")
    if as_it_was:
        from lifecycle.gate import gate_for

        known = verdict.standing.evidence
        click.echo(f"  as it was after entry {verdict.position.sequence} ({verdict.position.time or 'before any'})")
        click.echo("  on record: " + (", ".join(sorted(known.facts)) or "nothing"))
        click.echo("  open faults: " + (", ".join(fault.name for fault in known.faults) or "none"))
        opened = sorted({grant.function for grant in gate_for(*verdict.standing).opened})
        click.echo("  on: " + (", ".join(opened) or "nothing"))
