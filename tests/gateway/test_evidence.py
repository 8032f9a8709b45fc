"""Facts about the module: shown by a real software module, and every way of saying what it does not show."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.evidence import (
    ATTESTATION,
    ATTESTATION_KEY,
    MODULE_FACTS,
    Claimed,
    EvidenceError,
    ModuleWitness,
    Pinned,
    Shown,
    attested,
    bound_to,
    shows,
)
from lifecycle.canonical import JournalError, decode_signature, encode_signature
from lifecycle.chains import BreakKind
from lifecycle.facts import FACTS, Fact
from lifecycle.journal import Json, read_entry
from lifecycle.law import Attest, Step
from lifecycle.replay import Verdict, replay
from securitymodule.coding import (
    GWA_KEYS,
    OPERATIONAL_A_KEYS,
    OPERATIONAL_B_KEYS,
    PRELIMINARY_KEYS,
    KeyRef,
    ModuleState,
)
from securitymodule.curves import BRAINPOOL_P256R1, SECP256R1, encode_point, generate_key
from securitymodule.errors import ModuleError
from securitymodule.statements import MAX_BOUND, Attestation, KeyStatement, SignedAttestation
from tests.lifecycle.tampering import TRUST, assert_broken
from tests.support.attested import (
    SERIAL,
    ScriptedModule,
    WorkingModule,
    attestation_in,
    attested_record,
    detail_of,
    scrapped_life,
    sequences,
    signed_in,
)
from tests.support.lives import GATEWAY, OTHER_GATEWAY, Record

LIFE = scrapped_life()
AT = sequences(LIFE)
"""In which entry of that life each fact about the module is told."""
IN_ORDER = sorted(AT, key=AT.__getitem__)
BEFORE = dict(zip(IN_ORDER[1:], IN_ORDER[:-1], strict=True))
FIRST = Fact.MODULE_INITIALISED
PAST_FIRST = [fact for fact in IN_ORDER if fact is not FIRST]
Detail = dict[str, Json] | None


@pytest.fixture
def module(tmp_path: Path) -> Iterator[WorkingModule]:
    """A new module."""
    made = WorkingModule(tmp_path)
    yield made
    made.client.close()


def examined(record: Record) -> tuple[Verdict, ModuleWitness]:
    witness = ModuleWitness()
    return replay(record.chain(), TRUST, witness=witness), witness


# What binds, and what shows


def test_every_fact_about_the_module_is_told_in_the_life_that_is_tested() -> None:
    assert set(AT) == MODULE_FACTS
    others = {fact for fact in Fact if "_IN_MODULE" in fact or fact.startswith("MODULE_")} - MODULE_FACTS
    assert others == {Fact.MODULE_DESTROYED}
    by_module = {fact for fact in Fact if "by the module" in FACTS[fact].text} - MODULE_FACTS
    assert by_module == {Fact.CONFIGURATION_SIGNATURE_VERIFIED}


def test_an_attestation_binds_gateway_and_facts() -> None:
    facts = [Fact.PRELIMINARY_KEYS_IN_MODULE, Fact.MODULE_INTEGRATED]
    assert bound_to(GATEWAY, facts) == b"smgw-evidence/1 EXXX0012345678 MODULE_INTEGRATED PRELIMINARY_KEYS_IN_MODULE"
    assert bound_to(GATEWAY, [*reversed(facts), *facts]) == bound_to(GATEWAY, facts)
    assert len(bound_to(GATEWAY, MODULE_FACTS)) <= MAX_BOUND


@pytest.mark.parametrize("facts", [[], [Fact.MOUNTED], [Fact.MODULE_INTEGRATED, Fact.MODULE_DESTROYED]])
def test_an_attestation_is_for_facts_about_the_module(facts: list[Fact]) -> None:
    with pytest.raises(EvidenceError, match=r"no fact at all|no fact about the module: (MOUNTED|MODULE_DESTROYED)$"):
        bound_to(GATEWAY, facts)


def test_an_attestation_is_for_a_gateway() -> None:
    with pytest.raises(JournalError, match="gateway-1"):
        bound_to("gateway-1", [FIRST])


SUBSETS = st.frozensets(st.sampled_from(sorted(MODULE_FACTS)), min_size=1)


@given(SUBSETS, SUBSETS)
def test_two_sets_of_facts_bind_two_ways(one: frozenset[Fact], other: frozenset[Fact]) -> None:
    assert (bound_to(GATEWAY, one) == bound_to(GATEWAY, other)) == (one == other)
    assert bound_to(GATEWAY, one) != bound_to(OTHER_GATEWAY, one)


def module_with(state: ModuleState, certified: Iterable[KeyRef] = (), bare: Iterable[KeyRef] = ()) -> Attestation:
    keys = [KeyStatement(key, BRAINPOOL_P256R1.domain, bytes(32), bytes(32)) for key in certified]
    keys += [KeyStatement(key, BRAINPOOL_P256R1.domain, bytes(32)) for key in bare]
    return Attestation(SERIAL, state, 7, bytes(8), keys=tuple(keys))


IN_USE = set(ModuleState) - {ModuleState.CREATED, ModuleState.TERMINATED}
EVERYTHING = (*PRELIMINARY_KEYS, *OPERATIONAL_A_KEYS, *GWA_KEYS, KeyRef.ROOT)


@pytest.mark.parametrize(
    ("fact", "states"),
    [
        (Fact.MODULE_INITIALISED, IN_USE),
        (Fact.ROOT_CERTIFICATE_IN_MODULE, IN_USE),
        (Fact.PRELIMINARY_KEYS_IN_MODULE, IN_USE),
        (Fact.SEAL_CERTIFICATES_IN_MODULE, IN_USE),
        (Fact.MODULE_INTEGRATED, {ModuleState.INTEGRATED, ModuleState.READY, ModuleState.OPERATIONAL}),
        (Fact.GWA_CERTIFICATES_VERIFIED, IN_USE),
        (Fact.GWA_PUBLIC_KEYS_IN_MODULE, IN_USE),
        (Fact.OPERATIONAL_CERTIFICATES_IN_MODULE, {ModuleState.OPERATIONAL}),
        (Fact.MODULE_TERMINATED, {ModuleState.TERMINATED}),
        *((fact, set()) for fact in Fact if fact not in MODULE_FACTS),
    ],
)
def test_a_module_with_everything_in_it_shows_a_fact_in_these_states(fact: Fact, states: set[ModuleState]) -> None:
    assert {state for state in ModuleState if shows(module_with(state, EVERYTHING), fact) is None} == states


@pytest.mark.parametrize(
    ("fact", "needed", "certified"),
    [
        (Fact.ROOT_CERTIFICATE_IN_MODULE, (KeyRef.ROOT,), True),
        (Fact.PRELIMINARY_KEYS_IN_MODULE, PRELIMINARY_KEYS, False),
        (Fact.SEAL_CERTIFICATES_IN_MODULE, PRELIMINARY_KEYS, True),
        (Fact.GWA_CERTIFICATES_VERIFIED, GWA_KEYS, True),
        (Fact.GWA_PUBLIC_KEYS_IN_MODULE, GWA_KEYS, True),
        (Fact.OPERATIONAL_CERTIFICATES_IN_MODULE, OPERATIONAL_A_KEYS, True),
        (Fact.OPERATIONAL_CERTIFICATES_IN_MODULE, OPERATIONAL_B_KEYS, True),
    ],
)
def test_a_fact_needs_its_keys_whole(fact: Fact, needed: tuple[KeyRef, ...], certified: bool) -> None:
    assert shows(module_with(ModuleState.OPERATIONAL, needed), fact) is None
    for key in needed:
        rest = [other for other in needed if other is not key]
        bare = shows(module_with(ModuleState.OPERATIONAL, rest, [key]), fact)
        assert (bare is None) is not certified
        assert not certified or f"{key.name} without certificate" in (bare or "")
        assert f"{key.name} not in the module" in (shows(module_with(ModuleState.OPERATIONAL, rest), fact) or "")


def test_two_halves_of_operational_triples_are_none() -> None:
    halves = (*OPERATIONAL_A_KEYS[:2], *OPERATIONAL_B_KEYS[1:])
    told = shows(module_with(ModuleState.OPERATIONAL, halves), Fact.OPERATIONAL_CERTIFICATES_IN_MODULE)
    assert told == "OPERATIONAL_A_ENC not in the module and OPERATIONAL_B_TLS not in the module"


def test_words_for_what_is_not_shown() -> None:
    initialised = module_with(ModuleState.INITIALISED, [KeyRef.ROOT], [KeyRef.PRELIMINARY_TLS])
    assert shows(initialised, Fact.MODULE_INTEGRATED) == (
        "the module is INITIALISED, not INTEGRATED, READY or OPERATIONAL"
    )
    assert shows(initialised, Fact.SEAL_CERTIFICATES_IN_MODULE) == (
        "PRELIMINARY_SIG, PRELIMINARY_ENC not in the module, PRELIMINARY_TLS without certificate"
    )
    assert shows(initialised, Fact.MOUNTED) == "it is no fact about the module"


# Asking a module


def test_a_blank_module_shows_nothing(module: WorkingModule) -> None:
    with pytest.raises(EvidenceError, match="not initialised: it has no attestation key yet"):
        attested(module.client, GATEWAY, FIRST)


def test_a_module_is_asked_for_what_it_does_not_show(module: WorkingModule) -> None:
    module.make_true(FIRST)
    module.make_true(Fact.ROOT_CERTIFICATE_IN_MODULE)
    facts = (Fact.ROOT_CERTIFICATE_IN_MODULE, Fact.PRELIMINARY_KEYS_IN_MODULE)
    with pytest.raises(EvidenceError, match="does not show PRELIMINARY_KEYS_IN_MODULE: PRELIMINARY_TLS, PRELIM"):
        attested(module.client, GATEWAY, *facts)
    module.make_true(Fact.PRELIMINARY_KEYS_IN_MODULE)
    detail = attested(module.client, GATEWAY, *facts)
    assert detail.keys() == {ATTESTATION}
    assert attestation_in(detail).bound == bound_to(GATEWAY, facts)
    again = attested(module.client, GATEWAY, *facts)
    assert attestation_in(again).nonce != attestation_in(detail).nonce
    assert attestation_in(again).counter > attestation_in(detail).counter


def test_the_key_is_pinned_by_the_initialisation_alone(module: WorkingModule) -> None:
    module.make_true(FIRST)
    detail = attested(module.client, GATEWAY, FIRST)
    assert detail[ATTESTATION_KEY] == module.client.information().attestation_point.hex()
    with pytest.raises(EvidenceError, match="MODULE_INITIALISED names the module's key and is attested alone"):
        attested(module.client, GATEWAY, FIRST, Fact.ROOT_CERTIFICATE_IN_MODULE)


def test_what_is_no_fact_about_the_module_is_not_asked_of_it(module: WorkingModule) -> None:
    module.make_true(FIRST)
    counter = module.client.information().counter
    for facts in ([], [Fact.MOUNTED]):
        with pytest.raises(EvidenceError):
            attested(module.client, GATEWAY, *facts)
    with pytest.raises(JournalError):
        attested(module.client, "gateway-1", FIRST)
    assert module.client.information().counter == counter


class Meddler:
    """Stands between a module and whoever asks it."""

    def __init__(self, module: WorkingModule, meddle: Callable[[WorkingModule, bytes, bytes], SignedAttestation]):
        self._module = module
        self._meddle = meddle
        self.information = module.client.information

    def attest(self, nonce: bytes, bound: bytes) -> SignedAttestation:
        return self._meddle(self._module, nonce, bound)


@pytest.mark.parametrize(
    ("meddle", "reason"),
    [
        (lambda module, _, bound: module.client.attest(bytes(16), bound), "its nonce is another"),
        (lambda module, nonce, bound: module.client.attest(nonce, bound + b" "), "binds other bytes"),
        (
            lambda module, nonce, bound: replace(module.client.attest(nonce, bound), signature=bytes(64)),
            "not signed by this module",
        ),
    ],
)
def test_who_stands_between_is_noticed(
    module: WorkingModule, meddle: Callable[[WorkingModule, bytes, bytes], SignedAttestation], reason: str
) -> None:
    module.make_true(FIRST)
    with pytest.raises(EvidenceError, match=reason):
        attested(Meddler(module, meddle), GATEWAY, FIRST)  # type: ignore[arg-type]


def test_a_module_that_cannot_be_asked(module: WorkingModule) -> None:
    module.make_true(FIRST)
    module.client.close()
    with pytest.raises(ModuleError):
        attested(module.client, GATEWAY, FIRST)


# A life with a module


@pytest.mark.parametrize("assembled", [False, True])
def test_a_life_whose_module_shows_every_fact_is_lawful(assembled: bool) -> None:
    record, steps = attested_record(assembled=assembled), scrapped_life(assembled=assembled)
    verdict, witness = examined(record)
    assert verdict == Verdict(GATEWAY, len(steps), record.standing, record.position)
    at = sequences(steps)
    assert [(each.sequence, each.fact, each.serial) for each in witness.shown] == sorted(
        (sequence, fact, SERIAL) for fact, sequence in at.items()
    )
    assert all(earlier.counter < later.counter for earlier, later in pairwise(witness.shown))
    assert witness.claimed == []
    assert witness.claims == []
    assert witness.pinned is not None
    assert detail_of(record, at[FIRST])[ATTESTATION_KEY] == witness.pinned.point.hex()
    assert witness.latest == attestation_in(detail_of(record, at[Fact.MODULE_TERMINATED]))


def test_from_the_integration_on_the_module_knows_the_record() -> None:
    heads = {fact: attestation_in(detail_of(attested_record(), AT[fact])).record_head for fact in IN_ORDER}
    assert [fact for fact in IN_ORDER if heads[fact]] == IN_ORDER[IN_ORDER.index(Fact.MODULE_INTEGRATED) + 1 :]
    last = AT[Fact.MODULE_TERMINATED] - 1
    assert heads[Fact.MODULE_TERMINATED] == last.to_bytes(8, "big") + bytes.fromhex(
        attested_record().entries[last - 1].hash
    )


def test_one_attestation_serves_facts_told_one_after_the_other(module: WorkingModule) -> None:
    facts = (Fact.ROOT_CERTIFICATE_IN_MODULE, Fact.PRELIMINARY_KEYS_IN_MODULE, Fact.SEAL_CERTIFICATES_IN_MODULE)
    record = Record()
    detail: Detail = None
    for step in LIFE[: AT[facts[-1]]]:
        fact = step.fact if isinstance(step, Attest) else None
        if fact is FIRST:
            module.make_true(fact)
            record.tell(step, detail=attested(module.client, GATEWAY, fact))
        elif fact in facts:
            if detail is None:
                for each in facts:
                    module.make_true(each)
                detail = attested(module.client, GATEWAY, *facts)
            record.tell(step, detail=detail)
        else:
            record.tell(step)
    verdict, witness = examined(record)
    assert verdict.ok, verdict
    told = attestation_in(detail or {})
    assert witness.shown[1:] == [Shown(AT[fact], fact, SERIAL, told.counter) for fact in facts]


def test_a_record_without_a_module_only_claims() -> None:
    verdict, witness = examined(Record.living(LIFE))
    assert verdict.ok
    assert witness.claims == [Claimed(AT[fact], fact) for fact in IN_ORDER]
    assert witness.claimed == [AT[fact] for fact in IN_ORDER]
    assert (witness.shown, witness.pinned, witness.latest) == ([], None, None)


def test_other_details_are_nobodys_business() -> None:
    record = Record()
    for step in LIFE:
        record.tell(step, detail={"note": "as agreed", "more": {ATTESTATION: "of good conduct"}})
    verdict, witness = examined(record)
    assert verdict.ok
    assert witness.claimed == [AT[fact] for fact in IN_ORDER]


def test_a_witness_is_for_one_replay() -> None:
    witness = ModuleWitness()
    assert replay(attested_record().chain(), TRUST, witness=witness).ok
    with pytest.raises(ValueError, match="entry 1 does not follow the one examined before"):
        replay(attested_record().chain(), TRUST, witness=witness)


# Whoever lies signs his entry well, and only the attestation in it speaks against him


@dataclass
class Liar:
    """Tells a life with a scripted module, soundly until one entry.

    :ivar fact: the fact with which the lie is told.
    :ivar record: the record before that entry.
    :ivar details: what was told before, by fact.
    """

    fact: Fact
    module: ScriptedModule
    record: Record
    details: dict[Fact, dict[str, Json]]

    @classmethod
    def before(cls, fact: Fact, module: ScriptedModule | None = None) -> Liar:
        liar = cls(fact, module or ScriptedModule(), Record(), {})
        for step in LIFE[: AT[fact] - 1]:
            liar.module.tell(liar.record, step)
            if isinstance(step, Attest) and step.fact in MODULE_FACTS:
                liar.details[step.fact] = detail_of(liar.record, liar.record.position.sequence)
        return liar

    @property
    def sound(self) -> Attestation:
        """What the module would truly say now."""
        return self.module.states(self.fact, self.record)

    def detail(self, **changes: object) -> dict[str, Json]:
        """The detail with that, changed."""
        return self.module.detail(self.fact, replace(self.sound, **changes))  # type: ignore[arg-type]

    def tells(self, detail: Detail) -> Record:
        """The record with the lie and the step after it, which is told soundly."""
        record = self.record.copy()
        record.tell(LIFE[AT[self.fact] - 1], detail=detail)
        for step in LIFE[AT[self.fact] : AT[self.fact] + 1]:
            self.module.tell(record, step)
        return record


def other_fact(fact: Fact) -> Fact:
    return next(each for each in IN_ORDER if each is not fact)


def of_a_module_that_does_not_show_it(liar: Liar) -> Detail:
    """What the module said for the fact before, the rest put right."""
    before = BEFORE.get(liar.fact, Fact.MODULE_TERMINATED)
    if liar.fact is Fact.GWA_PUBLIC_KEYS_IN_MODULE:
        before = Fact.MODULE_INTEGRATED
    said = liar.module.states(before, liar.record)
    return liar.module.detail(liar.fact, replace(said, bound=bound_to(GATEWAY, [liar.fact])))


def flipped_signature(liar: Liar) -> Detail:
    detail = liar.detail()
    signed = signed_in(detail)
    signature = bytes((*signed.signature[:-1], signed.signature[-1] ^ 1))
    return detail | {ATTESTATION: encode_signature(replace(signed, signature=signature).encode())}


def flipped_body(liar: Liar) -> Detail:
    """A certificate said to be there by whoever cannot sign for the module."""
    detail = liar.detail()
    forged = replace(attestation_in(detail), nonce=b"another!").encode()
    return detail | {ATTESTATION: encode_signature(replace(signed_in(detail), body=forged).encode())}


def of_another_module(liar: Liar) -> Detail:
    other = ScriptedModule(counter=liar.module.counter)
    return liar.detail() | {ATTESTATION: other.signed(liar.sound)}


def moved_from_the_fact_before(liar: Liar) -> Detail:
    moved = liar.details[BEFORE[liar.fact]][ATTESTATION]
    return liar.detail() | {ATTESTATION: moved}


def moved_from_a_later_fact(liar: Liar) -> Detail:
    later = IN_ORDER[(IN_ORDER.index(liar.fact) + 1) % len(IN_ORDER)]
    said = replace(liar.module.states(later, liar.record), record_head=b"")
    return liar.detail() | {ATTESTATION: liar.module.signed(said)}


def head_of(sequence: int, hash_: str) -> bytes:
    return sequence.to_bytes(8, "big") + bytes.fromhex(hash_)


LIES: dict[str, tuple[Callable[[Liar], Detail], str]] = {
    "another module's key": (of_another_module, "not signed by this module"),
    "another gateway": (lambda liar: liar.detail(bound=bound_to(OTHER_GATEWAY, [liar.fact])), OTHER_GATEWAY),
    "other facts": (
        lambda liar: liar.detail(bound=bound_to(GATEWAY, MODULE_FACTS - {liar.fact})),
        "the attestation was made for ",
    ),
    "bound to nothing": (lambda liar: liar.detail(bound=b""), "not made for a record"),
    "bound to something else": (lambda liar: liar.detail(bound=b"\xff not for this"), "not made for a record"),
    "bound to a gateway without identification": (
        lambda liar: liar.detail(bound=f"smgw-evidence/1 gateway-1 {liar.fact}".encode()),
        "not made for a record",
    ),
    "bound the fact in another way": (
        lambda liar: liar.detail(bound=bound_to(GATEWAY, [liar.fact]) + f" {liar.fact}".encode()),
        "not made for a record",
    ),
    "bound a fact that is none about the module": (
        lambda liar: liar.detail(bound=bound_to(GATEWAY, [liar.fact]) + b" MOUNTED"),
        "not made for a record",
    ),
    "not shown": (of_a_module_that_does_not_show_it, "the attestation does not show it: "),
    "not shown by a blank module": (
        lambda liar: liar.detail(state=ModuleState.CREATED),
        "the attestation does not show it: the module is CREATED, not ",
    ),
    "a bit of the signature": (flipped_signature, "not signed by this module"),
    "a body put together": (flipped_body, "not signed by this module"),
    "no signature": (
        lambda liar: liar.detail() | {ATTESTATION: encode_signature(attestation_in(liar.detail()).encode())},
        "a body 7F4E and a signature 5F37",
    ),
    "a later fact's": (moved_from_a_later_fact, "the attestation was made for "),
    "missing, and the key pinned": (
        lambda liar: {name: value for name, value in liar.detail().items() if name != ATTESTATION} or None,
        "no attestation shows it, although the record pins the module's key",
    ),
    "a head of entries that are not there yet": (
        lambda liar: liar.detail(record_head=head_of(AT[liar.fact], "ab" * 32)),
        "knows this record up to entry",
    ),
    "a head of another record": (
        lambda liar: liar.detail(record_head=head_of(liar.record.position.sequence - 1, "ab" * 32)),
        "knows another entry",
    ),
    "garbage": (lambda liar: liar.detail() | {ATTESTATION: encode_signature(b"garbage")}, "no attestation"),
    "nothing": (lambda liar: liar.detail() | {ATTESTATION: ""}, "no attestation"),
    "no Base64": (lambda liar: liar.detail() | {ATTESTATION: "not Base64!"}, "no Base64"),
    "Base64 in another way": (
        lambda liar: liar.detail() | {ATTESTATION: f"{liar.detail()[ATTESTATION]}\n"},
        "not the pinned module's",
    ),
    "a number": (lambda liar: liar.detail() | {ATTESTATION: 7}, "the attestation is no text"),
    "null": (lambda liar: liar.detail() | {ATTESTATION: None}, "the attestation is no text"),
    "an object": (lambda liar: liar.detail() | {ATTESTATION: {"7F4E": ""}}, "the attestation is no text"),
}
"""What can be told of every fact about the module, and a word of what is found."""

LATER_LIES: dict[str, tuple[Callable[[Liar], Detail], str]] = {
    "another module's serial number": (lambda liar: liar.detail(serial="SM-0002"), "is of module SM-0002"),
    "a counter that has fallen": (
        lambda liar: liar.detail(counter=attestation_in(liar.details[BEFORE[liar.fact]]).counter - 1),
        "counter is",
    ),
    "a counter that has not risen": (
        lambda liar: liar.detail(counter=attestation_in(liar.details[BEFORE[liar.fact]]).counter),
        "counter is",
    ),
    "the fact before's": (moved_from_the_fact_before, "the attestation was made for "),
    "missing altogether": (lambda _: None, "no attestation shows it, although the record pins the module's key"),
    "missing, with a note": (lambda _: {"note": "lost"}, "no attestation shows it"),
    "a key once more": (
        lambda liar: liar.detail() | {ATTESTATION_KEY: liar.module.point.hex()},
        "an attestation key is named with MODULE_INITIALISED only",
    ),
}
"""What can be told once a key is pinned."""

FIRST_LIES: dict[str, tuple[Callable[[Liar], Detail], str]] = {
    "no key": (lambda liar: {ATTESTATION: liar.detail()[ATTESTATION]}, "no attestation key beside it"),
    "another key": (
        lambda liar: liar.detail() | {ATTESTATION_KEY: ScriptedModule().point.hex()},
        "not signed by this module",
    ),
    "a key in capitals": (
        lambda liar: liar.detail() | {ATTESTATION_KEY: liar.module.point.hex().upper()},
        "not written as hexadecimal digits",
    ),
    "a key with spaces": (
        lambda liar: liar.detail() | {ATTESTATION_KEY: liar.module.point.hex(" ")},
        "not written as hexadecimal digits",
    ),
    "a key that is none": (
        lambda liar: liar.detail() | {ATTESTATION_KEY: "key"},
        "not written as hexadecimal digits",
    ),
    "a key on another curve": (
        lambda liar: liar.detail() | {ATTESTATION_KEY: encode_point(generate_key(SECP256R1).public_key()).hex()},
        "the attestation key: ",
    ),
    "a key compressed": (
        lambda liar: liar.detail() | {ATTESTATION_KEY: liar.module.point[:33].hex()},
        "the attestation key: ",
    ),
    "a key as a number": (lambda liar: liar.detail() | {ATTESTATION_KEY: 4}, "no attestation key beside it"),
}
"""What can be told where the key is to be pinned."""

CASES = [
    *((fact, name, *LIES[name]) for fact in IN_ORDER for name in LIES),
    *((fact, name, *LATER_LIES[name]) for fact in PAST_FIRST for name in LATER_LIES),
    *((FIRST, name, *FIRST_LIES[name]) for name in FIRST_LIES),
]


@pytest.mark.parametrize(("fact", "name", "lie", "word"), CASES, ids=[f"{fact}: {name}" for fact, name, *_ in CASES])
def test_replay_names_the_entry_whose_attestation_contradicts_it(
    fact: Fact, name: str, lie: Callable[[Liar], Detail], word: str
) -> None:
    liar = Liar.before(fact)
    record = liar.tells(lie(liar))
    verdict, witness = examined(record)
    assert_broken(verdict, AT[fact], BreakKind.CONTRADICTED_ATTESTATION)
    assert verdict.broken is not None
    assert verdict.broken.reason.startswith(f"{fact}: ")
    assert word in verdict.broken.reason
    assert verdict.entries == AT[fact] - 1
    assert [each.fact for each in witness.shown] == IN_ORDER[: IN_ORDER.index(fact)]
    assert replay(record.chain(), TRUST).ok, "without a witness nothing is wrong with it"


@pytest.mark.parametrize("fact", IN_ORDER)
def test_the_same_told_soundly_is_lawful(fact: Fact) -> None:
    liar = Liar.before(fact)
    verdict, witness = examined(liar.tells(liar.detail()))
    assert verdict.ok, verdict
    assert witness.pinned == Pinned(SERIAL, liar.module.point)


def test_the_same_signature_written_otherwise_is_another_attestation() -> None:
    """(r, s) and (r, n - s) are both good ECDSA signatures."""
    both = [Fact.GWA_CERTIFICATES_VERIFIED, Fact.GWA_PUBLIC_KEYS_IN_MODULE]
    liar = Liar.before(both[0])
    detail = liar.detail(bound=bound_to(GATEWAY, both))
    signed = signed_in(detail)
    s = BRAINPOOL_P256R1.order - int.from_bytes(signed.signature[32:], "big")
    mirrored = replace(signed, signature=signed.signature[:32] + s.to_bytes(32, "big"))
    assert mirrored.verify(liar.module.key.public_key()) == attestation_in(detail)
    for second, ok in ((detail, True), ({ATTESTATION: encode_signature(mirrored.encode())}, False)):
        record = liar.record.copy()
        for step in LIFE[AT[both[0]] - 1 : AT[both[1]]]:
            fact = step.fact if isinstance(step, Attest) else None
            record.tell(step, detail=detail if fact is both[0] else second if fact is both[1] else None)
        verdict, _ = examined(record)
        assert verdict.ok is ok
        if not ok:
            assert_broken(verdict, AT[both[1]], BreakKind.CONTRADICTED_ATTESTATION)


def test_an_attestation_of_the_past_does_not_come_back() -> None:
    """Bound to both facts, overtaken by another, and then told again."""
    both = [Fact.ROOT_CERTIFICATE_IN_MODULE, Fact.SEAL_CERTIFICATES_IN_MODULE]
    between = Fact.PRELIMINARY_KEYS_IN_MODULE
    liar = Liar.before(both[0])
    whole = liar.module.states(both[1], liar.record)
    early = liar.module.detail(both[0], replace(whole, bound=bound_to(GATEWAY, both)))
    later = liar.module.detail(between, replace(whole, counter=whole.counter + 1, bound=bound_to(GATEWAY, [between])))
    for step, detail in zip(LIFE[AT[both[0]] - 1 : AT[both[1]]], (early, later, early), strict=True):
        liar.record.tell(step, detail=detail)
    assert_broken(examined(liar.record)[0], AT[both[1]], BreakKind.CONTRADICTED_ATTESTATION)


@pytest.mark.parametrize("told", [{}, {"note": "later"}])
def test_a_record_that_pins_no_key_shows_nothing(told: dict[str, Json]) -> None:
    """The key was left out at the initialisation; what comes after it is a module's word as anybody can write it."""
    liar = Liar.before(FIRST)
    record = liar.record
    record.tell(LIFE[AT[FIRST] - 1], detail=told or None)
    for step in LIFE[AT[FIRST] :]:
        liar.module.tell(record, step)
    verdict, witness = examined(record)
    assert_broken(verdict, AT[Fact.ROOT_CERTIFICATE_IN_MODULE], BreakKind.CONTRADICTED_ATTESTATION)
    assert "the record pins no key" in str(verdict)
    assert witness.claimed == [AT[FIRST]]


