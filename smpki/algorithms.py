"""Which curve and hash belong to which tier, and when (TR-03116-3 ch. 3, table 5; ch. 8, tables 21 and 23).

Table 5 changes in 2025, and a Sub-CA changes with the Root above it. So the suites come in generations, of a Root's
and the Sub-CAs' under it; in the year of the change both may be used.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final, TypeAlias

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ObjectIdentifier, SignatureAlgorithmOID

from smpki.errors import PolicyError


@unique
class Tier(StrEnum):
    """A level of the hierarchy (TR-03116-3 ch. 3)."""

    ROOT = "Root"
    """The national trust anchor (Root-CA)."""
    SUB_CA = "Sub-CA"
    """Issues the end entities' certificates."""
    END_ENTITY = "end entity"
    """Endnutzer: GWA, GWH, EMT and gateway, and the web service of a CA."""


@unique
class Curve(StrEnum):
    """A curve that the security module has to know (TR-03116-3 table 4); nothing else is ever accepted."""

    BRAINPOOL_P256R1 = "brainpoolP256r1"
    BRAINPOOL_P384R1 = "brainpoolP384r1"
    BRAINPOOL_P512R1 = "brainpoolP512r1"
    SECP256R1 = "secp256r1"
    SECP384R1 = "secp384r1"

    @property
    def domain(self) -> ec.EllipticCurve:
        """Its domain parameters."""
        return _DOMAINS[self]

    @property
    def octets(self) -> int:
        """Length of a coordinate, bytes."""
        return (self.domain.key_size + 7) // 8


_DOMAINS: Final = {
    Curve.BRAINPOOL_P256R1: ec.BrainpoolP256R1(),
    Curve.BRAINPOOL_P384R1: ec.BrainpoolP384R1(),
    Curve.BRAINPOOL_P512R1: ec.BrainpoolP512R1(),
    Curve.SECP256R1: ec.SECP256R1(),
    Curve.SECP384R1: ec.SECP384R1(),
}


Sha2: TypeAlias = hashes.SHA256 | hashes.SHA384 | hashes.SHA512


@unique
class Digest(StrEnum):
    """A hash function of the SHA-2 family (TR-03116-3 table 3)."""

    SHA256 = "SHA-256"
    SHA384 = "SHA-384"
    SHA512 = "SHA-512"

    @property
    def algorithm(self) -> Sha2:
        """The same, for :mod:`cryptography`."""
        return _HASHES[self]

    @property
    def ecdsa(self) -> ObjectIdentifier:
        """The signature algorithm with it (TR-03111 5.2.2)."""
        return _ECDSA[self]

    @classmethod
    def of_length(cls, octets: int) -> Digest:
        """The function whose values have so many bytes.

        :raises PolicyError: if there is none.
        """
        for digest in cls:
            if digest.algorithm.digest_size == octets:
                return digest
        raise PolicyError(f"a digest of {octets} bytes is none of the SHA-2 family that the SM-PKI uses")


_HASHES: Final[dict[Digest, Sha2]] = {
    Digest.SHA256: hashes.SHA256(),
    Digest.SHA384: hashes.SHA384(),
    Digest.SHA512: hashes.SHA512(),
}

_ECDSA: Final = {
    Digest.SHA256: SignatureAlgorithmOID.ECDSA_WITH_SHA256,
    Digest.SHA384: SignatureAlgorithmOID.ECDSA_WITH_SHA384,
    Digest.SHA512: SignatureAlgorithmOID.ECDSA_WITH_SHA512,
}


@dataclass(frozen=True, slots=True)
class SignatureSuite:
    """A curve and the hash that ECDSA takes with it."""

    curve: Curve
    """Of the signing key."""
    digest: Digest
    """ecdsa-with-SHA256, -SHA384 or -SHA512 (TR-03111 5.2.2)."""

    def __str__(self) -> str:
        return f"ECDSA with {self.digest} on {self.curve}"

    @property
    def signature_oid(self) -> ObjectIdentifier:
        """ecdsa-with-SHA256, -SHA384 or -SHA512 (TR-03111 5.2.2)."""
        return self.digest.ecdsa


