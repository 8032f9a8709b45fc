"""What a certificate of each kind contains: the profiles of Root, Sub-CA and end entities.

TR-03109-4 fixes the profiles and is not public in full. The three tiers, the triple of keys and the algorithms are
from TR-03116-3 ch. 3 and TR-03129-4; key usage is known from practice; every life time here is ours.

The life times fit into one another: a CA stops issuing early enough that nothing it issued outlives it. A Root signs
for five of its fifteen years, a Sub-CA for three of its ten, and a seal, the longest of the rest, lasts seven.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum, unique
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from smpki.algorithms import END_ENTITY_SUITE, Generation, Tier, curve_of
from smpki.errors import NameRuleError, PolicyError
from smpki.names import Function, PkiName
from smpki.oids import OPERATIONAL_POLICY, SEAL_POLICY


@unique
class KeyUse(StrEnum):
    """What a key is for. Every end entity has one key for each (Zertifikatstripel)."""

    TLS = "TLS"
    """Authenticates its holder in TLS (TR-03116-3 ch. 4)."""
    SIG = "SIG"
    """Signs content data (TR-03116-3 8.2) and requests."""
    ENC = "ENC"
    """Agrees on keys for content data (TR-03116-3 8.1.2)."""


@unique
class RequestType(StrEnum):
    """The kind of certificate that is asked for (certType of TR-03129-4 2.3.2)."""

    SMGW_W = "SMGW-W"
    """Operational certificates of a gateway (Wirkzertifikate)."""
    SMGW_G = "SMGW-G"
    """Seal of approval certificates of a gateway (Gütesiegelzertifikate), its preliminary ones."""
    GWA = "GWA"
    """Certificates of an administrator."""
    GWH = "GWH"
    """Certificates of a manufacturer."""
    EMT = "EMT"
    """Certificates of an external market participant."""
    SUB_CA = "Sub-CA"
    """The certificate of a Sub-CA, from the Root."""

    @property
    def function(self) -> Function:
        """What such a requester is."""
        return _FUNCTIONS[self]

    @property
    def uses(self) -> frozenset[KeyUse]:
        """Which keys a request package of this type holds: the whole triple; none of these for a Sub-CA."""
        return frozenset() if self is RequestType.SUB_CA else frozenset(KeyUse)


_FUNCTIONS: Final = {
    RequestType.SMGW_W: Function.SMGW,
    RequestType.SMGW_G: Function.SMGW,
    RequestType.GWA: Function.GWA,
    RequestType.GWH: Function.GWH,
    RequestType.EMT: Function.EMT,
    RequestType.SUB_CA: Function.CA,
}

_YEAR: Final = timedelta(days=365)

_USAGE_BITS: Final = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of certificate."""

    label: str
    """How this project writes the kind, such as ``SMGW-W/TLS``; ours."""
    tier: Tier
    """Level of the holder (TR-03116-3 ch. 3)."""
    function: Function
    """Function that the holder's name must have (TR-03129-4 2.3.2 names the types)."""
    key_usage: frozenset[str]
    """Bits of keyUsage, which is critical (RFC 5280 4.2.1.3; which ones: from practice)."""
    lifetime: timedelta
    """notAfter less notBefore; ours, for TR-03109-4 fixes it and is not public."""
    use: KeyUse | None = None
    """Which key of the triple (TR-03116-3 ch. 4, 8.1, 8.2); ``None`` for a CA."""
    extended_key_usage: tuple[ObjectIdentifier, ...] = ()
    """extendedKeyUsage, not critical (RFC 5280 4.2.1.12; from practice)."""
    signs_for: timedelta | None = None
    """How long after notBefore a CA issues certificates; CRLs it signs to the end. Ours."""
    path_length: int | None = None
    """pathLenConstraint: CAs that may follow; ours: none after a Sub-CA."""
    crl_lifetime: timedelta | None = None
    """nextUpdate less thisUpdate of the CRLs that a CA signs; ours."""
    policy: ObjectIdentifier | None = None
    """certificatePolicies, which tells a gateway's preliminary certificates from its operational ones; ours."""
    extension: str | None = None
    """What the holder's common name must end with after the function; ours."""
    may_have_hosts: bool = False
    """Whether subjectAltName may name the hosts that the holder serves on; ours."""

    def __str__(self) -> str:
        return self.label

    @property
    def is_ca(self) -> bool:
        """Whether such a certificate's key signs certificates (RFC 5280 4.2.1.9)."""
        return "key_cert_sign" in self.key_usage

    @property
    def usage(self) -> x509.KeyUsage:
        """The keyUsage extension."""
        bits = {bit: bit in self.key_usage for bit in _USAGE_BITS}
        return x509.KeyUsage(**bits, encipher_only=False, decipher_only=False)


