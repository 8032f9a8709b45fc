"""The folder that an installer takes along: a small home of its own, without the operations CA's key.

::

    TRIP/
      trip.json                which gateways, and the head that home had signed of each when it left
      ca/ca.pem                the operations CA to believe; its key stays at home
      keeper/                  the replica's own keeper, enrolled for this folder only
      parties/monteur/         who mounts and removes, and parties/erstkonfigurator/
      smgw.db                  the replica of the chains
      tests/                   reports of connection tests

Because it is laid out as a home is, every command of ``smgw`` works on it: ``smgw gateway list --home TRIP``.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding

from lifecycle.canonical import JournalError
from lifecycle.head import Head, head_of
from lifecycle.parties import Clock, fingerprint_of, utc_now
from lifecycle.roles import Role
from lifecycle.store.errors import StoreError
from lifecycle.store.repository import Repository
from smgw.workplace import Workplace
from stations.installer.trip import Brought, lines_of, take_along, take_back

FORMAT: Final = "smgw-trip/1"
_FILE: Final = "trip.json"
_LARGEST_FILE: Final = 1024 * 1024


class TripError(StoreError):
    """The folder of a trip is none, is damaged, or cannot be used for what was asked."""


@dataclass(frozen=True, slots=True)
class Left:
    """What home had signed of a chain when it left.

    :ivar head: the head.
    :ivar certificate: of home's keeper, DER.
    """

    head: Head
    certificate: bytes

    def told(self) -> dict[str, Any]:
        """As JSON, in the form that ``smgw journal head`` prints."""
        return {"head": self.head.told(), "certificate": base64.b64encode(self.certificate).decode()}


class Trip:
    """A folder that was taken along.

    :ivar workplace: the folder as a home.
    """

    def __init__(self, folder: Path) -> None:
        self.workplace = Workplace(folder)
        self._left = _read(folder / _FILE)

    @property
    def folder(self) -> Path:
        """The folder."""
        return self.workplace.home

    @property
    def gateways(self) -> tuple[str, ...]:
        """Whose chains were taken along."""
        return tuple(sorted(self._left))

    def only(self, gateway: str | None) -> str:
        """The gateway meant: the one named, or the only one there is.

        :raises TripError: if it was not taken along, or nobody can say which one is meant.
        """
        if gateway is None and len(self._left) == 1:
            return next(iter(self._left))
        if gateway is None:
            raise TripError(f"{self.folder} has the chains of {', '.join(self.gateways)}: name one")
        if gateway not in self._left:
            raise TripError(f"{self.folder} has no chain of {gateway}, but of {', '.join(self.gateways)}")
        return gateway

    def give_back(self, home: Repository, gateway: str) -> Brought:
        """Bring a chain home: fast-forward, or an alarm and nothing.

        :raises stations.installer.trip.ForkAlarm: if home went another way meanwhile.
        :raises lifecycle.store.errors.BrokenChainError: if the chain is broken, or shorter than the one that left.
        """
        left = self._left[self.only(gateway)]
        beside = {fingerprint_of(left.certificate): left.certificate}
        replica = self.workplace.repository()
        try:
            return take_back(home, replica, gateway, left.head, beside)
        finally:
            replica.engine.dispose()

    def keep_aside(self, home: Workplace, gateway: str, time: datetime) -> Path:
        """Write the chain as it is here into a file at home, whatever is wrong with it; the file."""
        home.make()
        folder = home.home / "refused"
        folder.mkdir(exist_ok=True, mode=0o700)
        path = folder / f"{gateway}-{time:%Y%m%dT%H%M%SZ}.jsonl"
        replica = self.workplace.repository()
        try:
            _write(path, b"".join(line + b"\n" for line in lines_of(replica, gateway)))
        finally:
            replica.engine.dispose()
        return path


def set_out(
    home: Workplace,
    folder: Path,
    gateways: Iterable[str],
    *,
    monteur: str,
    configurator: str,
    clock: Clock = utc_now,
) -> tuple[Trip, list[Brought]]:
    """Take chains along. A folder that is a trip already gets what is new at home, and more chains.

    The folder appears whole or not at all.

    :param monteur: name of the Monteur, whose key is made for the trip; the same of *configurator*.
    :raises TripError: if the folder holds something else.
    :raises lifecycle.store.errors.StoreError: if a chain cannot be taken.
    """
    if (folder / _FILE).exists():
        return _again(home, folder, gateways)
    if folder.exists() and any(folder.iterdir()):
        raise TripError(f"{folder} is not empty and no trip: choose another folder")
    folder = folder.absolute()
    part = folder.with_name(folder.name + ".part")
    if part.exists():
        shutil.rmtree(part)  # begun and cut short; it never was a trip, and nobody has signed anything in it
    folder.parent.mkdir(parents=True, exist_ok=True)
    part.mkdir(mode=0o700)
    try:
        workplace = Workplace(part)
        _equip(home, workplace, monteur, configurator, clock)
        brought = _fill(home, workplace, gateways, {})
        if folder.exists():
            folder.rmdir()
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return Trip(folder), brought


def _equip(home: Workplace, trip: Workplace, monteur: str, configurator: str, clock: Clock) -> None:
    """The CA's certificate, the replica's keeper, and the keys of those who act on site."""
    authority = home.authority()
    (trip.home / "ca").mkdir()
    (trip.home / "ca" / "ca.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    authority.enrol(Role.KEEPER, f"Replica of {clock():%Y-%m-%d %H:%M:%S} UTC", clock=clock).save(trip.home / "keeper")
    for role, name in ((Role.MONTEUR, monteur), (Role.ERSTKONFIGURATOR, configurator)):
        authority.enrol(role, name, clock=clock).save(trip.party_folder(role))


def _again(home: Workplace, folder: Path, gateways: Iterable[str]) -> tuple[Trip, list[Brought]]:
    trip = Trip(folder)
    brought = _fill(home, trip.workplace, gateways, trip._left)
    return Trip(folder), brought


def _fill(home: Workplace, trip: Workplace, gateways: Iterable[str], before: Mapping[str, Left]) -> list[Brought]:
    """Bring the chains, and write what left: last of all, for it makes the folder a trip."""
    source, target = home.repository(), trip.repository()
    try:
        left = dict(before)
        brought = []
        for gateway in dict.fromkeys(gateways):
            chain = source.chain(gateway)
            brought.append(take_along(target, chain))
            assert chain.head is not None  # noqa: S101  a kept chain has one
            left[gateway] = Left(chain.head, chain.certificates[chain.head.certificate])
        told = {"format": FORMAT, "gateways": {name: each.told() for name, each in sorted(left.items())}}
        _write(trip.home / _FILE, json.dumps(told, indent=2).encode())
    finally:
        source.engine.dispose()
        target.engine.dispose()
    return brought


def _read(path: Path) -> dict[str, Left]:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise TripError(f"{path} is larger than {_LARGEST_FILE} bytes: no {FORMAT}")
        told = json.loads(path.read_bytes())
        if not isinstance(told, dict) or told.keys() != {"format", "gateways"} or told["format"] != FORMAT:
            raise TripError(f"{path} is not written in the format {FORMAT}")
        left = {
            gateway: Left(head_of(each["head"]), base64.b64decode(each["certificate"], validate=True))
            for gateway, each in told["gateways"].items()
        }
    except FileNotFoundError as error:
        raise TripError(
            f"{path.parent} is no trip: 'smgw install take GATEWAY --to {path.parent}' makes one"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, JournalError, binascii.Error) as error:
        raise TripError(f"{path} is damaged: {error}") from error
    if not left or any(each.head.gateway != gateway for gateway, each in left.items()):
        raise TripError(f"{path} is damaged: a head of another gateway, or none at all")
    return left


def _write(path: Path, data: bytes) -> None:
    """Write a file so that it is whole or as before, whatever happens."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
