"""The module's own life: which state follows which, and what must be in the module for it.

The states are :class:`securitymodule.coding.ModuleState`'s; the model is ours, after what Anlage VIII of BSI TR-03109-1
says of TR-03109-2: chapter 3 (initialisation file), 4 (root, preliminary pairs, seal certificates; before or after the
integration), 5 (integration), 6 (the administrator's keys), 10 (operational certificates). Who may ask for a step is
:mod:`securitymodule.card.access`'s to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from securitymodule.apdu import StatusWord
from securitymodule.card.contents import Contents, KeyPair, PinObject
from securitymodule.card.errors import Refused
from securitymodule.coding import (
    GWA_KEYS,
    OPERATIONAL_A_KEYS,
    OPERATIONAL_B_KEYS,
    PRELIMINARY_KEYS,
    FileId,
    KeyRef,
    ModuleState,
    Pin,
)


def has_certified(contents: Contents, keys: Iterable[KeyRef]) -> bool:
    """Whether all these key pairs are in the module, each with its certificate."""
    return all(key in contents.pairs and contents.certificate(key) for key in keys)


def is_prepersonalised(contents: Contents) -> bool:
    """Root, preliminary pairs and seal certificates (Gütesiegelzertifikate) are in (Anlage VIII, ch. 4)."""
    return bool(contents.certificate(KeyRef.ROOT)) and has_certified(contents, PRELIMINARY_KEYS)


def is_integrated(contents: Contents) -> bool:
    """A gateway has put a system PIN of its own in the place of the transport PIN (Anlage VIII, ch. 5; ours)."""
    return Pin.SYSTEM in contents.pins and not contents.pins[Pin.SYSTEM].transport


def has_administrator(contents: Contents) -> bool:
    """The GWA's public keys are in, all of them (Anlage VIII, ch. 6)."""
    return all(contents.certificate(key) for key in GWA_KEYS)


def operational_triples(contents: Contents) -> int:
    """How many operational triples with all their certificates (Wirkzertifikate) are in."""
    return sum(has_certified(contents, keys) for keys in (OPERATIONAL_A_KEYS, OPERATIONAL_B_KEYS))


def is_personalised(contents: Contents) -> bool:
    """An operational triple with its certificates is in, and an administrator to answer to (Anlage VIII, ch. 10)."""
    return has_administrator(contents) and operational_triples(contents) > 0


Condition = Callable[[Contents], bool]

STEPS: Final[dict[tuple[ModuleState, ModuleState], Condition]] = {
    (ModuleState.INITIALISED, ModuleState.PREPERSONALISED): is_prepersonalised,
    (ModuleState.INITIALISED, ModuleState.INTEGRATED): is_integrated,
    (ModuleState.PREPERSONALISED, ModuleState.READY): is_integrated,
    (ModuleState.INTEGRATED, ModuleState.READY): is_prepersonalised,
    (ModuleState.READY, ModuleState.OPERATIONAL): is_personalised,
}
"""What ACTIVATE does: from where to where, and what must be in the module."""


def activated(contents: Contents, target: int) -> Contents:
    """The contents in the next state.

    :raises Refused: 6985, no such step leads from here, or what the state stands for is not in the module.
    """
    for (before, after), holds in STEPS.items():
        if before is contents.state and after == target and holds(contents):
            return replace(contents, state=after)
    raise Refused(StatusWord.CONDITIONS_NOT_SATISFIED)


def initialised(serial: str, pins: dict[Pin, PinObject], attestation: KeyPair) -> Contents:
    """The contents of a module that has taken its initialisation file."""
    return Contents(serial=serial, state=ModuleState.INITIALISED, pins=pins, pairs={KeyRef.ATTESTATION: attestation})


def terminated(contents: Contents) -> Contents:
    """What is left at the end: the serial number, the attestation key, and the head of the record as last stated."""
    head = contents.files.get(FileId.EF_RECORD_HEAD, b"")
    return Contents(
        serial=contents.serial,
        state=ModuleState.TERMINATED,
        known_time=contents.known_time,
        pairs={KeyRef.ATTESTATION: contents.pairs[KeyRef.ATTESTATION]},
        files={FileId.EF_RECORD_HEAD: head} if head else {},
    )
