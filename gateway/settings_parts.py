"""What the configuration of a running gateway consists of, once it was read (:mod:`gateway.settings`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509

from gateway.lmn.lines import LineProtocol
from gateway.logs.store import LogPolicy
from gateway.profiles import Profiles
from gateway.settings_lines import LineSettings


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """The gateway itself.

    :ivar id: identification, DIN 43863-5.
    :ivar home: folder with the record's keys, as ``smgw --home`` has it.
    :ivar folder: the gateway's own folder, see :mod:`gateway.module`.
    :ivar module: where its security module is; ``None``: the software module in its folder.
    :ivar database: SQLAlchemy URL; ``None``: the SQLite file in *home*.
    """

    id: str
    home: Path
    folder: Path
    module: str | None
    database: str | None


@dataclass(frozen=True, slots=True)
class HanSettings:
    """The consumer's interface.

    :ivar address: host and port.
    :ivar curve: of a key that is made.
    :ivar mdns: whether it is made known as ``smgw.local``.
    """

    address: tuple[str, int]
    curve: str
    mdns: bool


@dataclass(frozen=True, slots=True)
class TechnicianSettings:
    """The technician's interface.

    :ivar certificates: of the technicians that may come in.
    """

    address: tuple[str, int]
    certificates: tuple[x509.Certificate, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a file says.

    :ivar path: the file.
    :ivar profiles: meters, contracts and consumers.
    :ivar monitor: host and port of health and metrics.
    """

    path: Path
    device: DeviceSettings
    lines: tuple[LineSettings, ...]
    profiles: Profiles
    logs: LogPolicy
    han: HanSettings | None
    technician: TechnicianSettings | None
    monitor: tuple[str, int] | None

    @property
    def protocols(self) -> Mapping[str, LineProtocol]:
        """What is spoken, by line."""
        return {line.name: line.protocol for line in self.lines}

    def needs_restart(self, before: Settings) -> list[str]:
        """The tables that differ from those before, and that hold only from the next start on."""
        pairs = {
            "[gateway]": (self.device, before.device),
            "[[line]]": (self.lines, before.lines),
            "[logs]": (self.logs, before.logs),
            "[han]": (self.han, before.han),
            "[technician]": (self._technician_address, before._technician_address),
            "[monitor]": (self.monitor, before.monitor),
        }
        return [name for name, (now, then) in pairs.items() if now != then]

    @property
    def _technician_address(self) -> tuple[str, int] | None:
        return None if self.technician is None else self.technician.address
