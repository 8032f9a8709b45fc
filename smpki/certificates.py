"""Makes certificates and CRLs (RFC 5280) after their profiles; who may have one is not decided here."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from smpki.algorithms import Digest
from smpki.errors import PolicyError
from smpki.keys import BuilderKey, SigningKey, digest_of
from smpki.names import PkiName, namespace
from smpki.profiles import LINK, SUB_CA, Profile


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be certified."""

    profile: Profile
    """The kind of certificate."""
    name: PkiName
    """The holder, with the generation that the certificate is to have."""
    public_key: ec.EllipticCurvePublicKey
    """The holder's key."""
    hosts: tuple[str, ...] = ()
    """Host names and IP addresses for subjectAltName, where the profile has them."""
    crl_urls: tuple[str, ...] = ()
    """Where the issuer's CRL can be fetched (cRLDistributionPoints)."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signs."""

    name: PkiName
    """The CA."""
    key: SigningKey
    """Its key."""
    digest: Digest
    """The hash it takes (TR-03116-3 table 5)."""


class Revocation(NamedTuple):
    """A line of a CRL."""

    serial: int
    """Serial number of the certificate."""
    time: datetime
    """Since when, UTC."""
    reason: x509.ReasonFlags
    """Why (RFC 5280 5.3.1); certificateHold for a suspension."""


def compose(order: Order, issuer: Issuer, serial: int, at: datetime, not_after: datetime) -> x509.Certificate:
    """A signed certificate.

    :param serial: its number, positive, at most 20 bytes (RFC 5280 4.1.2.2).
    :param at: notBefore, UTC; parts of a second are cut.
    :param not_after: notAfter, UTC.
    :raises PolicyError: if hosts are asked for where the profile has none, or one cannot be read.
    """
    profile, key = order.profile, order.public_key
    if order.hosts and not profile.may_have_hosts:
        raise PolicyError(f"a certificate {profile} names no hosts")
    builder = (
        x509.CertificateBuilder()
        .subject_name(order.name.distinguished())
        .issuer_name(issuer.name.distinguished())
        .public_key(key)
        .serial_number(serial)
        .not_valid_before(at.replace(microsecond=0))
        .not_valid_after(not_after.replace(microsecond=0))
        .add_extension(x509.BasicConstraints(profile.is_ca, profile.path_length), critical=True)
        .add_extension(profile.usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key),
            critical=False,
        )
    )
    if profile.extended_key_usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage(profile.extended_key_usage), critical=False)
    if profile.policy is not None:
        policies = x509.CertificatePolicies([x509.PolicyInformation(profile.policy, None)])
        builder = builder.add_extension(policies, critical=False)
    if profile in {SUB_CA, LINK}:
        below = x509.DirectoryName(x509.Name(namespace(order.name.environment)))
        builder = builder.add_extension(x509.NameConstraints([below], None), critical=True)
    if order.hosts:
        builder = builder.add_extension(san_of(order.hosts), critical=False)
    if order.crl_urls:
        points = [
            x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None) for url in order.crl_urls
        ]
        builder = builder.add_extension(x509.CRLDistributionPoints(points), critical=False)
    return builder.sign(BuilderKey(issuer.key), issuer.digest.algorithm)


def compose_crl(
    revocations: Iterable[Revocation], issuer: Issuer, number: int, at: datetime, lifetime: timedelta
) -> x509.CertificateRevocationList:
    """A signed, complete CRL.

    :param number: cRLNumber, rising (RFC 5280 5.2.3).
    :param at: thisUpdate, UTC; parts of a second are cut.
    :param lifetime: to nextUpdate.
    """
    this_update = at.replace(microsecond=0)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.name.distinguished())
        .last_update(this_update)
        .next_update(this_update + lifetime)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key),
            critical=False,
        )
    )
    for line in revocations:
        entry = (
            x509.RevokedCertificateBuilder()
            .serial_number(line.serial)
            .revocation_date(line.time.replace(microsecond=0))
        )
        if line.reason is not x509.ReasonFlags.unspecified:
            entry = entry.add_extension(x509.CRLReason(line.reason), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(BuilderKey(issuer.key), issuer.digest.algorithm)


def san_of(hosts: Iterable[str]) -> x509.SubjectAlternativeName:
    """subjectAltName of host names and IP addresses.

    :raises PolicyError: if one is neither.
    """
    names: list[x509.GeneralName] = []
    for host in hosts:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            try:
                names.append(x509.DNSName(host))
            except ValueError as error:
                raise PolicyError(f"{host!r} is neither an IP address nor a host name in ASCII") from error
    return x509.SubjectAlternativeName(names)


def hosts_of(certificate: x509.Certificate) -> set[str]:
    """The hosts that a certificate names, as :func:`san_of` takes them."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 over the DER, 64 hexadecimal digits: how this package refers to a certificate."""
    return digest_of(certificate.public_bytes(serialization.Encoding.DER), Digest.SHA256.algorithm).hex()


def key_fingerprint(key: ec.EllipticCurvePublicKey) -> str:
    """SHA-256 over the DER of SubjectPublicKeyInfo, 64 hexadecimal digits."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return digest_of(der, Digest.SHA256.algorithm).hex()
