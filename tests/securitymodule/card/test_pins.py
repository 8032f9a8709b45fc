"""PINs: tries fall before the comparison and come back only for the right PIN, whatever happens in between."""

from __future__ import annotations

import pytest

from securitymodule.apdu import StatusWord, tries_word
from securitymodule.card.errors import StateNotWritten
from securitymodule.card.store import Store
from securitymodule.coding import Ins, ModuleState, Pin, Tag
from securitymodule.errors import CommandRefused, PinBlocked, WrongPin
from securitymodule.pace import PACE_INFOS, PaceInfo
from tests.securitymodule.card.conftest import ModuleAt
from tests.securitymodule.card.terminal import (
    INITIALISATION,
    INTEGRATOR_PIN,
    SYSTEM_PIN,
    TRANSPORT_PIN,
    Terminal,
)

TRIES = INITIALISATION.tries
WRONG = "0000000000"


def secured(module_at: ModuleAt, state: ModuleState = ModuleState.INTEGRATED) -> Terminal:
    terminal = Terminal(module_at(state))
    terminal.establish(SYSTEM_PIN)
    return terminal


def asked(terminal: Terminal, pin: Pin = Pin.INTEGRATOR) -> int:
    return terminal.send(Ins.VERIFY, pin).sw


def test_tries_fall_and_come_back(module_at: ModuleAt) -> None:
    terminal = secured(module_at)
    assert asked(terminal) == tries_word(TRIES)
    assert terminal.present(WRONG).sw == tries_word(TRIES - 1)
    assert terminal.present(WRONG).sw == tries_word(TRIES - 2)
    assert terminal.present().sw == StatusWord.OK
    assert asked(terminal) == StatusWord.OK
    assert terminal.information().integrator_tries == TRIES
    assert terminal.present(WRONG).sw == tries_word(TRIES - 1)
    assert asked(terminal) == tries_word(TRIES - 1)


def test_blocked_for_good(module_at: ModuleAt) -> None:
    module = module_at(ModuleState.INTEGRATED)
    terminal = Terminal(module)
    terminal.establish(SYSTEM_PIN)
    for left in range(TRIES - 1, -1, -1):
        assert terminal.present(WRONG).sw == tries_word(left)
    assert terminal.present().sw == StatusWord.AUTHENTICATION_BLOCKED
    changed = terminal.change(Pin.INTEGRATOR, INTEGRATOR_PIN, "1234567890")
    assert changed.sw == StatusWord.AUTHENTICATION_BLOCKED
    module.power_off()
    module.power_on()
    terminal = Terminal(module)
    terminal.establish(SYSTEM_PIN)
    assert terminal.present().sw == StatusWord.AUTHENTICATION_BLOCKED
    assert asked(terminal) == tries_word(0)


@pytest.mark.parametrize("length", [0, 9, 33])
def test_what_is_no_pin_costs_no_try(module_at: ModuleAt, length: int) -> None:
    terminal = secured(module_at)
    if length:
        assert terminal.present("1" * length).sw == StatusWord.WRONG_LENGTH
    assert terminal.send(Ins.VERIFY, Pin.INTEGRATOR, b"12345678x0").sw == StatusWord.WRONG_LENGTH
    changed = terminal.change(Pin.INTEGRATOR, INTEGRATOR_PIN, "1" * length)
    assert changed.sw == StatusWord.INCORRECT_DATA
    assert asked(terminal) == tries_word(TRIES)


def test_change(module_at: ModuleAt) -> None:
    terminal = secured(module_at)
    new = "7777777777"
    assert terminal.change(Pin.INTEGRATOR, WRONG, new).sw == tries_word(TRIES - 1)
    assert terminal.present(new).sw == tries_word(TRIES - 2)
    assert terminal.change(Pin.INTEGRATOR, INTEGRATOR_PIN, new).sw == StatusWord.OK
    assert asked(terminal) == tries_word(TRIES)
    assert terminal.present(INTEGRATOR_PIN).sw == tries_word(TRIES - 1)
    assert terminal.present(new).sw == StatusWord.OK
    for wrong in (b"", b"\x81\x00", bytes((Tag.OLD_REFERENCE_DATA, 200))):
        assert terminal.send(Ins.CHANGE_REFERENCE_DATA, Pin.INTEGRATOR, wrong).sw == StatusWord.INCORRECT_DATA


def test_references(module_at: ModuleAt) -> None:
    terminal = secured(module_at)
    for reference in (0x00, 0x01, 0x04, 0x83, 0xFF):
        assert terminal.send(Ins.VERIFY, reference, WRONG.encode()).sw == StatusWord.REFERENCE_NOT_FOUND
    assert terminal.send(Ins.VERIFY, 0x0100 | Pin.INTEGRATOR).sw == StatusWord.INCORRECT_P1_P2
    system = terminal.send(Ins.VERIFY, Pin.SYSTEM, SYSTEM_PIN.encode())
    assert system.sw == StatusWord.CONDITIONS_NOT_SATISFIED
    assert asked(terminal, Pin.SYSTEM) == tries_word(TRIES)


