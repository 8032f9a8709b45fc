"""``smgw gateway run`` as a real process: bytes in over TCP, readings out at the HAN, reloaded, watched and stopped.

The process's clock says a minute past midnight UTC when it starts, so that readings count for that day's point.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.auth import HTTPDigestAuth

from gateway.han.consumers import Consumer
from gateway.settings import hash_lines
from smgw.play import bring_into_operation
from smgw.workplace import Workplace
from stations.meter import HouseholdMeter
from tests.smgw.conftest import Run, json_lines
from tests.support.han import consumer_certificate
from tests.support.settings import example_in, written

GATEWAY = "EXXX0000000001"
USER, PASSWORD = "anna.sm", "correct horse battery"
FIRST, SECOND = "1EMH0012345678", "1ISK0087654321"
IMPORT = "0100010800ff"
START = datetime(2026, 1, 5, tzinfo=UTC)
PATIENCE = 60.0
TODAY = """
import sys
from datetime import UTC, datetime, timedelta
from smgw import gateway_place
real = gateway_place.utc_now
off = real().replace(hour=0, minute=1) - real()
gateway_place.utc_now = lambda: real() + off
from smgw.cli import main
main(prog_name="smgw")
"""

TABLES = """
[gateway]
id = "{gateway}"
home = "home"

[[line]]
name = "meters"
receiver = "listen"
host = "127.0.0.1"
port = 0
protocol = "sml"

[[line]]
name = "radio"
receiver = "listen"
host = "127.0.0.1"
port = 0
protocol = "wmbus-a"

[[consumer]]
id = "{user}"
name = "Anna Beispiel"
{hashes}

[han]
host = "127.0.0.1"
port = 0

[technician]
host = "127.0.0.1"
port = 0
certificates = ["technician.pem"]

[monitor]
host = "127.0.0.1"
port = 0
"""
METER = """
[[meter]]
device_id = "{meter}"
medium = "electricity"
protocol = "sml"
capture = ["1-0:1.8.0"]
period = 86400
line = "meters"

[[contract]]
id = "0100.taf7-{number}.sm"
name = "Strom {number}"
consumer = "{user}"
metering_point = "DE{number:031}"
meter = "{meter}"
registers = ["1-0:1.8.0"]
taf = 7
start = 2026-01-01
billing = "month"
supplier = "Stadtwerke"
retention_days = 400
"""


def configuration(*meters: str) -> str:
    hashes = "\n".join(hash_lines(Consumer.known_by(USER, PASSWORD)))
    tables = [METER.format(meter=meter, number=number, user=USER) for number, meter in enumerate(meters, 1)]
    return TABLES.format(gateway=GATEWAY, user=USER, hashes=hashes) + "".join(tables)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workplace with a gateway in OPERATION, to be copied."""
    home = tmp_path_factory.mktemp("made") / "home"
    workplace = Workplace(home)
    repository = workplace.repository()
    bring_into_operation(workplace, repository, GATEWAY)
    repository.engine.dispose()
    return home


@pytest.fixture
def config(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "home")
    consumer_certificate(tmp_path, "technician")
    return written(tmp_path / "gateway.toml", configuration(FIRST))


class Process:
    """A running gateway, and what it printed."""

    def __init__(self, process: subprocess.Popen[str], printed: str) -> None:
        self.process = process
        self.printed = printed

    def read_until(self, words: str) -> str:
        """What it prints next, up to a line with these words."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed += line
            if words in line:
                return line
        pytest.fail(f"no {words!r}: {self.printed} {self.process.communicate()}")

    def send(self, *chunks: bytes) -> socket.socket:
        """Send bytes over the meters' line; the connection is the caller's."""
        found = re.search(r"line meters +sml listens on 127\.0\.0\.1, port (\d+)", self.printed)
        assert found is not None, self.printed
        connection = socket.create_connection(("127.0.0.1", int(found[1])), 10)
        for chunk in chunks:
            connection.sendall(chunk)
        return connection

    def metrics(self) -> dict[str, float]:
        found = re.search(r"http://\S+/metrics", self.printed)
        assert found is not None, self.printed
        text = requests.get(found[0], timeout=10).text
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def wait_for(self, metric: str, value: float) -> None:
        """Until it counts so much."""
        patience = time.monotonic() + PATIENCE
        while (seen := self.metrics())[metric] < value:
            assert time.monotonic() < patience, seen

    def health(self) -> requests.Response:
        found = re.search(r"http://\S+/health", self.printed)
        assert found is not None, self.printed
        return requests.get(found[0], timeout=10)

    def ask(self, method: str, *, password: str = PASSWORD, more: dict[str, object] | None = None) -> requests.Response:
        """What the machine interface answers the consumer."""
        found = re.search(r"consumer's page +(https://\S+)", self.printed)
        assert found is not None, self.printed
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the certificate is the gateway's own is looked at elsewhere
            return requests.post(
                f"{found[1]}smgw/m2m/{USER}/json",
                json={"method": method, **(more or {})},
                auth=HTTPDigestAuth(USER, password),
                verify=False,  # noqa: S501
                timeout=30,
            )

    def technician(self, certificate: Path | None) -> int:
        """What the technician's interface answers whoever shows a certificate: a status."""
        found = re.search(r"technician's page +(https://\S+)", self.printed)
        assert found is not None, self.printed
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shown = None if certificate is None else str(certificate)
            return requests.get(found[1], cert=shown, verify=False, timeout=30).status_code  # noqa: S501

    def readings(self, number: int) -> list[dict[str, Any]]:
        answer = self.ask(
            "readings",
            more={"usage-point-id": f"0100.taf7-{number}.sm", "database": "origin", "last-reading": True},
        )
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["readings"]["channels"]
        return found

    def stop(self, how: signal.Signals = signal.SIGTERM) -> tuple[str, str]:
        """Stop it; what it printed last, and its log."""
        self.process.send_signal(how)
        rest, log = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, (rest, log)
        return rest, log


