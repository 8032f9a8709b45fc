"""The ``[[line]]`` tables of the configuration: over what the gateway hears its meters, and what is spoken there.

receiver   keys
"serial"   device, baud, parity: a port that is only listened to
"tcp"      host, port: connects to a sender, such as a radio receiver or a serial server in the network
"listen"   host, port: senders connect to it
"file"     path: what a line delivered once
"poll"     device, baud, parity, every, own_address: the wired bus, whose meters are asked (IEC 62056-46)
"tls"      host, port, meter, certificate, key_file: one meter that speaks TLS (TR-03116-3 ch. 6)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final

from gateway.lmn.hdlc import HdlcAddress
from gateway.lmn.lines import LineProtocol
from gateway.lmn.profiles import MeterProfile, Protocol
from gateway.lmn.serial_port import SerialError, SerialSettings
from gateway.settings_table import HIGHEST_PORT, Checked

SPOKEN: Final = MappingProxyType(
    {
        LineProtocol.SML: Protocol.SML,
        LineProtocol.SML_HDLC: Protocol.SML_HDLC,
        LineProtocol.WMBUS_A: Protocol.WMBUS,
        LineProtocol.WMBUS_B: Protocol.WMBUS,
    }
)
"""How the meters of a line speak."""
DEFAULT_BAUD: Final = 9_600
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}", re.ASCII)
_DAY: Final = 86_400
_HIGHEST_ADDRESS: Final = 0x7F


@dataclass(frozen=True, slots=True)
class SerialLineSettings:
    """A serial port that is only listened to."""

    device: Path
    port: SerialSettings

    def __str__(self) -> str:
        return f"listens at {self.device}, {self.port.baud} baud"


@dataclass(frozen=True, slots=True)
class TcpSettings:
    """A sender in the network."""

    address: tuple[str, int]

    def __str__(self) -> str:
        return f"connects to {self.address[0]}, port {self.address[1]}"


@dataclass(frozen=True, slots=True)
class ListenSettings:
    """Senders connect to it."""

    address: tuple[str, int]

    def __str__(self) -> str:
        return f"listens on {self.address[0]}, port {self.address[1]}"


@dataclass(frozen=True, slots=True)
class FileSettings:
    """What a line delivered once."""

    path: Path

    def __str__(self) -> str:
        return f"reads {self.path} once"


@dataclass(frozen=True, slots=True)
class OwnFiles:
    """As whom the gateway shows itself to meters.

    :ivar certificate: file of its LMN certificate.
    :ivar key_file: file of its private key.
    """

    certificate: Path
    key_file: Path


@dataclass(frozen=True, slots=True)
class PollSettings:
    """The wired bus, whose meters are asked.

    :ivar every: how often; a day is a multiple of it.
    :ivar own: the gateway's address on the bus.
    :ivar identity: for TLS; ``None`` where every meter is asked in the clear.
    """

    device: Path
    port: SerialSettings
    every: timedelta
    own: HdlcAddress
    identity: OwnFiles | None = None

    def __str__(self) -> str:
        return f"asks the meters at {self.device} every {self.every.total_seconds():.0f} s"


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """One meter that speaks TLS.

    :ivar meter: its device id; its profile names its certificate.
    """

    address: tuple[str, int]
    meter: str
    identity: OwnFiles

    def __str__(self) -> str:
        return f"connects by TLS to meter {self.meter} at {self.address[0]}, port {self.address[1]}"


Way = SerialLineSettings | TcpSettings | ListenSettings | FileSettings | PollSettings | TlsSettings


@dataclass(frozen=True, slots=True)
class LineSettings:
    """One line.

    :ivar protocol: what is spoken on it.
    :ivar way: over what it is heard.
    """

    name: str
    protocol: LineProtocol
    way: Way


def read_line(table: Checked) -> LineSettings | None:
    """The line of one table; ``None`` where something in it is wrong, which is noted."""
    name = table.text("name")
    if name and _NAME.fullmatch(name) is None:
        table.wrong("name", f"{name!r} is no name of a line: up to 32 small letters, digits, '_' and '-'")
    protocol = table.choice("protocol", {each.value: each for each in LineProtocol}, LineProtocol.SML)
    reader = table.choice("receiver", _READERS, _nothing)
    way = reader(table)
    if isinstance(way, PollSettings) and protocol is not LineProtocol.SML_HDLC:
        table.wrong("protocol", f"{protocol} on a line that is polled; that takes {LineProtocol.SML_HDLC}")
    return LineSettings(name, protocol, way) if table.sound() and way is not None else None


def _nothing(_: Checked) -> None:
    return None


def _serial(table: Checked) -> SerialLineSettings:
    return SerialLineSettings(table.path("device"), _port(table))


def _tcp(table: Checked) -> TcpSettings:
    return TcpSettings(_remote(table))


def _listen(table: Checked) -> ListenSettings:
    return ListenSettings(table.address())


def _file(table: Checked) -> FileSettings:
    path = table.path("path")
    if not path.exists():
        table.wrong("path", f"no file {path}")
    return FileSettings(path)


def _poll(table: Checked) -> PollSettings:
    every = table.integer("every", 1, _DAY)
    if _DAY % every:
        table.wrong("every", f"a day is no multiple of {every} s")
    own = HdlcAddress(table.integer("own_address", 1, _HIGHEST_ADDRESS, 16))
    identity = _own_files(table) if "certificate" in table or "key_file" in table else None
    return PollSettings(table.path("device"), _port(table), timedelta(seconds=every), own, identity)


def _tls(table: Checked) -> TlsSettings:
    return TlsSettings(_remote(table), table.text("meter"), _own_files(table))


def _own_files(table: Checked) -> OwnFiles:
    files = OwnFiles(table.path("certificate"), table.path("key_file"))
    for key, path in (("certificate", files.certificate), ("key_file", files.key_file)):
        if not path.is_file():
            table.wrong(key, f"no file {path}")
        elif key == "key_file" and path.stat().st_mode & 0o077:
            table.wrong(key, f"{path} can be read by others than its owner")
    return files


def _remote(table: Checked) -> tuple[str, int]:
    return table.text("host"), table.integer("port", 1, HIGHEST_PORT)


def _port(table: Checked) -> SerialSettings:
    baud, parity = table.integer("baud", 1, 10**7, DEFAULT_BAUD), table.text("parity", "none")
    try:
        return SerialSettings(baud, parity)
    except SerialError as error:
        table.wrong("", str(error))
        return SerialSettings()


_READERS: Final[Mapping[str, Callable[[Checked], Way | None]]] = {
    "serial": _serial,
    "tcp": _tcp,
    "listen": _listen,
    "file": _file,
    "poll": _poll,
    "tls": _tls,
}


def wrong_with_meters(lines: tuple[LineSettings, ...], meters: tuple[MeterProfile, ...]) -> list[str]:
    """What of the lines does not fit the meters that are to be heard on them."""
    found = [f"meter {meter.device_id}: {wrong}" for meter in meters for wrong in _wrong_with_meter(meter, lines)]
    by_id = {meter.device_id: meter for meter in meters}
    for line in lines:
        if isinstance(line.way, TlsSettings):
            meter = by_id.get(line.way.meter)
            if meter is None or meter.certificate is None or meter.line != line.name:
                found.append(
                    f"line {line.name}: meter {line.way.meter} has no profile with this line and a certificate"
                )
        elif isinstance(line.way, PollSettings) and not polled(line, meters):
            found.append(f"line {line.name}: no meter with protocol sml-hdlc, this line and an hdlc_address to ask")
    return found


def _wrong_with_meter(meter: MeterProfile, lines: tuple[LineSettings, ...]) -> list[str]:
    line = next((each for each in lines if each.name == meter.line), None)
    if meter.line is not None and line is None:
        return [f"its line {meter.line} is none of {', '.join(each.name for each in lines) or 'none at all'}"]
    found = []
    if line is not None and SPOKEN[line.protocol] is not meter.protocol:
        found.append(f"it speaks {meter.protocol.value}, and {line.protocol} is spoken on its line {line.name}")
    # Whoever has a certificate is believed by it alone: over another line anybody could speak for it.
    if meter.certificate is not None and not (line is not None and _speaks_tls(line.way)):
        found.append("it has a certificate, and its line is none over which TLS is spoken")
    return found


def _speaks_tls(way: Way) -> bool:
    return isinstance(way, TlsSettings) or (isinstance(way, PollSettings) and way.identity is not None)


def polled(line: LineSettings, meters: tuple[MeterProfile, ...]) -> tuple[MeterProfile, ...]:
    """The meters to be asked on a line."""
    return tuple(
        meter
        for meter in meters
        if meter.line == line.name and meter.protocol is Protocol.SML_HDLC and meter.hdlc_address is not None
    )
