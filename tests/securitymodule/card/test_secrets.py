"""Private keys have no way out: not in a file, a log line, a repr, a traceback, nor in the memory between two commands.

Answers to commands are scanned in ``test_dispatcher``.
"""

from __future__ import annotations

import gc
import io
import logging
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from securitymodule.apdu import StatusWord
from securitymodule.card import keys
from securitymodule.card.contents import Contents, KeyPair, PinObject
from securitymodule.card.context import Context
from securitymodule.card.dispatcher import Dispatcher
from securitymodule.card.module import SoftwareModule
from securitymodule.card.sealing import Seal, _derived
from securitymodule.card.session import Session
from securitymodule.card.store import Store
from securitymodule.card.vault import KEY_BYTES, Vault
from securitymodule.coding import Algorithm, Ins, KeyRef, ModuleState, Parameters, Tag
from securitymodule.curves import BRAINPOOL_P256R1, Curve, encode_point, generate_key
from securitymodule.errors import SecureMessagingError
from tests.securitymodule.card.conftest import ModuleAt
from tests.securitymodule.card.pki import Pki
from tests.securitymodule.card.terminal import (
    INITIALISATION,
    INTEGRATOR_PIN,
    SYSTEM_PIN,
    TRANSPORT_PIN,
    Terminal,
    copied,
    created,
    live,
    opened,
    seal,
)
from tests.support.secrets import Secret, assert_nothing_of, image_of, key_secret, pin_secret, private_keys, shown

ROOT = Path(__file__).parents[3]
PINS = [
    pin_secret("the system PIN", SYSTEM_PIN),
    pin_secret("the transport PIN", TRANSPORT_PIN),
    pin_secret("the Integrator-PIN", INTEGRATOR_PIN),
]


def use_keys(terminal: Terminal) -> None:
    """Everything that a private key does."""
    for _ in range(3):
        assert terminal.sign(KeyRef.OPERATIONAL_A_SIG, bytes(32)).sw == 0x9000
    agree_with(terminal, KeyRef.OPERATIONAL_A_ENC)
    chosen = {Tag.MECHANISM: int(Algorithm.ECKA_DH), Tag.DOMAIN: BRAINPOOL_P256R1.domain}
    assert terminal.choose(Parameters.MSE_AGREE, chosen).sw == 0x9000
    assert terminal.send(Ins.GENERAL_AUTHENTICATE, 0, b"\x7c\x00").sw == 0x9000
    terminal.done(Ins.INTERNAL_AUTHENTICATE, 0, b"\x84\x08" + bytes(8))


class Defect(Exception):
    """Something of ours failed at the worst moment."""


