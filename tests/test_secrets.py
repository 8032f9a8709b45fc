"""Private keys and PINs have no way out: whoever uses a module over PC/SC leaves no trace of them anywhere.

The modules run in processes of their own, as chips would; those hold their keys, encrypted, while they have power
(``tests/securitymodule/card/test_secrets.py`` looks into one). The process looked into here is the one that uses them.
"""

from __future__ import annotations

import base64
import json
import os
import pickle
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from securitymodule.coding import ModuleState
from securitymodule.curves import CURVES, Curve, generate_key
from smgw.pcsc import PcscStand
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
)
from tests.support.pcsc import PcscDaemon
from tests.support.secrets import assert_nothing_of, image_of, key_secret, pin_secret, secrets_of

ROOT = Path(__file__).resolve().parents[1]
NEXT_PIN = "775533119922"
PINS = [
    pin_secret("the transport PIN", TRANSPORT_PIN),
    pin_secret("the system PIN", SYSTEM_PIN),
    pin_secret("the Integrator-PIN", INTEGRATOR_PIN),
    pin_secret("the next PIN", NEXT_PIN),
]


@pytest.mark.parametrize("curve", CURVES, ids=str)
def test_the_search_finds_what_it_looks_for(curve: Curve, tmp_path: Path) -> None:
    """However a key or a PIN is written down, by whom it may be."""
    key = generate_key(curve)
    number = key.private_numbers().private_value
    scalar = number.to_bytes(curve.size, "big")
    secret = key_secret("the key", key)
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    (tmp_path / "key.pem").write_text(pem)
    openssl = ["openssl", "ec", "-in", str(tmp_path / "key.pem"), "-text", "-noout"]
    shown_by_openssl = subprocess.run(openssl, capture_output=True, text=True, check=True).stdout
    # Two rows of a listing end in the middle of the number; joined again they are the hexadecimal form.
    listed = re.sub(r":\s+", ":", shown_by_openssl)
    pin = pin_secret("the PIN", INTEGRATOR_PIN)
    both = f"{INTEGRATOR_PIN} {number:x}"
    for sought, text in (
        *(
            (secret, text)
            for text in (f"{number}", f"{number:x}", f"{number:X}", repr(scalar), str(list(scalar)), listed)
        ),
        *((secret, text) for text in (scalar[::-1].hex(), base64.b64encode(der).decode(), scalar.hex(":").upper())),
        (secret, base64.urlsafe_b64encode(b"-" + scalar).decode()),
        (secret, pem),
        (pin, INTEGRATOR_PIN.encode("utf-16").decode("latin-1")),
        (secret, both),
        (pin, both),
        (pin, f"code={INTEGRATOR_PIN}"),
        (pin, INTEGRATOR_PIN.encode().hex()),
        (pin, base64.b64encode(f"pin={INTEGRATOR_PIN}.".encode()).decode()),
    ):
        with pytest.raises(AssertionError, match=rf"{sought.whose} \(.*\) in text 1"):
            assert_nothing_of([sought], texts=["nothing", f"before {text} behind"])
    for dump in (der, scalar[::-1], pickle.dumps(number), bytes(3) + scalar[: curve.size // 2]):
        with pytest.raises(AssertionError, match=r"the key .* in dump 0"):
            assert_nothing_of([secret], dumps=[dump])
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / INTEGRATOR_PIN).touch()
    with pytest.raises(AssertionError, match=r"the PIN .* in .*deep"):
        assert_nothing_of([pin], [tmp_path / "deep"])
    assert_nothing_of([secret, pin], [tmp_path / "none"], ["nothing"], [bytes(1000)])
    with pytest.raises(AssertionError, match="nothing to look for"):
        assert_nothing_of([])


def test_a_process_image_holds_what_the_process_holds() -> None:
    kept = os.urandom(32)
    assert any(kept in part for part in image_of(os.getpid()))


def surroundings(pid: int) -> list[str]:
    """A process's command line and its environment."""
    return [Path(f"/proc/{pid}/{name}").read_bytes().decode() for name in ("cmdline", "environ")]


class Client:
    """The process that uses modules."""

    def __init__(self, home: Path, log_format: str) -> None:
        self._control, inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._errors = home / "log"
        with inside, self._errors.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.secrets_client", log_format],
                cwd=ROOT,
                env={**os.environ, "HOME": str(home), "TMPDIR": str(home)},
                stdin=inside.fileno(),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.printed: list[str] = []

    def ask(self, request: bytes) -> None:
        """Have something done."""
        assert self.process.stdout is not None
        self._control.send(request)
        for line in self.process.stdout:
            if line == "done\n":
                return
            self.printed.append(line)
        raise AssertionError(self.log())

    def log(self) -> str:
        """What it has written to standard error."""
        return self._errors.read_text()

    def end(self) -> None:
        """End the process."""
        self._control.close()
        assert self.process.wait(30) == 0
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture(params=["console", "json"])
def client(request: pytest.FixtureRequest, tmp_path: Path, pcsc_daemon: PcscDaemon) -> Iterator[Client]:
    (tmp_path / "home").mkdir()
    found = Client(tmp_path / "home", request.param)
    yield found
    found.end()


@pytest.mark.pcsc
def test_whoever_uses_modules_over_pcsc_keeps_no_secret(
    client: Client, pcsc_daemon: PcscDaemon, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    modules = {home / "fresh": TRANSPORT_PIN, home / "operational": SYSTEM_PIN}
    created(home / "fresh").close()
    with created(home / "operational") as module:
        live(Terminal(module), Pki(), ModuleState.OPERATIONAL)
    for number, (directory, system) in enumerate(modules.items()):
        pins = {"system": system, "integrator": INTEGRATOR_PIN, "next": NEXT_PIN}
        with PcscStand(pcsc_daemon) as stand, stand.holding(f"module:{directory}") as url:
            (module_process,) = (found.process.pid for found in stand._inserted.values())
            texts = [*surroundings(client.process.pid), *surroundings(module_process)]
            client.ask(json.dumps({"url": url, "pins": pins}).encode())
            used = b"".join(image_of(client.process.pid))
            client.ask(b"close")
        secrets = secrets_of(copied(directory, tmp_path / f"copy-{number}"))
        assert len(secrets) == (4 if number == 0 else 7)
        closed = b"".join(image_of(client.process.pid))
        assert INITIALISATION.serial.encode() in used  # what is looked at is the memory of who used it
        log = client.log()
        assert log.count("Traceback") >= 2 * (number + 1)
        assert "refused" in log
        assert len(client.printed) >= 4
        texts += [log, *client.printed]
        assert_nothing_of(secrets, [home], texts, [used, closed])
        assert_nothing_of(PINS, [home], texts, [closed])
