"""What the SM-PKI asks of a path beyond RFC 5280: profiles, who issues what, algorithms of tier and year."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from smpki.algorithms import (
    END_ENTITY_SUITE,
    GENERATIONS,
    Curve,
    Generation,
    Tier,
    curve_of,
    generation_of_root,
    generation_of_sub_ca,
)
from smpki.errors import NameRuleError, PolicyError
from smpki.keys import uncompressed
from smpki.names import Function
from smpki.path_errors import Failure, PathInvalid, describe
from smpki.profiles import LINK, ROOT, SUB_CA, Profile, profile_of


def profile_in_path(certificate: x509.Certificate) -> Profile:
    try:
        return profile_of(certificate)
    except NameRuleError as error:
        raise PathInvalid(Failure.NAME, describe(certificate), f"has a name that is not given here: {error}") from error
    except PolicyError as error:
        raise PathInvalid(Failure.USAGE, describe(certificate), f"follows no profile: {error}") from error
    except ValueError as error:
        raise PathInvalid(Failure.MALFORMED, describe(certificate), f"cannot be read: {error}") from error


def check_order(path: Sequence[x509.Certificate], profiles: Sequence[Profile]) -> None:
    """Root, link certificates, at most one Sub-CA, an end entity: nothing else follows anything."""
    for index in range(1, len(path)):
        above, here = profiles[index - 1], profiles[index]
        fits = above in {ROOT, LINK} if here in {LINK, SUB_CA} else above is SUB_CA
        if not fits and not (here.tier is Tier.END_ENTITY and here.function is Function.CA and above.is_ca):
            words = f"was issued under a {above} certificate, which issues no such thing"
            raise PathInvalid(Failure.USAGE, describe(path[index]), words)


def check_algorithms(path: Sequence[x509.Certificate], profiles: Sequence[Profile]) -> None:
    """Curves, hashes and years by tier (TR-03116-3 ch. 3); a Sub-CA goes with the Root above it (footnote 2).

    The year is that of notBefore, which stands for when the certificate was made.

    :raises PathInvalid: if one of the path is made otherwise.
    """
    for index, (certificate, profile) in enumerate(zip(path, profiles, strict=True)):
        above = max(index - 1, 0)
        generation = _generation(path[above], profiles[above])
        _check_key(certificate, _curves(profile, generation))
        suite = generation.suite(profiles[above].tier)
        found = certificate.signature_algorithm_oid
        if found != suite.signature_oid:
            words = f"was signed with {found._name} ({found.dotted_string}), not with {suite}"
            raise PathInvalid(Failure.ALGORITHM, describe(certificate), words)
        year = certificate.not_valid_before_utc.year
        if not generation.covers(year):
            words = f"was made in {year} with {suite}, which is admitted {generation.years} (TR-03116-3 table 5)"
            raise PathInvalid(Failure.ALGORITHM, describe(certificate), words)


def _generation(issuer: x509.Certificate, profile: Profile) -> Generation:
    try:
        curve = curve_of(issuer.public_key())
        return generation_of_root(curve) if profile.tier is Tier.ROOT else generation_of_sub_ca(curve)
    except PolicyError as error:
        raise PathInvalid(Failure.CURVE, describe(issuer), f"has the wrong key: {error}") from error


def _curves(profile: Profile, generation: Generation) -> frozenset[Curve]:
    """Where the key of a certificate may be, by its kind and the generation it was made in."""
    if profile is LINK:
        return frozenset(known.root.curve for known in GENERATIONS)
    if profile.tier is Tier.END_ENTITY:
        return frozenset({END_ENTITY_SUITE.curve})
    return frozenset({generation.suite(profile.tier).curve})


def _check_key(certificate: x509.Certificate, curves: frozenset[Curve]) -> None:
    key = certificate.public_key()
    try:
        curve = curve_of(key)
    except PolicyError as error:
        raise PathInvalid(Failure.CURVE, describe(certificate), f"has {error}") from error
    if curve not in curves:
        words = f"has a key on {curve}, not on {' or '.join(sorted(curves))}"
        raise PathInvalid(Failure.CURVE, describe(certificate), words)
    assert isinstance(key, ec.EllipticCurvePublicKey)  # noqa: S101  curve_of has said so
    if uncompressed(key) not in certificate.tbs_certificate_bytes:
        words = "has a key whose point is not encoded uncompressed (TR-03116-3 2.2)"
        raise PathInvalid(Failure.CURVE, describe(certificate), words)
