"""The gateway's own security module: where it is, and the device's secret that opens it.

The GW-System-PIN is stored nowhere: it is derived (HKDF, RFC 5869) from a secret of the device's, together with the
module's serial number. So a module opens in its own gateway and in no other. A gateway's folder::

    FOLDER/device.key                     the device's secret, 32 bytes, readable by its owner only
    FOLDER/module/, FOLDER/module.seal    the software module, where it is one (module:FOLDER/module)
    FOLDER/configuration/                 what the gateway was configured with
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Final, NoReturn

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from securitymodule.card import durable
from securitymodule.client import SecurityModule
from securitymodule.coding import MAX_PIN_DIGITS, MIN_PIN_DIGITS, ModuleState
from securitymodule.errors import WrongPin
from securitymodule.statements import ModuleInformation, check_serial

SECRET_BYTES: Final = 32
"""Length of a device's secret; ours."""
SECRET_FILE: Final = "device.key"  # noqa: S105  the name of a file
"""Name of the file with the secret in a gateway's folder."""
MODULE_FOLDER: Final = "module"
"""Name of the software module's folder in a gateway's folder."""
SYSTEM_PIN: Final = "GW-System-PIN"
"""Purpose that a device derives its module's system PIN for."""
PIN_DIGITS: Final = 16
"""Digits of a derived PIN; TR-03116-3, table 28, asks for at least 10."""


_INTEGRATED_AS: Final = {
    ModuleState.INITIALISED: ModuleState.INTEGRATED,
    ModuleState.PREPERSONALISED: ModuleState.READY,
}
"""What a module becomes in a gateway: without its seal, and with it."""


class DeviceError(Exception):
    """The device cannot do what was asked, by what is in its folder or by how it was set up."""


class NoModuleConfigured(DeviceError):
    """This gateway was set up without a security module."""

    def __init__(self) -> None:
        super().__init__("no security module is configured for this gateway")


def derive_pin(secret: bytes, purpose: str, serial: str, digits: int = PIN_DIGITS) -> str:
    """A PIN for one purpose and one module (HKDF with SHA-256, RFC 5869). The same again for the same arguments.

    :param secret: at least 32 bytes that nobody else knows.
    :param purpose: what the PIN is for; another purpose gives another PIN.
    :param serial: serial number of the module.
    :param digits: decimal digits, 10 to 32.
    :raises ValueError: if the secret is too short, the serial number is none, or a PIN has not so many digits.
    """
    if len(secret) < SECRET_BYTES:
        raise ValueError(f"a secret to derive PINs from has at least {SECRET_BYTES} bytes")
    if not MIN_PIN_DIGITS <= digits <= MAX_PIN_DIGITS:
        raise ValueError(f"a PIN has {MIN_PIN_DIGITS} to {MAX_PIN_DIGITS} decimal digits, not {digits}")
    info = b"SMGW PIN\x00" + purpose.encode() + b"\x00" + check_serial(serial).encode("ascii")
    # 32 bytes more than the digits take: so no PIN is noticeably likelier than another.
    drawn = HKDF(algorithm=hashes.SHA256(), length=2 * SECRET_BYTES, salt=None, info=info).derive(secret)
    return str(int.from_bytes(drawn, "big") % 10**digits).zfill(digits)


class DeviceSecret:
    """What a device knows and nobody else: 32 random bytes, kept in one file."""

    def __init__(self, secret: bytes) -> None:
        """Use :meth:`open_or_make`.

        :raises ValueError: if it has not 32 bytes.
        """
        if len(secret) != SECRET_BYTES:
            raise ValueError(f"a device's secret has {SECRET_BYTES} bytes, not {len(secret)}")
        self._secret = secret

    def __repr__(self) -> str:
        return "DeviceSecret()"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a device's secret is not serialised or copied")

    @classmethod
    def open_or_make(cls, path: Path) -> DeviceSecret:
        """The secret in a file; a new one, durably written, where there is no file.

        :raises DeviceError: if the file cannot be read or written, others can read it, or it holds something else.
        """
        try:
            if not path.exists():
                cls._make(path)
            mode = stat.S_IMODE(path.stat().st_mode)
            secret = path.read_bytes()
        except OSError as error:
            raise DeviceError(f"cannot read or write the device's secret {path}: {error.strerror}") from error
        if mode & 0o077:
            raise DeviceError(f"others than its owner can open the device's secret {path} (mode {mode:04o})")
        if len(secret) != SECRET_BYTES:
            raise DeviceError(f"{path} holds no device's secret: that has {SECRET_BYTES} bytes, not {len(secret)}")
        return cls(secret)

    @staticmethod
    def _make(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=durable.PRIVATE_FOLDER)
        beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            durable.create(beside, secrets.token_bytes(SECRET_BYTES))
            try:
                os.link(beside, path)  # unlike a rename, this overwrites no secret that somebody else has just made
            except FileExistsError:
                return
            durable.sync_folder(path.parent)
        finally:
            beside.unlink(missing_ok=True)

    def pin(self, purpose: str, serial: str, digits: int = PIN_DIGITS) -> str:
        """A PIN for one purpose and one module; see :func:`derive_pin`."""
        return derive_pin(self._secret, purpose, serial, digits)

    def system_pin(self, serial: str) -> str:
        """The GW-System-PIN of the module with this serial number, once it is in this device."""
        return self.pin(SYSTEM_PIN, serial)


