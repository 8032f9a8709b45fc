"""The law as a TLA+ module for TLC, with the claims P1 to P5, and what TLC is to check of it.

The module has what the law has: the state, the facts on record and the kinds of open fault. Who acts is left out, for
it changes no standing. Variables of the claims' own: *calm* may be set at any time and stops reversible faults from
being reported anew, so that "the end can be reached from everywhere" can be said of single behaviours: once calm, none
goes on for ever, and all of them come to the end. *left* and *returned* keep which parts of the life were left (P2).

Two runs check everything. The first explores every standing (``VIEW Standing``) and must find each ``NotReached_STATE``
violated, for each says that a state is never reached; the second checks the claims, which must all hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from lifecycle.claims import (
    CONFIGURATION_IMPORT_ONLY_IN,
    END_OF_LIFE,
    LOCAL_OFF_FROM,
    NEEDED_TO_ENTER,
    SCRAPPING_NEEDS_ONE_OF,
    parts_of,
)
from lifecycle.evidence import OpenFaultKind
from lifecycle.facts import Fact
from lifecycle.functions import Function, Interface
from lifecycle.law import BEGINNING, LAW, MAY_CHANGE_FAULTS, Law
from lifecycle.phases import Grant, Transition, transitions_of
from lifecycle.render.expressions import Syntax, clearable_kinds, in_order, reported_kinds
from lifecycle.states import State

SYNTAX = Syntax(
    both=" /\\ ",
    either=" \\/ ",
    present='"{}" \\in Evidence',
    missing='"{}" \\notin Evidence',
    always="TRUE",
    never="FALSE",
)

MODULE = "Lifecycle"
NOT_REACHED = "NotReached_"

INVARIANTS = ("P2", "P3", "P5")
"""Claims that hold in every state of the model."""

TEMPORAL = ("P1_end", "P1_final", "P4_local", "P4_import")
"""Claims that speak of whole behaviours."""

_BODY = f"""\
VARIABLES state, record, open, calm, left, returned

vars == << state, record, open, calm, left, returned >>
Standing == << state, record, open >>
Evidence == record \\cup open

Init ==
    /\\ state = "{BEGINNING.state}"
    /\\ record = {{}} /\\ open = {{}} /\\ calm = FALSE /\\ left = {{}} /\\ returned = FALSE

Enter(next) ==
    /\\ state' = next
    /\\ IF Part(state) = Part(next)
       THEN UNCHANGED << left, returned >>
       ELSE /\\ left' = left \\cup {{Part(state)}}
            /\\ returned' = (returned \\/ Part(next) \\in left)
    /\\ UNCHANGED << record, open, calm >>

Attest(fact) == /\\ fact \\notin record
                /\\ record' = record \\cup {{fact}}
                /\\ UNCHANGED << state, open, calm, left, returned >>

Report(kind) == /\\ state \\in MayChangeFaults
                /\\ kind \\notin open
                /\\ open' = open \\cup {{kind}}
                /\\ UNCHANGED << state, record, calm, left, returned >>

Restore(kind) == /\\ state \\in MayChangeFaults
                 /\\ kind \\in open
                 /\\ open' = open \\ {{kind}}
                 /\\ UNCHANGED << state, record, calm, left, returned >>

GrowCalm == /\\ ~calm
            /\\ calm' = TRUE
            /\\ UNCHANGED << state, record, open, left, returned >>
"""


def tla(law: Law = LAW) -> str:
    """The module, and after its end, where TLA+ reads no further, the two configurations; ends with a newline."""
    configurations = [f"Configuration {name}:\n\n{text}" for name, text in configurations_of(law).items()]
    return "\n".join([module(law), *configurations])


def module(law: Law = LAW) -> str:
    """The module alone."""
    return "\n".join(
        [
            f"---- MODULE {MODULE} ----",
            "\\* The life of a smart meter gateway: TR-03109-1 Anlage VIII. Generated: smgw phases --format tla",
            "EXTENDS Naturals",
            "",
            *_parts(law),
            f"MayChangeFaults == {_set(law, MAY_CHANGE_FAULTS)}",
            "",
            _BODY,
            *_actions(law),
            "",
            *_claims(law),
            "====",
            "",
        ]
    )


def configurations_of(law: Law = LAW) -> dict[str, str]:
    """What TLC is to check in each of its two runs, by the run's name: ``standings`` and ``claims``."""
    never_reached = (NOT_REACHED + state for state in law.phases)
    return {
        "standings": _configuration("Lives", never_reached, (), view="Standing"),
        "claims": _configuration("Spec", INVARIANTS, TEMPORAL),
    }


