"""A gateway's whole production and installation leaves no private key and no PIN of its module in its workplace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.module import SECRET_FILE, DeviceSecret
from securitymodule.client import SecurityModule
from smgw.pcsc_daemon import SOCKET_VARIABLE
from stations.integrator.unit import INTEGRATOR_PIN, TRANSPORT_PIN
from tests.secrets_life import GATEWAY
from tests.securitymodule.card.terminal import copied
from tests.support.secrets import Secret, assert_nothing_of, image_of, pin_secret, secrets_of

ROOT = Path(__file__).resolve().parents[1]
STEPS = {"manufacture": 4, "installation": 4, "operation": 4}
"""The steps of :mod:`tests.secrets_life`, and how many private keys are in the module after each: its attestation key
and a triple, the preliminary one first."""


def pins_of(home: Path, serial: str) -> list[Secret]:
    """The PINs of a gateway's module, derived as its factory and its device do."""
    factory = DeviceSecret.open_or_make(home / "factory" / "factory.key")
    device = DeviceSecret.open_or_make(home / "gateways" / GATEWAY / SECRET_FILE)
    return [
        pin_secret("the transport PIN", factory.pin(TRANSPORT_PIN, serial)),
        pin_secret("the Integrator-PIN", factory.pin(INTEGRATOR_PIN, serial)),
        pin_secret("the system PIN", device.system_pin(serial)),
    ]


@pytest.mark.parametrize("kind", ["software", pytest.param("pcsc", marks=pytest.mark.pcsc)])
def test_a_life_leaves_no_secret(tmp_path: Path, kind: str) -> None:
    """Nothing in a file, in the log or in the output; and in an image of the process that lives it no private key,
    whether the module is in a reader or in this very process, where its keys are encrypted between two commands.
    """
    state = tmp_path / "state"
    home = state / "smgw"
    environment = {name: value for name, value in os.environ.items() if name not in {SOCKET_VARIABLE, "SMGW_HOME"}}
    environment |= {"HOME": str(state), "XDG_STATE_HOME": str(state), "TMPDIR": str(tmp_path)}
    keys: dict[bytes, Secret] = {}
    printed: list[str] = []
    images: list[bytes] = []
    command = [sys.executable, "-m", "tests.secrets_life", kind]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        for step, count in STEPS.items():
            for line in iter(process.stdout.readline, "done\n"):
                assert line, (tmp_path / "log").read_text()
                printed.append(line)
            images.append(b"".join(image_of(process.pid)))
            found = secrets_of(copied(home / "gateways" / GATEWAY / "module", tmp_path / step))
            assert len(found) == count
            keys |= {each.value: each for each in found}
            process.stdin.write("\n")
            process.stdin.flush()
    assert process.returncode == 0, (tmp_path / "log").read_text()
    assert len(keys) == 7
    assert len(printed) > 20
    with SecurityModule.open(f"module:{tmp_path / step}") as module:
        pins = pins_of(home, module.information().serial)
    assert len({pin.value for pin in pins}) == 3
    log_text = (tmp_path / "log").read_text()
    assert_nothing_of(keys.values(), dumps=images)
    assert_nothing_of([*keys.values(), *pins], [home], [log_text, *printed])
