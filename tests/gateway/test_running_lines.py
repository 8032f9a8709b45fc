"""From configured lines to receivers: each of its kind, and those that ask do it by the profiles as they are now."""

from __future__ import annotations

import os
import pty
import tty
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.lmn.device_id import server_id_from_device_id
from gateway.lmn.hdlc import HdlcAddress
from gateway.lmn.lines import LineProtocol
from gateway.lmn.meter_tls import MeterTlsError
from gateway.lmn.obis import IMPORT_ENERGY
from gateway.lmn.profiles import Medium, MeterProfile, ProfileBook, Protocol
from gateway.lmn.receivers import (
    FileReceiver,
    Receiver,
    ReceiverError,
    SerialReceiver,
    TcpClientReceiver,
    TcpServerReceiver,
)
from gateway.lmn.serial_port import SerialSettings
from gateway.lmn.wired_receivers import BusReceiver, TlsReceiver
from gateway.profiles import Profiles
from gateway.running_lines import open_receiver
from gateway.settings_lines import (
    FileSettings,
    LineSettings,
    ListenSettings,
    OwnFiles,
    PollSettings,
    SerialLineSettings,
    TcpSettings,
    TlsSettings,
    Way,
)
from tests.gateway.lmn.hdlc_meter import SimulatedBusMeter
from tests.gateway.lmn.test_meter_tls import identity

GATEWAY = "EXXX0012345678"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
METER = MeterProfile(
    "1EMH0012345678",
    Medium.ELECTRICITY,
    Protocol.SML_HDLC,
    (IMPORT_ENERGY,),
    timedelta(minutes=15),
    line="line",
    hdlc_address=HdlcAddress(17),
)


def opened(way: Way, profiles: Profiles | None = None) -> Receiver | BusReceiver:
    line = LineSettings("line", LineProtocol.SML_HDLC, way)
    return open_receiver(line, GATEWAY, lambda: profiles or Profiles(), lambda: datetime.now(UTC))


@pytest.mark.parametrize(
    ("way", "kind"),
    [
        (SerialLineSettings(Path("/dev/none"), SerialSettings()), SerialReceiver),
        (TcpSettings(("127.0.0.1", 9)), TcpClientReceiver),
        (ListenSettings(("127.0.0.1", 0)), TcpServerReceiver),
        (FileSettings(Path("none")), FileReceiver),
        (PollSettings(Path("/dev/none"), SerialSettings(), timedelta(minutes=15), HdlcAddress(16)), BusReceiver),
        (TlsSettings(("127.0.0.1", 9), METER.device_id, OwnFiles(Path("none"), Path("none"))), TlsReceiver),
    ],
)
def test_every_way_has_its_receiver(way: Way, kind: type) -> None:
    receiver = opened(way)
    assert type(receiver) is kind
    assert receiver.line == "line"
    receiver.close()


def test_an_address_that_cannot_be_had_is_named() -> None:
    first = opened(ListenSettings(("127.0.0.1", 0)))
    assert isinstance(first, TcpServerReceiver)
    with pytest.raises(ReceiverError, match=r"cannot listen on 127\.0\.0\.1"):
        opened(ListenSettings(first.address))
    first.close()


@pytest.fixture
def port() -> Iterator[tuple[int, Path]]:
    """A serial port, and what is at its other end."""
    other, own = pty.openpty()
    tty.setraw(own)
    yield other, Path(os.ttyname(own))
    os.close(other)
    os.close(own)


def test_meters_on_the_bus_are_asked_as_the_gateway_and_by_their_addresses(port: tuple[int, Path]) -> None:
    other, path = port
    meter = SimulatedBusMeter(HdlcAddress(17))
    known = Profiles(ProfileBook([METER, replace(METER, device_id="1EMH0012345679", hdlc_address=None)]))
    ways = PollSettings(path, SerialSettings(), timedelta(seconds=1), HdlcAddress(16))
    receiver = opened(ways, known)
    assert isinstance(receiver, BusReceiver)

    class Answering:
        """The other end of the port, in the same thread: it answers as soon as something was sent."""

        def send(self, data: bytes) -> None:
            meter.hear(data)

        def receive(self, seconds: float) -> bytes:
            assert seconds > 0
            return meter.take()

    (asked,) = receiver._meters()
    assert asked.server_id == METER.server_id
    heard = receiver._ask(Answering(), asked)
    assert heard is not None
    assert heard.ok
    assert {request.client_id for request in meter.requests} == {server_id_from_device_id(GATEWAY)}
    with receiver._bus() as bus:
        bus.send(b"\x7e")
        assert os.read(other, 10) == b"\x7e"


def test_a_meter_without_a_certificate_is_not_connected_to(tmp_path: Path) -> None:
    own, meter = identity(tmp_path, "gateway"), identity(tmp_path, "meter")
    files = OwnFiles(own.certificate_file, own.key_file)
    way = TlsSettings(("127.0.0.1", 9), METER.device_id, files)
    certified = replace(METER, protocol=Protocol.SML, hdlc_address=None, certificate=meter.certificate_file)
    for profiles, wrong in (
        (Profiles(), "no certificate is known of meter 1EMH0012345678,"),
        (Profiles(ProfileBook([replace(certified, certificate=own.key_file)])), "holds no certificate"),
    ):
        receiver = opened(way, profiles)
        assert isinstance(receiver, TlsReceiver)
        with pytest.raises(MeterTlsError, match=wrong):
            receiver._tls()
    receiver = opened(way, Profiles(ProfileBook([certified])))
    assert isinstance(receiver, TlsReceiver)
    assert receiver._tls()
    on_bus = Profiles(ProfileBook([replace(METER, certificate=meter.certificate_file)]))
    for identity_of_line in (files, None):
        bus = PollSettings(
            Path("/dev/none"), SerialSettings(), timedelta(minutes=15), HdlcAddress(16), identity_of_line
        )
        asking = opened(bus, on_bus)
        assert isinstance(asking, BusReceiver)
        (asked,) = asking._meters()
        assert asked.tls is not None, "a meter with a certificate is never asked in the clear"
        if identity_of_line is not None:
            assert asked.tls()
            continue
        with pytest.raises(MeterTlsError, match="or none of the gateway's for its line"):
            asked.tls()
