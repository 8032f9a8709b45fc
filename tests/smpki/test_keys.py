"""Keys: kept to their owner, never shown, and held elsewhere without anybody noticing."""

from __future__ import annotations

import copy
import pickle
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from smpki.algorithms import Curve, Digest
from smpki.authority import Authority
from smpki.errors import KeyStoreError, PolicyError
from smpki.folder import PartyFolder, read_pem, write_pem
from smpki.keys import BuilderKey, SoftwareKey, digest_of, point_on, uncompressed
from smpki.names import Function
from smpki.profiles import KeyUse, RequestType
from smpki.requests import request_triple
from tests.support.pki import World, name


def test_a_key_goes_into_its_file_and_comes_back(tmp_path: Path) -> None:
    key = SoftwareKey.generate(Curve.BRAINPOOL_P256R1)
    path = tmp_path / "deep" / "sig.key"
    key.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SoftwareKey.load(path).public_key == key.public_key
    with pytest.raises(KeyStoreError, match="never overwritten"):
        SoftwareKey.generate(Curve.BRAINPOOL_P256R1).save(path)
    path.write_bytes(b"no key")
    with pytest.raises(KeyStoreError, match="holds no unencrypted PEM key"):
        SoftwareKey.load(path)
    with pytest.raises(KeyStoreError, match="cannot read the key"):
        SoftwareKey.load(tmp_path / "nowhere")


def test_a_key_has_no_way_out_but_its_file() -> None:
    private = ec.generate_private_key(ec.BrainpoolP256R1())
    key = SoftwareKey(private)
    secret = private.private_numbers().private_value
    assert repr(key) == "SoftwareKey(brainpoolP256r1)"
    assert f"{secret:x}" not in repr(vars(key))
    for way in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not serialised"):
            way(key)
    builder = BuilderKey(key)
    assert builder.key_size == 256
    assert builder.curve.name == "brainpoolP256r1"
    assert copy.copy(builder) is copy.deepcopy(builder) is builder
    with pytest.raises(TypeError, match="held elsewhere"):
        builder.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(TypeError, match="held elsewhere"):
        builder.private_numbers()
    with pytest.raises(TypeError, match="signs certificates"):
        builder.exchange(ec.ECDH(), key.public_key)


@pytest.mark.parametrize("curve", Curve)
@pytest.mark.parametrize("digest", Digest)
def test_signatures_over_digests(curve: Curve, digest: Digest) -> None:
    key = SoftwareKey.generate(curve)
    value = digest_of(b"data", digest.algorithm)
    key.public_key.verify(key.sign(value), b"data", ec.ECDSA(digest.algorithm))
    key.public_key.verify(key.sign(value), value, ec.ECDSA(utils.Prehashed(digest.algorithm)))
    with pytest.raises(PolicyError):
        key.sign(digest_of(b"data", hashes.SHA1()))  # noqa: S303  refused


@pytest.mark.parametrize("curve", Curve)
def test_both_sides_agree(curve: Curve) -> None:
    one, other = SoftwareKey.generate(curve), SoftwareKey.generate(curve)
    shared = one.agree(uncompressed(other.public_key))
    assert shared == other.agree(uncompressed(one.public_key))
    assert len(shared) == curve.octets


@pytest.mark.parametrize(
    "point", [b"", b"\x00", b"\x04", b"\x02" + bytes(32), b"\x04" + bytes(64), b"\x04" + bytes(63)]
)
def test_points_that_are_none(point: bytes) -> None:
    with pytest.raises(KeyStoreError):
        point_on(ec.BrainpoolP256R1(), point)


class Held:
    """A key elsewhere: gives signatures, and counts them."""

    def __init__(self, key: SoftwareKey) -> None:
        self._key = key
        self.signatures = 0

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """See :class:`smpki.keys.SigningKey`."""
        return self._key.public_key

    def sign(self, digest: bytes) -> bytes:
        """See :class:`smpki.keys.SigningKey`."""
        self.signatures += 1
        return self._key.sign(digest)


def test_a_ca_whose_key_is_held_elsewhere(world: World) -> None:
    held = Held(world.sub_key)
    sub = Authority(world.store, world.sub.certificate, held, world.root.certificate, world.clock)
    keys = {use: Held(SoftwareKey.generate(Curve.BRAINPOOL_P256R1)) for use in KeyUse}
    sub.issue(request_triple(RequestType.EMT, name("Wer", Function.EMT), keys), operator=True)
    assert held.signatures == 3
    assert [key.signatures for key in keys.values()] == [1, 1, 1]
    world.clock.forward(timedelta(days=5))
    sub.crl()
    assert held.signatures == 4


def test_a_participant_s_folder(tmp_path: Path, world: World) -> None:
    emt = name("Wer", Function.EMT)
    folder = PartyFolder.make(tmp_path / "wer", emt)
    with pytest.raises(KeyStoreError, match="has no certificates yet"):
        folder.signer()
    number, keys = folder.begin()
    again, same = folder.begin()
    assert (number, again) == (1, 1)
    assert [one.public_key for one in keys.values()] == [one.public_key for one in same.values()]
    certificates = world.sub.issue(request_triple(RequestType.EMT, emt, keys), operator=True)
    with pytest.raises(KeyStoreError, match="is not for the key"):
        folder.finish(1, certificates[::-1])
    folder.finish(1, certificates)
    assert PartyFolder.open(tmp_path / "wer").signer().certificate == certificates[1]
    assert folder.begin()[0] == 2
    assert folder.current() is not None  # the second generation has keys only
    with pytest.raises(KeyStoreError, match=r"is the folder of Wer\.EMT"):
        PartyFolder.make(tmp_path / "wer", name("Other", Function.EMT))
    with pytest.raises(KeyStoreError, match="no participant's folder"):
        PartyFolder.open(tmp_path)
    write_pem(tmp_path / "x.pem", *certificates)
    assert read_pem(tmp_path / "x.pem") == certificates[0]
    for wrong in (tmp_path / "nowhere.pem", tmp_path / "wer" / "name"):
        with pytest.raises(KeyStoreError):
            read_pem(wrong)
