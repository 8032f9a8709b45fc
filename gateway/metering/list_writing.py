"""What one transaction adds to the original reading lists: read once a meter, written together at its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.metering.readings import OriginalReading
from gateway.metering.rules import Cause, Gap, ListProfile, Register, Ruling, Seen
from gateway.metering.schema import list_entries, list_registers
from gateway.metering.status import Mark, status_of
from gateway.sealing import DigestSigner, End, Line, columns_of, genesis, line_after
from lifecycle.canonical import format_time, parse_time

# Statements are made once: making one anew takes longer than what it does.
_OF_METER: Final = select(list_registers).where(
    list_registers.c.gateway == bindparam("gateway"), list_registers.c.meter == bindparam("meter")
)
_NEW_REGISTER: Final = {
    "sqlite": sqlite.insert(list_registers).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(list_registers).on_conflict_do_nothing(),
}
_ADD_ENTRIES: Final = insert(list_entries)
_KEEP_PLACES: Final = update(list_registers).where(
    list_registers.c.gateway == bindparam("of_gateway"),
    list_registers.c.meter == bindparam("of_meter"),
    list_registers.c.obis == bindparam("of_obis"),
)


class ListWriting:
    """The lists of one gateway in one transaction.

    :param connection: of the transaction.
    :param gateway: identification, DIN 43863-5.
    :param signer: signs what is relevant for billing.
    """

    def __init__(self, connection: Connection, gateway: str, signer: DigestSigner | None) -> None:
        self._connection = connection
        self._gateway = gateway
        self._signer = signer
        self._kept: dict[Register, tuple[Seen, End]] = {}
        self._meters: set[str] = set()
        self._places: dict[Register, tuple[Seen, End]] = {}
        self._entries: list[dict[str, Any]] = []
        self._changed: dict[Register, int] = {}

    def place(self, profile: ListProfile) -> tuple[Seen, End]:
        """What was seen of a profile's register, and where its list ends; a new list where there is none."""
        register = profile.register
        if register not in self._places:
            self._places[register] = self._read(profile)
        return self._places[register]

    def append(self, profile: ListProfile, told: Mapping[str, Any], seen: Seen) -> Line:
        """Add an entry to a list.

        :param told: what it says.
        :param seen: what has been seen of the register with it.
        """
        _, end = self.place(profile)
        beside = {"gateway": self._gateway, "meter": profile.meter, "obis": profile.obis, "consumer": profile.consumer}
        signer = self._signer if profile.billing else None
        line = line_after(end, {**beside, "billing": profile.billing, **told}, signer)
        self._entries.append({**beside, "time": told["time"], **columns_of(line)})
        self._places[profile.register] = seen, End(line.number, line.hash)
        self._changed[profile.register] = profile.retention_seconds
        return line

    def finish(self) -> dict[Register, Seen]:
        """Write what was added; what has been seen of the registers that were asked for."""
        if self._entries:
            self._connection.execute(_ADD_ENTRIES, self._entries)
            self._connection.execute(_KEEP_PLACES, [self._columns(register) for register in sorted(self._changed)])
        return {register: seen for register, (seen, _) in self._places.items()}

    def _read(self, profile: ListProfile) -> tuple[Seen, End]:
        meter, obis = register = profile.register
        if meter not in self._meters:
            self._meters.add(meter)
            for row in self._connection.execute(_OF_METER, {"gateway": self._gateway, "meter": meter}):
                self._kept[meter, row.obis] = seen_of(row), End(row.last, row.last_hash)
        if register in self._kept:
            return self._kept[register]
        begin = first_end(self._gateway, register)
        self._connection.execute(
            _NEW_REGISTER[self._connection.dialect.name],
            {
                "gateway": self._gateway,
                "meter": meter,
                "obis": obis,
                "last": begin.number,
                "last_hash": begin.hash,
                "epoch": 0,
                "marks": "",
                "retention": profile.retention_seconds,
            },
        )
        return Seen(), begin

    def _columns(self, register: Register) -> dict[str, Any]:
        seen, end = self._places[register]
        is_known = seen.captured is not None
        return {
            "of_gateway": self._gateway,
            "of_meter": register[0],
            "of_obis": register[1],
            "last": end.number,
            "last_hash": end.hash,
            "epoch": seen.epoch,
            "target": seen.target and format_time(seen.target),
            "highest": seen.highest and format_time(seen.highest),
            "captured": seen.captured and format_time(seen.captured),
            "value": str(seen.value) if is_known else None,
            "scaler": seen.scaler if is_known else None,
            "unit": seen.unit,
            "marks": " ".join(sorted(seen.marks)),
            "retention": self._changed[register],
        }


def told_of_reading(reading: OriginalReading, ruling: Ruling) -> dict[str, Any]:
    """What the entry of a reading that is kept says."""
    captured = format_time(reading.captured)
    target = ruling.target and format_time(ruling.target)
    return {
        "kind": "reading",
        "epoch": ruling.epoch,
        "time": target or captured,
        "target": target,
        "captured": captured,
        "value": str(reading.value),  # an unsigned 64-bit value is no integer that every JSON reader reads alike
        "scaler": reading.scaler,
        "unit": reading.unit,
        "status": status_of(ruling.marks, reading.flags).encode().hex(),
        "marks": sorted(map(str, ruling.marks)),
        "flags": list(reading.flags),
    }


def told_of_gap(gap: Gap, cause: Cause, epoch: int) -> dict[str, Any]:
    """What the entry of a gap says."""
    until = format_time(gap.last)
    return {
        "kind": "gap",
        "epoch": epoch,
        "time": until,
        "target": format_time(gap.first),
        "until": until,
        "missing": gap.count,
        "cause": str(cause),
        "status": status_of({Mark.MISSING}, ()).encode().hex(),
        "marks": [str(Mark.MISSING)],
    }


def first_end(gateway: str, register: Register) -> End:
    """The end of a register's list without entries."""
    meter, obis = register
    return genesis(gateway=gateway, meter=meter, obis=obis, list="entries")


def seen_of(row: Row[Any]) -> Seen:
    """What was seen of a register, as its row has it."""
    return Seen(
        row.epoch,
        row.target and parse_time(row.target),
        row.highest and parse_time(row.highest),
        row.captured and parse_time(row.captured),
        int(row.value or 0),
        row.scaler or 0,
        row.unit,
        frozenset(map(Mark, row.marks.split())),
    )
