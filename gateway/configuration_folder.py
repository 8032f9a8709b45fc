"""Where a gateway keeps its configuration: files in one folder, each there as a whole or not at all.

::

    FOLDER/initial.cms              the initial configuration file that was imported; once, for good
    FOLDER/initial.cms.pending      one that is being imported: its keys may be in the module already
    FOLDER/communication.json       the communication parameters that the Erstkonfigurator set
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from gateway.configuration import (
    AlreadyConfigured,
    CommunicationParameters,
    ConfigurationError,
    InitialConfiguration,
    read_initial,
)
from securitymodule.card import durable

FOLDER: Final = "configuration"
"""Its name in a gateway's folder."""
INITIAL: Final = "initial.cms"
PENDING: Final = "initial.cms.pending"
COMMUNICATION: Final = "communication.json"


class ConfigurationFolder:
    """The configuration of one gateway on the disk.

    :ivar path: the folder; made when something is first written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def initial(self) -> InitialConfiguration | None:
        """The initial configuration that was imported, ``None`` before.

        :raises ConfigurationError: if what is kept cannot be read.
        """
        data = self._read(INITIAL)
        return None if data is None else read_initial(data)[0]

    def communication(self) -> CommunicationParameters | None:
        """The communication parameters that were set, ``None`` where none were.

        :raises ConfigurationError: if what is kept cannot be read.
        """
        data = self._read(COMMUNICATION)
        return None if data is None else CommunicationParameters.decode(data)

    def set_communication(self, parameters: CommunicationParameters) -> None:
        """Keep communication parameters, in place of those before. Durable when this returns.

        :raises ConfigurationError: if they cannot be written.
        """
        self._write(COMMUNICATION, parameters.encode())

    def pending(self) -> bytes | None:
        """The initial configuration file whose import began and did not end."""
        return self._read(PENDING)

    def begin(self, file: bytes) -> None:
        """Note that this file is being imported, before any of its keys goes into the module.

        :raises AlreadyConfigured: if one was imported before.
        :raises ConfigurationError: if it cannot be written.
        """
        if (self.path / INITIAL).exists():
            raise AlreadyConfigured("an initial configuration file was imported before; it takes one, once (ch. 6)")
        self._write(PENDING, file)

    def give_up(self) -> None:
        """The file that is being imported was refused: forget it.

        :raises ConfigurationError: if it cannot be removed.
        """
        try:
            (self.path / PENDING).unlink(missing_ok=True)
            if self.path.exists():
                durable.sync_folder(self.path)
        except OSError as error:
            raise self._trouble(PENDING, error) from error

    def finish(self) -> None:
        """The file that is being imported is in: keep it for good. Durable when this returns.

        :raises ConfigurationError: if that cannot be written.
        """
        try:
            (self.path / PENDING).rename(self.path / INITIAL)
            durable.sync_folder(self.path)
        except OSError as error:
            raise self._trouble(INITIAL, error) from error

    def _read(self, name: str) -> bytes | None:
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._trouble(name, error) from error

    def _write(self, name: str, content: bytes) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=durable.PRIVATE_FOLDER)
            durable.replace(self.path / name, content)
        except OSError as error:
            raise self._trouble(name, error) from error

    def _trouble(self, name: str, error: OSError) -> ConfigurationError:
        return ConfigurationError(f"{self.path / name}: {error.strerror or type(error).__name__}")
