"""The administrator and the gateway's keys: nothing without the GWA's signature, nothing twice, nothing by halves."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from gateway.administration import Administration
from gateway.pki import triples
from gateway.pki.keys import (
    OPERATIONAL_PLACES,
    PRELIMINARY,
    CertificateRefused,
    ModuleSigningKey,
    import_sub_ca,
)
from lifecycle.functions import Credential
from lifecycle.gate import Closed
from lifecycle.states import State
from securitymodule.client import SecurityModule
from securitymodule.coding import KeyRef, ModuleState
from securitymodule.errors import CommandRefused
from smpki.algorithms import curve_of
from smpki.names import Function, PkiName
from smpki.profiles import KeyUse, RequestType
from smpki.requests import read_package
from tests.support.gateways import ENVIRONMENT, SERIAL, At, Device
from tests.support.lives import OTHER_GATEWAY
from tests.support.pki import Holder

GWA = Credential.GWA_CERTIFICATE
FIRST, SECOND = OPERATIONAL_PLACES


@pytest.fixture
def device(at: At) -> Device:
    """A gateway in Personalisierung, its operational keys not made yet."""
    return at(State.PERSONALISATION)


@pytest.fixture
def operating(at: At) -> Device:
    """A gateway in operation."""
    return at(State.OPERATION)


def personalise(device: Device) -> None:
    """The first triple, as somebody brings it who does not know what was done before."""
    administration = device.gateway.administration
    with contextlib.suppress(CertificateRefused):
        issued = device.issued(administration.request_operational(GWA, device.sign))
        administration.install_operational(GWA, issued, device.world.sub.certificate, device.sign)
        return
    current = [found.certificate for found in device.gateway.certificates.current().values()]
    administration.install_operational(GWA, current, device.world.sub.certificate, device.sign)


def renewed(device: Device) -> list[x509.Certificate]:
    """The next triple, issued."""
    return device.issued(device.gateway.administration.request_renewal(GWA, device.sign))


def renew(device: Device) -> None:
    """The next triple, in the module."""
    device.gateway.administration.install_renewal(GWA, renewed(device), device.world.sub.certificate, device.sign)


def keys_in(module: SecurityModule) -> set[KeyRef]:
    """The gateway's own keys that are in its module."""
    own = [key for places in (PRELIMINARY, *OPERATIONAL_PLACES) for key in places.values()]
    return {key for key in own if module.public_key(key) is not None}


# What the gateway says of itself


def test_the_gateway_says_how_it_stands(device: Device) -> None:
    status = device.gateway.administration.status(GWA)
    assert (status.gateway, status.state, status.faults) == (device.id, State.PERSONALISATION, ())
    assert (status.module, status.module_state) == (SERIAL, ModuleState.READY)
    assert status.administrator == "Verwalter.GWA"
    assert {use: found.key for use, found in status.certificates.items()} == PRELIMINARY
    assert status.ends == device.gateway.certificates.ends()
    assert not status.renewal_due


def test_the_gateway_says_when_renewal_is_due_and_which_faults_are_open(operating: Device) -> None:
    operating.reach(State.REVERSIBLE_FAULT)
    operating.clock.forward(timedelta(days=650))
    status = operating.gateway.administration.status(GWA)
    assert status.state is State.REVERSIBLE_FAULT
    assert len(status.faults) == 1
    assert status.renewal_due
    assert {use: found.key for use, found in status.certificates.items()} == FIRST


# Proof


def calls(administration: Administration, device: Device, sign: Callable[[bytes], bytes]) -> list[Callable[[], object]]:
    """Everything that changes the module, asked with a signature."""
    certificates = list(device.gwa.certificates.values())
    sub_ca = device.world.sub.certificate
    return [
        lambda: administration.request_operational(GWA, sign),
        lambda: administration.install_operational(GWA, certificates, sub_ca, sign),
        lambda: administration.request_renewal(GWA, sign),
        lambda: administration.install_renewal(GWA, certificates, sub_ca, sign),
        lambda: administration.retire_old(GWA, sign),
        lambda: administration.terminate_module(GWA, sign),
    ]


