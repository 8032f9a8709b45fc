"""Room that is kept for telling that there is none left."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from gateway.ballast import Ballast


def test_room_is_taken_and_given_up(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path / "home" / "ballast", 8192)
    assert not ballast.there
    assert not ballast.give_up()
    assert ballast.take()
    assert ballast.take()
    blocks = (tmp_path / "home" / "ballast").stat().st_blocks
    assert blocks * 512 >= 8192, "it takes room, and is no hole"
    assert ballast.give_up()
    assert not ballast.there


def test_what_was_cut_short_is_made_whole(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path / "ballast", 8192)
    (tmp_path / "ballast").write_bytes(b"cut")
    assert not ballast.there
    assert ballast.take()
    assert ballast.there


def test_on_a_full_disk_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = [errno.ENOSPC, errno.EIO]

    def fail(*_: object) -> None:
        raise OSError(failing.pop(0), "no")

    monkeypatch.setattr(os, "posix_fallocate", fail)
    ballast = Ballast(tmp_path / "ballast", 8192)
    assert not ballast.take()
    assert not (tmp_path / "ballast").exists()
    with pytest.raises(OSError, match="no"):
        ballast.take()
    assert not (tmp_path / "ballast").exists()