def test_files_logs_and_reprs(tmp_path: Path, pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    logging.getLogger().addHandler(handler)
    monkeypatch.setattr(logging.getLogger(), "level", logging.DEBUG)
    seen: list[bytes] = []
    save = Store.save

    def saved(self: Store, contents: Contents) -> None:
        save(self, contents)
        seen.extend(file.read_bytes() for file in sorted(self.directory.iterdir()))
        seen.append(repr(contents).encode())

    monkeypatch.setattr(Store, "save", saved)
    with created(tmp_path / "module") as module:
        terminal = Terminal(module)
        live(terminal, pki, ModuleState.OPERATIONAL)
        use_keys(terminal)
        secrets = private_keys(module)
        kinds = (SoftwareModule, Store, Seal, Vault, Context, Session, Contents, KeyPair, PinObject, Dispatcher)
        held = [repr(found).encode() for found in gc.get_objects() if isinstance(found, kinds)]
    logging.getLogger().removeHandler(handler)
    assert len(held) >= len(kinds)
    written = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert len(written) >= 5
    assert_nothing_of([*secrets, *PINS], texts=[log.getvalue()], dumps=[*seen, *held, *written])


@pytest.mark.parametrize(
    "where", ["keys.sign_digest", "keys.agree", "keys.load_der_private_key", "vault.Vault.wrap", "pins._stretched"]
)
def test_tracebacks_with_all_their_variables(module_at: ModuleAt, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Whatever fails while a key is open: the traceback of it, every local variable shown, tells no key."""
    module = module_at(ModuleState.INITIALISED)
    terminal = Terminal(module)
    terminal.establish(TRANSPORT_PIN)
    for key in (KeyRef.PRELIMINARY_SIG, KeyRef.PRELIMINARY_ENC):
        terminal.generate(key)
    secrets = private_keys(module)
    traces: list[str] = []

    def noted(_dispatcher: Dispatcher, error: Exception) -> None:
        traces.append("".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()))

    def fail(*_arguments: object, **_named: object) -> None:
        raise Defect

    monkeypatch.setattr(Dispatcher, "_note", noted)
    acts: dict[str, tuple[Callable[[], object], list[Secret]]] = {
        "keys.sign_digest": (lambda: terminal.sign(KeyRef.PRELIMINARY_SIG, bytes(32)), []),
        "keys.load_der_private_key": (lambda: terminal.sign(KeyRef.PRELIMINARY_SIG, bytes(32)), []),
        "keys.agree": (lambda: agree_with(terminal, KeyRef.PRELIMINARY_ENC), []),
        "vault.Vault.wrap": (lambda: terminal.generate(KeyRef.PRELIMINARY_TLS), []),
        "pins._stretched": (terminal.present, PINS),
    }
    act, sensitive = acts[where]
    made: list[Secret] = []
    generate = generate_key

    def watched(curve: Curve) -> ec.EllipticCurvePrivateKey:
        key = generate(curve)
        made.append(key_secret("a new key", key))
        return key

    monkeypatch.setattr(keys, "generate_key", watched)
    monkeypatch.setattr(f"securitymodule.card.{where}", fail)
    with pytest.raises(SecureMessagingError, match="6F00"):
        act()
    assert len(traces) == 1
    assert "Defect" in traces[0]
    assert "vault = " in traces[0] or "digits = " in traces[0]
    assert_nothing_of([*secrets, *made, *sensitive], texts=traces)
    assert len(made) == (where == "vault.Vault.wrap")


def agree_with(terminal: Terminal, key: KeyRef) -> None:
    """ECKA-EG with a key of somebody else's."""
    chosen = {Tag.MECHANISM: int(Algorithm.ECKA_EG), Tag.PRIVATE_KEY_REFERENCE: int(key)}
    assert terminal.choose(Parameters.MSE_AGREE, chosen).sw == 0x9000
    peer = b"\x7c\x43\x81\x41" + encode_point(generate_key(BRAINPOOL_P256R1).public_key())
    assert terminal.send(Ins.GENERAL_AUTHENTICATE, 0, peer).sw == 0x9000


class Remote:
    """A module in a process of its own, used like one in this."""

    def __init__(self, directory: Path) -> None:
        command = [sys.executable, "-W", "ignore", "-m", "tests.securitymodule.card.memory_worker", str(directory)]
        self.directory = directory
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def transmit(self, command: bytes) -> bytes:
        """A command, and the response to it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(command.hex() + "\n")
        self.process.stdin.flush()
        return bytes.fromhex(self.process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        assert self.process.wait(30) == 0
        self.process.stdout.close()

    def power(self, switch: str) -> None:
        """Switch it ``on`` or ``off``."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(switch + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "\n"

    def image(self) -> bytes:
        """Everything that is in the process's memory."""
        return b"".join(image_of(self.process.pid))


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Remote]:
    SoftwareModule.create(tmp_path / "module").close()
    found = Remote(tmp_path / "module")
    yield found
    found.close()


def sealing_keys(directory: Path) -> list[Secret]:
    """What encrypts a module's state and wraps its secrets: the keys in its seal, and what is derived from them."""
    state_key = (seal(directory) / "state.key").read_bytes()
    derived = [
        Secret(f"derived: {what}", _derived(state_key, what.encode())) for what in ("state", "identity", "counter")
    ]
    vault_key = (seal(directory) / "vault.key").read_bytes()[:KEY_BYTES]
    return [Secret("state.key", state_key), Secret("vault.key", vault_key), *derived]


def test_the_memory_of_a_modules_process(remote: Remote, pki: Pki, tmp_path: Path) -> None:
    """Images of the process. While it waits for a command it holds no private key, though it has used them, and no PIN.
    Without power it holds nothing that would open the module either; and a terminated one has forgotten its vault.

    This is as much as Python allows. Secrets pass through strings and integers that nobody can overwrite, through
    buffers of OpenSSL's, and through registers: an image taken in the middle of a command shows them. That none is left
    behind is what is looked at here; that none could be is not to be had without hardware.
    """
    terminal = Terminal(remote)  # type: ignore[arg-type]
    assert terminal.plain(Ins.PUT_DATA, 0x0110, INITIALISATION.encode()).sw == 0x9000
    steps: list[Callable[[], object]] = [
        lambda: terminal.establish(TRANSPORT_PIN),
        lambda: terminal.generate(KeyRef.PRELIMINARY_SIG),
        lambda: terminal.sign(KeyRef.PRELIMINARY_SIG, bytes(32)),
        lambda: live(terminal, pki, ModuleState.OPERATIONAL),
        lambda: use_keys(terminal),
    ]
    for number, step in enumerate(steps):
        step()
        with opened(copied(remote.directory, tmp_path / f"copy-{number}")) as copy:
            secrets = private_keys(copy)
        whole = remote.image()
        assert INITIALISATION.serial.encode() in whole  # what is looked at is the module's memory
        assert_nothing_of(secrets, dumps=[whole])
    assert len(secrets) == 7
    assert_nothing_of(PINS, dumps=[whole])
    sealing = sealing_keys(remote.directory)
    assert {found.partition(" (")[0] for found in shown(sealing, whole)} >= {"vault.key", "derived: state"}

    remote.power("off")
    assert_nothing_of([*secrets, *PINS, *sealing], dumps=[remote.image()])

    remote.power("on")
    terminal = Terminal(remote)  # type: ignore[arg-type]
    terminal.establish(SYSTEM_PIN)
    assert terminal.administrate(pki).sw == StatusWord.OK
    assert terminal.send(Ins.TERMINATE_CARD_USAGE, 0).sw == StatusWord.OK
    whole = remote.image()
    vault = [each for each in sealing if each.whose == "vault.key"]
    assert_nothing_of([*secrets, *PINS, *vault], dumps=[whole])
    assert terminal.plain(Ins.INTERNAL_AUTHENTICATE, 0, b"\x84\x08" + bytes(8)).sw == StatusWord.OK
    remote.power("off")
    assert_nothing_of([*secrets, *PINS, *sealing], dumps=[remote.image()])
