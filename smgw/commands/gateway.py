"""``smgw gateway``: act on gateways with a party's key, and see where they stand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lifecycle.facts import Fact
from lifecycle.faults import FAULTS
from lifecycle.states import Event, State
from smgw.commands import gateway_verify
from smgw.commands.gateway_run import COMMANDS
from smgw.failing import clear_errors
from smgw.printing import json_option, print_json
from smgw.workplace import Workplace, workplace_options

if TYPE_CHECKING:
    from lifecycle.journal import Json
    from lifecycle.law import Step
    from lifecycle.parties import Party
    from lifecycle.store.repository import Repository
    from lifecycle.store.rows import Kept

_party_option = click.option(
    "--party",
    "folder",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the acting party (smgw party create).",
)
_subject_option = click.option("--subject", default="", help="The consumer concerned, where a fault is one consumer's.")
_fault_choice = click.Choice(sorted(FAULTS))


@click.group("gateway")
def command() -> None:
    """Gateways: run one; register one, attest facts, report faults, ask for transitions, see what is lacking."""


for each in COMMANDS:
    command.add_command(each)


@command.command("register")
@click.argument("gateway", metavar="ID")
@json_option
@workplace_options
@clear_errors()
def register(gateway: str, as_json: bool, workplace: Workplace) -> None:
    """Begin the record of gateway ID (DIN 43863-5, such as EXXX0012345678), in DEVELOPMENT."""
    repository = workplace.repository()
    repository.register(gateway)
    _show(repository, gateway, as_json)


@command.command("list")
@click.option("--state", type=click.Choice([str(state) for state in State], case_sensitive=False), help="Only in this.")
@json_option
@workplace_options
@clear_errors()
def list_(state: str | None, as_json: bool, workplace: Workplace) -> None:
    """List the gateways on record with their states."""
    repository = workplace.repository()
    for gateway in repository.gateways(state=State(state.upper()) if state else None):
        now = repository.kept(gateway)
        if as_json:
            print_json({"gateway": gateway, "state": now.standing.state, "entries": now.position.sequence})
        else:
            click.echo(f"{gateway}  {now.standing.state}  ({now.position.sequence} entries)")


@command.command("show")
@click.argument("gateway", metavar="ID")
@json_option
@workplace_options
@clear_errors()
def show(gateway: str, as_json: bool, workplace: Workplace) -> None:
    """Show where gateway ID stands: state, facts, faults, and what each way out still lacks."""
    _show(workplace.repository(), gateway, as_json)


@command.command("attest")
@click.argument("gateway", metavar="ID")
@click.argument("fact", type=click.Choice([str(fact) for fact in Fact], case_sensitive=False), metavar="FACT")
@_party_option
@click.option(
    "--module", "url", metavar="URL", help="The security module that shows it: module:DIR or pcsc:READER NAME."
)
@json_option
@workplace_options
@clear_errors()
def attest(gateway: str, fact: str, folder: Path, url: str | None, as_json: bool, workplace: Workplace) -> None:
    """Put FACT on record of gateway ID, signed by a party that may attest it (smgw phases lists the facts).

    A fact about the security module is not a matter of anybody's word: the module signs what is in it, and that goes on
    record too. Without --module such a fact is refused.
    """
    from gateway.evidence import attested
    from lifecycle.desk import attest as step
    from lifecycle.parties import Party
    from securitymodule.client import SecurityModule

    party, wanted = Party.load(folder), Fact(fact.upper())
    detail = None
    if url is not None:
        with SecurityModule.open(url) as module:
            detail = attested(module, gateway, wanted)
    _act(workplace, gateway, party, step(party, wanted), as_json, detail)


@command.command("move")
@click.argument("gateway", metavar="ID")
@click.argument("event", type=click.Choice([str(event) for event in Event], case_sensitive=False), metavar="EVENT")
@_party_option
@json_option
@workplace_options
@clear_errors()
def move(gateway: str, event: str, folder: Path, as_json: bool, workplace: Workplace) -> None:
    """Ask for the transition EVENT of gateway ID (smgw gateway show ID names those that lead out of its state)."""
    from lifecycle.desk import move as step
    from lifecycle.parties import Party

    party = Party.load(folder)
    _act(workplace, gateway, party, step(party, Event(event.upper())), as_json)


@command.command("report")
@click.argument("gateway", metavar="ID")
@click.argument("fault", type=_fault_choice, metavar="FAULT")
@_subject_option
@_party_option
@json_option
@workplace_options
@clear_errors()
def report(gateway: str, fault: str, subject: str, folder: Path, as_json: bool, workplace: Workplace) -> None:
    """Report FAULT of gateway ID; of a Servicetechniker, that is a diagnosis."""
    from lifecycle.desk import report as step
    from lifecycle.parties import Party

    party = Party.load(folder)
    _act(workplace, gateway, party, step(party, fault, subject), as_json)


@command.command("restore")
@click.argument("gateway", metavar="ID")
@click.argument("fault", type=_fault_choice, metavar="FAULT")
@_subject_option
@_party_option
@json_option
@workplace_options
@clear_errors()
def restore(gateway: str, fault: str, subject: str, folder: Path, as_json: bool, workplace: Workplace) -> None:
    """Report FAULT of gateway ID cleared."""
    from lifecycle.desk import restore as step
    from lifecycle.parties import Party

    party = Party.load(folder)
    _act(workplace, gateway, party, step(party, fault, subject), as_json)


def _act(
    workplace: Workplace,
    gateway: str,
    party: Party,
    step: Step,
    as_json: bool,
    detail: Mapping[str, Json] | None = None,
) -> None:
    repository = workplace.repository()
    done = repository.act(gateway, party, step, detail=detail)
    if as_json:
        print_json({"gateway": gateway, "seq": done.entry.sequence, "state": done.kept.standing.state})
    else:
        click.echo(f"entry {done.entry.sequence}: {step.attempt}; {gateway} is in {done.kept.standing.state}")


def _show(repository: Repository, gateway: str, as_json: bool) -> None:
    from lifecycle.law import Refused, in_words
    from lifecycle.phases import PHASES
    from lifecycle.roles import Actor, principal_of

    now: Kept = repository.kept(gateway)
    state, evidence = now.standing
    phase = PHASES[state]
    ways = []
    for way in phase.exits:
        actor = Actor(way.actors[0], on_behalf_of=principal_of(way.actors[0]))
        decision = repository.law.decide(state, evidence, way.event, actor)
        lacking = [str(reason) for reason in decision.reasons] if isinstance(decision, Refused) else []
        ways.append({"event": way.event, "to": way.to, "actors": list(way.actors), "lacking": lacking})
    if as_json:
        print_json(
            {
                "gateway": gateway,
                "state": state,
                "chapter": phase.chapter,
                "entries": now.position.sequence,
                "facts": sorted(evidence.facts),
                "faults": [{"fault": fault.name, "subject": fault.subject} for fault in evidence.faults],
                "ways_out": ways,
            }
        )
        return
    click.echo(f"{gateway}: {state}, {phase.german} (ch. {phase.chapter}), {now.position.sequence} entries")
    click.echo("  on record:   " + (", ".join(sorted(evidence.facts)) or "nothing"))
    click.echo("  open faults: " + (", ".join(fault.name for fault in evidence.faults) or "none"))
    for way, told in zip(phase.exits, ways, strict=True):
        actors = " or ".join(in_words(Actor(role, on_behalf_of=principal_of(role))) for role in way.actors)
        click.echo(f"  {way.event} -> {way.to}, by {actors}")
        for reason in told["lacking"]:
            click.echo(f"    lacks {reason}")


command.add_command(gateway_verify.command)
