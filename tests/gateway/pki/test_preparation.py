"""Vorpersonalisierung I: what goes into the module goes in once, whole, in both arrangements, whatever is cut."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

from gateway.pki import preparation, triples
from gateway.pki.keys import PRELIMINARY, CertificateRefused
from lifecycle.functions import Credential
from lifecycle.gate import Closed
from lifecycle.states import State
from securitymodule.client import SecurityModule
from securitymodule.coding import KeyRef, ModuleState
from securitymodule.errors import CommandRefused
from smpki.algorithms import curve_of
from smpki.errors import KeyStoreError
from smpki.names import Environment
from smpki.profiles import KeyUse, RequestType
from smpki.requests import read_package
from tests.support.gateways import ENVIRONMENT, INTEGRATOR_PIN, At, Device, ModuleOrder
from tests.support.lives import OTHER_GATEWAY
from tests.support.pki import World


def prepare(device: Device, module: SecurityModule) -> None:
    """The four steps, as somebody does them who does not know what was done before."""
    preparation.import_root(module, device.world.root.certificate)
    preparation.generate_preliminary_keys(module)
    seals = list(triples.held_in(module, PRELIMINARY).values())
    if len(seals) < len(KeyUse):
        seals = device.seals(preparation.request_seals(module, device.id, ENVIRONMENT))
    preparation.import_seals(module, seals, device.world.sub.certificate)


def prepare_apart(device: Device) -> None:
    """At the contacts of the bare module."""
    with device.bare_module() as module:
        prepare(device, module)


def prepare_assembled(device: Device) -> None:
    """In the gateway, with the Integrator-PIN."""
    device.gateway.module().verify_pin(INTEGRATOR_PIN)
    prepare(device, device.gateway.module())


def test_each_step_is_done_once(at: At) -> None:
    device = at(State.PREPERSONALISATION_1_SEPARATE)
    contact, sub_ca = Credential.MODULE_CONTACT, device.world.sub.certificate
    with device.bare_module() as module:
        contacts = device.contacts(module)
        assert contacts.import_root(contact, device.world.root.certificate)
        assert not contacts.import_root(contact, device.world.root.certificate)
        assert contacts.generate_preliminary_keys(contact)
        keys = {key: module.public_key(key) for key in PRELIMINARY.values()}
        assert not contacts.generate_preliminary_keys(contact)
        assert {key: module.public_key(key) for key in PRELIMINARY.values()} == keys
        package = contacts.request_seals(contact, ENVIRONMENT)
        seals = device.seals(package)
        assert device.seals(contacts.request_seals(contact, ENVIRONMENT)) == seals
        assert module.information().state is ModuleState.INITIALISED
        assert contacts.import_seals(contact, seals, sub_ca)
        assert module.information().state is ModuleState.PREPERSONALISED
        assert not contacts.import_seals(contact, seals, sub_ca)
        assert list(triples.held_in(module, PRELIMINARY).values()) == seals
        with pytest.raises(CertificateRefused, match="in the module already"):
            contacts.request_seals(contact, ENVIRONMENT)


def test_the_request_is_one_for_seals_in_the_gateways_name(at: At) -> None:
    device = at(State.PREPERSONALISATION_1_SEPARATE)
    with device.bare_module() as module:
        with pytest.raises(KeyStoreError, match="no key PRELIMINARY_TLS"):
            preparation.request_seals(module, device.id, ENVIRONMENT)
        preparation.generate_preliminary_keys(module)
        package = read_package(preparation.request_seals(module, device.id, Environment.PRODUCTION))
        assert package.request_type is RequestType.SMGW_G
        assert (package.name.common_name, package.name.environment) == (f"{device.id}.SMGW", Environment.PRODUCTION)
        assert not package.outer.is_signed
        assert package.authorisation is None
        asked = {request.profile.use: request.public_key for request in package.requests}
        assert asked == {use: module.public_key(key) for use, key in PRELIMINARY.items()}


def test_another_root_does_not_take_the_place_of_the_first(at: At, tmp_path: Path) -> None:
    device = at(State.PREPERSONALISATION_1_SEPARATE)
    stranger = World.in_folder(tmp_path, device.clock)
    with device.bare_module() as module:
        with pytest.raises(CommandRefused):
            preparation.import_root(module, device.world.sub.certificate)
        assert module.certificate(KeyRef.ROOT) is None
        preparation.import_root(module, device.world.root.certificate)
        with pytest.raises(CertificateRefused, match="another root"):
            preparation.import_root(module, stranger.root.certificate)


def seals_wanted(device: Device) -> list[x509.Certificate]:
    """Root and keys are in; the seals are issued."""
    with device.bare_module() as module:
        preparation.import_root(module, device.world.root.certificate)
        preparation.generate_preliminary_keys(module)
        return device.seals(preparation.request_seals(module, device.id, ENVIRONMENT))


def test_seals_that_are_not_the_modules_are_refused_and_change_nothing(at: At) -> None:
    device = at(State.PREPERSONALISATION_1_SEPARATE)
    seals, sub_ca = seals_wanted(device), device.world.sub.certificate
    others = device.world.seal(device.gwh)
    strangers = device.world.seal(device.gwh, OTHER_GATEWAY)
    renewed = device.world.operate(device.gwa, others)
    contact = Credential.MODULE_CONTACT
    with device.bare_module() as module:
        before = module.information().counter
        contacts = device.contacts(module)
        for wrong, why in (
            (list(others.certificates.values()), "not for the preliminary keys"),
            (list(strangers.certificates.values()), f"those of {OTHER_GATEWAY}, and this is {device.id}"),
            (list(renewed.certificates.values()), "a triple of SMGW-G"),
            (seals[:2], "three certificates, not 2"),
            ([seals[0], seals[0], seals[2]], "one certificate each"),
            ([*seals, seals[0]], "one certificate each"),
            ([seals[0], seals[1], others.certificates[KeyUse.ENC]], "one name and one number"),
            ([], "three certificates, not 0"),
            ([sub_ca, *seals[1:]], "one certificate each"),
        ):
            with pytest.raises(CertificateRefused, match=why):
                contacts.import_seals(contact, wrong, sub_ca)
        with pytest.raises(CommandRefused):
            contacts.import_seals(
                contact, seals, device.world.new_sub("Andere", curve_of(device.world.sub.public_key))[0].certificate
            )
        assert triples.held_in(module, PRELIMINARY) == {}
        assert module.information().state is ModuleState.INITIALISED
        assert module.information().counter - before <= 1  # the other Sub-CA was believed, and nothing that it issued
        assert contacts.import_seals(contact, seals, sub_ca)


def test_the_contacts_ask_the_gate(at: At) -> None:
    device = at(State.PREPERSONALISATION_1_SEPARATE)
    with device.bare_module() as module:
        contacts = device.contacts(module)
        for credential in Credential:
            if credential is not Credential.MODULE_CONTACT:
                with pytest.raises(Closed):
                    contacts.import_root(credential, device.world.root.certificate)
        assert module.certificate(KeyRef.ROOT) is None


def test_preparation_apart_survives_a_cut_after_every_command(at: At, tmp_path: Path) -> None:
    device = at(State.PREPERSONALISATION_1_SEPARATE)
    for cut in device.every_cut(tmp_path, prepare_apart):
        with cut.bare_module() as module:
            assert module.information().state is ModuleState.PREPERSONALISED
            assert triples.fits_keys(module, PRELIMINARY, triples.held_in(module, PRELIMINARY))


def test_preparation_assembled_survives_a_cut_after_every_command(at: At, tmp_path: Path) -> None:
    device = at(State.PREPERSONALISATION_1_ASSEMBLED, ModuleOrder.ASSEMBLED)
    for cut in device.every_cut(tmp_path, prepare_assembled):
        module = cut.gateway.module()
        assert module.information().state is ModuleState.READY
        assert triples.fits_keys(module, PRELIMINARY, triples.held_in(module, PRELIMINARY))


def test_a_module_left_behind_goes_on_when_it_can(at: At) -> None:
    device = at(State.PREPERSONALISATION_1_SEPARATE)
    with device.bare_module() as module:
        assert not preparation.complete_preparation(module)
        preparation.generate_preliminary_keys(module)
        assert not preparation.complete_preparation(module)
    prepare_apart(device)
    with device.bare_module() as module:
        assert not preparation.complete_preparation(module)
