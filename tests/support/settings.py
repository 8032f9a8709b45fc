"""A configuration to test with: the packaged example and the files that it names."""

from __future__ import annotations

from pathlib import Path

from gateway.settings import example
from tests.support.han import consumer_certificate

KEY_DIGITS = "000102030405060708090a0b0c0d0e0f"


def written(path: Path, text: str) -> Path:
    """A configuration file that only its owner can read."""
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path


def example_in(folder: Path) -> Path:
    """The example, with what it names beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    _, technician = consumer_certificate(folder, "technicians")
    assert technician.name == "technicians.pem"
    (folder / "keys").mkdir()
    key = folder / "keys" / "7ELS3312345678"
    key.touch(mode=0o600)
    key.write_text(KEY_DIGITS, encoding="ascii")
    return written(folder / "gateway.toml", example())
