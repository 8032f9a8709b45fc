"""Content data security: sealed and opened, refused where it must be, and never opened to anything else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from smpki.cms import Message, open_message, seal
from smpki.cms_structures import AuthEnvelopedData, SignedContent, decode, encode
from smpki.enveloped import Method, Scheme, decrypt, encrypt
from smpki.errors import (
    MessageDecryptionError,
    MessageError,
    MessageFormatError,
    MessageSignatureError,
    PolicyError,
)
from smpki.keys import SoftwareKey
from smpki.names import Environment, Function, PkiName
from smpki.oids import AUTH_ENVELOPED_DATA, DATA
from smpki.path_errors import Failure, PathInvalid
from smpki.profiles import END_ENTITIES, KeyUse, RequestType
from smpki.signed import Signer, read_signed, sign, wrap_unsigned
from tests.smpki.chains import AT, SUB_KEY, SUB_NAME, Cert, key

CONTENT = "1-0:1.8.0 = 4711 Wh, für den Empfänger allein".encode()


@dataclass(frozen=True)
class Party:
    """A sender or a recipient."""

    key: SoftwareKey
    certificate: x509.Certificate

    @property
    def signer(self) -> Signer:
        """As who signs."""
        return Signer(self.certificate, self.key)


@cache
def party(organisation: str, use: KeyUse, serial: int, curve: str = "brainpoolP256r1") -> Party:
    """A participant with a certificate of the Sub-CA."""
    holder = PkiName(organisation, Function.EMT, Environment.TEST).distinguished()
    private = key(f"{organisation}{use}", curve)
    cert = Cert(END_ENTITIES[RequestType.EMT, use], holder, private, serial=serial)
    return Party(SoftwareKey(private), cert.made(SUB_NAME, SUB_KEY))


def sender() -> Party:
    """Who sends."""
    return party("Sender", KeyUse.SIG, 31)


def recipient() -> Party:
    """Who receives."""
    return party("Recipient", KeyUse.ENC, 32)


def opened(data: bytes, by: Party | None = None) -> Message:
    """Open a message, believing the one sender that there is."""
    by = by or recipient()

    def believe(certificate: x509.Certificate) -> str:
        if certificate != sender().certificate:
            raise PathInvalid(Failure.UNKNOWN_ISSUER, "it", "is a stranger's")
        return "believed"

    return open_message(data, by.certificate, by.key, believe)


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("scheme", Scheme)
@pytest.mark.parametrize("content", [b"", b"x" * 16, CONTENT, bytes(100_000)], ids=len)
def test_there_and_back(method: Method, scheme: Scheme, content: bytes) -> None:
    sealed = seal(content, recipient().certificate, sender().signer, AT, method=method, scheme=scheme)
    message = opened(sealed)
    assert (message.content, message.method, message.scheme) == (content, method, scheme)
    assert (message.sender, message.belief, message.signed_at) == (sender().certificate, "believed", AT)
    assert content not in sealed or len(content) < 16


def test_no_message_is_like_another() -> None:
    first, second = (encrypt(CONTENT, recipient().certificate) for _ in range(2))
    assert first != second


def test_only_the_recipient_opens_it() -> None:
    sealed = seal(CONTENT, recipient().certificate, sender().signer)
    with pytest.raises(MessageDecryptionError, match="for somebody else"):
        opened(sealed, party("Mallory", KeyUse.ENC, 33))
    impostor = Party(party("Mallory", KeyUse.ENC, 33).key, recipient().certificate)
    with pytest.raises(MessageDecryptionError, match="cannot be opened"):
        opened(sealed, impostor)


def test_the_sender_is_known_before_the_key_is_used() -> None:
    class Untouched:
        public_key = recipient().key.public_key

        def agree(self, point: bytes) -> bytes:
            raise AssertionError(f"the recipient's key was used with {point.hex()}")

    sealed = seal(CONTENT, recipient().certificate, party("Mallory", KeyUse.SIG, 34).signer)
    with pytest.raises(MessageSignatureError, match="the sender is not believed: it is a stranger's"):
        open_message(sealed, recipient().certificate, Untouched(), _nobody)
    damaged = bytearray(seal(CONTENT, recipient().certificate, sender().signer))
    damaged[-3] ^= 1
    with pytest.raises(MessageSignatureError, match="not that of the certificate"):
        open_message(bytes(damaged), recipient().certificate, Untouched(), _nobody)


def _nobody(_: x509.Certificate) -> None:
    raise PathInvalid(Failure.UNKNOWN_ISSUER, "it", "is a stranger's")


def test_certificates_are_used_for_what_they_are_for() -> None:
    with pytest.raises(PolicyError, match="not for key agreement"):
        seal(CONTENT, sender().certificate, sender().signer)
    with pytest.raises(PolicyError, match="brainpoolP256r1"):
        seal(CONTENT, party("Nist", KeyUse.ENC, 35, "secp256r1").certificate, sender().signer)
    with pytest.raises(PolicyError, match="brainpoolP256r1"):
        seal(CONTENT, recipient().certificate, party("Nist", KeyUse.SIG, 36, "secp256r1").signer)
    with pytest.raises(PolicyError, match="not the one in the signer's certificate"):
        seal(CONTENT, recipient().certificate, Signer(sender().certificate, recipient().key))


def test_a_message_signed_on_another_curve_is_not_opened() -> None:
    envelope = encrypt(CONTENT, recipient().certificate)
    signed = sign(envelope, AUTH_ENVELOPED_DATA, party("Nist", KeyUse.SIG, 36, "secp256r1").signer)
    with pytest.raises(MessageSignatureError, match="table 23"):
        opened(signed)


def test_something_else_that_was_signed_is_not_opened() -> None:
    with pytest.raises(MessageFormatError, match=r"the content is 1\.2\.840\.113549\.1\.7\.1"):
        opened(sign(CONTENT, DATA, sender().signer))
    with pytest.raises(MessageFormatError, match="an envelope is not formed"):
        opened(sign(CONTENT, AUTH_ENVELOPED_DATA, sender().signer))


@pytest.mark.parametrize("tail", [b"\0", b"\x05\x00"])
def test_nothing_follows_a_message(tail: bytes) -> None:
    sealed = seal(CONTENT, recipient().certificate, sender().signer)
    with pytest.raises(MessageFormatError):
        opened(sealed + tail)
    with pytest.raises(MessageFormatError):
        opened(sign(encrypt(CONTENT, recipient().certificate) + tail, AUTH_ENVELOPED_DATA, sender().signer))


def _changed(**changes: object) -> bytes:
    envelope = decode(AuthEnvelopedData, encrypt(CONTENT, recipient().certificate), "it")
    infos = envelope.recipients.as_list()
    for member, value in changes.items():
        steps = member.split("__")
        target: object = envelope
        for step in steps[:-1]:
            target = infos[0] if step == "info" else getattr(target, step)
        setattr(target, steps[-1], value)
    if any(member.startswith("info") for member in changes):
        envelope.recipients = asn1.SetOf(infos)
    return encode(envelope)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": 1}, "version 0 and one recipient"),
        ({"recipients": asn1.SetOf([])}, "version 0 and one recipient"),
        ({"mac": bytes(12)}, "a tag of 96 bits"),
        ({"encrypted__content_type": AUTH_ENVELOPED_DATA}, "the content of an envelope is"),
        ({"encrypted__encryption__algorithm": x509.ObjectIdentifier("2.16.840.1.101.3.4.1.2")}, "does not have"),
        ({"encrypted__encryption__parameters": None}, "nonce of 96 bits"),
        ({"info__version": 2}, "one recipient of version 3"),
        ({"info__recipients": []}, "one recipient of version 3"),
        ({"info__originator": b"a key identifier"}, "the sender's key is not in the envelope"),
        ({"info__originator__algorithm__algorithm": AUTH_ENVELOPED_DATA}, "on no elliptic curve"),
        ({"info__originator__algorithm__parameters": AUTH_ENVELOPED_DATA}, "not on brainpoolP256r1"),
        ({"info__originator__public_key": asn1.BitString(b"\x02" + bytes(32), 0)}, "no uncompressed point"),
        ({"info__key_encryption__algorithm": AUTH_ENVELOPED_DATA}, "does not have"),
        ({"info__key_encryption__wrap__algorithm": AUTH_ENVELOPED_DATA}, "does not have"),
    ],
)
def test_an_envelope_is_what_the_guideline_has(changes: dict[str, object], words: str) -> None:
    with pytest.raises(MessageFormatError, match=words):
        decrypt(_changed(**changes), recipient().certificate, recipient().key)


def test_a_second_signature_over_the_same_opens_to_the_same() -> None:
    """ECDSA has two signatures for everything; a message with the other one is the same message."""
    sealed = seal(CONTENT, recipient().certificate, sender().signer)
    content = decode(SignedContent, sealed, "it")
    (info,) = content.content.signers.as_list()
    r, s = decode_dss_signature(info.signature)
    order = 0xA9FB57DBA1EEA9BC3E660A909D838D718C397AA3B561A6F7901E0E82974856A7
    info.signature = encode_dss_signature(r, order - s)
    content.content.signers = asn1.SetOf([info])
    assert opened(encode(content)).content == CONTENT


_SEALED = {method: seal(CONTENT, recipient().certificate, sender().signer, AT, method=method) for method in Method}


@given(st.sampled_from(Method), st.data())
def test_mutated_messages_never_open_to_anything_else(method: Method, data: st.DataObject) -> None:
    sealed = _SEALED[method]
    mutated = bytearray(sealed)
    for _ in range(data.draw(st.integers(1, 3))):
        kind = data.draw(st.sampled_from(["flip", "set", "cut", "insert", "repeat"]))
        place = data.draw(st.integers(0, len(mutated) - 1))
        if kind == "flip":
            mutated[place] ^= 1 << data.draw(st.integers(0, 7))
        elif kind == "set":
            mutated[place] = data.draw(st.integers(0, 255))
        elif kind == "cut":
            del mutated[place : place + data.draw(st.integers(1, 20))]
        elif kind == "insert":
            mutated[place:place] = data.draw(st.binary(min_size=1, max_size=8))
        else:
            mutated += mutated[place : place + 20]
        if not mutated:
            return
    try:
        message = opened(bytes(mutated))
    except MessageError:
        return
    assert message.content == CONTENT


@given(st.sampled_from(Method), st.integers(0, 10_000), st.integers(0, 7))
def test_mutated_envelopes_that_somebody_signed_do_not_open(method: Method, place: int, bit: int) -> None:
    """Whoever may sign can change an envelope on its way through; the recipient notices."""
    envelope = bytearray(_ENVELOPES[method])
    place %= len(envelope)
    envelope[place] ^= 1 << bit
    try:
        told = decrypt(bytes(envelope), recipient().certificate, recipient().key)
    except (MessageFormatError, MessageDecryptionError):
        return
    # The curve's identifier beside the sender's point may be left out, and nothing depends on it; no other bit is free.
    assert told.content == CONTENT


_ENVELOPES = {method: encrypt(CONTENT, recipient().certificate, method) for method in Method}


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_in_our_own_words(data: bytes) -> None:
    with pytest.raises(MessageFormatError):
        opened(data)


def test_a_point_off_the_curve_is_refused() -> None:
    with pytest.raises(Exception, match="no point of brainpoolP256r1"):
        recipient().key.agree(b"\x04" + b"\x01" * 64)
    off = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    with pytest.raises(Exception, match="no point of brainpoolP256r1"):
        recipient().key.agree(b"\x04" + off.x.to_bytes(32, "big") + off.y.to_bytes(32, "big"))


def test_a_key_that_is_held_elsewhere_verifies_what_a_message_gives_it() -> None:
    message = read_signed(sign(CONTENT, DATA, sender().signer), DATA)
    used, digest, signature = message.to_verify
    sender().key.public_key.verify(signature, digest, ec.ECDSA(Prehashed(used.algorithm)))
    with pytest.raises(MessageSignatureError, match="nobody has signed"):
        _ = read_signed(wrap_unsigned(CONTENT, DATA), DATA).to_verify