@dataclass(frozen=True, slots=True)
class Generation:
    """What a Root and the Sub-CAs under it sign with, in some years (TR-03116-3 table 5)."""

    root: SignatureSuite
    """For the Root's own certificate, its Sub-CAs' certificates and its CRLs."""
    sub_ca: SignatureSuite
    """For end entities' certificates and the Sub-CA's CRLs; changes with the Root above (footnote 2)."""
    first_year: int
    """First year in which certificates may be made with it."""
    last_year: int | None
    """Last year in which certificates may be made with it; ``None`` where the table says 2030+."""

    def covers(self, year: int) -> bool:
        """Whether certificates may be made with it in a year."""
        return self.first_year <= year and (self.last_year is None or year <= self.last_year)

    def suite(self, tier: Tier) -> SignatureSuite:
        """What a CA of a tier signs with."""
        return self.root if tier is Tier.ROOT else self.sub_ca

    @property
    def years(self) -> str:
        """In words."""
        return f"{self.first_year} to {self.last_year}" if self.last_year else f"{self.first_year} on"


GENERATIONS: Final = (
    Generation(
        root=SignatureSuite(Curve.BRAINPOOL_P384R1, Digest.SHA384),
        sub_ca=SignatureSuite(Curve.BRAINPOOL_P256R1, Digest.SHA256),
        first_year=2015,
        last_year=2025,
    ),
    Generation(
        root=SignatureSuite(Curve.BRAINPOOL_P512R1, Digest.SHA512),
        sub_ca=SignatureSuite(Curve.BRAINPOOL_P384R1, Digest.SHA384),
        first_year=2025,
        last_year=None,
    ),
)
"""TR-03116-3 table 5, the older first."""

END_ENTITY_SUITE: Final = SignatureSuite(Curve.BRAINPOOL_P256R1, Digest.SHA256)
"""What end entities sign with and agree keys on, 2015 to 2030+ (TR-03116-3 tables 21 and 23; TLS: table 6)."""


def generation_of_year(year: int) -> Generation:
    """What a new Root of that year uses: the newest generation admitted.

    :raises PolicyError: if table 5 has none.
    """
    for generation in reversed(GENERATIONS):
        if generation.covers(year):
            return generation
    raise PolicyError(f"TR-03116-3 table 5 names nothing for the year {year}")


def generation_of_root(curve: Curve) -> Generation:
    """The generation of a Root whose key is on *curve*.

    :raises PolicyError: if a Root never uses that curve.
    """
    for generation in GENERATIONS:
        if generation.root.curve is curve:
            return generation
    raise PolicyError(f"a Root's key is on brainpoolP384r1 or brainpoolP512r1 (TR-03116-3 table 5), not on {curve}")


def generation_of_sub_ca(curve: Curve) -> Generation:
    """The generation of a Sub-CA whose key is on *curve*.

    :raises PolicyError: if a Sub-CA never uses that curve.
    """
    for generation in GENERATIONS:
        if generation.sub_ca.curve is curve:
            return generation
    raise PolicyError(f"a Sub-CA's key is on brainpoolP256r1 or brainpoolP384r1 (TR-03116-3 table 5), not on {curve}")


def curve_of(key: object) -> Curve:
    """The curve of a public or private key.

    :raises PolicyError: if it is no elliptic curve key, or on another curve.
    """
    if isinstance(key, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey):
        try:
            return Curve(key.curve.name)
        except ValueError as error:
            raise PolicyError(f"a key on {key.curve.name}, which TR-03116-3 table 4 does not have") from error
    raise PolicyError("a key that is not on an elliptic curve")


_BY_CURVE: Final = {
    Curve.BRAINPOOL_P256R1: Digest.SHA256,
    Curve.SECP256R1: Digest.SHA256,
    Curve.BRAINPOOL_P384R1: Digest.SHA384,
    Curve.SECP384R1: Digest.SHA384,
    Curve.BRAINPOOL_P512R1: Digest.SHA512,
}


def suite_of(key: object) -> SignatureSuite:
    """The hash that goes with a signing key: as long as its curve (TR-03116-3 tables 5 and 23).

    :raises PolicyError: if the key is on no curve of ours.
    """
    curve = curve_of(key)
    return SignatureSuite(curve, _BY_CURVE[curve])
