"""Faults known by name (Störungen, ch. 15 to 17): where each leads, what it affects, who sees it and who clears it.

The Anlage names some and leaves the rest to the Schutzprofil and the manufacturer (ch. 15), so the catalogue is open:
:meth:`Catalogue.extended` adds a maker's own. Each entry says its source.

A gateway in OUTAGE cannot speak, and to the GWA it looks like a broken connection (ch. 17). So the GWA may report what
administration sees, but a functionless gateway only through the Servicetechniker's diagnosis on site: that diagnosis
is the entry, signed by the Servicetechniker.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from lifecycle.functions import HANDLES_READINGS, METERING, Function, Interface
from lifecycle.roles import Role
from lifecycle.states import State

EVERYTHING: frozenset[Function] = frozenset(Function)

FAULT_STATES: tuple[State, ...] = (State.REVERSIBLE_FAULT, State.IRREVERSIBLE_FAULT, State.OUTAGE)
"""The phases of the category Störung, from the lightest to the gravest."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    :ivar name: its name in the record, lower case with hyphens.
    :ivar german: the German term.
    :ivar leads_to: the phase of the category Störung that it justifies.
    :ivar affects: the functions that are off while it is open.
    :ivar reported_by: roles whose signed word opens it.
    :ivar cleared_by: roles whose signed word closes it; empty when nothing does.
    :ivar clearing: what clears it, for people.
    :ivar source: where it is named.
    :ivar shuts: the interfaces that are off while it is open, whatever function is asked for.
    :ivar per_subject: whether it concerns one consumer at a time, named as *subject* in the record.
    :ivar german_clearing: what clears it, in German.
    """

    name: str
    german: str
    leads_to: State
    affects: frozenset[Function]
    reported_by: frozenset[Role]
    cleared_by: frozenset[Role]
    clearing: str
    source: str
    shuts: frozenset[Interface] = frozenset()
    per_subject: bool = False
    german_clearing: str = ""

    def __post_init__(self) -> None:
        """Refuse a fault the law could not place.

        :raises ValueError: if it leads to no phase of the category Störung, or is irreversible and yet clearable.
        """
        if self.leads_to not in FAULT_STATES:
            raise ValueError(f"fault {self.name!r} leads to {self.leads_to}, which is no phase of the category Störung")
        if self.cleared_by and self.leads_to is not State.REVERSIBLE_FAULT:
            raise ValueError(f"fault {self.name!r} leads to {self.leads_to} and so can be cleared by nobody")


class Catalogue(Mapping[str, Fault]):
    """Faults by name; unchangeable, extended by making a larger one."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self._faults = {fault.name: fault for fault in faults}

    def __getitem__(self, name: str) -> Fault:
        return self._faults[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._faults)

    def __len__(self) -> int:
        return len(self._faults)

    def extended(self, *faults: Fault) -> Catalogue:
        """A catalogue with a maker's own faults added (ch. 15).

        :raises ValueError: if one of them has a name that is taken.
        """
        for fault in faults:
            if fault.name in self._faults:
                raise ValueError(f"a fault named {fault.name!r} is in the catalogue already")
        return Catalogue([*self._faults.values(), *faults])


_NOBODY: frozenset[Role] = frozenset()
_DEVICE = frozenset({Role.GATEWAY, Role.GWA})
_ON_SITE = frozenset({Role.GATEWAY, Role.SERVICETECHNIKER})
_ANYONE = frozenset({Role.GATEWAY, Role.GWA, Role.SERVICETECHNIKER})
_STORING = HANDLES_READINGS - {Function.READ_OWN_DATA}

