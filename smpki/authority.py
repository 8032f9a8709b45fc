"""A CA: issues, renews, revokes, suspends, publishes CRLs, and links a new Root to the old one.

Wanted is: what a CA answers for is on record before it is handed out; the same request handed in twice gives the same
certificates; a status that changes is on a CRL in the same instant; and nothing that it issues outlives it.

Renewal is a request like the first one, signed with the key in use. The old certificates stay good to their end or
until they are revoked, so both generations overlap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NoReturn

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from smpki.admission import Admission
from smpki.algorithms import Tier, curve_of, generation_of_root, generation_of_sub_ca, generation_of_year, suite_of
from smpki.certificates import Issuer, Order, compose, compose_crl, fingerprint, hosts_of
from smpki.errors import PolicyError
from smpki.keys import SigningKey
from smpki.messages import Refused, ReturnCode
from smpki.names import Environment, Function, PkiName, root_name
from smpki.profiles import LINK, ROOT, SERVICE, SUB_CA, RequestType, check_end_entity_key, check_sub_ca_key, profile_of
from smpki.requests import RequestPackage, read_package
from smpki.revocation import in_words
from smpki.store import PkiStore, Status, Unit
from smpki.validation import PathValidator

Clock = Callable[[], datetime]
"""Tells the time, UTC with zone. Injected, so that tests own the time."""


def utc_now() -> datetime:
    """The system's time, UTC with zone."""
    return datetime.now(UTC)