_CA_USAGE: Final = frozenset({"key_cert_sign", "crl_sign"})
_END_ENTITY_USAGE: Final = {
    KeyUse.TLS: frozenset({"digital_signature"}),
    KeyUse.SIG: frozenset({"digital_signature"}),
    KeyUse.ENC: frozenset({"key_agreement"}),
}
_TLS_PURPOSES: Final = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)

ROOT: Final = Profile(
    label="Root",
    tier=Tier.ROOT,
    function=Function.CA,
    key_usage=_CA_USAGE,
    lifetime=15 * _YEAR,
    signs_for=5 * _YEAR,
    crl_lifetime=timedelta(days=30),
)
"""The Root's own certificate. It bounds no path, so that chains over link certificates fit under it; ours."""

LINK: Final = Profile(
    label="Link",
    tier=Tier.ROOT,
    function=Function.CA,
    key_usage=_CA_USAGE,
    lifetime=15 * _YEAR,
)
"""A new Root's key, certified by the Root before it (Link-Zertifikat, TR-03129-4 2.3.3). It bounds no path either."""

SUB_CA: Final = Profile(
    label="Sub-CA",
    tier=Tier.SUB_CA,
    function=Function.CA,
    key_usage=_CA_USAGE,
    lifetime=10 * _YEAR,
    signs_for=3 * _YEAR,
    path_length=0,
    crl_lifetime=timedelta(days=7),
)
"""A Sub-CA. Its name constraint holds everything under it in its own PKI, test or production; ours."""

SERVICE: Final = Profile(
    label="Service/TLS",
    tier=Tier.END_ENTITY,
    function=Function.CA,
    key_usage=_END_ENTITY_USAGE[KeyUse.TLS],
    lifetime=2 * _YEAR,
    use=KeyUse.TLS,
    extended_key_usage=_TLS_PURPOSES,
    extension="TLS",
    may_have_hosts=True,
)
"""TLS of a CA's own web service (TR-03129-4 1.2); issued by that CA, named ``<organisation>.CA.TLS``; ours."""


def _triple(
    request_type: RequestType, lifetime: timedelta, policy: ObjectIdentifier | None
) -> dict[tuple[RequestType, KeyUse], Profile]:
    return {
        (request_type, use): Profile(
            label=f"{request_type}/{use}",
            tier=Tier.END_ENTITY,
            function=request_type.function,
            key_usage=_END_ENTITY_USAGE[use],
            lifetime=lifetime,
            use=use,
            extended_key_usage=_TLS_PURPOSES if use is KeyUse.TLS else (),
            policy=policy,
            may_have_hosts=use is KeyUse.TLS and request_type.function is not Function.SMGW,
        )
        for use in KeyUse
    }


END_ENTITIES: Final[Mapping[tuple[RequestType, KeyUse], Profile]] = {
    **_triple(RequestType.SMGW_G, 7 * _YEAR, SEAL_POLICY),
    **_triple(RequestType.SMGW_W, 2 * _YEAR, OPERATIONAL_POLICY),
    **_triple(RequestType.GWA, 2 * _YEAR, None),
    **_triple(RequestType.GWH, 2 * _YEAR, None),
    **_triple(RequestType.EMT, 2 * _YEAR, None),
}
"""The triples. EMT renew every two years (a Sub-CA's public pages); the same for the others is ours."""

