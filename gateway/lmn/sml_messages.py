"""SML messages (SML_Message): the sequence that makes a frame's payload, each with its own checksum.

Source: SML 1.04 (BSI TR-03109-1, Anlage IV), chapter on SML_Message. A message is a list of six: transactionId,
groupNo, abortOnError, messageBody, crc16 and the end mark ``00``. The checksum covers the message from its first byte
to the one before crc16's TL field.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Self

from gateway.lmn import crc16
from gateway.lmn.crc16 import CrcKind
from gateway.lmn.sml_bodies import Body, GenericBody, body_from_choice, body_to_choice
from gateway.lmn.sml_elements import (
    Element,
    Number,
    decode_items,
    decode_list_head,
    encode_element,
    encode_list_head,
    octets,
    unsigned,
)
from gateway.lmn.sml_errors import SmlCrcError, SmlStructureError, SmlSyntaxError
from gateway.lmn.sml_fields import octets_of, unsigned_of

_ITEMS: Final = 6
_END_OF_MESSAGE: Final = b"\x00"


@dataclass(frozen=True, slots=True)
class Message:
    """One message. What is sent is ``wire``, the elements as they came or were built; the rest is read from them."""

    transaction_id: bytes
    group: int
    abort_on_error: int
    body: Body
    crc: CrcKind
    wire: tuple[Element, ...] = field(repr=False)
    """transactionId, groupNo, abortOnError, messageBody and crc16, each in its wire form."""
    tl_width: int = field(default=1, repr=False)

    @classmethod
    def build(
        cls,
        body: Body,
        transaction_id: bytes,
        *,
        group: int = 0,
        abort_on_error: int = 0,
        crc: CrcKind = CrcKind.X25,
    ) -> Self:
        """A new message in regular wire form, its checksum computed.

        :param group: 0 to 255; :param abort_on_error: 0 to 255, see the standard.
        :raises SmlEncodeError: if a part does not fit its field.
        """
        before: tuple[Element, ...] = (
            octets(transaction_id),
            unsigned(group, 1),
            unsigned(abort_on_error, 1),
            body_to_choice(body),
        )
        covered = encode_list_head(_ITEMS, 1) + b"".join(map(encode_element, before))
        checksum = unsigned(crc16.as_sent(covered, crc), 2)
        return cls(transaction_id, group, abort_on_error, body, crc, (*before, checksum))

    def encode(self) -> bytes:
        """The message's bytes; of a decoded one the very bytes it came in."""
        head = encode_list_head(_ITEMS, self.tl_width)
        return head + b"".join(map(encode_element, self.wire)) + _END_OF_MESSAGE

    @property
    def name(self) -> str:
        """The message's name in the standard, without its prefix: ``GetList.Res``."""
        return self.body.name if isinstance(self.body, GenericBody) else self.body.NAME


def decode_messages(payload: bytes) -> tuple[Message, ...]:
    """The messages of a frame's payload, all of them sound.

    :raises SmlError: (a subclass naming the message, counted from 1) if any of them is not.
    """
    messages: list[Message] = []
    position = 0
    try:
        while position < len(payload):
            message, position = _decode_message(payload, position)
            messages.append(message)
    except SmlSyntaxError as error:
        raise SmlSyntaxError(f"message {len(messages) + 1}: {error.what}", error.position) from error
    except SmlStructureError as error:
        raise SmlStructureError(f"message {len(messages) + 1}: {error}") from error
    except SmlCrcError as error:
        raise SmlCrcError(f"message CRC wrong in message {len(messages) + 1}: {error}") from error
    return tuple(messages)


def encode_messages(messages: Iterable[Message]) -> bytes:
    """The payload that these messages make."""
    return b"".join([message.encode() for message in messages])


def _decode_message(payload: bytes, start: int) -> tuple[Message, int]:
    count, tl_width, position = decode_list_head(payload, start)
    if count != _ITEMS:
        raise SmlStructureError(f"a list of {count}, not of {_ITEMS}")
    wire, end = decode_items(payload, position, _ITEMS - 1)
    if payload[end : end + 1] != _END_OF_MESSAGE:
        raise SmlSyntaxError("the end of the message is missing", end)
    transaction_id, group, abort_on_error, body, checksum = wire
    # Some meters shorten the checksum to one byte when its high byte is 0: any width will do.
    if not isinstance(checksum, Number) or checksum.signed:
        raise SmlStructureError("crc16 is no unsigned integer")
    covered = payload[start : end - checksum.tl_width - checksum.width]
    crc = crc16.matching(covered, checksum.value)
    if crc is None:
        raise SmlCrcError(f"{checksum.value:04x} instead of {crc16.as_sent(covered, CrcKind.X25):04x}")
    message = Message(
        octets_of(transaction_id, "transactionId"),
        unsigned_of(group, "groupNo"),
        unsigned_of(abort_on_error, "abortOnError"),
        body_from_choice(body),
        crc,
        tuple(wire),
        tl_width,
    )
    return message, end + len(_END_OF_MESSAGE)
