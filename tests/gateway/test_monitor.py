"""Health and metrics over real HTTP on loopback."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from gateway.daily import Received
from gateway.lmn.sml_transport import Skipped
from gateway.metrics import CONTENT_TYPE, Metrics, Standing
from gateway.monitor import MAX_REQUESTS, Health, Monitor, MonitorError
from lifecycle.states import State

GOOD = Standing(
    State.OPERATION,
    frozenset({"disk-full"}),
    {"system": 0.25, "calibration": 0.5},
    10,
    100,
    {"consumer": True},
    {"sml": True, "radio": False},
)


def metrics() -> Metrics:
    return Metrics(lambda: GOOD, ["sml", "radio"])


def shown(counted: Metrics) -> dict[str, float]:
    lines = [line for line in counted.text().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


@contextmanager
def monitoring(health: Health, counted: Metrics | None = None, host: str = "127.0.0.1") -> Iterator[httpx.Client]:
    monitor = Monitor((host, 0), lambda: health, (counted or metrics()).text)
    monitor.start()
    try:
        address, port = monitor.address
        name = f"[{address}]" if ":" in address else address
        with httpx.Client(base_url=f"http://{name}:{port}", timeout=10) as client:
            yield client
    finally:
        monitor.close()


def test_health_is_ok_or_says_what_is_not() -> None:
    with monitoring(Health("OPERATION", ())) as client:
        answer = client.get("/health")
        assert answer.status_code == 200
        assert answer.json() == {"ok": True, "state": "OPERATION", "not_ok": []}
        assert "Python" not in answer.headers["server"]
    with monitoring(Health("REVERSIBLE_FAULT", ("fault disk-full is open",))) as client:
        answer = client.get("/health")
        assert answer.status_code == 503
        assert answer.json()["not_ok"] == ["fault disk-full is open"]


def test_metrics_are_as_prometheus_reads_them() -> None:
    counted = metrics()
    counted.received("sml/3", 100, Received((Skipped(0, 5, "noise"),), (), (), {}), 0.01)
    counted.refused("radio", 7)
    counted.failed("radio")
    counted.kept_up(2, 0.5)
    counted.reloaded(done=False)
    counted.answered(200, 0.01)
    counted.answered(404, 0.01)
    with monitoring(Health("OPERATION", ()), counted) as client:
        answer = client.get("/metrics")
        assert answer.headers["content-type"] == CONTENT_TYPE
    found = shown(counted)
    assert answer.text == counted.text().decode()
    assert {name: value for name, value in found.items() if name.startswith("smgw_state") and value} == {
        'smgw_state{state="OPERATION"}': 1.0
    }
    for name, value in {
        'smgw_lmn_bytes_total{line="sml"}': 100,
        'smgw_lmn_errors_total{line="sml"}': 1,
        'smgw_lmn_frames_total{line="sml"}': 0,
        'smgw_lmn_refused_bytes_total{line="radio"}': 7,
        'smgw_lmn_failures_total{line="radio"}': 1,
        'smgw_readings_total{became="kept"}': 0,
        "smgw_gaps_total": 2,
        'smgw_reloads_total{outcome="refused"}': 1,
        'smgw_han_requests_total{status="2xx"}': 1,
        'smgw_han_requests_total{status="4xx"}': 1,
        "smgw_han_seconds_count": 2,
        'smgw_fault_open{fault="disk-full"}': 1,
        'smgw_fault_open{fault="consumer-log-full"}': 0,
        'smgw_log_filled_ratio{log="calibration"}': 0.5,
        'smgw_line_up{line="radio"}': 0,
        "smgw_disk_free_bytes": 10,
        "smgw_disk_size_bytes": 100,
    }.items():
        assert found[name] == value, name


def test_nothing_else_is_there() -> None:
    with monitoring(Health("OPERATION", ())) as client:
        assert client.get("/").status_code == 404
        assert client.get("/metrics/x").status_code == 404
        assert client.post("/health").status_code == 501
        assert client.get("/health", headers={"Host": "evil.example"}).status_code == 421
        assert client.get("/health", headers={"Host": "localhost:1"}).status_code == 200


def test_over_ipv6() -> None:
    with monitoring(Health("OPERATION", ()), host="::1") as client:
        assert client.get("/health").status_code == 200


def test_whoever_keeps_connections_open_gets_no_more_than_some() -> None:
    with monitoring(Health("OPERATION", ())) as client:
        address = client.base_url.host, client.base_url.port or 0
        silent = [socket.create_connection(address, 10) for _ in range(MAX_REQUESTS)]
        with pytest.raises(httpx.TransportError):
            client.get("/health")
        for connection in silent:
            connection.close()
        patience = time.monotonic() + 20
        while time.monotonic() < patience:
            try:
                answer = client.get("/health")
            except httpx.TransportError:  # those who have gone are being noticed
                continue
            assert answer.status_code == 200
            return
        pytest.fail("it does not answer again")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "localhost"])  # noqa: S104  that is what is refused
def test_it_is_for_this_machine_only(host: str) -> None:
    with pytest.raises(MonitorError, match=r"this machine only|no IP address"):
        Monitor((host, 0), lambda: Health("", ()), lambda: b"")


def test_an_address_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(MonitorError, match=f"cannot listen on 127.0.0.1, port {port}"):
            Monitor(("127.0.0.1", port), lambda: Health("", ()), lambda: b"")
