"""How to reach a module: in the same process, or in a reader over PC/SC. The same bytes go both ways.

``module:DIR``
    the software module kept in the folder DIR, run in this process (the embedded default)
``pcsc:READER NAME``
    whatever is in the reader of that name; needs a PC/SC daemon, and ``pyscard`` to talk to it

:func:`connect` takes either and gives a :class:`Connection`. That has the module for itself: somebody else's plain
command would end the secure channel.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from securitymodule.connection import Card, Connection, EmbeddedConnection
from securitymodule.errors import ReaderUnavailable

__all__ = ["EMBEDDED", "PCSC", "Card", "Connection", "connect", "split_url"]

EMBEDDED: Final = "module"
PCSC: Final = "pcsc"


def split_url(url: str) -> tuple[str, str]:
    """Way and place of a module's URL.

    :raises ReaderUnavailable: if it is none.
    """
    way, colon, place = url.partition(":")
    if not colon or not place or way not in {EMBEDDED, PCSC}:
        raise ReaderUnavailable(f"{url!r} names no module: write module:DIR or pcsc:READER NAME")
    return way, place


def connect(url: str) -> Connection:
    """A connection to the module at *url*, which is powered and reset.

    :raises ReaderUnavailable: if the URL is none, or there is no such way.
    :raises NoModule: if there is no module at its end.
    :raises ModuleBusy: if somebody else has it.
    """
    way, place = split_url(url)
    if way == PCSC:
        from securitymodule.pcsc import PcscConnection

        return PcscConnection(place)
    from securitymodule.card.module import SoftwareModule

    return EmbeddedConnection(SoftwareModule.open(Path(place)), url)
