"""The one repository: registers gateways, appends entries, moves chains. Nothing else writes the record.

What is wanted: an entry that was acknowledged is never lost, none is half-written, and the stored state is always what
the chain folds to. So entry, new state and signed head are one statement; and of two who write at once exactly one
wins, because a place in a chain can be taken once (optimistic lock: see :data:`lifecycle.store.schema.appends`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, func, insert, select
from sqlalchemy.exc import IntegrityError

from lifecycle.canonical import JournalError, format_time, parse_time
from lifecycle.chains import Chain
from lifecycle.head import Head, sign_head
from lifecycle.journal import (
    Entry,
    Json,
    Position,
    SignedEntry,
    check_gateway_id,
    compose,
    genesis,
    payload_of,
    read_entry,
    sign_entry,
    step_of,
)
from lifecycle.law import BEGINNING, LAW, Law, Move, Permitted, Standing, Step, Unlawful, in_words
from lifecycle.machine import Life, LifecycleMachine
from lifecycle.parties import Clock, Credentials, Party, PartyError, Trust, utc_now
from lifecycle.replay import Witness
from lifecycle.roles import Actor, Role, may_sign_for
from lifecycle.states import State
from lifecycle.store.errors import (
    ConflictError,
    EntryRefusedError,
    GatewayExistsError,
    IdempotencyError,
    StoreError,
)
from lifecycle.store.examining import Examiner
from lifecycle.store.rows import (
    FIRST_COUNTER,
    Kept,
    append_row,
    as_bytes,
    certificate_row,
    command_row,
    digest,
    gateway_row,
    keep_certificate,
    keeping_certificates,
    read_head,
    read_kept,
)
from lifecycle.store.schema import appends, certificates, commands, entries, gateways
from lifecycle.store.writing import Prepared, write

TOLERANCE = timedelta(minutes=5)
"""How far a signer's clock may be from the store's: ours."""


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of a command.

    :ivar entry: the entry on record.
    :ivar kept: the gateway as it is kept now.
    :ivar repeated: whether the command had acted before, so that nothing was done now.
    """

    entry: Entry
    kept: Kept
    repeated: bool


_ENDS_REMEMBERED = 10_000
_state_now = func.coalesce(
    select(entries.c.state)
    .where(entries.c.gateway == gateways.c.id)
    .order_by(entries.c.sequence.desc())
    .limit(1)
    .scalar_subquery(),
    str(BEGINNING.state),
)
"""The state of a gateway: as its last entry left it."""


