"""The law as a page for people: ``docs/phases.md``, with the drawing that lies beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from lifecycle.faults import EVERYTHING
from lifecycle.functions import Interface
from lifecycle.gate import Shut
from lifecycle.law import LAW, MAY_CHANGE_FAULTS, Law
from lifecycle.phases import Phase, transitions_of
from lifecycle.render.mermaid import mermaid
from lifecycle.render.words import NOTHING, acting, advice, conditions, listed, openings, states
from lifecycle.roles import PARTICIPANTS, ROLES, Role
from lifecycle.states import Category

DRAWING = "phases.svg"
"""The drawing's name, beside the page."""


def markdown(law: Law = LAW) -> str:
    """The page; ends with a newline. It is the same for the same law, to the byte."""
    sections = (_beginning, _states, _transitions, _gate, _facts, _faults, _roles, _categories, _settled)
    return "\n\n".join("\n".join(section(law)) for section in sections) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ") or NOTHING


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(map(_cell, row))} |"


def _code(parts: Iterable[str], joint: str = ", ") -> str:
    return listed((f"`{part}`" for part in parts), joint)


def _beginning(law: Law) -> Iterator[str]:
    chapters = {phase.chapter for phase in law.phases.values()}
    yield "# The life of a smart meter gateway"
    yield ""
    yield (
        f"TR-03109-1 Anlage VIII has {_number(len(chapters))} phases (chapters {min(chapters)} to {max(chapters)}); "
        f"the law here has {_number(len(law.phases))} states, because *Vorpersonalisierung I* (ch. 4) grants different "
        "access in its two arrangements. With gateway and security module apart, the manufacturer reaches the module "
        "directly; assembled, only through the gateway's local interface and after the Integrator-PIN. Two "
        "arrangements, two rows in the gate, two states; both carry chapter 4 and the German name of the phase. So the "
        "order of *Vorpersonalisierung I* and *Integration*, which may be swapped, is structure and not a flag."
    )
    yield ""
    yield (
        "This page is generated from `lifecycle/phases` by `smgw phases --format markdown`, its drawing by "
        "`smgw phases --format svg`; both are checked against the law in CI. Chapters are those of the Anlage. What "
        "the law promises is proven by `smgw prove`."
    )
    yield ""
    yield f"![The life of a smart meter gateway: states, ways between them and who acts]({DRAWING})"
    yield ""
    yield "<details><summary>The same as a Mermaid diagram</summary>"
    yield ""
    yield "```mermaid"
    yield mermaid(law).rstrip("\n")
    yield "```"
    yield ""
    yield "</details>"


def _number(count: int) -> str:
    return {19: "nineteen", 20: "twenty"}.get(count, str(count))


def _states(law: Law) -> Iterator[str]:
    yield "## States"
    yield ""
    yield from _table(
        ("#", "state", "ch.", "phase", "category", "place", "responsible", "optional", "functionality of the gateway"),
        (
            (
                str(number),
                f"`{state}`",
                str(phase.chapter),
                phase.german,
                phase.category or "",
                phase.place or "",
                phase.responsible or "N/A",
                listed(phase.optional),
                phase.functionality,
            )
            for number, (state, phase) in enumerate(law.phases.items(), 1)
        ),
    )


def _transitions(law: Law) -> Iterator[str]:
    yield "## Transitions"
    yield ""
    yield (
        "A transition that is not in this table is refused, and refusing changes nothing. What is recommended is no "
        "condition; whether it was done is recorded."
    )
    yield ""
    yield from _table(
        ("#", "from → to", "asked for as", "acts", "holds only if", "advice", "ch."),
        (
            (
                str(way.number),
                f"`{source}` → `{way.to}`",
                f"`{way.event}`",
                listed(map(acting, way.actors)),
                conditions(way),
                advice(way),
                way.chapter,
            )
            for source, way in transitions_of(dict(law.phases))
        ),
    )