FAULTS = Catalogue(
    [
        Fault(
            "consumer-log-full",
            "Kapazitätsgrenze des Anschlussnutzer-Logs erreicht",
            State.REVERSIBLE_FAULT,
            METERING,
            _DEVICE,
            _DEVICE,
            "the GWA frees the log",
            "ch. 15",
            per_subject=True,
            german_clearing="der GWA gibt das Log frei",
        ),
        Fault(
            "time-synchronisation-failing",
            "wiederholt fehlgeschlagene Zeitsynchronisation",
            State.REVERSIBLE_FAULT,
            frozenset({Function.DERIVE_REGISTERS, Function.DELIVER_VALUES}),
            _DEVICE,
            _DEVICE,
            "valid time again",
            "ch. 15",
            german_clearing="wieder gültige Zeit",
        ),
        Fault(
            "clock-deviation",
            "Abweichung der Systemzeit über 3 % der kleinsten Registrierperiode",
            State.REVERSIBLE_FAULT,
            frozenset({Function.DERIVE_REGISTERS, Function.DELIVER_VALUES}),
            _DEVICE,
            _DEVICE,
            "valid time again",
            "published manual of a certified gateway (27 s at 15 min)",
            german_clearing="wieder gültige Zeit",
        ),
        Fault(
            "connection-fault",
            "Verbindungsstörung",
            State.REVERSIBLE_FAULT,
            frozenset(),
            _ANYONE,
            frozenset({Role.SERVICETECHNIKER}),
            "the Servicetechniker, on site",
            "ch. 15",
            german_clearing="der Servicetechniker, vor Ort",
        ),
        Fault(
            "reading-store-critical",
            "Messwertspeicher an der kritischen Grenze",
            State.REVERSIBLE_FAULT,
            _STORING,
            _DEVICE,
            _DEVICE,
            "the GWA, or retention makes room",
            "published manual of a certified gateway",
            german_clearing="der GWA, oder Platz durch Löschfristen",
        ),
        Fault(
            "disk-full",
            "Datenträger voll",
            State.REVERSIBLE_FAULT,
            _STORING,
            _DEVICE,
            _DEVICE,
            "the GWA, or retention makes room",
            "ours, after ch. 15 (the manufacturer may add events)",
            german_clearing="der GWA, oder Platz durch Löschfristen",
        ),
        Fault(
            "wan-han-not-separated",
            "Trennung von WAN und HAN nicht gegeben",
            State.REVERSIBLE_FAULT,
            frozenset({Function.OPEN_CHANNEL}),
            _DEVICE,
            _DEVICE,
            "the GWA, after a passed self-test",
            "published manual of a certified gateway",
            shuts=frozenset({Interface.HAN_CONSUMER, Interface.HAN_TECHNICIAN, Interface.CLS}),
            german_clearing="der GWA, nach bestandenem Selbsttest",
        ),
        Fault(
            "calibration-log-full",
            "Kapazitätsgrenze des Eichlogs erreicht",
            State.IRREVERSIBLE_FAULT,
            METERING,
            _DEVICE,
            _NOBODY,
            "nothing",
            "ch. 16",
            german_clearing="nichts",
        ),
        Fault(
            "connection-beyond-repair",
            "nicht behebbare Verbindungsstörung",
            State.IRREVERSIBLE_FAULT,
            frozenset(
                {
                    Function.DELIVER_VALUES,
                    Function.OPEN_CHANNEL,
                    Function.HANDLE_WAKE_UP,
                    Function.SYNCHRONISE_TIME,
                }
            ),
            _ON_SITE,
            _NOBODY,
            "nothing",
            "ch. 16",
            german_clearing="nichts",
        ),
        *(
            Fault(
                name,
                german,
                State.OUTAGE,
                EVERYTHING,
                reported_by,
                _NOBODY,
                "nothing",
                source,
                german_clearing="nichts",
            )
            for name, german, reported_by, source in (
                ("security-breach", "Sicherheitsverletzung", _ON_SITE, "ch. 17"),
                ("functionless", "SMGW funktionslos", frozenset({Role.SERVICETECHNIKER}), "ch. 17"),
                ("module-integrity-lost", "Integrität des Sicherheitsmoduls verloren", _ON_SITE, "ours, after ch. 17"),
                ("firmware-integrity-lost", "Integrität der Firmware verloren", _ON_SITE, "ours, after ch. 17"),
                ("record-integrity-lost", "Integrität der Lebenslaufakte verloren", _ON_SITE, "ours, after ch. 17"),
                ("module-absent", "Sicherheitsmodul fehlt", _ON_SITE, "ours, after ch. 17"),
                ("module-terminated-unasked", "Sicherheitsmodul ungewollt terminiert", _ON_SITE, "ours, after ch. 17"),
            )
        ),
    ]
)
"""The catalogue that the project ships."""
