"""What a module holds, as one value: a command makes a new one of it, and that one is stored or it is not.

The encoded form is JSON with bytes in hexadecimal; it is ours, and nobody sees it but the seal, which encrypts it.
Secrets inside are wrapped in the vault besides (:mod:`securitymodule.card.vault`), so they are in the clear nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, TypeVar

import orjson

from securitymodule.card.errors import StateDamaged
from securitymodule.coding import CERTIFICATE_FILES, KeyRef, ModuleState, Pin

FORMAT: Final = 1

K = TypeVar("K")
V = TypeVar("V")


def _nothing() -> Mapping[Any, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class PinObject:
    """A PIN as the module keeps it.

    :ivar reference: what a presented PIN is checked against, wrapped.
    :ivar tries_left: how often it may still be presented.
    :ivar tries: how often after it was presented rightly.
    :ivar transport: whether it is still the one of the initialisation file.
    """

    reference: bytes = field(repr=False)
    tries_left: int
    tries: int
    transport: bool = True


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A key pair as the module keeps it.

    :ivar domain: standardised domain parameters of its curve.
    :ivar point: the public key, uncompressed.
    :ivar private: the private key, wrapped.
    """

    domain: int
    point: bytes
    private: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything that outlives a reset.

    :ivar serial: serial number, empty before the initialisation.
    :ivar state: where the module is in its life.
    :ivar known_time: a time that is certainly past, seconds since 1970: the youngest beginning of a verified
        certificate's validity. A host's clock set back does not set this back.
    :ivar pins: PIN objects.
    :ivar pairs: the module's own key pairs, the attestation key among them.
    :ivar files: contents of files by identifier, those that are empty left out.
    :ivar sizes: sizes of the files that CREATE FILE made, in bytes.
    """

    serial: str = ""
    state: ModuleState = ModuleState.CREATED
    known_time: int = 0
    pins: Mapping[Pin, PinObject] = field(default_factory=_nothing)
    pairs: Mapping[KeyRef, KeyPair] = field(default_factory=_nothing)
    files: Mapping[int, bytes] = field(default_factory=_nothing)
    sizes: Mapping[int, int] = field(default_factory=_nothing)

    def certificate(self, key: KeyRef) -> bytes:
        """The certificate (DER) of a key, empty where there is none."""
        return self.files.get(CERTIFICATE_FILES[key], b"")

    def with_pin(self, pin: Pin, changed: PinObject) -> Contents:
        """The same with one PIN object changed."""
        return replace(self, pins=with_entry(self.pins, pin, changed))

    def with_pair(self, key: KeyRef, pair: KeyPair | None) -> Contents:
        """The same with a key pair put in, or taken out together with its certificate."""
        if pair is None:
            return replace(self.with_file(CERTIFICATE_FILES[key], b""), pairs=without_entry(self.pairs, key))
        return replace(self, pairs=with_entry(self.pairs, key, pair))

    def with_file(self, identifier: int, content: bytes) -> Contents:
        """The same with the content of one file changed."""
        if not content:
            return replace(self, files=without_entry(self.files, identifier))
        return replace(self, files=with_entry(self.files, identifier, content))

    def encode(self) -> bytes:
        """The stored form."""
        told = {
            "format": FORMAT,
            "serial": self.serial,
            "state": int(self.state),
            "known_time": self.known_time,
            "pins": {str(int(pin)): _told_pin(self.pins[pin]) for pin in self.pins},
            "pairs": {str(int(key)): _told_pair(self.pairs[key]) for key in self.pairs},
            "files": {str(int(identifier)): content.hex() for identifier, content in self.files.items()},
            "sizes": {str(int(identifier)): size for identifier, size in self.sizes.items()},
        }
        return orjson.dumps(told, option=orjson.OPT_SORT_KEYS)

    @classmethod
    def decode(cls, stored: bytes) -> Contents:
        """What was stored.

        :raises StateDamaged: if another version wrote it.
        """
        try:
            told: dict[str, Any] = orjson.loads(stored)
            if told["format"] != FORMAT:
                raise StateDamaged(f"the state has format {told['format']!r}, and this version reads {FORMAT}")
            return cls(
                serial=told["serial"],
                state=ModuleState(told["state"]),
                known_time=told["known_time"],
                pins={Pin(int(pin)): _pin_of(entry) for pin, entry in told["pins"].items()},
                pairs={KeyRef(int(key)): _pair_of(entry) for key, entry in told["pairs"].items()},
                files={int(identifier): bytes.fromhex(content) for identifier, content in told["files"].items()},
                sizes={int(identifier): size for identifier, size in told["sizes"].items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StateDamaged(f"the state is not one that this version writes ({type(error).__name__})") from None


def with_entry(mapping: Mapping[K, V], key: K, value: V) -> Mapping[K, V]:
    """The same mapping with one entry put in."""
    return MappingProxyType({**mapping, key: value})


def without_entry(mapping: Mapping[K, V], key: K) -> Mapping[K, V]:
    """The same mapping without one entry."""
    return MappingProxyType({other: value for other, value in mapping.items() if other != key})


def _told_pin(pin: PinObject) -> list[Any]:
    return [pin.reference.hex(), pin.tries_left, pin.tries, pin.transport]


def _pin_of(told: list[Any]) -> PinObject:
    reference, tries_left, tries, transport = told
    return PinObject(bytes.fromhex(reference), tries_left, tries, transport)


def _told_pair(pair: KeyPair) -> list[Any]:
    return [pair.domain, pair.point.hex(), pair.private.hex()]


def _pair_of(told: list[Any]) -> KeyPair:
    domain, point, private = told
    return KeyPair(domain, bytes.fromhex(point), bytes.fromhex(private))
