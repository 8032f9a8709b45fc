"""SELECT, READ BINARY, UPDATE BINARY, CREATE FILE, DELETE FILE (ISO/IEC 7816-4 and -9)."""

from __future__ import annotations

from securitymodule.apdu import CommandApdu, ResponseApdu, StatusWord
from securitymodule.card.access import Operation
from securitymodule.card.context import Context
from securitymodule.card.errors import Refused
from securitymodule.card.session import Environment
from securitymodule.coding import PLAIN_FILES, FileId

_IDENTIFIER_BYTES = 2


def select(context: Context, command: CommandApdu) -> ResponseApdu:
    """SELECT by identifier. Selecting the MF forgets the security environment."""
    if not command.data:
        identifier = int(FileId.MF)
    elif len(command.data) == _IDENTIFIER_BYTES:
        identifier = int.from_bytes(command.data, "big")
    else:
        raise Refused(StatusWord.WRONG_LENGTH)
    return _selected(context, identifier, [])


def select_by_path(context: Context, command: CommandApdu) -> ResponseApdu:
    """SELECT by path from the MF."""
    if not command.data or len(command.data) % _IDENTIFIER_BYTES:
        raise Refused(StatusWord.WRONG_LENGTH)
    starts = range(0, len(command.data), _IDENTIFIER_BYTES)
    path = [int.from_bytes(command.data[start : start + _IDENTIFIER_BYTES], "big") for start in starts]
    return _selected(context, path[-1], path)


def read(context: Context, command: CommandApdu) -> ResponseApdu:
    """READ BINARY of the selected file."""
    selected = context.session.selected
    context.require(Operation.READ_PLAIN if selected in PLAIN_FILES else Operation.READ)
    _check_offset(command)
    if command.data or command.le is None:
        raise Refused(StatusWord.WRONG_LENGTH)
    content, status = context.files.read(selected, command.parameters, command.le)
    return ResponseApdu(content, status)


def update(context: Context, command: CommandApdu) -> ResponseApdu:
    """UPDATE BINARY of the selected file: all bytes, or none."""
    selected = context.session.selected
    if selected == FileId.EF_RECORD_HEAD:
        operation = Operation.WRITE_HEAD
    elif selected in context.contents.sizes:
        operation = Operation.WRITE_FREE
    else:
        operation = Operation.WRITE_FIXED
    context.require(operation)
    _check_offset(command)
    context.save(context.files.updated(selected, command.parameters, command.data))
    return ResponseApdu()


def create(context: Context, command: CommandApdu) -> ResponseApdu:
    """CREATE FILE; the new file is selected."""
    context.require(Operation.CREATE_FILE)
    contents, identifier = context.files.created(command.data)
    context.save(contents)
    context.session.selected = identifier
    return ResponseApdu()


def delete(context: Context, command: CommandApdu) -> ResponseApdu:
    """DELETE FILE; if it was the selected one, the DF it lay in is selected."""
    context.require(Operation.DELETE_FILE)
    if len(command.data) != _IDENTIFIER_BYTES:
        raise Refused(StatusWord.WRONG_LENGTH)
    identifier = int.from_bytes(command.data, "big")
    context.save(context.files.deleted(identifier))
    if context.session.selected == identifier:
        context.session.selected = FileId.DF_GATEWAY
    return ResponseApdu()


def _selected(context: Context, identifier: int, path: list[int]) -> ResponseApdu:
    """Select a file; where *path* is not empty, it must lie there."""
    context.require(Operation.SELECT_PLAIN if identifier in PLAIN_FILES else Operation.SELECT)
    if not (context.files.at(path) if path else context.files.exists(identifier)):
        raise Refused(StatusWord.FILE_NOT_FOUND)
    context.session.selected = identifier
    if identifier == FileId.MF:
        context.session.environment = Environment()
    return ResponseApdu()


def _check_offset(command: CommandApdu) -> None:
    """P1P2 is an offset; with bit 8 of P1 it would be a short identifier, and files have none."""
    if command.p1 & 0x80:
        raise Refused(StatusWord.INCORRECT_P1_P2)
