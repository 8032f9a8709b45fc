"""Which rule set (Regelwerk) computes the registers of which Tarifanwendungsfall."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from gateway.tariffing import taf01, taf02, taf03, taf04, taf05, taf07, taf12
from gateway.tariffing.booking import Account
from gateway.tariffing.errors import ProfileError
from gateway.tariffing.profile import EvaluationProfile, UseCase
from gateway.tariffing.readings import ReadingList

RuleSet = Callable[[EvaluationProfile, ReadingList], Account]

BILLED: Final[Mapping[UseCase, RuleSet]] = MappingProxyType(
    {
        UseCase.DATA_SPARING: taf01.evaluate,
        UseCase.TIME_VARIABLE: taf02.evaluate,
        UseCase.LOAD_VARIABLE: taf03.evaluate,
        UseCase.CONSUMPTION_VARIABLE: taf04.evaluate,
        UseCase.EVENT_VARIABLE: taf05.evaluate,
        UseCase.READING_SERIES: taf07.evaluate,
        UseCase.PREPAYMENT: lambda profile, original: taf12.evaluate(profile, original).account,
    }
)
"""The rule sets that turn an original list and a profile into registers, and need nothing else.

TAF-11 also needs the control commands; TAF-6, 8, 9, 10, 13 and 14 hand out values and bill nothing.
"""


def account(profile: EvaluationProfile, original: ReadingList) -> Account:
    """The registers of an original list by its profile.

    :raises ProfileError: if the profile's TAF has no registers to bill, or the profile lacks what it needs.
    :raises ReadingsError: if there are fewer than two usable readings.
    """
    if profile.use_case not in BILLED:
        billed = ", ".join(map(str, BILLED))
        raise ProfileError(f"{profile.use_case} has no registers that readings alone give; these have: {billed}")
    return BILLED[profile.use_case](profile, original)
