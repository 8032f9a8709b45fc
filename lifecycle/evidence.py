"""The facts a transition depends on, and the conditions over them.

Facts (:mod:`lifecycle.facts`) are for good; what comes and goes, the open faults, is kept beside them.
:class:`Evidence` holds both and is nothing but data. A :class:`Condition` is a mask over it, so which facts it reads
can be seen without running it: the completeness of the proof stands on that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum, unique
from functools import reduce
from operator import or_

from lifecycle.facts import Fact
from lifecycle.faults import FAULT_STATES, FAULTS, Catalogue
from lifecycle.states import State


@unique
class OpenFaultKind(StrEnum):
    """What the open faults amount to: whether one is open that leads to each phase of the category Störung."""

    REVERSIBLE_FAULT_OPEN = "REVERSIBLE_FAULT_OPEN"
    IRREVERSIBLE_FAULT_OPEN = "IRREVERSIBLE_FAULT_OPEN"
    OUTAGE_FAULT_OPEN = "OUTAGE_FAULT_OPEN"


Term = Fact | OpenFaultKind
"""What a condition can speak of."""

TERMS: tuple[Term, ...] = (*Fact, *OpenFaultKind)
"""Every term, in the order of its bit."""

BIT: dict[Term, int] = {term: 1 << position for position, term in enumerate(TERMS)}
"""The bit that stands for a term in :attr:`Evidence.bits`."""

FAULT_KIND_OF: dict[State, OpenFaultKind] = dict(zip(FAULT_STATES, OpenFaultKind, strict=True))
"""Which kind of open fault justifies which phase."""

_FACT_BITS = sum(BIT[fact] for fact in Fact)


def mask(terms: Iterable[Term]) -> int:
    """The bits of some terms together."""
    return reduce(or_, (BIT[term] for term in terms), 0)


@dataclass(frozen=True, slots=True, order=True)
class OpenFault:
    """A fault that is open, and for whom where it concerns one consumer at a time.

    :ivar name: name in the catalogue.
    :ivar subject: the consumer concerned; empty when the fault is the whole gateway's.
    """

    name: str
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is on record of one gateway and matters to the law.

    :ivar bits: one bit a term (``BIT``): facts on record and kinds of open fault.
    :ivar faults: the open faults, sorted.
    """

    bits: int = 0
    faults: tuple[OpenFault, ...] = ()

    @classmethod
    def of(cls, *terms: Term) -> Evidence:
        """Evidence with just these terms; for kinds of open fault no fault is named."""
        return cls(mask(terms))

    @property
    def facts(self) -> frozenset[Fact]:
        """The facts on record."""
        return frozenset(fact for fact in Fact if self.bits & BIT[fact])

    def __contains__(self, term: Term) -> bool:
        return bool(self.bits & BIT[term])

    def with_fact(self, fact: Fact) -> Evidence:
        """The same with one more fact."""
        return Evidence(self.bits | BIT[fact], self.faults)

    def with_fault(self, fault: OpenFault, catalogue: Catalogue = FAULTS) -> Evidence:
        """The same with one more open fault.

        :raises KeyError: if the catalogue does not know it.
        """
        return self._with_faults((*self.faults, fault), catalogue)

    def without_fault(self, fault: OpenFault, catalogue: Catalogue = FAULTS) -> Evidence:
        """The same with this fault closed."""
        return self._with_faults((other for other in self.faults if other != fault), catalogue)

    def _with_faults(self, faults: Iterable[OpenFault], catalogue: Catalogue) -> Evidence:
        ordered = tuple(faults)
        if len(ordered) > 1:
            ordered = tuple(sorted(set(ordered)))
        bits = self.bits & _FACT_BITS
        for fault in ordered:
            bits |= BIT[FAULT_KIND_OF[catalogue[fault.name].leads_to]]
        return Evidence(bits, ordered)


NOTHING = Evidence()
"""The evidence of a gateway of which nothing is on record."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold, as masks over evidence.

    :ivar id: short name, lower case with hyphens.
    :ivar text: the condition in words.
    :ivar chapter: chapter of the Anlage.
    :ivar all_of: every one of these is on record.
    :ivar any_of: at least one of these is; empty asks nothing.
    :ivar none_of: none of these is.
    """

    id: str
    text: str
    chapter: str
    all_of: frozenset[Term] = frozenset()
    any_of: frozenset[Term] = frozenset()
    none_of: frozenset[Term] = frozenset()
    _all: int = field(init=False, repr=False, compare=False)
    _any: int = field(init=False, repr=False, compare=False)
    _none: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_all", mask(self.all_of))
        object.__setattr__(self, "_any", mask(self.any_of))
        object.__setattr__(self, "_none", mask(self.none_of))

    @property
    def reads(self) -> frozenset[Term]:
        """The terms that the condition depends on; no other can change its answer."""
        return self.all_of | self.any_of | self.none_of

    def holds(self, bits: int) -> bool:
        """Whether the condition holds for these evidence bits."""
        return bits & self._all == self._all and (not self._any or bool(bits & self._any)) and not bits & self._none

    def found(self, bits: int) -> str:
        """What was found where the condition fails, in words; empty where it holds."""
        parts = []
        missing = [term.value for term in TERMS if term in self.all_of and not bits & BIT[term]]
        if missing:
            parts.append("not on record: " + ", ".join(missing))
        if self._any and not bits & self._any:
            parts.append("none on record of: " + ", ".join(term.value for term in TERMS if term in self.any_of))
        present = [term.value for term in TERMS if term in self.none_of and bits & BIT[term]]
        if present:
            parts.append("on record: " + ", ".join(present))
        return "; ".join(parts)


