"""Orders: revoke, suspend, lift, hand over; who may give them, and what becomes of one that is sent again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from smpki.certificates import fingerprint
from smpki.messages import Refused, ReturnCode
from smpki.names import Function
from smpki.oids import CT_STATUS_CHANGE
from smpki.orders import AdminOrder, Change, Reason, StatusOrder, read_status_order
from smpki.path_errors import Failure, PathInvalid
from smpki.profiles import KeyUse
from smpki.signed import sign
from smpki.store import Status
from tests.smpki.test_cms import sender
from tests.support.pki import Holder, World


class Fleet:
    """A gateway with its administrator and its manufacturer, and another administrator."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.gwh, self.gwa = world.enrol("Werk", Function.GWH), world.enrol("Admin", Function.GWA)
        self.other = world.enrol("Other", Function.GWA)
        self.sealed = world.seal(self.gwh)
        self.gateway = world.operate(self.gwa, self.sealed)
        self.marks = [fingerprint(one) for one in self.gateway.certificates.values()]

    def order(
        self, change: Change, by: Holder, reason: Reason | None = None, marks: Sequence[str] | None = None
    ) -> list[str]:
        """Order it now."""
        order = StatusOrder(change, tuple(marks or self.marks), reason, self.world.clock())
        return self.world.desk.obey(order.signed(by.signer))

    def failure(self) -> Failure | None:
        """Why the gateway's certificates are not believed."""
        try:
            for use, certificate in self.gateway.certificates.items():
                self.world.believe(certificate, use)
        except PathInvalid as refused:
            return refused.failure
        return None


@pytest.fixture
def fleet(world: World) -> Fleet:
    """See :class:`Fleet`."""
    return Fleet(world)


def test_suspended_lifted_and_revoked(fleet: Fleet) -> None:
    assert fleet.order(Change.SUSPEND, fleet.gwa) == fleet.marks
    assert fleet.failure() is Failure.SUSPENDED
    with pytest.raises(Refused) as refused:
        fleet.world.operate(fleet.gwa, fleet.gateway)
    assert refused.value.code is ReturnCode.FAILURE_OUTER_SIGNATURE
    with pytest.raises(Refused, match="is suspended since"):
        fleet.world.operate(fleet.gwa, fleet.sealed)
    fleet.world.clock.forward(timedelta(minutes=1))
    assert fleet.order(Change.LIFT, fleet.gwa) == fleet.marks
    assert fleet.failure() is None
    fleet.world.clock.forward(timedelta(minutes=1))
    assert fleet.order(Change.REVOKE, fleet.gwa, Reason.KEY_COMPROMISE) == fleet.marks
    assert fleet.failure() is Failure.REVOKED
    for change in (Change.SUSPEND, Change.LIFT):
        with pytest.raises(Refused, match="that is for good"):
            fleet.order(change, fleet.gwa)
    with fleet.world.store.unit() as unit:
        told = [(change, reason, by) for _, change, reason, by in unit.history(fleet.marks[0])]
    assert told == [
        (Change.SUSPEND, None, "Admin.GWA"),
        (Change.LIFT, None, "Admin.GWA"),
        (Change.REVOKE, Reason.KEY_COMPROMISE, "Admin.GWA"),
    ]


def test_what_is_so_already_changes_nothing(fleet: Fleet) -> None:
    crl = fleet.world.sub.crl()
    assert fleet.order(Change.LIFT, fleet.gwa) == []
    assert fleet.world.sub.crl() == crl
    fleet.order(Change.REVOKE, fleet.gwa, Reason.SUPERSEDED)
    fleet.world.clock.forward(timedelta(seconds=1))
    assert fleet.order(Change.REVOKE, fleet.gwa, Reason.KEY_COMPROMISE) == []


def test_only_who_is_in_charge(fleet: Fleet) -> None:
    for by in (fleet.other, fleet.gwh, fleet.gateway):
        for change in (Change.SUSPEND, Change.LIFT):
            with pytest.raises(Refused, match=r"Admin\.GWA is in charge of EXXX0012345678\.SMGW, not"):
                fleet.order(change, by)
        with pytest.raises(Refused, match="is in charge"):
            fleet.order(Change.REVOKE, by, Reason.KEY_COMPROMISE)
    assert fleet.failure() is None


def test_before_there_is_a_gwa_the_gwh_may_revoke_and_no_more(world: World) -> None:
    gwh = world.enrol("Werk", Function.GWH)
    sealed = world.seal(gwh)
    marks = tuple(fingerprint(one) for one in sealed.certificates.values())
    with pytest.raises(Refused, match=r"for the GWA in charge, and Werk\.GWH is a GWH"):
        world.desk.obey(StatusOrder(Change.SUSPEND, marks, None, world.clock()).signed(gwh.signer))
    order = StatusOrder(Change.REVOKE, marks, Reason.CESSATION_OF_OPERATION, world.clock())
    assert world.desk.obey(order.signed(gwh.signer)) == list(marks)


def test_a_participant_revokes_its_own_and_nobody_else_s(fleet: Fleet) -> None:
    own = [fingerprint(fleet.other.certificates[KeyUse.TLS])]
    with pytest.raises(Refused, match=r"Admin\.GWA may not revoke a certificate of Other\.GWA"):
        fleet.order(Change.REVOKE, fleet.gwa, Reason.KEY_COMPROMISE, own)
    with pytest.raises(Refused, match="may not suspend"):
        fleet.order(Change.SUSPEND, fleet.other, None, own)
    assert fleet.order(Change.REVOKE, fleet.other, Reason.KEY_COMPROMISE, own) == own


