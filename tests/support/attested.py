"""Lives whose facts about the module are shown: by a software module, or by a key of the test's that signs anything."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.evidence import ATTESTATION, ATTESTATION_KEY, MODULE_FACTS, attested, bound_to
from lifecycle.canonical import decode_signature, encode_signature
from lifecycle.facts import Fact
from lifecycle.journal import Json, Position, read_entry
from lifecycle.law import Attest, Move, Step
from lifecycle.states import Event, State
from securitymodule.card.module import SoftwareModule
from securitymodule.client import SecurityModule
from securitymodule.coding import (
    GWA_KEYS,
    OPERATIONAL_A_KEYS,
    PRELIMINARY_KEYS,
    Algorithm,
    FileId,
    KeyRef,
    ModuleState,
)
from securitymodule.connection import EmbeddedConnection
from securitymodule.curves import BRAINPOOL_P256R1, encode_point, generate_key, sign_digest
from securitymodule.session import Session
from securitymodule.statements import ATTESTATION_CURVE, Attestation, InitialisationFile, SignedAttestation
from tests.securitymodule.card.pki import NOW, Pki
from tests.support.lives import GATEWAY, Record, lives

TRANSPORT_PIN, SYSTEM_PIN, INTEGRATOR_PIN = "1029384756", "564738291056", "9081726354"
SERIAL = "SM-0001"
_SHA256 = hashes.SHA256()
_ECDSA = Algorithm.ECDSA_SHA256
_HOLDS_A_HEAD = {ModuleState.INTEGRATED, ModuleState.READY, ModuleState.OPERATIONAL}


@cache
def pki() -> Pki:
    """What the modules' certificates come from."""
    return Pki()


@cache
def scrapped_life(*, assembled: bool = False) -> tuple[Step, ...]:
    """The shortest lawful life to HARDWARE_SCRAPPING that tells every fact about the module.

    :param assembled: whether the module is integrated before it is pre-personalised (ch. 4), not after.
    """
    found = lives().first(
        lambda standing: standing.state is State.HARDWARE_SCRAPPING and Fact.MODULE_TERMINATED in standing.evidence
    )
    assert found is not None
    steps = lives().path(found)
    if not assembled:
        return steps
    events = [step.event if isinstance(step, Move) else None for step in steps]
    prepare, integrate, after = map(
        events.index,
        (Event.BEGIN_PREPERSONALISATION_1, Event.BEGIN_INTEGRATION, Event.BEGIN_PREPERSONALISATION_2),
    )
    return steps[:prepare] + steps[integrate:after] + steps[prepare:integrate] + steps[after:]


@dataclass
class WorkingModule:
    """A software module in a folder, with which facts about it can be made true.

    :ivar folder: where it is made.
    """

    folder: Path
    serial: str = SERIAL
    client: SecurityModule = field(init=False)

    def __post_init__(self) -> None:
        SoftwareModule.create(self.folder / "module").close()
        card = SoftwareModule.open(self.folder / "module", clock=lambda: NOW)
        self.client = SecurityModule(Session(EmbeddedConnection(card, "module:test")))

    @property
    def state(self) -> ModuleState:
        """Where it is in its life."""
        return self.client.information().state

    def make_true(self, fact: Fact) -> None:
        """Do to the module what a fact about it says."""
        if self.state in {ModuleState.INTEGRATED, ModuleState.READY} and self.client.pin_tries() is not None:
            self.client.verify_pin(INTEGRATOR_PIN)
        do = {
            Fact.MODULE_INITIALISED: self._initialise,
            Fact.ROOT_CERTIFICATE_IN_MODULE: self._import_root,
            Fact.PRELIMINARY_KEYS_IN_MODULE: self._generate_preliminary,
            Fact.SEAL_CERTIFICATES_IN_MODULE: self._import_seals,
            Fact.MODULE_INTEGRATED: self._integrate,
            Fact.GWA_CERTIFICATES_VERIFIED: self._import_administrator,
            Fact.OPERATIONAL_CERTIFICATES_IN_MODULE: self._personalise,
            Fact.MODULE_TERMINATED: self._terminate,
        }
        if fact in do:
            do[fact]()

    def keep_head(self, position: Position) -> None:
        """Tell it where the record ends, as soon as it can be told."""
        if self.state in _HOLDS_A_HEAD:
            head = position.sequence.to_bytes(8, "big") + bytes.fromhex(position.hash)
            self.client.write_file(FileId.EF_RECORD_HEAD, head)

    def _initialise(self) -> None:
        self.client.initialise(InitialisationFile(self.serial, TRANSPORT_PIN, INTEGRATOR_PIN))
        self.client.authenticate(lambda: TRANSPORT_PIN)

    def _import_root(self) -> None:
        self.client.import_root(pki().root.der)

    def _generate_preliminary(self) -> None:
        for key in PRELIMINARY_KEYS:
            self.client.generate_key_pair(key, BRAINPOOL_P256R1)

    def _import_seals(self) -> None:
        self._certify(PRELIMINARY_KEYS)
        alone = self.state is ModuleState.INITIALISED
        self.client.activate(ModuleState.PREPERSONALISED if alone else ModuleState.READY)

    def _integrate(self) -> None:
        self.client.change_system_pin(TRANSPORT_PIN, SYSTEM_PIN)
        bare = self.state is ModuleState.INITIALISED
        self.client.activate(ModuleState.INTEGRATED if bare else ModuleState.READY)
        self.client.authenticate(lambda: SYSTEM_PIN)

    def _import_administrator(self) -> None:
        self._import_sub_ca()
        for key in GWA_KEYS:
            self.client.import_certificate(key, pki().administrator_certificate(key), KeyRef.SUB_CA, _ECDSA)

    def _personalise(self) -> None:
        self.client.authenticate_externally(_administrator_signs)
        for key in OPERATIONAL_A_KEYS:
            self.client.generate_key_pair(key, BRAINPOOL_P256R1)
        self._certify(OPERATIONAL_A_KEYS)
        self.client.activate(ModuleState.OPERATIONAL)
        for key in PRELIMINARY_KEYS:
            self.client.delete_key(key)

    def _terminate(self) -> None:
        self.client.authenticate_externally(_administrator_signs)
        self.client.terminate()

    def _import_sub_ca(self) -> None:
        self.client.import_certificate(KeyRef.SUB_CA, pki().sub_ca.der, KeyRef.ROOT, Algorithm.ECDSA_SHA384)

    def _certify(self, keys: Iterable[KeyRef]) -> None:
        self._import_sub_ca()
        for key in keys:
            public = self.client.public_key(key)
            assert public is not None
            self.client.import_certificate(key, pki().certificate(key, public), KeyRef.SUB_CA, _ECDSA)


