"""The other end of the wire: sends commands, through a secure channel or not, and brings a module through its life."""

from __future__ import annotations

import hashlib
import random
import shutil
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from securitymodule import tlv
from securitymodule.apdu import EXTENDED_LE, CommandApdu, ResponseApdu, StatusWord
from securitymodule.card.module import SoftwareModule
from securitymodule.coding import (
    CHALLENGE_BYTES,
    OPERATIONAL_A_KEYS,
    P1_GENERATE,
    PRELIMINARY_KEYS,
    Algorithm,
    Ins,
    KeyRef,
    ModuleState,
    Parameters,
    Pin,
    Tag,
    external_authentication_message,
)
from securitymodule.curves import BRAINPOOL_P256R1, decode_point, sign_digest
from securitymodule.messaging import TerminalChannel
from securitymodule.pace import REQUIRED_INFO, PaceInfo, pin_password
from securitymodule.pace_terminal import drive, establish
from securitymodule.statements import InitialisationFile, ModuleInformation
from tests.securitymodule.card.pki import NOW, Pki

SERIAL = "TEST-0001"
TRANSPORT_PIN = "1029384756"
SYSTEM_PIN = "564738291056"
INTEGRATOR_PIN = "9081726354"
INITIALISATION = InitialisationFile(SERIAL, TRANSPORT_PIN, INTEGRATOR_PIN, tries=5)
SHA256 = hashes.SHA256()


def seeded(seed: int = 1) -> random.Random:
    """Randomness that is the same each time."""
    return random.Random(seed)  # noqa: S311 - that is the point of it


def opened(directory: Path, seed: int = 1) -> SoftwareModule:
    """The module in *directory*, powered, at the time that tests live at."""
    module = SoftwareModule.open(directory, clock=lambda: NOW, random=seeded(seed).randbytes)
    module.power_on()
    return module


def created(directory: Path, initialisation: InitialisationFile | None = INITIALISATION) -> SoftwareModule:
    """A new module, powered."""
    module = SoftwareModule.create(directory, initialisation, clock=lambda: NOW, random=seeded().randbytes)
    module.power_on()
    return module


def copied(source: Path, target: Path) -> Path:
    """A copy of a module and its seal, as only tests make one."""
    shutil.copytree(source, target)
    shutil.copytree(seal(source), seal(target))
    return target


def seal(directory: Path) -> Path:
    """Where its seal lies."""
    return directory.with_name(directory.name + ".seal")