class Repository:
    """Keeps records in a database.

    :param engine: from :func:`lifecycle.store.engine.open_database`.
    :param trust: the pinned operations CA.
    :param keeper: who signs the heads; a party of role KEEPER.
    :param clock: the store's time, against which a signer's is compared.
    :param witness: makes who examines the modules' attestations in a chain, whenever one is replayed or imported here.
    :param admits: makes who examines each entry before it is written; it may be stricter than who looks back.
    """

    def __init__(
        self,
        engine: Engine,
        trust: Trust,
        keeper: Party,
        *,
        clock: Clock = utc_now,
        tolerance: timedelta = TOLERANCE,
        law: Law = LAW,
        witness: Callable[[], Witness] | None = None,
        admits: Callable[[], Witness] | None = None,
    ) -> None:
        if keeper.actor.role is not Role.KEEPER:
            raise StoreError(f"heads are signed by a {Role.KEEPER}, not by {in_words(keeper.actor)}")
        self.engine = engine
        self.trust = trust
        self.clock = clock
        self.law = law
        self.keeper = keeper
        self.witness = witness
        self._tolerance = tolerance
        self._machine = LifecycleMachine(law)
        self._append_entry = Prepared(engine, insert(appends))
        self._note_command = Prepared(engine, insert(commands))
        self._keep = Prepared(engine, keeping_certificates(engine.dialect.name))
        self._certificates_kept: set[str] = set()
        self._ends: dict[str, Kept] = {}
        self._examiner = Examiner(admits, self._first_entries) if admits is not None else None

    def _first_entries(self, gateway: str, count: int) -> list[SignedEntry]:
        return self.entries(gateway, limit=count)

    def signed_head(self, gateway: str, position: Position, counter: int) -> Head:
        """The head of a chain as it is now, signed by the keeper.

        :raises StoreError: if the keeper's certificate is not good now: nobody would believe the head.
        """
        now = self.clock()
        try:
            _valid_at(self.trust.credentials(self.keeper.certificate_der), now)
        except (PartyError, EntryRefusedError) as error:
            raise StoreError(
                f"the keeper cannot sign heads: {error or 'its certificate is not good'}; "
                "it needs a certificate of the record's operations CA, valid now"
            ) from error
        return sign_head(gateway, position, counter, now, self.keeper)

    def register(self, gateway: str, *, by: str = "", key: str | None = None) -> Kept:
        """Begin the record of a gateway, in DEVELOPMENT.

        :param by: fingerprint of the certificate of whoever commands it, with *key* for idempotency.
        :raises GatewayExistsError: if there is one, unless the same command began it.
        """
        return self.register_once(gateway, by=by, key=key)[0]

    def register_once(self, gateway: str, *, by: str = "", key: str | None = None) -> tuple[Kept, bool]:
        """As :meth:`register`, and whether the same command had begun the record before."""
        position = genesis(check_gateway_id(gateway))
        head = self.signed_head(gateway, position, FIRST_COUNTER)
        intent = digest({"register": gateway})
        if self._registered_before(by, key, intent):
            return self.kept(gateway), True
        try:
            with self.engine.begin() as connection:
                keep_certificate(connection, self.keeper.certificate_der)
                connection.execute(insert(gateways), gateway_row(head))
                if key is not None:
                    connection.execute(insert(commands), command_row(by, key, intent, gateway, 0))
        except IntegrityError as error:
            if self._registered_before(by, key, intent):  # by the same command, sent twice at once
                return self.kept(gateway), True
            raise GatewayExistsError(f"gateway {gateway} has a record already") from error
        return Kept(gateway, BEGINNING, position, head), False

    def _registered_before(self, by: str, key: str | None, intent: str) -> bool:
        if key is None:
            return False
        with self.engine.connect() as connection:
            return self._repeated(connection, by, key, intent) is not None

    def kept(self, gateway: str) -> Kept:
        """What is kept of a gateway.

        :raises UnknownGatewayError: if nothing is.
        :raises UnreadableStateError: if what is stored makes no sense.
        """
        with self.engine.connect() as connection:
            return read_kept(connection, gateway, self.law.catalogue)

    def append(self, signed: SignedEntry, certificate_der: bytes, *, key: str | None = None) -> Appended:
        """Put a signed entry on record, if it is true and lawful. A refusal changes nothing.

        :param key: the caller's idempotency key: with it, the same command acts once, however often it is sent.
        :raises EntryRefusedError: if hash, signature, certificate, time or payload are wrong.
        :raises lifecycle.law.Unlawful: if the law refuses the step.
        :raises ConflictError: if the entry does not follow the end of the chain (any more).
        :raises IdempotencyError: if the key was used for something else.
        :raises UnknownGatewayError: if no record is kept of the gateway.
        """
        entry = self._verified(signed, certificate_der)
        command: dict[str, object] | None = None
        if key is not None:
            intent = digest({"gateway": entry.gateway, "kind": str(entry.kind), "payload": entry.payload})
            command = command_row(entry.actor.certificate, key, intent, entry.gateway, entry.sequence)
        answered = self._answered_before(command)
        if answered is not None:
            return answered
        try:
            return self._append(entry, signed, certificate_der, command)
        except ConflictError:
            # The place may have been taken by this very command, sent twice, or by this very entry as the last.
            answered = self._answered_before(command) or self._on_record_already(entry, signed)
            if answered is None:
                raise
            return answered

    def _append(
        self, entry: Entry, signed: SignedEntry, certificate_der: bytes, command: Mapping[str, object] | None
    ) -> Appended:
        before = self._end_for(entry)
        self._follows(entry, before)
        step = _step_told(entry)
        decision, standing = self._law_on(step, before.standing)
        _, expected = payload_of(step, decision, entry.payload.get("detail"))
        if entry.payload != expected:
            raise EntryRefusedError(f"the entry tells {entry.payload}; the law would have it tell {expected}")
        return self._write(entry, signed, certificate_der, before, standing, command)

    def act(self, gateway: str, party: Party, step: Step, *, detail: Mapping[str, Json] | None = None) -> Appended:
        """Sign a step with the key of a party that is here, and put it on record.

        For whoever works in the same process as the store: the gateway itself, a station with its own record. What was
        signed a moment ago with a key at hand is not verified again; who may sign with it, and the law, are asked.

        :raises lifecycle.law.Unlawful: if the law refuses the step.
        :raises EntryRefusedError: if the party's certificate is not good now, or a clock was set back.
        :raises ConflictError: if somebody else was first.
        :raises UnknownGatewayError: if no record is kept of the gateway.
        """
        now = self.clock()
        self._may_sign(party, now)
        _may_sign_here(party.actor, gateway)
        if step.actor != party.actor:
            raise EntryRefusedError(f"the step is {in_words(step.actor)}'s, the key {in_words(party.actor)}'s")
        remembered = self._ends.get(gateway)
        if remembered is None:
            return self._act(self.kept(gateway), party, step, now, detail)
        try:
            return self._act(remembered, party, step, now, detail)
        except (Unlawful, EntryRefusedError, ConflictError) as error:
            before = self.kept(gateway)
            # Others may have written since. Then the law decides anew on what holds now; but who asked for a transition
            # asked it of the state that was left meanwhile.
            left = isinstance(step, Move) and before.standing.state is not remembered.standing.state
            if before.position == remembered.position or (left and isinstance(error, ConflictError)):
                raise
        return self._act(before, party, step, now, detail)

    def _act(
        self, before: Kept, party: Party, step: Step, now: datetime, detail: Mapping[str, Json] | None
    ) -> Appended:
        gateway = before.gateway
        decision, standing = self._lived(step, before.standing)
        kind, payload = payload_of(step, decision, detail)
        body = compose(gateway, before.position, now, kind, payload, step.actor)
        signed = sign_entry(body, party)
        position = before.position
        entry = Entry(gateway, position.sequence + 1, format_time(now), kind, payload, step.actor, position.hash)
        self._follows(entry, before)
        return self._write(entry, signed, party.certificate_der, before, standing, None)

    def _may_sign(self, party: Party, now: datetime) -> None:
        try:
            credentials = self.trust.credentials(party.certificate_der)
        except PartyError as error:
            raise EntryRefusedError(f"the signer's certificate: {error}") from error
        _valid_at(credentials, now)

    def _write(
        self,
        entry: Entry,
        signed: SignedEntry,
        certificate_der: bytes,
        before: Kept,
        standing: Standing,
        command: Mapping[str, object] | None,
    ) -> Appended:
        """Entry, new state and signed head in one statement; with the command that it answers, in one transaction."""
        witness = self._examiner.examine(entry) if self._examiner is not None else None
        position = Position(entry.sequence, signed.hash, entry.time)
        head = self.signed_head(entry.gateway, position, before.head.counter + 1)
        kept = Kept(entry.gateway, standing, position, head)
        try:
            write(
                self.engine,
                *((self._keep, certificate_row(der)) for der in self._not_kept_yet(entry, certificate_der)),
                (self._append_entry, append_row(entry, signed, standing, head)),
                *(() if command is None else ((self._note_command, command),)),
            )
        except IntegrityError as error:
            self.forget(entry.gateway)
            raise ConflictError(
                f"entry {entry.sequence} of {entry.gateway}: another was first; read the head, decide and sign again"
            ) from error
        except BaseException:  # whatever happened, what is in the database holds, and not what is remembered of it
            self.forget(entry.gateway)
            raise
        self._certificates_kept.update((entry.actor.certificate, self.keeper.actor.certificate))
        self._remember(kept)
        if self._examiner is not None and witness is not None:
            self._examiner.keep(entry.gateway, signed.hash, witness)
        return Appended(entry, kept, repeated=False)

    def _not_kept_yet(self, entry: Entry, certificate_der: bytes) -> Iterator[bytes]:
        """The certificates of signer and keeper, where they may not lie beside the chains yet."""
        if entry.actor.certificate not in self._certificates_kept:
            yield certificate_der
        if self.keeper.actor.certificate not in self._certificates_kept:
            yield self.keeper.certificate_der

    def _answered_before(self, command: Mapping[str, object] | None) -> Appended | None:
        """What became of a command when it acted, ``None`` where it has not."""
        if command is None:
            return None
        gateway = str(command["gateway"])
        with self.engine.connect() as connection:
            told = str(command["certificate"]), str(command["key"]), str(command["intent"])
            sequence = self._repeated(connection, *told)
            if sequence is None:
                return None
            query = select(entries.c.body).where(entries.c.gateway == gateway, entries.c.sequence == sequence)
            body = as_bytes(connection.execute(query).scalar_one())
            kept = read_kept(connection, gateway, self.law.catalogue)
        return Appended(read_entry(body), kept, repeated=True)

    def _on_record_already(self, entry: Entry, signed: SignedEntry) -> Appended | None:
        kept = self.kept(entry.gateway)
        return Appended(entry, kept, repeated=True) if kept.position.hash == signed.hash else None

    def _end_for(self, entry: Entry) -> Kept:
        """The end of the chain that an entry is to follow: as remembered where it fits, else as the database has it.

        What is remembered may be old, and then the place in the chain is taken and the database says so.
        """
        remembered = self._ends.get(entry.gateway)
        if remembered is not None and remembered.position.hash == entry.previous:
            return remembered
        return self.kept(entry.gateway)

    def forget(self, gateway: str) -> None:
        """Let go of what is remembered of a gateway; somebody beside this has written its record."""
        self._ends.pop(gateway, None)

    def _remember(self, kept: Kept) -> None:
        if len(self._ends) >= _ENDS_REMEMBERED:
            self._ends.pop(next(iter(self._ends)), None)
        self._ends[kept.gateway] = kept

    def _verified(self, signed: SignedEntry, certificate_der: bytes) -> Entry:
        """An entry whose bytes, hash, signature and signer belong together."""
        try:
            entry = read_entry(signed.body)
            time = parse_time(entry.time)
            credentials = self.trust.credentials(certificate_der)
        except JournalError as error:
            raise EntryRefusedError(f"no entry: {error}") from error
        except PartyError as error:
            raise EntryRefusedError(f"the signer's certificate: {error}") from error
        if hashlib.sha256(signed.body).hexdigest() != signed.hash:
            raise EntryRefusedError("the entry's bytes do not fit its hash")
        if entry.actor != credentials.actor:
            raise EntryRefusedError(
                f"the entry says {in_words(entry.actor)} {entry.actor.name!r}, "
                f"its certificate {in_words(credentials.actor)} {credentials.actor.name!r}"
            )
        _may_sign_here(credentials.actor, entry.gateway)
        _valid_at(credentials, time)
        if not credentials.verifies(signed.signature, signed.body):
            raise EntryRefusedError(f"the signature of {entry.actor.name!r} does not fit the entry")
        if abs(time - self.clock()) > self._tolerance:
            raise EntryRefusedError(
                f"signed at {entry.time}, received at {format_time(self.clock())}: "
                f"more than {self._tolerance.total_seconds():.0f} s apart"
            )
        return entry

    @staticmethod
    def _follows(entry: Entry, before: Kept) -> None:
        end = before.position
        if entry.sequence != end.sequence + 1 or entry.previous != end.hash:
            raise ConflictError(
                f"entry {entry.sequence} of {entry.gateway} does not follow the end of the chain, "
                f"which is entry {end.sequence} ({end.hash[:16]}…): read the head, sign again"
            )
        if entry.time < end.time:
            raise EntryRefusedError(f"signed at {entry.time}, before the last entry ({end.time}): a clock was set back")

    def _law_on(self, step: Step, standing: Standing) -> tuple[Permitted, Standing]:
        """What the law says of a step that somebody else made and signed, as replay will say it; and where it leads."""
        after = self.law.advance(standing, step)
        if isinstance(step, Move):
            decision = self.law.decide(standing.state, standing.evidence, step.event, step.actor)
            assert isinstance(decision, Permitted)  # noqa: S101  or advance had raised
            return decision, after
        return Permitted(standing.state, after.state), after

    def _lived(self, step: Step, standing: Standing) -> tuple[Permitted, Standing]:
        """What the law permits, and where it leads; the live machine makes the transitions."""
        if isinstance(step, Move):
            life = Life(standing.state, standing.evidence)
            return self._machine.fire(life, step.event, step.actor), Standing(life.state, standing.evidence)
        return self._law_on(step, standing)

    def entries(self, gateway: str, *, after: int = 0, limit: int | None = None) -> list[SignedEntry]:
        """Entries of a chain in order, those with a sequence above *after*."""
        query = (
            select(entries.c.body, entries.c.hash, entries.c.signature)
            .where(entries.c.gateway == gateway, entries.c.sequence > after)
            .order_by(entries.c.sequence)
            .limit(limit)
        )
        with self.engine.connect() as connection:
            return [
                SignedEntry(as_bytes(body), str(digest), as_bytes(signature))
                for body, digest, signature in connection.execute(query)
            ]

    def certificates(self) -> dict[str, bytes]:
        """Every certificate kept, by fingerprint."""
        with self.engine.connect() as connection:
            return {fingerprint: bytes(der) for fingerprint, der in connection.execute(select(certificates))}

    def certificate(self, fingerprint: str) -> bytes | None:
        """A certificate kept, DER."""
        query = select(certificates.c.der).where(certificates.c.fingerprint == fingerprint)
        with self.engine.connect() as connection:
            der = connection.execute(query).scalar_one_or_none()
        return bytes(der) if der is not None else None

    def chain(self, gateway: str) -> Chain:
        """A whole chain, as it is to be replayed or exported: nothing in it is believed.

        :raises UnknownGatewayError: if no record is kept of the gateway.
        """
        with self.engine.connect() as connection:
            head = read_head(connection, gateway)
        lines = self.entries(gateway)
        used = {head.certificate}
        for line in lines:
            try:
                used.add(read_entry(line.body).actor.certificate)
            except JournalError:
                continue  # replay will say what is wrong with it
        beside = select(certificates).where(certificates.c.fingerprint.in_(used))
        with self.engine.connect() as connection:
            ders = {fingerprint: as_bytes(der) for fingerprint, der in connection.execute(beside)}
        return Chain(gateway, lines, ders, head)

    def gateways(self, *, state: State | None = None, after: str = "", limit: int | None = None) -> list[str]:
        """Identifications of the gateways kept, in order."""
        query = select(gateways.c.id).where(gateways.c.id > after).order_by(gateways.c.id).limit(limit)
        if state is not None:
            query = query.where(_state_now == str(state))
        with self.engine.connect() as connection:
            return list(connection.execute(query).scalars())

    def counts(self) -> Mapping[State, int]:
        """How many gateways are in each state; states without any are left out."""
        each = select(_state_now.label("state")).select_from(gateways).subquery()
        query = select(each.c.state, func.count()).group_by(each.c.state)
        with self.engine.connect() as connection:
            return {State(state): count for state, count in connection.execute(query)}

    @staticmethod
    def _repeated(connection: Connection, certificate: str, key: str, intent: str) -> int | None:
        """Sequence of the entry that a command became before, ``None`` when it is new."""
        query = select(commands).where(commands.c.certificate == certificate, commands.c.key == key)
        row = connection.execute(query).one_or_none()
        if row is None:
            return None
        if row.intent != intent:
            raise IdempotencyError(f"the idempotency key {key!r} was used before, for something else")
        return int(row.sequence)


def _step_told(entry: Entry) -> Step:
    try:
        return step_of(entry)
    except JournalError as error:
        raise EntryRefusedError(f"no {entry.kind}: {error}") from error


def _may_sign_here(actor: Actor, gateway: str) -> None:
    if not may_sign_for(actor, gateway):
        raise EntryRefusedError(
            f"the key of gateway {actor.name!r} signs in its own record only, not in that of {gateway}"
        )


def _valid_at(credentials: Credentials, time: datetime) -> None:
    if not credentials.not_before <= time <= credentials.not_after:
        raise EntryRefusedError(
            f"the certificate of {credentials.actor.name!r} is valid from {credentials.not_before} "
            f"to {credentials.not_after}, not at {time}"
        )
