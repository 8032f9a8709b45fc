"""The targets by name. Each is imported when it is asked for, so that a part of the run needs its own imports only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Final

from fuzz.target import Target


@dataclass(frozen=True, slots=True)
class Listed:
    """A target in the list: where it is, and what it feeds."""

    module: str
    maker: str
    what: str

    def make(self) -> Target:
        """A new one."""
        made: Target = getattr(import_module(f"fuzz.targets.{self.module}"), self.maker)()
        return made


TARGETS: Final[Mapping[str, Listed]] = MappingProxyType(
    {
        "sml": Listed("sml", "SmlStream", "SML streams (transport protocol)"),
        "sml-file": Listed("sml", "SmlFile", "SML files (messages, elements)"),
        "hdlc": Listed("hdlc", "HdlcStream", "HDLC on the wired bus"),
        "wmbus": Listed("wmbus", "WmbusStream", "wireless M-Bus: modes none, 5, 7; ELL, AFL, fragments"),
        "mbus": Listed("mbus", "MbusRecords", "M-Bus records"),
        "http": Listed("http", "HanConnection", "HTTP of the HAN interface"),
        "digest": Listed("han", "Digest", "HTTP Digest credentials"),
        "json": Listed("han", "JsonBody", "JSON bodies of the HAN interface"),
        "xml": Listed("xml", "Ar2418", "XML of AR 2418-6"),
        "profiles": Listed("toml", "MeterProfiles", "TOML of meter profiles"),
        "settings": Listed("toml", "GatewaySettings", "TOML of the configuration"),
        "contracts": Listed("toml", "ContractTables", "tables of contracts"),
    }
)
