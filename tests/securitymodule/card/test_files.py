"""The file system: bounds, the head of the record, and a life of its own against a model."""

from __future__ import annotations

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from securitymodule import tlv
from securitymodule.apdu import StatusWord
from securitymodule.card.context import EF_ATR_CONTENT
from securitymodule.card.files import MAX_FILE_BYTES, MAX_FREE_BYTES
from securitymodule.coding import (
    CERTIFICATE_BYTES,
    CERTIFICATE_FILES,
    FREE_FILES,
    FileId,
    Ins,
    KeyRef,
    ModuleState,
    Parameters,
    Tag,
)
from securitymodule.pace import PACE_INFOS, decode_card_access
from tests.securitymodule.card.conftest import ModuleAt
from tests.securitymodule.card.pki import Pki
from tests.securitymodule.card.terminal import SERIAL, SYSTEM_PIN, Terminal, copied, opened
from tests.support.campaign import Campaign


@pytest.fixture
def terminal(module_at: ModuleAt) -> Terminal:
    found = Terminal(module_at(ModuleState.READY))
    found.establish(SYSTEM_PIN)
    return found


def select(terminal: Terminal, identifier: int) -> int:
    return terminal.send(Ins.SELECT, 0x000C, identifier.to_bytes(2, "big")).sw


def create(terminal: Terminal, identifier: int, size: int) -> int:
    control = {Tag.FILE_IDENTIFIER: identifier.to_bytes(2, "big"), Tag.FILE_SIZE: size.to_bytes(2, "big")}
    return terminal.send(Ins.CREATE_FILE, 0, tlv.encode(Tag.FILE_CONTROL, tlv.encode_all(control))).sw


def head(sequence: int, entry: bytes = b"entry") -> bytes:
    return sequence.to_bytes(8, "big") + hashlib.sha256(entry).digest()


def test_open_files(module_at: ModuleAt) -> None:
    terminal = Terminal(module_at(ModuleState.CREATED))
    assert select(terminal, FileId.EF_CARD_ACCESS) == StatusWord.OK
    assert decode_card_access(terminal.done(Ins.READ_BINARY, 0)) == tuple(
        sorted(PACE_INFOS, key=lambda info: info.encode())
    )
    assert select(terminal, FileId.EF_ATR) == StatusWord.OK
    assert terminal.done(Ins.READ_BINARY, 0) == EF_ATR_CONTENT
    assert terminal.send(Ins.SELECT, 0x000C).sw == StatusWord.OK
    assert terminal.send(Ins.READ_BINARY, 0).sw == StatusWord.COMMAND_NOT_ALLOWED
    ready = Terminal(module_at(ModuleState.READY))
    assert select(ready, FileId.EF_SERIAL) == StatusWord.OK
    assert ready.done(Ins.READ_BINARY, 0) == tlv.encode(Tag.SERIAL_NUMBER, SERIAL.encode())


def test_selecting(terminal: Terminal) -> None:
    for identifier in (*FileId, FileId.MF):
        assert select(terminal, identifier) == StatusWord.OK
    for identifier in (0x0000, 0x5000, 0xFFFF):
        assert select(terminal, identifier) == StatusWord.FILE_NOT_FOUND
    assert terminal.send(Ins.SELECT, 0x000C, b"\x3f").sw == StatusWord.WRONG_LENGTH
    assert terminal.send(Ins.SELECT, 0x0400, b"\xa0\x00").sw == StatusWord.INCORRECT_P1_P2


def test_selecting_by_path(terminal: Terminal) -> None:
    """From the MF, which is left out: its own files by one identifier, those of the DF by two."""

    def selected(*path: int) -> int:
        data = b"".join(identifier.to_bytes(2, "big") for identifier in path)
        return terminal.send(Ins.SELECT, Parameters.SELECT_BY_PATH, data).sw

    for file in FileId:
        short, long = [int(file)], [int(FileId.DF_GATEWAY), int(file)]
        right, wrong = (short, long) if file <= FileId.DF_GATEWAY else (long, short)
        assert selected(*right) == (StatusWord.FILE_NOT_FOUND if file is FileId.MF else StatusWord.OK)
        assert selected(*wrong) == StatusWord.FILE_NOT_FOUND
        assert selected(FileId.MF, *right) == StatusWord.FILE_NOT_FOUND
    assert selected(FileId.EF_SERIAL) == StatusWord.OK
    assert selected(FileId.DF_GATEWAY, 0x5000) == StatusWord.FILE_NOT_FOUND
    assert terminal.done(Ins.READ_BINARY, 0) == tlv.encode(Tag.SERIAL_NUMBER, SERIAL.encode())
    assert create(terminal, 0x5000, 10) == StatusWord.OK
    assert selected(FileId.DF_GATEWAY, 0x5000) == StatusWord.OK
    for data in (b"", b"\x40", b"\x40\x00\x40"):
        assert terminal.send(Ins.SELECT, Parameters.SELECT_BY_PATH, data).sw == StatusWord.WRONG_LENGTH


