"""Parties: who a certificate speaks for, which certificates are none, and where a private key stays."""

from __future__ import annotations

import copy
import hashlib
import os
import pickle
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.parties import (
    AUTHORITY_LIFETIME,
    PARTY_LIFETIME,
    Credentials,
    OperationsAuthority,
    Party,
    PartyError,
    Trust,
    actor_of,
    fingerprint_of,
)
from lifecycle.roles import Actor, Role, may_act_for, principal_of
from tests.support.lives import START, SettableClock, cast

CLOCK = SettableClock()
CA = OperationsAuthority.create(clock=CLOCK)
TRUST = Trust(CA.certificate)
PARTY = CA.enrol(Role.MONTEUR, "Müller & Söhne", clock=CLOCK)
BODY = b"what was said"

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey
Change = Callable[[x509.CertificateBuilder], x509.CertificateBuilder]


def name_of(*attributes: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])


MONTEUR_NAME = name_of(
    (NameOID.COMMON_NAME, "M"), (NameOID.TITLE, "MONTEUR"), (NameOID.ORGANIZATIONAL_UNIT_NAME, "MSB")
)


def with_bits_unused(authority: OperationsAuthority) -> bytes:
    """A certificate that says the last bit of its signature, which is 0, carries nothing: the library takes it."""
    while True:
        der = authority.enrol(Role.GWH, "x", clock=CLOCK).certificate_der
        signature = x509.load_der_x509_certificate(der).signature
        if not signature[-1] & 1:
            return der[: -len(signature) - 1] + b"\x01" + signature


SIGNS = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
SIGNS_CERTIFICATES = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
ENCRYPTS = x509.KeyUsage(False, False, True, False, False, False, False, False, False)


