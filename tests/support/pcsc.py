"""A real PC/SC daemon with virtual readers for the tests: the one that :mod:`smgw.pcsc_daemon` starts.

Clients reach the daemon through an environment variable that PC/SC's library reads once: one daemon a test process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from securitymodule.connection import Card, Connection, EmbeddedConnection
from securitymodule.errors import ReaderUnavailable
from securitymodule.reader import connect
from securitymodule.vpcd import inserted
from smgw.pcsc_daemon import SOCKET_VARIABLE, PrivateDaemon


class PcscDaemon(PrivateDaemon):
    """The same, for cards that live in this process."""

    @contextmanager
    def holding(self, card: Card, slot: int = 0) -> Iterator[str]:
        """The card in a slot, seen by the daemon for as long as the block lasts; its URL."""
        with inserted(card, self.reach(slot)):
            self.wait_until(slot, present=True)
            yield self.url(slot)
        self.wait_until(slot, present=False)


class Adapter:
    """A card that stays in its slot while what it stands for changes, so that a test need not wait for an insertion."""

    def __init__(self) -> None:
        self.card: Card | None = None

    def plug(self, card: Card | None) -> None:
        """Another card, or none: the one before loses power, and this one has it."""
        if self.card is not None:
            self.card.power_off()
        self.card = card
        if card is not None:
            card.power_on()

    @property
    def _present(self) -> Card:
        assert self.card is not None, "nothing is plugged into the adapter"
        return self.card

    @property
    def atr(self) -> bytes:
        """That of the card plugged in; some other while there is none."""
        return b"\x3b\x80\x80\x01\x01" if self.card is None else self.card.atr

    def power_on(self) -> None:
        """Hand on, if there is somebody."""
        if self.card is not None:
            self.card.power_on()

    def power_off(self) -> None:
        """Hand on, if there is somebody."""
        if self.card is not None:
            self.card.power_off()

    def reset(self) -> None:
        """Hand on, if there is somebody."""
        if self.card is not None:
            self.card.reset()

    def transmit(self, command: bytes) -> bytes:
        """Hand on."""
        return self._present.transmit(command)


@contextmanager
def running_daemon() -> Iterator[PcscDaemon]:
    """A daemon that answers and that this process's PC/SC library talks to; stopped whatever happens meanwhile."""
    try:
        daemon = PcscDaemon(readers=2)
    except ReaderUnavailable as error:
        pytest.fail(str(error), pytrace=False)
    before = os.environ.get(SOCKET_VARIABLE)
    os.environ[SOCKET_VARIABLE] = str(daemon.socket_path)
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.stop()
        if before is None:
            del os.environ[SOCKET_VARIABLE]
        else:
            os.environ[SOCKET_VARIABLE] = before


@pytest.fixture(scope="session")
def pcsc_daemon() -> Iterator[PcscDaemon]:
    """The daemon of this test process, started when the first test asks for it. Its slots but the second are for tests
    that insert and pull cards."""
    with running_daemon() as daemon:
        yield daemon


@pytest.fixture(scope="session")
def _pcsc_adapter(pcsc_daemon: PcscDaemon) -> Iterator[tuple[Adapter, str]]:
    adapter = Adapter()
    with pcsc_daemon.holding(adapter, 1) as url:
        yield adapter, url


@pytest.fixture
def plug_in(_pcsc_adapter: tuple[Adapter, str]) -> Iterator[Callable[[Card], str]]:
    """Puts a card where PC/SC reaches it, in place of the one before, and gives its URL."""
    adapter, url = _pcsc_adapter

    def plug(card: Card) -> str:
        adapter.plug(card)
        connect(url).close()  # which resets it: the daemon would go on telling the other card's answer to reset
        return url

    yield plug
    adapter.plug(None)


@pytest.fixture(params=["module", pytest.param("pcsc", marks=pytest.mark.pcsc)])
def connected(request: pytest.FixtureRequest) -> Iterator[Callable[[Card], Connection]]:
    """Connects to a card both ways, one test after the other: in this process, and over PC/SC."""
    with ExitStack() as open_connections:

        def connect_to(card: Card) -> Connection:
            if request.param == "module":
                return open_connections.enter_context(EmbeddedConnection(card, "module:in this test"))
            plug: Callable[[Card], str] = request.getfixturevalue("plug_in")
            return open_connections.enter_context(connect(plug(card)))

        yield connect_to