@contextmanager
def running(config: Path, **environment: str) -> Iterator[Process]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SMGW_", "NOTIFY_"))}
    words = ["--log-level", "info", "--log-format", "json", "gateway", "run", "--config", str(config)]
    process = subprocess.Popen(
        [sys.executable, "-c", TODAY, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**inherited, **environment},
    )
    try:
        started = Process(process, "")
        started.read_until("Ctrl-C")
        yield started
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)


def frame(meter: str) -> bytes:
    return HouseholdMeter(meter, START, 1).frame_at(START + timedelta(days=3))


def test_bytes_of_a_meter_become_readings_at_the_consumers_interface(config: Path) -> None:
    with running(config) as gateway:
        assert f"Gateway {GATEWAY} is in OPERATION." in gateway.printed
        assert gateway.health().json() == {"ok": True, "state": "OPERATION", "not_ok": []}
        with gateway.send(b"noise", frame(FIRST), frame(SECOND)):
            gateway.wait_for('smgw_lmn_frames_total{line="meters"}', 2)
        counted = gateway.metrics()
        assert counted['smgw_readings_total{became="kept"}'] == 1, "the second meter has no profile"
        assert counted['smgw_lmn_errors_total{line="meters"}'] == 1
        assert counted['smgw_state{state="OPERATION"}'] == 1
        (channel,) = gateway.readings(1)
        expected = HouseholdMeter(FIRST, START, 1).energy_at(START + timedelta(days=3))[0]
        assert channel["obis"] == f"{IMPORT}.{FIRST.lower()}.sm"
        assert [int(reading["value"]) for reading in channel["readings"]] == [expected]
        assert gateway.ask("user-info", password=PASSWORD + "x").status_code == 401
        assert gateway.metrics()['smgw_han_requests_total{status="2xx"}'] == 1
        rest, log = gateway.stop()
    assert "Stopped." in rest
    for secret in (PASSWORD, str(expected), "Anna Beispiel", *hash_lines(Consumer.known_by(USER, PASSWORD))):
        assert secret not in log


def test_a_meter_is_added_while_it_runs_and_a_wrong_file_is_refused(config: Path) -> None:
    first, second = frame(FIRST), frame(SECOND)
    with running(config) as gateway:
        with gateway.send(first[:100]) as connection:
            gateway.wait_for('smgw_lmn_bytes_total{line="meters"}', 100)
            written(config, configuration(FIRST, SECOND).replace('name = "radio"', 'name = "wireless"'))
            gateway.process.send_signal(signal.SIGHUP)
            said = gateway.read_until("Configuration")
            assert said == "Configuration read anew: 2 meters, 2 contracts, 1 consumer.\n"
            connection.sendall(first[100:] + second)
            gateway.wait_for('smgw_readings_total{became="kept"}', 2)
        counted = gateway.metrics()
        assert counted['smgw_lmn_errors_total{line="meters"}'] == 0, "what was sent while it was reloaded was lost"
        assert [len(gateway.readings(number)) for number in (1, 2)] == [1, 1]

        assert gateway.technician(config.parent / "technician.pem") == 200
        with pytest.raises(requests.ConnectionError):
            gateway.technician(None)
        nobody = configuration(FIRST, SECOND).replace('["technician.pem"]', "[]")
        written(config, nobody)
        gateway.process.send_signal(signal.SIGHUP)
        gateway.read_until("Configuration read anew")
        with pytest.raises(requests.ConnectionError):
            gateway.technician(config.parent / "technician.pem")

        wrong = configuration(FIRST).replace('medium = "electricity"', 'medium = "steam"').replace("taf = 7", "")
        written(config, wrong)
        gateway.process.send_signal(signal.SIGHUP)
        said = gateway.read_until("Configuration")
        assert said.startswith("Configuration refused, the one before holds; the log says why: 2 meters,")
        assert [len(gateway.readings(number)) for number in (1, 2)] == [1, 1]
        counted = gateway.metrics()
        assert counted['smgw_reloads_total{outcome="refused"}'] == 1
        assert counted['smgw_reloads_total{outcome="done"}'] == 2
        _, log = gateway.stop(signal.SIGINT)
    told = [json.loads(line) for line in log.splitlines()]
    assert [each["table"] for each in told if each["event"] == "holds from the next start on"] == ["[[line]]"]
    refused = [each["mistake"] for each in told if each["event"] == "configuration refused"]
    assert len(refused) == 2, "each mistake is a line"
    assert "steam" in refused[0]


