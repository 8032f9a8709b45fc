"""Which certificates the gateway has and uses, and when they are to be renewed."""

from __future__ import annotations

from datetime import timedelta

from gateway.pki.certificates import RENEW_AHEAD
from gateway.pki.keys import OPERATIONAL_PLACES, PRELIMINARY
from gateway.pki.triples import number_of
from lifecycle.functions import Credential
from lifecycle.states import State
from securitymodule.coding import KeyRef
from smpki.profiles import END_ENTITIES, KeyUse, RequestType
from tests.support.gateways import At, ModuleOrder
from tests.support.lives import START


def test_a_gateway_without_certificates_has_nothing_to_renew(at: At) -> None:
    device = at(State.PREPERSONALISATION_1_ASSEMBLED, ModuleOrder.ASSEMBLED)
    certificates = device.gateway.certificates
    assert certificates.held() == []
    assert certificates.current() == {}
    assert certificates.ends() is None
    assert not certificates.renewal_due(START + timedelta(days=10_000))


def test_the_seals_are_in_use_until_there_is_something_better(at: At) -> None:
    device = at(State.PERSONALISATION)
    certificates = device.gateway.certificates
    assert [found.key for found in certificates.held()] == list(PRELIMINARY.values())
    assert {use: found.key for use, found in certificates.current().items()} == PRELIMINARY
    assert not any(found.operational for found in certificates.held())
    assert certificates.ends() == START + END_ENTITIES[RequestType.SMGW_G, KeyUse.SIG].lifetime
    assert certificates.free_place() == OPERATIONAL_PLACES[0]


def test_the_operational_certificates_take_their_place(at: At) -> None:
    device = at(State.OPERATION)
    certificates = device.gateway.certificates
    current = certificates.current()
    assert {use: found.key for use, found in current.items()} == OPERATIONAL_PLACES[0]
    assert certificates.held() == list(current.values())
    assert all(found.operational and found.use is use for use, found in current.items())
    assert certificates.free_place() == OPERATIONAL_PLACES[1]


def test_renewal_is_due_some_time_before_the_first_end(at: At) -> None:
    device = at(State.OPERATION)
    certificates = device.gateway.certificates
    ends = certificates.ends()
    assert ends == START + END_ENTITIES[RequestType.SMGW_W, KeyUse.SIG].lifetime
    assert RENEW_AHEAD == timedelta(days=90)
    assert not certificates.renewal_due(ends - timedelta(days=90, seconds=1))
    assert certificates.renewal_due(ends - timedelta(days=90))
    assert certificates.renewal_due(ends + timedelta(days=1))
    assert not certificates.renewal_due(ends - timedelta(days=90), ahead=timedelta(days=30))


def test_of_two_whole_triples_the_later_generation_is_in_use(at: At) -> None:
    device = at(State.OPERATION)
    gateway, shown = device.gateway, Credential.GWA_CERTIFICATE
    for place in (1, 0, 1):
        issued = device.issued(gateway.administration.request_renewal(shown, device.sign))
        before = gateway.certificates.current()
        gateway.administration.install_renewal(shown, issued, device.world.sub.certificate, device.sign)
        current = gateway.certificates.current()
        assert {use: found.key for use, found in current.items()} == OPERATIONAL_PLACES[place]
        assert [found.certificate for found in current.values()] == issued
        assert len(gateway.certificates.held()) == 6
        assert gateway.certificates.free_place() == {use: found.key for use, found in before.items()}
        numbers = [number_of(triple[KeyUse.SIG].certificate) for triple in (before, current)]
        assert numbers[0] < numbers[1]
        gateway.administration.retire_old(shown, device.sign)
        assert gateway.certificates.held() == list(current.values())


def test_part_of_a_triple_is_not_used(at: At) -> None:
    device = at(State.OPERATION)
    gateway, shown = device.gateway, Credential.GWA_CERTIFICATE
    before = gateway.certificates.current()
    issued = device.issued(gateway.administration.request_renewal(shown, device.sign))
    gateway.administration.install_renewal(shown, issued, device.world.sub.certificate, device.sign)
    module = gateway.module()
    module.authenticate_externally(device.sign)
    module.delete_key(KeyRef.OPERATIONAL_B_ENC)
    assert gateway.certificates.current() == before
    assert len(gateway.certificates.held()) == 5
