"""Writing files so that they survive a power cut: whole or not at all, and known to be on the disk.

A file is written beside its place, flushed, renamed into it, and the directory is flushed too. What is erased is
overwritten first, as far as that goes: a journalling or copying file system, and a flash memory below it, may keep old
blocks, which is why secrets are erased by destroying the key they are encrypted under.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PRIVATE_FILE: Final = 0o600
PRIVATE_FOLDER: Final = 0o700
TEMPORARY_SUFFIX: Final = ".new"


def write_all(descriptor: int, content: bytes) -> None:
    """Write *content* where the file stands, in as many calls as it takes.

    :raises OSError: as the operating system does.
    """
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


@contextlib.contextmanager
def opened(path: Path, flags: int) -> Iterator[int]:
    """A file descriptor that is closed at the end; what it creates is the owner's alone, and no link is followed.

    :raises OSError: as the operating system does.
    """
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make what was created, renamed or removed in *folder* durable.

    :raises OSError: as the operating system does.
    """
    with opened(folder, os.O_RDONLY | os.O_DIRECTORY) as descriptor:
        os.fsync(descriptor)


def create(path: Path, content: bytes) -> None:
    """Write a new file and flush it. Its folder is the caller's to flush.

    :raises FileExistsError: if there is one already.
    :raises OSError: as the operating system does.
    """
    with opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as descriptor:
        write_all(descriptor, content)
        os.fsync(descriptor)


def replace(path: Path, content: bytes) -> None:
    """Put *content* in the place of the file at *path*. After a power cut there is the old or the new, never a part.

    :raises OSError: as the operating system does; old or new is in place then, and it takes a reading to know which.
    """
    beside = path.with_name(path.name + TEMPORARY_SUFFIX)
    with opened(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as descriptor:
        write_all(descriptor, content)
        os.fsync(descriptor)
    os.rename(beside, path)  # noqa: PTH104 - the tests cut the power at each call to the operating system
    sync_folder(path.parent)


def erase(path: Path) -> None:
    """Overwrite a file with zeros, flush it, remove it. Nothing happens where there is none.

    :raises OSError: as the operating system does.
    """
    try:
        with opened(path, os.O_WRONLY) as descriptor:
            write_all(descriptor, bytes(os.fstat(descriptor).st_size))
            os.fsync(descriptor)
    except FileNotFoundError:
        return
    os.unlink(path)  # noqa: PTH108 - as above
    sync_folder(path.parent)