def test_the_service_manager_is_told_and_a_gateway_runs_once(config: Path, tmp_path: Path, smgw: Run) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(PATIENCE)
        with running(config, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="300000") as gateway:
            assert ear.recv(1_000) == b"READY=1\nSTATUS=1 meter, 1 contract, 1 consumer"
            assert ear.recv(1_000) == b"WATCHDOG=1"
            gateway.process.send_signal(signal.SIGHUP)
            told = [ear.recv(1_000)]
            while b"READY=1" not in told[-1]:
                told.append(ear.recv(1_000))
            assert "this gateway runs already" in smgw("gateway", "run", "--config", config, exit_code=2).output
            assert any(word.startswith(b"RELOADING=1\nMONOTONIC_USEC=") for word in told)
            gateway.stop()
            ear.settimeout(0)
            while True:
                last = ear.recv(1_000)
                if last == b"STOPPING=1":
                    break


def test_what_cannot_work_is_said_at_the_start(config: Path, smgw: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = configuration(FIRST).replace(
            '[monitor]\nhost = "127.0.0.1"\nport = 0', f'[monitor]\nhost = "127.0.0.1"\nport = {port}'
        )
        said = smgw("gateway", "run", "--config", written(config, text), exit_code=2).output
    assert f"cannot listen on 127.0.0.1, port {port}" in said
    (config.parent / "home" / "parties" / "gateways" / GATEWAY / "party.pem").unlink()
    said = smgw("gateway", "run", "--config", written(config, configuration(FIRST)), exit_code=2).output
    assert f"missing, the gateway's own key for its record (smgw party create --role gateway --name {GATEWAY})" in said
    said = smgw("gateway", "run", "--config", written(config, "["), exit_code=2).output
    assert "no TOML" in said


def test_check_says_what_would_be_done(config: Path, smgw: Run) -> None:
    said = smgw("gateway", "check", "--config", config).output
    assert f"Gateway {GATEWAY}" in said
    assert "meters: sml, listens on 127.0.0.1, port 0" in said
    assert f"{FIRST}: electricity by sml on line meters, 1-0:1.8.0*255 every 86400 s" in said
    assert "anna.sm: comes in with a password" in said
    assert "Nothing is wrong with it." in said
    assert "Beispiel" not in said
    assert json_lines(smgw("gateway", "check", "--config", config, "--json")) == [
        {"file": str(config), "ok": True, "mistakes": []}
    ]
    assert not (config.parent / "home" / "gateways" / GATEWAY / "han.pem").exists(), "nothing is made"


def test_check_names_every_mistake(config: Path, smgw: Run) -> None:
    text = configuration(FIRST).replace("port = 0", "port = 70000").replace('id = "anna.sm"', 'id = "bert.sm"')
    said = smgw("gateway", "check", "--config", written(config, text), exit_code=2).output
    assert said.count("port: no whole number from 0 to 65535") == 5
    assert "6 mistakes in" in said
    text = configuration(FIRST).replace('id = "anna.sm"', 'id = "bert.sm"')
    said = smgw("gateway", "check", "--config", written(config, text), exit_code=2).output
    assert "is of consumer anna.sm, who is not known" in said
    shutil.rmtree(config.parent / "home")
    (told,) = json_lines(
        smgw("gateway", "check", "--config", written(config, configuration(FIRST)), "--json", exit_code=2)
    )
    assert len(told["mistakes"]) == 4
    assert all("missing" in mistake for mistake in told["mistakes"])


def test_the_example_is_printed_and_can_be_checked(tmp_path: Path, smgw: Run) -> None:
    path = example_in(tmp_path / "example")
    printed = smgw("gateway", "example").output
    assert printed == path.read_text(encoding="utf-8")
    (told,) = json_lines(smgw("gateway", "check", "--config", path, "--json", exit_code=2))
    assert len(told["mistakes"]) == 4, "what is missing is the gateway, and nothing of the example"


def test_a_password_becomes_two_lines_and_is_not_repeated(smgw: Run) -> None:
    typed = f"{PASSWORD}\n{PASSWORD}\n".encode()
    result = smgw("gateway", "password", USER, stdin=typed)
    assert result.stdout.splitlines() == hash_lines(Consumer.known_by(USER, PASSWORD))
    assert PASSWORD not in result.output
    assert "at least 10 characters" in smgw("gateway", "password", USER, stdin=b"short\nshort\n", exit_code=2).output
    assert "is no name of a consumer" in smgw("gateway", "password", "a b", exit_code=2).output
