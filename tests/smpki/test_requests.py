"""Request packages: read strictly, and each error by its code. ``openssl req`` and ``openssl cms`` read them too."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from smpki.algorithms import Curve
from smpki.cms_structures import RequestSequence, decode, encode
from smpki.errors import MessageFormatError
from smpki.keys import BuilderKey, SoftwareKey
from smpki.messages import Refused, ReturnCode
from smpki.names import Function, PkiName
from smpki.oids import CT_REQUESTS
from smpki.profiles import END_ENTITIES, SUB_CA, KeyUse, RequestType
from smpki.requests import authorise, pack, read_package, request_key, request_triple, sign_package
from smpki.signed import read_signed, wrap_unsigned
from tests.smpki.chains import AT
from tests.smpki.test_cms import sender
from tests.support.pki import GATEWAY, name, new_keys

_GATEWAY = name(GATEWAY, Function.SMGW)


@cache
def _whole() -> bytes:
    package = request_triple(RequestType.SMGW_W, _GATEWAY, new_keys())
    return authorise(sign_package(package, sender().signer, AT), sender().signer, AT)


def test_what_was_asked_for_is_read() -> None:
    keys = new_keys()
    read = read_package(request_triple(RequestType.GWA, name("Admin", Function.GWA), keys, ("a.example", "192.0.2.1")))
    assert (read.request_type, str(read.name)) == (RequestType.GWA, "Admin.GWA")
    assert [request.profile.use for request in read.requests] == list(KeyUse)
    assert [request.public_key for request in read.requests] == [keys[use].public_key for use in KeyUse]
    assert [request.hosts for request in read.requests] == [("a.example", "192.0.2.1"), (), ()]
    assert not read.outer.is_signed
    assert read.authorisation is None
    whole = read_package(_whole())
    assert whole.outer.is_signed
    assert whole.authorisation is not None
    assert whole.outer.signing_time == AT


def _key_request(use: KeyUse, who: PkiName = _GATEWAY, kind: RequestType = RequestType.SMGW_W) -> bytes:
    return request_key(END_ENTITIES[kind, use], who, SoftwareKey.generate(Curve.BRAINPOOL_P256R1))


def _with_a_false_inner_signature() -> bytes:
    der = bytearray(_key_request(KeyUse.SIG))
    der[-3] ^= 1
    return pack([_key_request(KeyUse.TLS), bytes(der), _key_request(KeyUse.ENC)])


def _on_an_unknown_curve() -> bytes:
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP521R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(_GATEWAY.distinguished()).sign(key, hashes.SHA512())
    return pack([request.public_bytes(Encoding.DER)] * 1)


def _signed_with_another_hash() -> bytes:
    key = SoftwareKey.generate(Curve.BRAINPOOL_P256R1)
    builder = x509.CertificateSigningRequestBuilder().subject_name(_GATEWAY.distinguished())
    return pack([builder.sign(BuilderKey(key), hashes.SHA512()).public_bytes(Encoding.DER)])


def _same_key_twice() -> bytes:
    key = SoftwareKey.generate(Curve.BRAINPOOL_P256R1)
    return request_triple(RequestType.SMGW_W, _GATEWAY, dict.fromkeys(KeyUse, key))


def _asking_to_be_a_ca() -> bytes:
    key = SoftwareKey.generate(Curve.BRAINPOOL_P256R1)
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(_GATEWAY.distinguished())
        .add_extension(x509.BasicConstraints(True, None), critical=True)
        .add_extension(END_ENTITIES[RequestType.SMGW_W, KeyUse.ENC].usage, critical=True)
    )
    return pack([builder.sign(BuilderKey(key), hashes.SHA256()).public_bytes(Encoding.DER)])


_INCORRECT = ReturnCode.FAILURE_INCORRECT_REQUEST


@pytest.mark.parametrize(
    ("made", "code", "words"),
    [
        (lambda: b"", _INCORRECT, "not formed"),
        (lambda: _whole() + b"\0", _INCORRECT, "not formed"),
        (lambda: wrap_unsigned(b"\x30\x00", CT_REQUESTS), _INCORRECT, "not formed"),
        (lambda: wrap_unsigned(encode(RequestSequence(requests=[])), CT_REQUESTS), _INCORRECT, "0 requests"),
        (lambda: pack([_key_request(KeyUse.TLS)]), _INCORRECT, "holds one each for TLS, SIG and ENC"),
        (lambda: pack([_key_request(KeyUse.TLS)] * 3), _INCORRECT, "one each for TLS, SIG and ENC"),
        (lambda: pack([_key_request(KeyUse.TLS)] * 4), _INCORRECT, "4 requests"),
        (_same_key_twice, _INCORRECT, "the same key is asked for twice"),
        (_asking_to_be_a_ca, _INCORRECT, "those of no certificate for it"),
        (
            lambda: pack([_key_request(KeyUse.TLS), _key_request(KeyUse.SIG, name("EXXX0000000002", Function.SMGW))]),
            _INCORRECT,
            "differ in name or type",
        ),
        (
            lambda: pack([_key_request(KeyUse.TLS), _key_request(KeyUse.SIG, kind=RequestType.SMGW_G)]),
            _INCORRECT,
            "differ in name or type",
        ),
        (_with_a_false_inner_signature, ReturnCode.FAILURE_INNER_SIGNATURE, "not signed with the key that it is for"),
        (_on_an_unknown_curve, ReturnCode.FAILURE_DOMAIN_PARAMETERS, "secp521r1"),
        (_signed_with_another_hash, ReturnCode.FAILURE_DOMAIN_PARAMETERS, "is not signed by ECDSA with SHA-256"),
    ],
)
def test_a_package_that_is_none(made: Callable[[], bytes], code: ReturnCode, words: str) -> None:
    with pytest.raises(Refused) as refused:
        read_package(made())
    assert refused.value.code is code
    assert words in str(refused.value)


def test_a_package_is_signed_once() -> None:
    package = sign_package(request_triple(RequestType.SMGW_W, _GATEWAY, new_keys()), sender().signer, AT)
    with pytest.raises(MessageFormatError, match="has an outer signature already"):
        sign_package(package, sender().signer, AT)
    with pytest.raises(MessageFormatError):
        authorise(authorise(package, sender().signer, AT), sender().signer, AT)


@given(st.integers(0, 10_000), st.integers(0, 7), st.integers(0, 3))
def test_a_mutated_package_asks_for_the_same_or_is_refused(place: int, bit: int, cut: int) -> None:
    whole = bytearray(_whole())
    whole[place % len(whole)] ^= 1 << bit
    del whole[len(whole) - cut :]
    try:
        read = read_package(bytes(whole))
    except Refused:
        return
    # Reading checks inner signatures only: what is left are bits of the other two and of the certificates beside them.
    asked = [request.public_key for request in read_package(_whole()).requests]
    assert [request.public_key for request in read.requests] == asked


def test_openssl_reads_the_requests(tmp_path: Path) -> None:
    package = read_signed(read_signed(_whole(), _SIGNED).content, CT_REQUESTS)
    for number, request in enumerate(decode(RequestSequence, package.content, "it").requests):
        path = tmp_path / f"{number}.der"
        path.write_bytes(request.public_bytes(Encoding.DER))
        command = [*_REQ, str(path), "-text", "-nameopt", "RFC2253"]
        told = subprocess.run(command, capture_output=True, text=True, check=True)
        assert "verify OK" in told.stderr
        assert "CN=EXXX0012345678.SMGW" in told.stdout
    key = SoftwareKey.generate(Curve.BRAINPOOL_P384R1)
    (tmp_path / "ca.der").write_bytes(request_key(SUB_CA, name("Energie", Function.CA), key))
    command = [*_REQ, str(tmp_path / "ca.der")]
    assert "verify OK" in subprocess.run(command, capture_output=True, text=True, check=True).stderr


_REQ = ("openssl", "req", "-inform", "DER", "-noout", "-verify", "-in")
_SIGNED = x509.ObjectIdentifier("1.2.840.113549.1.7.2")
