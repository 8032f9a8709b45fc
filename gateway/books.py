"""The gateway's books, examined as an auditor does: every chain of every list and log, and the signatures in it.

What is in them is not shown: measured values and what concerns a consumer is for those whom the gate lets in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

from sqlalchemy import ColumnElement, Engine, Table, func, select

from gateway.lmn.device_id import DeviceIdError, device_id_from_server_id
from gateway.lmn.obis import format_obis
from gateway.logs.events import Log
from gateway.logs.schema import log_books, log_entries
from gateway.logs.store import LogPolicy, LogStore
from gateway.metering.reading_list import ReadingList
from gateway.metering.schema import list_deletions, list_entries, list_registers
from gateway.sealing import Broken, Verifies
from gateway.storage import Storage
from lifecycle.parties import utc_now


@dataclass(frozen=True, slots=True)
class Book:
    """What was found of one list or log.

    :ivar name: what it is.
    :ivar entries: how many there are.
    :ivar signed: how many of them are signed.
    :ivar deletions: how often something was deleted, and provably so.
    :ivar first: time of the oldest entry, as it is written; empty where there is none.
    :ivar last: time of the newest.
    :ivar broken: the first entry that is not what it was; ``None`` where all are whole.
    """

    name: str
    entries: int
    signed: int
    deletions: int
    first: str
    last: str
    broken: Broken | None

    def told(self) -> dict[str, object]:
        """It for machines."""
        broken = None if self.broken is None else {"entry": self.broken.number, "reason": self.broken.reason}
        return {
            "book": self.name,
            "entries": self.entries,
            "signed": self.signed,
            "deletions": self.deletions,
            "first": self.first or None,
            "last": self.last or None,
            "broken": broken,
        }


class _NeverSigns:
    """In the place of the module's key: an auditor signs nothing."""

    @property
    def key(self) -> NoReturn:
        """Nobody's."""
        raise AssertionError("books are examined, and not written")

    def sign_digest(self, _digest: bytes) -> NoReturn:
        """Never."""
        raise AssertionError("books are examined, and not written")


def examined(
    engine: Engine, gateway: str, verifies: Verifies | None, policy: LogPolicy | None = None
) -> Iterator[Book]:
    """Every book of a gateway, examined.

    :param verifies: checks signatures; without it they are only counted.
    :param policy: how large its logs are: whether a consumer's may overwrite its oldest entries.
    """
    signer = _NeverSigns()
    store = LogStore(Storage(engine), gateway, clock=utc_now, policy=policy, signer=signer)
    lists = ReadingList(gateway, store, dict, clock=utc_now, signer=signer)
    with engine.connect() as connection:
        registers = connection.execute(
            select(list_registers.c.meter, list_registers.c.obis)
            .where(list_registers.c.gateway == gateway)
            .order_by(list_registers.c.meter, list_registers.c.obis)
        ).all()
        books = connection.execute(
            select(log_books.c.log, log_books.c.consumer)
            .where(log_books.c.gateway == gateway)
            .order_by(log_books.c.log, log_books.c.consumer)
        ).all()
    for meter, obis in registers:
        where = (list_entries.c.gateway == gateway, list_entries.c.meter == meter, list_entries.c.obis == obis)
        of_deletions = select(func.count()).where(
            list_deletions.c.gateway == gateway, list_deletions.c.meter == meter, list_deletions.c.obis == obis
        )
        broken = lists.verify(meter, obis, verifies=verifies)
        with engine.connect() as connection:
            deletions = connection.execute(of_deletions).scalar_one()
        name = f"original list of {format_obis(bytes.fromhex(obis))}, meter {_device(meter)}"
        yield Book(name, *_extent(engine, list_entries, where, deletions), broken)
    for log, consumer in books:
        where = (log_entries.c.gateway == gateway, log_entries.c.log == log, log_entries.c.consumer == consumer)
        broken = store.verify(Log(log), consumer, verifies=verifies)
        yield Book(f"{log} log {consumer}".strip(), *_extent(engine, log_entries, where, 0), broken)


def _extent(
    engine: Engine, table: Table, where: Sequence[ColumnElement[bool]], deletions: int
) -> tuple[int, int, int, str, str]:
    query = select(func.count(), func.count(table.c.signature), func.min(table.c.time), func.max(table.c.time))
    with engine.connect() as connection:
        count, signed, first, last = connection.execute(query.where(*where)).one()
    return count, signed, deletions, first or "", last or ""


def _device(server_id: str) -> str:
    try:
        return device_id_from_server_id(bytes.fromhex(server_id))
    except DeviceIdError:
        return server_id
