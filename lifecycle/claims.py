"""The ten claims, in words and as the few constants they speak of. The proof and the generated models read both here.

What a claim speaks of is said independently of the phases: it is what must be true of them, not what they say.
"""

from __future__ import annotations

from collections.abc import Mapping

from lifecycle.facts import Fact
from lifecycle.law import Law
from lifecycle.states import State

CLAIMS: Mapping[str, str] = {
    "P1": (
        "Every state is reachable from DEVELOPMENT; HARDWARE_SCRAPPING is reachable from every state; it alone has no "
        "way out."
    ),
    "P2": (
        "Nothing returns to an earlier part of the life, save REVERSIBLE_FAULT ⇄ OPERATION and the two orders of "
        "chapters 4 and 5."
    ),
    "P3": (
        "OPERATION is never entered without operational certificates in the module; PREPERSONALISATION_2 never without "
        "root and seal certificates."
    ),
    "P4": (
        "LOCAL is off in every state from PERSONALISATION on; the initial configuration file is importable in "
        "PREPERSONALISATION_2 only."
    ),
    "P5": "No path reaches HARDWARE_SCRAPPING except over revoked certificates or a destroyed module.",
    "P6": (
        "No reading is received, stored, derived, shown or delivered outside OPERATION, REVERSIBLE_FAULT and "
        "IRREVERSIBLE_FAULT; nor there, when the open fault affects it."
    ),
    "P7": "A Servicetechniker never reads a measured value, in any state.",
    "P8": "No function is on without a role, an interface and a credential (or inside) that carries it.",
    "P9": "Every (state, event) pair outside the table leaves state, evidence and record as they were.",
    "P10": "Folding the record through the law gives the stored state, for every record that the law can write.",
}
"""Every claim by its id, in order."""

BEGINNING_OF_LIFE = State.DEVELOPMENT
END_OF_LIFE = State.HARDWARE_SCRAPPING

MAY_ALTERNATE: frozenset[State] = frozenset({State.OPERATION, State.REVERSIBLE_FAULT})
"""The only phases between which a life may go back and forth (P2)."""

NEEDED_TO_ENTER: Mapping[State, frozenset[Fact]] = {
    State.OPERATION: frozenset({Fact.OPERATIONAL_CERTIFICATES_IN_MODULE}),
    State.PREPERSONALISATION_2: frozenset({Fact.ROOT_CERTIFICATE_IN_MODULE, Fact.SEAL_CERTIFICATES_IN_MODULE}),
}
"""What must be in the module when a state is entered (P3)."""

LOCAL_OFF_FROM = State.PERSONALISATION
"""The state from which on the local interface is off (P4)."""

CONFIGURATION_IMPORT_ONLY_IN = State.PREPERSONALISATION_2
"""The only state in which the initial configuration file can be imported (P4)."""

SCRAPPING_NEEDS_ONE_OF: frozenset[Fact] = frozenset({Fact.EVERY_CERTIFICATE_REVOKED, Fact.MODULE_DESTROYED})
"""One of these is on record wherever HARDWARE_SCRAPPING is reached (P5)."""

READINGS_ONLY_IN: frozenset[State] = frozenset({State.OPERATION, State.REVERSIBLE_FAULT, State.IRREVERSIBLE_FAULT})
"""The only states in which a reading may be handled (P6)."""


def parts_of(law: Law) -> tuple[frozenset[State], ...]:
    """The parts of a life that are not returned to (P2): those that may alternate, and every other chapter."""
    by_chapter: dict[int, set[State]] = {}
    for state, phase in law.phases.items():
        by_chapter.setdefault(phase.chapter, set()).add(state)
    others = (frozenset(part) for part in by_chapter.values() if not part <= MAY_ALTERNATE)
    return (MAY_ALTERNATE, *others)
