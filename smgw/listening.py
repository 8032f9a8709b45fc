"""How commands that serve listen: the socket, TLS, and one log for all of it."""

from __future__ import annotations

import ipaddress
import logging
import socket
import ssl
from pathlib import Path

import click

from smgw.failing import UsageFailure

READABLE_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
"""A file that is given by option."""


def check_tls(certificate: Path | None, key: Path | None) -> None:
    """Certificate and key for TLS, both or none, and fitting.

    :raises UsageFailure: if they are not.
    """
    if (certificate is None) is not (key is None):
        raise UsageFailure("--tls-cert and --tls-key belong together")
    if certificate is None:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise UsageFailure(f"{certificate} and {key} are no certificate (PEM) and its key: {error}") from error


def bind(host: str, port: int) -> socket.socket:
    """A socket to serve on.

    :raises UsageFailure: if the address cannot be had.
    """
    from lifecycle.service.server import bind as bound_to

    try:
        return bound_to(host, port)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageFailure(f"cannot listen on {host} port {port}: {reason}; choose others by --host, --port") from error


def free_port(port: int) -> int:
    """A port of this machine, or 0, which is any that is free, where somebody else has it."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


def refuse_in_the_open(bound: socket.socket, *, secured: bool) -> None:
    """Tokens do not travel in the clear unless somebody says that they may."""
    on_this_machine = ipaddress.ip_address(bound.getsockname()[0].partition("%")[0]).is_loopback
    if not on_this_machine and not secured:
        raise UsageFailure(
            "beyond this machine tokens would travel in the clear: give --tls-cert and --tls-key, "
            "or --without-tls behind a proxy that does TLS"
        )


class _Handler(logging.Handler):
    """Hands what uvicorn logs to structlog, so that there is one log in one form."""

    def emit(self, record: logging.LogRecord) -> None:
        import structlog

        log = structlog.get_logger("uvicorn")
        log.log(record.levelno, record.getMessage(), exc_info=record.exc_info)


def hand_over_logs() -> None:
    """Have what uvicorn logs go the way of every other log."""
    log = logging.getLogger("uvicorn.error")
    log.handlers = [_Handler()]
    log.propagate = False
    log.setLevel(logging.INFO)
