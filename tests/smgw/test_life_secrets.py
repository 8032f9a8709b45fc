"""Whatever the stations write, log and print: no private key of a gateway's module is in it, and no PIN."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from gateway.module import SECRET_FILE, DeviceSecret
from lifecycle.states import State
from smgw.life import Life
from smgw.workplace import Workplace
from stations.integrator.order import Arrangement
from stations.integrator.unit import INTEGRATOR_PIN, TRANSPORT_PIN
from tests.smgw.conftest import Run
from tests.support.secrets import Secret, assert_nothing_of, pin_secret, secrets_of

GATEWAY = "EXXX0000000001"


def secrets_in(home: Path) -> list[Secret]:
    """The keys of the gateway's module, and every PIN that it has or had."""
    folder = home / "gateways" / GATEWAY
    factory = DeviceSecret.open_or_make(home / "factory" / "factory.key")
    device = DeviceSecret.open_or_make(folder / SECRET_FILE)
    serial = f"SM-{GATEWAY}"
    return [
        *secrets_of(folder / "module"),
        pin_secret("the transport PIN", factory.pin(TRANSPORT_PIN, serial)),
        pin_secret("the Integrator-PIN", factory.pin(INTEGRATOR_PIN, serial)),
        pin_secret("the GW-System-PIN", device.system_pin(serial)),
    ]


@pytest.mark.parametrize("arrangement", Arrangement)
def test_nothing_secret_is_left_of_a_life(
    smgw: Run, home: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], arrangement: Arrangement
) -> None:
    caplog.set_level(logging.DEBUG)
    workplace, told = Workplace(home), list[str]()
    repository = workplace.repository()
    keys: list[Secret] = []
    with Life(workplace, repository, GATEWAY, lambda step: told.append(repr(step))) as life:
        life.manufacture(arrangement)
        life._cast.device.close()  # its module serves one at a time
        keys += secrets_in(home)
        life.deliver_and_install()
        life.operate()
        told += [repr(life), repr(life._cast), repr(life._cast.device), repr(vars(life._cast.device))]
    keys += secrets_in(home)
    assert len({secret.whose for secret in keys}) == 3 + 3 + 1 + 3  # two triples, the attestation key, three PINs
    printed = [
        smgw(*words).output
        for words in (
            ("--log-level", "debug", "replay", "--evidence"),
            ("journal", "export", GATEWAY, "--out", "-"),
            ("gateway", "show", GATEWAY),
            ("module", "info", f"module:{home / 'gateways' / GATEWAY / 'module'}"),
            ("module", "attest", f"module:{home / 'gateways' / GATEWAY / 'module'}"),
        )
    ]
    assert repository.kept(GATEWAY).standing.state is State.OPERATION
    repository.engine.dispose()
    captured = capfd.readouterr()
    assert_nothing_of(keys, [home], [*told, *printed, caplog.text, captured.out, captured.err])
