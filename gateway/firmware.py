"""What the gateway's software is, as one hash; and the hash that its module keeps of what it should be.

The hash is taken over the files of the packages that a device runs, its pages among them, and kept in a file of the
module's own, under the secure channel, from the integration (ch. 5) on. It notices software that was exchanged or
damaged on the disk. It does not stop who replaces this very module too: for that a device needs a boot that verifies
what it starts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from securitymodule.apdu import StatusWord
from securitymodule.coding import FREE_FILES
from securitymodule.errors import CommandRefused

if TYPE_CHECKING:
    from securitymodule.client import SecurityModule

SOFTWARE: Final = "smgw"
"""What the software is called, installed and shown."""
PACKAGES: Final = ("gateway", "lifecycle", "securitymodule", "smpki")
"""The packages that a device runs. Stations and command line are not of the device."""
EF_FIRMWARE: Final = FREE_FILES[0]
"""The module's file that keeps the hash: SHA-256, 32 bytes."""

_COMPILED: Final = "__pycache__"
_HASH_BYTES: Final = 32
_LENGTH_BYTES: Final = 8


class FirmwareError(Exception):
    """The installed software cannot be read."""


def own_version() -> str:
    """The version of the installed software."""
    return metadata.version(SOFTWARE)


def digest_of(packages: Mapping[str, Path]) -> bytes:
    """SHA-256 over the files of packages, wherever they are installed; what Python compiles of them is left out.

    For each file in the order of their names: the length of its name, 8 bytes, big-endian, the name
    (``package/folder/file.py``, UTF-8), the length of its content likewise, and the content.

    :param packages: their folders by name.
    :raises FirmwareError: if a file cannot be read, or a package has none.
    """
    files: dict[bytes, Path] = {}
    for package, folder in packages.items():
        found = {f"{package}/{path.relative_to(folder).as_posix()}".encode(): path for path in _files(folder)}
        if not found:
            raise FirmwareError(f"there are no files of {package} in {folder}")
        files |= found
    digest = hashlib.sha256()
    for name in sorted(files):
        try:
            content = files[name].read_bytes()
        except OSError as error:
            raise FirmwareError(f"cannot read {files[name]}: {error.strerror}") from error
        for part in (name, content):
            digest.update(len(part).to_bytes(_LENGTH_BYTES, "big") + part)
    return digest.digest()


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if _COMPILED not in path.parts and not path.is_dir():
            yield path


@cache
def installed_firmware() -> bytes:
    """:func:`digest_of` the packages as they are installed; taken once a process.

    :raises FirmwareError: as there, or if a package is not installed as files in one folder.
    """
    folders = {}
    for package in PACKAGES:
        spec = find_spec(package)
        places = list(spec.submodule_search_locations or ()) if spec is not None else []
        if len(places) != 1:
            raise FirmwareError(f"{package} is not installed in one folder")
        folders[package] = Path(places[0])
    return digest_of(folders)


def kept_firmware(module: SecurityModule) -> bytes | None:
    """The hash that a module keeps, ``None`` where it keeps none.

    :raises ModuleError: if it cannot be asked.
    """
    try:
        content = module.read_file(EF_FIRMWARE)[:_HASH_BYTES]
    except CommandRefused as refused:
        if refused.sw != StatusWord.FILE_NOT_FOUND:
            raise
        return None
    return content if any(content) else None  # a file that was made and not written yet holds zeros


def keep_firmware(module: SecurityModule) -> bool:
    """Have a module keep the hash of the installed software, unless it keeps one: at the integration (ch. 5).

    :returns: whether it kept none before.
    :raises FirmwareError: if the software cannot be read.
    :raises ModuleError: if the module does not do it.
    """
    if kept_firmware(module) is not None:
        return False
    replace_firmware(module, installed_firmware())
    return True


def replace_firmware(module: SecurityModule, digest: bytes) -> None:
    """Have a module keep another hash: of an update that was found authorised. Durable when this returns.

    :param digest: SHA-256 as :func:`digest_of` gives it.
    :raises ValueError: if it has not the 32 bytes of one, or is none that is kept: all zeros.
    :raises ModuleError: if the module does not do it.
    """
    if len(digest) != _HASH_BYTES or not any(digest):
        raise ValueError(f"a firmware's hash is SHA-256, {_HASH_BYTES} bytes, not {len(digest)}")
    try:
        module.create_file(EF_FIRMWARE, _HASH_BYTES)
    except CommandRefused as refused:
        if refused.sw != StatusWord.FILE_EXISTS:
            raise
    module.write_file(EF_FIRMWARE, digest)
