"""``smgw gate``: what is open to whom, and why something is not."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import click

from lifecycle.facts import Fact
from lifecycle.functions import Credential, Function, Interface
from lifecycle.roles import Role
from lifecycle.states import State
from smgw.failing import UsageFailure
from smgw.printing import json_option, print_json

if TYPE_CHECKING:
    from lifecycle.evidence import Evidence
    from lifecycle.gate import Answer, Gate
    from lifecycle.phases import Grant


def _one_of(words: type[StrEnum]) -> click.Choice[str]:
    return click.Choice([word.value for word in words], case_sensitive=False)


@click.command("gate")
@click.argument("state", type=_one_of(State), metavar="STATE")
@click.option("--fault", "faults", multiple=True, metavar="NAME[:SUBJECT]", help="A fault that is open; repeatable.")
@click.option(
    "--fact", "facts", multiple=True, type=_one_of(Fact), metavar="FACT", help="A fact on record; repeatable."
)
@click.option("--role", type=_one_of(Role), metavar="ROLE", help="Who asks.")
@click.option("--interface", type=_one_of(Interface), metavar="INTERFACE", help="Where.")
@click.option("--function", type=_one_of(Function), metavar="SUBSYSTEM:ACTION", help="What for.")
@click.option("--credential", type=_one_of(Credential), metavar="CREDENTIAL", help="Shown by what.")
@click.option("--subject", help="The consumer concerned, where a fault concerns one and not another.")
@json_option
@click.pass_context
def command(
    context: click.Context,
    state: str,
    faults: tuple[str, ...],
    facts: tuple[str, ...],
    role: str | None,
    interface: str | None,
    function: str | None,
    credential: str | None,
    subject: str | None,
    as_json: bool,
) -> None:
    """Ask the gate of a gateway in STATE.

    With role, interface, function and credential: is this open, and if not, why? With fewer of them: everything open
    that fits. Words are those of smgw phases.

    \b
    Examples:
      smgw gate OPERATION
      smgw gate REVERSIBLE_FAULT --fault wan-han-not-separated --interface HAN_CONSUMER
      smgw gate OPERATION --role SERVICETECHNIKER --interface HAN_TECHNICIAN \\
          --function han:read-own-data --credential TECHNICIAN_CERTIFICATE

    \b
    --json prints one object:
      state, facts, faults [{name, subject}]; for a full request role, interface, function, credential, open, chapter,
      reasons [{condition, needed, found, chapter}]; else open [{role, interface, function, credential}]

    Exit code: 0 if it is open (or a list was asked for), 1 if it is closed, 2 if the question cannot be understood.
    """
    from lifecycle.gate import Gate
    from lifecycle.phases import Grant

    gate = Gate(State(state), _evidence(facts, faults))
    asked = (
        Role(role) if role else None,
        Interface(interface) if interface else None,
        Function(function) if function else None,
        Credential(credential) if credential else None,
    )
    if all(asked):
        request = Grant._make(asked)
        answer = gate.ask(request, subject)
        _print_answer(gate, request, answer, as_json)
        context.exit(0 if answer else 1)
    _print_open(gate, [grant for grant in gate.opened if _fits(grant, asked)], as_json)


def _evidence(facts: tuple[str, ...], faults: tuple[str, ...]) -> Evidence:
    from lifecycle.evidence import Evidence, OpenFault
    from lifecycle.faults import FAULTS

    evidence = Evidence.of(*map(Fact, facts))
    for name, _, subject in (fault.partition(":") for fault in faults):
        known = FAULTS.get(name)
        if known is None:
            raise UsageFailure(f"--fault {name}: no such fault; known are {', '.join(FAULTS)}")
        if known.per_subject is not bool(subject):
            needed = f"{name}:SUBJECT, for it concerns one consumer" if known.per_subject else f"{name} without subject"
            raise UsageFailure(f"--fault {name}{':' if subject else ''}{subject}: say {needed}")
        evidence = evidence.with_fault(OpenFault(name, subject))
    return evidence


def _fits(grant: Grant, asked: tuple[StrEnum | None, ...]) -> bool:
    return all(wanted is None or part is wanted for part, wanted in zip(grant, asked, strict=True))


def _circumstances(gate: Gate) -> dict[str, Any]:
    return {
        "state": gate.state,
        "facts": sorted(gate.evidence.facts),
        "faults": [{"name": fault.name, "subject": fault.subject or None} for fault in gate.evidence.faults],
    }


def _print_answer(gate: Gate, request: Grant, answer: Answer, as_json: bool) -> None:
    from lifecycle.law import Refused

    reasons = answer.reasons if isinstance(answer, Refused) else ()
    if as_json:
        told = _circumstances(gate) | request._asdict() | {"open": bool(answer)}
        told["chapter"] = ", ".join(dict.fromkeys(r.chapter for r in reasons)) or getattr(answer, "chapter", None)
        told["reasons"] = [
            {"condition": r.condition, "needed": r.needed, "found": r.found, "chapter": r.chapter} for r in reasons
        ]
        print_json(told)
        return
    asked = f"{request.function} at {request.interface} by {request.role} with {request.credential}"
    if isinstance(answer, Refused):
        click.echo(f"closed: {asked} in {gate.state}")
        for reason in reasons:
            click.echo(f"  {reason}")
    else:
        click.echo(f"open: {asked} in {gate.state} (ch. {answer.chapter})")


def _print_open(gate: Gate, grants: list[Grant], as_json: bool) -> None:
    from lifecycle.render.table import columns
    from lifecycle.render.words import listed, openings

    if as_json:
        print_json(_circumstances(gate) | {"open": [grant._asdict() for grant in grants]})
        return
    if not grants:
        click.echo(f"nothing of this is open in {gate.state}")
        return
    rows = (
        (opening.role, opening.interface, listed(opening.credentials, " or "), listed(opening.functions))
        for opening in openings(grants)
    )
    click.echo(columns(("role", "interface", "credential", "functions"), rows))