def _gate(law: Law) -> Iterator[str]:
    yield "## The gate: what is on, for whom, through what"
    yield ""
    yield (
        "Everything that does not stand here is off. What an open fault affects is off as well, and so is an interface "
        f"that a fact or a fault shuts. {len(Shut)} things shut everything, whatever the state: "
        f"{listed((str(shut) for shut in Shut), '; ')}."
    )
    yield ""
    yield from _table(
        ("state", "role", "interface", "functions", "shown by"),
        (
            (
                f"`{state}`",
                opening.role,
                opening.interface,
                _code(opening.functions),
                listed(opening.credentials, " or "),
            )
            for state, phase in law.phases.items()
            for opening in openings(phase.grants)
        ),
    )
    yield ""
    nothing = [state for state, phase in law.phases.items() if not phase.grants]
    yield f"Nothing is on in {_code(nothing)}."


def _facts(law: Law) -> Iterator[str]:
    yield "## Facts"
    yield ""
    yield (
        "What the conditions speak of. A fact is put on record by the signed word of who may attest it, in a state "
        "where it can happen, once, and for good."
    )
    yield ""
    yield from _table(
        ("fact", "in words", "German", "attested by", "in", "after", "never after", "shuts", "ch."),
        (
            (
                f"`{fact}`",
                description.text,
                description.german,
                listed((acting(role) for role in Role if role in description.attested_by), " or "),
                states(description.recordable_in),
                listed(sorted(description.after)),
                listed(sorted(description.never_after)),
                _interfaces(description.shuts),
                description.chapter,
            )
            for fact, description in law.facts.items()
        ),
    )


def _interfaces(shut: frozenset[Interface]) -> str:
    return "every interface" if shut == frozenset(Interface) else listed(sorted(shut))


def _faults(law: Law) -> Iterator[str]:
    yield "## Faults"
    yield ""
    yield (
        f"A fault is reported and cleared in {states(MAY_CHANGE_FAULTS)}. The manufacturer may add more (ch. 15), so "
        "the catalogue is open; each entry says its source."
    )
    yield ""
    yield from _table(
        ("fault", "German", "leads to", "affects", "shuts", "reported by", "cleared by", "source"),
        (
            (
                f"`{fault.name}`",
                fault.german,
                f"`{fault.leads_to}`",
                _functions(fault.affects) + (" for the consumer concerned" if fault.per_subject else ""),
                _interfaces(fault.shuts),
                listed((acting(role) for role in Role if role in fault.reported_by), " or "),
                _clearing(fault.clearing, [acting(role) for role in Role if role in fault.cleared_by]),
                fault.source,
            )
            for fault in law.catalogue.values()
        ),
    )


def _functions(affected: Iterable[str]) -> str:
    chosen = frozenset(affected)
    return "everything" if chosen == EVERYTHING else _code(sorted(chosen))


def _clearing(clearing: str, roles: Sequence[str]) -> str:
    return f"{clearing} (attested by {listed(roles, ' or ')})" if roles else clearing


def _roles(_: Law) -> Iterator[str]:
    yield "## Roles and participants"
    yield ""
    yield (
        "Responsible roles are the values of Table 1.2; where it says N/A, nobody is responsible. Participants talk to "
        "a gateway in operation, hold it in no phase and move it to none (1.2)."
    )
    yield ""
    yield from _table(
        ("role", "German", "kind", "nature", "acts for", "may show", "ch."),
        (
            (
                role,
                description.german,
                _kind(role),
                description.nature or "",
                description.acts_for or "",
                listed(sorted(description.credentials)),
                description.chapter,
            )
            for role, description in ROLES.items()
        ),
    )


def _kind(role: Role) -> str:
    if ROLES[role].responsible:
        return "responsible role"
    return "participant" if role in PARTICIPANTS else "neither"


def _categories(law: Law) -> Iterator[str]:
    yield "## Categories (Table 1.1)"
    yield ""
    yield from _table(
        ("category", "states"),
        (
            (category, _code(state for state, phase in law.phases.items() if phase.category is category))
            for category in Category
        ),
    )
    yield ""
    yield f"In no category: {_code(state for state, phase in law.phases.items() if phase.category is None)}."


def _settled(law: Law) -> Iterator[str]:
    yield "## Notes, and how open questions of the text are settled"
    yield ""
    noted: list[Phase] = [phase for phase in law.phases.values() if phase.note]
    yield from (f"- `{phase.state}` (ch. {phase.chapter}): {phase.note}" for phase in noted)
    yield (
        "- Special cases, such as a defective gateway in Erstinstallation, are left out by the Anlage (1.1). They stay "
        "out of the law: a transition that it does not name is refused."
    )