def test_nothing_is_done_without_the_gwas_signature(operating: Device) -> None:
    administration, module = operating.gateway.administration, operating.gateway.module()
    stranger = replace(operating, gwa=operating.world.enrol("Fremd", Function.GWA))
    before = keys_in(module)
    for sign in (stranger.sign, lambda _message: bytes(64), lambda _message: b""):
        for call in calls(administration, operating, sign)[1:]:
            with pytest.raises(CommandRefused, match="authenticating the GWA"):
                call()
    assert keys_in(module) == before
    assert module.information().state is ModuleState.OPERATIONAL


def test_no_keys_are_made_without_the_gwas_signature(device: Device) -> None:
    stranger = replace(device, gwa=device.world.enrol("Fremd", Function.GWA))
    with pytest.raises(CommandRefused, match="authenticating the GWA"):
        device.gateway.administration.request_operational(GWA, stranger.sign)
    assert keys_in(device.gateway.module()) == set(PRELIMINARY.values())


def test_a_signature_is_of_no_use_twice(device: Device) -> None:
    said: list[bytes] = []

    def once(message: bytes) -> bytes:
        said.append(device.sign(message))
        return said[0]

    device.gateway.administration.request_operational(GWA, once)
    with pytest.raises(CommandRefused, match="authenticating the GWA"):
        device.gateway.administration.request_operational(GWA, once)


def test_what_goes_wrong_at_the_gwa_is_the_gwas(device: Device) -> None:
    def fail(_message: bytes) -> bytes:
        raise ConnectionError("the GWA does not answer")

    with pytest.raises(ConnectionError):
        device.gateway.administration.request_operational(GWA, fail)
    assert device.gateway.module().is_secure
    personalise(device)


# The first operational certificates


def test_the_request_is_the_gateways_signed_with_its_seal(device: Device) -> None:
    package = device.gateway.administration.request_operational(GWA, device.sign)
    read = read_package(package)
    assert (read.request_type, read.name.common_name) == (RequestType.SMGW_W, f"{device.id}.SMGW")
    seal = device.gateway.certificates.current()[KeyUse.SIG].certificate
    assert read.outer.verify() == seal
    assert read.authorisation is None
    module = device.gateway.module()
    assert {request.profile.use: request.public_key for request in read.requests} == {
        use: module.public_key(key) for use, key in FIRST.items()
    }


def test_asked_again_it_is_for_the_same_keys(device: Device) -> None:
    administration = device.gateway.administration
    issued = device.issued(administration.request_operational(GWA, device.sign))
    device.restart()
    assert device.issued(device.gateway.administration.request_operational(GWA, device.sign)) == issued


def test_asked_twice_at_once_it_is_for_the_same_keys(device: Device) -> None:
    administration = device.gateway.administration
    device.gateway.module()
    with ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(administration.request_operational, GWA, device.sign) for _ in range(2)]
    first, second = (read_package(package.result()) for package in asked)
    assert [request.public_key for request in first.requests] == [request.public_key for request in second.requests]


def test_the_module_becomes_operational_and_forgets_its_seal(device: Device) -> None:
    administration, module = device.gateway.administration, device.gateway.module()
    issued = device.issued(administration.request_operational(GWA, device.sign))
    for _ in range(2):
        administration.install_operational(GWA, issued, device.world.sub.certificate, device.sign)
        assert module.information().state is ModuleState.OPERATIONAL
        assert keys_in(module) == set(FIRST.values())
        assert list(triples.held_in(module, FIRST).values()) == issued
    with pytest.raises(CertificateRefused, match="READY, and it is OPERATIONAL"):
        administration.request_operational(GWA, device.sign)


def test_personalisation_survives_a_cut_after_every_command(device: Device, tmp_path: Path) -> None:
    for cut in device.every_cut(tmp_path, personalise):
        module = cut.gateway.module()
        assert module.information().state is ModuleState.OPERATIONAL
        assert keys_in(module) == set(FIRST.values())
        assert triples.fits_keys(module, FIRST, triples.held_in(module, FIRST))


def wrong_triples(device: Device, issued: list[x509.Certificate]) -> list[tuple[list[x509.Certificate], str]]:
    """Certificates that are not those asked for."""
    world, gwh, gwa = device.world, device.gwh, device.gwa
    sealed = world.seal(gwh, OTHER_GATEWAY)
    stranger = world.operate(gwa, sealed)
    seals = [found.certificate for found in device.gateway.certificates.held() if not found.operational]

    def certificates(holder: Holder) -> list[x509.Certificate]:
        return list(holder.certificates.values())

    return [
        (certificates(stranger), f"those of {OTHER_GATEWAY}"),
        (certificates(gwa), "a triple of SMGW-W"),
        (seals or certificates(sealed), "a triple of SMGW-W"),
        (issued[:2], "three certificates, not 2"),
        ([issued[0], issued[1], issued[1]], "one certificate each"),
        ([], "three certificates, not 0"),
    ]