PROFILES: Final[Mapping[str, Profile]] = {
    profile.label: profile for profile in (ROOT, LINK, SUB_CA, SERVICE, *END_ENTITIES.values())
}
"""Every profile by its label."""


def profile_of(certificate: x509.Certificate) -> Profile:
    """Which profile a certificate follows, told from what is in it.

    :raises NameRuleError: if its names are not of the SM-PKI.
    :raises PolicyError: if it follows none: wrong usage for its name, no policy, extensions missing.
    """
    name = PkiName.of(certificate.subject)
    issuer = PkiName.of(certificate.issuer)
    if issuer.environment is not name.environment:
        raise NameRuleError(f"{name} of {name.environment} has a certificate from {issuer.environment}")
    extensions = certificate.extensions
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage)
    except x509.ExtensionNotFound as error:
        raise PolicyError(f"the certificate of {name} has no keyUsage") from error
    if not usage.critical:
        raise PolicyError(f"the keyUsage of {name} is not critical")
    policies = _policies(extensions)
    purposes = _purposes(extensions)
    for profile in PROFILES.values():
        if (
            profile.function is name.function
            and profile.extension == name.extension
            and profile.usage == usage.value
            and set(profile.extended_key_usage) == purposes
            and _policy_fits(profile, policies)
            and _ca_fits(profile, name, certificate)
        ):
            return profile
    bits = ", ".join(bit for bit in _USAGE_BITS if getattr(usage.value, bit)) or "nothing"
    raise PolicyError(f"no certificate of {name} is for {bits}, with these purposes and policies")


def _ca_fits(profile: Profile, name: PkiName, certificate: x509.Certificate) -> bool:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        is_ca = constraints.value.ca
    except x509.ExtensionNotFound:
        is_ca = False
    if is_ca is not profile.is_ca:
        return False
    if not is_ca:
        return True
    if profile in {ROOT, LINK}:
        return name.is_root and (certificate.subject == certificate.issuer) is (profile is ROOT)
    return not name.is_root


def _policies(extensions: x509.Extensions) -> set[ObjectIdentifier]:
    try:
        found = extensions.get_extension_for_class(x509.CertificatePolicies).value
    except x509.ExtensionNotFound:
        return set()
    return {policy.policy_identifier for policy in found}


def _policy_fits(profile: Profile, policies: set[ObjectIdentifier]) -> bool:
    # Policies that we do not know may stand beside ours: only these two tell kinds apart.
    return policies & {SEAL_POLICY, OPERATIONAL_POLICY} == ({profile.policy} if profile.policy else set())


def _purposes(extensions: x509.Extensions) -> set[ObjectIdentifier]:
    try:
        return set(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return set()


def key_use_of(certificate: x509.Certificate) -> KeyUse:
    """Which key of a triple a certificate is for.

    :raises NameRuleError: as :func:`profile_of`.
    :raises PolicyError: as :func:`profile_of`, or if it is a CA's.
    """
    profile = profile_of(certificate)
    if profile.use is None:
        raise PolicyError(f"the {profile} certificate of {PkiName.of(certificate.subject)} is of no triple")
    return profile.use


def check_end_entity_key(key: object) -> None:
    """Whether an end entity may have this public key (TR-03116-3 tables 6, 21 and 23).

    :raises PolicyError: if not.
    """
    if curve_of(key) is not END_ENTITY_SUITE.curve:
        raise PolicyError(f"an end entity's key is on {END_ENTITY_SUITE.curve}, not on {curve_of(key)}")


def check_sub_ca_key(key: object, generation: Generation) -> None:
    """Whether a Sub-CA under a Root of that generation may have this public key (TR-03116-3 table 5).

    :raises PolicyError: if not.
    """
    if curve_of(key) is not generation.sub_ca.curve:
        raise PolicyError(f"a Sub-CA under this Root has its key on {generation.sub_ca.curve}, not on {curve_of(key)}")
