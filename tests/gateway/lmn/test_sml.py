"""Messages and readings, built here: what has readings, what names a reason, which flags they carry."""

from __future__ import annotations

import pytest

from gateway.lmn.sml import (
    Body,
    Boolean,
    CrcKind,
    Decoder,
    GenericBody,
    GetListRequest,
    GetListResponse,
    ListEntry,
    Message,
    Number,
    PublicCloseRequest,
    PublicCloseResponse,
    PublicOpenRequest,
    PublicOpenResponse,
    Skipped,
    SmlCrcError,
    SmlEncodeError,
    SmlError,
    SmlFrame,
    SmlStructureError,
    SmlTime,
    TimeKind,
    build_frame,
    build_push_frame,
    decode_messages,
    decode_stream,
    integer,
    octets,
    sml_list,
    status_word,
    unsigned,
)
from gateway.lmn.sml_elements import Element
from gateway.lmn.sml_messages import encode_messages
from gateway.lmn.sml_readings import STATUS_BITS
from gateway.lmn.sml_transport import encode_frame

METER = bytes.fromhex("0a01454d480000bc614e")
OTHER = bytes.fromhex("0a01454d480000bc614f")
IMPORT = bytes.fromhex("0100010800ff")
POWER = bytes.fromhex("0100100700ff")
NOW = SmlTime(TimeKind.SECONDS_INDEX, 4711)

LONGEST_FLAGS = 255
"""Characters that a database has for the flags of one reading."""


def one(data: bytes) -> SmlFrame:
    (frame,) = decode_stream(data)
    assert isinstance(frame, SmlFrame)
    if frame.messages:
        assert frame.encode() == data
    return frame


def push(*entries: ListEntry) -> SmlFrame:
    return one(build_push_frame(METER, entries, transaction_id=b"\0\0\0\x09", req_file_id=b"file", sensor_time=NOW))


def list_of(server: bytes, *entries: ListEntry) -> GetListResponse:
    return GetListResponse(None, server, None, None, entries)


def test_a_pushed_frame() -> None:
    frame = push(
        ListEntry(IMPORT, unsigned(123456, 8), unit=30, scaler=-1, status=status_word(0x1C0104)),
        ListEntry(POWER, integer(-5, 4), unit=27, scaler=0, time=NOW, signature=b"sig"),
        ListEntry(bytes.fromhex("010060320101"), octets(b"EMH")),
        ListEntry(bytes.fromhex("0100603201ff"), octets(b"E\x1b[2J")),
        ListEntry(bytes.fromhex("010060320102"), Boolean(1)),
    )
    assert frame.ok
    assert frame.server_id == METER
    assert [message.name for message in frame.messages] == ["PublicOpen.Res", "GetList.Res", "PublicClose.Res"]
    assert [message.transaction_id[-1] for message in frame.messages] == [9, 10, 11]
    energy, power = frame.readings
    assert (energy.server_id, energy.obis, energy.value, energy.scaler, energy.unit) == (METER, IMPORT, 123456, -1, 30)
    assert (energy.status, energy.time, energy.sensor_time) == (0x1C0104, None, NOW)
    assert energy.flags == ("unsigned", "status:0x001c0104")
    assert (power.value, power.scaler, power.time, power.flags) == (-5, 0, NOW, ("signed", "signature-present"))
    assert [(each.data, each.text) for each in frame.octet_values] == [(b"EMH", "EMH"), (b"E\x1b[2J", None)]


def test_every_body_reads_back() -> None:
    entry = ListEntry(IMPORT, unsigned(1, 1), 30, -1, status_word(1), NOW, b"s")
    bodies: list[Body] = [
        PublicOpenRequest(b"cp", b"client", b"file", METER, b"name", b"secret", 1),
        PublicOpenResponse(None, b"client", b"file", METER, SmlTime(TimeKind.TIMESTAMP, 2**32 - 1), 1),
        GetListRequest(b"client", METER, b"name", b"secret", b"list"),
        GetListResponse(b"client", METER, b"list", SmlTime(TimeKind.LOCAL_TIMESTAMP, 1, 60, -60), (entry,), b"s", NOW),
        GenericBody(0x0401, sml_list([octets(b"profile"), None, sml_list([unsigned(3, 3)])])),
        GenericBody(0xFF01, sml_list([octets(METER), octets(b"\x81\x81\xc7\xc7\xfe\x00"), None, None])),
        PublicCloseRequest(b"signature"),
        PublicCloseResponse(),
    ]
    frame = one(build_frame(bodies, b"\xff\xff"))
    assert [message.body for message in frame.messages] == bodies
    assert frame.messages[1].transaction_id == b"\0\0"
    assert frame.messages[4].name == "GetProfileList.Res"


