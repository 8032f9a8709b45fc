"""Command and response APDUs: short and extended, whole and in chains, and what the status words mean.

Source: ISO/IEC 7816-3, 12.1 (the four cases, short and extended) and ISO/IEC 7816-4, chapter 5. Every codec is total:
any bytes either decode or raise :class:`ApduError`, and what decodes encodes to the same bytes again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, unique
from typing import Final

SHORT_DATA: Final = 255
"""Most command data in a short APDU, in bytes."""
SHORT_LE: Final = 256
"""Most response data that a short APDU can ask for; coded as 00."""
EXTENDED_DATA: Final = 65_535
EXTENDED_LE: Final = 65_536
"""Coded as 00 00."""
CHAINING: Final = 0x10
"""Bit 5 of an interindustry CLA: more commands of this chain follow."""


@unique
class StatusWord(IntEnum):
    """SW1 SW2 (Statusbytes, ISO/IEC 7816-4, 5.6) as far as the module uses them."""

    OK = 0x9000
    END_OF_FILE = 0x6282
    DEACTIVATED = 0x6283
    AUTHENTICATION_FAILED = 0x6300
    TRIES_LEFT = 0x63C0
    MEMORY_FAILURE = 0x6581
    WRONG_LENGTH = 0x6700
    SECURE_MESSAGING_NOT_SUPPORTED = 0x6882
    LAST_COMMAND_EXPECTED = 0x6883
    CHAINING_NOT_SUPPORTED = 0x6884
    SECURITY_STATUS_NOT_SATISFIED = 0x6982
    AUTHENTICATION_BLOCKED = 0x6983
    REFERENCE_DATA_NOT_USABLE = 0x6984
    CONDITIONS_NOT_SATISFIED = 0x6985
    COMMAND_NOT_ALLOWED = 0x6986
    SECURE_MESSAGING_OBJECTS_MISSING = 0x6987
    SECURE_MESSAGING_OBJECTS_INCORRECT = 0x6988
    INCORRECT_DATA = 0x6A80
    FILE_NOT_FOUND = 0x6A82
    NOT_ENOUGH_MEMORY = 0x6A84
    INCORRECT_P1_P2 = 0x6A86
    REFERENCE_NOT_FOUND = 0x6A88
    FILE_EXISTS = 0x6A89
    WRONG_OFFSET = 0x6B00
    INSTRUCTION_NOT_SUPPORTED = 0x6D00
    CLASS_NOT_SUPPORTED = 0x6E00
    UNSPECIFIED = 0x6F00


MEANINGS: Final[dict[StatusWord, str]] = {
    StatusWord.OK: "done",
    StatusWord.END_OF_FILE: "the file ended before as many bytes were read as asked for",
    StatusWord.DEACTIVATED: "what was selected is deactivated",
    StatusWord.AUTHENTICATION_FAILED: "authentication failed",
    StatusWord.TRIES_LEFT: "blocked: no tries left",
    StatusWord.MEMORY_FAILURE: "memory failure: nothing was written",
    StatusWord.WRONG_LENGTH: "wrong length",
    StatusWord.SECURE_MESSAGING_NOT_SUPPORTED: "no secure messaging here",
    StatusWord.LAST_COMMAND_EXPECTED: "the last command of the chain was expected",
    StatusWord.CHAINING_NOT_SUPPORTED: "this command cannot be chained",
    StatusWord.SECURITY_STATUS_NOT_SATISFIED: "security status not satisfied",
    StatusWord.AUTHENTICATION_BLOCKED: "authentication method blocked",
    StatusWord.REFERENCE_DATA_NOT_USABLE: "reference data not usable",
    StatusWord.CONDITIONS_NOT_SATISFIED: "conditions of use not satisfied",
    StatusWord.COMMAND_NOT_ALLOWED: "command not allowed, no file is selected",
    StatusWord.SECURE_MESSAGING_OBJECTS_MISSING: "secure messaging data objects are missing",
    StatusWord.SECURE_MESSAGING_OBJECTS_INCORRECT: "secure messaging data objects are incorrect",
    StatusWord.INCORRECT_DATA: "incorrect parameters in the command data",
    StatusWord.FILE_NOT_FOUND: "no such file",
    StatusWord.NOT_ENOUGH_MEMORY: "not enough memory in the file",
    StatusWord.INCORRECT_P1_P2: "incorrect parameters P1 P2",
    StatusWord.REFERENCE_NOT_FOUND: "the key, PIN or data referred to is not there",
    StatusWord.FILE_EXISTS: "the file exists already",
    StatusWord.WRONG_OFFSET: "the offset is outside the file",
    StatusWord.INSTRUCTION_NOT_SUPPORTED: "instruction not supported",
    StatusWord.CLASS_NOT_SUPPORTED: "class not supported",
    StatusWord.UNSPECIFIED: "failed without a precise diagnosis",
}


def tries_word(left: int) -> int:
    """63Cx: the status word that says how many tries are left, 15 standing for more."""
    return StatusWord.TRIES_LEFT | min(max(left, 0), 15)


def tries_left(sw: int) -> int | None:
    """How many tries a 63Cx says are left; ``None`` for any other status word."""
    return sw & 0x0F if sw & 0xFFF0 == StatusWord.TRIES_LEFT else None


def meaning(sw: int) -> str:
    """A status word in words, for a message to a person."""
    left = tries_left(sw)
    if left:
        return f"wrong, {left} {'try' if left == 1 else 'tries'} left"
    try:
        return MEANINGS[StatusWord(sw)]
    except ValueError:
        return "a status word that is not among those of the module"


class ApduError(ValueError):
    """The bytes are no APDU, or the parts of one do not fit together."""


class ChainError(ApduError):
    """A chain of commands that is none.

    :ivar status: what the card answers to it.
    """

    def __init__(self, what: str, status: StatusWord) -> None:
        super().__init__(what)
        self.status = status


def _check_byte(name: str, value: int) -> None:
    if not 0 <= value <= 0xFF:
        raise ApduError(f"{name} is {value}, not a byte")


@dataclass(frozen=True, slots=True)
class CommandApdu:
    """A command APDU (Kommando-APDU).

    :ivar cla: class byte.
    :ivar ins: instruction byte.
    :ivar p1: first parameter byte.
    :ivar p2: second parameter byte.
    :ivar data: command data, at most 65,535 bytes. Not in the repr: it may hold a PIN.
    :ivar le: most response bytes asked for, 1 to 65,536; ``None`` for none.
    :ivar extended: coded with extended lengths though short ones would do. Means nothing, so it is not compared;
        it is kept so that bytes survive a round trip.
    :raises ApduError: if a part is out of its range.
    """

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = field(default=b"", repr=False)
    le: int | None = None
    extended: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("cla", "ins", "p1", "p2"):
            _check_byte(name.upper(), getattr(self, name))
        if len(self.data) > EXTENDED_DATA:
            raise ApduError(f"{len(self.data)} bytes of data; a command takes at most {EXTENDED_DATA}")
        if self.le is not None and not 1 <= self.le <= EXTENDED_LE:
            raise ApduError(f"Le is {self.le}, not 1 to {EXTENDED_LE}")
        needed = len(self.data) > SHORT_DATA or (self.le or 0) > SHORT_LE
        if not self.data and self.le is None:
            object.__setattr__(self, "extended", False)
        elif needed:
            object.__setattr__(self, "extended", True)

    @property
    def header(self) -> bytes:
        """CLA INS P1 P2."""
        return bytes((self.cla, self.ins, self.p1, self.p2))

    @property
    def parameters(self) -> int:
        """P1 and P2 as one number."""
        return self.p1 << 8 | self.p2

    @property
    def chained(self) -> bool:
        """Whether more commands of its chain follow. Proprietary classes (bit 8 set) have no such bit."""
        return self.cla & (0x80 | CHAINING) == CHAINING

    def encode(self) -> bytes:
        """The bytes on the wire."""
        parts = [self.header]
        if self.data:
            parts.append(b"\x00" + len(self.data).to_bytes(2, "big") if self.extended else bytes((len(self.data),)))
            parts.append(self.data)
        if self.le is not None:
            if not self.extended:
                parts.append(bytes((self.le % SHORT_LE,)))
            else:
                parts.append((b"" if self.data else b"\x00") + (self.le % EXTENDED_LE).to_bytes(2, "big"))
        return b"".join(parts)

    @classmethod
    def decode(cls, encoded: bytes) -> CommandApdu:
        """The command that these bytes are.

        :raises ApduError: if they are none; a card answers that with 6700.
        """
        if len(encoded) < 4:
            raise ApduError(f"{len(encoded)} bytes are no command: its header alone has four")
        header, body = encoded[:4], encoded[4:]
        if not body:
            return cls._of(header)
        first = body[0]
        if len(body) == 1:
            return cls._of(header, le=first or SHORT_LE)
        if first:
            return cls._with_data(header, body[1:], first, 1)
        if len(body) < 3:
            raise ApduError("the bytes end within the length")
        length = int.from_bytes(body[1:3], "big")
        if len(body) == 3:
            return cls._of(header, le=length or EXTENDED_LE, extended=True)
        if not length:
            raise ApduError("an extended Lc of zero with bytes behind it")
        return cls._with_data(header, body[3:], length, 2)

    @classmethod
    def _with_data(cls, header: bytes, rest: bytes, length: int, octets: int) -> CommandApdu:
        """The command with *length* bytes of data at the start of *rest*, and perhaps an Le of *octets* behind them."""
        data, tail = rest[:length], rest[length:]
        if len(data) < length:
            raise ApduError(f"Lc says {length} bytes of data, {len(data)} are there")
        if len(tail) not in {0, octets}:
            raise ApduError(f"{len(tail)} bytes behind the data, where Le takes {octets}")
        le = (int.from_bytes(tail, "big") or 256**octets) if tail else None
        return cls._of(header, data, le, extended=octets == 2)

    @classmethod
    def _of(cls, header: bytes, data: bytes = b"", le: int | None = None, *, extended: bool = False) -> CommandApdu:
        cla, ins, p1, p2 = header
        return cls(cla, ins, p1, p2, data, le, extended)

    def replaced(self, *, cla: int, data: bytes, le: int | None) -> CommandApdu:
        """The same command with another class, data and Le, in the shortest coding that holds them."""
        return CommandApdu(cla, self.ins, self.p1, self.p2, data, le)


@dataclass(frozen=True, slots=True)
class ResponseApdu:
    """A response APDU (Antwort-APDU).

    :ivar data: response data, at most 65,536 bytes. Not in the repr: it may hold a secret.
    :ivar sw: SW1 SW2 as one number, 0x9000 for example.
    :raises ApduError: if a part is out of its range.
    """

    data: bytes = field(default=b"", repr=False)
    sw: int = StatusWord.OK

    def __post_init__(self) -> None:
        if len(self.data) > EXTENDED_LE:
            raise ApduError(f"{len(self.data)} bytes of data; a response takes at most {EXTENDED_LE}")
        if not 0 <= self.sw <= 0xFFFF:
            raise ApduError(f"{self.sw} is no status word of two bytes")

    def encode(self) -> bytes:
        """The bytes on the wire: the data, then SW1 SW2."""
        return self.data + self.sw.to_bytes(2, "big")

    @classmethod
    def decode(cls, encoded: bytes) -> ResponseApdu:
        """The response that these bytes are.

        :raises ApduError: if they are none.
        """
        if len(encoded) < 2:
            raise ApduError(f"{len(encoded)} bytes are no response: its status word alone has two")
        return cls(encoded[:-2], int.from_bytes(encoded[-2:], "big"))


def split(command: CommandApdu, limit: int = SHORT_DATA) -> list[CommandApdu]:
    """The chain (Command Chaining) that carries *command* with at most *limit* bytes of data each.

    Le stands in the last one only.

    :raises ApduError: if *limit* is not 1 to 65,535, or *command* is itself part of a chain.
    """
    if not 1 <= limit <= EXTENDED_DATA:
        raise ApduError(f"pieces of {limit} bytes")
    if command.chained:
        raise ApduError("the command is itself part of a chain")
    pieces = [command.data[at : at + limit] for at in range(0, len(command.data), limit)] or [b""]
    chain = [command.replaced(cla=command.cla | CHAINING, data=piece, le=None) for piece in pieces[:-1]]
    return [*chain, command.replaced(cla=command.cla, data=pieces[-1], le=command.le)]


class ChainAssembler:
    """Puts chains of commands together on the card's side.

    Only for chains that cut one command's data into pieces. The steps of PACE carry the same bit in CLA, but each is a
    command of its own with a response of its own (TR-03110-3, B.1): the card must not feed them here.
    """

    def __init__(self, limit: int) -> None:
        """:param limit: most bytes of data that an assembled command may have."""
        self._limit = limit
        self._header: bytes | None = None
        self._data = bytearray()

    @property
    def pending(self) -> bool:
        """Whether a chain has begun and not ended."""
        return self._header is not None

    def forget(self) -> None:
        """Drop what there is of a chain, its bytes overwritten: they may hold a PIN."""
        self._header = None
        self._data[:] = bytes(len(self._data))
        self._data.clear()

    def feed(self, command: CommandApdu) -> CommandApdu | None:
        """The whole command where *command* ends a chain or is none, ``None`` where more must follow.

        :raises ChainError: if *command* does not continue the chain, or the data grow beyond the limit. The chain is
            forgotten then.
        """
        header = bytes((command.cla & ~CHAINING if command.chained else command.cla, *command.header[1:]))
        if self._header is not None and header != self._header:
            self.forget()
            raise ChainError("another command within a chain", StatusWord.LAST_COMMAND_EXPECTED)
        if len(self._data) + len(command.data) > self._limit:
            self.forget()
            raise ChainError(f"more than {self._limit} bytes of data", StatusWord.WRONG_LENGTH)
        if command.chained:
            self._header = header
            self._data += command.data
            return None
        if self._header is None:
            return command
        whole = command.replaced(cla=command.cla, data=bytes(self._data) + command.data, le=command.le)
        self.forget()
        return whole
