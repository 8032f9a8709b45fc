"""The lemmas and the ten claims, each with the check that evaluates it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lifecycle.claims import CLAIMS
from lifecycle.proof import decision_claims, gate_claims, life_claims
from lifecycle.proof.model import Outcome
from lifecycle.proof.space import Space


@dataclass(frozen=True, slots=True)
class Property:
    """A claim and how it is checked.

    :ivar id: ``P1`` to ``P10``; ``L1`` and ``L2`` for the lemmas that the enumerations stand on.
    :ivar claim: the claim in words.
    :ivar check: evaluates every case.
    """

    id: str
    claim: str
    check: Callable[[Space], Outcome]


LEMMAS: tuple[Property, ...] = (
    Property(
        "L1",
        "No decision looks at evidence that the conditions of its way out do not read.",
        decision_claims.no_decision_looks_further,
    ),
    Property(
        "L2",
        "No evidence opens what a state does not grant; only what is said to shut something takes anything out.",
        gate_claims.only_what_shuts_takes_out,
    ),
)
"""What the completeness of the enumerations stands on."""

PROPERTIES: tuple[Property, ...] = tuple(
    Property(identifier, CLAIMS[identifier], check)
    for identifier, check in {
        "P1": life_claims.every_state_reached_and_left,
        "P2": life_claims.nothing_returns,
        "P3": life_claims.entered_with_certificates_only,
        "P4": gate_claims.local_off_and_configuration_once,
        "P5": life_claims.scrapped_with_revocation_or_destruction_only,
        "P6": gate_claims.readings_where_metering_is,
        "P7": gate_claims.technician_sees_no_value,
        "P8": gate_claims.nothing_without_a_carrier,
        "P9": decision_claims.refusals_change_nothing,
        "P10": life_claims.records_fold_to_what_is_stored,
    }.items()
)
"""The ten claims, in order."""
