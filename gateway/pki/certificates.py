"""Which certificates the gateway has, which are in use, and when they end.

The operational triple has two places in the module, so that a renewal overlaps with what it renews. Which of two whole
triples is in use stands in the certificates themselves: the one of the later generation (SERIALNUMBER in the name).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509

from gateway.pki.keys import OPERATIONAL_PLACES, PRELIMINARY
from gateway.pki.triples import Places, held_in, number_of
from securitymodule.client import SecurityModule
from securitymodule.coding import OPERATIONAL_KEYS, KeyRef
from smpki.profiles import KeyUse

RENEW_AHEAD: Final = timedelta(days=90)
"""How long before the end of a certificate its renewal is due; ours."""


@dataclass(frozen=True, slots=True)
class HeldCertificate:
    """A certificate of the gateway's own, with its key pair in the module.

    :ivar key: where it is.
    :ivar use: what for.
    :ivar operational: whether it is a Wirkzertifikat, or else a Gütesiegelzertifikat.
    :ivar certificate: the certificate.
    """

    key: KeyRef
    use: KeyUse
    operational: bool
    certificate: x509.Certificate


class Certificates:
    """The gateway's certificates, as they are in its module."""

    def __init__(self, module: Callable[[], SecurityModule]) -> None:
        """:param module: the module, its secure channel open."""
        self._module = module

    def held(self) -> list[HeldCertificate]:
        """All that are in the module: the preliminary ones, then those of the two operational places.

        :raises ModuleError: if the module cannot be asked.
        """
        module = self._module()
        return [
            HeldCertificate(places[use], use, places[use] in OPERATIONAL_KEYS, certificate)
            for places in (PRELIMINARY, *OPERATIONAL_PLACES)
            for use, certificate in held_in(module, places).items()
        ]

    def current(self) -> dict[KeyUse, HeldCertificate]:
        """The triple in use: the later of the operational ones that are whole, else the preliminary one; or nothing.

        :raises ModuleError: if the module cannot be asked.
        """
        held = {found.key: found for found in self.held()}
        whole = [
            {use: held[key] for use, key in places.items()}
            for places in (*OPERATIONAL_PLACES, PRELIMINARY)
            if all(key in held for key in places.values())
        ]
        return max(whole, key=_rank, default={})

    def ends(self) -> datetime | None:
        """When the first certificate in use ends, UTC; ``None`` where none is.

        :raises ModuleError: if the module cannot be asked.
        """
        return min((found.certificate.not_valid_after_utc for found in self.current().values()), default=None)

    def renewal_due(self, at: datetime, ahead: timedelta = RENEW_AHEAD) -> bool:
        """Whether certificates in use end within some time; not where there are none.

        :param at: the time, UTC.
        :raises ModuleError: if the module cannot be asked.
        """
        ends = self.ends()
        return ends is not None and ends - ahead <= at

    def free_place(self) -> Places:
        """The operational place that is not in use: where the next keys are to be made.

        :raises ModuleError: if the module cannot be asked.
        """
        in_use = {found.key for found in self.current().values()}
        return next(places for places in OPERATIONAL_PLACES if in_use.isdisjoint(places.values()))


def _rank(found: dict[KeyUse, HeldCertificate]) -> tuple[bool, int]:
    signing = found[KeyUse.SIG]
    return signing.operational, number_of(signing.certificate)