def test_reading(terminal: Terminal, pki: Pki) -> None:
    assert select(terminal, CERTIFICATE_FILES[KeyRef.ROOT]) == StatusWord.OK
    whole = terminal.send(Ins.READ_BINARY, 0, le=CERTIFICATE_BYTES)
    assert whole.sw == StatusWord.OK
    assert whole.data == pki.root.der.ljust(CERTIFICATE_BYTES, b"\x00")
    assert terminal.send(Ins.READ_BINARY, 0, le=CERTIFICATE_BYTES + 1).sw == StatusWord.END_OF_FILE
    assert terminal.send(Ins.READ_BINARY, CERTIFICATE_BYTES - 1, le=2).sw == StatusWord.END_OF_FILE
    assert terminal.send(Ins.READ_BINARY, CERTIFICATE_BYTES - 1, le=256).data == b"\x00"
    assert terminal.send(Ins.READ_BINARY, CERTIFICATE_BYTES, le=1).sw == StatusWord.WRONG_OFFSET
    assert terminal.send(Ins.READ_BINARY, 0x8001, le=1).sw == StatusWord.INCORRECT_P1_P2
    assert terminal.send(Ins.READ_BINARY, 0, le=None).sw == StatusWord.WRONG_LENGTH
    assert terminal.send(Ins.READ_BINARY, 0, b"x", le=1).sw == StatusWord.WRONG_LENGTH


def test_record_head_only_rises(terminal: Terminal) -> None:
    assert select(terminal, FileId.EF_RECORD_HEAD) == StatusWord.OK

    def write(content: bytes, offset: int = 0) -> int:
        return terminal.send(Ins.UPDATE_BINARY, offset, content).sw

    assert write(head(0)) == StatusWord.OK
    assert write(head(5)) == StatusWord.OK
    assert write(head(5)) == StatusWord.OK
    assert write(head(5, b"another")) == StatusWord.CONDITIONS_NOT_SATISFIED
    assert write(head(4)) == StatusWord.CONDITIONS_NOT_SATISFIED
    assert write(head(6)[:39]) == StatusWord.INCORRECT_DATA
    assert write(head(6)[1:], 1) == StatusWord.INCORRECT_DATA
    assert write(head(6) + b"x") == StatusWord.NOT_ENOUGH_MEMORY
    assert write(head(2**64 - 1)) == StatusWord.OK
    assert terminal.done(Ins.READ_BINARY, 0) == head(2**64 - 1)


def test_creating(terminal: Terminal) -> None:
    assert create(terminal, FREE_FILES[0], 8) == StatusWord.OK
    assert create(terminal, FREE_FILES[0], 8) == StatusWord.FILE_EXISTS
    assert create(terminal, FREE_FILES[-1] + 1, 8) == StatusWord.INCORRECT_DATA
    assert create(terminal, FileId.EF_RECORD_HEAD, 8) == StatusWord.INCORRECT_DATA
    assert create(terminal, FREE_FILES[1], 0) == StatusWord.INCORRECT_DATA
    assert create(terminal, FREE_FILES[1], MAX_FILE_BYTES + 1) == StatusWord.INCORRECT_DATA
    for wrong in (b"", b"\x62\x00", b"\x62\x04\x83\x02\x50\x02", b"\x62\x07\x83\x02\x50\x02\x80\x01\x01"):
        assert terminal.send(Ins.CREATE_FILE, 0, wrong).sw == StatusWord.INCORRECT_DATA
    room = MAX_FREE_BYTES - 8
    for identifier in FREE_FILES[1:]:
        if room < MAX_FILE_BYTES:
            assert create(terminal, identifier, MAX_FILE_BYTES) == StatusWord.NOT_ENOUGH_MEMORY
            break
        assert create(terminal, identifier, MAX_FILE_BYTES) == StatusWord.OK
        room -= MAX_FILE_BYTES


def test_deleting(terminal: Terminal) -> None:
    def delete(identifier: int) -> int:
        return terminal.send(Ins.DELETE, 0, identifier.to_bytes(2, "big")).sw

    assert delete(FREE_FILES[0]) == StatusWord.FILE_NOT_FOUND
    for identifier in (FileId.MF, FileId.DF_GATEWAY, FileId.EF_SERIAL, FileId.EF_ROOT_CERTIFICATE):
        assert delete(identifier) == StatusWord.CONDITIONS_NOT_SATISFIED
    assert create(terminal, FREE_FILES[0], 4) == StatusWord.OK
    assert terminal.send(Ins.UPDATE_BINARY, 0, b"data").sw == StatusWord.OK
    assert delete(FREE_FILES[0]) == StatusWord.OK
    assert terminal.send(Ins.READ_BINARY, 0).sw == StatusWord.COMMAND_NOT_ALLOWED
    assert create(terminal, FREE_FILES[0], 4) == StatusWord.OK
    assert terminal.done(Ins.READ_BINARY, 0) == bytes(4)


