"""What pages made from templates share: how their templates are read, and the base of their style."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

BASE_STYLE: Final = (Path(__file__).parent / "static" / "base.css").read_bytes()
"""Colours, type and what the pages of technician and installer have in common; a page's own style comes after it."""


def environment_of(folder: Path) -> Environment:
    """Where a page's templates are rendered: what is put in is escaped, and what is not known is an error.

    :param folder: the page's; its templates are in ``templates``.
    """
    return Environment(
        loader=FileSystemLoader(folder / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
