"""Room on the disk that is kept for telling that there is none left (Datenträger voll)."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

from securitymodule.card import durable

FILE: Final = "ballast"
"""Name of the file in a gateway's folder."""
BYTES: Final = 4 * 1024 * 1024
"""How much is kept: entries of the record, a transition, and lines of the logs take some tens of thousands of bytes."""
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class Ballast:
    """A file that takes room, so that there is some when it is removed.

    :param path: the file.
    :param size: of the file, bytes.
    """

    def __init__(self, path: Path, size: int = BYTES) -> None:
        self._path = path
        self._size = size

    @property
    def there(self) -> bool:
        """Whether the room is kept."""
        try:
            return self._path.stat().st_size >= self._size
        except FileNotFoundError:
            return False

    def take(self) -> bool:
        """Keep the room, where there is enough; whether it is kept now.

        :raises OSError: if that fails for another reason than a full disk.
        """
        if self.there:
            return True
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=durable.PRIVATE_FOLDER)
        try:
            with durable.opened(self._path, os.O_WRONLY | os.O_CREAT) as descriptor:
                os.posix_fallocate(descriptor, 0, self._size)
                os.fsync(descriptor)
        except OSError as error:
            self._path.unlink(missing_ok=True)
            if error.errno in _NO_ROOM:
                return False
            raise
        return True

    def give_up(self) -> bool:
        """Let the room go; whether there was some."""
        kept = self.there
        self._path.unlink(missing_ok=True)
        return kept
