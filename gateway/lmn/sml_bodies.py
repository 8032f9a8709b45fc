"""The bodies of SML messages (SML_MessageBody): typed where the gateway needs their content, generic otherwise.

Source: SML 1.04 (BSI TR-03109-1, Anlage IV), chapter on the messages. Field names follow the standard in snake case.
``from_element`` reads a body and raises :class:`SmlStructureError`; ``to_element`` gives its regular wire form and
raises :class:`SmlEncodeError`. How a *received* body was encoded is kept by :class:`gateway.lmn.sml_messages.Message`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final, Self

from gateway.lmn.sml_elements import Boolean, Element, Number, Octets, SmlList, integer, octets, sml_list, unsigned
from gateway.lmn.sml_errors import SmlEncodeError, SmlStructureError
from gateway.lmn.sml_fields import (
    SmlTime,
    items_of,
    octets_of,
    optional_byte,
    optional_byte_of,
    optional_octets,
    optional_octets_of,
    optional_time,
    unsigned_of,
)

OBIS_LENGTH: Final = 6

MAX_SERVER_ID: Final = 32
"""Bytes of a server id (Server-ID) that make sense: 10 by DIN 43863-5, some more in free text. It is a key in logs and
databases, so a meter may not make it as long as a frame."""

_STATUS_WIDTHS: Final = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class PublicOpenRequest:
    """SML_PublicOpen.Req: opens a file of requests."""

    TAG: ClassVar[int] = 0x0100
    NAME: ClassVar[str] = "PublicOpen.Req"
    codepage: bytes | None
    client_id: bytes | None
    req_file_id: bytes
    server_id: bytes | None
    username: bytes | None = field(default=None, repr=False)
    password: bytes | None = field(default=None, repr=False)
    sml_version: int | None = None

    @classmethod
    def from_element(cls, element: Element) -> Self:
        """Read the body."""
        codepage, client, file, server, username, password, version = items_of(element, 7, cls.NAME)
        return cls(
            optional_octets_of(codepage, "codepage"),
            optional_octets_of(client, "clientId"),
            octets_of(file, "reqFileId"),
            optional_octets_of(server, "serverId"),
            optional_octets_of(username, "username"),
            optional_octets_of(password, "password"),
            optional_byte_of(version, "smlVersion"),
        )

    def to_element(self) -> Element:
        """The regular wire form."""
        texts = (self.codepage, self.client_id, self.req_file_id, self.server_id, self.username, self.password)
        return sml_list([*map(optional_octets, texts), optional_byte(self.sml_version)])


@dataclass(frozen=True, slots=True)
class PublicOpenResponse:
    """SML_PublicOpen.Res: opens a file of answers, or of what a meter pushes by itself."""

    TAG: ClassVar[int] = 0x0101
    NAME: ClassVar[str] = "PublicOpen.Res"
    codepage: bytes | None
    client_id: bytes | None
    req_file_id: bytes
    server_id: bytes
    ref_time: SmlTime | None = None
    sml_version: int | None = None

    @classmethod
    def from_element(cls, element: Element) -> Self:
        """Read the body."""
        codepage, client, file, server, time, version = items_of(element, 6, cls.NAME)
        return cls(
            optional_octets_of(codepage, "codepage"),
            optional_octets_of(client, "clientId"),
            octets_of(file, "reqFileId"),
            octets_of(server, "serverId"),
            SmlTime.from_element(time),
            optional_byte_of(version, "smlVersion"),
        )

    def to_element(self) -> Element:
        """The regular wire form."""
        texts = (self.codepage, self.client_id, self.req_file_id, self.server_id)
        return sml_list([*map(optional_octets, texts), optional_time(self.ref_time), optional_byte(self.sml_version)])


@dataclass(frozen=True, slots=True)
class PublicCloseRequest:
    """SML_PublicClose.Req: ends a file of requests."""

    TAG: ClassVar[int] = 0x0200
    NAME: ClassVar[str] = "PublicClose.Req"
    global_signature: bytes | None = None

    @classmethod
    def from_element(cls, element: Element) -> Self:
        """Read the body."""
        (signature,) = items_of(element, 1, cls.NAME)
        return cls(optional_octets_of(signature, "globalSignature"))

    def to_element(self) -> Element:
        """The regular wire form."""
        return sml_list([optional_octets(self.global_signature)])


@dataclass(frozen=True, slots=True)
class PublicCloseResponse(PublicCloseRequest):
    """SML_PublicClose.Res: ends a file of answers."""

    TAG: ClassVar[int] = 0x0201
    NAME: ClassVar[str] = "PublicClose.Res"


@dataclass(frozen=True, slots=True)
class GetListRequest:
    """SML_GetList.Req: asks a meter for a list of values."""

    TAG: ClassVar[int] = 0x0700
    NAME: ClassVar[str] = "GetList.Req"
    client_id: bytes
    server_id: bytes | None = None
    username: bytes | None = field(default=None, repr=False)
    password: bytes | None = field(default=None, repr=False)
    list_name: bytes | None = None

    @classmethod
    def from_element(cls, element: Element) -> Self:
        """Read the body."""
        client, server, username, password, name = items_of(element, 5, cls.NAME)
        return cls(
            octets_of(client, "clientId"),
            optional_octets_of(server, "serverId"),
            optional_octets_of(username, "username"),
            optional_octets_of(password, "password"),
            optional_octets_of(name, "listName"),
        )

    def to_element(self) -> Element:
        """The regular wire form."""
        texts = (self.client_id, self.server_id, self.username, self.password, self.list_name)
        return sml_list(map(optional_octets, texts))


@dataclass(frozen=True, slots=True)
class ListEntry:
    """SML_ListEntry: one value (Messwert) under its OBIS code.

    ``value`` keeps its wire element: whether it was sent signed, and how wide, belongs to what the meter said.
    ``scaler`` is the power of ten (-128 to 127) to multiply by, ``unit`` the DLMS unit number.
    """

    obis: bytes
    value: Octets | Number | Boolean | SmlList
    unit: int | None = None
    scaler: int | None = None
    status: Number | None = None
    time: SmlTime | None = None
    signature: bytes | None = field(default=None, repr=False)

    @classmethod
    def from_element(cls, element: Element) -> Self:
        """Read the entry."""
        name, status, time, unit, scaler, value, signature = items_of(element, 7, "a list entry")
        obis = octets_of(name, "the name of a list entry")
        if len(obis) != OBIS_LENGTH:
            raise SmlStructureError(f"the name of a list entry has {len(obis)} bytes, an OBIS code has {OBIS_LENGTH}")
        if status is not None and not isinstance(status, Number):
            raise SmlStructureError(f"the status of {obis.hex()} is no integer")
        if value is None:
            raise SmlStructureError(f"{obis.hex()} has no value")
        return cls(
            obis,
            value,
            optional_byte_of(unit, "a unit"),
            _scaler_of(scaler),
            status,
            SmlTime.from_element(time),
            optional_octets_of(signature, "valueSignature"),
        )

    def to_element(self) -> Element:
        """The regular wire form."""
        scaler = None if self.scaler is None else integer(self.scaler, 1)
        return sml_list(
            [
                octets(self.obis),
                self.status,
                optional_time(self.time),
                optional_byte(self.unit),
                scaler,
                self.value,
                optional_octets(self.signature),
            ]
        )


@dataclass(frozen=True, slots=True)
class GetListResponse:
    """SML_GetList.Res: a meter's values, asked for or pushed."""

    TAG: ClassVar[int] = 0x0701
    NAME: ClassVar[str] = "GetList.Res"
    client_id: bytes | None
    server_id: bytes
    list_name: bytes | None
    act_sensor_time: SmlTime | None
    entries: tuple[ListEntry, ...]
    list_signature: bytes | None = field(default=None, repr=False)
    act_gateway_time: SmlTime | None = None

    @classmethod
    def from_element(cls, element: Element) -> Self:
        """Read the body."""
        client, server, name, sensor_time, entries, signature, gateway_time = items_of(element, 7, cls.NAME)
        if not isinstance(entries, SmlList):
            raise SmlStructureError("valList is no list")
        server_id = octets_of(server, "serverId")
        if len(server_id) > MAX_SERVER_ID:
            raise SmlStructureError(f"serverId has {len(server_id)} bytes, more than {MAX_SERVER_ID}")
        return cls(
            optional_octets_of(client, "clientId"),
            server_id,
            optional_octets_of(name, "listName"),
            SmlTime.from_element(sensor_time),
            tuple([ListEntry.from_element(entry) for entry in entries.items]),
            optional_octets_of(signature, "listSignature"),
            SmlTime.from_element(gateway_time),
        )

    def to_element(self) -> Element:
        """The regular wire form."""
        return sml_list(
            [
                optional_octets(self.client_id),
                octets(self.server_id),
                optional_octets(self.list_name),
                optional_time(self.act_sensor_time),
                sml_list([entry.to_element() for entry in self.entries]),
                optional_octets(self.list_signature),
                optional_time(self.act_gateway_time),
            ]
        )


