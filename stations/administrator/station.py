"""The administrator (Smart-Meter-Gateway-Administrator, GWA): what it does with its gateways, from the initial
configuration file to the end (ch. 6, 10, 11, 12, 15 to 17).

Everything here was cut short before, somewhere: whatever is called again goes on where it was. Keys that were made are
asked for again, a triple that was issued is the one that comes back, what is in the module is not brought in twice, and
a fact goes on record once. What cannot be undone is done only after the law has been asked.

The GWA's side and the gateway's are two. What the gateway does, its gate lets through or not; what the SM-PKI does is
between the GWA and the CA, and stays possible when the gateway answers nothing any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from cryptography import x509

from gateway.administration import GatewayStatus, Sign
from gateway.configuration import CommunicationData, InitialConfiguration, compose_initial, read_initial
from gateway.core import Gateway
from gateway.evidence import EvidenceError
from gateway.pki.certificates import RENEW_AHEAD, HeldCertificate
from gateway.succession import Succession
from lifecycle.desk import attest, move
from lifecycle.facts import Fact
from lifecycle.functions import Credential
from lifecycle.parties import Clock, Party
from lifecycle.states import Event, State
from securitymodule.apdu import StatusWord
from securitymodule.coding import ModuleState
from securitymodule.curves import curve_of, plain_signature
from securitymodule.errors import CommandRefused
from smpki.algorithms import Digest
from smpki.errors import KeyStoreError
from smpki.folder import Generation, PartyFolder
from smpki.inprocess import PublishingAuthority
from smpki.keys import digest_of
from smpki.names import Environment, PkiName
from smpki.names import Function as Participant
from smpki.orders import AdminOrder, Reason
from smpki.profiles import KeyUse, RequestType
from smpki.requests import authorise
from smpki.signed import Signer
from smpki.validation import PathValidator
from stations.administrator.disturbances import Disturbances, say_nothing
from stations.administrator.issued import AdministrationError, Archive, Looked
from stations.administrator.revocation import Issued, Revocation

CONFIGURATION_VALID: Final = timedelta(days=30)
"""How long an initial configuration file can be imported at most, by its GWA's word; ours."""
_GWA: Final = Credential.GWA_CERTIFICATE
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Renewal:
    """What became of a renewal.

    :ivar renewed: whether there is a new triple.
    :ivar superseded: fingerprints of the certificates that were revoked as superseded.
    :ivar ends: when the first certificate in use ends, UTC.
    """

    renewed: bool
    superseded: tuple[str, ...]
    ends: datetime | None


