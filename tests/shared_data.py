"""Where the captures of real meters lie: data shared between checkouts, not part of the repository.

``SMGW_SHARED`` names the folder; without it, ``shared`` beside the repository's folder is tried.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).resolve().parent.parent


def find_shared_data() -> Path | None:
    """The folder of shared data, None if there is none here."""
    folder = Path(os.environ.get("SMGW_SHARED") or _REPOSITORY.parent / "shared")
    return folder if (folder / "data").is_dir() else None


def shared_data() -> Path:
    """The folder of shared data; skips the test if there is none."""
    folder = find_shared_data()
    if folder is None:
        pytest.skip("no shared data: set SMGW_SHARED to the folder that holds data/sml")
    return folder


@cache
def sml_captures() -> dict[str, bytes]:
    """The bytes of each capture by name; empty if there is no shared data."""
    folder = find_shared_data()
    return (
        {} if folder is None else {path.stem: path.read_bytes() for path in sorted((folder / "data/sml").glob("*.bin"))}
    )
