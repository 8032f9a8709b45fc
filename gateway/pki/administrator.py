"""The GWA's keys: how the administrator of an initial configuration file is verified and comes into the module (ch. 6).

Whoever is believed in the end is believed by the module: :func:`admit_administrator`. What :func:`check_initial` finds
before, in software, is there to be said in words, and so that a file that is refused changes nothing in the module.
"""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.configuration import ConfigurationError, InitialConfiguration
from gateway.pki.keys import (
    ADMINISTRATOR,
    ALGORITHMS,
    CertificateRefused,
    algorithm_of,
    certificate_in,
    der_of,
    import_issued,
    import_sub_ca,
)
from securitymodule.client import SecurityModule
from securitymodule.coding import KeyRef, ModuleState
from securitymodule.curves import CurveError, curve_of, plain_signature
from securitymodule.errors import CommandRefused
from smpki.algorithms import Digest
from smpki.errors import MessageSignatureError, SmPkiError
from smpki.keys import digest_of
from smpki.names import Function, PkiName
from smpki.path_errors import PathInvalid
from smpki.profiles import KeyUse
from smpki.signed import SignedMessage
from smpki.validation import PathValidator


def check_initial(
    module: SecurityModule, configuration: InitialConfiguration, message: SignedMessage, at: datetime
) -> None:
    """Whether an initial configuration file is in order, as far as software can tell. Changes nothing.

    :param at: the time, UTC.
    :raises ConfigurationError: naming what is not.
    """
    try:
        root = certificate_in(module, KeyRef.ROOT)
    except CertificateRefused as error:
        raise ConfigurationError(str(error)) from error
    if root is None:
        raise ConfigurationError("there is no root in the module that the GWA could be verified against (ch. 4)")
    try:
        validator = PathValidator(root)
    except PathInvalid as error:
        raise ConfigurationError(f"the root in the module: {error}") from error
    check_under(validator, configuration, message, at)


def check_under(
    validator: PathValidator, configuration: InitialConfiguration, message: SignedMessage, at: datetime
) -> None:
    """The same under a root that is at hand: for who is to bring the file, before it is brought.

    :raises ConfigurationError: naming what is not in order.
    """
    if not configuration.issued <= at <= configuration.valid_until:
        told = f"{configuration.issued:%Y-%m-%d %H:%M:%S} to {configuration.valid_until:%Y-%m-%d %H:%M:%S} UTC"
        raise ConfigurationError(f"the file can be imported from {told} only")
    certificates = configuration.administrator_certificates
    names = set()
    try:
        for use, certificate in certificates.items():
            validated = validator.validate(
                certificate,
                at=at,
                intermediates=[configuration.sub_ca],
                crls=configuration.revocation_lists,
                use=use,
                functions=(Function.GWA,),
            )
            names.add(validated.name)
    except PathInvalid as error:
        raise ConfigurationError(f"the GWA is not believed: {error}") from error
    if len(names) != 1 or names.pop().common_name != configuration.administrator:
        raise ConfigurationError(f"the certificates are not one triple of {configuration.administrator}")
    try:
        message.verify(certificates[KeyUse.SIG])
    except MessageSignatureError as error:
        raise ConfigurationError(f"the file is not signed by its GWA: {error}") from error


def holds_administrator(module: SecurityModule, configuration: InitialConfiguration | None = None) -> bool:
    """Whether all public keys of a GWA are in the module.

    :param configuration: whether it is the GWA of this one; ``None`` for anybody.
    """
    if configuration is None:
        return all(module.certificate(key) is not None for key in ADMINISTRATOR.values())
    certificates = configuration.administrator_certificates
    return all(module.certificate(ADMINISTRATOR[use]) == der_of(certificates[use]) for use in KeyUse)


def admit_administrator(module: SecurityModule, configuration: InitialConfiguration, message: SignedMessage) -> None:
    """Have the module verify the GWA's certificates and the file's signature, and import the GWA's keys.

    The SIG key goes in first, for the module verifies a signature with no other key than one it has; then the rest.
    What is in already stays. Once all three are, the module is the GWA's.

    :raises ConfigurationError: if the module does not believe a certificate or the signature, or has another GWA's key.
    :raises ModuleError: if the module cannot be reached.
    """
    certificates = configuration.administrator_certificates
    if module.information().state is not ModuleState.READY:
        raise ConfigurationError(
            "the module is not ready for the GWA's keys: it takes root, seal and integration (ch. 6)"
        )
    for use, certificate in certificates.items():
        held = module.certificate(ADMINISTRATOR[use])
        if held is not None and held != der_of(certificate):
            raise ConfigurationError(f"another GWA's {use} key is in the module")
    try:
        import_sub_ca(module, configuration.sub_ca)
        for use, certificate in certificates.items():
            _check_issued(module, certificate, use)
        if not holds_administrator(module, configuration):
            import_issued(module, ADMINISTRATOR[KeyUse.SIG], certificates[KeyUse.SIG])
        _check_signature(module, message, certificates[KeyUse.SIG])
        for use in (KeyUse.TLS, KeyUse.ENC):
            import_issued(module, ADMINISTRATOR[use], certificates[use])
    except (CommandRefused, CertificateRefused) as error:
        raise ConfigurationError(f"the module does not believe the GWA: {error}") from error


def _check_issued(module: SecurityModule, certificate: x509.Certificate, use: KeyUse) -> None:
    """Have the module verify that its session's Sub-CA signed a certificate.

    :raises ConfigurationError: if not.
    """
    sub_ca = module.public_key(KeyRef.SUB_CA)
    algorithm = algorithm_of(certificate)
    used = next(digest for digest, known in ALGORITHMS.items() if known is algorithm)
    digest = digest_of(certificate.tbs_certificate_bytes, used.algorithm)
    if sub_ca is None or not _verifies(module, KeyRef.SUB_CA, sub_ca, used, digest, certificate.signature):
        raise ConfigurationError(f"the GWA's {use} certificate is not signed by the Sub-CA, says the module")


def _check_signature(module: SecurityModule, message: SignedMessage, certificate: x509.Certificate) -> None:
    """Have the module verify the signature of a file.

    :raises ConfigurationError: if it is not the GWA's.
    """
    key = module.public_key(KeyRef.GWA_SIG)
    try:
        message.verify(certificate)  # that the signed attributes are this content's; the signature is for the module
        used, digest, signature = message.to_verify
    except SmPkiError as error:
        raise ConfigurationError(f"the file is not signed by its GWA: {error}") from error
    if key is None or not _verifies(module, KeyRef.GWA_SIG, key, used, digest, signature):
        raise ConfigurationError("the file is not signed by its GWA, says the module")


def _verifies(
    module: SecurityModule,
    key: KeyRef,
    public: ec.EllipticCurvePublicKey,
    used: Digest,
    digest: bytes,
    signature: bytes,
) -> bool:
    try:
        plain = plain_signature(curve_of(public), signature)
    except CurveError:
        return False
    return module.verify(key, ALGORITHMS[used], digest, plain)


def administrator_in(module: SecurityModule) -> PkiName | None:
    """The GWA whose keys are in the module, ``None`` where there is none."""
    certificate = certificate_in(module, KeyRef.GWA_SIG)
    return None if certificate is None else PkiName.of(certificate.subject)
