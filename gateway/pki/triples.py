"""Triples of certificates (Zertifikatstripel): what belongs together, for which keys, and how it is asked for.

A triple goes into the module in the order TLS, SIG, ENC. A pair for ENC signs its own request only as long as it has no
certificate, so a request can be made again until the last certificate of the triple is in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from cryptography import x509

from gateway.pki.keys import CertificateRefused, ModuleSigningKey, certificate_in, import_issued
from securitymodule.client import SecurityModule
from securitymodule.coding import KeyRef
from securitymodule.curves import curve_by_name
from smpki.algorithms import END_ENTITY_SUITE
from smpki.errors import NameRuleError, PolicyError
from smpki.names import Environment, Function, PkiName
from smpki.profiles import END_ENTITIES, KeyUse, RequestType, profile_of
from smpki.requests import request_triple

Places = Mapping[KeyUse, KeyRef]
"""Key objects of the module by use."""


def triple_of(
    certificates: Iterable[x509.Certificate], request_type: RequestType, gateway: str | None = None
) -> dict[KeyUse, x509.Certificate]:
    """Three certificates by use.

    :param request_type: which kind they are to be.
    :param gateway: whose they are to be, DIN 43863-5; ``None`` for anybody's.
    :raises CertificateRefused: if they are not one triple of this kind, or another's.
    """
    found: dict[KeyUse, x509.Certificate] = {}
    names: set[PkiName] = set()
    kinds = {END_ENTITIES[request_type, use]: use for use in KeyUse}
    for certificate in certificates:
        try:
            profile = profile_of(certificate)
            names.add(PkiName.of(certificate.subject))
        except (PolicyError, NameRuleError, ValueError) as error:
            raise CertificateRefused(f"a certificate of no kind that is known: {error}") from error
        if profile not in kinds or kinds[profile] in found:
            raise CertificateRefused(f"a triple of {request_type} has one certificate each for TLS, SIG and ENC")
        found[kinds[profile]] = certificate
    if len(found) != len(KeyUse):
        raise CertificateRefused(f"a triple of {request_type} has three certificates, not {len(found)}")
    if len(names) != 1:
        raise CertificateRefused("the certificates of a triple have one name and one number")
    name = names.pop()
    if gateway is not None and name.organisation != gateway:
        raise CertificateRefused(f"the certificates are those of {name.organisation}, and this is {gateway}")
    return {use: found[use] for use in KeyUse}


def make_keys(module: SecurityModule, places: Places) -> bool:
    """Generate the pairs of a triple that are not there yet (brainpoolP256r1, TR-03116-3 tables 6, 21 and 23).

    :returns: whether any was missing.
    :raises CommandRefused: if the module does not do it.
    """
    curve = curve_by_name(END_ENTITY_SUITE.curve)
    missing = [key for key in places.values() if module.public_key(key) is None]
    for key in missing:
        module.generate_key_pair(key, curve)
    return bool(missing)


def fits_keys(module: SecurityModule, places: Places, certificates: Mapping[KeyUse, x509.Certificate]) -> bool:
    """Whether a triple of certificates is for the pairs in these places."""
    return all(module.public_key(places[use]) == certificates[use].public_key() for use in KeyUse)


def has_triple(module: SecurityModule, places: Places) -> bool:
    """Whether all three certificates of these places are in the module."""
    return all(module.certificate(key) is not None for key in places.values())


def request(
    module: SecurityModule, places: Places, request_type: RequestType, gateway: str, environment: Environment
) -> bytes:
    """The package that asks for a triple for the pairs in these places, without outer signature (DER).

    :raises CertificateRefused: if the triple is in the module already.
    :raises KeyStoreError: if a pair is missing.
    """
    if has_triple(module, places):
        raise CertificateRefused("the certificates for these keys are in the module already")
    keys = {use: ModuleSigningKey(module, key) for use, key in places.items()}
    return request_triple(request_type, PkiName(gateway, Function.SMGW, environment), keys)


def import_triple(module: SecurityModule, places: Places, certificates: Mapping[KeyUse, x509.Certificate]) -> bool:
    """Bring a triple in, what is missing of it, under the Sub-CA that the session believes.

    :returns: whether anything was missing.
    :raises CommandRefused: if the module does not believe one.
    """
    new = [use for use in KeyUse if import_issued(module, places[use], certificates[use])]
    return bool(new)


def number_of(certificate: x509.Certificate) -> int:
    """Which generation of its holder's certificates it is of (SERIALNUMBER in the name)."""
    return PkiName.of(certificate.subject).number


def held_in(module: SecurityModule, places: Places) -> dict[KeyUse, x509.Certificate]:
    """The certificates that are in these places, by use."""
    found = {use: certificate_in(module, key) for use, key in places.items()}
    return {use: certificate for use, certificate in found.items() if certificate is not None}


def earliest_end(certificates: Iterable[x509.Certificate]) -> datetime | None:
    """When the first of them ends, UTC; ``None`` where there are none."""
    return min((certificate.not_valid_after_utc for certificate in certificates), default=None)
