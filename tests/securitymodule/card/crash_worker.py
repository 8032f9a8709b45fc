"""A process that has others killed: for each trial it forks, and the fork works at a module until its power is cut.

Run as a module, it reads trials from its standard input, one JSON object a line, and answers each with one. A fork
brings the module to where the command under test is sent, and is armed then: it kills itself by SIGKILL at the n-th
call to the operating system that writes (before it, or in the middle of it), or at the n-th call or return of any
function. What it had been answered by then has gone through a pipe.

The other kind of fork is a module in a reader: it is handed a socket that is connected to the reader's driver, and
whoever uses the module over PC/SC tells it when to be armed.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from securitymodule import tlv
from securitymodule.card.module import SoftwareModule
from securitymodule.coding import Algorithm, FileId, Ins, KeyRef, ModuleState, Parameters, Pin, Tag
from securitymodule.curves import BRAINPOOL_P256R1
from securitymodule.errors import ModuleError
from securitymodule.vpcd import VirtualSlot
from tests.securitymodule.card.terminal import (
    INITIALISATION,
    INTEGRATOR_PIN,
    SYSTEM_PIN,
    TRANSPORT_PIN,
    Terminal,
    created,
    opened,
)

WRITING_CALLS = ("open", "write", "pwrite", "fsync", "rename", "unlink", "ftruncate", "mkdir")
PARTIAL_CALLS = {"write", "pwrite"}
"""Calls that a power cut may leave half done."""
WRONG_PIN = "0000000000"
NEW_PIN = "5555555555"
FILE = 0x5000
OLD_CONTENT, NEW_CONTENT = b"a" * 3000, b"b" * 3000
HEAD = bytes(7) + b"\x09" + bytes(range(32))

Act = Callable[[Terminal, bytes], int]


def _select(terminal: Terminal, identifier: int) -> None:
    terminal.done(Ins.SELECT, 0x000C, identifier.to_bytes(2, "big"))


def _certificate(key: KeyRef, der: bytes) -> bytes:
    return tlv.encode_all({Tag.PUBLIC_KEY_REFERENCE: bytes((key,)), Tag.CERTIFICATE: der})


def _pace(pin: str) -> Act:
    def run(terminal: Terminal, _data: bytes) -> int:
        terminal.channel = None
        try:
            terminal.establish(pin)
        except ModuleError:
            return 0
        return 0x9000

    return run


def _send(ins: int, parameters: int, data: bytes | None = None) -> Act:
    return lambda terminal, given: terminal.send(ins, parameters, given if data is None else data).sw


def _nothing(_terminal: Terminal, _data: bytes) -> int:
    return 0


def _file_control() -> bytes:
    inner = tlv.encode_all({Tag.FILE_IDENTIFIER: FILE.to_bytes(2, "big"), Tag.FILE_SIZE: b"\x0b\xb8"})
    return tlv.encode(Tag.FILE_CONTROL, inner)


def _choose_file(terminal: Terminal, _data: bytes) -> int:
    _select(terminal, FILE)
    return 0


def _choose_head(terminal: Terminal, _data: bytes) -> int:
    _select(terminal, FileId.EF_RECORD_HEAD)
    return 0


def _bring_sub_ca(terminal: Terminal, data: bytes) -> int:
    sub_ca = bytes.fromhex(json.loads(data)["sub_ca"])
    terminal.take(KeyRef.SUB_CA, sub_ca, KeyRef.ROOT, Algorithm.ECDSA_SHA384)
    chosen = {Tag.MECHANISM: int(Algorithm.ECDSA_SHA256), Tag.PUBLIC_KEY_REFERENCE: int(KeyRef.SUB_CA)}
    return terminal.choose(Parameters.MSE_VERIFY, chosen).sw


def _certify(terminal: Terminal, data: bytes) -> int:
    certificate = bytes.fromhex(json.loads(data)["certificate"])
    told = _certificate(KeyRef.PRELIMINARY_TLS, certificate)
    return terminal.send(Ins.PERFORM_SECURITY_OPERATION, Parameters.PSO_VERIFY_CERTIFICATE, told).sw


def _import_root(terminal: Terminal, data: bytes) -> int:
    return terminal.take_root(data).sw


def _change(terminal: Terminal, _data: bytes) -> int:
    return terminal.change(Pin.SYSTEM, TRANSPORT_PIN, NEW_PIN).sw


def _agree(terminal: Terminal, _data: bytes) -> int:
    terminal.choose(Parameters.MSE_AGREE, {Tag.MECHANISM: Algorithm.ECKA_DH, Tag.DOMAIN: BRAINPOOL_P256R1.domain})
    return terminal.send(Ins.GENERAL_AUTHENTICATE, 0, b"\x7c\x00").sw


def _read(terminal: Terminal, _data: bytes) -> int:
    _select(terminal, FileId.EF_ROOT_CERTIFICATE)
    return terminal.send(Ins.READ_BINARY, 0, b"").sw


ACTS: dict[str, tuple[str | None, Act, Act]] = {
    "initialise": (None, _nothing, _send(Ins.PUT_DATA, Parameters.INITIALISATION, INITIALISATION.encode())),
    "generate": (
        TRANSPORT_PIN,
        _nothing,
        _send(Ins.GENERATE_ASYMMETRIC_KEY_PAIR, KeyRef.PRELIMINARY_SIG, b"\x80\x01\x0d"),
    ),
    "delete key": (TRANSPORT_PIN, _nothing, _send(Ins.DELETE, 0x2000 | KeyRef.PRELIMINARY_TLS, b"")),
    "import root": (TRANSPORT_PIN, _nothing, _import_root),
    "certify": (TRANSPORT_PIN, _bring_sub_ca, _certify),
    "present wrong": (TRANSPORT_PIN, _nothing, _send(Ins.VERIFY, Pin.INTEGRATOR, WRONG_PIN.encode())),
    "present right": (TRANSPORT_PIN, _nothing, _send(Ins.VERIFY, Pin.INTEGRATOR, INTEGRATOR_PIN.encode())),
    "pace wrong": (None, _nothing, _pace(WRONG_PIN)),
    "pace right": (None, _nothing, _pace(TRANSPORT_PIN)),
    "change pin": (TRANSPORT_PIN, _nothing, _change),
    "activate": (SYSTEM_PIN, _nothing, _send(Ins.ACTIVATE, ModuleState.READY, b"")),
    "create file": (SYSTEM_PIN, _nothing, _send(Ins.CREATE_FILE, 0, _file_control())),
    "delete file": (SYSTEM_PIN, _nothing, _send(Ins.DELETE, 0, FILE.to_bytes(2, "big"))),
    "update file": (SYSTEM_PIN, _choose_file, _send(Ins.UPDATE_BINARY, 0, NEW_CONTENT)),
    "update head": (SYSTEM_PIN, _choose_head, _send(Ins.UPDATE_BINARY, 0, HEAD)),
    "attest": (None, _nothing, _send(Ins.INTERNAL_AUTHENTICATE, 0, b"\x84\x08" + bytes(8))),
    "terminate": (TRANSPORT_PIN, _nothing, _send(Ins.TERMINATE_CARD_USAGE, 0, b"")),
}
"""Writing commands: the PIN of the channel they need, what comes before, and the command itself."""
QUIET_ACTS: dict[str, tuple[str | None, Act, Act]] = {
    "sign": (TRANSPORT_PIN, _nothing, lambda terminal, _data: terminal.sign(KeyRef.PRELIMINARY_TLS, bytes(32)).sw),
    "agree": (TRANSPORT_PIN, _nothing, _agree),
    "read file": (TRANSPORT_PIN, _nothing, _read),
    "draw": (TRANSPORT_PIN, _nothing, lambda terminal, _data: terminal.send(Ins.GET_CHALLENGE, 0, le=16).sw),
    "inform": (None, _nothing, _send(Ins.GET_DATA, Parameters.INFORMATION, b"")),
}
"""The same for commands that write nothing."""
CREATE = "create module"


SERVE = "serve a reader"


class Fuse:
    """Counts, and kills this process when it is time."""

    def __init__(self, kind: str, at: int) -> None:
        self.kind, self.at = kind, at
        self.calls: list[str] = []
        self.events = 0

    def arm(self) -> None:
        for name in WRITING_CALLS:
            setattr(os, name, self._watched(name, getattr(os, name)))
        if self.kind == "event":
            sys.setprofile(self._event)

    def disarm(self) -> None:
        sys.setprofile(None)

    def _event(self, _frame: object, _event: str, _argument: object) -> None:
        if self.events == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.events += 1

    def _watched(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            now = len(self.calls) == self.at
            self.calls.append(name)
            if now and self.kind in {"before", "torn"}:
                if self.kind == "torn" and name in PARTIAL_CALLS:
                    descriptor, content, *rest = arguments
                    real(descriptor, bytes(content)[: max(1, len(content) // 2)], *rest)
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)

        return call


class ArmedCard:
    """The module as a reader sees it, which arms the fuse with the first command after it was told to."""

    def __init__(self, module: SoftwareModule, fuse: Fuse) -> None:
        self._module = module
        self._fuse = fuse
        self.atr = module.atr
        self.power_on, self.power_off, self.reset = module.power_on, module.power_off, module.reset
        self.told = False

    def transmit(self, command: bytes) -> bytes:
        if self.told:
            self.told = False
            self._fuse.arm()
        return self._module.transmit(command)


def serve(trial: dict[str, Any], fuse: Fuse) -> None:
    """Be in a reader until the door is closed, or until the fuse blows."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door, opened(Path(trial["directory"])) as module:
        door.connect(trial["door"])
        _, (descriptor, *_), _, _ = socket.recv_fds(door, 1, 1)
        card = ArmedCard(module, fuse)
        slot = VirtualSlot(card, socket.socket(fileno=descriptor))

        def watch() -> None:
            while door.recv(1):
                card.told = True
                door.send(b"!")
            slot.pull()

        threading.Thread(target=watch, daemon=True).start()
        slot.serve()
        fuse.disarm()


