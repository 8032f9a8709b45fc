"""Amounts in figures for people, exact: integers and :class:`~decimal.Decimal`, no floating point anywhere."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Final

from gateway.han.languages import Language
from gateway.lmn.obis import UNITS

THOUSANDS_SHOWN: Final = frozenset({30, 31, 32})
"""DLMS units that are shown in thousands: Wh, VAh, varh."""
NO_BREAK: Final = "\N{NO-BREAK SPACE}"
_EXACT: Final = Context(prec=60)
"""More digits than any register of 64 bits has in any scaler."""


def value_of(amount: int, scaler: int, unit: int) -> Decimal:
    """An amount in the unit that is shown, exact."""
    shift = scaler - 3 if unit in THOUSANDS_SHOWN else scaler
    return Decimal(amount).scaleb(shift, _EXACT)


def unit_text(unit: int) -> str:
    """The unit that is shown, such as ``kWh``."""
    name = UNITS.get(unit, f"DLMS {unit}")
    return f"k{name}" if unit in THOUSANDS_SHOWN else name


def figure(value: Decimal, language: Language, places: int | None = None) -> str:
    """A value in figures: in German ``1.234,56``, in English ``1,234.56``.

    :param places: how many decimal places it is rounded to, ``None`` for as many as it has.
    """
    if places is not None:
        value = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, _EXACT)
    text = f"{abs(value):,f}"
    if language is Language.GERMAN:
        text = text.translate({ord(","): ".", ord("."): ","})
    return f"−{text}" if value < 0 else text


def amount_text(amount: int, scaler: int, unit: int, language: Language, places: int | None = None) -> str:
    """An amount with its unit."""
    return f"{figure(value_of(amount, scaler, unit), language, places)}{NO_BREAK}{unit_text(unit)}"


def plain(value: Decimal) -> str:
    """A value for programs: ``1234.56``."""
    return f"{value:f}"
