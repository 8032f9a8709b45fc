"""Reports of connection tests: what was tried, with what result, how long it took; the last one of each gateway.

The law knows no fact of a connection test, so nothing of it goes on record. The report is kept so that whoever is on
site, and whoever is home again, can see the last one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

import orjson

from lifecycle.canonical import JournalError, format_time, parse_time
from lifecycle.journal import check_gateway_id

_LARGEST: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class TestReport:
    """A connection test.

    :ivar time: when it ended, UTC.
    :ivar host: host that was tried: the proxy's where there is one.
    :ivar port: its TCP port.
    :ivar reached: whether it answered.
    :ivar milliseconds: how long that took, or until it failed.
    :ivar trouble: why it was not reached, in words; empty where it was.
    """

    __test__ = False  # no test of pytest's

    time: datetime
    host: str
    port: int
    reached: bool
    milliseconds: int
    trouble: str = ""

    def told(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "time": format_time(self.time),
            "host": self.host,
            "port": self.port,
            "reached": self.reached,
            "milliseconds": self.milliseconds,
            "trouble": self.trouble,
        }

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Self:
        """The report that :meth:`told` gave.

        :raises ValueError: if it is none.
        """
        try:
            report = cls(**{**told, "time": parse_time(told["time"])})
            known = report.told()
        except (KeyError, TypeError, AttributeError, JournalError) as error:
            raise ValueError(f"no report of a connection test: {error!r}") from error
        if any(type(known[name]) is not type(value) for name, value in _FORM.items()):
            raise ValueError("no report of a connection test: a member of another type")
        return report


_FORM: Final[Mapping[str, object]] = {"host": "", "port": 0, "reached": True, "milliseconds": 0, "trouble": ""}


class Reports:
    """The last report of each gateway, in a folder.

    :param folder: made when something is first written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def last(self, gateway: str) -> TestReport | None:
        """The last report of a gateway; ``None`` where there is none that can be read."""
        try:
            with self._path(gateway).open("rb") as file:
                return TestReport.read(orjson.loads(file.read(_LARGEST)))
        except (FileNotFoundError, ValueError):  # a report that is damaged is no report: the test can be made again
            return None

    def has_succeeded(self, gateway: str) -> bool:
        """Whether the last connection test of a gateway was a good one."""
        report = self.last(gateway)
        return report is not None and report.reached

    def keep(self, gateway: str, report: TestReport) -> None:
        """Keep a report in place of the one before."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._path(gateway)
        part = path.with_name(path.name + ".part")
        with part.open("wb") as file:
            file.write(orjson.dumps(report.told()))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    def _path(self, gateway: str) -> Path:
        return self._folder / f"{check_gateway_id(gateway)}.json"
