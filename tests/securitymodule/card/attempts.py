"""How each operation of the access table is tried: by which command, and what must be there for it to succeed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from securitymodule import tlv
from securitymodule.apdu import ResponseApdu, StatusWord
from securitymodule.card.access import Operation
from securitymodule.coding import (
    CERTIFICATE_FILES,
    OPERATIONAL_A_KEYS,
    PACE_SYSTEM_PIN,
    Algorithm,
    FileId,
    Ins,
    KeyRef,
    ModuleState,
    Parameters,
    Pin,
    Tag,
)
from securitymodule.curves import BRAINPOOL_P256R1
from securitymodule.pace import REQUIRED_INFO
from tests.securitymodule.card.pki import SHA384, Authority, Pki, Wish, issue, usage
from tests.securitymodule.card.terminal import (
    INITIALISATION,
    INTEGRATOR_PIN,
    SYSTEM_PIN,
    Terminal,
    certify,
    prepersonalise,
)


@dataclass
class Bench:
    """Somebody at a module, trying one operation.

    :ivar ready: whether it is expected to succeed, so that what it takes is put in place first.
    """

    terminal: Terminal
    pki: Pki
    ready: bool
    state: ModuleState
    pin: str

    def select(self, identifier: int) -> ResponseApdu:
        return self.terminal.send(Ins.SELECT, Parameters.SELECT_BY_IDENTIFIER, identifier.to_bytes(2, "big"))

    def import_(self, key: KeyRef, certificate: bytes) -> ResponseApdu:
        data = tlv.encode_all({Tag.PUBLIC_KEY_REFERENCE: bytes((key,)), Tag.CERTIFICATE: certificate})
        return self.terminal.send(Ins.PERFORM_SECURITY_OPERATION, Parameters.PSO_VERIFY_CERTIFICATE, data)

    def generate(self, key: KeyRef) -> ResponseApdu:
        data = tlv.encode(Tag.GENERATED_DOMAIN, bytes((BRAINPOOL_P256R1.domain,)))
        return self.terminal.send(Ins.GENERATE_ASYMMETRIC_KEY_PAIR, key, data)

    def delete(self, key: KeyRef) -> ResponseApdu:
        return self.terminal.send(Ins.DELETE, 0x2000 | key)

    def chain(self) -> None:
        """Root and Sub-CA are in, the Sub-CA verifies."""
        if self.state in {ModuleState.INITIALISED, ModuleState.INTEGRATED}:
            assert self.terminal.take_root(self.pki.root.der).sw == StatusWord.OK
        assert self.terminal.take_sub_ca(self.pki).sw == StatusWord.OK
        chosen = {Tag.MECHANISM: int(Algorithm.ECDSA_SHA256), Tag.PUBLIC_KEY_REFERENCE: int(KeyRef.SUB_CA)}
        assert self.terminal.choose(Parameters.MSE_VERIFY, chosen).sw == StatusWord.OK


def next_root(pki: Pki) -> Authority:
    """A following root, certified by the root."""
    key = ec.generate_private_key(ec.BrainpoolP384R1())
    wish = Wish("SM-Test-Root.CA", key.public_key(), usage("key_cert_sign", "crl_sign"), ca=True, path_length=1)
    der = issue(wish, pki.root, pki.root.key, SHA384)
    return Authority(x509.load_der_x509_certificate(der), key, SHA384)


def _select(bench: Bench) -> ResponseApdu:
    return bench.select(FileId.EF_ROOT_CERTIFICATE)


def _read(bench: Bench) -> ResponseApdu:
    bench.select(FileId.EF_RECORD_HEAD)
    return bench.terminal.send(Ins.READ_BINARY, 0)


def _read_plain(bench: Bench) -> ResponseApdu:
    bench.select(FileId.EF_ATR)
    return bench.terminal.send(Ins.READ_BINARY, 0)


def _write_head(bench: Bench) -> ResponseApdu:
    bench.select(FileId.EF_RECORD_HEAD)
    return bench.terminal.send(Ins.UPDATE_BINARY, 0, bytes(7) + b"\x01" + bytes(32))


def _create(bench: Bench) -> ResponseApdu:
    control = tlv.encode_all({Tag.FILE_IDENTIFIER: b"\x50\x01", Tag.FILE_SIZE: b"\x00\x10"})
    return bench.terminal.send(Ins.CREATE_FILE, 0, tlv.encode(Tag.FILE_CONTROL, control))


def _write_free(bench: Bench) -> ResponseApdu:
    if bench.ready:
        assert _create(bench).sw == StatusWord.OK
    return bench.terminal.send(Ins.UPDATE_BINARY, 0, b"x")


def _delete_file(bench: Bench) -> ResponseApdu:
    if bench.ready:
        assert _create(bench).sw == StatusWord.OK
    return bench.terminal.send(Ins.DELETE, 0, b"\x50\x01")


def _write_fixed(bench: Bench) -> ResponseApdu:
    bench.select(CERTIFICATE_FILES[KeyRef.PRELIMINARY_TLS])
    return bench.terminal.send(Ins.UPDATE_BINARY, 0, b"0")


def _pace(bench: Bench) -> ResponseApdu:
    objects = {
        Tag.MECHANISM: REQUIRED_INFO.protocol.oid_value,
        Tag.PUBLIC_KEY_REFERENCE: bytes((PACE_SYSTEM_PIN,)),
        Tag.PACE_DOMAIN: bytes((REQUIRED_INFO.curve.domain,)),
    }
    return bench.terminal.send(Ins.MANAGE_SECURITY_ENVIRONMENT, Parameters.MSE_PACE, tlv.encode_all(objects))


def _administrate(bench: Bench) -> ResponseApdu:
    if bench.ready:
        return bench.terminal.administrate(bench.pki)
    return bench.terminal.send(Ins.EXTERNAL_AUTHENTICATE, 0, bytes(64))


def _import_sub_ca(bench: Bench) -> ResponseApdu:
    if not bench.ready:
        return bench.import_(KeyRef.SUB_CA, bench.pki.sub_ca.der)
    if bench.state in {ModuleState.INITIALISED, ModuleState.INTEGRATED}:
        if bench.state is ModuleState.INTEGRATED:
            assert bench.terminal.present().sw == StatusWord.OK
        assert bench.terminal.take_root(bench.pki.root.der).sw == StatusWord.OK
    return bench.terminal.take_sub_ca(bench.pki)


def _import_next_root(bench: Bench) -> ResponseApdu:
    if not bench.ready:
        return bench.import_(KeyRef.NEXT_ROOT, bench.pki.root.der)
    return bench.terminal.take(KeyRef.NEXT_ROOT, next_root(bench.pki).der, KeyRef.ROOT, Algorithm.ECDSA_SHA384)


def _import_gwa(bench: Bench) -> ResponseApdu:
    if bench.ready:
        bench.chain()
    return bench.import_(KeyRef.GWA_ENC, bench.pki.administrator_certificate(KeyRef.GWA_ENC))


def _certify(bench: Bench, key: KeyRef) -> ResponseApdu:
    if not bench.ready:
        return bench.import_(key, bench.pki.root.der)
    bench.chain()
    return bench.import_(key, bench.pki.certificate(key, bench.terminal.generate(key)))


def _delete(bench: Bench, key: KeyRef) -> ResponseApdu:
    if bench.ready and bench.state is not ModuleState.OPERATIONAL:
        assert bench.generate(key).sw == StatusWord.OK
    return bench.delete(key)


def _delete_operational(bench: Bench) -> ResponseApdu:
    if bench.ready:
        assert bench.generate(KeyRef.OPERATIONAL_B_ENC).sw == StatusWord.OK
    return bench.delete(KeyRef.OPERATIONAL_B_ENC)


def _delete_next_root(bench: Bench) -> ResponseApdu:
    if bench.ready:
        assert _import_next_root(bench).sw == StatusWord.OK
    return bench.delete(KeyRef.NEXT_ROOT)


def _activate_prepersonalised(bench: Bench) -> ResponseApdu:
    if bench.ready:
        prepersonalise(bench.terminal, bench.pki)
    return bench.terminal.activate(ModuleState.PREPERSONALISED)


def _activate_integrated(bench: Bench) -> ResponseApdu:
    if bench.ready:
        assert bench.terminal.change(Pin.SYSTEM, bench.pin, SYSTEM_PIN).sw == StatusWord.OK
    return bench.terminal.activate(ModuleState.INTEGRATED)


def _activate_ready(bench: Bench) -> ResponseApdu:
    if bench.ready and bench.state is ModuleState.PREPERSONALISED:
        assert bench.terminal.change(Pin.SYSTEM, bench.pin, SYSTEM_PIN).sw == StatusWord.OK
    elif bench.ready:
        prepersonalise(bench.terminal, bench.pki)
    return bench.terminal.activate(ModuleState.READY)


def _activate_operational(bench: Bench) -> ResponseApdu:
    if bench.ready:
        bench.terminal.present()  # where the hand-over is not complete, it takes the integrator to complete it
        bench.chain()
        bench.import_(KeyRef.GWA_ENC, bench.pki.administrator_certificate(KeyRef.GWA_ENC))
        for key in OPERATIONAL_A_KEYS:
            certify(bench.terminal, bench.pki, key)
    return bench.terminal.activate(ModuleState.OPERATIONAL)


ATTEMPTS: dict[Operation, Callable[[Bench], ResponseApdu]] = {
    Operation.INFORM: lambda bench: bench.terminal.send(Ins.GET_DATA, Parameters.INFORMATION),
    Operation.ATTEST: lambda bench: bench.terminal.send(Ins.INTERNAL_AUTHENTICATE, 0, b"\x84\x08" + bytes(8)),
    Operation.INITIALISE: lambda bench: bench.terminal.send(
        Ins.PUT_DATA, Parameters.INITIALISATION, INITIALISATION.encode()
    ),
    Operation.SELECT_PLAIN: lambda bench: bench.select(FileId.EF_CARD_ACCESS),
    Operation.READ_PLAIN: _read_plain,
    Operation.SELECT: _select,
    Operation.READ: _read,
    Operation.WRITE_HEAD: _write_head,
    Operation.WRITE_FREE: _write_free,
    Operation.WRITE_FIXED: _write_fixed,
    Operation.CREATE_FILE: _create,
    Operation.DELETE_FILE: _delete_file,
    Operation.PACE: _pace,
    Operation.ASK_TRIES: lambda bench: bench.terminal.send(Ins.VERIFY, Pin.SYSTEM),
    Operation.VERIFY_SYSTEM_PIN: lambda bench: bench.terminal.send(Ins.VERIFY, Pin.SYSTEM, bench.pin.encode()),
    Operation.VERIFY_INTEGRATOR_PIN: lambda bench: bench.terminal.present(),
    Operation.CHANGE_SYSTEM_PIN: lambda bench: bench.terminal.change(Pin.SYSTEM, bench.pin, "1111111111"),
    Operation.CHANGE_INTEGRATOR_PIN: lambda bench: bench.terminal.change(Pin.INTEGRATOR, INTEGRATOR_PIN, "1111111111"),
    Operation.GET_CHALLENGE: lambda bench: bench.terminal.send(Ins.GET_CHALLENGE, 0, le=16),
    Operation.USE_KEYS: lambda bench: bench.terminal.choose(
        Parameters.MSE_AGREE, {Tag.MECHANISM: Algorithm.ECKA_DH, Tag.DOMAIN: BRAINPOOL_P256R1.domain}
    ),
    Operation.AUTHENTICATE_ADMINISTRATOR: _administrate,
    Operation.IMPORT_ROOT: lambda bench: bench.terminal.take_root(bench.pki.root.der),
    Operation.IMPORT_NEXT_ROOT: _import_next_root,
    Operation.IMPORT_SUB_CA: _import_sub_ca,
    Operation.IMPORT_GWA: _import_gwa,
    Operation.GENERATE_PRELIMINARY: lambda bench: bench.generate(KeyRef.PRELIMINARY_SIG),
    Operation.CERTIFY_PRELIMINARY: lambda bench: _certify(bench, KeyRef.PRELIMINARY_TLS),
    Operation.DELETE_PRELIMINARY: lambda bench: _delete(bench, KeyRef.PRELIMINARY_ENC),
    Operation.GENERATE_OPERATIONAL: lambda bench: bench.generate(KeyRef.OPERATIONAL_B_TLS),
    Operation.CERTIFY_OPERATIONAL: lambda bench: _certify(bench, KeyRef.OPERATIONAL_B_SIG),
    Operation.DELETE_OPERATIONAL: _delete_operational,
    Operation.DELETE_NEXT_ROOT: _delete_next_root,
    Operation.DELETE_PUBLIC: lambda bench: bench.delete(KeyRef.GWA_SIG),
    Operation.ACTIVATE_PREPERSONALISED: _activate_prepersonalised,
    Operation.ACTIVATE_INTEGRATED: _activate_integrated,
    Operation.ACTIVATE_READY: _activate_ready,
    Operation.ACTIVATE_OPERATIONAL: _activate_operational,
    Operation.TERMINATE: lambda bench: bench.terminal.send(Ins.TERMINATE_CARD_USAGE, 0),
}