def _condition(
    identifier: str,
    text: str,
    chapter: str,
    *all_of: Term,
    any_of: Iterable[Term] = (),
    none_of: Iterable[Term] = (),
) -> Condition:
    return Condition(identifier, text, chapter, frozenset(all_of), frozenset(any_of), frozenset(none_of))


DEVELOPMENT_ENDED = _condition(
    "development-complete", "development is declared complete", "2, 3", Fact.DEVELOPMENT_COMPLETE
)
MODULE_INITIALISED = _condition(
    "module-initialised", "module initialised from its initialisation file", "4, 5", Fact.MODULE_INITIALISED
)
ROOT_AND_SEAL = _condition(
    "root-and-seal-certificates",
    "SM-PKI root certificate, preliminary key pairs and seal certificates (TLS, SIG, ENC) are in the module",
    "4, 6",
    Fact.ROOT_CERTIFICATE_IN_MODULE,
    Fact.PRELIMINARY_KEYS_IN_MODULE,
    Fact.SEAL_CERTIFICATES_IN_MODULE,
)
MODULE_INTEGRATED = _condition("module-integrated", "module integrated", "5, 6", Fact.MODULE_INTEGRATED)
NO_SEAL_YET = _condition(
    "no-seal-certificates-yet",
    "no seal certificates in the module yet",
    "4",
    none_of=[Fact.SEAL_CERTIFICATES_IN_MODULE],
)
INITIAL_CONFIGURATION = _condition(
    "initial-configuration",
    "initial configuration file imported: GWA certificate chain and file signature verified by the module, "
    "GWA public keys in the module, GWA communication data enabled",
    "6",
    Fact.INITIAL_CONFIGURATION_IMPORTED,
    Fact.GWA_CERTIFICATES_VERIFIED,
    Fact.CONFIGURATION_SIGNATURE_VERIFIED,
    Fact.GWA_PUBLIC_KEYS_IN_MODULE,
    Fact.GWA_COMMUNICATION_ENABLED,
)
HANDED_OVER_TO_MSB = _condition(
    "handed-over-to-msb",
    "GWH has handed over, MSB has taken over",
    "7, 8",
    Fact.GWH_HANDED_OVER,
    Fact.MSB_TOOK_OVER,
)
HANDED_OVER_TO_MONTEUR = _condition(
    "handed-over-to-monteur",
    "MSB has handed over, Monteur has taken over",
    "8, 9",
    Fact.MSB_HANDED_OVER_TO_MONTEUR,
    Fact.MONTEUR_TOOK_OVER,
)
IN_THE_FIELD = _condition("place-is-field", "place is the field", "9", Fact.ARRIVED_IN_FIELD)
MOUNTED = _condition("mounted", "mounted", "9, 10", Fact.MOUNTED)
COMMUNICATION_PARAMETERS = _condition(
    "communication-parameters",
    "communication parameters set where the site needs them",
    "9, 10",
    any_of=[Fact.COMMUNICATION_PARAMETERS_SET, Fact.COMMUNICATION_PARAMETERS_NOT_NEEDED],
)
LOCAL_OFF = _condition("local-interface-off", "local interface off", "10", Fact.LOCAL_INTERFACE_OFF)
OPERATIONAL_CERTIFICATES = _condition(
    "operational-certificates",
    "operational certificates (Wirkzertifikate: TLS, SIG, ENC) in the module",
    "10, 11",
    Fact.OPERATIONAL_CERTIFICATES_IN_MODULE,
)
REVERSIBLE = _condition(
    "clearable-fault-open",
    "a fault is open that administration can clear",
    "15",
    OpenFaultKind.REVERSIBLE_FAULT_OPEN,
)
NO_FAULT = _condition("no-open-fault", "no open fault", "11, 15", none_of=list(OpenFaultKind))
IRREVERSIBLE = _condition(
    "irreversible-fault-open",
    "a fault is open that cannot be cleared, metering affected",
    "16",
    OpenFaultKind.IRREVERSIBLE_FAULT_OPEN,
)
OUT = _condition(
    "breach-or-functionless",
    "security breach, or functionless",
    "17",
    OpenFaultKind.OUTAGE_FAULT_OPEN,
)
REVOKED = _condition(
    "certificates-revoked",
    "GWA had every certificate of the gateway revoked",
    "11, 12, 16, 17",
    Fact.EVERY_CERTIFICATE_REVOKED,
)
TERMINATED = _condition("module-terminated", "GWA has terminated the module", "11, 16", Fact.MODULE_TERMINATED)
REMOVED = _condition("removal-complete", "removal reported complete", "12, 13, 18, 19", Fact.REMOVAL_COMPLETE)
HANDED_OVER_TO_RECYCLER = _condition(
    "handed-over-to-recycler",
    "MSB has handed over, Recycler has taken over",
    "13, 14, 19, 20",
    Fact.MSB_HANDED_OVER_TO_RECYCLER,
    Fact.RECYCLER_TOOK_OVER,
)
DESTROYED = _condition("module-destroyed", "module physically destroyed", "14, 20", Fact.MODULE_DESTROYED)
