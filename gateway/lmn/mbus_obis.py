"""OBIS codes (OBIS-Kennzahlen) of M-Bus records, where OMS leaves no doubt; everything else is kept raw with a reason.

Source: OMS Vol. 2, annex on OBIS codes. A record is mapped only if it is an instantaneous value of the meter's first
unit without a flaw, and its quantity, unit, storage number and tariff are in the table for its medium. Of what volume
a gas register without further mark is, the meter's profile must say (:class:`GasVolume`). A combined heat and cooling
meter's cooling register is not mapped.
"""

from __future__ import annotations

import enum
from typing import Final

from gateway.lmn.mbus_records import Function, Record
from gateway.lmn.mbus_vif import Conditions, Direction, Quantity

_ELECTRICITY, _HEAT_COST, _COOLING, _HEAT, _GAS, _COLD_WATER, _HOT_WATER = 1, 4, 5, 6, 7, 8, 9
_HIGHEST_TARIFF: Final = 9
_CURRENT, _DUE_DATE = 0, 1
_NOW: Final = 255


class GasVolume(enum.Enum):
    """Of what volume a gas meter's register is where the record does not say it."""

    UNSAID = "unsaid"
    METERING = "metering-conditions"
    CONVERTED = "temperature-converted"


_REGISTERS: Final[dict[tuple[int, Quantity, int], tuple[int, int, int]]] = {
    **{
        (medium, quantity, storage): (c, d, 0)
        for medium in (_HEAT, _COOLING)
        for quantity, storage, c, d in (
            (Quantity.ENERGY, _CURRENT, 1, 0),
            (Quantity.ENERGY, _DUE_DATE, 1, 2),
            (Quantity.VOLUME, _CURRENT, 2, 0),
            (Quantity.POWER, _CURRENT, 8, 0),
            (Quantity.VOLUME_FLOW, _CURRENT, 9, 0),
            (Quantity.FLOW_TEMPERATURE, _CURRENT, 10, 0),
            (Quantity.RETURN_TEMPERATURE, _CURRENT, 11, 0),
            (Quantity.TEMPERATURE_DIFFERENCE, _CURRENT, 12, 0),
        )
    },
    **{
        (medium, quantity, storage): (c, d, 0)
        for medium in (_COLD_WATER, _HOT_WATER)
        for quantity, storage, c, d in (
            (Quantity.VOLUME, _CURRENT, 1, 0),
            (Quantity.VOLUME, _DUE_DATE, 1, 2),
            (Quantity.VOLUME_FLOW, _CURRENT, 2, 0),
        )
    },
    (_HEAT_COST, Quantity.HEAT_COST_UNITS, _CURRENT): (1, 0, 0),
    (_HEAT_COST, Quantity.HEAT_COST_UNITS, _DUE_DATE): (1, 2, 0),
}
"""Medium, quantity and storage number (0 now, 1 due date), and groups C, D and E of the code."""

_ELECTRICAL: Final[dict[tuple[Quantity, Direction], tuple[int, int]]] = {
    (Quantity.ENERGY, Direction.BOTH): (1, 8),
    (Quantity.ENERGY, Direction.POSITIVE): (1, 8),
    (Quantity.ENERGY, Direction.NEGATIVE): (2, 8),
    (Quantity.POWER, Direction.POSITIVE): (1, 7),
    (Quantity.POWER, Direction.NEGATIVE): (2, 7),
}
"""Quantity and direction of electricity, and groups C and D; group E is the tariff. Power without a direction is not
here: the sources differ on whether it is 1.7.0 or 16.7.0."""

_GAS_GROUPS: Final = {Conditions.METERING: 0, Conditions.BASE: 2}
_GAS_BY_PROFILE: Final = {GasVolume.METERING: 0, GasVolume.CONVERTED: 1}


def obis_of(record: Record, medium: int | None, gas_volume: GasVolume = GasVolume.UNSAID) -> bytes | str:
    """The six bytes of a record's OBIS code, or the reason why it has none."""
    if record.reason is not None:
        return record.reason
    if not isinstance(record.value, int):
        return f"{record.information.quantity.value}: no number"
    if record.function is not Function.INSTANTANEOUS:
        return f"{record.function.name.lower()} value"
    if record.unit_number:
        return f"value of the meter's unit {record.unit_number}"
    if medium is None:
        return "the device type has no mapped medium"
    if medium == _ELECTRICITY:
        return _electrical(record)
    if record.tariff:
        return f"tariff {record.tariff}"
    if medium == _GAS:
        return _gas(record, gas_volume)
    if record.information.direction is not Direction.BOTH or record.information.conditions is not Conditions.UNSAID:
        return "a register of one direction or of converted volume"
    groups = _REGISTERS.get((medium, record.information.quantity, record.storage))
    if groups is None:
        return _no_code(record)
    return bytes((medium, 0, *groups, _NOW))


def _electrical(record: Record) -> bytes | str:
    groups = _ELECTRICAL.get((record.information.quantity, record.information.direction))
    tariffed = record.information.quantity is Quantity.ENERGY
    if groups is None or record.storage or (record.tariff and not tariffed):
        return _no_code(record)
    if record.tariff > _HIGHEST_TARIFF:
        return f"tariff {record.tariff}"
    return bytes((_ELECTRICITY, 0, *groups, record.tariff, _NOW))


def _gas(record: Record, gas_volume: GasVolume) -> bytes | str:
    information = record.information
    if information.quantity is not Quantity.VOLUME or information.direction is not Direction.BOTH or record.storage:
        return _no_code(record)
    group = _GAS_GROUPS.get(information.conditions, _GAS_BY_PROFILE.get(gas_volume))
    if group is None:
        return "neither the record nor the profile says of what volume the register is"
    return bytes((_GAS, 0, 3, group, 0, _NOW))


def _no_code(record: Record) -> str:
    return (
        f"{record.information.quantity.value}, storage {record.storage}, tariff {record.tariff}: no certain OBIS code"
    )
