"""Where a CA takes orders: revoke, suspend, lift, and hand gateways over to another GWA.

Who may what (TR-03129-4 2.3.5, 2.3.7): for a gateway's certificates, whoever is in charge of the gateway, and only a
GWA suspends and lifts; for anybody else's, the holder; and the CA's operator may revoke what the CA issued. Until a
GWA has had operational certificates made, the GWH that had the seals made is in charge; ours.

An order is carried out once. Its time must be near the CA's, and within that span the order itself is remembered; so
one that somebody sends again later does nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from smpki.admission import OPERATOR
from smpki.algorithms import Digest
from smpki.authority import Authority, refuse
from smpki.keys import digest_of
from smpki.messages import Refused, ReturnCode
from smpki.names import Function, PkiName
from smpki.orders import AdminOrder, Change, Reason, StatusOrder, read_admin_order, read_status_order
from smpki.profiles import ROOT
from smpki.revocation import in_words
from smpki.signed import SignedMessage
from smpki.store import KeptCertificate, Status, Unit

CLOCK_TOLERANCE: Final = timedelta(minutes=5)
"""How far the clock of who sends an order may be from the CA's; ours."""
_AFTER: Final = {Change.REVOKE: Status.REVOKED, Change.SUSPEND: Status.SUSPENDED, Change.LIFT: Status.GOOD}


class Desk:
    """Takes orders for one CA.

    :param authority: the CA.
    """

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    def obey(self, order: bytes) -> list[str]:
        """Do what a status order says, if its sender may.

        :returns: fingerprints of the certificates that changed; those that were so already are not among them.
        :raises Refused: with the code of TR-03129-4 2.3.5.
        """
        read, message = read_status_order(order)
        now = self._now(read.time)
        return self._authority.store.run(lambda unit: self._obey(unit, read, message, now))

    def revoke(self, certificates: Sequence[str], reason: Reason) -> list[str]:
        """Revoke by the CA's own operator.

        :param certificates: fingerprints.
        :returns: those that changed.
        :raises Refused: if one is not this CA's, or the reason is none for a revocation.
        """
        if reason is Reason.CERTIFICATE_HOLD:
            refuse("certificateHold is a suspension, and that is for the GWA in charge")
        now = self._authority.clock()

        def work(unit: Unit) -> list[str]:
            targets = [self._target(unit, mark) for mark in certificates]
            return self._change(unit, Change.REVOKE, targets, reason, OPERATOR, now)

        return self._authority.store.run(work)

    def hand_over(self, order: bytes) -> None:
        """Put another GWA in charge of gateways, if the one in charge says so.

        :raises Refused: with the code of TR-03129-4 2.3.7.
        """
        read, message = read_admin_order(order)
        now = self._now(read.time)
        self._authority.store.run(lambda unit: self._hand_over(unit, read, message, now))

    def _obey(self, unit: Unit, read: StatusOrder, message: SignedMessage, now: datetime) -> list[str]:
        self._authority.refresh(unit, now)
        sender = self._authority.admission.sender_of(message, unit, now)
        targets = [self._target(unit, mark) for mark in read.certificates]
        for kept in targets:
            self._check_responsible(unit, read.change, kept, sender)
        new = unit.take_order(_mark(sender, message.content), now)
        if not new and any(kept.status is not _AFTER[read.change] for kept in targets):
            refuse("this order was carried out before, and something else has been ordered since")
        return self._change(unit, read.change, targets, read.reason, sender.common_name, now)

    def _hand_over(self, unit: Unit, read: AdminOrder, message: SignedMessage, now: datetime) -> None:
        self._authority.refresh(unit, now)
        sender = self._authority.admission.sender_of(message, unit, now)
        charges = {gateway: _in_charge(unit, gateway) for gateway in read.gateways}
        if not unit.take_order(_mark(sender, message.content), now):
            if set(charges.values()) != {read.administrator}:
                refuse("this order was carried out before, and something else has been ordered since")
            return
        if not any(
            kept.status is Status.GOOD and kept.profile.function is Function.GWA
            for kept in unit.of_holder(read.administrator)
        ):
            refuse(f"{read.administrator} is no GWA that is known here")
        for gateway, in_charge in charges.items():
            if in_charge != sender.common_name:
                refuse(f"{in_charge or 'nobody'} is in charge of {gateway}, not {sender}")
            unit.take_charge(gateway, read.administrator, now, sender.common_name)

    def _now(self, ordered: datetime) -> datetime:
        now = self._authority.clock()
        if abs(now - ordered) > CLOCK_TOLERANCE:
            words = f"the order is of {in_words(ordered)}, and it is {in_words(now)} here"
            raise Refused(ReturnCode.FAILURE_INCORRECT_REQUEST, words)
        return now

    def _target(self, unit: Unit, mark: str) -> KeptCertificate:
        kept = unit.certificate(mark)
        if kept is None or kept.issuer != self._authority.mark or kept.profile is ROOT:
            refuse(f"{self._authority.name} has issued no certificate {mark}")
        return kept

    def _change(
        self,
        unit: Unit,
        change: Change,
        targets: Sequence[KeptCertificate],
        reason: Reason | None,
        by: str,
        now: datetime,
    ) -> list[str]:
        changed = []
        for kept in targets:
            if kept.status is _AFTER[change]:
                continue
            if kept.status is Status.REVOKED:
                refuse(f"the {kept.profile} certificate of {kept.name} is revoked, and that is for good")
            unit.change(kept, change, reason, by, now)
            changed.append(kept.fingerprint)
        if changed:
            self._authority.publish(unit, now)
        return changed

    @staticmethod
    def _check_responsible(unit: Unit, change: Change, kept: KeptCertificate, sender: PkiName) -> None:
        if kept.profile.function is not Function.SMGW:
            if change is not Change.REVOKE or sender.common_name != kept.name:
                refuse(f"{sender} may not {change} a certificate of {kept.name}")
            return
        in_charge = _in_charge(unit, kept.name)
        if in_charge != sender.common_name:
            refuse(f"{in_charge or 'nobody'} is in charge of {kept.name}, not {sender}")
        if change is not Change.REVOKE and sender.function is not Function.GWA:
            refuse(f"to suspend and to lift is for the GWA in charge, and {sender} is a {sender.function}")


def _in_charge(unit: Unit, gateway: str) -> str | None:
    charge = unit.in_charge(gateway)
    return charge[0] if charge else None


def _mark(sender: PkiName, content: bytes) -> str:
    # Not over the signature: ECDSA has a second one for every message (r, n - s) that anybody can write down.
    return digest_of(sender.common_name.encode() + b"\0" + content, Digest.SHA256.algorithm).hex()
