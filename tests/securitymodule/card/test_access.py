"""Every operation in every state with every right, through real commands, compared with the access table."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from securitymodule.apdu import StatusWord, tries_left
from securitymodule.card.access import RULES, STATES, Access, Operation, access_to
from securitymodule.card.module import SoftwareModule
from securitymodule.coding import (
    Ins,
    KeyRef,
    ModuleState,
    Parameters,
)
from tests.securitymodule.card.attempts import ATTEMPTS, Bench
from tests.securitymodule.card.pki import NOW, Pki, Wish, issue, usage
from tests.securitymodule.card.terminal import (
    SYSTEM_PIN,
    Terminal,
    copied,
    opened,
    system_pin,
)

HALF, WHOLE = "READY, not all keys of the GWA", "READY, all keys of the GWA"
RIGHTS = (Access.ALWAYS, Access.CHANNEL, Access.INTEGRATOR, Access.ADMINISTRATOR)
"""What a session may have, from nothing on; each includes secure messaging but the first."""


PLAIN_OPERATIONS = {
    Operation.INFORM,
    Operation.ATTEST,
    Operation.INITIALISE,
    Operation.SELECT_PLAIN,
    Operation.READ_PLAIN,
    Operation.SELECT,
    Operation.PACE,
}
"""Whose commands are looked at outside secure messaging; any other is refused before its state matters."""

UNREACHABLE = {
    *((state.name, right) for state in (ModuleState.CREATED, ModuleState.TERMINATED) for right in RIGHTS[1:]),
    *((place, Access.INTEGRATOR) for place in (WHOLE, ModuleState.OPERATIONAL.name)),
    *(
        (state.name, Access.ADMINISTRATOR)
        for state in (ModuleState.INITIALISED, ModuleState.PREPERSONALISED, ModuleState.INTEGRATED)
    ),
}
"""Rights that nobody can come by: no PIN or no key for them is in the module, or the hand-over has ended them."""


@pytest.fixture(scope="module")
def places(
    stages: dict[ModuleState, Path], tmp_path_factory: pytest.TempPathFactory, pki: Pki
) -> dict[str, tuple[ModuleState, Path]]:
    """A module in every state, READY twice: before and after the hand-over to the GWA."""
    folder = tmp_path_factory.mktemp("places")
    found: dict[str, tuple[ModuleState, Path]] = {
        state.name: (state, stages[state]) for state in STATES if state is not ModuleState.READY
    }
    for name, keys in ((HALF, (KeyRef.GWA_TLS, KeyRef.GWA_SIG)), (WHOLE, tuple(pki.administrator))):
        directory = copied(stages[ModuleState.READY], folder / name.replace(" ", "-"))
        with opened(directory) as module:
            terminal = Terminal(module)
            terminal.establish(SYSTEM_PIN)
            assert terminal.present().sw == StatusWord.OK
            assert terminal.take_sub_ca(pki).sw == StatusWord.OK
            for key in keys:
                assert terminal.take(key, pki.administrator_certificate(key), KeyRef.SUB_CA).sw == StatusWord.OK
        found[name] = (ModuleState.READY, directory)
    return found


def has(terminal: Terminal, pki: Pki, state: ModuleState, right: Access) -> bool:
    """Give a session a right; whether the state lets it."""
    if right is Access.ALWAYS:
        return True
    if state in {ModuleState.CREATED, ModuleState.TERMINATED}:
        return False
    terminal.establish(system_pin(state))
    if right is Access.INTEGRATOR:
        return terminal.present().sw == StatusWord.OK
    if right is Access.ADMINISTRATOR:
        return terminal.administrate(pki).sw == StatusWord.OK
    return True


def stored(module: SoftwareModule) -> object:
    """What a module has on its disk."""
    assert module._store is not None
    return module._store.contents


def allows(rule: Access, right: Access) -> bool:
    """Whether a session with *right* may do what takes *rule*."""
    order = {Access.ALWAYS: 0, Access.CHANNEL: 1, Access.INTEGRATOR: 2, Access.ADMINISTRATOR: 2}
    return rule is not Access.NEVER and (rule is right or order[rule] < order[right])


@pytest.mark.parametrize("right", RIGHTS, ids=lambda right: right.name)
@pytest.mark.parametrize("place", [state.name for state in STATES if state is not ModuleState.READY] + [HALF, WHOLE])
def test_every_operation(
    places: dict[str, tuple[ModuleState, Path]], pki: Pki, tmp_path: Path, place: str, right: Access
) -> None:
    state, directory = places[place]
    handed_over = place in {WHOLE, ModuleState.OPERATIONAL.name}
    rules = {operation: access_to(operation, state, handed_over=handed_over) for operation in ATTEMPTS}
    if right is Access.ALWAYS:
        del rules[Operation.READ]  # without secure messaging such a file is never selected
    with opened(copied(directory, tmp_path / "refusing")) as module:
        terminal = Terminal(module)
        if not has(terminal, pki, state, right):
            assert (place, right) in UNREACHABLE
            return
        assert (place, right) not in UNREACHABLE
        before = stored(module)
        for operation, rule in rules.items():
            if allows(rule, right):
                continue
            response = ATTEMPTS[operation](Bench(terminal, pki, False, state, system_pin(state)))
            silent = right is Access.ALWAYS and operation not in PLAIN_OPERATIONS
            never = rule is Access.NEVER and not silent
            expected = StatusWord.CONDITIONS_NOT_SATISFIED if never else StatusWord.SECURITY_STATUS_NOT_SATISFIED
            told = f"{operation.name} in {place} with {right.name}: {response.sw:04X}, the table says {rule.name}"
            assert response.sw == expected, told
            assert stored(module) == before, told
        assert module.defects == ()
    for operation, rule in rules.items():
        if not allows(rule, right):
            continue
        with opened(copied(directory, tmp_path / operation.name)) as module:
            terminal = Terminal(module)
            assert has(terminal, pki, state, right)
            response = ATTEMPTS[operation](Bench(terminal, pki, True, state, system_pin(state)))
            told = f"{operation.name} in {place} with {right.name}: {response.sw:04X}, the table says {rule.name}"
            assert response.sw == StatusWord.OK or tries_left(response.sw) is not None, told
            assert module.defects == ()


def test_the_matrix_is_whole() -> None:
    assert ATTEMPTS.keys() == set(Operation)
    assert RULES.keys() == {(operation, state) for operation in Operation for state in STATES}
    assert set(STATES) == set(ModuleState)


def test_what_must_never_be() -> None:
    """Claims on the table that do not depend on how it is written."""
    may = {key: rule for key, rule in RULES.items() if rule is not Access.NEVER}
    harmless = {Operation.INFORM, Operation.ATTEST, Operation.SELECT_PLAIN}
    assert {operation for operation, state in may if state is ModuleState.TERMINATED} == harmless
    open_to_all = {operation for (operation, _), rule in may.items() if rule is Access.ALWAYS}
    assert open_to_all == {*harmless, Operation.READ_PLAIN, Operation.PACE, Operation.INITIALISE}
    keys_of_others = {Operation.IMPORT_ROOT, Operation.GENERATE_PRELIMINARY, Operation.CERTIFY_PRELIMINARY}
    early = {ModuleState.INITIALISED, ModuleState.INTEGRATED}
    assert {state for operation, state in may if operation in keys_of_others} == early
    operational = {Operation.GENERATE_OPERATIONAL, Operation.CERTIFY_OPERATIONAL, Operation.DELETE_OPERATIONAL}
    rules = {rule for (operation, _), rule in may.items() if operation in operational}
    assert rules == {Access.ADMINISTRATOR}
    assert RULES[Operation.TERMINATE, ModuleState.OPERATIONAL] is Access.ADMINISTRATOR
    forbidden = {Operation.WRITE_FIXED, Operation.VERIFY_SYSTEM_PIN, Operation.DELETE_PUBLIC}
    assert not {operation for operation, _ in may} & forbidden


def test_rights_end_with_the_channel(places: dict[str, tuple[ModuleState, Path]], pki: Pki, tmp_path: Path) -> None:
    with opened(copied(places[WHOLE][1], tmp_path / "module")) as module:
        terminal = Terminal(module)
        terminal.establish(SYSTEM_PIN)
        assert terminal.administrate(pki).sw == StatusWord.OK
        terminal.establish(SYSTEM_PIN)  # within the old channel
        bench = Bench(terminal, pki, False, ModuleState.READY, SYSTEM_PIN)
        assert bench.generate(KeyRef.OPERATIONAL_A_TLS).sw == StatusWord.SECURITY_STATUS_NOT_SATISFIED
        assert terminal.administrate(pki).sw == StatusWord.OK
        assert bench.generate(KeyRef.OPERATIONAL_A_TLS).sw == StatusWord.OK
        assert terminal.plain(Ins.GET_DATA, Parameters.INFORMATION).sw == StatusWord.OK
        terminal.channel = None
        terminal.establish(SYSTEM_PIN)
        assert bench.generate(KeyRef.OPERATIONAL_B_TLS).sw == StatusWord.SECURITY_STATUS_NOT_SATISFIED


def test_a_certificate_not_yet_valid_is_no_way_in(
    places: dict[str, tuple[ModuleState, Path]], pki: Pki, tmp_path: Path
) -> None:
    with opened(copied(places[HALF][1], tmp_path / "module")) as module:
        terminal = Terminal(module)
        terminal.establish(SYSTEM_PIN)
        assert terminal.present().sw == StatusWord.OK
        assert terminal.take_sub_ca(pki).sw == StatusWord.OK
        key = pki.administrator[KeyRef.GWA_ENC].public_key()
        wish = Wish("Testwerk.GWA", key, usage("key_agreement"), not_before=NOW + timedelta(days=1))
        late = issue(wish, pki.sub_ca, pki.sub_ca.key, pki.sub_ca.hash_algorithm)
        assert terminal.take(KeyRef.GWA_ENC, late, KeyRef.SUB_CA).sw == StatusWord.INCORRECT_DATA