def issued(
    *,
    by: OperationsAuthority = CA,
    key: PublicKey | None = None,
    subject: x509.Name = MONTEUR_NAME,
    is_ca: bool | None = False,
    usage: x509.KeyUsage | None = SIGNS,
) -> bytes:
    """A certificate that a CA has really issued, with something unusual about it."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject)
        .public_key(key or ec.generate_private_key(ec.SECP256R1()).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(START)
        .not_valid_after(START + timedelta(days=1))
    )
    if is_ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(is_ca, None), critical=True)
    if usage is not None:
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(by._key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize("role", Role)
def test_every_role_can_be_enrolled_and_is_known_by_its_certificate(role: Role) -> None:
    party = CA.enrol(role, f"{role} 7", clock=CLOCK)
    actor = Actor(role, f"{role} 7", principal_of(role), hashlib.sha256(party.certificate_der).hexdigest())
    assert party.actor == actor == actor_of(party.certificate)
    credentials = TRUST.credentials(party.certificate_der)
    assert credentials.actor == actor
    assert (credentials.not_before, credentials.not_after) == (START, START + PARTY_LIFETIME)
    assert credentials.verifies(party.sign(BODY), BODY)
    assert not credentials.verifies(party.sign(BODY), BODY + b" ")
    assert not credentials.verifies(PARTY.sign(BODY), BODY)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("principal", Role)
def test_a_party_acts_only_for_a_principal_that_its_role_can_have(role: Role, principal: Role) -> None:
    if may_act_for(role, principal):
        assert CA.enrol(role, "x", principal, CLOCK).actor.on_behalf_of is principal
    else:
        with pytest.raises(PartyError, match=f"{role} cannot act for {principal}"):
            CA.enrol(role, "x", principal, CLOCK)


@pytest.mark.parametrize("name", ["", " ", "x" * 65, "two\nlines", "bell\x07", "\u202eright to left"])
def test_an_unusable_name_is_refused(name: str) -> None:
    with pytest.raises(PartyError, match="1 to 64 printable characters"):
        CA.enrol(Role.GWH, name)


def test_a_name_of_any_language_is_usable() -> None:
    for name in ("x", "ÄÖÜ ß €", "電力量計", "x" * 64, "O'Neil, Ltd.; #7 <x>"):
        assert CA.enrol(Role.GWH, name).actor.name == name


def test_the_authority_lives_as_long_as_it_says() -> None:
    certificate = OperationsAuthority.create("Testing CA", CLOCK).certificate
    assert certificate.not_valid_before_utc == START
    assert certificate.not_valid_after_utc == START + AUTHORITY_LIFETIME
    assert certificate.subject.rfc4514_string() == "CN=Testing CA"


def namesake() -> OperationsAuthority:
    """A CA of the same name with another key."""
    return OperationsAuthority.create(clock=CLOCK)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: namesake().enrol(Role.GWH, "x").certificate_der, "not issued by the pinned"),
        (lambda: OperationsAuthority.create("Other").enrol(Role.GWH, "x").certificate_der, "not issued by the pinned"),
        (lambda: CA.certificate.public_bytes(serialization.Encoding.DER), "something else than signing"),
        (lambda: namesake().certificate.public_bytes(serialization.Encoding.DER), "not issued by the pinned"),
        (lambda: b"", "not issued by the pinned"),
        (lambda: b"certificate", "not issued by the pinned"),
        (lambda: PARTY.certificate_der[:-1], "not issued by the pinned"),
        (lambda: PARTY.certificate_der + b"\x00", "not issued by the pinned"),
        (lambda: with_bits_unused(CA), "said to be unused"),
        (lambda: PARTY.certificate.public_bytes(serialization.Encoding.PEM), "not issued by the pinned"),
        (lambda: issued(is_ca=True), "something else than signing"),
        (lambda: issued(is_ca=True, usage=SIGNS_CERTIFICATES), "something else than signing"),
        (lambda: issued(usage=ENCRYPTS), "something else than signing"),
        (lambda: issued(is_ca=None), "not issued by the pinned"),
        (lambda: issued(usage=None), "not issued by the pinned"),
        (lambda: issued(key=ec.generate_private_key(ec.SECP384R1()).public_key()), "not on P-256"),
        (lambda: issued(key=ec.generate_private_key(ec.SECP256K1()).public_key()), "not on P-256"),
        (lambda: issued(key=ec.generate_private_key(ec.BrainpoolP256R1()).public_key()), "not on P-256"),
        (lambda: issued(key=ed25519.Ed25519PrivateKey.generate().public_key()), "not on P-256"),
        (lambda: issued(key=rsa.generate_private_key(65537, 2048).public_key()), "not on P-256"),
        (lambda: issued(subject=name_of((NameOID.COMMON_NAME, "M"))), "without a role"),
        (lambda: issued(subject=name_of((NameOID.COMMON_NAME, "M"), (NameOID.TITLE, "KING"))), "without a role"),
        (lambda: issued(subject=name_of((NameOID.TITLE, "GWA"))), "without a name"),
        (lambda: issued(subject=name_of((NameOID.COMMON_NAME, "M"), (NameOID.TITLE, "MONTEUR"))), "cannot have"),
        (
            lambda: issued(
                subject=name_of(
                    (NameOID.COMMON_NAME, "M"), (NameOID.TITLE, "GWA"), (NameOID.ORGANIZATIONAL_UNIT_NAME, "GWH")
                )
            ),
            "cannot have",
        ),
        (
            lambda: issued(
                subject=name_of(
                    (NameOID.COMMON_NAME, "M"), (NameOID.TITLE, "GWA"), (NameOID.ORGANIZATIONAL_UNIT_NAME, "KING")
                )
            ),
            "without a role",
        ),
        (
            lambda: issued(subject=name_of((NameOID.COMMON_NAME, "M"), (NameOID.TITLE, "GWA"), (NameOID.TITLE, "GWH"))),
            "2 values",
        ),
        (
            lambda: issued(
                subject=name_of((NameOID.COMMON_NAME, "M"), (NameOID.COMMON_NAME, "N"), (NameOID.TITLE, "GWA"))
            ),
            "2 values",
        ),
    ],
)
def test_what_is_no_party_certificate_gives_no_credentials(make: Callable[[], bytes], reason: str) -> None:
    with pytest.raises(PartyError, match=reason):
        TRUST.credentials(make())


def test_a_sound_certificate_of_that_kind_gives_credentials() -> None:
    """The one above is refused for what is unusual about each, not for how the test makes it."""
    assert TRUST.credentials(issued()).actor.role is Role.MONTEUR


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_no_flipped_bit_in_a_certificate_is_accepted_or_breaks_the_reader() -> None:
    """Every bit there is: versions, algorithms, curves and lengths that the library has its own words for."""
    for bit in range(len(PARTY.certificate_der) * 8):
        damaged = bytearray(PARTY.certificate_der)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(PartyError):
            TRUST.credentials(bytes(damaged))


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(PARTY.certificate_der) - 1), st.integers(0, 255)), min_size=1, max_size=3))
def test_no_rewritten_certificate_is_accepted_or_breaks_the_reader(changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(PARTY.certificate_der)
    for place, value in changes:
        damaged[place] = value
    if bytes(damaged) != PARTY.certificate_der:
        with pytest.raises(PartyError):
            TRUST.credentials(bytes(damaged))


def test_credentials_are_remembered_and_the_memory_is_bounded() -> None:
    trust = Trust(CA.certificate)
    first = trust.credentials(PARTY.certificate_der)
    assert trust.credentials(PARTY.certificate_der) is first
    trust._known.update({str(number).encode(): first for number in range(5000)})
    other = CA.enrol(Role.GWH, "x", clock=CLOCK)
    assert trust.credentials(other.certificate_der).actor == other.actor
    assert len(trust._known) < 5000


def test_a_party_is_saved_and_loaded(tmp_path: Path) -> None:
    PARTY.save(tmp_path / "deep" / "down")
    loaded = Party.load(tmp_path / "deep" / "down")
    assert loaded.actor == PARTY.actor
    assert loaded.certificate_der == PARTY.certificate_der
    assert TRUST.credentials(PARTY.certificate_der).verifies(loaded.sign(BODY), BODY)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_key_file_is_for_its_owner_only(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        PARTY.save(tmp_path / "party")
        OperationsAuthority.open(tmp_path / "ca", CLOCK)
    finally:
        os.umask(before)
    for path in (tmp_path / "party" / "party.key", tmp_path / "ca" / "ca.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    for path in (tmp_path / "party" / "party.pem", tmp_path / "ca" / "ca.pem"):
        assert b"PRIVATE" not in path.read_bytes()


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    PARTY.save(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for party in (PARTY, CA.enrol(Role.GWH, "x")):
        with pytest.raises(PartyError, match="never overwritten"):
            party.save(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_authority_is_created_once(tmp_path: Path) -> None:
    first = OperationsAuthority.open(tmp_path / "ca", CLOCK)
    again = OperationsAuthority.open(tmp_path / "ca", CLOCK)
    assert again.certificate == first.certificate
    party = again.enrol(Role.GWH, "x", clock=CLOCK)
    assert Trust.load(tmp_path / "ca" / "ca.pem").credentials(party.certificate_der).actor == party.actor
    assert first.certificate.not_valid_before_utc == START


def test_an_authority_whose_certificate_is_gone_is_not_made_anew_over_its_key(tmp_path: Path) -> None:
    OperationsAuthority.open(tmp_path, CLOCK)
    (tmp_path / "ca.pem").unlink()
    key = (tmp_path / "ca.key").read_bytes()
    with pytest.raises(PartyError, match="never overwritten"):
        OperationsAuthority.open(tmp_path, CLOCK)
    assert (tmp_path / "ca.key").read_bytes() == key


def _no_key(folder: Path) -> None:
    (folder / "party.key").unlink()


def _no_certificate(folder: Path) -> None:
    (folder / "party.pem").unlink()


def _text_as_key(folder: Path) -> None:
    (folder / "party.key").write_text("key")


def _text_as_certificate(folder: Path) -> None:
    (folder / "party.pem").write_text("certificate")


def _another_key(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    (folder / "party.key").write_bytes(_pem(key, serialization.NoEncryption()))


def _encrypted_key(folder: Path) -> None:
    key = serialization.load_pem_private_key((folder / "party.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    (folder / "party.key").write_bytes(_pem(key, serialization.BestAvailableEncryption(b"secret")))


def _rsa_key(folder: Path) -> None:
    (folder / "party.key").write_bytes(_pem(rsa.generate_private_key(65537, 2048), serialization.NoEncryption()))


def _pem(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, encryption: serialization.KeySerializationEncryption
) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_no_key, "cannot read .*party.key"),
        (_no_certificate, "cannot read .*party.pem"),
        (_text_as_key, "no PEM certificate or unencrypted key"),
        (_text_as_certificate, "no PEM certificate or unencrypted key"),
        (_encrypted_key, "no PEM certificate or unencrypted key"),
        (_another_key, "does not belong to"),
        (_rsa_key, "does not belong to"),
    ],
)
def test_files_that_do_not_fit_are_refused_without_a_word_of_the_key(
    tmp_path: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    PARTY.save(tmp_path)
    spoil(tmp_path)
    with pytest.raises(PartyError, match=reason) as caught:
        Party.load(tmp_path)
    assert "PRIVATE" not in str(caught.value)


def test_a_pinned_certificate_has_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(PartyError, match="cannot read"):
        Trust.load(tmp_path / "missing.pem")
    (tmp_path / "text.pem").write_text("certificate")
    with pytest.raises(PartyError, match="cannot read"):
        Trust.load(tmp_path / "text.pem")


def secret_of(party: Party) -> str:
    number = party._key.private_numbers().private_value
    return f"{number:064x}"


def test_a_private_key_is_in_no_repr_and_is_not_serialised() -> None:
    secret = secret_of(PARTY)
    for text in (repr(PARTY), str(PARTY), repr(CA), repr([PARTY]), f"{PARTY}", repr(vars(CA)), repr(PARTY._key)):
        assert secret not in text
        assert str(int(secret, 16)) not in text
        assert "PRIVATE" not in text
    for copied in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            copied(PARTY)
    with pytest.raises(TypeError):
        pickle.dumps(CA)


def test_a_failure_while_signing_tells_nothing_of_the_key() -> None:
    with pytest.raises(TypeError) as caught:
        PARTY.sign("text")  # type: ignore[arg-type]
    assert secret_of(PARTY) not in str(caught.value)


def test_a_certificate_is_addressed_by_the_hash_of_its_der() -> None:
    assert fingerprint_of(PARTY.certificate_der) == PARTY.certificate.fingerprint(hashes.SHA256()).hex()
    assert PARTY.actor.certificate == fingerprint_of(PARTY.certificate_der)


def test_parties_of_one_name_differ_by_their_certificate() -> None:
    other = CA.enrol(Role.MONTEUR, "Müller & Söhne", clock=CLOCK)
    assert other.actor != PARTY.actor
    assert (other.actor.role, other.actor.name) == (PARTY.actor.role, PARTY.actor.name)


def test_the_cast_plays_every_role() -> None:
    assert {party.actor.role for party in cast().parties.values()} == set(Role)
    assert all(
        isinstance(cast().trust.credentials(party.certificate_der), Credentials) for party in cast().parties.values()
    )