def first_step(condition: Callable[[Step], bool]) -> int:
    return next(number for number, step in enumerate(LIFE, 1) if condition(step) and number > AT[FIRST])


@pytest.mark.parametrize(
    "sequence",
    [
        first_step(lambda step: isinstance(step, Attest) and step.fact is Fact.INITIAL_CONFIGURATION_IMPORTED),
        first_step(lambda step: isinstance(step, Attest) and step.fact is Fact.MOUNTED),
        first_step(lambda step: not isinstance(step, Attest)),
    ],
)
@pytest.mark.parametrize("name", [ATTESTATION, ATTESTATION_KEY])
def test_an_attestation_stands_with_a_fact_about_the_module(sequence: int, name: str) -> None:
    module, record = ScriptedModule(), Record()
    for step in LIFE[: sequence - 1]:
        module.tell(record, step)
    record.tell(LIFE[sequence - 1], detail={name: detail_of(record, AT[FIRST])[name]})
    assert_broken(examined(record)[0], sequence, BreakKind.CONTRADICTED_ATTESTATION)


def test_history_told_otherwise_is_contradicted_by_the_module_that_knew_it() -> None:
    """Every party and the keeper tell an earlier entry anew; the attestations that come later are the module's own."""
    record = attested_record()
    at = AT[Fact.MODULE_INTEGRATED] + 1
    rewritten = Record()
    for number, step in enumerate(LIFE, 1):
        rewritten.tell(step, detail={"note": "rewritten"} if number == at else detail_of(record, number) or None)
    assert replay(rewritten.chain(), TRUST).ok
    verdict, _ = examined(rewritten)
    assert_broken(verdict, AT[Fact.GWA_CERTIFICATES_VERIFIED], BreakKind.CONTRADICTED_ATTESTATION)
    assert "the module knows another entry" in str(verdict)


