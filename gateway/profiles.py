"""What the administrator has a gateway know: meters, contracts and consumers, checked as a whole."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from gateway.contracts import Contract
from gateway.han.consumers import Consumer
from gateway.lmn.obis import format_obis
from gateway.lmn.profiles import Medium, MeterProfile, ProfileBook
from gateway.metering.rules import ListProfile, Register, tolerance
from gateway.tariffing.errors import ProfileError

__all__ = ["KnownConsumer", "ProfileError", "Profiles", "is_counter", "is_monotone"]

_TIME_INTEGRAL: Final = 8
"""OBIS group D of electricity's counters (Zählerstand)."""
_PHASES: Final = 20
"""Group C of a phase's quantity is that of the whole, and 20 times the phase."""
_ENERGIES: Final = frozenset((*range(1, 11), 15))
"""Groups C of energies that only rise: active, reactive and apparent in one direction, and the sum of both."""
_VOLUMES: Final[Mapping[Medium, frozenset[int]]] = MappingProxyType(
    {
        Medium.HEAT: frozenset({1, 2}),
        Medium.COOLING: frozenset({1, 2}),
        Medium.GAS: frozenset({3}),
        Medium.COLD_WATER: frozenset({1}),
        Medium.HOT_WATER: frozenset({1}),
    }
)
"""Groups C of energy and volume by medium, with a group D up to :data:`_LAST_VOLUME`. A heat cost allocator's count
begins anew each year."""
_LAST_VOLUME: Final = 3


def is_monotone(obis: bytes) -> bool:
    """Whether a register only ever rises: a counter of energy or volume; no power, voltage or net register."""
    medium, quantity, kind = obis[0], obis[2], obis[3]
    if medium == Medium.ELECTRICITY.value:
        return kind == _TIME_INTEGRAL and quantity < 4 * _PHASES and quantity % _PHASES in _ENERGIES
    known = {each.value: volumes for each, volumes in _VOLUMES.items()}
    return kind <= _LAST_VOLUME and quantity in known.get(medium, frozenset())


def is_counter(obis: bytes) -> bool:
    """Whether a register counts on, be it up and down (net registers): only then what lies between two of its values
    is what was used."""
    return obis[3] == _TIME_INTEGRAL if obis[0] == Medium.ELECTRICITY.value else is_monotone(obis)


@dataclass(frozen=True, slots=True)
class KnownConsumer:
    """A consumer (Anschlussnutzer) that the gateway lets in.

    :ivar consumer: by what he shows himself.
    :ivar certificates: his certificates; each is pinned.
    :ivar name: as people call him.
    """

    consumer: Consumer
    certificates: tuple[x509.Certificate, ...] = ()
    name: str = ""


@dataclass(frozen=True)
class Profiles:
    """All profiles of one gateway.

    :raises ProfileError: if they contradict one another; the text names what does.
    """

    meters: ProfileBook = field(default_factory=ProfileBook)
    contracts: tuple[Contract, ...] = ()
    consumers: tuple[KnownConsumer, ...] = ()

    def __post_init__(self) -> None:
        """:raises ProfileError: if they contradict one another."""
        self._check_consumers()
        _refuse_twice("contract", (contract.id for contract in self.contracts))
        meters = {meter.device_id: meter for meter in self.meters}
        known = {known.consumer.userid for known in self.consumers}
        owners: dict[str, Contract] = {}
        for contract in self.contracts:
            if contract.consumer not in known:
                raise ProfileError(f"contract {contract.id} is of consumer {contract.consumer}, who is not known")
            meter = meters.get(contract.meter)
            if meter is None:
                raise ProfileError(f"contract {contract.id} evaluates meter {contract.meter}, which has no profile")
            for register in contract.registers:
                if register not in meter.capture:
                    raise ProfileError(
                        f"contract {contract.id} evaluates {format_obis(register)}, and the profile of meter "
                        f"{contract.meter} does not capture it"
                    )
            other = owners.setdefault(contract.meter, contract)
            if other.consumer != contract.consumer:
                raise ProfileError(
                    f"meter {contract.meter} is evaluated for two consumers: by contract {other.id} for "
                    f"{other.consumer}, by contract {contract.id} for {contract.consumer}"
                )

    def _check_consumers(self) -> None:
        _refuse_twice("consumer", (known.consumer.userid for known in self.consumers))
        for known in self.consumers:
            userid, pinned = known.consumer.userid, {_fingerprint(one) for one in known.certificates}
            if pinned != set(known.consumer.fingerprints):
                raise ProfileError(f"the certificates of consumer {userid} are not those he is known by")
            if not known.consumer.ha1 and not pinned:
                raise ProfileError(f"consumer {userid} has neither a password nor a certificate")
        _refuse_twice("certificate", (one.hex() for known in self.consumers for one in known.consumer.fingerprints))

    def list_profiles(self, at: datetime) -> Mapping[Register, ListProfile]:
        """How the original list of each register is kept, by server id and OBIS code, both hexadecimal.

        Registers that no contract evaluates have no list: of them nothing is kept.
        """
        by_register: defaultdict[Register, list[Contract]] = defaultdict(list)
        for contract in self.contracts:
            for obis in contract.registers:
                by_register[contract.server_id, obis.hex()].append(contract)
        meters = {meter.server_id.hex(): meter for meter in self.meters}
        return {
            register: _list_profile(register, contracts, meters[register[0]], at)
            for register, contracts in by_register.items()
        }

    def consumer_of(self, meter: str) -> str | None:
        """Whose metering a meter's is, by device id or server id (hexadecimal); ``None`` where it is nobody's."""
        return next(
            (each.consumer for each in self.contracts if meter in (each.meter, each.server_id)),
            None,
        )

    def contract(self, consumer: str, id: str) -> Contract | None:
        """A consumer's contract; ``None`` if there is none, or it is not his."""
        return next((each for each in self.contracts_of(consumer) if each.id == id), None)

    def contracts_of(self, consumer: str) -> tuple[Contract, ...]:
        """A consumer's contracts."""
        return tuple(each for each in self.contracts if each.consumer == consumer)


def _list_profile(register: Register, contracts: Iterable[Contract], meter: MeterProfile, at: datetime) -> ListProfile:
    having = tuple(contracts)
    # One that has ended needs its readings still: the signature too is kept as it was.
    return ListProfile(
        register[0],
        register[1],
        having[0].consumer,
        max(each.retention for each in having),
        meter.period,
        billing=any(each.billed for each in having),
        monotone=is_monotone(bytes.fromhex(register[1])),
        active=any(_needs_readings(each, at, tolerance(meter.period)) for each in having),
    )


def _needs_readings(contract: Contract, at: datetime, beside: timedelta) -> bool:
    """Whether a reading captured then may count for it: for its begin or its end it may come beside it."""
    return contract.start - beside <= at and (contract.end is None or at <= contract.end + beside)


def _refuse_twice(what: str, names: Iterable[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ProfileError(f"{what} {twice[0]} is there twice")


def _fingerprint(certificate: x509.Certificate) -> bytes:
    return certificate.fingerprint(hashes.SHA256())
