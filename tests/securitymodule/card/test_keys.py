"""Keys made in the module: what they sign verifies elsewhere, what they agree on others agree on too."""

from __future__ import annotations

import copy
import hashlib
import pickle
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from securitymodule import tlv
from securitymodule.apdu import ResponseApdu, StatusWord
from securitymodule.card.keys import generated, shared_secret, signature
from securitymodule.card.vault import Vault
from securitymodule.coding import (
    AGREE_OWN,
    AGREE_SECRET,
    ENC_KEYS,
    OPERATIONAL_A_KEYS,
    PRELIMINARY_KEYS,
    Algorithm,
    Ins,
    KeyRef,
    ModuleState,
    Parameters,
    Tag,
)
from securitymodule.curves import (
    BRAINPOOL_P256R1,
    BRAINPOOL_P384R1,
    CURVES,
    Curve,
    agree,
    decode_point,
    der_signature,
    encode_point,
    generate_key,
    sign_digest,
)
from tests.securitymodule.card.conftest import ModuleAt
from tests.securitymodule.card.pki import Pki
from tests.securitymodule.card.terminal import SYSTEM_PIN, TRANSPORT_PIN, Terminal

HASHES = {
    Algorithm.ECDSA_SHA256: hashes.SHA256(),
    Algorithm.ECDSA_SHA384: hashes.SHA384(),
    Algorithm.ECDSA_SHA512: hashes.SHA512(),
}
MESSAGE = b"Zaehlerstand"


@pytest.fixture
def terminal(module_at: ModuleAt) -> Terminal:
    found = Terminal(module_at(ModuleState.INITIALISED))
    found.establish(TRANSPORT_PIN)
    return found


def generate(terminal: Terminal, key: KeyRef, curve: Curve) -> ec.EllipticCurvePublicKey:
    """A pair on any curve."""
    told = terminal.done(
        Ins.GENERATE_ASYMMETRIC_KEY_PAIR, key, tlv.encode(Tag.GENERATED_DOMAIN, bytes((curve.domain,)))
    )
    parts = tlv.decode_unique(tlv.decode_one(told, Tag.PUBLIC_KEY))
    assert tlv.decode_oid(parts[Tag.OBJECT_IDENTIFIER]) == curve.oid
    assert terminal.done(Ins.GENERATE_ASYMMETRIC_KEY_PAIR, 0x0100 | key) == told
    return decode_point(curve, parts[Tag.PUBLIC_POINT])


def agreement(terminal: Terminal, **objects: bytes) -> ResponseApdu:
    """GENERAL AUTHENTICATE; keyword arguments are tags, such as ``x81``."""
    inner = tlv.encode_all({int(tag[1:], 16): value for tag, value in objects.items()})
    return terminal.send(Ins.GENERAL_AUTHENTICATE, 0, tlv.encode(Tag.DYNAMIC_AUTHENTICATION, inner))


def answered(response: ResponseApdu) -> dict[int, bytes]:
    assert response.sw == StatusWord.OK
    return tlv.decode_unique(tlv.decode_one(response.data, Tag.DYNAMIC_AUTHENTICATION))


@pytest.mark.parametrize("algorithm", HASHES, ids=lambda algorithm: algorithm.name)
@pytest.mark.parametrize("curve", CURVES, ids=str)
def test_signatures_verify_with_cryptography(terminal: Terminal, curve: Curve, algorithm: Algorithm) -> None:
    public = generate(terminal, KeyRef.PRELIMINARY_SIG, curve)
    digest = hashlib.new(HASHES[algorithm].name, MESSAGE).digest()
    response = terminal.sign(KeyRef.PRELIMINARY_SIG, digest, algorithm)
    assert response.sw == StatusWord.OK
    public.verify(der_signature(curve, response.data), MESSAGE, ec.ECDSA(HASHES[algorithm]))
    public.verify(der_signature(curve, response.data), digest, ec.ECDSA(Prehashed(HASHES[algorithm])))


@pytest.mark.parametrize("curve", CURVES, ids=str)
def test_signatures_verify_with_openssl(terminal: Terminal, tmp_path: Path, curve: Curve) -> None:
    public = generate(terminal, KeyRef.PRELIMINARY_TLS, curve)
    response = terminal.sign(KeyRef.PRELIMINARY_TLS, hashlib.sha256(MESSAGE).digest())
    (tmp_path / "key.pem").write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "signature").write_bytes(der_signature(curve, response.data))
    (tmp_path / "message").write_bytes(MESSAGE)
    command = ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "signature", "message"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout.strip()) == (0, "Verified OK")
    (tmp_path / "message").write_bytes(MESSAGE + b".")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode != 0


