"""Opening a module, and what of it is not done with keys: what it says of itself, its files, its PINs.

The half of :class:`securitymodule.client.SecurityModule` that needs no cryptography of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Final, Self, TypeVar

from securitymodule import tlv
from securitymodule.apdu import SHORT_LE, StatusWord, tries_left
from securitymodule.coding import MAX_COMMAND_DATA, FileId, Ins, Parameters, Pin, Tag
from securitymodule.errors import PinBlocked, ProtocolError
from securitymodule.pace import PaceInfo, decode_card_access
from securitymodule.reader import connect
from securitymodule.session import Session, SessionPolicy, SystemPin, refusal
from securitymodule.statements import ModuleInformation, SignedAttestation, StatementError, check_pin
from securitymodule.wiping import wipe

READ_CHUNK: Final = 4_096
"""Bytes asked for at once when a file is read."""
LONG_ANSWER: Final = 4_096
"""Le where the answer is a signature, a key or a statement."""


_Statement = TypeVar("_Statement")


class ModuleAccess:
    """A module in use. Close it, or use it as a context manager.

    Threads may share it: a call that takes several commands keeps others out until it is through.
    """

    def __init__(self, session: Session) -> None:
        """:param session: with or without a secure channel; closed with the module."""
        self._session = session

    @classmethod
    def open(cls, url: str, system_pin: SystemPin | None = None, policy: SessionPolicy | None = None) -> Self:
        """The module at *url*, its secure channel open where *system_pin* is given.

        :param url: ``module:DIR`` or ``pcsc:READER NAME``.
        :param system_pin: gives the GW-System-PIN when it is needed: now, and when the channel is made anew.
        :raises ReaderUnavailable: if there is no such way.
        :raises NoModule: if there is no module at its end.
        :raises ModuleBusy: if somebody else has it.
        :raises WrongPin, PinBlocked, PaceError: as :meth:`authenticate`.
        """
        module = cls(Session(connect(url), policy))
        try:
            if system_pin is not None:
                module.authenticate(system_pin)
        except BaseException:
            module.close()
            raise
        return module

    @property
    def url(self) -> str:
        """Where it is."""
        return self._session.url

    @property
    def atr(self) -> bytes:
        """Its answer to reset."""
        return self._session.atr

    @property
    def is_secure(self) -> bool:
        """Whether its secure channel is open."""
        return self._session.is_secure

    def authenticate(self, system_pin: SystemPin) -> None:
        """Open the secure channel by PACE. What a PIN or a signature had opened before is shut again.

        :raises WrongPin: if the PIN is wrong; the module took a try.
        :raises PinBlocked: if it has no tries left.
        :raises PaceError: if what is there does not know the PIN itself.
        """
        self._session.authenticate(system_pin)

    def close(self) -> None:
        """Let it go."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.close()

    # What it says of itself

    def information(self) -> ModuleInformation:
        """Serial number, state, counter, tries left. Needs no secure channel; is nobody's word."""
        what = "asking for information"
        response = self._session.command(what, Ins.GET_DATA, Parameters.INFORMATION, le=SHORT_LE)
        return _stated(what, ModuleInformation.decode, response.data)

    def attest(self, nonce: bytes, bound: bytes = b"") -> SignedAttestation:
        """What is in it, signed by its attestation key. Needs no secure channel.

        :param nonce: 8 to 64 fresh bytes.
        :param bound: at most 256 bytes that the signature is to cover too.
        """
        what = "asking for an attestation"
        data = tlv.encode_all({0x84: nonce, 0x85: bound})
        response = self._session.command(what, Ins.INTERNAL_AUTHENTICATE, Parameters.NONE, data, LONG_ANSWER)
        return _stated(what, SignedAttestation.decode, response.data)

    def pace_infos(self) -> tuple[PaceInfo, ...]:
        """Which PACE it announces in EF.CardAccess, as far as this package knows it. Needs no secure channel."""
        try:
            return decode_card_access(self.read_file(FileId.EF_CARD_ACCESS))
        except tlv.TlvError as error:
            raise ProtocolError(f"EF.CardAccess holds no SecurityInfos: {error}") from None

    # Files

    def read_file(self, file: FileId | int) -> bytes:
        """The whole content of a file."""
        what = f"reading file {file:04X}"
        content = bytearray()
        accept = frozenset({StatusWord.END_OF_FILE, StatusWord.WRONG_OFFSET})
        with self._session.lock:
            self._select(what, file)
            while True:
                response = self._session.command(what, Ins.READ_BINARY, len(content), le=READ_CHUNK, accept=accept)
                if response.sw == StatusWord.WRONG_OFFSET and not content:
                    raise refusal(what, response.sw)
                content += response.data
                if response.sw != StatusWord.OK or len(response.data) < READ_CHUNK:
                    return bytes(content)

    def write_file(self, file: FileId | int, content: bytes, offset: int = 0) -> None:
        """Write bytes into a file. Up to 16,384 of them are written together or not at all."""
        what = f"writing file {file:04X}"
        with self._session.lock:
            self._select(what, file)
            for at in range(0, len(content), MAX_COMMAND_DATA):
                self._session.command(what, Ins.UPDATE_BINARY, offset + at, content[at : at + MAX_COMMAND_DATA])

    def create_file(self, file: int, size: int) -> None:
        """Make a file of *size* bytes, all zero, with one of the identifiers of :data:`coding.FREE_FILES`."""
        control = tlv.encode_all({Tag.FILE_SIZE: size.to_bytes(2, "big"), Tag.FILE_IDENTIFIER: file.to_bytes(2, "big")})
        data = tlv.encode(Tag.FILE_CONTROL, control)
        self._session.command(f"creating file {file:04X}", Ins.CREATE_FILE, Parameters.NONE, data)

    def delete_file(self, file: int) -> None:
        """Delete such a file."""
        self._session.command(f"deleting file {file:04X}", Ins.DELETE, Parameters.NONE, file.to_bytes(2, "big"))

    def _select(self, what: str, file: int) -> None:
        self._session.command(what, Ins.SELECT, Parameters.SELECT_BY_IDENTIFIER, file.to_bytes(2, "big"))

    # PINs

    def verify_pin(self, pin: str, which: Pin = Pin.INTEGRATOR) -> None:
        """Present a PIN.

        :raises WrongPin: if it is wrong, with the tries left.
        :raises PinBlocked: if it has none.
        """
        self._session.command("presenting the PIN", Ins.VERIFY, which, check_pin(pin).encode("ascii"), secret=True)

    def pin_tries(self, which: Pin = Pin.INTEGRATOR) -> int | None:
        """How many tries a PIN has left; ``None`` if it has been presented rightly in this session."""
        accept = frozenset(range(StatusWord.TRIES_LEFT, StatusWord.TRIES_LEFT + 16))
        try:
            response = self._session.command("asking for tries", Ins.VERIFY, which, accept=accept)
        except PinBlocked:
            return 0
        return tries_left(response.sw)

    def change_pin(self, old: str, new: str, which: Pin = Pin.INTEGRATOR) -> None:
        """Change a PIN.

        :raises WrongPin: if *old* is wrong, with the tries left.
        :raises PinBlocked: if it has none.
        """
        pins = {Tag.OLD_REFERENCE_DATA: check_pin(old), Tag.NEW_REFERENCE_DATA: check_pin(new)}
        encoded = {tag: pin.encode("ascii") for tag, pin in pins.items()}
        data = tlv.encode_all(encoded)
        for digits in encoded.values():
            wipe(digits)
        self._session.command("changing the PIN", Ins.CHANGE_REFERENCE_DATA, which, data, secret=True)

    def change_system_pin(self, old: str, new: str) -> None:
        """Change the GW-System-PIN; the secure channel stays."""
        self.change_pin(old, new, Pin.SYSTEM)


def _stated(what: str, decode: Callable[[bytes], _Statement], data: bytes) -> _Statement:
    """A statement out of response data.

    :raises ProtocolError: if it is none.
    """
    try:
        return decode(data)
    except StatementError as error:
        raise ProtocolError(f"{what}: {error}") from None