def work(trial: dict[str, Any], tell: Callable[[str], None]) -> None:
    """One fork's life."""
    fuse = Fuse(trial["kind"], trial["at"])
    directory, act = Path(trial["directory"]), trial["act"]
    if act == SERVE:
        serve(trial, fuse)
    elif act == CREATE:
        fuse.arm()
        created(directory).close()
        fuse.disarm()
    else:
        pin, before, command = (ACTS | QUIET_ACTS)[act]
        data = bytes.fromhex(trial.get("data", ""))
        module: SoftwareModule = opened(directory)
        terminal = Terminal(module)
        if pin is not None:
            terminal.establish(pin)
        before(terminal, data)
        fuse.arm()
        answer = command(terminal, data)
        fuse.disarm()
        tell(json.dumps({"answer": answer}))
    tell(json.dumps({"calls": fuse.calls, "events": fuse.events}))


def run(trial: dict[str, Any], writing: int) -> None:
    """What a fork does, to its end."""
    write = os.write  # before it is replaced by a watched one

    def tell(text: str) -> None:
        write(writing, text.encode() + b"\n")

    status = 1
    try:
        work(trial, tell)
        status = 0
    finally:
        os._exit(status)


def main() -> None:
    """Read trials, fork for each, and say what came of it."""
    for line in sys.stdin:
        trial = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            run(trial, writing)
        os.close(writing)
        with os.fdopen(reading, "rb") as told:
            said: dict[str, Any] = {}
            for text in told:
                said |= json.loads(text)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print(json.dumps({"killed": killed, "failed": not killed and status != 0, **said}), flush=True)


if __name__ == "__main__":
    main()