def software_module_url(folder: Path) -> str:
    """Where the software module of the gateway in a folder is."""
    return f"module:{folder / MODULE_FOLDER}"


class ModuleSlot:
    """Where a gateway's module is put in.

    :ivar url: where the module is: ``module:DIR`` or ``pcsc:READER NAME``.
    """

    def __init__(self, url: str, secret: DeviceSecret) -> None:
        self.url = url
        self._secret = secret

    @classmethod
    def in_folder(cls, folder: Path, url: str | None = None) -> ModuleSlot:
        """The slot of the gateway in a folder; its secret is made where there is none yet.

        :param url: where the module is; the software module in the folder by default.
        :raises DeviceError: as :meth:`DeviceSecret.open_or_make`.
        """
        return cls(url or software_module_url(folder), DeviceSecret.open_or_make(folder / SECRET_FILE))

    def __repr__(self) -> str:
        return f"ModuleSlot({self.url!r})"

    def connect(self) -> SecurityModule:
        """The module without a secure channel: for what it says of itself, and before it belongs to this device.

        :raises ModuleError: if it cannot be reached, or somebody else has it.
        """
        return SecurityModule.open(self.url)

    def open(self) -> SecurityModule:
        """The module, its secure channel open with this device's GW-System-PIN.

        One that is terminated has no channel any more, and is given without.

        :raises DeviceError: if it is not in a device yet; that costs no try.
        :raises WrongPin: if it is in another device; the module took a try.
        :raises PinBlocked: if the PIN has no tries left.
        :raises ModuleError: if it cannot be reached, or somebody else has it.
        """
        module = self.connect()
        try:
            self._open(module)
        except BaseException:
            module.close()
            raise
        return module

    def _open(self, module: SecurityModule) -> None:
        told = module.information()
        if told.state is ModuleState.CREATED or told.state in _INTEGRATED_AS:
            raise DeviceError(f"the module is {told.state.name}: it has not been integrated yet (ch. 5)")
        if told.state is not ModuleState.TERMINATED:
            self._authenticate(module, told.serial)

    def authenticate(self, module: SecurityModule) -> None:
        """Open the secure channel anew, with this device's GW-System-PIN. What a PIN had opened is shut again.

        :raises WrongPin, PinBlocked, ModuleError: as :meth:`open`.
        """
        self._authenticate(module, module.information().serial)

    def _authenticate(self, module: SecurityModule, serial: str) -> None:
        module.authenticate(lambda: self._secret.system_pin(serial))

    def integrate(self, transport_pin: str, integrator_pin: str) -> None:
        """Make a module that is prepared for a gateway this device's own (Integration, ch. 5).

        The transport PIN is changed to this device's system PIN; then the module becomes INTEGRATED, or READY where it
        has its seal already. What was cut short is done again. Which of the two PINs is valid then is tried: where the
        first is wrong, that costs a try, which the right one gives back.

        :param transport_pin: the system PIN of the initialisation file.
        :param integrator_pin: Integrator-PIN; a wrong one changes nothing.
        :raises WrongPin: if the Integrator-PIN or both system PINs are wrong, with the tries left.
        :raises PinBlocked: if one of them has none.
        :raises DeviceError: if the module is not initialised, or terminated.
        :raises ModuleError: if it cannot be reached, somebody else has it, or it does not do its part.
        """
        with self.connect() as module:
            told = module.information()
            if told.state in {ModuleState.CREATED, ModuleState.TERMINATED}:
                raise DeviceError(f"a module that is {told.state.name} cannot be integrated")
            if told.state not in _INTEGRATED_AS:
                self._authenticate(module, told.serial)
                return
            transported = self._authenticate_either(module, told.serial, transport_pin)
            module.verify_pin(integrator_pin)
            if transported:
                module.change_system_pin(transport_pin, self._secret.system_pin(told.serial))
                self._authenticate(module, told.serial)
            module.activate(_INTEGRATED_AS[told.state])

    def _authenticate_either(self, module: SecurityModule, serial: str, transport_pin: str) -> bool:
        """Open the secure channel with the transport PIN, or else with this device's; whether it was the former."""
        try:
            module.authenticate(lambda: transport_pin)
        except WrongPin as wrong:
            if wrong.left <= 1:  # the last try is not for guessing
                raise
            self._authenticate(module, serial)
            return False
        return True

    def information(self) -> ModuleInformation:
        """What the module says of itself to anybody.

        :raises ModuleError: if it cannot be reached, or somebody else has it.
        """
        with self.connect() as module:
            return module.information()
