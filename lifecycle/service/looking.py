"""What the cockpit's pages show, gathered from the record: a fleet, and one gateway now or as it was then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from markupsafe import Markup

from lifecycle.canonical import JournalError
from lifecycle.gate import Gate
from lifecycle.journal import Kind, SignedEntry, read_entry
from lifecycle.law import BEGINNING, Law, Standing
from lifecycle.phases import Phase
from lifecycle.render.svg import life_svg
from lifecycle.replay import Verdict
from lifecycle.service.insight import Granted, WayOut, gate_now, grants_now, ways_out
from lifecycle.service.words import Line, line_of
from lifecycle.states import State
from lifecycle.store.repository import Repository
from lifecycle.store.rows import Kept
from lifecycle.store.views import Fleet, Listed, fleet, page

FLEET_PAGE: Final = 50
TIMELINE_PAGE: Final = 30
VERIFIED_UNASKED: Final = 5_000
"""Chains up to this length are replayed whenever somebody looks; longer ones when asked for."""
_ENDS_READ: Final = 2_000
"""Of longer chains, how many entries from either end tell the way taken: between them, faults come and go."""


class Bar(NamedTuple):
    """How many gateways are in a state.

    :ivar phase: the state with its terms.
    :ivar gateways: how many.
    :ivar percent: of the largest count, for the bar's length.
    """

    phase: Phase
    gateways: int
    percent: int


@dataclass(frozen=True, slots=True)
class FleetView:
    """The page of the fleet.

    :ivar figures: counts of all gateways.
    :ivar bars: the same by state, in the order of the life.
    :ivar gateways: a page of them.
    :ivar next: where the next page begins, empty at the end.
    """

    figures: Fleet
    bars: Sequence[Bar]
    gateways: Sequence[Listed]
    next: str


def look_at_fleet(repository: Repository, state: State | None, containing: str, after: str) -> FleetView:
    """The fleet, and a page of the gateways that were asked for."""
    figures = fleet(repository)
    most = max(figures.counts.values(), default=1)
    bars = [
        Bar(phase, figures.counts.get(each, 0), round(100 * figures.counts.get(each, 0) / most))
        for each, phase in repository.law.phases.items()
    ]
    found = page(repository, state=state, containing=containing, after=after, limit=FLEET_PAGE + 1)
    following = found[FLEET_PAGE - 1].gateway if len(found) > FLEET_PAGE else ""
    return FleetView(figures, bars, found[:FLEET_PAGE], following)


@dataclass(frozen=True, slots=True)
class GatewayView:
    """The page of one gateway.

    :ivar kept: what is kept of it now.
    :ivar standing: where it stands at the moment shown.
    :ivar phase: the state with its terms.
    :ivar shown: sequence of the last entry shown.
    :ivar past: whether an earlier moment is shown than now.
    :ivar verdict: what the replay found; ``None`` where the chain is too long to be replayed unasked.
    :ivar drawing: the life with the gateway's place in it.
    :ivar ways: the ways out, with what they lack.
    :ivar gate: the gate.
    :ivar grants: everything that the state grants.
    :ivar lines: a page of the timeline, the newest first.
    :ivar older: where the next page of the timeline begins, 0 at its end.
    """

    kept: Kept
    standing: Standing
    phase: Phase
    shown: int
    past: bool
    verdict: Verdict | None
    drawing: Markup
    ways: Sequence[WayOut]
    gate: Gate
    grants: Sequence[Granted]
    lines: Sequence[Line]
    older: int

    @property
    def by_interface(self) -> Mapping[str, list[Granted]]:
        """The grants by interface, in the order of the law."""
        found: dict[str, list[Granted]] = {}
        for granted in self.grants:
            found.setdefault(granted.grant.interface, []).append(granted)
        return found

    @property
    def open_grants(self) -> int:
        """How many grants are on."""
        return sum(granted.open for granted in self.grants)


def look_at_gateway(
    repository: Repository, kept: Kept, verdict: Verdict | None, until: int | None, before: int | None
) -> GatewayView:
    """One gateway, now or as it was after an entry.

    :param until: sequence of that entry; ``None`` for now.
    :param before: the timeline begins with the entry before this one; ``None`` for the newest.
    """
    law = repository.law
    end = kept.position.sequence
    shown = end if until is None else min(until, end)
    standing = kept.standing if until is None or verdict is None else verdict.standing
    broken = verdict is not None and not verdict.ok
    gate = gate_now(standing, broken=broken, law=law)
    visited = _visited(repository, kept.gateway, shown)
    first = min(before - 1, shown) if before is not None else shown
    start = max(0, first - TIMELINE_PAGE)
    lines = repository.entries(kept.gateway, after=start, limit=first - start) if first > start else []
    return GatewayView(
        kept=kept,
        standing=standing,
        phase=law.phases[standing.state],
        shown=shown,
        past=shown < end,
        verdict=verdict,
        drawing=Markup(life_svg(standing.state, visited, law)),  # noqa: S704  drawn by us, of the law's own words
        ways=ways_out(standing, law),
        gate=gate,
        grants=grants_now(standing, gate, law),
        lines=_newest_first(lines, start, verdict, law),
        older=start + 1 if start else 0,
    )


def _newest_first(found: Sequence[SignedEntry], start: int, verdict: Verdict | None, law: Law) -> list[Line]:
    lines = [line_of(signed, start + place, verdict, law) for place, signed in enumerate(found, 1)]
    return lines[::-1]


def _visited(repository: Repository, gateway: str, until: int) -> list[State]:
    """The states that a gateway has been in, in order, as its transitions tell it."""
    if until <= 2 * _ENDS_READ:
        told = repository.entries(gateway, limit=until) if until else []
    else:
        told = repository.entries(gateway, limit=_ENDS_READ)
        told += repository.entries(gateway, after=until - _ENDS_READ, limit=_ENDS_READ)
    visited = [BEGINNING.state]
    for signed in told:
        try:
            entry = read_entry(signed.body)
            if entry.kind is Kind.TRANSITION:
                visited.append(State(entry.payload["to"]))
        except (JournalError, KeyError, ValueError):
            continue  # the verdict says what is wrong with it
    return visited