def test_other_certificates_are_refused_and_change_nothing(device: Device) -> None:
    administration, module = device.gateway.administration, device.gateway.module()
    issued = device.issued(administration.request_operational(GWA, device.sign))
    sub_ca = device.world.sub.certificate
    for wrong, why in wrong_triples(device, issued):
        with pytest.raises(CertificateRefused, match=why):
            administration.install_operational(GWA, wrong, sub_ca, device.sign)
    other = device.world.new_sub("Andere", curve_of(device.world.sub.public_key))[0].certificate
    with pytest.raises(CommandRefused):
        administration.install_operational(GWA, issued, other, device.sign)
    assert module.information().state is ModuleState.READY
    assert triples.held_in(module, FIRST) == {}
    administration.install_operational(GWA, issued[::-1], sub_ca, device.sign)  # in whichever order
    assert module.information().state is ModuleState.OPERATIONAL


def test_certificates_for_keys_that_are_not_in_the_module_are_refused(device: Device) -> None:
    administration, module = device.gateway.administration, device.gateway.module()
    administration.request_operational(GWA, device.sign)
    seal = device.gateway.certificates.current()
    keys: Any = {use: ModuleSigningKey(module, found.key) for use, found in seal.items()}
    certificates = {use: found.certificate for use, found in seal.items()}
    sealed = Holder(PkiName(device.id, Function.SMGW, ENVIRONMENT), keys, certificates)
    issued = list(device.world.operate(device.gwa, sealed).certificates.values())
    with pytest.raises(CertificateRefused, match="not for operational keys that are in the module"):
        administration.install_operational(GWA, issued, device.world.sub.certificate, device.sign)


def test_expired_certificates_are_refused_by_the_module(device: Device) -> None:
    administration, module = device.gateway.administration, device.gateway.module()
    issued = device.issued(administration.request_operational(GWA, device.sign))
    device.clock.forward(timedelta(days=731))
    with pytest.raises(CommandRefused, match="OPERATIONAL_A_TLS"):
        administration.install_operational(GWA, issued, device.world.sub.certificate, device.sign)
    assert module.information().state is ModuleState.READY


def test_an_import_that_was_not_finished_is_not_asked_for_again(device: Device) -> None:
    administration, module = device.gateway.administration, device.gateway.module()
    issued = device.issued(administration.request_operational(GWA, device.sign))
    module.authenticate_externally(device.sign)
    import_sub_ca(module, device.world.sub.certificate)
    triples.import_triple(module, FIRST, triples.triple_of(issued, RequestType.SMGW_W))
    with pytest.raises(CertificateRefused, match="installing them goes on"):
        administration.request_operational(GWA, device.sign)
    assert keys_in(module) == {*PRELIMINARY.values(), *FIRST.values()}
    administration.install_operational(GWA, issued, device.world.sub.certificate, device.sign)
    assert keys_in(module) == set(FIRST.values())


# The following ones


def test_both_triples_are_there_while_one_takes_over(operating: Device) -> None:
    administration, module = operating.gateway.administration, operating.gateway.module()
    before = operating.gateway.certificates.current()
    package = administration.request_renewal(GWA, operating.sign)
    assert read_package(package).outer.verify() == before[KeyUse.SIG].certificate
    assert operating.gateway.certificates.current() == before
    issued = operating.issued(package)
    assert operating.issued(administration.request_renewal(GWA, operating.sign)) == issued
    for _ in range(2):
        administration.install_renewal(GWA, issued, operating.world.sub.certificate, operating.sign)
        assert keys_in(module) == {*FIRST.values(), *SECOND.values()}
        current = operating.gateway.certificates.current()
        assert {use: found.key for use, found in current.items()} == SECOND
        assert triples.held_in(module, FIRST) == {use: found.certificate for use, found in before.items()}
    with pytest.raises(CertificateRefused, match="it is retired first"):
        administration.request_renewal(GWA, operating.sign)
    assert administration.retire_old(GWA, operating.sign)
    assert not administration.retire_old(GWA, operating.sign)
    assert keys_in(module) == set(SECOND.values())
    package = administration.request_renewal(GWA, operating.sign)
    assert read_package(package).outer.verify() == current[KeyUse.SIG].certificate
    assert keys_in(module) == {*FIRST.values(), *SECOND.values()}


