"""The consumers of a gateway's profiles, as the HAN interface looks them up."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cryptography import x509

from gateway.han.consumers import Consumer
from gateway.profiles import Profiles


class KnownConsumers:
    """Whoever is in the profiles as they are now. Satisfies :class:`gateway.han.consumers.Consumers`."""

    def __init__(self, profiles: Callable[[], Profiles]) -> None:
        """:param profiles: the profiles as they are now."""
        self._profiles = profiles

    def named(self, userid: str) -> Consumer | None:
        """The consumer of this name."""
        known = self._profiles().consumers
        return next((each.consumer for each in known if each.consumer.userid == userid), None)

    def certified(self, fingerprint: bytes) -> Consumer | None:
        """The consumer with the certificate of this SHA-256 fingerprint."""
        known = self._profiles().consumers
        return next((each.consumer for each in known if fingerprint in each.consumer.fingerprints), None)

    def certificates(self) -> Sequence[x509.Certificate]:
        """Every certificate a consumer may show."""
        return [one for each in self._profiles().consumers for one in each.certificates]