@pytest.mark.parametrize("curve", CURVES, ids=str)
def test_static_agreement_with_openssl(terminal: Terminal, tmp_path: Path, curve: Curve) -> None:
    """ECKA-EG with OpenSSL as the sender, its ephemeral key made by it too."""
    own = generate(terminal, KeyRef.PRELIMINARY_ENC, curve)
    (tmp_path / "own.pem").write_bytes(own.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    name = {"secp256r1": "prime256v1"}.get(curve.name, curve.name)
    for command in (
        f"openssl ecparam -name {name} -genkey -noout -out sender.key",
        "openssl ec -in sender.key -pubout -conv_form uncompressed -outform DER -out sender.der",
        "openssl pkeyutl -derive -inkey sender.key -peerkey own.pem -out secret",
    ):
        subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=True)
    sender = (tmp_path / "sender.der").read_bytes()[-curve.point_size :]
    chosen = {Tag.MECHANISM: int(Algorithm.ECKA_EG), Tag.PRIVATE_KEY_REFERENCE: int(KeyRef.PRELIMINARY_ENC)}
    assert terminal.choose(Parameters.MSE_AGREE, chosen).sw == StatusWord.OK
    for _ in range(2):
        secret = answered(agreement(terminal, x81=sender))[AGREE_SECRET]
        assert secret == (tmp_path / "secret").read_bytes()


def ephemeral(terminal: Terminal, curve: Curve, algorithm: Algorithm = Algorithm.ECKA_DH) -> int:
    chosen = {Tag.MECHANISM: int(algorithm), Tag.DOMAIN: curve.domain}
    return terminal.choose(Parameters.MSE_AGREE, chosen).sw


@pytest.mark.parametrize("algorithm", [Algorithm.ECKA_DH, Algorithm.ECKA_EG], ids=lambda algorithm: algorithm.name)
@pytest.mark.parametrize("curve", CURVES, ids=str)
def test_ephemeral_agreement(terminal: Terminal, curve: Curve, algorithm: Algorithm) -> None:
    peer = generate_key(curve)
    point = encode_point(peer.public_key())
    assert ephemeral(terminal, curve, algorithm) == StatusWord.OK
    at_once = answered(agreement(terminal, x81=point))
    assert at_once[AGREE_SECRET] == agree(peer, decode_point(curve, at_once[AGREE_OWN]))
    again = answered(agreement(terminal, x81=point))
    assert again[AGREE_OWN] != at_once[AGREE_OWN]
    made = answered(agreement(terminal))
    assert made.keys() == {AGREE_OWN}
    used = answered(agreement(terminal, x81=point, x82=made[AGREE_OWN]))
    assert used == {AGREE_SECRET: agree(peer, decode_point(curve, made[AGREE_OWN]))}
    assert agreement(terminal, x81=point, x82=made[AGREE_OWN]).sw == StatusWord.REFERENCE_NOT_FOUND
    # Without its name none that waits is used: what comes now is made anew.
    waiting = answered(agreement(terminal))[AGREE_OWN]
    assert answered(agreement(terminal, x81=point))[AGREE_OWN] != waiting


def test_an_ephemeral_key_is_used_once_whatever_comes_of_it(terminal: Terminal) -> None:
    point = encode_point(generate_key(BRAINPOOL_P256R1).public_key())
    assert ephemeral(terminal, BRAINPOOL_P256R1) == StatusWord.OK
    made = answered(agreement(terminal))[AGREE_OWN]
    assert agreement(terminal, x81=point[:-1], x82=made).sw == StatusWord.INCORRECT_DATA
    assert agreement(terminal, x81=point, x82=made).sw == StatusWord.REFERENCE_NOT_FOUND
    made = answered(agreement(terminal))[AGREE_OWN]
    assert agreement(terminal, x82=made).sw == StatusWord.INCORRECT_DATA
    assert agreement(terminal, x81=point, x82=made).sw == StatusWord.REFERENCE_NOT_FOUND
    assert agreement(terminal, x81=point, x82=made[:-1]).sw == StatusWord.REFERENCE_NOT_FOUND


def test_points_that_are_none(terminal: Terminal) -> None:
    good = encode_point(generate_key(BRAINPOOL_P256R1).public_key())
    elsewhere = encode_point(generate_key(BRAINPOOL_P384R1).public_key())
    beside = good[:-1] + bytes((good[-1] ^ 1,))
    generate(terminal, KeyRef.PRELIMINARY_ENC, BRAINPOOL_P256R1)
    chosen = {Tag.MECHANISM: int(Algorithm.ECKA_EG), Tag.PRIVATE_KEY_REFERENCE: int(KeyRef.PRELIMINARY_ENC)}
    assert terminal.choose(Parameters.MSE_AGREE, chosen).sw == StatusWord.OK
    for point in (b"", b"\x00", beside, elsewhere, b"\x02" + good[1:33], b"\x04" + bytes(64), good + b"\x00"):
        assert agreement(terminal, x81=point).sw == StatusWord.INCORRECT_DATA
    assert agreement(terminal).sw == StatusWord.INCORRECT_DATA
    assert agreement(terminal, x82=good).sw == StatusWord.INCORRECT_DATA
    assert agreement(terminal, x81=good, x82=good).sw == StatusWord.INCORRECT_DATA
    assert agreement(terminal, x83=good).sw == StatusWord.INCORRECT_DATA
    assert answered(agreement(terminal, x81=good)).keys() == {AGREE_SECRET}


