"""The file system (Dateisystem): MF, one DF, transparent EFs; selecting, reading, updating, creating and deleting.

Source: ISO/IEC 7816-4 (structures, SELECT, READ BINARY, UPDATE BINARY), ISO/IEC 7816-9 (CREATE FILE, DELETE FILE).
Identifiers are unique in the whole module, so SELECT finds a file wherever it lies. A file has a fixed size; what was
never written reads as zeros. Who may do what is :mod:`securitymodule.card.access`'s to say, before anything here is
asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from securitymodule import tlv
from securitymodule.apdu import EXTENDED_LE, SHORT_LE, StatusWord
from securitymodule.card.contents import Contents, with_entry, without_entry
from securitymodule.card.errors import Refused
from securitymodule.coding import (
    CERTIFICATE_BYTES,
    CERTIFICATE_FILES,
    FREE_FILES,
    MAX_RESPONSE_DATA,
    RECORD_HEAD_BYTES,
    FileId,
    Tag,
)

FOLDERS: Final = frozenset({FileId.MF, FileId.DF_GATEWAY})
MAX_FILE_BYTES: Final = 32_768
"""Most bytes of a file: an offset has 15 bits."""
MAX_FREE_BYTES: Final = 131_072
"""Most bytes that all files made by CREATE FILE have together. Ours."""
_SEQUENCE_BYTES: Final = RECORD_HEAD_BYTES - hashlib.sha256().digest_size

FIXED_SIZES: Final[dict[int, int]] = {
    **dict.fromkeys(CERTIFICATE_FILES.values(), CERTIFICATE_BYTES),
    FileId.EF_RECORD_HEAD: RECORD_HEAD_BYTES,
}
"""Sizes of the elementary files that every module has and writes, in bytes."""


class FileSystem:
    """What can be done with the files of a module.

    :param constant: files whose content follows from what the module is: EF.ATR, EF.SERIAL, EF.CARD_ACCESS.
    """

    def __init__(self, contents: Contents, constant: dict[int, bytes]) -> None:
        self._contents = contents
        self._constant = constant

    def exists(self, identifier: int) -> bool:
        """Whether there is a file with this identifier, MF and DF counted."""
        return identifier in FOLDERS or self._size(identifier) is not None

    def at(self, path: Sequence[int]) -> bool:
        """Whether there is a file at a path from the MF, which is left out."""
        *folders, identifier = path
        in_mf = identifier in self._constant or identifier == FileId.DF_GATEWAY
        return self.exists(identifier) and identifier != FileId.MF and folders == ([] if in_mf else [FileId.DF_GATEWAY])

    def read(self, identifier: int, offset: int, most: int) -> tuple[bytes, StatusWord]:
        """Bytes of an elementary file, and 9000, or 6282 where it ended before as many were read as asked for.

        :param offset: first byte.
        :param most: Le. 256 and 65,536 ask for what there is and not for that many; beyond what a response takes, the
            rest is for the next command.
        :raises Refused: 6A82, no such file; 6986, no elementary file; 6B00, no byte at that offset.
        """
        size = self._elementary_size(identifier)
        if offset >= size:
            raise Refused(StatusWord.WRONG_OFFSET)
        stored = self._constant.get(identifier, self._contents.files.get(identifier, b""))
        end = min(offset + min(most, MAX_RESPONSE_DATA), size)
        found = stored[offset:end].ljust(end - offset, b"\x00")
        ended = end == size and len(found) < most and most not in {SHORT_LE, EXTENDED_LE}
        return found, StatusWord.END_OF_FILE if ended else StatusWord.OK

    def updated(self, identifier: int, offset: int, content: bytes) -> Contents:
        """The contents with these bytes in an elementary file.

        EF.RECORD_HEAD is written as a whole, and its sequence never falls: a gateway whose record lost its end, or was
        put back, cannot have the module vouch for what is left.

        :raises Refused: 6A82, no such file; 6986, no elementary file; 6B00, offset outside; 6A84, more bytes than fit;
            6700, no bytes; for EF.RECORD_HEAD 6A80, a part; 6985, an earlier head or another one of the same sequence.
        """
        size = self._elementary_size(identifier)
        if not content:
            raise Refused(StatusWord.WRONG_LENGTH)
        if offset >= size:
            raise Refused(StatusWord.WRONG_OFFSET)
        if offset + len(content) > size:
            raise Refused(StatusWord.NOT_ENOUGH_MEMORY)
        stored = self._contents.files.get(identifier, b"")
        if identifier == FileId.EF_RECORD_HEAD:
            _check_head(stored, offset, content)
        whole = bytearray(stored.ljust(offset + len(content), b"\x00"))
        whole[offset : offset + len(content)] = content
        # A head of forty zeros is one; elsewhere zeros at the end are what was never written.
        kept = bytes(whole) if identifier == FileId.EF_RECORD_HEAD else bytes(whole).rstrip(b"\x00")
        return self._contents.with_file(identifier, kept)

    def created(self, template: bytes) -> tuple[Contents, int]:
        """The contents with one more file, and its identifier.

        :param template: file control parameters: 62 {83 identifier, 80 size (2 bytes)}.
        :raises Refused: 6A80, another template, identifier or size; 6A89, it exists; 6A84, too much altogether.
        """
        try:
            parameters = tlv.decode_unique(tlv.decode_one(template, Tag.FILE_CONTROL))
        except tlv.TlvError:
            raise Refused(StatusWord.INCORRECT_DATA) from None
        if parameters.keys() != {Tag.FILE_IDENTIFIER, Tag.FILE_SIZE} or {len(part) for part in parameters.values()} != {
            2
        }:
            raise Refused(StatusWord.INCORRECT_DATA)
        identifier = int.from_bytes(parameters[Tag.FILE_IDENTIFIER], "big")
        size = int.from_bytes(parameters[Tag.FILE_SIZE], "big")
        if identifier not in FREE_FILES or not 0 < size <= MAX_FILE_BYTES:
            raise Refused(StatusWord.INCORRECT_DATA)
        sizes = self._contents.sizes
        if identifier in sizes:
            raise Refused(StatusWord.FILE_EXISTS)
        if sum(sizes.values()) + size > MAX_FREE_BYTES:
            raise Refused(StatusWord.NOT_ENOUGH_MEMORY)
        return replace(self._contents, sizes=with_entry(sizes, identifier, size)), identifier

    def deleted(self, identifier: int) -> Contents:
        """The contents without a file that CREATE FILE made.

        :raises Refused: 6A82, there is none of this identifier; 6985, it is one that every module has.
        """
        if identifier not in self._contents.sizes:
            raise Refused(StatusWord.CONDITIONS_NOT_SATISFIED if self.exists(identifier) else StatusWord.FILE_NOT_FOUND)
        emptied = self._contents.with_file(identifier, b"")
        return replace(emptied, sizes=without_entry(emptied.sizes, identifier))

    def _size(self, identifier: int) -> int | None:
        if identifier in self._constant:
            return len(self._constant[identifier])
        return FIXED_SIZES.get(identifier, self._contents.sizes.get(identifier))

    def _elementary_size(self, identifier: int) -> int:
        size = self._size(identifier)
        if size is None:
            raise Refused(StatusWord.COMMAND_NOT_ALLOWED if identifier in FOLDERS else StatusWord.FILE_NOT_FOUND)
        return size


def _check_head(stored: bytes, offset: int, head: bytes) -> None:
    if offset or len(head) != RECORD_HEAD_BYTES:
        raise Refused(StatusWord.INCORRECT_DATA)
    before, after = stored[:_SEQUENCE_BYTES], head[:_SEQUENCE_BYTES]
    if after < before or (after == before and head != stored):
        raise Refused(StatusWord.CONDITIONS_NOT_SATISFIED)
