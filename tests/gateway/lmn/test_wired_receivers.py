"""Receivers that speak before they hear: a bus whose simulated meters are asked, and a real TLS server as a meter."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from structlog.testing import capture_logs

from gateway.lmn.hdlc import HdlcAddress, encode_frame, information_control
from gateway.lmn.meter_tls import CIPHERS, MeterTls, MeterTlsError, SessionLimits
from gateway.lmn.wired_receivers import Asked, BusReceiver, TlsReceiver
from tests.gateway.lmn.hdlc_meter import SERVER_ID, SimulatedBusMeter, sml_file
from tests.gateway.lmn.test_meter_tls import PATIENCE, Identity, identity

QUARTER = timedelta(minutes=15)
START = datetime(2026, 3, 1, 12, 3, tzinfo=UTC)
GATEWAY = HdlcAddress(16)


class Bus:
    """Simulated meters on one bus, and the time that passes while nobody answers."""

    def __init__(self, *meters: SimulatedBusMeter) -> None:
        self.meters = meters
        self.now = START
        self.seconds = 0.0
        self.rounds = 0
        self.broken = 0

    @contextmanager
    def open(self) -> Iterator[Bus]:
        self.rounds += 1
        if self.broken:
            self.broken -= 1
            raise OSError("no such port")
        yield self

    def send(self, data: bytes) -> None:
        for meter in self.meters:
            meter.hear(data)

    def receive(self, seconds: float) -> bytes:
        heard = b"".join(meter.take() for meter in self.meters)
        if not heard:
            self.seconds += seconds
        return heard

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def receiver(self, asked: Callable[[], list[Asked]] | None = None) -> BusReceiver:
        return BusReceiver(
            "bus",
            self.open,
            asked or (lambda: [Asked(meter.address, SERVER_ID) for meter in self.meters]),
            own=GATEWAY,
            client_id=b"gateway",
            every=QUARTER,
            clock=lambda: self.now,
            monotonic=lambda: self.seconds,
            wait=self.pass_time,
        )


def test_meters_are_asked_at_each_point_of_the_raster() -> None:
    bus = Bus(SimulatedBusMeter(HdlcAddress(1), value=11), SimulatedBusMeter(HdlcAddress(2), segment=40, value=22))
    receiver = bus.receiver()
    heard, times = [], []
    for line, answer in receiver:
        assert line == "bus"
        heard.append((str(answer.source), answer.readings[0].value))
        times.append(bus.now)
        if len(heard) == 4:
            receiver.close()
    assert times == [datetime(2026, 3, 1, 12, minute, tzinfo=UTC) for minute in (15, 15, 30, 30)]
    assert heard == [("1", 11), ("2", 22), ("1", 11), ("2", 22)]


def test_a_silent_meter_is_asked_last_the_next_time() -> None:
    deaf = SimulatedBusMeter(HdlcAddress(1))
    bus = Bus(deaf, SimulatedBusMeter(HdlcAddress(2)))
    receiver = bus.receiver()
    deaf.deaf = 3
    sources = []
    for _, answer in receiver:
        sources.append(str(answer.source))
        if len(sources) == 3:
            receiver.close()
    assert sources == ["2", "2", "1"]


def test_whoever_speaks_without_being_asked_is_not_heard() -> None:
    bus = Bus(SimulatedBusMeter(HdlcAddress(1), value=11))
    forged = encode_frame(GATEWAY, HdlcAddress(2), information_control(0, 0), sml_file(99))
    unasked = [forged] * 3
    receive = bus.receive
    bus.receive = lambda seconds: (unasked.pop() if unasked else b"") + receive(seconds)  # type: ignore[method-assign]
    receiver, heard = bus.receiver(), []
    for _, answer in receiver:
        heard.append((str(answer.source), answer.readings[0].value))
        receiver.close()
    assert heard == [("1", 11)]
    assert unasked == []


def test_a_port_that_is_gone_ends_nothing() -> None:
    bus = Bus(SimulatedBusMeter(HdlcAddress(1)))
    receiver, heard = bus.receiver(), []
    bus.broken = 2
    for _, answer in receiver:
        heard.append(answer)
        receiver.close()
    assert bus.rounds == 3
    assert heard[0].ok


def context_of(own: Identity, gateway: Identity) -> ssl.SSLContext:
    """What a meter with this identity asks of the gateway in TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.certificate_file, own.key_file)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(gateway.certificate_file)
    context.set_ecdh_curve(own.curve)
    context.set_ciphers(":".join(CIPHERS))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