def test_what_each_key_is_for(module_at: ModuleAt) -> None:
    """TLS and SIG keys sign and agree on nothing; ENC keys agree, and sign only until they are certified."""
    terminal = Terminal(module_at(ModuleState.OPERATIONAL))
    terminal.establish(SYSTEM_PIN)
    for key in (*PRELIMINARY_KEYS, *OPERATIONAL_A_KEYS):
        expected = StatusWord.CONDITIONS_NOT_SATISFIED if key in ENC_KEYS else StatusWord.OK
        assert terminal.sign(key, bytes(32)).sw == expected
        chosen = {Tag.MECHANISM: int(Algorithm.ECKA_EG), Tag.PRIVATE_KEY_REFERENCE: int(key)}
        agrees = StatusWord.OK if key in ENC_KEYS else StatusWord.REFERENCE_NOT_FOUND
        assert terminal.choose(Parameters.MSE_AGREE, chosen).sw == agrees
    for key in (KeyRef.ATTESTATION, KeyRef.GWA_SIG, KeyRef.OPERATIONAL_B_SIG):
        assert terminal.sign(key, bytes(32)).sw == StatusWord.REFERENCE_NOT_FOUND
    chosen = {Tag.MECHANISM: int(Algorithm.ECDSA_SHA256), Tag.PUBLIC_KEY_REFERENCE: int(KeyRef.GWA_ENC)}
    assert terminal.choose(Parameters.MSE_VERIFY, chosen).sw == StatusWord.REFERENCE_NOT_FOUND


def test_an_enc_key_signs_its_own_request(terminal: Terminal) -> None:
    generate(terminal, KeyRef.PRELIMINARY_ENC, BRAINPOOL_P256R1)
    assert terminal.sign(KeyRef.PRELIMINARY_ENC, bytes(32)).sw == StatusWord.OK


def test_environment(terminal: Terminal) -> None:
    generate(terminal, KeyRef.PRELIMINARY_SIG, BRAINPOOL_P256R1)
    sign = (Ins.PERFORM_SECURITY_OPERATION, Parameters.PSO_COMPUTE_SIGNATURE)
    assert terminal.send(*sign, bytes(32)).sw == StatusWord.CONDITIONS_NOT_SATISFIED
    assert terminal.sign(KeyRef.PRELIMINARY_SIG, bytes(32)).sw == StatusWord.OK
    assert terminal.send(*sign, bytes(32)).sw == StatusWord.OK
    assert terminal.send(*sign, bytes(31)).sw == StatusWord.INCORRECT_DATA
    assert terminal.send(*sign, bytes(32), None).sw == StatusWord.WRONG_LENGTH
    assert terminal.send(*sign, bytes(32), 63).sw == StatusWord.WRONG_LENGTH
    for objects in (
        {Tag.MECHANISM: 0x20, Tag.PRIVATE_KEY_REFERENCE: 2},
        {Tag.MECHANISM: int(Algorithm.ECKA_DH), Tag.PRIVATE_KEY_REFERENCE: 2},
        {Tag.MECHANISM: 0x21},
        {Tag.MECHANISM: 0x21, Tag.PRIVATE_KEY_REFERENCE: 2, 0x85: 1},
    ):
        assert terminal.choose(Parameters.MSE_SIGN, objects).sw == StatusWord.INCORRECT_DATA
    # A choice that failed leaves none behind.
    assert terminal.send(*sign, bytes(32)).sw == StatusWord.CONDITIONS_NOT_SATISFIED
    assert terminal.sign(KeyRef.PRELIMINARY_SIG, bytes(32)).sw == StatusWord.OK
    assert terminal.send(Ins.SELECT, 0x000C).sw == StatusWord.OK
    assert terminal.send(*sign, bytes(32)).sw == StatusWord.CONDITIONS_NOT_SATISFIED
    for objects in (
        {Tag.MECHANISM: int(Algorithm.ECKA_DH), Tag.PRIVATE_KEY_REFERENCE: 3},
        {Tag.MECHANISM: int(Algorithm.ECDSA_SHA256), Tag.DOMAIN: 13},
        {Tag.MECHANISM: int(Algorithm.ECKA_EG)},
    ):
        assert terminal.choose(Parameters.MSE_AGREE, objects).sw == StatusWord.INCORRECT_DATA
    unknown = {Tag.MECHANISM: int(Algorithm.ECKA_DH), Tag.DOMAIN: 99}
    assert terminal.choose(Parameters.MSE_AGREE, unknown).sw == StatusWord.REFERENCE_NOT_FOUND