@pytest.mark.parametrize("info", PACE_INFOS, ids=str)
def test_pace(module_at: ModuleAt, info: PaceInfo) -> None:
    module = module_at(ModuleState.INTEGRATED)
    with pytest.raises(WrongPin):
        Terminal(module).establish(WRONG, info)
    assert Terminal(module).information().system_tries == TRIES - 1
    with pytest.raises(WrongPin):
        Terminal(module).establish(TRANSPORT_PIN, info)
    terminal = Terminal(module)
    terminal.establish(SYSTEM_PIN, info)
    assert terminal.information().system_tries == TRIES


def test_pace_blocks(module_at: ModuleAt) -> None:
    module = module_at(ModuleState.INTEGRATED)
    for _ in range(TRIES - 1):
        with pytest.raises(WrongPin):
            Terminal(module).establish(WRONG)
    with pytest.raises(CommandRefused):
        Terminal(module).establish(WRONG)
    with pytest.raises(PinBlocked):
        Terminal(module).establish(SYSTEM_PIN)
    assert Terminal(module).information().system_tries == 0


def test_a_new_system_pin_is_for_the_next_pace(module_at: ModuleAt) -> None:
    module = module_at(ModuleState.INTEGRATED)
    terminal = Terminal(module)
    terminal.establish(SYSTEM_PIN)
    new = "99999999999999999999999999999999"
    assert terminal.change(Pin.SYSTEM, WRONG, new).sw == tries_word(TRIES - 1)
    assert terminal.change(Pin.SYSTEM, SYSTEM_PIN, new).sw == StatusWord.OK
    assert asked(terminal) == tries_word(TRIES)
    terminal.establish(new)
    module.reset()
    with pytest.raises(WrongPin):
        Terminal(module).establish(SYSTEM_PIN)
    Terminal(module).establish(new)


class PowerCut(BaseException):
    """The power goes: nothing that comes after happens."""


@pytest.mark.parametrize("digits", [WRONG, INTEGRATOR_PIN])
@pytest.mark.parametrize("cut_after", [0, 1, 2])
def test_power_cut_between_the_steps(
    module_at: ModuleAt, monkeypatch: pytest.MonkeyPatch, digits: str, cut_after: int
) -> None:
    """After the try was taken, and before it came back: a cut there never gives a try back."""
    module = module_at(ModuleState.INTEGRATED)
    terminal = Terminal(module)
    terminal.establish(SYSTEM_PIN)
    terminal.present(WRONG)
    before = TRIES - 1
    done: list[int] = []
    save = Store.save

    def cut(self: Store, contents: object) -> None:
        if len(done) == cut_after:
            raise PowerCut
        done.append(1)
        save(self, contents)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "save", cut)
    if digits == WRONG and cut_after:
        terminal.present(digits)
    elif cut_after == 2:
        assert terminal.present(digits).sw == StatusWord.OK
    else:
        with pytest.raises(PowerCut):
            terminal.present(digits)
    monkeypatch.undo()
    module.power_off()
    module.power_on()
    left = Terminal(module).information().integrator_tries
    given_back = digits == INTEGRATOR_PIN and cut_after == 2
    assert left == (TRIES if given_back else before if cut_after == 0 else before - 1)


def test_a_try_that_cannot_be_written_is_not_had(module_at: ModuleAt, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who makes writing fail learns nothing of the PIN."""
    module = module_at(ModuleState.INTEGRATED)
    terminal = Terminal(module)
    terminal.establish(SYSTEM_PIN)

    def refuse(_store: Store, _contents: object) -> None:
        raise StateNotWritten("no space left on device")

    monkeypatch.setattr(Store, "save", refuse)
    for digits in (WRONG, INTEGRATOR_PIN):
        answer = module.transmit(_protected(terminal, digits))
        assert answer == StatusWord.MEMORY_FAILURE.to_bytes(2, "big")
        monkeypatch.undo()
        terminal = Terminal(module)
        terminal.establish(SYSTEM_PIN)
        monkeypatch.setattr(Store, "save", refuse)
    monkeypatch.undo()
    assert Terminal(module).information().integrator_tries == TRIES


def _protected(terminal: Terminal, digits: str) -> bytes:
    from securitymodule.apdu import CommandApdu

    assert terminal.channel is not None
    return terminal.channel.protect(CommandApdu(0, Ins.VERIFY, 0, Pin.INTEGRATOR, digits.encode())).encode()


def test_same_pin_other_reference_data(module_at: ModuleAt) -> None:
    """Two modules with the same Integrator-PIN keep nothing that shows it."""
    first, second = (module_at(ModuleState.CREATED) for _ in range(2))
    kept: list[bytes] = []
    for module in (first, second):
        told = Terminal(module).plain(Ins.PUT_DATA, 0x0110, INITIALISATION.encode())
        assert told.sw == StatusWord.OK
        assert module._store is not None
        held = module._store.contents.pins[Pin.INTEGRATOR].reference
        assert INTEGRATOR_PIN.encode() not in held
        kept.append(held)
    assert kept[0] != kept[1]