@dataclass(frozen=True, slots=True)
class GenericBody:
    """Any other body (GetProfileList, GetProcParameter, Attention, ...), its content left as elements."""

    tag: int
    content: Element = field(repr=False)

    @property
    def name(self) -> str:
        """The message's name in the standard, or its tag."""
        return GENERIC_NAMES.get(self.tag, f"message {self.tag:04x}")


TypedBody = (
    PublicOpenRequest | PublicOpenResponse | PublicCloseRequest | PublicCloseResponse | GetListRequest | GetListResponse
)
Body = TypedBody | GenericBody

TYPED_BODIES: Final[dict[int, type[TypedBody]]] = {
    body.TAG: body
    for body in (
        PublicOpenRequest,
        PublicOpenResponse,
        PublicCloseRequest,
        PublicCloseResponse,
        GetListRequest,
        GetListResponse,
    )
}

GENERIC_NAMES: Final[dict[int, str]] = {
    0x0300: "GetProfilePack.Req",
    0x0301: "GetProfilePack.Res",
    0x0400: "GetProfileList.Req",
    0x0401: "GetProfileList.Res",
    0x0500: "GetProcParameter.Req",
    0x0501: "GetProcParameter.Res",
    0x0600: "SetProcParameter.Req",
    0x0601: "SetProcParameter.Res",
    0x0800: "GetCosem.Req",
    0x0801: "GetCosem.Res",
    0x0900: "SetCosem.Req",
    0x0901: "SetCosem.Res",
    0x0A00: "ActionCosem.Req",
    0x0A01: "ActionCosem.Res",
    0xFF01: "Attention.Res",
}


