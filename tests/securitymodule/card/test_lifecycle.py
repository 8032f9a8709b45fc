"""The module's own life: both orders, what each step takes, and the end."""

from __future__ import annotations

import hashlib
from itertools import product

import pytest

from securitymodule.apdu import StatusWord
from securitymodule.card.access import STATES
from securitymodule.card.lifecycle import STEPS
from securitymodule.coding import (
    OPERATIONAL_A_KEYS,
    PRELIMINARY_KEYS,
    FileId,
    Ins,
    KeyRef,
    ModuleState,
    Parameters,
    Pin,
)
from securitymodule.curves import BRAINPOOL_P256R1, decode_point
from securitymodule.statements import SignedAttestation
from tests.securitymodule.card.conftest import ModuleAt
from tests.securitymodule.card.pki import Pki
from tests.securitymodule.card.terminal import (
    INTEGRATOR_PIN,
    SERIAL,
    SYSTEM_PIN,
    TRANSPORT_PIN,
    Terminal,
    prepersonalise,
    seal,
    system_pin,
)

NONCE = bytes.fromhex("0011223344556677")


def test_integrated_first(module_at: ModuleAt, pki: Pki) -> None:
    terminal = Terminal(module_at(ModuleState.INTEGRATED))
    terminal.establish(SYSTEM_PIN)
    assert terminal.present().sw == StatusWord.OK
    assert terminal.activate(ModuleState.READY).sw == StatusWord.CONDITIONS_NOT_SATISFIED
    prepersonalise(terminal, pki)
    assert terminal.activate(ModuleState.READY).sw == StatusWord.OK
    assert terminal.information().state is ModuleState.READY


def test_integration_takes_a_system_pin_of_the_gateways_own(module_at: ModuleAt) -> None:
    terminal = Terminal(module_at(ModuleState.INITIALISED))
    terminal.establish(TRANSPORT_PIN)
    assert terminal.activate(ModuleState.INTEGRATED).sw == StatusWord.CONDITIONS_NOT_SATISFIED
    assert terminal.change(Pin.SYSTEM, TRANSPORT_PIN, TRANSPORT_PIN).sw == StatusWord.INCORRECT_DATA
    assert terminal.change(Pin.SYSTEM, TRANSPORT_PIN, SYSTEM_PIN).sw == StatusWord.OK
    assert terminal.activate(ModuleState.INTEGRATED).sw == StatusWord.OK


@pytest.mark.parametrize("missing", [KeyRef.ROOT, *PRELIMINARY_KEYS])
def test_prepersonalisation_takes_everything(module_at: ModuleAt, pki: Pki, missing: KeyRef) -> None:
    terminal = Terminal(module_at(ModuleState.INITIALISED))
    terminal.establish(TRANSPORT_PIN)
    if missing is not KeyRef.ROOT:
        prepersonalise(terminal, pki)
        assert terminal.send(Ins.DELETE, 0x2000 | missing).sw == StatusWord.OK
    assert terminal.activate(ModuleState.PREPERSONALISED).sw == StatusWord.CONDITIONS_NOT_SATISFIED


def test_no_other_step(module_at: ModuleAt, pki: Pki) -> None:
    """Whatever the session may: from each state only the steps of the table lead on."""
    for before, after in product(STATES, STATES):
        if (before, after) in STEPS:
            continue
        terminal = Terminal(module_at(before))
        if before not in {ModuleState.CREATED, ModuleState.TERMINATED}:
            terminal.establish(system_pin(before))
            terminal.present()
            terminal.administrate(pki)
        response = terminal.activate(after)
        assert response.sw in {
            StatusWord.CONDITIONS_NOT_SATISFIED,
            StatusWord.SECURITY_STATUS_NOT_SATISFIED,
            StatusWord.INCORRECT_P1_P2,
        }
        assert terminal.information().state is before


def test_operational_keeps_one_triple(module_at: ModuleAt, pki: Pki) -> None:
    terminal = Terminal(module_at(ModuleState.OPERATIONAL))
    terminal.establish(SYSTEM_PIN)
    assert terminal.administrate(pki).sw == StatusWord.OK
    for key in OPERATIONAL_A_KEYS:
        assert terminal.send(Ins.DELETE, 0x2000 | key).sw == StatusWord.CONDITIONS_NOT_SATISFIED
    for key in PRELIMINARY_KEYS:
        assert terminal.send(Ins.DELETE, 0x2000 | key).sw == StatusWord.OK


def test_terminated(module_at: ModuleAt) -> None:
    module = module_at(ModuleState.TERMINATED)
    terminal = Terminal(module)
    information = terminal.information()
    assert (information.state, information.serial) == (ModuleState.TERMINATED, SERIAL)
    assert (information.system_tries, information.integrator_tries) == (0, 0)
    assert not (seal(module.directory) / "vault.key").exists()
    told = SignedAttestation.decode(
        terminal.done(Ins.INTERNAL_AUTHENTICATE, Parameters.NONE, b"\x84\x08" + NONCE)
    ).verify(decode_point(BRAINPOOL_P256R1, information.attestation_point), NONCE)
    assert (told.state, told.keys, told.serial) == (ModuleState.TERMINATED, (), SERIAL)