def test_what_was_asked_for_is_not_retired(operating: Device) -> None:
    administration, module = operating.gateway.administration, operating.gateway.module()
    issued = renewed(operating)
    assert not administration.retire_old(GWA, operating.sign)
    assert keys_in(module) == {*FIRST.values(), *SECOND.values()}
    administration.install_renewal(GWA, issued, operating.world.sub.certificate, operating.sign)
    assert administration.retire_old(GWA, operating.sign)
    assert keys_in(module) == set(SECOND.values())


def test_a_renewal_survives_a_cut_after_every_command(operating: Device, tmp_path: Path) -> None:
    def work(device: Device) -> None:
        with contextlib.suppress(CertificateRefused):  # it is in, and the one before has not been retired
            renew(device)

    for cut in operating.every_cut(tmp_path, work):
        module = cut.gateway.module()
        assert {use: found.key for use, found in cut.gateway.certificates.current().items()} == SECOND
        assert triples.fits_keys(module, SECOND, triples.held_in(module, SECOND))
        assert keys_in(module) == {*FIRST.values(), *SECOND.values()}


def test_retiring_survives_a_cut_after_every_command(operating: Device, tmp_path: Path) -> None:
    renew(operating)
    for cut in operating.every_cut(tmp_path, lambda cut: cut.gateway.administration.retire_old(GWA, cut.sign)):
        assert keys_in(cut.gateway.module()) == set(SECOND.values())
        assert len(cut.gateway.certificates.current()) == 3


def test_other_certificates_are_no_renewal(operating: Device) -> None:
    administration = operating.gateway.administration
    issued = renewed(operating)
    for wrong, why in wrong_triples(operating, issued):
        with pytest.raises(CertificateRefused, match=why):
            administration.install_renewal(GWA, wrong, operating.world.sub.certificate, operating.sign)
    assert {use: found.key for use, found in operating.gateway.certificates.current().items()} == FIRST


def test_a_retired_triple_does_not_come_back(operating: Device) -> None:
    administration, sub_ca = operating.gateway.administration, operating.world.sub.certificate
    old = [found.certificate for found in operating.gateway.certificates.current().values()]
    renew(operating)
    administration.retire_old(GWA, operating.sign)
    for install in (administration.install_renewal, administration.install_operational):
        with pytest.raises(CertificateRefused, match="not for operational keys that are in the module"):
            install(GWA, old, sub_ca, operating.sign)


def test_a_renewal_takes_a_module_that_works(device: Device) -> None:
    for call in calls(device.gateway.administration, device, device.sign)[2:5]:
        with pytest.raises(CertificateRefused, match="OPERATIONAL, and it is READY"):
            call()
    assert keys_in(device.gateway.module()) == set(PRELIMINARY.values())


# The end


def test_the_gwa_ends_the_modules_life(operating: Device) -> None:
    administration = operating.gateway.administration
    administration.terminate_module(GWA, operating.sign)
    administration.terminate_module(GWA, operating.sign)
    status = administration.status(GWA)
    assert (status.module, status.module_state) == (SERIAL, ModuleState.TERMINATED)
    assert (status.administrator, status.certificates, status.ends) == (None, {}, None)
    assert not status.renewal_due
    for call in calls(administration, operating, operating.sign)[:-1]:
        with pytest.raises(CertificateRefused, match="it is TERMINATED"):
            call()


def test_termination_survives_a_cut_after_every_command(operating: Device, tmp_path: Path) -> None:
    for cut in operating.every_cut(tmp_path, lambda cut: cut.gateway.administration.terminate_module(GWA, cut.sign)):
        assert cut.gateway.module().information().state is ModuleState.TERMINATED


def test_the_end_is_for_operation_and_faults(device: Device) -> None:
    with pytest.raises(Closed):
        device.gateway.administration.terminate_module(GWA, device.sign)
    device.reach(State.IRREVERSIBLE_FAULT)
    device.gateway.administration.terminate_module(GWA, device.sign)
    assert device.slot.information().state is ModuleState.TERMINATED
