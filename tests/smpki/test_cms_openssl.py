"""CMS with ``openssl cms`` at the other end, both ways."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from smpki.cms import open_message, seal
from smpki.cms_structures import AuthEnvelopedData, EnvelopedContent, decode, encode
from smpki.enveloped import Method, Scheme, decrypt, encrypt
from smpki.oids import AUTH_ENVELOPED_DATA
from smpki.signed import read_signed, sign
from tests.smpki.chains import AT, Chain, chain
from tests.smpki.test_cms import CONTENT, Party, recipient, sender


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with everybody's certificates and keys in PEM."""
    parties: dict[str, Party] = {"sender": sender(), "recipient": recipient()}
    for label, one in parties.items():
        (tmp_path / f"{label}.pem").write_bytes(one.certificate.public_bytes(serialization.Encoding.PEM))
        (tmp_path / f"{label}.key").write_bytes(one.key.for_tls())
    made: Chain = chain()
    pem = b"".join(c.public_bytes(serialization.Encoding.PEM) for c in (made.root, *made.intermediates))
    (tmp_path / "ca.pem").write_bytes(pem)
    (tmp_path / "content").write_bytes(CONTENT)
    return tmp_path


def openssl(desk: Path, *words: str) -> bytes:
    """``openssl cms`` in the folder."""
    done = subprocess.run(["openssl", "cms", *words], cwd=desk, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


_VERIFY = ("-verify", "-inform", "DER", "-binary", "-CAfile", "ca.pem", "-attime", str(int(AT.timestamp())))
_DECRYPT = ("-decrypt", "-inform", "DER", "-in", "envelope.der", "-recip", "recipient.pem", "-inkey", "recipient.key")


def test_openssl_opens_ours(desk: Path) -> None:
    sealed = seal(CONTENT, recipient().certificate, sender().signer, AT, scheme=Scheme.RFC_5753)
    (desk / "message.der").write_bytes(sealed)
    envelope = openssl(desk, *_VERIFY, "-purpose", "any", "-in", "message.der")
    content = decode(AuthEnvelopedData, envelope, "an envelope")
    (desk / "envelope.der").write_bytes(encode(EnvelopedContent(content_type=AUTH_ENVELOPED_DATA, content=content)))
    told = openssl(desk, *_DECRYPT)
    assert told == CONTENT


def test_ours_opens_openssls(desk: Path) -> None:
    openssl(
        desk,
        *("-encrypt", "-binary", "-aes-128-gcm", "-in", "content", "-outform", "DER", "-out", "envelope.der"),
        *("-recip", "recipient.pem", "-keyopt", "ecdh_kdf_md:sha256"),
    )
    envelope = decode(EnvelopedContent, (desk / "envelope.der").read_bytes(), "an envelope").content
    (desk / "inner.der").write_bytes(encode(envelope))
    told = decrypt(encode(envelope), recipient().certificate, recipient().key)
    assert (told.content, told.method, told.scheme) == (CONTENT, Method.GCM, Scheme.RFC_5753)
    openssl(
        desk,
        *("-sign", "-binary", "-nodetach", "-nosmimecap", "-md", "sha256", "-in", "inner.der", "-outform", "DER"),
        *("-econtent_type", AUTH_ENVELOPED_DATA.dotted_string, "-signer", "sender.pem", "-inkey", "sender.key"),
        *("-out", "message.der"),
    )
    message = open_message(
        (desk / "message.der").read_bytes(), recipient().certificate, recipient().key, lambda certificate: certificate
    )
    assert (message.content, message.belief) == (CONTENT, sender().certificate)
    assert message.signed_at is not None


def test_openssl_does_not_know_the_bsi_s_identifier(desk: Path) -> None:
    envelope = decode(AuthEnvelopedData, encrypt(CONTENT, recipient().certificate), "an envelope")
    (desk / "envelope.der").write_bytes(encode(EnvelopedContent(content_type=AUTH_ENVELOPED_DATA, content=envelope)))
    with pytest.raises(AssertionError):
        openssl(
            desk,
            "-decrypt",
            "-inform",
            "DER",
            "-in",
            "envelope.der",
            "-recip",
            "recipient.pem",
            "-inkey",
            "recipient.key",
        )


def test_openssl_finds_a_changed_content(desk: Path) -> None:
    sealed = bytearray(sign(CONTENT, AUTH_ENVELOPED_DATA, sender().signer, AT))
    place = sealed.index(CONTENT)
    sealed[place] ^= 1
    (desk / "message.der").write_bytes(sealed)
    with pytest.raises(AssertionError, match="verification failure"):
        openssl(desk, *_VERIFY, "-purpose", "any", "-in", "message.der")
    with pytest.raises(Exception, match="the content is not the one that was signed"):
        read_signed(bytes(sealed), AUTH_ENVELOPED_DATA).verify()