def test_secrets_stay_out_of_representations() -> None:
    bodies: list[Body] = [
        PublicOpenRequest(None, None, b"f", None, b"hans", b"s3cret"),
        GetListRequest(b"c", None, b"hans", b"s3cret"),
    ]
    frame = one(build_frame(bodies, b"\0"))
    for shown in (repr(frame), repr(frame.messages), str(frame.messages[0].body)):
        assert "s3cret" not in shown
        assert "hans" not in shown


def test_kermit_of_holley_is_accepted_and_named() -> None:
    body = list_of(METER, ListEntry(IMPORT, unsigned(7, 1)))
    frame = one(build_frame([body], b"\x01", CrcKind.KERMIT))
    assert (frame.crc, frame.messages[0].crc) == (CrcKind.KERMIT, CrcKind.KERMIT)
    assert frame.readings[0].flags == ("unsigned", "crc-kermit")
    only_message = encode_frame(Message.build(body, b"\x01", crc=CrcKind.KERMIT).encode())
    assert one(only_message).readings[0].flags == ("unsigned", "crc-kermit")


def test_kermit_in_a_message_as_a_meter_sent_it() -> None:
    """PublicOpen.Res of a HOLLEY DTZ541, published by its owner: high byte first, unlike X-25."""
    sent = bytes.fromhex(
        "7604000001620062007265000001017601010700000a583b800b0a01484c5902000159bb010163565d00",
    )
    (message,) = decode_messages(sent)
    assert message.crc is CrcKind.KERMIT
    assert message.encode() == sent


def test_a_wrong_message_checksum_leaves_no_readings() -> None:
    messages = [
        Message.build(list_of(METER, ListEntry(IMPORT, unsigned(7, 1))), b"\x01").encode(),
        Message.build(list_of(METER, ListEntry(POWER, unsigned(8, 1))), b"\x02").encode(),
    ]
    spoiled = messages[0] + messages[1].replace(bytes.fromhex("6208"), bytes.fromhex("6209"))
    frame = one(encode_frame(spoiled))
    assert frame.error is not None
    assert frame.error.startswith("message CRC wrong in message 2: ")
    assert (frame.readings, frame.messages, frame.octet_values, frame.server_id) == ((), (), (), None)
    with pytest.raises(SmlEncodeError, match="was not decoded: message CRC wrong in message 2"):
        frame.encode()
    with pytest.raises(SmlCrcError):
        decode_messages(spoiled)


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        (b"", "no messages"),
        (b"\0", "message 1: a list was expected, not TL field 00 (byte 0)"),
        (b"\x75" + b"\x01" * 5, "message 1: a list of 5, not of 6"),
        (b"\x76" + b"\x01" * 5 + b"\x01", "message 1: the end of the message is missing (byte 6)"),
        (b"\x76" + b"\x01" * 5 + b"\0", "message 1: crc16 is no unsigned integer"),
        (b"\x76\x02", "message 1: 5 elements were expected where 1 bytes are left (byte 1)"),
    ],
)
def test_payloads_without_messages(payload: bytes, error: str) -> None:
    frame = one(encode_frame(payload))
    assert frame.error == error
    assert not frame.ok


def test_frames_without_readings_name_the_reason() -> None:
    opened = PublicOpenResponse(None, None, b"f", METER)
    attention = GenericBody(0xFF01, sml_list([octets(METER), octets(b"x"), None, None]))
    assert one(build_frame([opened, attention], b"\0")).error == "no GetList response (PublicOpen.Res, Attention.Res)"
    assert one(build_frame([list_of(METER)], b"\0")).error == "no integer value in GetList response (GetList.Res)"
    only_text = one(build_frame([list_of(METER, ListEntry(IMPORT, octets(b"text")))], b"\0"))
    assert only_text.error == "no integer value in GetList response (GetList.Res)"
    assert only_text.octet_values[0].text == "text"


def test_lists_of_several_meters_keep_their_owners() -> None:
    lists = [list_of(METER, ListEntry(IMPORT, unsigned(1, 1))), list_of(OTHER, ListEntry(IMPORT, unsigned(2, 1)))]
    frame = one(build_frame(lists, b"\0"))
    assert frame.server_id is None
    assert [(reading.server_id, reading.value) for reading in frame.readings] == [(METER, 1), (OTHER, 2)]


ENTRY: list[Element] = [octets(IMPORT), None, None, None, None, unsigned(1, 1), None]


