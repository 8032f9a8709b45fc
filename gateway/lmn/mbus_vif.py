"""What an M-Bus value information block says: quantity, DLMS unit and power of ten, and what VIFEs change in them.

Source: EN 13757-3, tables of primary VIFs, of the extensions FB and FD, and of combinable VIFEs. A code that is not in
the tables is not wrong; it only has no meaning here, and its record is kept raw.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

PLAIN_TEXT: Final = 0x7C
EXTENSION: Final = 0x80
MAX_VIFES: Final = 10

_MANUFACTURER: Final = 0x7F
_FB, _FD = 0xFB, 0xFD


class Quantity(enum.Enum):
    """What was measured or is told."""

    ENERGY = "energy"
    VOLUME = "volume"
    MASS = "mass"
    POWER = "power"
    VOLUME_FLOW = "volume flow"
    FLOW_TEMPERATURE = "flow temperature"
    RETURN_TEMPERATURE = "return temperature"
    TEMPERATURE_DIFFERENCE = "temperature difference"
    EXTERNAL_TEMPERATURE = "external temperature"
    PRESSURE = "pressure"
    ON_TIME = "on time"
    OPERATING_TIME = "operating time"
    AVERAGING_DURATION = "averaging duration"
    ACTUALITY_DURATION = "actuality duration"
    VOLTAGE = "voltage"
    CURRENT = "current"
    HEAT_COST_UNITS = "units of heat cost allocation"
    DATE = "date"
    DATE_TIME = "date and time"
    FABRICATION_NUMBER = "fabrication number"
    ERROR_FLAGS = "error flags"
    TEXT = "value named in plain text"
    MANUFACTURER_SPECIFIC = "manufacturer specific value"
    UNKNOWN = "value of unknown meaning"


class Direction(enum.Enum):
    """What a register adds up."""

    BOTH = "as the meter defines it"
    POSITIVE = "positive contributions only"
    NEGATIVE = "absolute values of negative contributions only"


class Conditions(enum.Enum):
    """Of what volume a gas register is."""

    UNSAID = "not said"
    METERING = "at metering conditions"
    BASE = "at base conditions"


@dataclass(frozen=True, slots=True)
class ValueInformation:
    """Quantity and unit of a value; the number meant is the record's times ten to the power of ``scaler``.

    ``problem`` is a reason why the record must not be understood: an error the meter reports, a VIFE without meaning
    here. ``unit`` is the DLMS unit number, None where there is none.
    """

    quantity: Quantity
    unit: int | None = None
    scaler: int = 0
    direction: Direction = Direction.BOTH
    conditions: Conditions = Conditions.UNSAID
    problem: str | None = None


_DAY, _HOUR, _MINUTE, _SECOND = 4, 5, 6, 7
_CELSIUS, _CUBIC_METRE, _CUBIC_METRE_HOUR, _KILOGRAM, _BAR = 9, 13, 15, 20, 24
_JOULE, _JOULE_HOUR, _WATT, _WATT_HOUR, _AMPERE, _VOLT, _KELVIN = 25, 26, 27, 30, 33, 35, 52
_COUNT: Final = 255
_DURATIONS: Final = (_SECOND, _MINUTE, _HOUR, _DAY)

_Rule = tuple[int, int, Quantity, int | None, int]
"""First code, how many follow it by rising powers of ten, quantity, DLMS unit, scaler of the first."""

_PRIMARY: Final[tuple[_Rule, ...]] = (
    (0x00, 8, Quantity.ENERGY, _WATT_HOUR, -3),
    (0x08, 8, Quantity.ENERGY, _JOULE, 0),
    (0x10, 8, Quantity.VOLUME, _CUBIC_METRE, -6),
    (0x18, 8, Quantity.MASS, _KILOGRAM, -3),
    (0x28, 8, Quantity.POWER, _WATT, -3),
    (0x30, 8, Quantity.POWER, _JOULE_HOUR, 0),
    (0x38, 8, Quantity.VOLUME_FLOW, _CUBIC_METRE_HOUR, -6),
    (0x58, 4, Quantity.FLOW_TEMPERATURE, _CELSIUS, -3),
    (0x5C, 4, Quantity.RETURN_TEMPERATURE, _CELSIUS, -3),
    (0x60, 4, Quantity.TEMPERATURE_DIFFERENCE, _KELVIN, -3),
    (0x64, 4, Quantity.EXTERNAL_TEMPERATURE, _CELSIUS, -3),
    (0x68, 4, Quantity.PRESSURE, _BAR, -3),
    (0x6C, 1, Quantity.DATE, None, 0),
    (0x6D, 1, Quantity.DATE_TIME, None, 0),
    (0x6E, 1, Quantity.HEAT_COST_UNITS, _COUNT, 0),
    (0x78, 1, Quantity.FABRICATION_NUMBER, None, 0),
    *((0x20 + n, 1, Quantity.ON_TIME, unit, 0) for n, unit in enumerate(_DURATIONS)),
    *((0x24 + n, 1, Quantity.OPERATING_TIME, unit, 0) for n, unit in enumerate(_DURATIONS)),
    *((0x70 + n, 1, Quantity.AVERAGING_DURATION, unit, 0) for n, unit in enumerate(_DURATIONS)),
    *((0x74 + n, 1, Quantity.ACTUALITY_DURATION, unit, 0) for n, unit in enumerate(_DURATIONS)),
)
_EXTENSION_FB: Final[tuple[_Rule, ...]] = (
    (0x00, 2, Quantity.ENERGY, _WATT_HOUR, 5),
    (0x08, 2, Quantity.ENERGY, _JOULE, 8),
    (0x10, 2, Quantity.VOLUME, _CUBIC_METRE, 2),
    (0x18, 2, Quantity.MASS, _KILOGRAM, 5),
    (0x28, 2, Quantity.POWER, _WATT, 5),
    (0x30, 2, Quantity.POWER, _JOULE_HOUR, 8),
)
_EXTENSION_FD: Final[tuple[_Rule, ...]] = (
    (0x17, 1, Quantity.ERROR_FLAGS, None, 0),
    (0x40, 16, Quantity.VOLTAGE, _VOLT, -9),
    (0x50, 16, Quantity.CURRENT, _AMPERE, -12),
)


def _expanded(rules: tuple[_Rule, ...]) -> dict[int, ValueInformation]:
    return {
        first + step: ValueInformation(quantity, unit, scaler + step)
        for first, count, quantity, unit, scaler in rules
        for step in range(count)
    }


_TABLES: Final = {None: _expanded(_PRIMARY), _FB: _expanded(_EXTENSION_FB), _FD: _expanded(_EXTENSION_FD)}

_VIFE_UNCORRECTED, _VIFE_POSITIVE, _VIFE_NEGATIVE, _VIFE_BASE = 0x3A, 0x3B, 0x3C, 0x3E
_VIFE_STANDARD: Final = 0x1D
_VIFE_FACTOR: Final = range(0x70, 0x78)
_VIFE_THOUSAND: Final = 0x7D
_VIFE_ERRORS: Final = {
    0x15: "no data available",
    0x16: "data overflow",
    0x17: "data underflow",
    0x18: "data error",
}


def value_information(vib: bytes) -> ValueInformation:
    """The meaning of a value information block: VIF and VIFEs, without the text of a plain-text VIF.

    Never raises; a block without meaning here has quantity UNKNOWN or a ``problem``.
    """
    if not vib:
        return ValueInformation(Quantity.UNKNOWN, problem="no value information")
    primary = vib[0]
    vifes = vib[1:]
    if primary & 0x7F == PLAIN_TEXT:
        return ValueInformation(Quantity.TEXT, problem="its unit is text")
    if primary & 0x7F == _MANUFACTURER:
        return ValueInformation(Quantity.MANUFACTURER_SPECIFIC, problem="its meaning is the manufacturer's")
    table: int | None = None
    code = primary & 0x7F
    if primary in (_FB, _FD):
        if not vifes:
            return ValueInformation(Quantity.UNKNOWN, problem="no value information behind the extension")
        table, code, vifes = primary, vifes[0] & 0x7F, vifes[1:]
    information = _TABLES[table].get(code)
    if information is None:
        return ValueInformation(Quantity.UNKNOWN, problem=f"VIF {vib.hex()} has no meaning here")
    return _modified(information, vifes)


def _modified(information: ValueInformation, vifes: bytes) -> ValueInformation:
    scaler = information.scaler
    direction, conditions, problem = information.direction, information.conditions, None
    for byte in vifes:
        vife = byte & 0x7F
        if vife in _VIFE_FACTOR:
            scaler += vife - _VIFE_FACTOR.start - 6
        elif vife == _VIFE_THOUSAND:
            scaler += 3
        elif vife in (_VIFE_POSITIVE, _VIFE_NEGATIVE) and direction is Direction.BOTH:
            direction = Direction.POSITIVE if vife == _VIFE_POSITIVE else Direction.NEGATIVE
        elif vife in (_VIFE_UNCORRECTED, _VIFE_BASE) and conditions is Conditions.UNSAID:
            conditions = Conditions.BASE if vife == _VIFE_BASE else Conditions.METERING
        elif vife != _VIFE_STANDARD:
            problem = _VIFE_ERRORS.get(vife, f"VIFE {vife:02x} has no meaning here")
            break
    return ValueInformation(information.quantity, information.unit, scaler, direction, conditions, problem)