IDENTIFIERS = st.sampled_from([*FREE_FILES[:4], FREE_FILES[-1], FREE_FILES[-1] + 1, 0x4001])


class FileLife(RuleBasedStateMachine):
    """Files made, written, read and deleted, the power cut in between: the module does what a model does."""

    template: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory(prefix="module-")
        self.model: dict[int, bytearray] = {}
        self.selected: int | None = None

    @initialize()
    def insert(self) -> None:
        self.module = opened(copied(self.template, Path(self._folder.name) / "module"))
        self.connect()

    def connect(self) -> None:
        self.terminal = Terminal(self.module)
        self.terminal.establish(SYSTEM_PIN)
        self.selected = None

    @rule(identifier=IDENTIFIERS, size=st.integers(0, 40))
    def create(self, identifier: int, size: int) -> None:
        status = create(self.terminal, identifier, size)
        if identifier not in FREE_FILES or not size:
            assert status == StatusWord.INCORRECT_DATA
        elif identifier in self.model:
            assert status == StatusWord.FILE_EXISTS
        else:
            assert status == StatusWord.OK
            self.model[identifier] = bytearray(size)
            self.selected = identifier

    @rule(identifier=IDENTIFIERS)
    def delete(self, identifier: int) -> None:
        status = self.terminal.send(Ins.DELETE, 0, identifier.to_bytes(2, "big")).sw
        if identifier in self.model:
            assert status == StatusWord.OK
            del self.model[identifier]
            self.selected = None if self.selected == identifier else self.selected
        else:
            assert status in {StatusWord.FILE_NOT_FOUND, StatusWord.CONDITIONS_NOT_SATISFIED}

    @rule(identifier=IDENTIFIERS)
    def select(self, identifier: int) -> None:
        status = select(self.terminal, identifier)
        if identifier in self.model:
            assert status == StatusWord.OK
            self.selected = identifier
        elif identifier == 0x4001:
            assert status == StatusWord.OK
            self.selected = None
            assert select(self.terminal, FileId.MF) == StatusWord.OK
        else:
            assert status == StatusWord.FILE_NOT_FOUND

    @rule(offset=st.integers(0, 45), content=st.binary(max_size=45))
    def update(self, offset: int, content: bytes) -> None:
        status = self.terminal.send(Ins.UPDATE_BINARY, offset, content).sw
        if self.selected is None:
            assert status == StatusWord.CONDITIONS_NOT_SATISFIED
            return
        held = self.model[self.selected]
        if not content:
            assert status == StatusWord.WRONG_LENGTH
        elif offset >= len(held):
            assert status == StatusWord.WRONG_OFFSET
        elif offset + len(content) > len(held):
            assert status == StatusWord.NOT_ENOUGH_MEMORY
        else:
            assert status == StatusWord.OK
            held[offset : offset + len(content)] = content

    @rule(offset=st.integers(0, 45), most=st.integers(1, 60))
    def read(self, offset: int, most: int) -> None:
        response = self.terminal.send(Ins.READ_BINARY, offset, le=most)
        if self.selected is None:
            assert response.sw == StatusWord.COMMAND_NOT_ALLOWED
        elif offset >= len(self.model[self.selected]):
            assert response.sw == StatusWord.WRONG_OFFSET
        else:
            expected = bytes(self.model[self.selected][offset : offset + most])
            whole = len(expected) == most
            assert response.data == expected
            assert response.sw == (StatusWord.OK if whole else StatusWord.END_OF_FILE)

    @rule()
    def cut_the_power(self) -> None:
        self.module.power_off()
        self.module.power_on()
        self.connect()

    @invariant()
    def no_defect(self) -> None:
        if hasattr(self, "module"):
            assert self.module.defects == ()

    def teardown(self) -> None:
        if hasattr(self, "module"):
            self.module.close()
        self._folder.cleanup()


@pytest.mark.campaign
def test_files_as_a_model_has_them(stages: dict[ModuleState, Path], campaign: Campaign) -> None:
    lives = campaign.count(200)
    FileLife.template = stages[ModuleState.READY]
    machine = FileLife.TestCase
    machine.settings = settings(max_examples=lives, stateful_step_count=30)
    machine("runTest").runTest()
    campaign.report("Security module: lives of its file system", lives=lives, commands_each=30)
