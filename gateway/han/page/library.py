"""What the pages are made of: style, script, icon, and the drawing library out of the installed package ``plotly``.

Each is served under an address that names its content, so that browsers keep it for long, and is compressed once.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from fastapi import Response

from gateway.han.errors import HanError

FOLDER: Final = files("gateway.han.page") / "static"
STATIC: Final = "/page/static/"
"""Where they are served."""
DRAWING: Final = "plotly.min.js"
"""The drawing library; MIT licence, which it carries at its head."""
_TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_NAMES: Final = ("chart.js", "icon.svg", "page.css", "page.js", "plotly.css")
_STYLE_ID: Final = re.compile(rb'if\(!document\.getElementById\("([0-9a-f]{64})"\)\)')
_KEEP: Final = "private, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Piece:
    """One file.

    :ivar tag: of its content.
    """

    media_type: str
    tag: str
    source: Traversable
    compressed: bytes

    @classmethod
    def read(cls, source: Traversable) -> Piece:
        """A file, compressed."""
        content = source.read_bytes()
        kind = _TYPES[source.name.rpartition(".")[2]]
        tag = hashlib.sha256(content).hexdigest()[:24]
        return cls(f"{kind}; charset=utf-8", tag, source, gzip.compress(content, 9, mtime=0))


@cache
def piece(name: str) -> Piece:
    """The file of this name.

    :raises HanError: 404 if there is none.
    """
    if name == DRAWING:
        return Piece.read(files("plotly") / "package_data" / DRAWING)
    if name not in _NAMES:
        raise HanError(404, "there is no such file")
    return Piece.read(FOLDER / name)


@cache
def style_ids() -> tuple[str, ...]:
    """The ids of style elements that the drawing library adds where there is no element of that id.

    The policy lets nobody add one, so the page brings empty elements of these ids. What it needs is in ``plotly.css``.
    """
    return tuple(sorted({found.decode() for found in _STYLE_ID.findall(piece(DRAWING).source.read_bytes())}))


def address_of(name: str) -> str:
    """Where it is; changes with its content."""
    return f"{STATIC}{name}?v={piece(name).tag[:12]}"


def serve(name: str, headers: Mapping[str, str]) -> Response:
    """The answer to a request for one.

    :param headers: of the request, names in lower case.
    :raises HanError: 404 if there is none.
    """
    found = piece(name)
    packed = "gzip" in headers.get("accept-encoding", "")
    tag = f'"{found.tag}{"-gz" if packed else ""}"'
    answer = {"ETag": tag, "Cache-Control": _KEEP, "Vary": "Accept-Encoding"}
    known = (each.strip().removeprefix("W/") for each in headers.get("if-none-match", "").split(","))
    if tag in known:
        return Response(status_code=304, headers=answer)
    if packed:
        return Response(found.compressed, headers={**answer, "Content-Encoding": "gzip"}, media_type=found.media_type)
    return Response(found.source.read_bytes(), headers=answer, media_type=found.media_type)
