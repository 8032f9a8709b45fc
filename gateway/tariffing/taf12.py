"""TAF-12, prepayment (Prepaid): what is left of the energy paid for, and when supply ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from gateway.tariffing.booking import Account
from gateway.tariffing.errors import ProfileError
from gateway.tariffing.periods import SECOND
from gateway.tariffing.profile import EvaluationProfile
from gateway.tariffing.readings import Point, ReadingList, within
from gateway.tariffing.taf01 import evaluate as account_of


class Left(NamedTuple):
    """What was left at a reading; below zero it is owed."""

    at: datetime
    amount: int
    source: Point


@dataclass(frozen=True)
class Credit:
    """A prepaid account.

    :ivar account: the register it is counted in.
    :ivar left: at each reading, in the register's unit and scaler.
    :ivar warned_at: when each limit was reached, in the order of the profile; None if it was not.
    :ivar used_up_at: when nothing was left.
    :ivar open_at: when the breakers open: after the tolerance.
    :ivar breakers: the breakers that then open.
    """

    account: Account
    left: tuple[Left, ...]
    warned_at: tuple[datetime | None, ...]
    used_up_at: datetime | None
    open_at: datetime | None
    breakers: tuple[str, ...]


def evaluate(profile: EvaluationProfile, original: ReadingList) -> Credit:
    """The credit over the billing period.

    A limit is what is left when it warns. Energy goes on being counted when nothing is left.

    :raises ProfileError: if the profile has no prepayment, or an amount in it is finer than the meter counts.
    :raises ReadingsError: if there are fewer than two usable readings, or the meter has fallen.
    """
    prepaid = profile.prepayment
    if prepaid is None:
        raise ProfileError(f"{profile.use_case} needs to be told how much energy is paid for")
    available = prepaid.available.in_scaler(original.scaler, "the available energy")
    limits = [limit.under.in_scaler(original.scaler, "a limit") for limit in prepaid.thresholds]
    account = account_of(profile, original)
    points = within(original.points([profile.period.begin, profile.period.end]), profile.period)
    left = tuple(Left(point.at, available - (point.value - points[0].value), point) for point in points)
    used_up_at = _first_at(left, 0)
    open_at = None if used_up_at is None else used_up_at + prepaid.tolerance.seconds * SECOND
    warned = tuple(_first_at(left, limit) for limit in limits)
    return Credit(account, left, warned, used_up_at, open_at, prepaid.breakers)


def _first_at(left: tuple[Left, ...], limit: int) -> datetime | None:
    return next((each.at for each in left if each.amount <= limit), None)