class Terminal:
    """Sends commands to a module."""

    def __init__(self, module: SoftwareModule) -> None:
        self.module = module
        self.channel: TerminalChannel | None = None

    def plain(self, ins: int, parameters: int, data: bytes = b"", le: int | None = EXTENDED_LE) -> ResponseApdu:
        """A command outside the channel."""
        return self.transmit(CommandApdu(0, ins, *divmod(parameters, 256), data, le))

    def transmit(self, command: CommandApdu) -> ResponseApdu:
        """A command as it is."""
        return ResponseApdu.decode(self.module.transmit(command.encode()))

    def send(self, ins: int, parameters: int, data: bytes = b"", le: int | None = EXTENDED_LE) -> ResponseApdu:
        """A command, through the channel where there is one."""
        if self.channel is None:
            return self.plain(ins, parameters, data, le)
        command = CommandApdu(0, ins, *divmod(parameters, 256), data, le)
        return self.channel.open(self.transmit(self.channel.protect(command)))

    def done(self, ins: int, parameters: int, data: bytes = b"") -> bytes:
        """The same, which must succeed."""
        response = self.send(ins, parameters, data)
        assert response.sw == StatusWord.OK, f"{ins:02X} {parameters:04X}: {response.sw:04X}"
        return response.data

    def establish(self, pin: str, info: PaceInfo = REQUIRED_INFO) -> None:
        """Open the secure channel."""
        if self.channel is None:
            keys = drive(establish(pin_password(pin), info, random_bytes=seeded(2).randbytes), self.transmit)
        else:
            through = self.channel
            keys = drive(
                establish(pin_password(pin), info, random_bytes=seeded(3).randbytes),
                lambda command: through.open(self.transmit(through.protect(command))),
            )
        self.channel = TerminalChannel(keys)

    def information(self) -> ModuleInformation:
        """What the module says of itself."""
        return ModuleInformation.decode(self.done(Ins.GET_DATA, Parameters.INFORMATION))

    def present(self, pin: str = INTEGRATOR_PIN) -> ResponseApdu:
        """The Integrator-PIN."""
        return self.send(Ins.VERIFY, Pin.INTEGRATOR, pin.encode())

    def change(self, which: Pin, old: str, new: str) -> ResponseApdu:
        """Change a PIN."""
        data = tlv.encode_all({Tag.OLD_REFERENCE_DATA: old.encode(), Tag.NEW_REFERENCE_DATA: new.encode()})
        return self.send(Ins.CHANGE_REFERENCE_DATA, which, data)

    def choose(self, parameters: Parameters, objects: dict[int, int]) -> ResponseApdu:
        """MSE SET."""
        data = tlv.encode_all({tag: bytes((value,)) for tag, value in objects.items()})
        return self.send(Ins.MANAGE_SECURITY_ENVIRONMENT, parameters, data)

    def generate(self, key: KeyRef, domain: int = BRAINPOOL_P256R1.domain) -> ec.EllipticCurvePublicKey:
        """A key pair in the module; its public key on brainpoolP256r1."""
        data = tlv.encode(Tag.GENERATED_DOMAIN, bytes((domain,)))
        told = self.done(Ins.GENERATE_ASYMMETRIC_KEY_PAIR, P1_GENERATE << 8 | key, data)
        return decode_point(BRAINPOOL_P256R1, tlv.decode_unique(tlv.decode_one(told, Tag.PUBLIC_KEY))[Tag.PUBLIC_POINT])

    def take_root(self, certificate: bytes) -> ResponseApdu:
        """Import the root."""
        data = tlv.encode_all({Tag.PUBLIC_KEY_REFERENCE: bytes((KeyRef.ROOT,)), Tag.CERTIFICATE: certificate})
        return self.send(Ins.PERFORM_SECURITY_OPERATION, Parameters.PSO_IMPORT_ROOT, data)

    def take(
        self, key: KeyRef, certificate: bytes, issuer: KeyRef, algorithm: Algorithm = Algorithm.ECDSA_SHA256
    ) -> ResponseApdu:
        """Import a certificate under the key *issuer*."""
        chosen = {Tag.MECHANISM: int(algorithm), Tag.PUBLIC_KEY_REFERENCE: int(issuer)}
        response = self.choose(Parameters.MSE_VERIFY, chosen)
        if response.sw != StatusWord.OK:
            return response
        data = tlv.encode_all({Tag.PUBLIC_KEY_REFERENCE: bytes((key,)), Tag.CERTIFICATE: certificate})
        return self.send(Ins.PERFORM_SECURITY_OPERATION, Parameters.PSO_VERIFY_CERTIFICATE, data)

    def take_sub_ca(self, pki: Pki) -> ResponseApdu:
        """Import the Sub-CA for this session."""
        return self.take(KeyRef.SUB_CA, pki.sub_ca.der, KeyRef.ROOT, Algorithm.ECDSA_SHA384)

    def sign(self, key: KeyRef, digest: bytes, algorithm: Algorithm = Algorithm.ECDSA_SHA256) -> ResponseApdu:
        """A signature over a hash."""
        response = self.choose(Parameters.MSE_SIGN, {Tag.MECHANISM: algorithm, Tag.PRIVATE_KEY_REFERENCE: key})
        if response.sw != StatusWord.OK:
            return response
        return self.send(Ins.PERFORM_SECURITY_OPERATION, Parameters.PSO_COMPUTE_SIGNATURE, digest)

    def administrate(self, pki: Pki, serial: str = SERIAL) -> ResponseApdu:
        """Authenticate as the GWA."""
        chosen = {Tag.MECHANISM: Algorithm.ECDSA_SHA256, Tag.PUBLIC_KEY_REFERENCE: KeyRef.GWA_SIG}
        response = self.choose(Parameters.MSE_EXTERNAL_AUTHENTICATE, dict(chosen))
        if response.sw != StatusWord.OK:
            return response
        drawn = self.send(Ins.GET_CHALLENGE, Parameters.NONE, le=CHALLENGE_BYTES)
        digest = hashlib.sha256(external_authentication_message(serial, drawn.data)).digest()
        signature = sign_digest(pki.administrator[KeyRef.GWA_SIG], SHA256, digest)
        return self.send(Ins.EXTERNAL_AUTHENTICATE, Parameters.NONE, signature)

    def activate(self, state: ModuleState) -> ResponseApdu:
        """Go to the next state."""
        return self.send(Ins.ACTIVATE, state)