class Administrator(Disturbances):
    """One GWA.

    :param party: who signs the record; of role GWA.
    :param pki: its keys and certificates in the SM-PKI; of function GWA, certified.
    :param ca: the CA that certifies its gateways.
    :param clock: tells the time, UTC.
    :param root: the pinned Root of the SM-PKI.
    :param earlier: CAs that have certified its gateways before; they are asked, and ordered to revoke, too.
    :param tell: is told what is done, in a few words.
    :raises AdministrationError: if the party acts in another role, or the participant is no GWA. Whoever acts on
        behalf of a GWA is none.
    """

    def __init__(
        self,
        party: Party,
        pki: PartyFolder,
        ca: PublishingAuthority,
        clock: Clock,
        *,
        root: x509.Certificate,
        earlier: Sequence[PublishingAuthority] = (),
        tell: Callable[[str], None] = say_nothing,
    ) -> None:
        super().__init__(party, clock, tell)
        if pki.name.function is not Participant.GWA:
            raise AdministrationError(f"{pki.name} is no GWA in the SM-PKI")
        self._pki = pki
        self._ca = ca
        self._archive = Archive(pki.path / "gateways")
        self._validator = PathValidator(root)
        self._issued = Issued((ca, *earlier), self._validator, self._archive, clock)

    # Vorpersonalisierung II (ch. 6)

    def initial_configuration(
        self, gateway: str, communication: CommunicationData, *, valid_for: timedelta = CONFIGURATION_VALID
    ) -> bytes:
        """The initial configuration file (Initiale Konfigurationsdatei) for a gateway, signed with the SIG key.

        It ends with the first of its CRLs or certificates, whatever *valid_for* says.

        :raises KeyStoreError: if the GWA has no certificates yet.
        :raises ConfigurationError: if the gateway's identification is none, or no gateway would read the file: its CRLs
            have grown too large.
        """
        generation = self._own()
        signer = generation.signer
        chain = self._ca.chain(signer.certificate.issuer)
        wanted = {certificate.subject for certificate in chain}
        crls = [crl for crl in self._ca.crls() if crl.issuer in wanted]
        now = self._clock()
        ends = [now + valid_for, *(end for crl in crls if (end := crl.next_update_utc) is not None)]
        ends += [certificate.not_valid_after_utc for certificate in generation.certificates.values()]
        configuration = InitialConfiguration.of(
            gateway, chain[-1], generation.certificates, crls, communication, now, min(ends)
        )
        file = compose_initial(configuration, signer)
        read_initial(file)
        return file

    # Personalisierung (ch. 10)

    def personalise(self, gateway: Gateway) -> GatewayStatus:
        """Bring the operational certificates (Wirkzertifikate) in, and take the gateway into operation.

        :returns: what the gateway says of itself then.
        :raises lifecycle.law.Unlawful: if it is not its time yet.
        :raises lifecycle.gate.Closed: if the gateway's gate is shut for it.
        :raises Refused: if the CA does not issue.
        :raises CommandRefused: if the module does not take this GWA for its own, or does not believe a certificate.
        """
        if self._standing(gateway).state in {State.FIRST_INSTALLATION, State.PERSONALISATION}:
            self._personalise(gateway)
        elif Fact.OPERATIONAL_CERTIFICATES_IN_MODULE not in self._standing(gateway).evidence:
            self._act(gateway, move(self._party, Event.BEGIN_PERSONALISATION))  # which is refused, with the reason
        return self.status(gateway)

    def _personalise(self, gateway: Gateway) -> None:
        if self._standing(gateway).state is State.FIRST_INSTALLATION:
            self._act(gateway, move(self._party, Event.BEGIN_PERSONALISATION))
        if Fact.OPERATIONAL_CERTIFICATES_IN_MODULE not in self._standing(gateway).evidence:
            triple = _operational(self.status(gateway).certificates.values())
            if not triple:
                self._tell("the gateway makes its operational keys")
                package = self._proven(lambda sign: gateway.administration.request_operational(_GWA, sign))
                triple = self._certified(gateway.id, package)
            self._tell("the operational certificates go into the module")
            sub_ca = self._sub_ca(triple)
            self._proven(lambda sign: gateway.administration.install_operational(_GWA, triple, sub_ca, sign))
            gateway.attest(self._party, Fact.OPERATIONAL_CERTIFICATES_IN_MODULE)
            self._tell(f"on record: {Fact.OPERATIONAL_CERTIFICATES_IN_MODULE}")
        self._act(gateway, move(self._party, Event.BEGIN_OPERATION))

    # Betrieb (ch. 11)

    def status(self, gateway: Gateway) -> GatewayStatus:
        """What the gateway says of itself.

        :raises lifecycle.gate.Closed: if its gate is shut for it.
        :raises ModuleError: if its module cannot be asked.
        """
        return gateway.administration.status(_GWA)

    def renew(self, gateway: Gateway, *, ahead: timedelta = RENEW_AHEAD, keep_old: bool = False) -> Renewal:
        """Renew the operational certificates where they end soon. The old triple is good until the new one is in use;
        then it is revoked as superseded, and retired.

        :param ahead: how long before the end.
        :param keep_old: leave both in the module, for a call to come.
        :raises AdministrationError: if every certificate of the gateway was revoked: nothing is renewed then.
        :raises lifecycle.gate.Closed: if the gateway's gate is shut for it.
        :raises Refused: if the CA does not issue, or does not revoke.
        :raises CommandRefused, CertificateRefused: if the module does not take part.
        """
        if Fact.EVERY_CERTIFICATE_REVOKED in self._standing(gateway).evidence:
            raise AdministrationError(f"every certificate of {gateway.id} was revoked: nothing is renewed any more")
        status = self.status(gateway)
        due = status.ends is not None and status.ends - ahead <= self._clock()
        superseded: list[str] = []
        if due or not keep_old:
            superseded += self._retire(gateway, status)
        if due:
            package = self._proven(lambda sign: gateway.administration.request_renewal(_GWA, sign))
            triple = self._certified(gateway.id, package)
            sub_ca = self._sub_ca(triple)
            self._proven(lambda sign: gateway.administration.install_renewal(_GWA, triple, sub_ca, sign))
            self._tell("the new triple is in use")
            status = self.status(gateway)
            if not keep_old:
                superseded += self._retire(gateway, status)
        return Renewal(due, tuple(superseded), status.ends)

    def _retire(self, gateway: Gateway, status: GatewayStatus) -> list[str]:
        """Revoke what is older than the triple in use, and have the module erase it."""
        current = _operational(status.certificates.values())
        if not current:
            return []
        number = PkiName.of(current[0].subject).number
        old = [
            looked
            for looked in self._issued.look(gateway.id)
            if looked.is_operational and looked.number < number and looked.may_be_revoked
        ]
        self._issued.revoke(old, Reason.SUPERSEDED, self._signer())
        if old:
            self._tell(f"{len(old)} certificates revoked as {Reason.SUPERSEDED}")
        if self._proven(lambda sign: gateway.administration.retire_old(_GWA, sign)):
            self._tell("the triple before is out of the module")
        return [looked.mark for looked in old]

    def admit_firmware(self, gateway: Gateway, digest: bytes) -> bool:
        """Have a gateway's module know the software that the gateway runs from its next start on (ch. 11).

        :param digest: its hash, as :func:`gateway.firmware.digest_of` gives it.
        :returns: whether it is another than before.
        :raises lifecycle.gate.Closed: if the gateway's gate is shut for it.
        :raises CommandRefused: if the module does not take this GWA for its own.
        :raises CertificateRefused: if it is not operational.
        """
        return self._proven(lambda sign: gateway.administration.admit_firmware(_GWA, digest, sign))

    def terminate_module(self, gateway: Gateway) -> None:
        """End the module's life, for good (ch. 11, 16). The GWA itself does it, and nobody on its behalf.

        :raises lifecycle.law.Unlawful: if the law has no place for it now; nothing has been done then.
        :raises lifecycle.gate.Closed: if the gateway's gate is shut for it.
        :raises CommandRefused: if the module does not take this GWA for its own.
        :raises AdministrationError: if it is terminated, and not by this GWA.
        """
        if Fact.MODULE_TERMINATED in self._standing(gateway).evidence:
            return
        self._lawful(gateway, attest(self._party, Fact.MODULE_TERMINATED))
        if not self._terminated_before(gateway):
            self._archive.begin_termination(gateway.id)
            self._proven(lambda sign: gateway.administration.terminate_module(_GWA, sign))
            gateway.attest(self._party, Fact.MODULE_TERMINATED)
        self._tell(f"on record: {Fact.MODULE_TERMINATED}")

    def _terminated_before(self, gateway: Gateway) -> bool:
        """Whether the module was terminated and only the record does not tell of it: then it does now.

        A gateway that starts with such a module shuts its gate, so it is not asked; the module's attestation is enough.
        """
        if not self._archive.termination_begun(gateway.id):
            if gateway.module().information().state is ModuleState.TERMINATED:
                raise AdministrationError(f"the module of {gateway.id} is terminated, and not by this GWA")
            return False
        try:
            gateway.attest(self._party, Fact.MODULE_TERMINATED)
        except EvidenceError:
            return False  # cut short before it came to that
        return True

    # The SM-PKI (ch. 11, 12, 16, 17)

    def certificates(self, gateway: str) -> list[Looked]:
        """Every certificate that a gateway ever got, and what it is by CRLs that are validated.

        :raises Refused: if a CA does not say.
        :raises AdministrationError: if a CA tells of somebody else's.
        """
        return self._issued.look(gateway)

    def revoke_every_certificate(self, gateway: Gateway, reason: Reason = Reason.CESSATION_OF_OPERATION) -> Revocation:
        """Have every certificate of a gateway revoked, see that it is, and only then put it on record.

        What the CAs list is revoked; what the GWA, the record or the gateway knows of must be among it; and the CRLs,
        fetched anew and validated, must say so of each. The gateway need not answer for that.

        :returns: what was revoked, and by which CRLs.
        :raises lifecycle.law.Unlawful: if the law has no place for it now; nothing has been revoked then.
        :raises AdministrationError: if it cannot be said of every certificate; nothing is on record then.
        :raises Refused: if a CA does not revoke.
        """
        fact = Fact.EVERY_CERTIFICATE_REVOKED
        on_record = fact in self._standing(gateway).evidence
        if not on_record:
            self._lawful(gateway, attest(self._party, fact))
        found = self._issued.look(gateway.id)
        self._issued.revoke([looked for looked in found if looked.may_be_revoked], reason, self._signer())
        self._tell("the order is carried out; looking at the CRLs")
        revocation = self._issued.seen_revoked(gateway, gateway.repository.entries(gateway.id))
        if not on_record:
            self._act(gateway, attest(self._party, fact), revocation.told())
        return revocation

    def introduce(self, gateway: Gateway, successor: Sequence[x509.Certificate] = ()) -> bool:
        """Let another GWA into the gateway's module, in this one's place; or bring in this one's own newest keys.

        :param successor: the certificates of the other, TLS, SIG and ENC; none for this GWA's own.
        :returns: whether they were not in there yet.
        :raises PathInvalid: if a certificate is not believed, or is no GWA's.
        :raises lifecycle.gate.Closed: if the gateway's gate is shut for it.
        :raises CommandRefused, CertificateRefused: if the module does not take them.
        """
        triple = list(successor) or list(self._own().certificates.values())
        chain, crls = self._ca.chain(triple[0].issuer), self._ca.crls()
        for certificate in triple:
            path = self._validator.validate(
                certificate, at=self._clock(), intermediates=chain, crls=crls, functions=(Participant.GWA,)
            )
        succession = Succession(gateway.gate, gateway.module)
        done = self._proven(lambda sign: succession.admit(_GWA, triple, chain[-1], sign))
        if done:
            self._tell(f"the keys of {path.name} are in the module")
        return done

    def hand_over(self, gateway: str, successor: str) -> None:
        """Put another GWA in charge of a gateway's certificates (UpdateDeviceAdmin).

        That is between GWA and CA; the module lets the other in by :meth:`introduce`, which goes before it.

        :param successor: its common name, such as ``Neu.GWA``.
        :raises NameRuleError: if one of the names is none.
        :raises Refused: if the CA does not do it: this GWA is not in charge, or the other is not known.
        """
        environment: Environment = self._pki.name.environment
        holder = PkiName(gateway, Participant.SMGW, environment)
        to = PkiName.parse(successor, environment)
        order = AdminOrder((holder.common_name,), to.common_name, self._clock())
        self._ca.hand_over(order.signed(self._signer()))
        self._tell(f"{to} is in charge of {holder}")

    # What all of it stands on

    def _signer(self) -> Signer:
        return self._pki.signer()

    def _own(self) -> Generation:
        """Its own triple, the newest.

        :raises KeyStoreError: if it has none yet.
        """
        generation = self._pki.current()
        if generation is None:
            raise KeyStoreError(f"{self._pki.name} has no certificates yet in {self._pki.path}")
        return generation

    def _certified(self, gateway: str, package: bytes) -> list[x509.Certificate]:
        """Authorise a package, have it certified, and put what comes back away."""
        authorised = authorise(package, self._signer(), self._clock())
        self._tell("the CA is asked for the certificates")
        triple = self._ca.request_certificate(authorised, RequestType.SMGW_W)
        self._archive.keep(gateway, triple)
        return triple

    def _sub_ca(self, triple: Sequence[x509.Certificate]) -> x509.Certificate:
        return self._ca.chain(triple[0].issuer)[-1]

    def _proven(self, operation: Callable[[Sign], _T]) -> _T:
        """Do something for which the GWA proves itself to the module, with the key of its that the module knows.

        That is not always the newest: the module has those of the initial configuration file.
        """
        signers = [generation.signer for generation in self._pki.generations()] or [self._signer()]
        for signer in signers[:-1]:
            try:
                return operation(_plain(signer))
            except CommandRefused as refused:
                if refused.sw != StatusWord.AUTHENTICATION_FAILED:
                    raise
        return operation(_plain(signers[-1]))


def _operational(held: Iterable[HeldCertificate]) -> list[x509.Certificate]:
    """The triple, where it is an operational one that is whole: TLS, SIG, ENC."""
    found = {one.use: one.certificate for one in held if one.operational}
    return [found[use] for use in KeyUse] if len(found) == len(KeyUse) else []


def _plain(signer: Signer) -> Sign:
    """How a GWA signs what a module has it sign: plain, over SHA-256."""

    def sign(message: bytes) -> bytes:
        digest = digest_of(message, Digest.SHA256.algorithm)
        return plain_signature(curve_of(signer.key.public_key), signer.key.sign(digest))

    return sign
