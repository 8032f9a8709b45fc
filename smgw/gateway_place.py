"""Where a gateway runs: from its configuration to a gateway at work, and the loop that keeps it at work.

::

    HOME/ca/ca.pem                    the operations CA that the record's signers are certified by
    HOME/keeper/                      who signs the heads of the chains kept here
    HOME/parties/gateways/ID/         the key that the gateway itself signs its record with
    HOME/gateways/ID/                 the gateway's folder; see gateway.module
    HOME/gateways/ID/running.lock     held while it runs: one gateway runs once
"""

from __future__ import annotations

import fcntl
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import click
import structlog

from gateway.core import Gateway
from gateway.han.mdns import NoMulticastDns
from gateway.han.serving import HanAddressError
from gateway.lmn.receivers import Receiver, ReceiverError
from gateway.lmn.wired_receivers import BusReceiver
from gateway.logs.store import LogError
from gateway.module import SECRET_FILE, DeviceError, ModuleSlot
from gateway.monitor import MonitorError
from gateway.profiles import Profiles
from gateway.running import KEEP_UP_SECONDS, Interfaces, Running
from gateway.running_lines import open_receiver
from gateway.service_manager import ServiceManager
from gateway.settings import Settings, SettingsError, read_settings
from gateway.storage import StorageFull
from lifecycle.parties import Party, utc_now
from lifecycle.roles import Role
from securitymodule.errors import ModuleBusy, ModuleError
from smgw.admin_place import records_of
from smgw.failing import RefusedFailure, UsageFailure
from smgw.workplace import Workplace

SIGNALS: Final = frozenset({signal.SIGHUP, signal.SIGTERM, signal.SIGINT})
_LOCK: Final = "running.lock"
_BY: Final = "configuration"
_log = structlog.get_logger()


def workplace_of(settings: Settings) -> Workplace:
    """The workplace that a configuration names."""
    return Workplace(settings.device.home, settings.device.database)


def missing(settings: Settings) -> list[str]:
    """What a gateway needs beside its configuration and is not there."""
    workplace, device = workplace_of(settings), settings.device
    needed = {
        workplace.home / "ca" / "ca.pem": "certificate of the operations CA",
        workplace.home / "keeper" / "party.pem": "key of the record's keeper (smgw party create --role keeper)",
        workplace.gateway_key_folder(device.id) / "party.pem": "the gateway's own key for its record "
        f"(smgw party create --role gateway --name {device.id})",
        device.folder / SECRET_FILE: "the device's secret: no gateway was made in this folder",
    }
    return [f"{path}: missing, {what}" for path, what in needed.items() if not path.exists()]


@contextmanager
def running_gateway(settings: Settings) -> Iterator[tuple[Running, Sequence[Receiver | BusReceiver]]]:
    """A gateway at work as it is configured, and its lines.

    :raises UsageFailure: if something is missing, an address cannot be had, or the gateway or its module is in use.
    """
    absent = missing(settings)
    if absent:
        raise UsageFailure("\n".join(absent))
    workplace, device = workplace_of(settings), settings.device
    with only_once(device.folder), records_of(workplace) as repository:
        own = Party.load(workplace.gateway_key_folder(device.id))
        if own.actor.role is not Role.GATEWAY or own.actor.name != device.id:
            raise UsageFailure(f"{workplace.gateway_key_folder(device.id)} is not the key of gateway {device.id}")
        repository.kept(device.id)
        gateway = Gateway(
            device.id,
            repository,
            clock=utc_now,
            slot=ModuleSlot.in_folder(device.folder, device.module),
            folder=device.folder,
            own=own,
            profiles=settings.profiles,
            lines=settings.protocols,
            log_policy=settings.logs,
        )
        with closing(gateway), clear_running_errors():
            _have_module(gateway)
            receivers = [open_receiver(line, device.id, lambda: gateway.profiles, utc_now) for line in settings.lines]
            interfaces = Interfaces(device.folder, settings.han, settings.technician, settings.monitor)
            with Running(gateway, receivers, interfaces, clock=utc_now) as running:
                yield running, receivers


@contextmanager
def clear_running_errors() -> Iterator[None]:
    """What only a running gateway meets, as Click's errors."""
    try:
        yield
    except SettingsError as error:
        raise UsageFailure(str(error)) from error
    except (HanAddressError, MonitorError, ReceiverError, NoMulticastDns) as error:
        raise UsageFailure(str(error)) from error


