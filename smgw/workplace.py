"""Where the command line keeps its things: one folder with the operations CA, the keeper's key and the database.

::

    SMGW_HOME (default: $XDG_STATE_HOME/smgw, which is ~/.local/state/smgw)
      ca/        ca.pem, ca.key          the operations CA
      keeper/    party.pem, party.key    who signs the heads of the chains kept here
      parties/   ROLE/...                parties made for trying things out
      smgw.db                            the database, unless --database names another
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from gateway.evidence import ModuleWitness, ShownOnly
from lifecycle.parties import OperationsAuthority, Party, PartyError, Trust
from lifecycle.roles import ROLES, Role
from lifecycle.store.engine import open_database
from lifecycle.store.repository import Repository


def default_home() -> Path:
    """Where things are kept when nobody says otherwise."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "smgw"


@dataclass(frozen=True, slots=True)
class Workplace:
    """One folder, and the database that belongs to it.

    :ivar home: the folder; made, readable by its owner only, when something is first written.
    :ivar database: SQLAlchemy URL, ``None`` for the SQLite file in the folder.
    """

    home: Path
    database: str | None = None

    @property
    def database_url(self) -> str:
        """The database's URL."""
        return self.database or f"sqlite:///{self.home / 'smgw.db'}"

    def authority(self) -> OperationsAuthority:
        """The operations CA, created when it is first needed."""
        self.make()
        return OperationsAuthority.open(self.home / "ca")

    def trust(self, authority: Path | None = None) -> Trust:
        """The pinned CA: *authority* (PEM) where it is given, else the folder's own.

        :raises PartyError: if there is none.
        """
        path = authority or self.home / "ca" / "ca.pem"
        if not path.exists():
            raise PartyError(
                f"no operations CA to trust: {path} does not exist; name the record's CA certificate with --ca"
            )
        return Trust.load(path)

    def party(self, role: Role, name: str, folder: Path | None = None) -> Party:
        """A party of this workplace, enrolled when it is first needed."""
        where = folder or self.party_folder(role)
        if not (where / "party.pem").exists():
            self.authority().enrol(role, name).save(where)
        return Party.load(where)

    def party_folder(self, role: Role) -> Path:
        """Where the workplace's own party of a role is."""
        return self.home / "parties" / role.lower().replace("_", "-")

    def gateway_folder(self, gateway: str) -> Path:
        """The folder of a gateway (:mod:`gateway.module`)."""
        return self.home / "gateways" / gateway

    def gateway_key_folder(self, gateway: str) -> Path:
        """Where the key is that a gateway itself signs the record with."""
        return self.home / "parties" / "gateways" / gateway

    def acting(self, role: Role, folder: Path | None) -> Party:
        """Who signs the record in a role.

        :param folder: of the key; the workplace's own by default.
        :raises PartyError: if the key there is that of another role.
        """
        party = Party.load(folder) if folder is not None else self.party(role, ROLES[role].german)
        if party.actor.role is not role:
            raise PartyError(f"{folder} is a {party.actor.role}, and a {role} is needed")
        return party

    def keeper(self) -> Party:
        """Who signs the heads of the chains kept here."""
        return self.party(Role.KEEPER, "Record keeper", self.home / "keeper")

    def repository(self, authority: Path | None = None) -> Repository:
        """The records kept here. A new database is given its schema.

        :raises lifecycle.store.errors.StoreError: if the database cannot be used.
        :raises PartyError: if the operations CA cannot be read.
        """
        keeper = self.keeper()
        engine, trust = open_database(self.database_url), self.trust(authority)
        return Repository(engine, trust, keeper, witness=ModuleWitness, admits=ShownOnly)

    def make(self) -> None:
        """Make the folder, readable by its owner only."""
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)


def free_gateways(repository: Repository) -> Iterator[str]:
    """Identifications of ours that are not on record yet, in order."""
    taken = set(repository.gateways())
    return (name for number in range(1, 10**8) if (name := f"EXXX00{number:08}") not in taken)


def workplace_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options ``--home`` and ``--database``, handed to the command as ``workplace``."""

    @wraps(command)
    def with_workplace(*args: Any, home: Path, database: str | None, **options: Any) -> Any:
        return command(*args, workplace=Workplace(home, database), **options)

    with_database = click.option(
        "--database",
        envvar="SMGW_DATABASE",
        metavar="URL",
        help="sqlite:///FILE or postgresql://USER@HOST/NAME.  [default: smgw.db in --home]",
    )(with_workplace)
    return click.option(
        "--home",
        envvar="SMGW_HOME",
        type=click.Path(file_okay=False, path_type=Path),
        default=default_home,
        show_default="$XDG_STATE_HOME/smgw",
        help="Folder with the operations CA, keys and the database.",
    )(with_database)
