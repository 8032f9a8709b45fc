"""The live machine: a :class:`transitions.Machine` built from the phases and guarded by the law.

It has no table of its own and no automatic transitions. Every trigger asks :meth:`lifecycle.law.Law.decide`; what the
law refuses raises :class:`lifecycle.law.Unlawful` with its reasons and leaves the model as it was.
"""

from __future__ import annotations

from typing import Any

from transitions import EventData, Machine, MachineError

from lifecycle.evidence import NOTHING, Evidence
from lifecycle.law import LAW, Law, Permitted, Refused, Unlawful, in_words
from lifecycle.phases import transitions_of
from lifecycle.roles import Actor
from lifecycle.states import Event, State


class Life:
    """What the machine moves: one gateway's state, with the evidence that the law is asked with.

    :ivar state: the state.
    :ivar evidence: what is on record.
    """

    __slots__ = ("evidence", "state")

    def __init__(self, state: State = State.DEVELOPMENT, evidence: Evidence = NOTHING) -> None:
        self.state = state
        self.evidence = evidence


class LifecycleMachine:
    """One machine for any number of lives.

    :ivar machine: the :class:`transitions.Machine`, for diagrams and inspection.
    """

    def __init__(self, law: Law = LAW) -> None:
        self._law = law
        self.machine = Machine(
            model=None,
            states=[str(state) for state in law.phases],
            initial=None,
            auto_transitions=False,
            send_event=True,
            transitions=[
                {
                    "trigger": str(way.event),
                    "source": str(source),
                    "dest": str(way.to),
                    "conditions": self._lawful,
                }
                for source, way in transitions_of(dict(law.phases))
            ],
        )

    def _lawful(self, event_data: EventData) -> bool:
        """Guard of every transition: the law, and nothing else."""
        life = event_data.model
        assert isinstance(life, Life)  # noqa: S101  the machine is only fired by fire() below
        actor: Actor = event_data.kwargs["actor"]
        verdict: list[Permitted] = event_data.kwargs["verdict"]
        decision = self._law.decide(life.state, life.evidence, Event(event_data.event.name), actor)
        if isinstance(decision, Permitted):
            verdict.append(decision)
        return bool(decision)

    def fire(self, life: Life, event: Event, actor: Actor) -> Permitted:
        """Make a transition.

        :returns: the law's permission, which says what is to be recorded of the way taken.
        :raises Unlawful: if the law refuses; *life* is as before.
        """
        verdict: list[Permitted] = []
        arguments: dict[str, Any] = {"actor": actor, "verdict": verdict}
        known = self.machine.events.get(str(event))  # an altered law may have lost all its ways for an event
        try:
            moved = known is not None and known.trigger(life, **arguments)
        except MachineError:
            moved = False
        if not moved:
            refused = self._law.decide(life.state, life.evidence, event, actor)
            assert isinstance(refused, Refused)  # noqa: S101  the guard is the law; anything else is our defect
            raise Unlawful(f"{event} by {in_words(actor)}", life.state, refused)
        life.state = State(life.state)
        return verdict[0]
