"""Integrator and Erstkonfigurator at the local interface: whose PIN, whose file, and nothing by halves."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway import local_functions
from gateway.configuration import (
    AlreadyConfigured,
    CommunicationParameters,
    ConfigurationError,
    InitialConfiguration,
    compose_initial,
    read_initial,
)
from gateway.local_functions import IntegratorPinMissing, IntegratorPinUseless, LocalFunctions
from gateway.pki import administrator
from gateway.pki.keys import ADMINISTRATOR, CertificateRefused, der_of
from gateway.reaching import CONNECT_SECONDS, connect_tcp
from lifecycle.functions import Credential
from lifecycle.gate import Closed
from lifecycle.states import State
from securitymodule.coding import KeyRef, ModuleState
from securitymodule.errors import CommandRefused, PinBlocked, WrongPin
from securitymodule.statements import StatementError
from smpki.certificates import fingerprint
from smpki.names import Function
from smpki.orders import Reason
from smpki.path_errors import PathInvalid
from smpki.profiles import KeyUse
from tests.support.gateways import COMMUNICATION, ENVIRONMENT, INTEGRATOR_PIN, At, Device, ModuleOrder
from tests.support.lives import OTHER_GATEWAY
from tests.support.pki import Holder, World

PIN, CONFIGURATOR = Credential.INTEGRATOR_PIN, Credential.CONFIGURATOR_CREDENTIAL
WRONG_PIN = "5555555555"


@pytest.fixture
def device(at: At) -> Device:
    """A gateway in Vorpersonalisierung II, waiting for its initial configuration file."""
    return at(State.PREPERSONALISATION_2)


@pytest.fixture
def assembled(at: At) -> Device:
    """A gateway with its module, nothing in that yet."""
    return at(State.PREPERSONALISATION_1_ASSEMBLED)


def nothing_happened(device: Device) -> bool:
    """Whether neither module nor folder have anything of a GWA."""
    module, folder = device.gateway.module(), device.gateway.configuration
    assert folder is not None
    return (
        all(module.certificate(key) is None for key in ADMINISTRATOR.values())
        and folder.initial() is None
        and folder.pending() is None
    )


# The Integrator-PIN


def test_nothing_is_done_without_the_integrator_pin(assembled: Device) -> None:
    local, world = assembled.gateway.local, assembled.world
    seals = list(world.seal(assembled.gwh).certificates.values())
    for ask in (
        lambda: local.import_root(PIN, world.root.certificate),
        lambda: local.generate_preliminary_keys(PIN),
        lambda: local.export_requests(PIN, ENVIRONMENT),
        lambda: local.import_seals(PIN, seals, world.sub.certificate),
    ):
        with pytest.raises(IntegratorPinMissing, match="has not been presented"):
            ask()
    module = assembled.gateway.module()
    assert module.certificate(KeyRef.ROOT) is None
    assert module.public_key(KeyRef.PRELIMINARY_TLS) is None


def test_no_file_is_imported_without_the_integrator_pin(device: Device) -> None:
    with pytest.raises(IntegratorPinMissing):
        device.gateway.local.import_initial_configuration(PIN, device.initial_file())
    assert nothing_happened(device)


def test_a_wrong_pin_says_how_many_tries_are_left(assembled: Device) -> None:
    local = assembled.gateway.local
    for left in range(7, 0, -1):
        with pytest.raises(WrongPin, match=rf"{left} tr(y|ies) left") as wrong:
            local.present_integrator_pin(WRONG_PIN)
        assert wrong.value.left == left
        assert WRONG_PIN not in str(wrong.value)
        assert not local.integrator_present
    with pytest.raises(PinBlocked):
        local.present_integrator_pin(WRONG_PIN)
    with pytest.raises(PinBlocked):
        local.present_integrator_pin(INTEGRATOR_PIN)


def test_what_has_no_digits_costs_no_try(assembled: Device) -> None:
    with pytest.raises(StatementError, match="decimal digits"):
        assembled.gateway.local.present_integrator_pin("geheim")
    assert assembled.gateway.module().pin_tries() == 8


def test_a_pin_holds_until_the_session_ends(assembled: Device) -> None:
    local = assembled.gateway.local
    assert not local.integrator_present
    local.present_integrator_pin(INTEGRATOR_PIN)
    assert local.integrator_present
    assert local.import_root(PIN, assembled.world.root.certificate)
    local.end_session()
    assert not local.integrator_present
    with pytest.raises(IntegratorPinMissing):
        local.generate_preliminary_keys(PIN)
    local.present_integrator_pin(INTEGRATOR_PIN)
    with pytest.raises(WrongPin):
        local.present_integrator_pin(WRONG_PIN)
    with pytest.raises(IntegratorPinMissing):
        local.generate_preliminary_keys(PIN)
    local.present_integrator_pin(INTEGRATOR_PIN)
    assembled.restart()
    assert not assembled.gateway.local.integrator_present


def test_ending_a_session_that_there_is_not_does_nothing(assembled: Device) -> None:
    assembled.gateway.local.end_session()
    assembled.gateway.close()
    assembled.gateway.local.end_session()
    assembled.slot.open().close()


# Vorpersonalisierung I, assembled


def test_the_assembled_module_is_prepared_over_the_local_interface(assembled: Device) -> None:
    assembled.work()
    local = assembled.gateway.local
    assert assembled.gateway.module().information().state is ModuleState.READY
    assert not local.import_root(PIN, assembled.world.root.certificate)
    assert not local.generate_preliminary_keys(PIN)
    seals = [found.certificate for found in assembled.gateway.certificates.held()]
    assert not local.import_seals(PIN, seals, assembled.world.sub.certificate)


def test_another_gateways_seals_are_refused(assembled: Device) -> None:
    local = assembled.gateway.local
    local.present_integrator_pin(INTEGRATOR_PIN)
    strangers = assembled.world.seal(assembled.gwh, OTHER_GATEWAY).certificates
    with pytest.raises(CertificateRefused, match=f"those of {OTHER_GATEWAY}"):
        local.import_seals(PIN, list(strangers.values()), assembled.world.sub.certificate)


# The initial configuration file


def test_the_file_is_verified_imported_and_kept(device: Device) -> None:
    gateway, file = device.gateway, device.initial_file()
    gateway.local.present_integrator_pin(INTEGRATOR_PIN)
    configuration = gateway.local.import_initial_configuration(PIN, file)
    assert configuration.gateway == device.id
    assert configuration.administrator == "Verwalter.GWA"
    assert configuration.communication == COMMUNICATION
    folder = gateway.configuration
    assert folder is not None
    assert folder.initial() == configuration
    assert (folder.path / "initial.cms").read_bytes() == file
    module = gateway.module()
    for use, key in ADMINISTRATOR.items():
        assert module.certificate(key) == der_of(device.gwa.certificates[use])
    assert device.restart().configuration.initial() == configuration  # type: ignore[union-attr]


def test_a_second_file_is_refused(device: Device) -> None:
    local, file = device.gateway.local, device.initial_file()
    local.present_integrator_pin(INTEGRATOR_PIN)
    local.import_initial_configuration(PIN, file)
    successor = device.world.enrol("Nachfolger", Function.GWA)
    for again in (file, device.initial_file(), device.initial_file(gwa=successor), b""):
        with pytest.raises(AlreadyConfigured, match="once"):
            local.import_initial_configuration(PIN, again)
    with pytest.raises(IntegratorPinUseless):
        local.present_integrator_pin(INTEGRATOR_PIN)
    assert device.gateway.module().certificate(KeyRef.GWA_SIG) == der_of(device.gwa.certificates[KeyUse.SIG])


def test_the_file_is_for_one_phase(device: Device) -> None:
    file = device.initial_file()
    device.reach(State.DELIVERY_TO_MSB)
    with pytest.raises(Closed):
        device.gateway.local.import_initial_configuration(PIN, file)


def recomposed(device: Device, signer: Holder | None = None, **changes: object) -> bytes:
    """A file that says something else, and is signed all the same."""
    configuration, _ = read_initial(device.initial_file())
    return compose_initial(replace(configuration, **changes), (signer or device.gwa).signer)  # type: ignore[arg-type]


def other_gateway(device: Device) -> bytes:
    return device.initial_file(gateway=OTHER_GATEWAY)


def signed_by_another_gwa(device: Device) -> bytes:
    return device.initial_file(signer=device.world.enrol("Fremd", Function.GWA))


def signed_with_another_key(device: Device) -> bytes:
    forger = replace(device.gwa, keys=device.gwh.keys, certificates=device.gwh.certificates)
    return device.initial_file(signer=forger)


def changed_after_signing(device: Device) -> bytes:
    file = device.initial_file()
    assert file.count(b"gwa.example") == 1
    return file.replace(b"gwa.example", b"gwb.example")


def signature_changed(device: Device) -> bytes:
    file = bytearray(device.initial_file())
    file[-1] ^= 1
    return bytes(file)


def of_a_manufacturer(device: Device) -> bytes:
    return device.initial_file(gwa=device.gwh)


def in_another_name(device: Device) -> bytes:
    return recomposed(device, administrator="Fremd.GWA")


def two_generations_mixed(device: Device) -> bytes:
    again = device.world.enrol("Fremd", Function.GWA)
    mixed = {**device.gwa.certificates, KeyUse.ENC: again.certificates[KeyUse.ENC]}
    return device.initial_file(gwa=replace(device.gwa, certificates=mixed))


def uses_swapped(device: Device) -> bytes:
    certificates = device.gwa.certificates
    swapped = {
        KeyUse.TLS: certificates[KeyUse.SIG],
        KeyUse.SIG: certificates[KeyUse.SIG],
        KeyUse.ENC: certificates[KeyUse.ENC],
    }
    return device.initial_file(gwa=replace(device.gwa, certificates=swapped))


def of_another_pki(device: Device) -> bytes:
    path = device.folder.parent / "stranger"
    path.mkdir()
    world = World.in_folder(path, device.clock)
    stranger = replace(device, world=world, gwa=world.enrol("Verwalter", Function.GWA))
    return stranger.initial_file()


def without_crls(device: Device) -> bytes:
    return recomposed(device, crls=())


def with_a_crl_that_has_ended(device: Device) -> bytes:
    file = device.initial_file(lifetime=timedelta(days=20))
    device.clock.forward(timedelta(days=10))
    return file


def that_has_ended(device: Device) -> bytes:
    file = device.initial_file(lifetime=timedelta(hours=1))
    device.clock.forward(timedelta(hours=2))
    return file


def that_is_of_tomorrow(device: Device) -> bytes:
    now = device.clock()
    return recomposed(device, issued=now + timedelta(days=1), valid_until=now + timedelta(days=2))


def of_an_expired_gwa(device: Device) -> bytes:
    device.clock.forward(timedelta(days=731))
    return device.initial_file()


def of_a_revoked_gwa(device: Device) -> bytes:
    device.world.desk.revoke([fingerprint(device.gwa.certificates[KeyUse.SIG])], Reason.KEY_COMPROMISE)
    return device.initial_file()


def no_file(_device: Device) -> bytes:
    return b"no file"


REFUSED: list[tuple[Callable[[Device], bytes], str]] = [
    (other_gateway, f"for {OTHER_GATEWAY}, and this is"),
    (signed_by_another_gwa, "not signed by its GWA"),
    (signed_with_another_key, "not signed by its GWA"),
    (changed_after_signing, "not signed by its GWA: the content is not the one"),
    (signature_changed, "not signed by its GWA"),
    (of_a_manufacturer, "not of GWA"),
    (in_another_name, "not one triple of Fremd.GWA"),
    (two_generations_mixed, "not one triple of Verwalter.GWA"),
    (uses_swapped, "is for SIG, not for TLS"),
    (of_another_pki, "the GWA is not believed"),
    (without_crls, "the GWA is not believed"),
    (with_a_crl_that_has_ended, "the GWA is not believed"),
    (that_has_ended, "can be imported from 2026-03-02 08:00:00 to 2026-03-02 09:00:00 UTC only"),
    (that_is_of_tomorrow, "can be imported from"),
    (of_an_expired_gwa, "expired on"),
    (of_a_revoked_gwa, "was revoked on .*: keyCompromise"),
    (no_file, "no initial configuration file"),
]


@pytest.mark.parametrize(("made", "why"), [pytest.param(*each, id=each[0].__name__) for each in REFUSED])
def test_a_file_that_is_refused_leaves_nothing_behind(
    device: Device, made: Callable[[Device], bytes], why: str
) -> None:
    local, file = device.gateway.local, made(device)
    local.present_integrator_pin(INTEGRATOR_PIN)
    with pytest.raises(ConfigurationError, match=why):
        local.import_initial_configuration(PIN, file)
    assert nothing_happened(device)
    with contextlib.suppress(PathInvalid):  # where the GWA itself is good, the right file goes in then
        device.world.believe(device.gwa.certificates[KeyUse.SIG])
        local.import_initial_configuration(PIN, device.initial_file())


def test_where_software_is_mistaken_the_module_has_its_word(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_functions, "check_initial", lambda *_: None)
    local = device.gateway.local
    local.present_integrator_pin(INTEGRATOR_PIN)
    for made in (of_another_pki, of_a_manufacturer, uses_swapped):
        with pytest.raises(ConfigurationError, match="the module"):
            local.import_initial_configuration(PIN, made(device))
    assert device.gateway.configuration is not None
    assert device.gateway.configuration.pending() is None


def test_the_module_verifies_the_signature_of_the_file(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_functions, "check_initial", lambda *_: None)
    monkeypatch.setattr("smpki.signed.SignedMessage.verify", lambda _self, certificate=None: certificate)
    local, module = device.gateway.local, device.gateway.module()
    local.present_integrator_pin(INTEGRATOR_PIN)
    with pytest.raises(ConfigurationError, match="not signed by its GWA, says the module"):
        local.import_initial_configuration(PIN, signature_changed(device))
    # The one thing that a module keeps which was asked: the SIG key that it verified with.
    assert module.certificate(KeyRef.GWA_SIG) is not None
    assert not administrator.holds_administrator(module)
    monkeypatch.undo()
    with pytest.raises(ConfigurationError, match="another GWA's SIG key is in the module"):
        local.import_initial_configuration(PIN, device.initial_file(gwa=device.world.enrol("Fremd", Function.GWA)))
    local.import_initial_configuration(PIN, device.initial_file())


def test_a_module_that_was_left_behind_becomes_ready_first(assembled: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as cut:
        cut.setattr("gateway.pki.preparation.complete_preparation", lambda _module: False)
        assembled.reach(State.PREPERSONALISATION_2, ModuleOrder.ASSEMBLED)
    assert assembled.gateway.module().information().state is ModuleState.INTEGRATED
    assembled.work()
    assert assembled.gateway.module().information().state is ModuleState.READY


def imported(device: Device, file: bytes) -> InitialConfiguration | None:
    """The import as somebody does it who does not know how far it came before."""
    local = device.gateway.local
    with contextlib.suppress(IntegratorPinUseless):
        local.present_integrator_pin(INTEGRATOR_PIN)
    with contextlib.suppress(AlreadyConfigured):
        return local.import_initial_configuration(PIN, file)
    return None


def test_the_import_survives_a_cut_after_every_command(device: Device, tmp_path: Path) -> None:
    file = device.initial_file()
    for cut in device.every_cut(tmp_path, lambda cut: imported(cut, file)):
        folder, module = cut.gateway.configuration, cut.gateway.module()
        assert folder is not None
        assert folder.pending() is None
        assert (folder.path / "initial.cms").read_bytes() == file
        assert administrator.holds_administrator(module, folder.initial())


def cut_after_the_last_key(device: Device, monkeypatch: pytest.MonkeyPatch, file: bytes) -> None:
    """The power goes when the module is the GWA's, and before the file is in its place."""
    device.gateway.local.present_integrator_pin(INTEGRATOR_PIN)
    with monkeypatch.context() as cut:
        cut.setattr("gateway.configuration_folder.ConfigurationFolder.finish", lambda _self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            device.gateway.local.import_initial_configuration(PIN, file)
    device.restart()


def test_an_import_cut_after_the_last_key_is_finished_without_a_pin(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = device.initial_file()
    cut_after_the_last_key(device, monkeypatch, file)
    other = device.initial_file(lifetime=timedelta(days=1))
    with pytest.raises(IntegratorPinMissing):
        device.gateway.local.import_initial_configuration(PIN, other)
    configuration = device.gateway.local.import_initial_configuration(PIN, file)
    assert device.gateway.configuration is not None
    assert device.gateway.configuration.initial() == configuration


def test_an_import_cut_after_the_last_key_is_finished_when_the_integrator_comes(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_after_the_last_key(device, monkeypatch, device.initial_file())
    with pytest.raises(IntegratorPinUseless, match="the GWA's public keys are in the module"):
        device.gateway.local.present_integrator_pin(INTEGRATOR_PIN)
    assert device.gateway.configuration is not None
    assert device.gateway.configuration.initial() is not None


# The Erstkonfigurator


@pytest.fixture
def mounted(at: At) -> Device:
    """A gateway where it is to work."""
    return at(State.FIRST_INSTALLATION)


def connecting(device: Device, connect: Callable[[str, int, float], None]) -> LocalFunctions:
    """Its local functions with another way to connect."""
    gateway, folder = device.gateway, device.gateway.configuration
    assert folder is not None
    return LocalFunctions(
        device.id,
        gateway.gate,
        gateway.module,
        folder,
        clock=device.clock,
        forget=lambda: None,
        connect=connect,
    )


def test_parameters_are_kept(mounted: Device) -> None:
    local = mounted.gateway.local
    parameters = CommunicationParameters(host="192.0.2.1", port=4443, apn="smgw.example")
    local.set_communication_parameters(CONFIGURATOR, CommunicationParameters(apn="internet"))
    local.set_communication_parameters(CONFIGURATOR, parameters)
    assert mounted.restart().configuration.communication() == parameters  # type: ignore[union-attr]
    with pytest.raises(Closed):
        local.set_communication_parameters(PIN, parameters)


def test_a_connection_test_goes_where_the_gateway_would(mounted: Device) -> None:
    tried: list[tuple[str, int, float]] = []
    local = connecting(mounted, lambda *way: tried.append(way))
    for parameters, way in (
        (None, ("gwa.example", 8443)),
        (CommunicationParameters(host="192.0.2.1"), ("192.0.2.1", 8443)),
        (CommunicationParameters(port=4443), ("gwa.example", 4443)),
        (CommunicationParameters(apn="internet"), ("gwa.example", 8443)),
        (CommunicationParameters(proxy_host="proxy.example", proxy_port=3128), ("proxy.example", 3128)),
    ):
        if parameters is not None:
            local.set_communication_parameters(CONFIGURATOR, parameters)
        report = local.test_connection(CONFIGURATOR)
        assert report.reached
        assert not report.trouble
        assert (report.host, report.port) == way
        assert tried[-1] == (*way, CONNECT_SECONDS)


@pytest.mark.parametrize(
    ("error", "words"),
    [(OSError(111, "Connection refused"), "Connection refused"), (TimeoutError("timed out"), "timed out")],
)
def test_a_connection_that_fails_is_reported(mounted: Device, error: OSError, words: str) -> None:
    def fail(_host: str, _port: int, _seconds: float) -> None:
        raise error

    report = connecting(mounted, fail).test_connection(CONFIGURATOR)
    assert not report.reached
    assert report.trouble == words
    assert report.seconds >= 0


def test_a_real_listener_is_reached_and_an_absent_one_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        connect_tcp("127.0.0.1", port, 5.0)
    with pytest.raises(OSError, match="refused"):
        connect_tcp("127.0.0.1", port, 5.0)


def test_nobody_knows_where_the_gwa_is_without_a_file(mounted: Device) -> None:
    assert mounted.gateway.configuration is not None
    (mounted.gateway.configuration.path / "initial.cms").unlink()
    with pytest.raises(ConfigurationError, match="where the GWA is"):
        mounted.gateway.local.test_connection(CONFIGURATOR)


def test_the_local_interface_is_shut_from_personalisation_on(mounted: Device) -> None:
    mounted.work()
    for ask in (
        lambda: mounted.gateway.local.test_connection(CONFIGURATOR),
        lambda: mounted.gateway.local.import_root(PIN, mounted.world.root.certificate),
    ):
        with pytest.raises(Closed):
            ask()


def test_the_module_refuses_what_the_gate_would_not_see(device: Device) -> None:
    """Root and seal are in: over whichever way, the module takes no other."""
    module = device.gateway.module()
    module.verify_pin(INTEGRATOR_PIN)
    with pytest.raises(CommandRefused):
        module.import_root(der_of(device.world.root.certificate))
