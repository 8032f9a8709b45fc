"""Evidence is shown, not claimed: entries are examined before they are written, and not first when somebody replays."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

from lifecycle.journal import Entry, SignedEntry, read_entry
from lifecycle.replay import Witness
from lifecycle.store.errors import EntryRefusedError

_REMEMBERED: Final = 256
"""Of how many gateways the witness is kept, so that their whole record need not be read for each entry; ours."""


class Examiner:
    """Examines the entries of one repository, each gateway's with a witness of its own.

    :param make: a new witness.
    :param entries: the first so many entries of a gateway's record.
    """

    def __init__(self, make: Callable[[], Witness], entries: Callable[[str, int], Iterable[SignedEntry]]) -> None:
        self._make = make
        self._entries = entries
        self._seen: OrderedDict[str, tuple[str, Witness]] = OrderedDict()

    def examine(self, entry: Entry) -> Witness:
        """Examine an entry that the law has let pass and that follows the last one on record.

        :returns: the witness, to be kept with :meth:`keep` once the entry is on record.
        :raises EntryRefusedError: if something contradicts the entry.
        """
        # A witness that has seen an entry cannot unsee it: should the entry not be written, a new one begins anew.
        last_hash, witness = self._seen.pop(entry.gateway, ("", None))
        if witness is None or last_hash != entry.previous:
            witness = self._make()
            for signed in self._entries(entry.gateway, entry.sequence - 1):
                witness.examine(read_entry(signed.body))
        contradiction = witness.examine(entry)
        if contradiction is not None:
            raise EntryRefusedError(f"evidence is shown, not claimed: {contradiction}")
        return witness

    def keep(self, gateway: str, entry_hash: str, witness: Witness) -> None:
        """Keep a witness whose last entry has come on record.

        :param entry_hash: that entry's.
        """
        self._seen[gateway] = entry_hash, witness
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