class SecuredBusMeter(SimulatedBusMeter):
    """A meter on the bus that speaks TLS in its frames, and nothing in the clear."""

    def __init__(self, address: HdlcAddress, own: Identity, gateway: Identity, *, value: int = 4711) -> None:
        super().__init__(address, value=value)
        context = context_of(own, gateway)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.secured = False

    def _response(self, request: bytes) -> bytes:
        self._incoming.write(request)
        with suppress(ssl.SSLWantReadError):
            if not self.secured:
                self._tls.do_handshake()
                self.secured = True
            self._tls.write(super()._response(self._tls.read(4_096)))
        return self._outgoing.read()


class ClearBusMeter(SimulatedBusMeter):
    """A meter on the bus that answers whatever is sent with its values, in the clear."""

    def _response(self, request: bytes) -> bytes:
        assert request
        return sml_file(self.value)


def secured(meter: SimulatedBusMeter, own: Identity, gateway: Identity) -> tuple[BusReceiver, Bus]:
    bus = Bus(meter)

    def tls() -> MeterTls:
        return MeterTls(gateway.certificate_file, gateway.key_file, own.certificate)

    return bus.receiver(lambda: [Asked(meter.address, SERVER_ID, tls)]), bus


def test_a_meter_on_the_bus_answers_by_tls(tmp_path: Path) -> None:
    own, gateway = identity(tmp_path, "meter"), identity(tmp_path, "gateway")
    meter = SecuredBusMeter(HdlcAddress(1), own, gateway, value=815)
    receiver, _ = secured(meter, own, gateway)
    for _, answer in receiver:
        assert answer.ok
        assert (answer.source, answer.readings[0].value) == (meter.address, 815)
        receiver.close()
    assert meter.secured
    assert [request.client_id for request in meter.requests] == [b"gateway"]


def test_a_meter_that_shows_another_certificate_or_speaks_in_the_clear_is_not_heard(tmp_path: Path) -> None:
    own, gateway, stranger = (identity(tmp_path, name) for name in ("meter", "gateway", "stranger"))
    for meter in (SecuredBusMeter(HdlcAddress(1), stranger, gateway), ClearBusMeter(HdlcAddress(1))):
        receiver, bus = secured(meter, own, gateway)
        with capture_logs() as logged, bus.open() as opened:
            (asked,) = receiver._meters()
            assert receiver._ask(opened, asked) is None
        assert [line["event"] for line in logged] == ["meter gave no answer"]
        assert not meter.requests, "it was asked in the clear"


@contextmanager
def pushing(own: Identity, gateway: Identity, *pushes: bytes) -> Iterator[tuple[str, int]]:
    """A meter: a TLS server that sends one of these in each session and ends it."""
    context = context_of(own, gateway)
    left = list(pushes)

    def serve() -> None:
        while left:
            connection, _ = server.accept()
            connection.settimeout(PATIENCE)
            with suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
                secured.sendall(left.pop(0))
                secured.unwrap()

    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[:2]
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_a_meter_is_heard_by_tls_and_again_after_it_ended_the_session(tmp_path: Path) -> None:
    own, gateway = identity(tmp_path, "meter"), identity(tmp_path, "gateway")

    def tls() -> MeterTls:
        return MeterTls(gateway.certificate_file, gateway.key_file, own.certificate, limits=SessionLimits())

    heard: list[bytes] = []
    with pushing(own, gateway, b"first", b"second") as address:
        receiver = TlsReceiver("meter", address, tls, wait=lambda _: None)
        for line, chunk in receiver:
            assert line == "meter"
            heard += [chunk] if chunk else []
            if heard == [b"first", b"second"]:
                receiver.close()
    assert heard == [b"first", b"second"]


def test_a_session_that_cannot_be_opened_is_tried_again_after_a_pause() -> None:
    pauses: list[float] = []
    tries = 0

    def tls() -> MeterTls:
        nonlocal tries
        tries += 1
        raise MeterTlsError("the meter's certificate has run out")

    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        receiver = TlsReceiver("meter", server.getsockname()[:2], tls, wait=pauses.append)
        for _ in receiver:
            if tries == 3:
                receiver.close()
    assert pauses == [0.5, 1.0]