def prepersonalise(terminal: Terminal, pki: Pki) -> None:
    """Root, preliminary pairs, seal certificates."""
    assert terminal.take_root(pki.root.der).sw == StatusWord.OK
    assert terminal.take_sub_ca(pki).sw == StatusWord.OK
    for key in PRELIMINARY_KEYS:
        certify(terminal, pki, key)


def certify(terminal: Terminal, pki: Pki, key: KeyRef) -> None:
    """A new pair with its certificate; the Sub-CA must be in the session."""
    certificate = pki.certificate(key, terminal.generate(key))
    assert terminal.take(key, certificate, KeyRef.SUB_CA).sw == StatusWord.OK


def take_administrator(terminal: Terminal, pki: Pki) -> None:
    """The GWA's public keys; the Sub-CA must be in the session."""
    for key in pki.administrator:
        assert terminal.take(key, pki.administrator_certificate(key), KeyRef.SUB_CA).sw == StatusWord.OK


def live(terminal: Terminal, pki: Pki, until: ModuleState) -> None:
    """Bring an initialised module to a state: integrated by way of INITIALISED, everything else by PREPERSONALISED."""
    terminal.establish(TRANSPORT_PIN)
    if until is ModuleState.INITIALISED:
        return
    if until is not ModuleState.INTEGRATED:
        prepersonalise(terminal, pki)
        assert terminal.activate(ModuleState.PREPERSONALISED).sw == StatusWord.OK
    if until is ModuleState.PREPERSONALISED:
        return
    assert terminal.change(Pin.SYSTEM, TRANSPORT_PIN, SYSTEM_PIN).sw == StatusWord.OK
    if until is ModuleState.INTEGRATED:
        assert terminal.activate(ModuleState.INTEGRATED).sw == StatusWord.OK
        return
    assert terminal.activate(ModuleState.READY).sw == StatusWord.OK
    if until is ModuleState.READY:
        return
    terminal.establish(SYSTEM_PIN)
    assert terminal.present().sw == StatusWord.OK
    assert terminal.take_sub_ca(pki).sw == StatusWord.OK
    take_administrator(terminal, pki)
    assert terminal.administrate(pki).sw == StatusWord.OK
    for key in OPERATIONAL_A_KEYS:
        certify(terminal, pki, key)
    assert terminal.activate(ModuleState.OPERATIONAL).sw == StatusWord.OK
    if until is ModuleState.TERMINATED:
        assert terminal.send(Ins.TERMINATE_CARD_USAGE, Parameters.NONE).sw == StatusWord.OK


def system_pin(state: ModuleState) -> str:
    """The system PIN of a module brought to *state* by :func:`live`."""
    before = {ModuleState.INITIALISED, ModuleState.PREPERSONALISED}
    return TRANSPORT_PIN if state in before else SYSTEM_PIN