@contextmanager
def only_once(folder: Path) -> Iterator[None]:
    """A gateway's folder for oneself, while it lasts.

    :raises UsageFailure: if the gateway runs elsewhere.
    """
    path = folder / _LOCK
    with path.open("a+b") as file:
        try:
            # The lock falls with the file, and with the process however that ends.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageFailure(f"this gateway runs already: somebody holds {path}") from None
        yield


def _have_module(gateway: Gateway) -> None:
    """Nobody else may have the module; whatever else is wrong with it the self-test says."""
    try:
        gateway.module()
    except ModuleBusy as error:
        raise UsageFailure(f"somebody else has the gateway's security module: {error}") from error
    except (DeviceError, ModuleError) as error:
        _log.warning("no security module", gateway=gateway.id, reason=str(error))


@contextmanager
def held_signals() -> Iterator[None]:
    """Signals wait for :func:`keep_at_work` to ask for them, in every thread that begins while this lasts."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def stopped_within(seconds: float) -> bool:
    """Whether one is told to end within so many seconds. To be called with signals held."""
    told = signal.sigtimedwait(SIGNALS - {signal.SIGHUP}, seconds)
    return told is not None


def keep_at_work(
    running: Running, manager: ServiceManager, reload: Callable[[], str] | None, seconds: float = KEEP_UP_SECONDS
) -> None:
    """Keep a gateway at work until it is told to end. To be called with signals held.

    :param reload: reads the configuration anew and says in words what became of it; ``None`` where there is none.
    :raises RefusedFailure: if a defect has ended one of its lines.
    """
    patience = min(seconds, (manager.watchdog_seconds or seconds) / 3)
    while True:
        told = signal.sigtimedwait(SIGNALS, patience)
        if told is None or told.si_signo == signal.SIGHUP:
            if told is not None and reload is not None:
                manager.reloading()
                manager.ready(reload())
            running.keep_up()
            if running.broken:
                raise RefusedFailure("a line of the gateway has failed by a defect; the log says which")
            manager.alive()
            continue
        manager.stopping()
        return


class Reloading:
    """Reads a configuration anew while its gateway runs."""

    def __init__(self, running: Running, settings: Settings) -> None:
        """:param settings: what it runs with."""
        self._running = running
        self._settings = settings

    def __call__(self) -> str:
        """Take what is there now, if all of it can be used; else go on as before.

        :returns: what became of it, in words.
        """
        path = self._settings.path
        try:
            settings = read_settings(path)
            technicians = settings.technician.certificates if settings.technician is not None else ()
            self._running.use(settings.profiles, technicians, _BY)
        except SettingsError as error:
            for mistake in error.mistakes:
                _log.error("configuration refused", mistake=mistake)
        except (LogError, StorageFull) as error:
            _log.error("configuration refused", mistake=str(error))
        else:
            for table in settings.needs_restart(self._settings):
                _log.warning("holds from the next start on", table=table)
            self._running.metrics.reloaded(done=True)
            return self._said("Configuration read anew")
        self._running.metrics.reloaded(done=False)
        return self._said("Configuration refused, the one before holds; the log says why")

    def _said(self, outcome: str) -> str:
        words = f"{outcome}: {in_words(self._running.profiles)}."
        click.echo(words)
        return words


def in_words(profiles: Profiles) -> str:
    """How much there is of what."""
    counts = (
        (len(profiles.meters), "meter"),
        (len(profiles.contracts), "contract"),
        (len(profiles.consumers), "consumer"),
    )
    return ", ".join(f"{count} {what}{'' if count == 1 else 's'}" for count, what in counts)


def tell_start(running: Running, lines: Sequence[tuple[str, str]]) -> None:
    """Say on standard output how it is, and where everything listens.

    :param lines: name of each line, and how it is heard.
    """
    health = running.health()
    click.echo(f"Gateway {running.id} is in {health.state}.")
    for trouble in health.not_ok:
        click.secho(f"  ! {trouble}", fg="yellow")
    for name, how in lines:
        click.echo(f"  {'line ' + name:18} {how}")
    for listening in running.listening():
        click.echo(f"  {listening.what:18} {listening.url or 'does not listen'}")