def configuration_for(claim: str) -> str:
    """A run for one claim alone, to tell which of several is violated."""
    return _configuration("Spec", [claim], ()) if claim in INVARIANTS else _configuration("Spec", (), [claim])


def _configuration(
    specification: str, invariants: Iterable[str], properties: Iterable[str], view: str | None = None
) -> str:
    lines = [f"SPECIFICATION {specification}"]
    lines += [f"VIEW {view}"] if view else []
    lines += [f"INVARIANT {name}" for name in invariants]
    lines += [f"PROPERTY {name}" for name in properties]
    return "\n".join([*lines, ""])


def _set(law: Law, states: Iterable[State]) -> str:
    chosen = frozenset(states)
    return "{" + ", ".join(f'"{state}"' for state in law.phases if state in chosen) + "}"


def _parts(law: Law) -> Iterator[str]:
    yield "Part(s) =="
    for number, part in enumerate(parts_of(law), 1):
        yield f"    {'CASE' if number == 1 else '  []'} s \\in {_set(law, part)} -> {number}"


def _name(transition: Transition) -> str:
    return f"T{transition.exit.number:02}_{transition.exit.event}"


def _actions(law: Law) -> Iterator[str]:
    moves, attestations = [], []
    for transition in transitions_of(dict(law.phases)):
        source, way = transition
        if way.actors:
            moves.append(_name(transition))
            guard = SYNTAX.all([f'state = "{source}"', SYNTAX.guard(way.conditions)])
            yield f'{_name(transition)} == {guard} /\\ Enter("{way.to}")'
    yield ""
    for fact, description in law.facts.items():
        if description.attested_by:
            attestations.append(f"Attest_{fact}")
            where = f"state \\in {_set(law, description.recordable_in)}"
            guard = SYNTAX.all([where, SYNTAX.recordable(description)])
            yield f'Attest_{fact} == {guard} /\\ Attest("{fact}")'
    reports = [
        f'(~calm /\\ Report("{kind}"))' if kind is OpenFaultKind.REVERSIBLE_FAULT_OPEN else f'Report("{kind}")'
        for kind in reported_kinds(law)
    ]
    restores = [f'Restore("{kind}")' for kind in clearable_kinds(law)]
    yield ""
    yield "Step =="
    yield from (f"    \\/ {action}" for action in (*moves, *attestations, *reports, *restores))
    yield ""
    yield "Next == Step \\/ GrowCalm"
    yield "Lives == Init /\\ [][Step]_vars"
    yield "Spec == Init /\\ [][Next]_vars /\\ WF_vars(Next)"


def _claims(law: Law) -> Iterator[str]:
    for state in law.phases:
        yield f'{NOT_REACHED}{state} == state # "{state}"'
    end = f'state = "{END_OF_LIFE}"'
    needed = SYNTAX.all(
        f'(state = "{state}" => {SYNTAX.all(SYNTAX.name(fact) for fact in in_order(facts))})'
        for state, facts in NEEDED_TO_ENTER.items()
    )
    local = _on(law, lambda grant: grant.interface is Interface.LOCAL)
    importable = _on(law, lambda grant: grant.function is Function.IMPORT_INITIAL_CONFIGURATION)
    scrapping = SYNTAX.any(SYNTAX.name(fact) for fact in in_order(SCRAPPING_NEEDS_ONE_OF))
    yield f"P1_end == calm ~> {end}"
    yield f"P1_final == []({end} => []({end}))"
    yield "P2 == ~returned"
    yield f"P3 == {needed}"
    yield f'P4_local == [](state = "{LOCAL_OFF_FROM}" => []~{local})'
    yield f'P4_import == []({importable} => state = "{CONFIGURATION_IMPORT_ONLY_IN}")'
    yield f"P5 == {end} => {scrapping}"


def _on(law: Law, fits: Callable[[Grant], bool]) -> str:
    """When a grant that fits is on: in a state that gives it, while no fact shuts its interface."""
    on = SYNTAX.any(
        SYNTAX.all(
            [f'state = "{phase.state}"', *(SYNTAX.absent(fact) for fact in law.facts if _shuts(law, fact, grant))]
        )
        for phase in law.phases.values()
        for grant in phase.grants
        if fits(grant)
    )
    return f"({on})"


def _shuts(law: Law, fact: Fact, grant: Grant) -> bool:
    return grant.interface in law.facts[fact].shuts
