"""``smgw gateway verify``: a book that was written in is found, and which entry; nothing of what is in it is shown."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from smgw.cli import main
from tests.smgw.conftest import Run

GATEWAY = "EXXX0000000001"


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a gateway has lived."""
    folder = tmp_path_factory.mktemp("lived") / "home"
    done = CliRunner().invoke(main, ["life", "--exit", "--home", str(folder)])
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def home(lived: Path, tmp_path: Path) -> Path:
    """The same once more."""
    return Path(shutil.copytree(lived, tmp_path / "home"))


def written_in(home: Path, statement: str) -> None:
    """Somebody writes in the database."""
    with closing(sqlite3.connect(home / "smgw.db")) as database:
        database.execute(statement)
        database.commit()


def verified(smgw: Run, home: Path, exit_code: int = 0) -> dict[str, str | None]:
    """What is broken, by book."""
    done = smgw("gateway", "verify", GATEWAY, "--home", home, "--json", exit_code=exit_code)
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {book["book"]: book["broken"] and book["broken"]["reason"] for book in told}


def test_every_book_is_examined_with_its_signatures(smgw: Run, home: Path) -> None:
    assert set(verified(smgw, home).values()) == {None}
    shown = smgw("gateway", "verify", GATEWAY, "--home", home).stdout
    assert "original list of 1-0:1.8.0*255, meter 1EMH0012345678: 97 entries, 97 signed" in shown
    assert "system log" in shown


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE list_entries SET body = replace(body, 'reading', 'riading') WHERE number = 5", "another hash"),
        ("UPDATE list_entries SET signature = x'3006020101020101' WHERE number = 5", "signature is not by the key"),
        ("UPDATE list_entries SET key = NULL, signature = NULL WHERE number = 5", "signature is missing"),
        ("DELETE FROM list_entries WHERE number = 5", "missing: 6 follows 4"),
        ("DELETE FROM list_entries WHERE number > 90", "missing: the chain ends at"),
    ],
)
def test_what_was_written_in_is_found(smgw: Run, home: Path, statement: str, reason: str) -> None:
    written_in(home, statement)
    found = verified(smgw, home, exit_code=1)
    assert all(reason in (broken or "") for book, broken in found.items() if "list" in book)
    assert found["system log"] is None


def test_a_certificate_of_somebody_else_makes_no_signature_good(smgw: Run, home: Path) -> None:
    for path in (home / "gateways" / GATEWAY / "seals").iterdir():
        path.unlink()
    assert "signature is not by the key" in str(verified(smgw, home, exit_code=1))


def test_a_gateway_that_is_not_on_record_is_none(smgw: Run, home: Path) -> None:
    assert "EXXX0000000099" in smgw("gateway", "verify", "EXXX0000000099", "--home", home, exit_code=2).output