def test_verifying_in_the_module(module_at: ModuleAt, pki: Pki) -> None:
    terminal = Terminal(module_at(ModuleState.OPERATIONAL))
    terminal.establish(SYSTEM_PIN)
    chosen = {Tag.MECHANISM: int(Algorithm.ECDSA_SHA256), Tag.PUBLIC_KEY_REFERENCE: int(KeyRef.GWA_SIG)}
    assert terminal.choose(Parameters.MSE_VERIFY, chosen).sw == StatusWord.OK
    digest = hashlib.sha256(MESSAGE).digest()
    good = sign_digest(pki.administrator[KeyRef.GWA_SIG], hashes.SHA256(), digest)

    def verify(hashed: bytes, made: bytes) -> int:
        data = tlv.encode_all({Tag.HASH: hashed, Tag.SIGNATURE_INPUT: made})
        return terminal.send(Ins.PERFORM_SECURITY_OPERATION, Parameters.PSO_VERIFY_SIGNATURE, data).sw

    assert verify(digest, good) == StatusWord.OK
    assert verify(bytes(32), good) == StatusWord.AUTHENTICATION_FAILED
    assert verify(digest, bytes(64)) == StatusWord.AUTHENTICATION_FAILED
    assert verify(digest, good[:-1]) == StatusWord.AUTHENTICATION_FAILED
    assert verify(digest[:-1], good) == StatusWord.INCORRECT_DATA


def test_external_authentication_is_for_one_challenge_of_one_module(module_at: ModuleAt, pki: Pki) -> None:
    terminal = Terminal(module_at(ModuleState.OPERATIONAL))
    terminal.establish(SYSTEM_PIN)
    assert terminal.administrate(pki, "TEST-0002").sw == StatusWord.AUTHENTICATION_FAILED
    assert terminal.administrate(pki).sw == StatusWord.OK
    assert terminal.send(Ins.EXTERNAL_AUTHENTICATE, 0, bytes(64)).sw == StatusWord.CONDITIONS_NOT_SATISFIED
    assert terminal.send(Ins.TERMINATE_CARD_USAGE, 0).sw == StatusWord.SECURITY_STATUS_NOT_SATISFIED
    assert terminal.send(Ins.GET_CHALLENGE, 0, le=8).sw == StatusWord.OK
    assert terminal.send(Ins.EXTERNAL_AUTHENTICATE, 0, bytes(64)).sw == StatusWord.CONDITIONS_NOT_SATISFIED
    assert terminal.send(Ins.GET_CHALLENGE, 0, le=None).sw == StatusWord.WRONG_LENGTH


def test_generating_again(terminal: Terminal) -> None:
    first = generate(terminal, KeyRef.PRELIMINARY_TLS, BRAINPOOL_P256R1)
    second = generate(terminal, KeyRef.PRELIMINARY_TLS, BRAINPOOL_P384R1)
    assert encode_point(first) != encode_point(second)
    for data in (b"", b"\x80\x01\x00", b"\x80\x02\x0d\x0d", b"\x81\x01\x0d"):
        response = terminal.send(Ins.GENERATE_ASYMMETRIC_KEY_PAIR, KeyRef.PRELIMINARY_TLS, data)
        assert response.sw == StatusWord.INCORRECT_DATA
    for key in (KeyRef.ATTESTATION, KeyRef.GWA_TLS, KeyRef.ROOT, 0x00, 0xFF):
        response = terminal.send(Ins.GENERATE_ASYMMETRIC_KEY_PAIR, key, b"\x80\x01\x0d")
        assert response.sw == StatusWord.REFERENCE_NOT_FOUND


def test_a_key_pair_keeps_its_secret() -> None:
    vault = Vault(bytes(range(32)))
    pair = generated(vault, BRAINPOOL_P256R1)
    with vault.opened(b"private key of " + pair.point, pair.private) as plain:
        secret = bytes(plain)
        kept = plain
    assert kept == bytes(len(secret))
    for text in (repr(pair), str(pair), repr(vault), pickle.dumps(pair).hex(), repr(copy.deepcopy(pair))):
        assert secret.hex() not in text
        assert secret[7:39].hex() not in text
    for act in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not serialised"):
            act(vault)
    assert len(signature(vault, pair, Algorithm.ECDSA_SHA256, bytes(32))) == 64
    with pytest.raises(Exception, match="does not come out of the vault"):
        shared_secret(Vault(bytes(32)), pair, pair.point)
