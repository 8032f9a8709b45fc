"""Which errors mean that the disk is full; the real ones are met in the tests of what is stored."""

from __future__ import annotations

import errno
from pathlib import Path

import psycopg.errors
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from gateway.storage import Storage, no_room
from lifecycle.store.engine import connect


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "no space left on device"), True),
        (OSError(errno.EDQUOT, "quota exceeded"), True),
        (OSError(errno.EIO, "input/output error"), False),
        (psycopg.errors.DiskFull("could not extend file"), True),
        (psycopg.errors.UniqueViolation("duplicate"), False),
        (ValueError("something else"), False),
        (None, False),
    ],
)
def test_no_room_is_told_from_other_errors(error: BaseException | None, full: bool) -> None:
    assert no_room(error) is full


def test_another_error_is_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    told: list[bool] = []
    storage = Storage(connect(f"sqlite:///{tmp_path / 'smgw.db'}"), told.append)
    with pytest.raises(OperationalError, match="no such table"), storage.writing() as connection:
        connection.execute(text("INSERT INTO nowhere VALUES (1)"))
    assert told == []
    assert not storage.full
    storage.engine.dispose()
