"""The consumer's HAN interface on the network: it listens while the gate grants a consumer something.

In between the gate is asked for each request, behind the door.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final, Protocol

from gateway.han import tls
from gateway.han.app import Han, Limits, create_app
from gateway.han.consumers import Consumers
from gateway.han.data import ConsumerData
from gateway.han.own_key import OwnCertificate
from gateway.han.page.app import add_page
from gateway.han.page_data import PageData
from gateway.han.protocol import Connections
from gateway.han.serving import Followed, FollowingInterface, HanAddressError, Serving
from gateway.han.watched import Watch, Watched
from lifecycle.functions import Interface

PORT: Final = 443
"""Where clients look for it."""


class Name(Protocol):
    """Makes the interface known on the network."""

    def start(self, port: int) -> None:
        """Make it known."""
        ...

    def stop(self) -> None:
        """Be silent."""
        ...


class HanInterface(FollowingInterface):
    """The consumer's interface of one gateway: for programs, and the page.

    It may be refreshed from any thread, and closed from any but a request's own.
    """

    def __init__(
        self,
        gateway: Followed,
        address: tuple[str, int],
        own: OwnCertificate,
        consumers: Consumers,
        data: ConsumerData,
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        limits: Limits | None = None,
        name: Name | None = None,
        page: PageData | None = None,
        watch: Watch | None = None,
    ) -> None:
        """It opens at once, if the gate wants it to.

        :param address: host and port; port 0 takes any that is free.
        :param own: its key and certificate.
        :param consumers: who may come in.
        :param data: what they may see.
        :param clock: the time, UTC.
        :param monotonic: seconds that pass, never back.
        :param name: makes it known on the network, see :mod:`gateway.han.mdns`.
        :param page: what they may see on the page, see :mod:`gateway.han.page`; without it there is none.
        :param watch: told what becomes of requests.
        :raises HanAddressError: if it is to be open and the address cannot be had.
        """
        super().__init__(gateway, address, Interface.HAN_CONSUMER)
        self._own = own
        self._consumers = consumers
        self._name = name
        self._han = Han(
            gateway.gate, consumers, data, certificate=own.der, clock=clock, monotonic=monotonic, limits=limits
        )
        self._app = create_app(self._han)
        if page is not None:
            add_page(self._app, self._han, page)
        if watch is not None:
            self._app.add_middleware(Watched, watch=watch)
        self._context: ssl.SSLContext | None = None
        self._follow()

    def _made(self) -> Serving:
        try:
            self._context = tls.server_context(self._own, self._consumers.certificates())
        except OSError as error:  # of the standard library's TLS too
            raise HanAddressError(f"the key of the HAN interface {self._own.path} cannot be used: {error}") from None
        limits = self._han.limits
        connections = Connections(limits.connections, limits.connections_each)
        return Serving(self._app, self._context, self._asked_for, connections)

    def _renew(self) -> None:
        if self._context is not None:
            tls.trust(self._context, self._consumers.certificates())

    def _opened(self, port: int) -> None:
        if self._name is not None:
            self._name.start(port)

    def _silent(self) -> None:
        if self._name is not None:
            self._name.stop()
