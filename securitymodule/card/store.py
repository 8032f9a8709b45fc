"""Where a module's contents are kept: one sealed file, replaced as a whole for every change.

The order is: write the new state beside the old one, flush, rename, flush the directory, raise the counter. Only then
is the change known to the rest of the module, so nothing is answered, compared or signed that a power cut could undo.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from securitymodule.card import durable
from securitymodule.card.contents import Contents
from securitymodule.card.errors import ModuleExists, StateDamaged, StateNotWritten
from securitymodule.card.sealing import Seal
from securitymodule.coding import ModuleState
from securitymodule.errors import NoModule

STATE_FILE: Final = "state.sealed"


class Store:
    """The contents of one module, open and locked.

    :ivar contents: as they are on the disk.
    """

    def __init__(self, directory: Path, seal: Path) -> None:
        """Open what :meth:`create` made.

        :param directory: where the state lies.
        :param seal: where its seal lies.
        :raises NoModule: if there is no module, or no seal.
        :raises ModuleBusy: if somebody has it open.
        :raises StateDamaged: if it is damaged.
        :raises StateRestored: if it is an earlier state.
        :raises OSError: as the operating system does.
        """
        self.directory = directory
        self._path = directory / STATE_FILE
        self._seal_folder = seal
        if not self._path.exists():
            raise NoModule(f"{directory}: there is no security module; it takes creating one first")
        self.seal = Seal(seal)
        try:
            self.contents = self._read()
        except BaseException:
            self.seal.close()
            raise

    @staticmethod
    def create(directory: Path, seal: Path) -> None:
        """Make a module with nothing in it. A creation that was cut short is taken up again.

        :raises ModuleExists: if there is one, or a seal that is in use.
        :raises OSError: as the operating system does.
        """
        if (directory / STATE_FILE).exists() or (directory.exists() and any(directory.iterdir())):
            raise ModuleExists(f"{directory}: there is something there already; a module takes an empty directory")
        Seal.create(seal)
        fresh = Seal(seal)
        try:
            beside = directory.with_name(directory.name + durable.TEMPORARY_SUFFIX)
            beside.mkdir(mode=durable.PRIVATE_FOLDER, parents=True, exist_ok=True)
            sealed = fresh.sealed(Contents().encode())
            durable.replace(beside / STATE_FILE, sealed)
            # On POSIX this puts it in the place of an empty directory, and fails on any other.
            beside.rename(directory)
            durable.sync_folder(directory.parent)
            fresh.counted(sealed)
        finally:
            fresh.close()

    def save(self, contents: Contents) -> None:
        """Make new contents durable. Returns when a power cut cannot undo it any more.

        :raises StateNotWritten: if that failed. The old or the new contents hold then, and
            opening the module anew tells which.
        """
        try:
            sealed = self.seal.sealed(contents.encode())
            durable.replace(self._path, sealed)
            self.seal.counted(sealed)
        except OSError as error:
            raise StateNotWritten(f"{self._path}: {error.strerror or type(error).__name__}") from error
        self.contents = contents

    def terminate(self, contents: Contents) -> None:
        """Make the contents of a terminated module durable, then destroy the vault: from here nothing leads back.

        :raises StateNotWritten: as :meth:`save`; or the vault's key could not be erased, which opening tries again.
        """
        self.save(contents)
        try:
            self.seal.destroy_vault()
        except OSError as error:
            raise StateNotWritten(f"{self._seal_folder}: {error.strerror or type(error).__name__}") from error

    def close(self) -> None:
        """Let others open the module."""
        self.seal.close()

    def _read(self) -> Contents:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path.with_name(STATE_FILE + durable.TEMPORARY_SUFFIX))  # noqa: PTH108 - as durable
        contents = Contents.decode(self.seal.unsealed(self._path.read_bytes()))
        if contents.state is ModuleState.TERMINATED:
            self.seal.destroy_vault()  # a termination that was cut short ends here
        elif not self.seal.vault.usable:
            raise StateDamaged(
                f"{self._seal_folder}: the key of the vault is missing or wrong, though the module is in use"
            )
        return contents
