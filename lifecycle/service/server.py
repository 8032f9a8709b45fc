"""Runs the service: uvicorn on a socket that is bound beforehand, and a stop that ends the streams first."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from lifecycle.service.core import Service

_BACKLOG = 128
_STOP_SECONDS = 10
"""How long requests may take to end when the service stops."""


def bind(host: str, port: int) -> socket.socket:
    """A socket to serve on; bound at once, so that a port that is taken shows before anything else is done.

    :param port: 0 takes any that is free.
    :raises OSError: if the address cannot be had.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    # Named as TCP, for only then asyncio sends small answers at once (TCP_NODELAY).
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # Connections of a service that has just stopped do not keep the port; one that is running does.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(_BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound


class LifecycleServer(uvicorn.Server):
    """One application on one socket.

    :ivar address: where it is reached, without a path.
    """

    def __init__(self, app: FastAPI, bound: socket.socket, certificate: Path | None = None, key: Path | None = None):
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="on",
                ws="none",
                timeout_graceful_shutdown=_STOP_SECONDS,
                ssl_certfile=certificate,
                ssl_keyfile=key,
            )
        )
        service = app.state.service
        assert isinstance(service, Service)  # noqa: S101  create_app puts it there
        self._service = service
        self._bound = bound
        host, port = bound.getsockname()[:2]
        shown = f"[{host}]" if bound.family == socket.AF_INET6 else host
        self.address = f"{'https' if certificate else 'http'}://{shown}:{port}"

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until told to stop."""
        super().run(sockets or [self._bound])

    async def shutdown(self, sockets: Sequence[socket.socket] | None = None) -> None:
        """End the streams, which end by themselves never, and then what else is under way."""
        self._service.live.close()
        await super().shutdown(list(sockets or []))
