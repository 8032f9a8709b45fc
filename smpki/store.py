"""What a CA keeps: certificates and their status, who is in charge of which gateway, CRLs. Keys are never in here.

One unit of work is one transaction. A status, a CRL's number and the GWA in charge are changed only from the value
that was read (optimistic lock); a key is certified once for each kind of certificate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum, unique
from typing import Any, Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Connection, Engine, Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from smpki.certificates import Revocation, fingerprint, key_fingerprint
from smpki.errors import ConflictError, StoreError
from smpki.names import PkiName
from smpki.orders import Change, Reason
from smpki.profiles import PROFILES, Profile, profile_of
from smpki.schema import certificates, changes, charges, crls, messages, orders

T = TypeVar("T")
_TRIES: Final = 8
"""How often a unit of work is tried where somebody else is first; ours."""


@unique
class Status(StrEnum):
    """What a certificate is, apart from its validity."""

    GOOD = "good"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class KeptCertificate:
    """A certificate on record."""

    fingerprint: str
    issuer: str
    name: str
    number: int
    profile: Profile
    status: Status
    reason: Reason | None
    status_since: datetime
    der: bytes

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate itself."""
        return x509.load_der_x509_certificate(self.der)


class PkiStore:
    """The PKI's part of a database.

    :param engine: whose schema is up to date.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def unit(self) -> Iterator[Unit]:
        """One unit of work: done as a whole, or not at all.

        :raises StoreError: if the database refuses it: unreachable, or somebody else was first.
        """
        try:
            with self._engine.begin() as connection:
                yield Unit(connection)
        except IntegrityError as error:
            raise ConflictError("somebody else has just done this, or the same key was certified before") from error
        except SQLAlchemyError as error:
            raise StoreError(f"the PKI's database does not answer: {error}") from error

    def run(self, work: Callable[[Unit], T]) -> T:
        """Do some work as one unit; where somebody else was first, again with what there is then.

        :raises ConflictError: if somebody else is first every time.
        :raises StoreError: as :meth:`unit`.
        """
        for _ in range(_TRIES - 1):
            with suppress(ConflictError), self.unit() as unit:
                return work(unit)
        with self.unit() as unit:
            return work(unit)


class Unit:
    """What can be done within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def keep(self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime) -> None:
        """Put a certificate on record, good.

        :raises smpki.errors.SmPkiError: if it follows no profile.
        """
        name, key = PkiName.of(certificate.subject), certificate.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)  # noqa: S101  there are no others in the SM-PKI
        row = {
            "fingerprint": fingerprint(certificate),
            "issuer": fingerprint(issuer),
            "serial": f"{certificate.serial_number:x}",
            "name": name.common_name,
            "number": name.number,
            "profile": profile_of(certificate).label,
            "key": key_fingerprint(key),
            "not_before": _text(certificate.not_valid_before_utc),
            "not_after": _text(certificate.not_valid_after_utc),
            "status": Status.GOOD,
            "reason": None,
            "status_since": _text(at),
            "der": certificate.public_bytes(serialization.Encoding.DER),
        }
        self._connection.execute(insert(certificates).values(row))

    def certificate(self, mark: str) -> KeptCertificate | None:
        """The certificate with a fingerprint."""
        return next(self._kept(certificates.c.fingerprint == mark), None)

    def of_key(self, key: ec.EllipticCurvePublicKey) -> list[KeptCertificate]:
        """The certificates that a key has: one, but for a Root's, which may have a link certificate too."""
        return list(self._kept(certificates.c.key == key_fingerprint(key)))

    def of_holder(self, name: str, profile: Profile | None = None) -> list[KeptCertificate]:
        """Certificates of a holder, the oldest generation first."""
        wanted = [certificates.c.name == name]
        if profile is not None:
            wanted.append(certificates.c.profile == profile.label)
        return list(self._kept(*wanted))

    def of_profiles(self, *profiles: Profile) -> list[KeptCertificate]:
        """Certificates of some kinds."""
        return list(self._kept(certificates.c.profile.in_([profile.label for profile in profiles])))

    def all(self) -> Iterator[KeptCertificate]:
        """Every certificate, by holder."""
        return self._kept()

    def last_number(self, name: str) -> int:
        """The last generation of a holder's certificates; 0 where there is none."""
        found = self._connection.scalar(select(func.max(certificates.c.number)).where(certificates.c.name == name))
        return int(found or 0)

    def change(self, kept: KeptCertificate, change: Change, reason: Reason | None, by: str, at: datetime) -> None:
        """Change a status, and write down who did it.

        :raises ConflictError: if somebody else has changed it meanwhile.
        """
        status = {Change.REVOKE: Status.REVOKED, Change.SUSPEND: Status.SUSPENDED, Change.LIFT: Status.GOOD}[change]
        done = self._connection.execute(
            update(certificates)
            .where(
                certificates.c.fingerprint == kept.fingerprint,
                certificates.c.status == kept.status,
                certificates.c.status_since == _text(kept.status_since),
            )
            .values(status=status, reason=reason, status_since=_text(at))
        )
        if done.rowcount != 1:
            raise ConflictError(f"the certificate {kept.fingerprint} has just been changed by somebody else")
        row = {"certificate": kept.fingerprint, "time": _text(at), "change": change, "reason": reason, "by": by}
        self._connection.execute(insert(changes).values(row))

    def history(self, mark: str) -> list[tuple[datetime, Change, Reason | None, str]]:
        """What was done to a certificate: when, what, why, by whom; the first thing first."""
        rows = self._connection.execute(select(changes).where(changes.c.certificate == mark).order_by(changes.c.id))
        return [
            (_time(row.time), Change(row.change), Reason(row.reason) if row.reason else None, row.by) for row in rows
        ]

    def revocations(self, issuer: str, not_ended_by: datetime) -> list[Revocation]:
        """What belongs on a CA's CRL: suspended or revoked, and not yet ended by a time."""
        rows = self._connection.execute(
            select(
                certificates.c.serial, certificates.c.status_since, certificates.c.status, certificates.c.reason
            ).where(
                certificates.c.issuer == issuer,
                certificates.c.status != Status.GOOD,
                certificates.c.not_after >= _text(not_ended_by),
            )
        )
        hold = Reason.CERTIFICATE_HOLD
        return [
            Revocation(
                int(row.serial, 16),
                _time(row.status_since),
                (hold if row.status == Status.SUSPENDED else Reason(row.reason)).flag,
            )
            for row in rows
        ]

    def keep_crl(self, issuer: x509.Certificate, crl: x509.CertificateRevocationList) -> None:
        """Put a CRL on record."""
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        assert crl.next_update_utc is not None  # noqa: S101  each of ours has one
        row = {
            "issuer": fingerprint(issuer),
            "number": number,
            "this_update": _text(crl.last_update_utc),
            "next_update": _text(crl.next_update_utc),
            "der": crl.public_bytes(serialization.Encoding.DER),
        }
        self._connection.execute(insert(crls).values(row))

    def crl(self, issuer: str) -> x509.CertificateRevocationList | None:
        """The last CRL of a CA."""
        newest = select(crls.c.der).where(crls.c.issuer == issuer).order_by(crls.c.number.desc()).limit(1)
        der = self._connection.scalar(newest)
        return x509.load_der_x509_crl(bytes(der)) if der is not None else None

    def last_crl_number(self, issuer: str) -> int:
        """The number of a CA's last CRL; 0 where there is none."""
        found = self._connection.scalar(select(func.max(crls.c.number)).where(crls.c.issuer == issuer))
        return int(found or 0)

    def current_crls(self) -> list[x509.CertificateRevocationList]:
        """The last CRL of every CA."""
        newest = select(crls.c.issuer, func.max(crls.c.number).label("number")).group_by(crls.c.issuer).subquery()
        rows = self._connection.execute(
            select(crls.c.der).join(newest, (crls.c.issuer == newest.c.issuer) & (crls.c.number == newest.c.number))
        )
        return [x509.load_der_x509_crl(bytes(row.der)) for row in rows]

    def in_charge(self, gateway: str) -> tuple[str, datetime] | None:
        """Who is in charge of a gateway, and since when."""
        row = self._connection.execute(select(charges).where(charges.c.gateway == gateway)).one_or_none()
        return (row.in_charge, _time(row.since)) if row else None

    def take_charge(self, gateway: str, who: str, at: datetime, before: str | None) -> None:
        """Put somebody in charge of a gateway.

        :param before: who is in charge so far; ``None`` for nobody.
        :raises ConflictError: if somebody else is.
        """
        values = {"in_charge": who, "since": _text(at)}
        if before is None:
            self._connection.execute(insert(charges).values(gateway=gateway, **values))
            return
        done = self._connection.execute(
            update(charges).where(charges.c.gateway == gateway, charges.c.in_charge == before).values(**values)
        )
        if done.rowcount != 1:
            raise ConflictError(f"somebody else has just taken charge of {gateway}")

    def keep_message(self, caller: str, message_id: str, subject: str, body: str, at: datetime) -> None:
        """Put a general message on record (TR-03129-4 2.3.1)."""
        row = {"time": _text(at), "caller": caller, "message_id": message_id, "subject": subject, "body": body}
        self._connection.execute(insert(messages).values(row))

    def messages(self) -> list[dict[str, str]]:
        """The general messages, the first one first: time, caller, message_id, subject, body."""
        rows = self._connection.execute(select(messages).order_by(messages.c.id)).mappings()
        return [{member: str(row[member]) for member in row if member != "id"} for row in rows]

    def take_order(self, mark: str, at: datetime) -> bool:
        """Remember an order; whether it was new."""
        if self._connection.scalar(select(orders.c.mark).where(orders.c.mark == mark)) is not None:
            return False
        self._connection.execute(insert(orders).values(mark=mark, time=_text(at)))
        return True

    def charges_of(self, who: str) -> Sequence[str]:
        """The gateways that somebody is in charge of."""
        wanted = select(charges.c.gateway).where(charges.c.in_charge == who).order_by(charges.c.gateway)
        return [row.gateway for row in self._connection.execute(wanted)]

    def _kept(self, *conditions: Any) -> Iterator[KeptCertificate]:
        wanted = select(certificates).where(*conditions)
        order = (certificates.c.name, certificates.c.number, certificates.c.profile)
        for row in self._connection.execute(wanted.order_by(*order)):
            yield _read(row)


def _read(row: Row[Any]) -> KeptCertificate:
    try:
        return KeptCertificate(
            row.fingerprint,
            row.issuer,
            row.name,
            row.number,
            PROFILES[row.profile],
            Status(row.status),
            Reason(row.reason) if row.reason else None,
            _time(row.status_since),
            bytes(row.der),
        )
    except (KeyError, ValueError) as error:
        raise StoreError(f"the certificate {row.fingerprint} is on record with what makes no sense: {error}") from error


def _text(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
