"""Overwriting secrets, and nothing but secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from securitymodule.apdu import CommandApdu, ResponseApdu
from securitymodule.card.module import SoftwareModule
from securitymodule.coding import Ins, Pin
from securitymodule.connection import EmbeddedConnection
from securitymodule.errors import SecureMessagingError
from securitymodule.messaging import CardChannel, TerminalChannel
from securitymodule.pace import SessionKeys
from securitymodule.session import Session
from securitymodule.statements import InitialisationFile
from securitymodule.wiping import copy_of, wipe

PIN, INTEGRATOR_PIN = "1029384756", "9081726354"
MADE = b"".join((b"a secret ", b"of its own"))


def test_wiping() -> None:
    secret, buffer = copy_of(MADE), bytearray(MADE)
    wipe(secret)
    wipe(buffer)
    assert secret == buffer == bytes(19)


@pytest.mark.parametrize("shared", [b"", b"x"])
def test_what_the_interpreter_shares_is_left_alone(shared: bytes) -> None:
    before = list(shared)
    wipe(shared)
    assert list(shared) == before


def test_a_copy_is_an_object_of_its_own() -> None:
    copied = copy_of(MADE)
    assert copied == MADE
    wipe(copied)
    assert MADE == b"a secret of its own"


def test_a_closed_channel_has_overwritten_its_keys_and_nobody_elses() -> None:
    keys = SessionKeys(bytes(range(16)), bytes(range(16, 32)))
    terminal, card = TerminalChannel(keys), CardChannel(keys)
    own = terminal._keys
    assert own is not None
    terminal.close()
    terminal.close()
    assert (own.encryption, own.checksum) == (bytes(16), bytes(16))
    assert (keys.encryption, keys.checksum) == (bytes(range(16)), bytes(range(16, 32)))
    with pytest.raises(SecureMessagingError):
        terminal.protect(CommandApdu(0, 0xB0, 0, 0))
    other = TerminalChannel(keys)
    assert card.open(other.protect(CommandApdu(0, 0xB0, 0, 0, b"data"))).data == b"data"
    assert other.open(card.protect(ResponseApdu(b"more"))).data == b"more"


def test_secret_data_are_overwritten_whatever_came_of_them(tmp_path: Path) -> None:
    SoftwareModule.create(tmp_path / "module", InitialisationFile("SM-0001", PIN, INTEGRATOR_PIN)).close()
    session = Session(EmbeddedConnection(SoftwareModule.open(tmp_path / "module"), "module:here"))
    first, second, third = (INTEGRATOR_PIN.encode() for _ in range(3))
    with pytest.raises(SecureMessagingError):
        session.command("too early", Ins.VERIFY, Pin.INTEGRATOR, first, secret=True)
    session.authenticate(lambda: PIN)
    session.command("presenting", Ins.VERIFY, Pin.INTEGRATOR, second, secret=True)
    session.command("asking", Ins.GET_CHALLENGE, 0, le=len(third))
    assert [first, second, third] == [bytes(10), bytes(10), INTEGRATOR_PIN.encode()]
    session.close()
