"""The certificates that a consumer is shown: all that signatures are checked with, each with its issuer."""

from __future__ import annotations

from gateway.han.data import WanCertificate
from gateway.pki.keys import der_of
from lifecycle.functions import Credential
from lifecycle.states import State
from smpki.profiles import KeyUse
from tests.support.gateways import At, Device

GWA = Credential.GWA_CERTIFICATE


def shown(device: Device) -> dict[int, WanCertificate]:
    """Them, by number."""
    return {one.index: one for one in device.gateway.consumer_data.information().certificates}


def in_use(device: Device) -> bytes:
    """The SIG certificate that signs."""
    return der_of(device.gateway.certificates.current()[KeyUse.SIG].certificate)


def test_the_seal_is_number_0_also_when_the_module_has_given_it_up(at: At) -> None:
    device = at(State.PERSONALISATION)
    seal = in_use(device)
    assert shown(device)[0].sig == seal
    device.work()
    assert {found.operational for found in device.gateway.certificates.held()} == {True}
    assert shown(device)[0].sig == seal
    assert shown(device)[1].sig == in_use(device) != seal
    device.restart()
    assert [shown(device)[number].sig for number in (0, 1)] == [seal, in_use(device)]


def test_each_comes_with_its_issuer_across_a_renewal(at: At) -> None:
    device = at(State.OPERATION)
    before = in_use(device)
    administration = device.gateway.administration
    certificates = device.issued(administration.request_renewal(GWA, device.sign))
    administration.install_renewal(GWA, certificates, device.world.sub.certificate, device.sign)
    found = shown(device)
    assert {before, in_use(device)} <= {one.sig for one in found.values()}
    assert {one.sub_ca for one in found.values()} == {der_of(device.world.sub.certificate)}
