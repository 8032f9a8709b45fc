"""What a module says of itself, and what it is told once."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives import hashes
from hypothesis import given
from hypothesis import strategies as st

from securitymodule import tlv
from securitymodule.coding import KeyRef, ModuleState
from securitymodule.curves import CURVES, generate_key, sign_digest
from securitymodule.statements import (
    ATTESTATION_CURVE,
    Attestation,
    InitialisationFile,
    KeyStatement,
    ModuleInformation,
    SignedAttestation,
    StatementError,
)

SERIALS = st.from_regex(r"[0-9A-Za-z._-]{1,32}", fullmatch=True)
PINS = st.from_regex(r"[0-9]{10,32}", fullmatch=True)
HASHES = st.binary(min_size=32, max_size=32)
STATES = st.sampled_from(ModuleState)
COUNTERS = st.integers(0, 2**64 - 1)
FILES = st.builds(InitialisationFile, SERIALS, PINS, PINS, st.integers(3, 15))
INFORMATION = st.builds(
    ModuleInformation,
    serial=SERIALS | st.just(""),
    state=STATES,
    counter=COUNTERS,
    version=st.from_regex(r"[0-9.]{1,10}", fullmatch=True),
    domains=st.lists(st.sampled_from([curve.domain for curve in CURVES])).map(tuple),
    system_tries=st.integers(0, 15),
    integrator_tries=st.integers(0, 15),
    attestation_point=st.binary(max_size=65),
)
KEYS = st.builds(
    KeyStatement,
    st.sampled_from(KeyRef),
    st.sampled_from([curve.domain for curve in CURVES]),
    HASHES,
    st.none() | HASHES,
)
ATTESTATIONS = st.builds(
    Attestation,
    serial=SERIALS,
    state=STATES,
    counter=COUNTERS,
    nonce=st.binary(min_size=8, max_size=64),
    bound=st.binary(max_size=256),
    record_head=st.just(b"") | st.binary(min_size=40, max_size=40),
    keys=st.lists(KEYS, max_size=15).map(tuple),
)
KEY = generate_key(ATTESTATION_CURVE)
GOOD = Attestation(
    "SM-0001", ModuleState.READY, 7, b"a nonce!", b"bound", keys=(KeyStatement(KeyRef.ROOT, 13, bytes(32)),)
)


@given(FILES)
def test_initialisation_files(file: InitialisationFile) -> None:
    assert InitialisationFile.decode(file.encode()) == file
    assert repr(file) == f"InitialisationFile(serial={file.serial!r}, tries={file.tries})"


@given(INFORMATION)
def test_information(information: ModuleInformation) -> None:
    assert ModuleInformation.decode(information.encode()) == information


@given(ATTESTATIONS)
def test_attestations(attestation: Attestation) -> None:
    assert Attestation.decode(attestation.encode()) == attestation
    assert attestation.by_key == {statement.key: statement for statement in attestation.keys}


@given(st.binary(max_size=80))
def test_any_bytes_are_a_statement_or_an_error(inner: bytes) -> None:
    for tag in (0xE0, 0xE1, 0xA0, 0x7F4E, 0xA7):
        for data in (inner, tlv.encode(tag, inner), tlv.encode(tag, tlv.encode(0x80, inner))):
            for decode in (
                InitialisationFile.decode,
                ModuleInformation.decode,
                Attestation.decode,
                KeyStatement.decode,
                SignedAttestation.decode,
            ):
                try:
                    decode(data)
                except StatementError:
                    continue
                pytest.fail(f"{data.hex()} is no statement")


@pytest.mark.parametrize(
    ("serial", "system_pin", "integrator_pin", "tries"),
    [
        ("", "1029384756", "1029384756", 5),
        ("x" * 33, "1029384756", "1029384756", 5),
        ("SM 1", "1029384756", "1029384756", 5),
        ("SM-1\n", "1029384756", "1029384756", 5),
        ("SM-1", "102938475", "1029384756", 5),
        ("SM-1", "1029384756", "102938475x", 5),
        ("SM-1", "1029384756", "1" * 33, 5),
        ("SM-1", "1029384756", "1029384756", 2),
        ("SM-1", "1029384756", "1029384756", 16),
    ],
)
def test_what_a_module_is_not_told(serial: str, system_pin: str, integrator_pin: str, tries: int) -> None:
    with pytest.raises(StatementError) as caught:
        InitialisationFile(serial, system_pin, integrator_pin, tries)
    assert "10293847" not in str(caught.value)


def without(encoded: bytes, tag: int, missing: int) -> bytes:
    inner = tlv.decode_unique(tlv.decode_one(encoded, tag))
    del inner[missing]
    return tlv.encode(tag, tlv.encode_all(inner))


def with_other(encoded: bytes, tag: int, changed: int, value: bytes) -> bytes:
    inner = tlv.decode_unique(tlv.decode_one(encoded, tag)) | {changed: value}
    return tlv.encode(tag, tlv.encode_all(inner))


@pytest.mark.parametrize(
    "body",
    [
        without(GOOD.encode(), 0x7F4E, 0x84),
        with_other(GOOD.encode(), 0x7F4E, 0x5F29, b"\x02"),
        with_other(GOOD.encode(), 0x7F4E, 0x80, b"\xff"),
        with_other(GOOD.encode(), 0x7F4E, 0x81, b"\x77"),
        with_other(GOOD.encode(), 0x7F4E, 0x82, bytes(7)),
        with_other(GOOD.encode(), 0x7F4E, 0x86, bytes(39)),
        with_other(GOOD.encode(), 0x7F4E, 0x88, b""),
        with_other(GOOD.encode(), 0x7F4E, 0xA7, b"\xa0"),
        with_other(GOOD.encode(), 0x7F4E, 0xA7, tlv.encode(0xA1, b"")),
        with_other(GOOD.encode(), 0x7F4E, 0xA7, with_other(GOOD.keys[0].encode(), 0xA0, 0x80, b"\x77")),
        with_other(GOOD.encode(), 0x7F4E, 0xA7, with_other(GOOD.keys[0].encode(), 0xA0, 0x81, b"\x12")),
        with_other(GOOD.encode(), 0x7F4E, 0xA7, with_other(GOOD.keys[0].encode(), 0xA0, 0x82, bytes(31))),
    ],
)
def test_what_is_no_attestation(body: bytes) -> None:
    with pytest.raises(StatementError):
        Attestation.decode(body)


def signed(attestation: Attestation) -> SignedAttestation:
    body = attestation.encode()
    return SignedAttestation(body, sign_digest(KEY, hashes.SHA256(), hashlib.sha256(body).digest()))


def test_a_signed_attestation_tells_what_is_in_the_module() -> None:
    found = SignedAttestation.decode(signed(GOOD).encode())
    assert found.verify(KEY.public_key()) == GOOD
    assert found.verify(KEY.public_key(), GOOD.nonce) == GOOD


def test_somebody_elses_word_is_not_the_modules() -> None:
    with pytest.raises(StatementError, match="not signed"):
        signed(GOOD).verify(generate_key(ATTESTATION_CURVE).public_key())


def test_an_old_answer_is_none() -> None:
    with pytest.raises(StatementError, match="nonce"):
        signed(GOOD).verify(KEY.public_key(), b"another nonce")


def test_a_changed_body_shows() -> None:
    good = signed(GOOD)
    changed = with_other(good.body, 0x7F4E, 0x81, bytes((ModuleState.TERMINATED,)))
    with pytest.raises(StatementError, match="not signed"):
        SignedAttestation(changed, good.signature).verify(KEY.public_key())


@pytest.mark.parametrize("encoded", [b"", b"\x7f", GOOD.encode(), GOOD.encode() + tlv.encode(0x80, b"")])
def test_what_is_no_signed_attestation(encoded: bytes) -> None:
    with pytest.raises(StatementError):
        SignedAttestation.decode(encoded)