def _administrator_signs(message: bytes) -> bytes:
    return sign_digest(pki().administrator[KeyRef.GWA_SIG], _SHA256, hashlib.sha256(message).digest())


def live_with(module: WorkingModule, steps: Iterable[Step], gateway: str = GATEWAY) -> Record:
    """The record of a life whose facts about the module are made true in a module, and shown by it."""
    record = Record(gateway)
    for step in steps:
        detail = None
        if isinstance(step, Attest) and step.fact in MODULE_FACTS:
            module.make_true(step.fact)
            detail = attested(module.client, gateway, step.fact)
        record.tell(step, detail=detail)
        module.keep_head(record.position)
    return record


@cache
def attested_record(*, assembled: bool = False) -> Record:
    """The record of :func:`scrapped_life`, every fact about the module shown by a software module."""
    with TemporaryDirectory(prefix="smgw-module-") as folder:
        module = WorkingModule(Path(folder))
        try:
            return live_with(module, scrapped_life(assembled=assembled))
        finally:
            module.client.close()


def detail_of(record: Record, sequence: int) -> dict[str, Json]:
    """The detail of an entry, empty where there is none."""
    return dict(read_entry(record.entries[sequence - 1].body).payload.get("detail", {}))


def attestation_in(detail: Mapping[str, Json]) -> Attestation:
    """The attestation in a detail, unverified."""
    return Attestation.decode(signed_in(detail).body)


def signed_in(detail: Mapping[str, Json]) -> SignedAttestation:
    """The same as the module gave it."""
    text = detail[ATTESTATION]
    assert isinstance(text, str)
    return SignedAttestation.decode(decode_signature(text))


def sequences(steps: Iterable[Step]) -> dict[Fact, int]:
    """In which entry of a life each fact about the module is told."""
    numbered = enumerate(steps, 1)
    return {step.fact: number for number, step in numbered if isinstance(step, Attest) and step.fact in MODULE_FACTS}


@dataclass
class ScriptedModule:
    """An attestation key in the hands of a test: signs whatever it is told to, as no module would.

    :ivar serial: the serial number that it states.
    :ivar counter: the counter of the last attestation.
    """

    serial: str = SERIAL
    counter: int = 100
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: generate_key(ATTESTATION_CURVE))

    @property
    def point(self) -> bytes:
        """Its attestation key."""
        return encode_point(self.key.public_key())

    def states(self, fact: Fact, record: Record) -> Attestation:
        """What a sound module would say for a fact at the end of a record, the counter raised."""
        self.counter += 1
        sound = attested_record()
        said = attestation_in(detail_of(sound, sequences(scrapped_life())[fact]))
        head = record.position.sequence.to_bytes(8, "big") + bytes.fromhex(record.position.hash)
        return replace(
            said,
            serial=self.serial,
            counter=self.counter,
            bound=bound_to(record.gateway, [fact]),
            record_head=head if said.record_head else b"",
        )

    def signed(self, attestation: Attestation) -> str:
        """An attestation as it stands in a detail."""
        body = attestation.encode()
        signature = sign_digest(self.key, _SHA256, hashlib.sha256(body).digest())
        return encode_signature(SignedAttestation(body, signature).encode())

    def detail(self, fact: Fact, attestation: Attestation) -> dict[str, Json]:
        """The detail of the entry that tells a fact."""
        detail: dict[str, Json] = {ATTESTATION: self.signed(attestation)}
        return detail | {ATTESTATION_KEY: self.point.hex()} if fact is Fact.MODULE_INITIALISED else detail

    def tell(self, record: Record, step: Step) -> None:
        """Add the entry of a step, with a sound attestation where it tells a fact about the module."""
        if isinstance(step, Attest) and step.fact in MODULE_FACTS:
            record.tell(step, detail=self.detail(step.fact, self.states(step.fact, record)))
        else:
            record.tell(step)
