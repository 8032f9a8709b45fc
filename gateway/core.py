"""Puts a gateway together: its record, its gate, its subsystems. The walk of a reading begins and ends here.

bytes at the LMN → frame → reading → *gate* → original reading list. The gate is asked anew for every chunk of bytes,
with the standing as the record has it at that moment; while a transition is being made, it is shut.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from gateway.door import entry_point
from gateway.lmn.sml import Decoder, Reading, Skipped, SmlFrame
from gateway.metering.store import OriginalReading, ReadingStore
from lifecycle.functions import Credential, Function, Interface
from lifecycle.gate import Gate, Shut, gate_for, shut_gate
from lifecycle.journal import Json
from lifecycle.law import Step
from lifecycle.parties import Party
from lifecycle.roles import Role
from lifecycle.store.replicas import replay_kept
from lifecycle.store.repository import Appended, Repository

_log = structlog.get_logger()

MAX_LINES = 16
"""How many LMN lines one gateway listens to: ours, so that nobody makes it keep more."""


@dataclass(frozen=True, slots=True)
class Received:
    """What became of some bytes.

    :ivar frames: frames that they completed, with readings or a reason.
    :ivar skipped: ranges of bytes that are in no frame.
    :ivar stored: readings put on the original reading list.
    """

    frames: tuple[SmlFrame, ...]
    skipped: tuple[Skipped, ...]
    stored: tuple[OriginalReading, ...]


class Gateway:
    """One smart meter gateway (SMGW).

    At the start its record is replayed: where that is broken, everything stays shut (integrity failure).

    :param gateway: its identification, DIN 43863-5.
    :param repository: where its record is kept.
    :param clock: when readings are captured, UTC; by default the repository's clock.
    """

    def __init__(self, gateway: str, repository: Repository, *, clock: Callable[[], datetime] | None = None) -> None:
        self.id = gateway
        self._repository = repository
        self._readings = ReadingStore(repository.engine)
        self._clock = clock or repository.clock
        self._decoders: dict[str, Decoder] = {}
        self._moving = threading.Lock()
        verdict = replay_kept(repository, gateway)
        self._intact = verdict.ok
        if not verdict.ok:
            _log.error("record broken, gateway shut", gateway=gateway, verdict=str(verdict))

    def gate(self) -> Gate:
        """The gate as it is now; shut if the state cannot be read, integrity is lost, or a transition is under way."""
        if not self._intact:
            return shut_gate(Shut.INTEGRITY_FAILURE)
        if self._moving.locked():
            return shut_gate(Shut.TRANSITION_IN_PROGRESS)
        try:
            standing = self._repository.kept(self.id).standing
        except Exception as error:  # whatever the reason, a state that cannot be read opens nothing
            _log.error("state unreadable, gateway shut", gateway=self.id, error=str(error))
            return shut_gate(Shut.STATE_UNREADABLE)
        return gate_for(standing.state, standing.evidence, self._repository.law)

    def act(self, party: Party, step: Step, *, detail: Mapping[str, Json] | None = None) -> Appended:
        """Make a step of this gateway's life. The law decides; until it is on record, the gate is shut.

        :raises lifecycle.law.Unlawful: if the law refuses; nothing has changed.
        """
        with self._moving:
            return self._repository.act(self.id, party, step, detail=detail)

    @entry_point(Role.MESSEINRICHTUNG, Interface.LMN, Function.RECEIVE_READINGS)
    def receive(self, chunk: bytes, *, line: str = "lmn0") -> Received:
        """Take bytes from a meter; readings of sound frames go on the original reading list.

        :param chunk: bytes in pieces of any size.
        :param line: the LMN line that they came over.
        :raises lifecycle.gate.Closed: if the gate is shut for it; the bytes are dropped.
        """
        if line not in self._decoders and len(self._decoders) >= MAX_LINES:
            raise ValueError(f"line {line!r} would be the {MAX_LINES + 1}th; a gateway listens to {MAX_LINES}")
        decoder = self._decoders.setdefault(line, Decoder())
        found = decoder.feed(chunk)
        frames = tuple(event for event in found if isinstance(event, SmlFrame))
        skipped = tuple(event for event in found if isinstance(event, Skipped))
        captured = self._clock()
        readings = [_original(reading, captured) for frame in frames for reading in frame.readings]
        if readings:
            self.store(Credential.INSIDE, readings)
        return Received(frames, skipped, tuple(readings))

    @entry_point(Role.GATEWAY, Interface.INSIDE, Function.STORE_READINGS)
    def store(self, readings: Sequence[OriginalReading]) -> None:
        """Put readings on the original reading list (originäre Messwertliste); durable when this returns.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        self._readings.add(self.id, readings)

    @entry_point(Role.ANSCHLUSSNUTZER, Interface.HAN_CONSUMER, Function.READ_OWN_DATA)
    def own_readings(self, limit: int = 20) -> list[OriginalReading]:
        """The newest readings, newest first, for the consumer (Anschlussnutzer).

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        return self._readings.latest(self.id, limit)


def _original(reading: Reading, captured: datetime) -> OriginalReading:
    return OriginalReading(
        reading.server_id.hex(),
        reading.obis.hex(),
        captured,
        reading.value,
        reading.scaler,
        reading.unit,
        reading.flags,
    )
