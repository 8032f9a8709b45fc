"""A household to look at: a gateway that is made, installed and brought into operation, and a clock that runs fast.

Everything is as in earnest but the time: the gateway has its security module and its record, the meters' bytes go
through the same door, and the consumer's page is the one that a consumer has.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import Final, Self

from cryptography.hazmat.primitives import hashes

from gateway.core import Gateway
from gateway.han.own_key import FILE, OwnCertificate
from gateway.module import ModuleSlot
from gateway.running import Interfaces, Running
from gateway.settings import HanSettings
from gateway.tariffing.periods import LOCAL
from lifecycle.parties import utc_now
from lifecycle.roles import Role
from lifecycle.store.repository import Repository
from smgw.gateway_place import only_once
from smgw.life import Life
from smgw.play_clock import PlayClock
from smgw.play_household import CONSUMER, LINES, HouseholdReceiver, household_profiles
from smgw.workplace import Workplace
from stations.household import QUARTER_HOUR, Household, first_quarter
from stations.integrator.order import Arrangement

DAY_A_MINUTE: Final = 1_440.0
"""How many times as fast as time a day passes in a minute."""
PAST_DAYS: Final = 31
KEEP_UP_SECONDS: Final = 1.0
"""How often its :meth:`gateway.running.Running.keep_up` is called: nearly half an hour passes meanwhile."""
_LOOPBACK: Final = "127.0.0.1"
_SEED: Final = 7
_CURVE: Final = "secp256r1"
_LOOK_SECONDS: Final = 0.1


def bring_into_operation(workplace: Workplace, repository: Repository, gateway: str) -> None:
    """Make a new gateway and have it installed and personalised, without a word."""
    with Life(workplace, repository, gateway, lambda _: None) as life:
        life.manufacture(Arrangement.ASSEMBLED)
        life.deliver_and_install()


class Play:
    """A gateway in OPERATION in its household. Close it, or use it as a context manager.

    :ivar user: as whom one signs in on the page.
    :ivar password: made for this play only.
    :ivar running: the gateway at work.
    :ivar quarters: how many quarters of an hour of the past are to be sent.
    """

    def __init__(
        self,
        workplace: Workplace,
        repository: Repository,
        gateway: str,
        *,
        speed: float = DAY_A_MINUTE,
        days: int = PAST_DAYS,
        port: int = 0,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """
        :param gateway: in OPERATION, see :func:`bring_into_operation`; nothing was received by it yet.
        :param speed: how many times as fast as time it runs.
        :param days: how much of the past is sent first.
        :param port: of the page on this machine; 0 takes any that is free.
        """
        self.user, self.password = CONSUMER, secrets.token_hex(6)
        self.day_takes = f"{86_400 / speed:.0f} seconds"
        until = now()
        begin = first_quarter(_midnight(until - timedelta(days=days)))
        self.quarters = (until - begin) // QUARTER_HOUR + 1
        gas_key = secrets.token_bytes(16)
        household = Household(begin - timedelta(days=1), _SEED, gas_key)
        clock = PlayClock(begin)
        folder = workplace.gateway_folder(gateway)
        self._open = ExitStack()
        with ExitStack() as unless_it_works:
            unless_it_works.enter_context(only_once(folder))
            device = Gateway(
                gateway,
                repository,
                clock=clock,
                elapsed=clock.elapsed,
                slot=ModuleSlot.in_folder(folder),
                folder=folder,
                own=workplace.party(Role.GATEWAY, gateway, workplace.gateway_key_folder(gateway)),
                profiles=household_profiles(household, self.password, begin),
                lines=LINES,
            )
            unless_it_works.callback(device.close)
            # Made by the real time: by that browsers look at it.
            own = OwnCertificate.open_or_make(folder / FILE, gateway, now, _CURVE)
            self.fingerprint = own.certificate.fingerprint(hashes.SHA256()).hex(":")
            self._receiver = HouseholdReceiver(household, clock, until, speed)
            han = HanSettings((_LOOPBACK, port), _CURVE, mdns=False)
            self.running = Running(device, [self._receiver], Interfaces(folder, han=han), clock=clock)
            unless_it_works.enter_context(self.running)
            self._open = unless_it_works.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop it."""
        self._open.close()

    @property
    def url(self) -> str:
        """Where the consumer's page is."""
        return self.running.listening()[0].url

    def catch_up(self, advance: Callable[[int], object], stopped: Callable[[float], bool] | None = None) -> bool:
        """Wait until the past was sent.

        :param advance: told how many more quarters of an hour were sent.
        :param stopped: waits so many seconds, and says whether it is to end.
        :returns: whether it was.
        """
        told, caught_up = 0, self._receiver.caught_up
        while not caught_up.wait(0 if stopped is not None else _LOOK_SECONDS):
            if (stopped is not None and stopped(_LOOK_SECONDS)) or self.running.broken:
                return False
            sent = self._receiver.sent
            advance(sent - told)
            told = sent
        return True

    @contextmanager
    def in_background(self) -> Iterator[None]:
        """Keep it up while something else is done."""
        over = threading.Event()

        def keep_up() -> None:
            while not over.wait(KEEP_UP_SECONDS):
                self.running.keep_up()

        thread = threading.Thread(target=keep_up, name="play", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _midnight(at: datetime) -> datetime:
    return at.astimezone(LOCAL).replace(hour=0, minute=0, second=0, microsecond=0)