class Authority:
    """A Root or a Sub-CA at work.

    :param store: where it keeps its record.
    :param certificate: its own certificate.
    :param key: the key that belongs to it.
    :param root: the Root that it stands under; a Root's own certificate.
    :ivar name: who it is.
    :ivar profile: Root or Sub-CA.
    :ivar mark: the fingerprint of its certificate, under which the record knows what it issued.
    :raises PolicyError: if certificate and key do not belong together, or it is no CA's.
    """

    def __init__(
        self,
        store: PkiStore,
        certificate: x509.Certificate,
        key: SigningKey,
        root: x509.Certificate,
        clock: Clock = utc_now,
    ) -> None:
        self.certificate = certificate
        self.root = root
        self.name = PkiName.of(certificate.subject)
        self.profile = profile_of(certificate)
        if self.profile not in {ROOT, SUB_CA}:
            raise PolicyError(f"{self.name} is no CA")
        if key.public_key != certificate.public_key():
            raise PolicyError(f"the key is not that of {self.name}")
        self.store = store
        self.mark = fingerprint(certificate)
        self.clock = clock
        self._issuer = Issuer(self.name, key, suite_of(key.public_key).digest)
        own = curve_of(key.public_key)
        self._generation = generation_of_root(own) if self.profile is ROOT else generation_of_sub_ca(own)
        self.admission = Admission(PathValidator(root))

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Its public key."""
        return self._issuer.key.public_key

    @classmethod
    def found(
        cls,
        store: PkiStore,
        key: SigningKey,
        environment: Environment = Environment.TEST,
        clock: Clock = utc_now,
        number: int = 1,
    ) -> Authority:
        """A new Root: signs itself, and publishes its first CRL.

        :param key: on the curve of the year (TR-03116-3 table 5).
        :param number: generation of the Root in its PKI.
        :raises PolicyError: if the key is on another curve.
        :raises StoreError: if the database refuses it.
        """
        now = clock()
        generation = generation_of_year(now.year)
        if curve_of(key.public_key) is not generation.root.curve:
            raise PolicyError(f"a Root made in {now.year} has its key on {generation.root.curve}")
        name = root_name(environment, number)
        issuer = Issuer(name, key, generation.root.digest)
        certificate = compose(
            Order(ROOT, name, key.public_key), issuer, x509.random_serial_number(), now, now + ROOT.lifetime
        )
        root = cls(store, certificate, key, certificate, clock)
        with store.unit() as unit:
            unit.keep(certificate, certificate, now)
            root.publish(unit, now)
        return root

    def issue(self, package: bytes, *, operator: bool = False) -> list[x509.Certificate]:
        """Certify what a package asks for.

        :param package: as :mod:`smpki.requests` makes it.
        :param operator: whether the CA's own operator hands it in, having made sure of the requester in person.
        :returns: the certificates, in the order TLS, SIG, ENC; those of the first time where it was handed in before.
        :raises Refused: with the code of TR-03129-4.
        :raises StoreError: if the database refuses it.
        """
        read = read_package(package)
        now = self.clock()
        self._check_type(read)
        self._check_keys(read)
        return self.store.run(lambda unit: self._issue(read, unit, now, operator))

    def link(self, successor: x509.Certificate) -> x509.Certificate:
        """Certify the key of a new Root, so that who pins this one can come to the new one.

        :param successor: the new Root's own certificate.
        :raises PolicyError: if this is no Root, or the other is none, or not a later one of the same PKI.
        """
        name = PkiName.of(successor.subject)
        if self.profile is not ROOT or profile_of(successor) is not ROOT:
            raise PolicyError("a link certificate leads from a Root to a Root")
        if name.environment is not self.name.environment or name.number <= self.name.number:
            raise PolicyError(f"{name} ({name.number}) does not follow {self.name} ({self.name.number})")
        now = self.clock()
        PathValidator(successor)
        key = successor.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)  # noqa: S101  it has just signed itself with one
        with self.store.unit() as unit:
            return self._certify(Order(LINK, name, key), unit, now)

    def certify_service(self, key: SigningKey, hosts: Sequence[str]) -> x509.Certificate:
        """A TLS certificate for this CA's own web service.

        :param hosts: host names and IP addresses that it is reached under.
        """
        check_end_entity_key(key.public_key)
        now = self.clock()
        with self.store.unit() as unit:
            name = PkiName(self.name.organisation, Function.CA, self.name.environment, 1, SERVICE.extension)
            numbered = name.numbered(unit.last_number(name.common_name) + 1)
            return self._certify(Order(SERVICE, numbered, key.public_key, tuple(hosts)), unit, now)

    def crl(self) -> x509.CertificateRevocationList:
        """The CRL in force. A new one is made when half of the last one's time is over."""
        now = self.clock()
        return self.store.run(lambda unit: self.refresh(unit, now))

    def chain(self) -> list[x509.Certificate]:
        """From the first Root over all valid link certificates to this CA (TR-03129-4 2.3.3)."""
        now = self.clock()
        with self.store.unit() as unit:
            known = unit.of_profiles(ROOT, LINK, SUB_CA)
        roots = [kept.certificate for kept in known if kept.profile is ROOT]
        links = [
            kept.certificate
            for kept in known
            if kept.profile is LINK
            and kept.status is Status.GOOD
            and kept.certificate.not_valid_before_utc <= now <= kept.certificate.not_valid_after_utc
        ]
        up_to = [root for root in roots if PkiName.of(root.subject).number <= PkiName.of(self.root.subject).number]
        first = min(up_to, key=lambda root: PkiName.of(root.subject).number, default=self.root)
        own = [] if self.profile is ROOT else [self.certificate]
        return [first, *sorted(links, key=lambda link: PkiName.of(link.subject).number), *own]

    def issued_to(self, holder: str) -> list[x509.Certificate]:
        """Every certificate that this CA has issued to a holder, whatever became of it; the oldest generation first.

        :param holder: common name, such as ``EXXX0012345678.SMGW``.
        """
        with self.store.unit() as unit:
            return [kept.certificate for kept in unit.of_holder(holder) if kept.issuer == self.mark]

    def crls(self) -> list[x509.CertificateRevocationList]:
        """The CRL in force, and the last one on record of every other CA."""
        self.crl()
        with self.store.unit() as unit:
            return unit.current_crls()

    # What follows works within a unit of work that somebody above has begun.

    def _issue(self, read: RequestPackage, unit: Unit, now: datetime, operator: bool) -> list[x509.Certificate]:
        self.refresh(unit, now)
        issued = self._issued_before(read, unit)
        first = bool(issued) or not self.admission.can_sign(read, unit, now, self.mark)
        authoriser = self.admission.check_package(read, unit, now, operator=operator, first=first)
        if issued:
            return issued
        self._check_charge(read, unit, authoriser)
        self._check_not_suspended(read, unit)
        if not operator:
            self._check_hosts(read, unit)
        number = unit.last_number(read.name.common_name) + 1
        orders = [
            Order(request.profile, read.name.numbered(number), request.public_key, request.hosts)
            for request in read.requests
        ]
        certificates = [self._certify(order, unit, now) for order in orders]
        self._settle_charge(read, unit, authoriser, now)
        return certificates

    def _certify(self, order: Order, unit: Unit, now: datetime) -> x509.Certificate:
        if not self._generation.covers(now.year):
            words = f"{self.name} issues with what may be used {self._generation.years} (TR-03116-3 table 5)"
            raise Refused(ReturnCode.FAILURE_DOMAIN_PARAMETERS, words)
        signs_for, ends = self.profile.signs_for, self.certificate.not_valid_after_utc
        assert signs_for is not None  # noqa: S101  Root and Sub-CA have it
        last = self.certificate.not_valid_before_utc + signs_for
        if now > last:
            refuse(f"{self.name} issues nothing after {in_words(last)}; its successor does")
        not_after = min(now + order.profile.lifetime, ends)
        certificate = compose(order, self._issuer, x509.random_serial_number(), now, not_after)
        unit.keep(certificate, self.certificate, now)
        return certificate

    def _check_type(self, read: RequestPackage) -> None:
        right = self.profile is ROOT if read.request_type is RequestType.SUB_CA else self.profile is SUB_CA
        if not right or read.name.is_root or read.name.environment is not self.name.environment:
            words = f"{self.name} ({self.profile}) issues no {read.request_type} to {read.name}"
            raise Refused(ReturnCode.FAILURE_UNAUTHORIZED_REQUEST, words)

    def _check_keys(self, read: RequestPackage) -> None:
        try:
            for request in read.requests:
                if request.profile.tier is Tier.END_ENTITY:
                    check_end_entity_key(request.public_key)
                else:
                    check_sub_ca_key(request.public_key, self._generation)
        except PolicyError as error:
            raise Refused(ReturnCode.FAILURE_DOMAIN_PARAMETERS, str(error)) from error

    def _issued_before(self, read: RequestPackage, unit: Unit) -> list[x509.Certificate]:
        """What was issued for the very same keys: whoever asks again after a crash gets it once more."""
        found = [kept for request in read.requests for kept in unit.of_key(request.public_key)]
        if not found:
            return []
        wanted = [(self.mark, read.name.common_name, request.profile) for request in read.requests]
        if [(kept.issuer, kept.name, kept.profile) for kept in found] != wanted:
            refuse("one of these keys was certified before, for somebody or something else")
        return [kept.certificate for kept in found]

    def _check_charge(self, read: RequestPackage, unit: Unit, authoriser: PkiName | None) -> None:
        if read.request_type.function is not Function.SMGW or authoriser is None:
            return
        charge = unit.in_charge(read.name.common_name)
        if charge is None or charge[0] == authoriser.common_name:
            return
        if read.request_type is RequestType.SMGW_W and charge[0].endswith(f".{Function.GWH}"):
            return  # the first operational certificates: charge passes from the manufacturer to the administrator
        words = f"{charge[0]} is in charge of {read.name}, not {authoriser}"
        raise Refused(ReturnCode.FAILURE_UNAUTHORIZED_REQUEST, words)

    def _settle_charge(self, read: RequestPackage, unit: Unit, authoriser: PkiName | None, now: datetime) -> None:
        if read.request_type.function is not Function.SMGW or authoriser is None:
            return
        charge = unit.in_charge(read.name.common_name)
        if charge is None or charge[0] != authoriser.common_name:
            unit.take_charge(read.name.common_name, authoriser.common_name, now, charge[0] if charge else None)

    def _check_hosts(self, read: RequestPackage, unit: Unit) -> None:
        """A renewal names no host that the operator has not seen before: whose a host is, no signature says."""
        known: set[str] = set()
        for kept in unit.of_holder(read.name.common_name):
            known |= hosts_of(kept.certificate)
        for request in read.requests:
            if new := set(request.hosts) - known:
                refuse(f"{', '.join(sorted(new))} is new for {read.name}: the CA's operator takes such a request")

    def _check_not_suspended(self, read: RequestPackage, unit: Unit) -> None:
        held = [kept for kept in unit.of_holder(read.name.common_name) if kept.status is Status.SUSPENDED]
        if held:
            refuse(f"{read.name} is suspended since {in_words(held[0].status_since)}")

    def refresh(self, unit: Unit, now: datetime) -> x509.CertificateRevocationList:
        """The CRL in force, made anew where half of the last one's time is over."""
        current = unit.crl(self.mark)
        if current is not None and current.next_update_utc is not None:
            half = (current.next_update_utc - current.last_update_utc) / 2
            if now < current.last_update_utc + half:
                return current
        return self.publish(unit, now)

    def publish(self, unit: Unit, now: datetime) -> x509.CertificateRevocationList:
        """A new CRL, whatever the last one says."""
        lifetime = self.profile.crl_lifetime
        assert lifetime is not None  # noqa: S101  Root and Sub-CA have it
        number = unit.last_crl_number(self.mark) + 1
        crl = compose_crl(unit.revocations(self.mark, now - lifetime), self._issuer, number, now, lifetime)
        unit.keep_crl(self.certificate, crl)
        return crl


def refuse(words: str) -> NoReturn:
    """Say no, with the code of TR-03129-4 for what is in order and yet not done.

    :raises Refused: always.
    """
    raise Refused(ReturnCode.FAILURE_REQUEST_NOT_ACCEPTED, words)
