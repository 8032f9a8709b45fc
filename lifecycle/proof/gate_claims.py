"""L2, P4, P6, P7 and P8: claims about the gate, over every state, everything that takes out, and every request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lifecycle.claims import CONFIGURATION_IMPORT_ONLY_IN, LOCAL_OFF_FROM, READINGS_ONLY_IN
from lifecycle.evidence import NOTHING, Evidence
from lifecycle.facts import Fact
from lifecycle.functions import HANDLES_READINGS, SHOWS_MEASURED_VALUES, Credential, Function, Interface
from lifecycle.gate import Gate, Shut
from lifecycle.law import Law, Standing
from lifecycle.phases import Grant
from lifecycle.proof.gates import SUBJECTS, every_request, gates_stand_for, granted_somewhere, shutting_facts
from lifecycle.proof.lives import leads_to
from lifecycle.proof.model import CounterExample, Outcome
from lifecycle.proof.space import Space
from lifecycle.roles import ROLES, Role
from lifecycle.states import State


def in_words(request: Grant) -> str:
    """A request in words."""
    return f"{request.function} at {request.interface} by {request.role} with {request.credential}"


def _outcome(space: Space, cases: int, counter_example: CounterExample | None = None) -> Outcome:
    return Outcome(cases, f"{gates_stand_for(space.law)} × {len(every_request()):,} requests", counter_example)


def _found(space: Space, gate: Gate, request: Grant, why: str) -> CounterExample:
    """The shortest lawful way to where the same request is open in the same state."""

    def fits(standing: Standing) -> bool:
        return standing.state is gate.state and bool(Gate(*standing, law=space.law).ask(request))

    return space.counter_example(f"in {gate.state}, {in_words(request)} is open: {why}", fits)


def only_what_shuts_takes_out(space: Space) -> Outcome:
    """L2: no evidence opens what its state does not grant, and a fact that shuts no interface takes nothing out."""
    law, cases = space.law, 0
    for gate in space.gates:
        cases += 1
        assert gate.state is not None  # noqa: S101  every gate of the enumeration has its state
        for request in gate.opened:
            if request not in law.phases[gate.state].grants:
                return _outcome(space, cases, _found(space, gate, request, "the state does not grant it"))
    harmless = [fact for fact in Fact if fact not in shutting_facts(law)]
    for state in law.phases:
        everything_on = Gate(state, NOTHING, law=law).opened
        for facts in (*((fact,) for fact in harmless), harmless):
            cases += 1
            if Gate(state, Evidence.of(*facts), law=law).opened != everything_on:
                what = f"in {state}, {', '.join(facts)} on record changes the gate, though it shuts nothing"
                return _outcome(space, cases, CounterExample(what))
    return _outcome(space, cases)


def local_off_and_configuration_once(space: Space) -> Outcome:
    """P4: nothing is open at LOCAL late in life; the initial configuration file is imported in one state only."""
    late = {LOCAL_OFF_FROM} | leads_to(space.law, LOCAL_OFF_FROM)
    imports = Function.IMPORT_INITIAL_CONFIGURATION
    asked = [
        grant
        for grant in granted_somewhere(space.law)
        if grant.interface is Interface.LOCAL or grant.function is imports
    ]
    cases = 0
    importable = False
    for gate in space.gates:
        for request in asked:
            cases += 1
            if not gate.ask(request):
                continue
            if request.interface is Interface.LOCAL and gate.state in late:
                return _outcome(space, cases, _found(space, gate, request, f"LOCAL is off from {LOCAL_OFF_FROM} on"))
            if request.function is imports and gate.state is not CONFIGURATION_IMPORT_ONLY_IN:
                why = f"it can be imported in {CONFIGURATION_IMPORT_ONLY_IN} only"
                return _outcome(space, cases, _found(space, gate, request, why))
            importable = importable or request.function is imports
    if not importable:
        what = f"the initial configuration file cannot be imported in {CONFIGURATION_IMPORT_ONLY_IN} either"
        return _outcome(space, cases, CounterExample(what))
    return _outcome(space, cases)


def readings_where_metering_is(space: Space) -> Outcome:
    """P6: readings are handled in the states of operation only, and only by functions that no open fault affects."""
    law, cases = space.law, 0
    asked = [grant for grant in granted_somewhere(law) if grant.function in HANDLES_READINGS]
    for gate in space.gates:
        for request in asked:
            for subject in SUBJECTS:
                cases += 1
                if not gate.ask(request, subject):
                    continue
                if gate.state not in READINGS_ONLY_IN:
                    why = f"readings are handled in {', '.join(sorted(READINGS_ONLY_IN))} only"
                    return _outcome(space, cases, _found(space, gate, request, why))
                affecting = ", ".join(_affecting(law, gate, request, subject))
                if affecting:
                    return _outcome(
                        space, cases, _found(space, gate, request, f"the open fault {affecting} affects it")
                    )
    return _outcome(space, cases)


def _affecting(law: Law, gate: Gate, request: Grant, subject: str | None) -> Iterator[str]:
    """The open faults that affect a request."""
    for opened in gate.evidence.faults:
        fault = law.catalogue[opened.name]
        concerned = not fault.per_subject or subject in {None, opened.subject}
        if request.interface in fault.shuts or (request.function in fault.affects and concerned):
            yield fault.name


def technician_sees_no_value(space: Space) -> Outcome:
    """P7: nothing that shows a measured value is open to a Servicetechniker, there or with its credential."""
    law, cases = space.law, 0
    shown = [
        request for request in every_request() if request.function in SHOWS_MEASURED_VALUES and _technician(request)
    ]
    granted = [request for request in shown if request in granted_somewhere(law)]
    for gate, asked in _asked(law, space.gates, shown, granted):
        for request in asked:
            cases += 1
            if gate.ask(request):
                why = "it shows a measured value to the Servicetechniker"
                return _outcome(space, cases, _found(space, gate, request, why))
    return _outcome(space, cases)


def _technician(request: Grant) -> bool:
    return (
        request.role is Role.SERVICETECHNIKER
        or request.interface is Interface.HAN_TECHNICIAN
        or request.credential is Credential.TECHNICIAN_CERTIFICATE
    )


def _asked(
    law: Law, gates: Iterable[Gate], everything: list[Grant], granted: list[Grant]
) -> Iterator[tuple[Gate, list[Grant]]]:
    """Everything is asked of each state with nothing on record; of every other gate, what some state grants (P8)."""
    for state in law.phases:
        yield Gate(state, NOTHING, law=law), everything
    for gate in gates:
        yield gate, granted


def nothing_without_a_carrier(space: Space) -> Outcome:
    """P8: what is open is granted, to a role that can hold the credential; never with a part missing, nor if shut."""
    law, cases = space.law, 0
    for state in law.phases:
        gate = Gate(state, NOTHING, law=law)
        for request in every_request():
            cases += 1
            if gate.ask(request):
                why = _carried_by_nobody(law, state, request)
                if why:
                    return _outcome(space, cases, _found(space, gate, request, why))
    for state, phase in law.phases.items():
        gate = Gate(state, NOTHING, law=law)
        shut_gates = [Gate(state, NOTHING, shut, law) for shut in Shut]
        for request in phase.grants:
            for lacking in _lacking_one_part(request):
                cases += 1
                if gate.ask(lacking):
                    return _outcome(space, cases, _found(space, gate, lacking, "a part of the request is missing"))
            for shut_gate in shut_gates:
                cases += 1
                if shut_gate.ask(request):
                    return _outcome(space, cases, _found(space, gate, request, f"although {shut_gate.shut}"))
    return _outcome(space, cases)


def _lacking_one_part(request: Grant) -> Iterator[Grant]:
    """The request without its role, without its interface, without its credential."""
    for missing in ("role", "interface", "credential"):
        yield Grant._make(None if name == missing else part for name, part in zip(Grant._fields, request, strict=True))


def _carried_by_nobody(law: Law, state: State, request: Grant) -> str:
    if request not in law.phases[state].grants:
        return "no grant of the state carries it"
    if request.credential not in ROLES[request.role].credentials:
        return f"{request.role} cannot hold {request.credential}"
    inside = (
        request.role is Role.GATEWAY,
        request.interface is Interface.INSIDE,
        request.credential is Credential.INSIDE,
    )
    if any(inside) and not all(inside):
        return "what is inside is for the gateway itself, and for nobody else"
    return ""