def status_word(value: int) -> Number:
    """A status word in the narrowest of the standard's widths (Unsigned8, 16, 32, 64).

    :raises SmlEncodeError: if it takes more than 64 bits or is negative.
    """
    for width in _STATUS_WIDTHS:
        if 0 <= value < 1 << 8 * width:
            return unsigned(value, width)
    raise SmlEncodeError(f"{value} is no status word")


def body_from_choice(element: Element) -> Body:
    """Read the choice of tag and content that makes a message's body. :raises SmlStructureError: if it is none."""
    tag_element, content = items_of(element, 2, "a message body")
    tag = unsigned_of(tag_element, "the tag of a message body")
    typed = TYPED_BODIES.get(tag)
    return GenericBody(tag, content) if typed is None else typed.from_element(content)


def body_to_choice(body: Body) -> Element:
    """The choice of a body in regular wire form, the tag as Unsigned16. :raises SmlEncodeError: if it does not fit."""
    if isinstance(body, GenericBody):
        return sml_list([unsigned(body.tag, 2), body.content])
    return sml_list([unsigned(body.TAG, 2), body.to_element()])


def _scaler_of(element: Element) -> int | None:
    if element is None:
        return None
    if not isinstance(element, Number) or not -128 <= element.value <= 127:
        raise SmlStructureError("a scaler is no Integer8")
    return element.value
