"""The law as a Promela model for Spin, with the claims P1 to P5 as linear temporal logic.

The model has what the law has: the state, one bit a fact and one a kind of open fault. Who acts is left out, for it
changes no standing. Two variables are the claims' own. *calm* may be set at any time and stops reversible faults from
being reported anew; it is how a logic of single runs can say that the end is reachable from everywhere: once calm, no
run goes on for ever, so all of them must come to the end. *left* keeps which parts of the life were left (P2).

A claim ``reach_STATE`` says that the state is never reached: Spin must refute it.
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
from lifecycle.evidence import TERMS, OpenFaultKind
from lifecycle.facts import Fact
from lifecycle.functions import Function, Interface
from lifecycle.law import LAW, MAY_CHANGE_FAULTS, Law
from lifecycle.phases import Grant, transitions_of
from lifecycle.render.expressions import Syntax, clearable_kinds, in_order, reported_kinds
from lifecycle.states import State

SYNTAX = Syntax(both=" && ", either=" || ", present="{}", missing="!{}", always="true", never="false")

REACH_PREFIX = "reach_"


def promela(law: Law = LAW) -> str:
    """The model, compilable by ``spin -a``; ends with a newline."""
    return "\n".join([*_declarations(law), "", *_process(law), "", *_claims(law), ""])


def claim_names(law: Law = LAW) -> dict[str, tuple[str, ...]]:
    """The names of the model's claims by the id of the property that they belong to."""
    names: dict[str, list[str]] = {}
    for name, _ in _formulas(law):
        names.setdefault(name.split("_")[0], []).append(name)
    return {
        "P1": (*(REACH_PREFIX + state for state in law.phases), *names.pop("P1")),
        **{identifier: tuple(of_property) for identifier, of_property in names.items()},
    }


def _declarations(law: Law) -> Iterator[str]:
    yield "/* The life of a smart meter gateway: TR-03109-1 Anlage VIII. Generated: smgw phases --format promela */"
    yield ""
    yield f"mtype = {{ {', '.join(law.phases)} }}"
    yield f"mtype state = {next(iter(law.phases))}"
    for term in TERMS:
        yield f"bool {term}"
    yield "bool calm         /* no reversible fault is reported any more */"
    yield f"bool left[{len(parts_of(law))}]     /* parts of the life that were left */"
    yield "bool returned     /* one of them was entered again */"


def _process(law: Law) -> Iterator[str]:
    parts = parts_of(law)
    number_of = {state: number for number, part in enumerate(parts) for state in part}
    yield "active proctype life()"
    yield "{"
    yield "end: do"
    for source, way in transitions_of(dict(law.phases)):
        if not way.actors:
            continue
        here, there = number_of[source], number_of[way.to]
        history = "" if here == there else f" left[{here}] = true; returned = returned || left[{there}];"
        guard = SYNTAX.all([f"state == {source}", SYNTAX.guard(way.conditions)])
        yield f"    /* {way.number}: {way.event} */"
        yield f"    :: atomic {{ ({guard}) ->{history} state = {way.to} }}"
    for fact, description in law.facts.items():
        if not description.attested_by or not description.recordable_in:
            continue
        guard = SYNTAX.all(
            [f"!{fact}", _is_one_of(law, description.recordable_in), SYNTAX.recordable(description)],
        )
        yield f"    :: atomic {{ ({guard}) -> {fact} = true }}"
    working = _is_one_of(law, MAY_CHANGE_FAULTS)
    for kind in reported_kinds(law):
        unless = " && !calm" if kind is OpenFaultKind.REVERSIBLE_FAULT_OPEN else ""
        yield f"    :: atomic {{ ({working} && !{kind}{unless}) -> {kind} = true }}"
    for kind in clearable_kinds(law):
        yield f"    :: atomic {{ ({working} && {kind}) -> {kind} = false }}"
    yield "    :: atomic { !calm -> calm = true }"
    yield "    od"
    yield "}"


def _is_one_of(law: Law, states: Iterable[State]) -> str:
    chosen = frozenset(states)
    return SYNTAX.any(f"state == {state}" for state in law.phases if state in chosen)


def _on(law: Law, fits: Callable[[Grant], bool]) -> str:
    """When a grant that fits is on: in a state that gives it, while no fact shuts its interface."""
    on = SYNTAX.any(
        SYNTAX.all([f"state == {phase.state}", *(f"!{fact}" for fact in _shutting(law, grant.interface))])
        for phase in law.phases.values()
        for grant in phase.grants
        if fits(grant)
    )
    return f"({on})"


def _shutting(law: Law, interface: Interface) -> list[Fact]:
    return [fact for fact, description in law.facts.items() if interface in description.shuts]


def _claims(law: Law) -> Iterator[str]:
    for state in law.phases:
        yield f"ltl {REACH_PREFIX}{state} {{ [] !(state == {state}) }}   /* to be refuted */"
    for name, formula in _formulas(law):
        yield f"ltl {name} {{ {formula} }}"


def _formulas(law: Law) -> Iterator[tuple[str, str]]:
    end = f"(state == {END_OF_LIFE})"
    yield "P1_end", f"[] (calm -> <> {end})"
    yield "P1_final", f"[] ({end} -> [] {end})"
    yield "P2", "[] !returned"
    for number, (state, facts) in enumerate(NEEDED_TO_ENTER.items(), 1):
        yield f"P3_{number}", f"[] ((state == {state}) -> ({SYNTAX.all(in_order(facts))}))"
    local = _on(law, lambda grant: grant.interface is Interface.LOCAL)
    yield "P4_local", f"[] ((state == {LOCAL_OFF_FROM}) -> [] !{local})"
    importable = _on(law, lambda grant: grant.function is Function.IMPORT_INITIAL_CONFIGURATION)
    yield "P4_import", f"[] ({importable} -> (state == {CONFIGURATION_IMPORT_ONLY_IN}))"
    yield "P5", f"[] ({end} -> {SYNTAX.any(in_order(SCRAPPING_NEEDS_ONE_OF))})"
