"""A process that uses security modules as a station or a gateway does, for others to look into afterwards.

``python -m tests.secrets_client`` reads datagrams from its standard input: an object that names a module, what to do
with it and the PINs, or ``close``; each is answered by a line when it is done. Everything it logs, at level debug, and
every traceback goes to standard error, every repr of what it holds to standard output.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import structlog

from securitymodule.client import Agreement, SecurityModule
from securitymodule.coding import OPERATIONAL_A_KEYS, PRELIMINARY_KEYS, Algorithm, FileId, KeyRef, ModuleState, Pin
from securitymodule.connection import Connection
from securitymodule.curves import BRAINPOOL_P256R1, BRAINPOOL_P384R1, BRAINPOOL_P512R1, CURVES, generate_key
from securitymodule.errors import ModuleError
from securitymodule.messaging import TerminalChannel
from securitymodule.pace import SessionKeys
from securitymodule.session import Session
from securitymodule.statements import StatementError
from securitymodule.wiping import wipe
from smgw.logs import configure_logging

DIGEST = bytes(range(32))
WRONG = "0000000000"
_KINDS = (SecurityModule, Session, Connection, TerminalChannel, SessionKeys, Agreement)
Pins = dict[str, str]


def provoked(what: str, act: Callable[[], object]) -> None:
    """Something that must be refused; the error is logged and printed as a traceback."""
    log = structlog.get_logger()
    try:
        act()
    except (ModuleError, StatementError) as error:
        log.exception("refused", what=what)
        log.debug("its error", error=error, repr=repr(error), arguments=error.args)
        traceback.print_exc()
    else:
        raise AssertionError(f"{what} was not refused")


def use_pins(module: SecurityModule, pins: Pins) -> None:
    """Right ones, wrong ones, and new ones."""
    provoked("a wrong system PIN", lambda: module.authenticate(lambda: WRONG))
    provoked("no system PIN", lambda: module.authenticate(lambda: pins["system"][:9]))
    provoked("a PIN without a channel", lambda: module.verify_pin(pins["integrator"]))
    module.authenticate(lambda: pins["system"])
    provoked("the Integrator-PIN with a digit too many", lambda: module.verify_pin(pins["integrator"] + "x"))
    if module.information().state is ModuleState.OPERATIONAL:
        provoked("the Integrator-PIN after the hand-over", lambda: module.verify_pin(pins["integrator"]))
    else:
        provoked("a wrong Integrator-PIN", lambda: module.verify_pin(WRONG))
        module.verify_pin(pins["integrator"])
        module.change_pin(pins["integrator"], pins["next"])
        provoked("the old Integrator-PIN", lambda: module.change_pin(pins["integrator"], WRONG))
        module.change_pin(pins["next"], pins["integrator"])
    provoked("the same PIN again", lambda: module.change_system_pin(pins["system"], pins["system"]))
    module.change_system_pin(pins["system"], pins["next"])
    module.authenticate(lambda: pins["next"])
    module.change_pin(pins["next"], pins["system"], Pin.SYSTEM)
    module.authenticate(lambda: pins["system"])


def use_keys(module: SecurityModule) -> None:
    """Everything that keys do."""
    if module.information().state is ModuleState.INITIALISED:
        curve = BRAINPOOL_P384R1
        for key, other in zip(PRELIMINARY_KEYS, (curve, BRAINPOOL_P512R1, BRAINPOOL_P256R1), strict=True):
            module.generate_key_pair(key, other)
        provoked("deleting a key that there is not", lambda: module.delete_key(KeyRef.OPERATIONAL_B_SIG))
        tls, sig, enc = PRELIMINARY_KEYS
    else:
        curve = BRAINPOOL_P256R1
        tls, sig, enc = OPERATIONAL_A_KEYS
        provoked("deleting the last triple", lambda: module.delete_key(sig))
    module.sign(sig, Algorithm.ECDSA_SHA256, DIGEST)
    module.sign_der(tls, Algorithm.ECDSA_SHA256, DIGEST, curve)
    provoked("signing half a hash", lambda: module.sign(sig, Algorithm.ECDSA_SHA256, DIGEST[:16]))
    module.agree(enc, generate_key(BRAINPOOL_P256R1).public_key())
    for curve in CURVES:
        module.agree_ephemeral(generate_key(curve).public_key())
    provoked("somebody else's signature", lambda: module.authenticate_externally(lambda _message: bytes(64)))
    module.attest(bytes(8), b"bound")
    module.read_file(FileId.EF_RECORD_HEAD)
    module.challenge(32)


def held() -> list[str]:
    """How the package's objects show themselves."""
    return [repr(found) for found in gc.get_objects() if isinstance(found, _KINDS)]


def overwrite(text: str) -> None:
    """Overwrite a text of ours, which only a test may do: Python gives no way to, and shares short ones."""
    assert text.isascii()
    header = sys.getsizeof(text) - len(text) - 1
    ctypes.memset(id(text) + header, 0, len(text))


def main() -> None:
    """Serve until the input ends."""
    configure_logging("debug", sys.argv[1])
    module: SecurityModule | None = None
    while told := os.read(0, 65_536):
        if told == b"close":
            assert module is not None
            module.close()
            provoked("using it when it is closed", module.information)
            module = None
            gc.collect()
        else:
            asked: dict[str, Any] = json.loads(told)
            pins: Pins = asked.pop("pins")
            wipe(told)
            module = SecurityModule.open(asked["url"])
            use_pins(module, pins)
            use_keys(module)
            print(*held(), sep="\n")
            for pin in pins.values():
                overwrite(pin)
            del pins
        print("done", flush=True)


if __name__ == "__main__":
    main()