@pytest.mark.parametrize(
    ("place", "element", "error"),
    [
        (0, octets(b"short"), "the name of a list entry has 5 bytes, an OBIS code has 6"),
        (0, None, "the name of a list entry is no octet string"),
        (1, octets(b"s"), "the status of 0100010800ff is no integer"),
        (2, octets(b"s"), "a time is no list of 2"),
        (2, sml_list([unsigned(4, 1), unsigned(1, 4)]), "a time of unknown kind"),
        (2, sml_list([unsigned(3, 1), unsigned(1, 4)]), "a local timestamp is no list of 3"),
        (2, integer(1, 4), "an untagged time is no unsigned integer"),
        (3, integer(30, 1), "a unit is no unsigned byte"),
        (3, unsigned(256, 2), "a unit is no unsigned byte"),
        (4, unsigned(255, 1), "a scaler is no Integer8"),
        (4, integer(-129, 2), "a scaler is no Integer8"),
        (5, None, "0100010800ff has no value"),
        (6, unsigned(1, 1), "valueSignature is no octet string"),
    ],
)
def test_malformed_entries_spoil_the_frame(place: int, element: Element, error: str) -> None:
    items = [element if number == place else each for number, each in enumerate(ENTRY)]
    content = sml_list([None, octets(METER), None, None, sml_list([sml_list(items)]), None, None])
    frame = one(build_frame([GenericBody(0x0701, content)], b"\0"))
    assert frame.error == f"message 1: {error}"
    assert not frame.readings


def test_a_server_id_as_long_as_a_frame_is_refused() -> None:
    frame = one(build_frame([list_of(b"s" * 33, ListEntry(IMPORT, unsigned(1, 1)))], b"\0"))
    assert frame.error == "message 1: serverId has 33 bytes, more than 32"


@pytest.mark.parametrize(
    ("value", "status", "suspect"),
    [
        (integer(-14836, 2), 0x040104, True),  # 53 c60c of a DZG meter that showed some 507 W drawn
        (integer(-10550, 2), 0x1C6904, False),  # exported, says the status
        (integer(-14836, 4), 0x040104, False),  # wide enough for its sign
        (integer(14836, 2), 0x040104, False),
        (integer(-14836, 2), 0x040180, False),  # a status word of an older layout says nothing
        (unsigned(14836, 2), 0x040104, False),
    ],
)
def test_suspect_sign(value: Number, status: int, suspect: bool) -> None:
    energy = ListEntry(IMPORT, unsigned(1, 4), status=unsigned(status, 3))
    _, power = push(energy, ListEntry(POWER, value, unit=27, scaler=-2)).readings
    assert power.value == value.value
    assert ("suspect-sign" in power.flags) == suspect


def test_suspect_sign_of_a_phase_asks_its_own_bit() -> None:
    phase1 = bytes.fromhex("0100240700ff")
    for status, suspect in ((0x040104, True), (0x041104, False), (0x040904, True)):
        energy = ListEntry(IMPORT, unsigned(1, 4), status=unsigned(status, 3))
        _, power = push(energy, ListEntry(phase1, integer(-1, 2), unit=27)).readings
        assert ("suspect-sign" in power.flags) == suspect


def test_all_flags_at_once_stay_short() -> None:
    status = sum(1 << bit for bit in STATUS_BITS if bit != 11) | 0x04
    untagged = SmlTime(TimeKind.UNTAGGED, 1)
    entry = ListEntry(POWER, integer(-1, 2), 27, 0, unsigned(status, 4), untagged, b"s")
    frame = one(build_frame([list_of(METER, entry)], b"\0", CrcKind.KERMIT))
    flags = frame.readings[0].flags
    assert set(STATUS_BITS.values()) - set(flags) == {"sum-direction-negative"}
    assert {"signed", "suspect-sign", "time-untagged", "signature-present", "crc-kermit"} <= set(flags)
    assert len(" ".join((*flags, "sum-direction-negative"))) <= LONGEST_FLAGS


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(SmlEncodeError):
        status_word(-1)
    with pytest.raises(SmlEncodeError):
        status_word(1 << 64)
    with pytest.raises(SmlEncodeError):
        push(ListEntry(IMPORT, unsigned(1, 1), unit=256))
    with pytest.raises(SmlEncodeError):
        push(ListEntry(IMPORT, unsigned(1, 1), scaler=128))
    with pytest.raises(SmlEncodeError):
        Message.build(PublicCloseResponse(), b"\0", group=256)


def test_one_tree_of_errors() -> None:
    for kind in (SmlCrcError, SmlEncodeError, SmlStructureError):
        assert issubclass(kind, SmlError)
    assert issubclass(SmlError, ValueError)


def test_encoded_messages_are_the_payload() -> None:
    payload = b"".join(Message.build(PublicCloseResponse(), bytes([number])).encode() for number in range(3))
    assert encode_messages(decode_messages(payload)) == payload


def test_decoder_reports_as_bytes_come() -> None:
    data = build_frame([list_of(METER, ListEntry(IMPORT, unsigned(1, 1)))], b"\0")
    decoder = Decoder()
    assert decoder.feed(b"noise" + data[:-1]) == [Skipped(0, 5, "no start sequence")]
    assert decoder.kept_bytes == len(data) - 1
    (frame,) = decoder.feed(data[-1:])
    assert isinstance(frame, SmlFrame)
    assert (frame.offset, frame.end) == (5, 5 + len(data))
    assert decoder.finish() == []