@given(st.data())
def test_no_bit_of_an_attestation_can_be_changed(data: st.DataObject) -> None:
    fact = data.draw(st.sampled_from(IN_ORDER))
    record, witness = attested_record(), ModuleWitness()
    for line in record.entries[: AT[fact] - 1]:
        assert witness.examine(read_entry(line.body)) is None
    entry = read_entry(record.entries[AT[fact] - 1].body)
    text = entry.payload["detail"][ATTESTATION]
    changed = bytearray(decode_signature(text))
    bit = data.draw(st.integers(0, 8 * len(changed) - 1))
    changed[bit // 8] ^= 1 << bit % 8
    detail = entry.payload["detail"] | {ATTESTATION: base64.b64encode(changed).decode()}
    assert witness.examine(entry._replace(payload=entry.payload | {"detail": detail})) is not None


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=200),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@given(st.sampled_from(IN_ORDER), JSON_VALUES, JSON_VALUES)
def test_whatever_stands_there_a_witness_finds_words_for_it(fact: Fact, attestation: Json, key: Json) -> None:
    record, witness = attested_record(), ModuleWitness()
    for line in record.entries[: AT[fact] - 1]:
        witness.examine(read_entry(line.body))
    entry = read_entry(record.entries[AT[fact] - 1].body)
    payload = entry.payload | {"detail": {ATTESTATION: attestation, ATTESTATION_KEY: key}}
    reason = witness.examine(entry._replace(payload=payload))
    assert reason is not None
    assert reason.startswith(f"{fact}: ")