def test_the_operator_revokes_and_does_not_suspend(fleet: Fleet) -> None:
    with pytest.raises(Refused, match="that is for the GWA in charge"):
        fleet.world.desk.revoke(fleet.marks, Reason.CERTIFICATE_HOLD)
    assert fleet.world.desk.revoke(fleet.marks, Reason.AFFILIATION_CHANGED) == fleet.marks
    with fleet.world.store.unit() as unit:
        assert unit.history(fleet.marks[0])[0][3] == "operator"
    with pytest.raises(Refused, match="has issued no certificate"):
        fleet.world.desk.revoke([fingerprint(fleet.world.sub.certificate)], Reason.CA_COMPROMISE)


def test_the_charge_passes_on(fleet: Fleet) -> None:
    world, gateway = fleet.world, str(fleet.gateway.name)
    world.clock.forward(timedelta(seconds=1))
    order = AdminOrder((gateway,), "Other.GWA", world.clock())
    with pytest.raises(Refused, match=r"Admin\.GWA is in charge of .*, not Other\.GWA"):
        world.desk.hand_over(order.signed(fleet.other.signer))
    with pytest.raises(Refused, match=r"Nobody\.GWA is no GWA that is known here"):
        world.desk.hand_over(AdminOrder((gateway,), "Nobody.GWA", world.clock()).signed(fleet.gwa.signer))
    signed = order.signed(fleet.gwa.signer)
    world.desk.hand_over(signed)
    world.desk.hand_over(signed)
    with pytest.raises(Refused, match=r"Other\.GWA is in charge"):
        fleet.order(Change.SUSPEND, fleet.gwa)
    assert fleet.order(Change.SUSPEND, fleet.other) == fleet.marks
    back = AdminOrder((gateway,), "Admin.GWA", world.clock() + timedelta(seconds=1))
    world.desk.hand_over(back.signed(fleet.other.signer))
    with pytest.raises(Refused, match="carried out before"):
        world.desk.hand_over(signed)


def test_an_order_is_carried_out_once(fleet: Fleet) -> None:
    world = fleet.world
    order = StatusOrder(Change.LIFT, tuple(fleet.marks), None, world.clock() + timedelta(minutes=4))
    fleet.order(Change.SUSPEND, fleet.gwa)
    lift = order.signed(fleet.gwa.signer)
    assert world.desk.obey(lift) == fleet.marks
    assert world.desk.obey(lift) == []
    world.clock.forward(timedelta(minutes=1))
    fleet.order(Change.SUSPEND, fleet.gwa)
    with pytest.raises(Refused, match="something else has been ordered since"):
        world.desk.obey(order.signed(fleet.gwa.signer))
    world.clock.forward(timedelta(minutes=9))
    with pytest.raises(Refused, match="the order is of") as refused:
        world.desk.obey(lift)
    assert refused.value.code is ReturnCode.FAILURE_INCORRECT_REQUEST
    assert fleet.failure() is Failure.SUSPENDED


def test_an_order_is_signed_with_a_key_that_is_believed(fleet: Fleet) -> None:
    world = fleet.world
    order = StatusOrder(Change.SUSPEND, tuple(fleet.marks), None, world.clock())
    damaged = bytearray(order.signed(fleet.gwa.signer))
    damaged[-1] ^= 1
    with pytest.raises(Refused, match="the signature is not that of"):
        world.desk.obey(bytes(damaged))
    world.desk.revoke([fingerprint(fleet.gwa.certificates[KeyUse.SIG])], Reason.PRIVILEGE_WITHDRAWN)
    with pytest.raises(Refused, match="was revoked on"):
        world.desk.obey(order.signed(fleet.gwa.signer))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"change":"revoke","certificates":["x"],"reason":null,"time":"2030-01-01T00:00:00Z"}',
        b'{"change":"revoke","certificates":["x"],"reason":"certificateHold","time":"2030-01-01T00:00:00Z"}',
        b'{"change":"suspend","certificates":["x"],"reason":"superseded","time":"2030-01-01T00:00:00Z"}',
        b'{"change":"burn","certificates":["x"],"reason":null,"time":"2030-01-01T00:00:00Z"}',
        b'{"change":"lift","certificates":[],"reason":null,"time":"2030-01-01T00:00:00Z"}',
        b'{"change":"lift","certificates":["x","x"],"reason":null,"time":"2030-01-01T00:00:00Z"}',
        b'{"change":"lift","certificates":[1],"reason":null,"time":"2030-01-01T00:00:00Z"}',
        b'{"change":"lift","certificates":["x"],"reason":null,"time":"2030-01-01T00:00:00"}',
        b'{"change":"lift","certificates":["x"],"reason":null,"time":"soon"}',
        b'{"change":"lift","certificates":["x"],"reason":null,"time":"2030-01-01T00:00:00Z","more":1}',
    ],
)
def test_an_order_that_is_none(content: bytes) -> None:
    with pytest.raises(Refused) as refused:
        read_status_order(sign(content, CT_STATUS_CHANGE, sender().signer))
    assert refused.value.code is ReturnCode.FAILURE_INCORRECT_REQUEST


def test_what_has_ended_leaves_the_crl(fleet: Fleet) -> None:
    fleet.order(Change.REVOKE, fleet.gwa, Reason.SUPERSEDED)
    assert len(fleet.world.sub.crl()) == 3
    fleet.world.clock.forward(timedelta(days=731))
    assert len(fleet.world.sub.crl()) == 3  # it stands on one list more than it has to (RFC 5280 3.3)
    fleet.world.clock.forward(timedelta(days=8))
    assert len(fleet.world.sub.crl()) == 0
    with fleet.world.store.unit() as unit:
        kept = unit.certificate(fleet.marks[0])
    assert kept is not None
    assert kept.status is Status.REVOKED