def test_termination_erases_under_a_channel_and_holds_after_power(module_at: ModuleAt, pki: Pki) -> None:
    module = module_at(ModuleState.OPERATIONAL)
    terminal = Terminal(module)
    terminal.establish(SYSTEM_PIN)
    head = (7).to_bytes(8, "big") + hashlib.sha256(b"entry").digest()
    assert terminal.send(Ins.SELECT, 0x000C, FileId.EF_RECORD_HEAD.to_bytes(2, "big")).sw == StatusWord.OK
    assert terminal.send(Ins.UPDATE_BINARY, 0, head).sw == StatusWord.OK
    assert terminal.administrate(pki).sw == StatusWord.OK
    assert terminal.send(Ins.TERMINATE_CARD_USAGE, Parameters.NONE).sw == StatusWord.OK
    assert terminal.sign(KeyRef.OPERATIONAL_A_SIG, bytes(32)).sw == StatusWord.CONDITIONS_NOT_SATISFIED
    module.power_off()
    module.power_on()
    terminal = Terminal(module)
    information = terminal.information()
    assert information.state is ModuleState.TERMINATED
    signed = SignedAttestation.decode(terminal.done(Ins.INTERNAL_AUTHENTICATE, 0, b"\x84\x08" + NONCE))
    told = signed.verify(decode_point(BRAINPOOL_P256R1, information.attestation_point), NONCE)
    assert told.record_head == head


def test_attestation_says_what_is_in_the_module(module_at: ModuleAt, pki: Pki) -> None:
    terminal = Terminal(module_at(ModuleState.OPERATIONAL))
    information = terminal.information()
    key = decode_point(BRAINPOOL_P256R1, information.attestation_point)
    bound = b"\x85\x03abc"
    first = SignedAttestation.decode(terminal.done(Ins.INTERNAL_AUTHENTICATE, 0, b"\x84\x08" + NONCE + bound))
    told = first.verify(key, NONCE)
    assert told.bound == b"abc"
    assert told.counter == information.counter + 1
    expected = {*PRELIMINARY_KEYS, *OPERATIONAL_A_KEYS, *pki.administrator, KeyRef.ROOT}
    assert set(told.by_key) == expected
    assert list(told.by_key) == sorted(expected)
    assert told.by_key[KeyRef.ROOT].certificate_hash == hashlib.sha256(pki.root.der).digest()
    second = SignedAttestation.decode(terminal.done(Ins.INTERNAL_AUTHENTICATE, 0, b"\x84\x08" + NONCE))
    assert second.verify(key, NONCE).counter == told.counter + 1
    for wrong in (b"", b"\x84\x07" + NONCE[:7], b"\x84\x41" + bytes(65), b"\x84\x08" + NONCE + b"\x86\x00"):
        assert terminal.send(Ins.INTERNAL_AUTHENTICATE, 0, wrong).sw == StatusWord.INCORRECT_DATA


def test_initialisation_happens_once(module_at: ModuleAt) -> None:
    terminal = Terminal(module_at(ModuleState.CREATED))
    assert terminal.plain(Ins.PUT_DATA, Parameters.INITIALISATION, b"\xe1\x00").sw == StatusWord.INCORRECT_DATA
    assert terminal.information().state is ModuleState.CREATED
    again = Terminal(module_at(ModuleState.INITIALISED))
    assert again.plain(Ins.PUT_DATA, Parameters.INITIALISATION, b"\xe1\x00").sw == StatusWord.CONDITIONS_NOT_SATISFIED


def test_integrator_pin_ends_with_the_handover(module_at: ModuleAt, pki: Pki) -> None:
    terminal = Terminal(module_at(ModuleState.READY))
    terminal.establish(SYSTEM_PIN)
    assert terminal.present().sw == StatusWord.OK
    assert terminal.take_sub_ca(pki).sw == StatusWord.OK
    for key in (KeyRef.GWA_TLS, KeyRef.GWA_SIG):
        certificate = pki.administrator_certificate(key)
        assert terminal.take(key, certificate, KeyRef.SUB_CA).sw == StatusWord.OK
        assert terminal.take(key, certificate, KeyRef.SUB_CA).sw == StatusWord.CONDITIONS_NOT_SATISFIED
    last = pki.administrator_certificate(KeyRef.GWA_ENC)
    assert terminal.take(KeyRef.GWA_ENC, last, KeyRef.SUB_CA).sw == StatusWord.OK
    assert terminal.take(KeyRef.GWA_ENC, last, KeyRef.SUB_CA).sw == StatusWord.SECURITY_STATUS_NOT_SATISFIED
    assert terminal.present().sw == StatusWord.CONDITIONS_NOT_SATISFIED
    changed = terminal.change(Pin.INTEGRATOR, INTEGRATOR_PIN, "1234567890")
    assert changed.sw == StatusWord.CONDITIONS_NOT_SATISFIED
    assert terminal.administrate(pki).sw == StatusWord.OK
    assert terminal.take(KeyRef.GWA_ENC, last, KeyRef.SUB_CA).sw == StatusWord.OK
