"""Evidence about the module is shown, not claimed: the module's own attestation stands in the entry that tells a fact.

Whoever puts a fact about the module on record has the module sign what is in it (Selbstauskunft,
:mod:`securitymodule.statements`), bound to this gateway and to the facts that it is for; the signed bytes are the
entry's detail. The entry of MODULE_INITIALISED also names the module's attestation key, which pins it by the signature
of the manufacturer (GWH). From then on nobody's word alone puts a fact about this module on record. The form is ours::

    "detail": {"attestation": Base64 of 7F4E {...} 5F37 signature,
               "attestation_key": uncompressed point on brainpoolP256r1, hexadecimal; with MODULE_INITIALISED only}

:class:`ModuleWitness` examines that when a record is replayed. Of the initial configuration file (ch. 6) the module
shows what it holds itself: the GWA's certificates, which it imports only under its root, and their keys. The other
three facts about the file are not in :data:`MODULE_FACTS`. A module that has verified a signature keeps no trace of it,
and bytes that an attestation binds are the asker's word, not the module's; the file and the communication data lie
outside of it. These facts stay what they are: the signed word of the GWH or of the gateway. For the same reason the
module does not show its own destruction (ch. 14, 20): what is destroyed signs nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec

from lifecycle.canonical import JournalError, decode_signature, encode_signature
from lifecycle.facts import Fact
from lifecycle.journal import GATEWAY_ID, Entry, Json, Kind, check_gateway_id
from securitymodule.coding import (
    GWA_KEYS,
    OPERATIONAL_A_KEYS,
    OPERATIONAL_B_KEYS,
    PRELIMINARY_KEYS,
    RECORD_HEAD_BYTES,
    KeyRef,
    ModuleState,
)
from securitymodule.curves import CurveError, decode_point
from securitymodule.statements import ATTESTATION_CURVE, Attestation, SignedAttestation, StatementError

if TYPE_CHECKING:
    from securitymodule.client import SecurityModule

ATTESTATION: Final = "attestation"
ATTESTATION_KEY: Final = "attestation_key"
"""Names in the detail of an entry. In a record they stand for this and nothing else."""

_FORMAT: Final = "smgw-evidence/1"
_NONCE_BYTES: Final = 16
_HASH_BYTES: Final = 32
_SEQUENCE_BYTES: Final = RECORD_HEAD_BYTES - _HASH_BYTES


class EvidenceError(Exception):
    """The module does not show what was to go on record, or an attestation is not what it should be."""


@dataclass(frozen=True, slots=True)
class _Needed:
    """What an attestation has to say.

    :ivar states: the module is in one of these.
    :ivar groups: all keys of one of these groups are in it.
    :ivar certified: whether each with its certificate.
    """

    states: frozenset[ModuleState]
    groups: tuple[tuple[KeyRef, ...], ...] = ((),)
    certified: bool = True


_IN_USE: Final = frozenset(ModuleState) - {ModuleState.CREATED, ModuleState.TERMINATED}
_IN_A_GATEWAY: Final = frozenset({ModuleState.INTEGRATED, ModuleState.READY, ModuleState.OPERATIONAL})
_HAS_ADMINISTRATOR: Final = _Needed(_IN_USE, (GWA_KEYS,))

_NEEDED: Final[dict[Fact, _Needed]] = {
    Fact.MODULE_INITIALISED: _Needed(_IN_USE),
    Fact.ROOT_CERTIFICATE_IN_MODULE: _Needed(_IN_USE, ((KeyRef.ROOT,),)),
    Fact.PRELIMINARY_KEYS_IN_MODULE: _Needed(_IN_USE, (PRELIMINARY_KEYS,), certified=False),
    Fact.SEAL_CERTIFICATES_IN_MODULE: _Needed(_IN_USE, (PRELIMINARY_KEYS,)),
    Fact.MODULE_INTEGRATED: _Needed(_IN_A_GATEWAY),
    Fact.GWA_CERTIFICATES_VERIFIED: _HAS_ADMINISTRATOR,
    Fact.GWA_PUBLIC_KEYS_IN_MODULE: _HAS_ADMINISTRATOR,
    Fact.OPERATIONAL_CERTIFICATES_IN_MODULE: _Needed(
        frozenset({ModuleState.OPERATIONAL}), (OPERATIONAL_A_KEYS, OPERATIONAL_B_KEYS)
    ),
    Fact.MODULE_TERMINATED: _Needed(frozenset({ModuleState.TERMINATED})),
}

MODULE_FACTS: Final[frozenset[Fact]] = frozenset(_NEEDED)
"""The facts about the module: those that it can show itself."""


def bound_to(gateway: str, facts: Iterable[Fact]) -> bytes:
    """What an attestation binds: the gateway, and the facts that it is for. ASCII, words between single spaces.

    :raises lifecycle.canonical.JournalError: if *gateway* is no identification.
    :raises EvidenceError: if there are no facts, or others than :data:`MODULE_FACTS`.
    """
    wanted = frozenset(facts)
    others = sorted(wanted - MODULE_FACTS)
    if others:
        raise EvidenceError(f"no fact about the module: {', '.join(others)}")
    if not wanted:
        raise EvidenceError("an attestation for no fact at all")
    return " ".join((_FORMAT, check_gateway_id(gateway), *sorted(wanted))).encode("ascii")


def shows(attestation: Attestation, fact: Fact) -> str | None:
    """``None`` if what a module says of itself shows a fact about it; else why not, in words."""
    needed = _NEEDED.get(fact)
    if needed is None:
        return "it is no fact about the module"
    if attestation.state not in needed.states:
        return f"the module is {attestation.state.name}, not {_either(needed.states)}"
    lacking = [_lacking(attestation, group, certified=needed.certified) for group in needed.groups]
    return " and ".join(lacking) if all(lacking) else None


def attested(module: SecurityModule, gateway: str, *facts: Fact) -> dict[str, Json]:
    """The detail of the entries that tell these facts, one after the other: the module's attestation, asked for now.

    With MODULE_INITIALISED, which stands alone, the detail names the module's attestation key too.

    :raises EvidenceError: if the module does not show one of the facts.
    :raises lifecycle.canonical.JournalError: if *gateway* is no identification.
    :raises securitymodule.errors.ModuleError: if the module cannot be asked.
    """
    pins = Fact.MODULE_INITIALISED in facts
    if pins and set(facts) != {Fact.MODULE_INITIALISED}:
        raise EvidenceError(f"{Fact.MODULE_INITIALISED} names the module's key and is attested alone")
    bound = bound_to(gateway, facts)
    point = module.information().attestation_point
    if not point:
        raise EvidenceError("the module is not initialised: it has no attestation key yet")
    nonce = secrets.token_bytes(_NONCE_BYTES)
    signed = module.attest(nonce, bound)
    try:
        told = signed.verify(_public_key(point), nonce)
    except StatementError as error:
        raise EvidenceError(str(error)) from None
    if told.bound != bound:
        raise EvidenceError("the attestation binds other bytes than it was asked to")
    for fact in facts:
        lacking = shows(told, fact)
        if lacking is not None:
            raise EvidenceError(f"the module does not show {fact}: {lacking}")
    detail: dict[str, Json] = {ATTESTATION: encode_signature(signed.encode())}
    return detail | {ATTESTATION_KEY: point.hex()} if pins else detail


class Pinned(NamedTuple):
    """The module that a record speaks of, as its entry of MODULE_INITIALISED pins it.

    :ivar serial: its serial number.
    :ivar point: its attestation key, an uncompressed point on brainpoolP256r1.
    """

    serial: str
    point: bytes


class Shown(NamedTuple):
    """A fact about the module that an attestation shows.

    :ivar sequence: of the entry that tells it.
    :ivar fact: the fact.
    :ivar serial: serial number of the module that signed.
    :ivar counter: the module's counter in the attestation.
    """

    sequence: int
    fact: Fact
    serial: str
    counter: int


class Claimed(NamedTuple):
    """A fact about the module that nothing shows.

    :ivar sequence: of the entry that tells it.
    :ivar fact: the fact.
    """

    sequence: int
    fact: Fact


class ModuleWitness:
    """Examines the attestations in one record. Satisfies :class:`lifecycle.replay.Witness`; a new one each replay.

    An attestation stands with a fact about the module and nowhere else. It is signed by the pinned key, names the
    pinned serial number, binds this gateway and this fact among others, and shows it. Its counter is higher than that
    of every one before, unless it is the very same bytes as the one before. The head of the record that it states, if
    any, is that of an earlier entry of this record. A record that pins a key shows an attestation with every fact about
    the module; in one that pins none such facts are claimed only (:attr:`claimed`), and no attestation counts.

    :ivar shown: the facts shown so far.
    :ivar claims: the facts only claimed.
    :ivar pinned: the module, ``None`` while no key is pinned.
    :ivar latest: the latest attestation.
    """

    def __init__(self) -> None:
        self.shown: list[Shown] = []
        self.claims: list[Claimed] = []
        self.pinned: Pinned | None = None
        self.latest: Attestation | None = None
        self._key: ec.EllipticCurvePublicKey | None = None
        self._latest_text = ""
        self._hashes = bytearray()

    @property
    def claimed(self) -> list[int]:
        """Sequences of facts about the module without an attestation, in a record that pins no key."""
        return [claim.sequence for claim in self.claims]

    def examine(self, entry: Entry) -> str | None:
        """What contradicts an entry that the law has let pass; ``None`` where nothing does.

        :raises ValueError: if it does not follow the entry examined before.
        """
        if entry.sequence != len(self._hashes) // _HASH_BYTES + 1:
            raise ValueError(f"entry {entry.sequence} does not follow the one examined before: one witness a replay")
        self._hashes += bytes.fromhex(entry.previous)
        fact = Fact(entry.payload["fact"]) if entry.kind is Kind.EVIDENCE else None
        try:
            self._examine(entry, fact, entry.payload.get("detail", {}))
        except EvidenceError as error:
            return f"{fact}: {error}" if fact is not None else str(error)
        return None

    def _examine(self, entry: Entry, fact: Fact | None, detail: Mapping[str, Any]) -> None:
        """:raises EvidenceError: if something contradicts the entry."""
        pins = fact is Fact.MODULE_INITIALISED
        if ATTESTATION_KEY in detail and not pins:
            raise EvidenceError(f"an attestation key is named with {Fact.MODULE_INITIALISED} only")
        if ATTESTATION not in detail:
            if fact is None or fact not in MODULE_FACTS:
                return
            if ATTESTATION_KEY in detail or self._key is not None:
                raise EvidenceError("no attestation shows it, although the record pins the module's key")
            self.claims.append(Claimed(entry.sequence, fact))
            return
        if fact is None or fact not in MODULE_FACTS:
            raise EvidenceError("there is an attestation, but no fact about the module that it could show")
        point = _point_named_in(detail) if pins else b""
        key = _public_key(point) if pins else self._key
        told = _verified(detail[ATTESTATION], key)
        if self.pinned is not None and told.serial != self.pinned.serial:
            raise EvidenceError(f"the attestation is of module {told.serial}, the record of {self.pinned.serial}")
        _must_bind(told.bound, entry.gateway, fact)
        lacking = shows(told, fact)
        if lacking is not None:
            raise EvidenceError(f"the attestation does not show it: {lacking}")
        self._must_follow(told, detail[ATTESTATION])
        self._must_lie_on_the_record(told.record_head, entry.sequence)
        if pins:
            self._key, self.pinned = key, Pinned(told.serial, point)
        self.latest, self._latest_text = told, detail[ATTESTATION]
        self.shown.append(Shown(entry.sequence, fact, told.serial, told.counter))

    def _must_follow(self, told: Attestation, text: str) -> None:
        """:raises EvidenceError: if an attestation is older than the one before, or another of the same age."""
        if self.latest is not None and text != self._latest_text and told.counter <= self.latest.counter:
            raise EvidenceError(f"the attestation's counter is {told.counter}; one before it has {self.latest.counter}")

    def _must_lie_on_the_record(self, head: bytes, sequence: int) -> None:
        """:raises EvidenceError: if the module has been told of entries that are not in this record."""
        if not head:
            return
        stated = int.from_bytes(head[:_SEQUENCE_BYTES], "big")
        if stated >= sequence:
            raise EvidenceError(f"the module knows this record up to entry {stated} already")
        if head[_SEQUENCE_BYTES:] != self._hashes[stated * _HASH_BYTES : (stated + 1) * _HASH_BYTES]:
            raise EvidenceError(f"the module knows another entry {stated} than this record has")


class ShownOnly(ModuleWitness):
    """Who lets nothing about the module onto a record that the module does not show."""

    def examine(self, entry: Entry) -> str | None:
        """See :meth:`ModuleWitness.examine`; a fact about the module that is claimed only is refused too."""
        before = len(self.claims)
        contradiction = super().examine(entry)
        if contradiction is None and len(self.claims) > before:
            return f"{self.claims[-1].fact} is about the module, and no attestation of the module's shows it"
        return contradiction


def _verified(text: Any, key: ec.EllipticCurvePublicKey | None) -> Attestation:
    """What an attestation in a detail says, if it is the pinned module's.

    :raises EvidenceError: if it is not.
    """
    if key is None:
        raise EvidenceError("there is an attestation, but the record pins no key that would make it a module's")
    if not isinstance(text, str):
        raise EvidenceError("the attestation is no text")
    try:
        return SignedAttestation.decode(decode_signature(text)).verify(key)
    except (JournalError, StatementError) as error:
        raise EvidenceError(f"the attestation is not the pinned module's: {error}") from None


def _either(states: Iterable[ModuleState]) -> str:
    *others, last = (state.name for state in ModuleState if state in states)
    return f"{', '.join(others)} or {last}" if others else last


def _lacking(attestation: Attestation, keys: tuple[KeyRef, ...], *, certified: bool) -> str:
    """What a module lacks of these keys, in words; empty if it has them all."""
    held = attestation.by_key
    missing = [key.name for key in keys if key not in held]
    bare = [key.name for key in keys if certified and key in held and held[key].certificate_hash is None]
    parts = [f"{', '.join(missing)} not in the module"] if missing else []
    return ", ".join(parts + ([f"{', '.join(bare)} without certificate"] if bare else []))


def _must_bind(bound: bytes, gateway: str, fact: Fact) -> None:
    """:raises EvidenceError: if an attestation is for another gateway, for other facts, or for something else."""
    words = bound.decode("ascii", errors="replace").split(" ")
    named = words[1] if len(words) > 1 else ""
    facts = [each for each in Fact if each in MODULE_FACTS and each in words]
    if not facts or not GATEWAY_ID.fullmatch(named) or bound != bound_to(named, facts):
        raise EvidenceError("the attestation was not made for a record")
    if named != gateway:
        raise EvidenceError(f"the attestation was made for gateway {named}")
    if fact not in facts:
        raise EvidenceError(f"the attestation was made for {', '.join(facts)}")


def _point_named_in(detail: Mapping[str, Any]) -> bytes:
    """The attestation key that a detail names, as a point.

    :raises EvidenceError: if it names none.
    """
    text = detail.get(ATTESTATION_KEY)
    if not isinstance(text, str):
        raise EvidenceError("there is an attestation, but no attestation key beside it")
    try:
        point = bytes.fromhex(text)
    except ValueError:
        point = b""
    if point.hex() != text:
        raise EvidenceError("the attestation key is not written as hexadecimal digits")
    return point


def _public_key(point: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return decode_point(ATTESTATION_CURVE, point)
    except CurveError as error:
        raise EvidenceError(f"the attestation key: {error}") from None
