"""From configured lines to what is heard on them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from cryptography import x509

from gateway.lmn.device_id import server_id_from_device_id
from gateway.lmn.meter_tls import MeterTls, MeterTlsError
from gateway.lmn.profiles import MeterProfile
from gateway.lmn.receivers import FileReceiver, Receiver, SerialReceiver, TcpClientReceiver, TcpServerReceiver
from gateway.lmn.serial_port import SerialLine
from gateway.lmn.wired_receivers import Asked, BusReceiver, TlsReceiver
from gateway.profiles import Profiles
from gateway.settings_lines import (
    FileSettings,
    LineSettings,
    ListenSettings,
    OwnFiles,
    PollSettings,
    SerialLineSettings,
    TcpSettings,
    TlsSettings,
    polled,
)


def open_receiver(
    line: LineSettings, gateway: str, profiles: Callable[[], Profiles], clock: Callable[[], datetime]
) -> Receiver | BusReceiver:
    """What is heard on a line. Only one that listens for senders opens anything before it is iterated.

    :param gateway: its identification, as which it asks meters.
    :param profiles: the profiles as they are now.
    :param clock: the time, UTC.
    :raises gateway.lmn.receivers.ReceiverError: if it cannot listen.
    """
    match line.way:
        case SerialLineSettings(device, port):
            return SerialReceiver(line.name, device, port)
        case TcpSettings(address):
            return TcpClientReceiver(line.name, address)
        case ListenSettings(address):
            return TcpServerReceiver(line.name, address)
        case FileSettings(path):
            return FileReceiver(line.name, path)
        case PollSettings() as way:
            return _bus(line, way, gateway, profiles, clock)
        case TlsSettings(address) as way:
            return TlsReceiver(line.name, address, lambda: _tls(way.meter, way.identity, profiles(), clock))


def _bus(
    line: LineSettings,
    way: PollSettings,
    gateway: str,
    profiles: Callable[[], Profiles],
    clock: Callable[[], datetime],
) -> BusReceiver:
    def asked() -> list[Asked]:
        known = profiles()
        return [
            Asked(meter.hdlc_address, meter.server_id, _tls_of(meter, way, known, clock))
            for meter in polled(line, tuple(known.meters))
            if meter.hdlc_address is not None
        ]

    return BusReceiver(
        line.name,
        lambda: SerialLine(way.device, way.port),
        asked,
        own=way.own,
        client_id=server_id_from_device_id(gateway),
        every=way.every,
        clock=clock,
    )


def _tls_of(
    meter: MeterProfile, way: PollSettings, profiles: Profiles, clock: Callable[[], datetime]
) -> Callable[[], MeterTls] | None:
    """How a meter with a certificate is asked."""
    if meter.certificate is None:
        return None
    return lambda: _tls(meter.device_id, way.identity, profiles, clock)


def _tls(meter: str, own: OwnFiles | None, profiles: Profiles, clock: Callable[[], datetime]) -> MeterTls:
    """:raises MeterTlsError: if the meter or the line has no certificate, or one may not be used."""
    path = next((each.certificate for each in profiles.meters if each.device_id == meter), None)
    if path is None or own is None:
        raise MeterTlsError(f"no certificate is known of meter {meter}, or none of the gateway's for its line")
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise MeterTlsError(f"{path} holds no certificate") from error
    return MeterTls(own.certificate, own.key_file, certificate, clock=clock)
