"""The security module as gateway and stations use it: what it can do, as calls.

Every call is whole in itself: it selects what it needs and leaves nothing behind that another would have to know of.
Which of them succeed depends on the module's state and on who has authenticated himself; the module decides, and
refuses by :class:`securitymodule.errors.CommandRefused`. The coding is in :mod:`securitymodule.coding`.

::

    with SecurityModule.open("module:/var/lib/smgw/module", system_pin) as module:
        signature = module.sign(KeyRef.OPERATIONAL_A_SIG, Algorithm.ECDSA_SHA256, digest)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec

from securitymodule import tlv
from securitymodule.apdu import StatusWord
from securitymodule.coding import (
    AGREE_OWN,
    AGREE_PEER,
    AGREE_SECRET,
    CERTIFICATE_FILES,
    CHALLENGE_BYTES,
    P1_DELETE_KEY,
    P1_GENERATE,
    P1_READ_PUBLIC,
    Algorithm,
    Ins,
    KeyRef,
    ModuleState,
    Parameters,
    Tag,
    external_authentication_message,
)
from securitymodule.curves import Curve, CurveError, curve_by_oid, curve_of, decode_point, der_signature, encode_point
from securitymodule.errors import CommandRefused, ProtocolError
from securitymodule.module_access import LONG_ANSWER, ModuleAccess
from securitymodule.session import value_of
from securitymodule.statements import InitialisationFile
from securitymodule.wiping import wipe

_SEQUENCE: Final = 0x30
_WRONG: Final = frozenset({StatusWord.AUTHENTICATION_FAILED})


class Agreement(NamedTuple):
    """What an ephemeral key agreement gives.

    :ivar own: the module's ephemeral public key.
    :ivar secret: ZAB, the shared secret value: an x-coordinate as long as the prime. To be given to a key derivation.
    """

    own: ec.EllipticCurvePublicKey
    secret: bytes


class SecurityModule(ModuleAccess):
    """A module in use. Close it, or use it as a context manager.

    Threads may share it: a call that takes several commands keeps others out until it is through.
    """

    # Keys and certificates

    def generate_key_pair(self, key: KeyRef, curve: Curve) -> ec.EllipticCurvePublicKey:
        """Make a new pair in the module, in the place of one without a certificate.

        :returns: its public key.
        :raises CommandRefused: 6985, the pair that is there has a certificate (:meth:`delete_key` erases both first),
            or the module's state never allows it; 6982, an authentication is missing.
        """
        what = f"generating {key.name}"
        data = tlv.encode(Tag.GENERATED_DOMAIN, bytes((curve.domain,)))
        return self._public_key(what, P1_GENERATE, key, data)

    def public_key(self, key: KeyRef) -> ec.EllipticCurvePublicKey | None:
        """The public key that is in the module under this reference, ``None`` where there is none."""
        try:
            return self._public_key(f"reading the public key of {key.name}", P1_READ_PUBLIC, key)
        except CommandRefused as refused:
            if refused.sw == StatusWord.REFERENCE_NOT_FOUND:
                return None
            raise

    def delete_key(self, key: KeyRef) -> None:
        """Erase a key, and its certificate with it."""
        self._session.command(f"deleting {key.name}", Ins.DELETE, P1_DELETE_KEY << 8 | key)

    def import_root(self, certificate: bytes) -> None:
        """Import the SM-PKI root certificate, the anchor of everything else.

        :param certificate: self-signed, DER.
        """
        data = tlv.encode_all({Tag.PUBLIC_KEY_REFERENCE: bytes((KeyRef.ROOT,)), Tag.CERTIFICATE: certificate})
        self._session.command("importing the root", Ins.PERFORM_SECURITY_OPERATION, Parameters.PSO_IMPORT_ROOT, data)

    def import_certificate(self, key: KeyRef, certificate: bytes, issuer: KeyRef, algorithm: Algorithm) -> None:
        """Import a certificate, and the public key in it where the module has not made that key itself.

        :param key: what to import it as.
        :param certificate: X.509, DER.
        :param issuer: the key in the module that must have signed it: a root, or the Sub-CA imported before.
        :param algorithm: how it is signed.
        """
        what = f"importing the certificate of {key.name}"
        data = tlv.encode_all({Tag.PUBLIC_KEY_REFERENCE: bytes((key,)), Tag.CERTIFICATE: certificate})
        with self._session.lock:
            self._set_verifying(what, issuer, algorithm)
            self._session.command(what, Ins.PERFORM_SECURITY_OPERATION, Parameters.PSO_VERIFY_CERTIFICATE, data)

    def certificate(self, key: KeyRef) -> bytes | None:
        """The certificate of a key (DER), ``None`` where there is none."""
        content = self.read_file(CERTIFICATE_FILES[key])
        if not content.startswith(bytes((_SEQUENCE,))):
            return None
        try:
            return content[: tlv.first_length(content)]
        except tlv.TlvError as error:
            raise ProtocolError(f"the certificate file of {key.name} holds none: {error}") from None

    # Signatures

    def sign(self, key: KeyRef, algorithm: Algorithm, digest: bytes) -> bytes:
        """A signature over a hash value.

        :param digest: as long as the algorithm's hash.
        :returns: plain, r || s (TR-03111, 5.2.1.1); :meth:`sign_der` gives the other form.
        """
        what = f"signing with {key.name}"
        objects = {Tag.MECHANISM: bytes((algorithm,)), Tag.PRIVATE_KEY_REFERENCE: bytes((key,))}
        with self._session.lock:
            self._session.set_environment(what, Parameters.MSE_SIGN, objects)
            response = self._session.command(
                what, Ins.PERFORM_SECURITY_OPERATION, Parameters.PSO_COMPUTE_SIGNATURE, digest, LONG_ANSWER
            )
        return response.data

    def sign_der(self, key: KeyRef, algorithm: Algorithm, digest: bytes, curve: Curve) -> bytes:
        """The same as DER (ECDSA-Sig-Value), the form of certificates, CMS and TLS.

        :param curve: the key's.
        """
        try:
            return der_signature(curve, self.sign(key, algorithm, digest))
        except CurveError as error:
            raise ProtocolError(f"signing with {key.name}: {error}") from None

    def verify(self, key: KeyRef, algorithm: Algorithm, digest: bytes, signature: bytes) -> bool:
        """Whether a plain signature over a hash value is that of a public key in the module."""
        what = f"verifying a signature of {key.name}"
        data = tlv.encode_all({Tag.HASH: digest, Tag.SIGNATURE_INPUT: signature})
        with self._session.lock:
            self._set_verifying(what, key, algorithm)
            response = self._session.command(
                what, Ins.PERFORM_SECURITY_OPERATION, Parameters.PSO_VERIFY_SIGNATURE, data, accept=_WRONG
            )
        return response.sw == StatusWord.OK

    # Key agreement

    def agree(self, key: KeyRef, peer: ec.EllipticCurvePublicKey) -> bytes:
        """The shared secret of one of the module's ENC keys and the sender's ephemeral key (ECKA-EG, receiving).

        :returns: ZAB, an x-coordinate.
        """
        what = f"agreeing with {key.name}"
        mechanism = {Tag.MECHANISM: bytes((Algorithm.ECKA_EG,)), Tag.PRIVATE_KEY_REFERENCE: bytes((key,))}
        with self._session.lock:
            self._session.set_environment(what, Parameters.MSE_AGREE, mechanism)
            return value_of(what, self._agreement_step(what, {AGREE_PEER: encode_point(peer)}), AGREE_SECRET)

    def agree_ephemeral(self, peer: ec.EllipticCurvePublicKey, algorithm: Algorithm = Algorithm.ECKA_DH) -> Agreement:
        """A new ephemeral key of the module's, agreed with *peer* and erased.

        :param algorithm: ECKA-DH with the peer's ephemeral key (a TLS client), or ECKA-EG with its static one
            (sending).
        """
        what = "agreeing with an ephemeral key"
        curve = curve_of(peer)
        with self._session.lock:
            self._set_ephemeral(what, curve, algorithm)
            answer = self._agreement_step(what, {AGREE_PEER: encode_point(peer)})
        own = _point(what, curve, value_of(what, answer, AGREE_OWN))
        return Agreement(own, value_of(what, answer, AGREE_SECRET))

    def begin_agreement(self, curve: Curve) -> ec.EllipticCurvePublicKey:
        """Make an ephemeral key for :meth:`finish_agreement` (ECKA-DH; a TLS server).

        Agreements may overlap, :data:`securitymodule.coding.MOST_WAITING` of them: one more, and the key that waits
        longest is erased.
        """
        what = "making an ephemeral key"
        with self._session.lock:
            self._set_ephemeral(what, curve, Algorithm.ECKA_DH)
            return _point(what, curve, value_of(what, self._agreement_step(what, {}), AGREE_OWN))

    def finish_agreement(self, own: ec.EllipticCurvePublicKey, peer: ec.EllipticCurvePublicKey) -> bytes:
        """Use a key of :meth:`begin_agreement`, and erase it.

        :param own: which.
        :returns: ZAB, an x-coordinate.
        :raises CommandRefused: if it does not wait any more: used, erased for a newer one, or gone with its channel.
        """
        what = "agreeing with the ephemeral key"
        points = {AGREE_PEER: encode_point(peer), AGREE_OWN: encode_point(own)}
        with self._session.lock:
            self._set_ephemeral(what, curve_of(own), Algorithm.ECKA_DH)
            return value_of(what, self._agreement_step(what, points), AGREE_SECRET)

    # Authentication, random numbers, life

    def challenge(self, count: int) -> bytes:
        """Random bytes of the module's."""
        what = "asking for random bytes"
        data = self._session.command(what, Ins.GET_CHALLENGE, Parameters.NONE, le=count).data
        if len(data) != count:
            raise ProtocolError(f"{what}: {len(data)} came instead of {count}")
        return data

    def authenticate_externally(
        self,
        sign: Callable[[bytes], bytes],
        key: KeyRef = KeyRef.GWA_SIG,
        algorithm: Algorithm = Algorithm.ECDSA_SHA256,
    ) -> None:
        """Let the GWA authenticate itself to the module.

        :param sign: gives the GWA's plain signature over the message it is handed, which is to be hashed first as
            *algorithm* says. The GWA is usually far away.
        :raises CommandRefused: if the signature is wrong.
        """
        what = "authenticating the GWA"
        objects = {Tag.MECHANISM: bytes((algorithm,)), Tag.PUBLIC_KEY_REFERENCE: bytes((key,))}
        with self._session.lock:
            serial = self.information().serial
            self._session.set_environment(what, Parameters.MSE_EXTERNAL_AUTHENTICATE, objects)
            message = external_authentication_message(serial, self.challenge(CHALLENGE_BYTES))
            self._session.command(what, Ins.EXTERNAL_AUTHENTICATE, Parameters.NONE, sign(message))

    def initialise(self, file: InitialisationFile) -> None:
        """Tell a new module who it is (Initialisierung)."""
        data = file.encode()
        try:
            self._session.command("initialising", Ins.PUT_DATA, Parameters.INITIALISATION, data)
        finally:
            wipe(data)

    def activate(self, state: ModuleState) -> None:
        """Move the module on to *state*, if what that stands for is in it."""
        self._session.command(f"moving on to {state.name}", Ins.ACTIVATE, state)

    def terminate(self) -> None:
        """End the module's life, for good. Its keys are erased."""
        self._session.command("terminating", Ins.TERMINATE_CARD_USAGE, Parameters.NONE)

    def _public_key(self, what: str, p1: int, key: KeyRef, data: bytes = b"") -> ec.EllipticCurvePublicKey:
        response = self._session.command(what, Ins.GENERATE_ASYMMETRIC_KEY_PAIR, p1 << 8 | key, data, le=LONG_ANSWER)
        try:
            curve = curve_by_oid(tlv.decode_oid(value_of(what, response.data, Tag.PUBLIC_KEY, Tag.OBJECT_IDENTIFIER)))
        except ValueError as error:
            raise ProtocolError(f"{what}: {error}") from None
        return _point(what, curve, value_of(what, response.data, Tag.PUBLIC_KEY, Tag.PUBLIC_POINT))

    def _set_verifying(self, what: str, key: KeyRef, algorithm: Algorithm) -> None:
        objects = {Tag.MECHANISM: bytes((algorithm,)), Tag.PUBLIC_KEY_REFERENCE: bytes((key,))}
        self._session.set_environment(what, Parameters.MSE_VERIFY, objects)

    def _set_ephemeral(self, what: str, curve: Curve, algorithm: Algorithm) -> None:
        objects = {Tag.MECHANISM: bytes((algorithm,)), Tag.DOMAIN: bytes((curve.domain,))}
        self._session.set_environment(what, Parameters.MSE_AGREE, objects)

    def _agreement_step(self, what: str, objects: dict[int, bytes]) -> bytes:
        data = tlv.encode(Tag.DYNAMIC_AUTHENTICATION, tlv.encode_all(objects))
        response = self._session.command(what, Ins.GENERAL_AUTHENTICATE, Parameters.NONE, data, LONG_ANSWER)
        return value_of(what, response.data, Tag.DYNAMIC_AUTHENTICATION)


def _point(what: str, curve: Curve, encoded: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return decode_point(curve, encoded)
    except CurveError as error:
        raise ProtocolError(f"{what}: the module's answer is no public key: {error}") from None
