"""What every command works with: the contents, the session, the time, randomness, and the question whether it may."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from securitymodule import tlv
from securitymodule.apdu import CommandApdu, StatusWord
from securitymodule.card.access import Access, Operation, access_to
from securitymodule.card.certificates import Certificate, certificate_of
from securitymodule.card.contents import Contents
from securitymodule.card.errors import Refused
from securitymodule.card.files import FileSystem
from securitymodule.card.lifecycle import has_administrator
from securitymodule.card.pins import PinGuard, RandomBytes
from securitymodule.card.session import Session
from securitymodule.card.store import Store
from securitymodule.card.vault import Vault
from securitymodule.coding import (
    CAPABILITIES,
    MAX_COMMAND_DATA,
    MAX_PROTECTED_DATA,
    MAX_RESPONSE_DATA,
    FileId,
    KeyRef,
    Tag,
)
from securitymodule.pace import encode_card_access

Clock = Callable[[], datetime]
"""Tells the time, with zone. The host's: the module has none, and believes no time before what it knows is past."""

_CAPABILITIES: Final = tlv.encode(0x43, CAPABILITIES)
_BUFFER_SIZES: Final = tlv.encode(
    0x7F66,
    b"".join(tlv.encode(0x02, size.to_bytes(2, "big")) for size in (MAX_PROTECTED_DATA + 9, MAX_RESPONSE_DATA + 64)),
)
EF_ATR_CONTENT: Final = _CAPABILITIES + _BUFFER_SIZES
"""Card capabilities and most bytes of a command and a response (ISO/IEC 7816-4)."""

EF_CARD_ACCESS_CONTENT: Final = encode_card_access()
"""Which PACE the module speaks."""


class Context:
    """One module at work.

    :ivar session: what lasts until the next reset.
    :ivar pins: checks PINs.
    :ivar random: source of challenges, salts and nonces.
    """

    def __init__(self, store: Store, clock: Clock, random: RandomBytes) -> None:
        self._store = store
        self._clock = clock
        self.random = random
        self.session = Session()
        self.pins = PinGuard(store, store.seal.vault, random)

    @property
    def contents(self) -> Contents:
        """As they are on the disk."""
        return self._store.contents

    @property
    def vault(self) -> Vault:
        """Where secrets are wrapped that do not outlive the module's termination."""
        return self._store.seal.vault

    @property
    def identity(self) -> Vault:
        """Where the attestation key is wrapped."""
        return self._store.seal.identity

    @property
    def count(self) -> int:
        """How often the state was written."""
        return self._store.seal.count

    @property
    def files(self) -> FileSystem:
        """The files as they are now."""
        constant = {
            int(FileId.EF_ATR): EF_ATR_CONTENT,
            int(FileId.EF_SERIAL): tlv.encode(Tag.SERIAL_NUMBER, self.contents.serial.encode("ascii")),
            int(FileId.EF_CARD_ACCESS): EF_CARD_ACCESS_CONTENT,
        }
        return FileSystem(self.contents, constant)

    def save(self, contents: Contents) -> None:
        """Make new contents durable; nothing is written where nothing has changed.

        :raises StateNotWritten: if that failed.
        """
        if contents != self.contents:
            self._store.save(contents)

    def count_up(self) -> None:
        """Write the state anew for the sake of its counter.

        :raises StateNotWritten: if that failed.
        """
        self._store.save(self.contents)

    def terminate(self, contents: Contents) -> None:
        """Make the last contents durable and destroy the vault.

        :raises StateNotWritten: if that failed.
        """
        self._store.terminate(contents)

    def now(self) -> float:
        """The time that validity is judged at, seconds since 1970: the host's, or a later one that is surely past."""
        return max(self._clock().timestamp(), self.contents.known_time)

    def knowing(self, contents: Contents, certificate: Certificate) -> Contents:
        """The contents with a time no earlier than a believed certificate's beginning."""
        begins = int(certificate.not_before.timestamp())
        return replace(contents, known_time=max(contents.known_time, begins))

    def require(self, operation: Operation) -> Access:
        """Whether the session may do this now; what it took.

        :raises Refused: 6985, never in this state; 6982, an authentication is missing.
        """
        needed = access_to(operation, self.contents.state, handed_over=has_administrator(self.contents))
        if needed is Access.NEVER:
            raise Refused(StatusWord.CONDITIONS_NOT_SATISFIED)
        session = self.session
        held = {
            Access.ALWAYS: True,
            Access.CHANNEL: session.channel is not None,
            Access.INTEGRATOR: session.channel is not None and session.integrator,
            Access.ADMINISTRATOR: session.channel is not None and session.administrator,
        }
        if not held[needed]:
            raise Refused(StatusWord.SECURITY_STATUS_NOT_SATISFIED)
        return needed

    def public_certificate(self, key: KeyRef) -> Certificate:
        """The certificate behind a public key of somebody else's.

        :raises Refused: 6A88, there is none; a Sub-CA's counts only in the session that imported it.
        """
        der = self.session.sub_ca if key is KeyRef.SUB_CA else self.contents.certificate(key)
        if not der:
            raise Refused(StatusWord.REFERENCE_NOT_FOUND)
        return certificate_of(der)


def check_size(command: CommandApdu) -> None:
    """Whether a command's data are within the limit, once they are together and in the clear.

    :raises Refused: 6700, if not.
    """
    if len(command.data) > MAX_COMMAND_DATA:
        raise Refused(StatusWord.WRONG_LENGTH)


def key_reference(value: int) -> KeyRef:
    """A key object by its byte.

    :raises Refused: 6A88, there is no such object.
    """
    try:
        return KeyRef(value)
    except ValueError:
        raise Refused(StatusWord.REFERENCE_NOT_FOUND) from None


def data_objects(data: bytes, needed: frozenset[int], optional: frozenset[int] = frozenset()) -> dict[int, bytes]:
    """The data objects of a command.

    :raises Refused: 6A80, others than these are there, or one of those needed is not.
    """
    try:
        objects = tlv.decode_unique(data)
    except tlv.TlvError:
        raise Refused(StatusWord.INCORRECT_DATA) from None
    if objects.keys() - optional != needed:
        raise Refused(StatusWord.INCORRECT_DATA)
    return objects


def one_byte(value: bytes) -> int:
    """The value of a data object of one byte.

    :raises Refused: 6A80, it has another length.
    """
    if len(value) != 1:
        raise Refused(StatusWord.INCORRECT_DATA)
    return value[0]
