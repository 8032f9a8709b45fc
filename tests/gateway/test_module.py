"""A device's secret, the PINs that come of it, and how a module becomes the device's own."""

from __future__ import annotations

import copy
import hmac
import pickle
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.module import SECRET_BYTES, DeviceError, DeviceSecret, ModuleSlot, derive_pin
from lifecycle.functions import Credential
from lifecycle.states import State
from securitymodule.card.module import SoftwareModule
from securitymodule.coding import ModuleState, Pin
from securitymodule.errors import ModuleBusy, NoModule, PinBlocked, WrongPin
from securitymodule.statements import StatementError
from tests.support.gateways import INTEGRATOR_PIN, SERIAL, TRANSPORT_PIN, At, Device, ModuleOrder

SECRET = bytes(range(32))
OTHER_PIN = "5555555555"
PINNED = "0669531513453333"


# PINs


def hkdf_sha256(secret: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 by itself, with a salt of zeros."""
    key = hmac.digest(bytes(32), secret, "sha256")
    block, out = b"", b""
    for number in range(1, length // 32 + 1):
        block = hmac.digest(key, block + info + bytes((number,)), "sha256")
        out += block
    return out


def test_a_pin_is_what_rfc_5869_makes_of_secret_purpose_and_serial() -> None:
    drawn = hkdf_sha256(SECRET, b"SMGW PIN\x00GW-System-PIN\x00SM-0001", 64)
    assert derive_pin(SECRET, "GW-System-PIN", "SM-0001") == str(int.from_bytes(drawn, "big") % 10**16).zfill(16)


def test_the_same_pin_comes_again() -> None:
    """Modules in the field depend on these digits."""
    assert derive_pin(SECRET, "GW-System-PIN", "SM-0001") == PINNED
    assert DeviceSecret(SECRET).system_pin("SM-0001") == PINNED


@given(st.binary(min_size=32, max_size=64), st.text(max_size=20), st.integers(10, 32))
def test_a_pin_has_its_digits(secret: bytes, purpose: str, digits: int) -> None:
    pin = derive_pin(secret, purpose, "SM-0001", digits)
    assert len(pin) == digits
    assert pin.isascii()
    assert pin.isdigit()


def test_secret_purpose_and_serial_each_make_another_pin() -> None:
    pins = {
        derive_pin(secret, purpose, serial)
        for secret in (SECRET, SECRET[::-1])
        for purpose in ("transport", "integrator")
        for serial in ("SM-0001", "SM-0002")
    }
    assert len(pins) == 8


def test_purpose_and_serial_do_not_run_into_one_another() -> None:
    assert derive_pin(SECRET, "a", "bc") != derive_pin(SECRET, "ab", "c")


@pytest.mark.parametrize(
    ("secret", "serial", "digits"),
    [(SECRET[:31], "SM-0001", 16), (SECRET, "", 16), (SECRET, "SM 1", 16), (SECRET, "SM-0001", 9), (SECRET, "S", 33)],
)
def test_no_pin_of_anything_else(secret: bytes, serial: str, digits: int) -> None:
    with pytest.raises(ValueError, match=r"secret|serial|digits") as refused:
        derive_pin(secret, "transport", serial, digits)
    assert secret.hex() not in str(refused.value)


# The device's secret


def test_a_secret_is_made_once_and_read_from_then_on(tmp_path: Path) -> None:
    path = tmp_path / "gateway" / "device.key"
    made = DeviceSecret.open_or_make(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert len(path.read_bytes()) == SECRET_BYTES
    assert DeviceSecret.open_or_make(path).system_pin(SERIAL) == made.system_pin(SERIAL)
    assert [entry.name for entry in path.parent.iterdir()] == ["device.key"]
    other = DeviceSecret.open_or_make(tmp_path / "other.key")
    assert other.system_pin(SERIAL) != made.system_pin(SERIAL)


def test_a_secret_that_somebody_else_has_just_made_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "device.key"
    made = DeviceSecret.open_or_make(path)
    answers = iter([False])  # as it was a moment ago
    exists = Path.exists
    monkeypatch.setattr(
        Path, "exists", lambda self: next(answers, None) or exists(self) if self == path else exists(self)
    )
    assert DeviceSecret.open_or_make(path).system_pin(SERIAL) == made.system_pin(SERIAL)
    assert [entry.name for entry in tmp_path.iterdir()] == ["device.key"]


def test_a_secret_that_others_can_read_is_none(tmp_path: Path) -> None:
    path = tmp_path / "device.key"
    DeviceSecret.open_or_make(path)
    path.chmod(0o640)
    with pytest.raises(DeviceError, match=r"others than its owner.*0640"):
        DeviceSecret.open_or_make(path)


@pytest.mark.parametrize("content", [b"", bytes(31), bytes(33)])
def test_a_secret_of_another_length_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "device.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(DeviceError, match="holds no device's secret"):
        DeviceSecret.open_or_make(path)
    assert path.read_bytes() == content


def test_a_secret_that_cannot_be_written_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DeviceError, match="cannot read or write the device's secret"):
        DeviceSecret.open_or_make(tmp_path / "file" / "device.key")


def test_a_secret_shows_itself_to_nobody() -> None:
    secret = DeviceSecret(SECRET)
    slot = ModuleSlot("module:/nowhere", secret)
    assert repr(secret) == "DeviceSecret()"
    assert repr(slot) == "ModuleSlot('module:/nowhere')"
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not serialised"):
            leak(secret)


# The slot


@pytest.fixture
def device(at: At) -> Device:
    """A gateway before its integration, its module with its seal."""
    return at(State.INTEGRATION)


def integrate(device: Device) -> None:
    """What is tested."""
    device.slot.integrate(TRANSPORT_PIN, INTEGRATOR_PIN)


def test_a_module_with_its_seal_is_ready_then(device: Device) -> None:
    assert device.slot.information().state is ModuleState.PREPERSONALISED
    integrate(device)
    with device.slot.open() as module:
        assert module.is_secure
        assert module.information().state is ModuleState.READY
        assert module.pin_tries() == 8  # nobody has the Integrator-PIN presented
    with device.slot.connect() as module, pytest.raises(WrongPin):
        module.authenticate(lambda: TRANSPORT_PIN)


def test_a_module_without_its_seal_is_integrated_then(at: At) -> None:
    device = at(State.INTEGRATION, ModuleOrder.ASSEMBLED)
    integrate(device)
    integrate(device)
    assert device.slot.information().state is ModuleState.INTEGRATED


@pytest.mark.parametrize("order", ModuleOrder)
def test_integration_survives_a_cut_after_every_command(at: At, tmp_path: Path, order: ModuleOrder) -> None:
    device = at(State.INTEGRATION, order)
    wanted = ModuleState.READY if order is ModuleOrder.SEPARATE else ModuleState.INTEGRATED
    for cut in device.every_cut(tmp_path, integrate):
        with cut.slot.open() as module:
            told = module.information()
            assert (told.state, told.system_tries, told.integrator_tries) == (wanted, 8, 8)


def test_a_wrong_integrator_pin_changes_nothing(device: Device) -> None:
    with pytest.raises(WrongPin, match="7 tries left") as wrong:
        device.slot.integrate(TRANSPORT_PIN, OTHER_PIN)
    assert wrong.value.left == 7
    assert OTHER_PIN not in str(wrong.value)
    assert device.slot.information().state is ModuleState.PREPERSONALISED
    integrate(device)
    assert device.slot.information().integrator_tries == 8


def test_a_wrong_transport_pin_costs_the_tries_it_was_wrong_for(device: Device) -> None:
    with pytest.raises(WrongPin, match="6 tries left"):  # once for itself, once for the device's PIN
        device.slot.integrate(OTHER_PIN, INTEGRATOR_PIN)
    integrate(device)
    assert device.slot.information().system_tries == 8


def test_the_last_try_is_not_for_guessing(device: Device) -> None:
    with device.slot.connect() as module:
        for _ in range(6):
            with pytest.raises(WrongPin):
                module.authenticate(lambda: OTHER_PIN)
    with pytest.raises(WrongPin, match="1 try left"):
        device.slot.integrate(OTHER_PIN, INTEGRATOR_PIN)
    integrate(device)
    assert device.slot.information().system_tries == 8


def test_no_digits_cost_no_try(device: Device) -> None:
    for transport, integrator in (("12345", INTEGRATOR_PIN), (TRANSPORT_PIN, "letters000")):
        with pytest.raises(StatementError, match="decimal digits"):
            device.slot.integrate(transport, integrator)
    information = device.slot.information()
    assert (information.system_tries, information.integrator_tries) == (8, 8)


def test_a_module_of_another_device_is_not_opened(device: Device, tmp_path: Path) -> None:
    integrate(device)
    stranger = ModuleSlot(device.slot.url, DeviceSecret.open_or_make(tmp_path / "stranger.key"))
    with pytest.raises(WrongPin, match="7 tries left"):
        stranger.open()
    with pytest.raises(WrongPin, match="6 tries left"):
        stranger.integrate(TRANSPORT_PIN, INTEGRATOR_PIN)
    device.slot.open().close()
    assert device.slot.information().system_tries == 8


@pytest.mark.parametrize("order", ModuleOrder)
def test_a_module_that_is_in_no_device_yet_is_not_guessed_at(at: At, order: ModuleOrder) -> None:
    device = at(State.INTEGRATION, order)
    for open_it in (device.slot.open, device.gateway.module):
        with pytest.raises(DeviceError, match="not been integrated yet"):
            open_it()
    assert device.slot.information().system_tries == 8
    integrate(device)
    device.slot.open().close()


def test_a_blocked_module_says_so(device: Device) -> None:
    integrate(device)
    with device.slot.connect() as module:
        for _ in range(7):
            with pytest.raises(WrongPin):
                module.authenticate(lambda: OTHER_PIN)
        with pytest.raises(PinBlocked):
            module.authenticate(lambda: OTHER_PIN)
    with pytest.raises(PinBlocked):
        device.slot.open()


def test_no_module_no_slot(tmp_path: Path) -> None:
    slot = ModuleSlot(f"module:{tmp_path / 'none'}", DeviceSecret(SECRET))
    with pytest.raises(NoModule):
        slot.information()
    SoftwareModule.create(tmp_path / "none").close()
    assert slot.information().state is ModuleState.CREATED
    with pytest.raises(DeviceError, match="CREATED: it has not been integrated yet"):
        slot.open()
    with pytest.raises(DeviceError, match="CREATED cannot be integrated"):
        slot.integrate(TRANSPORT_PIN, INTEGRATOR_PIN)


def test_a_terminated_module_is_opened_without_a_channel(at: At) -> None:
    device = at(State.OPERATION)
    device.gateway.administration.terminate_module(Credential.GWA_CERTIFICATE, device.sign)
    with device.slot.open() as module:
        assert not module.is_secure
        assert module.information().state is ModuleState.TERMINATED
    with pytest.raises(DeviceError, match="TERMINATED cannot be integrated"):
        integrate(device)


def test_the_module_serves_one_at_a_time(device: Device) -> None:
    integrate(device)
    with device.slot.open() as module:
        assert module.pin_tries(Pin.SYSTEM) == 8
        with pytest.raises(ModuleBusy):
            device.slot.information()
    assert device.slot.information().state is ModuleState.READY
