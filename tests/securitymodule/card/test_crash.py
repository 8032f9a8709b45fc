"""The power is cut at any point of any writing command: tries never come back, keys are whole or absent, states too."""

from __future__ import annotations

import hashlib
import json
import random
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from securitymodule import tlv
from securitymodule.apdu import StatusWord
from securitymodule.card.module import SoftwareModule
from securitymodule.coding import CERTIFICATE_FILES, RECORD_HEAD_BYTES, FileId, Ins, KeyRef, ModuleState, Pin, Tag
from securitymodule.connection import Connection
from securitymodule.curves import BRAINPOOL_P256R1, decode_point, der_signature
from securitymodule.errors import ModuleRemoved, NoModule, PinBlocked, WrongPin
from securitymodule.reader import connect
from securitymodule.statements import ModuleInformation
from tests.securitymodule.card.crash_worker import (
    ACTS,
    CREATE,
    FILE,
    HEAD,
    NEW_CONTENT,
    NEW_PIN,
    OLD_CONTENT,
    PARTIAL_CALLS,
    QUIET_ACTS,
    SERVE,
    WRONG_PIN,
)
from tests.securitymodule.card.pki import Pki
from tests.securitymodule.card.terminal import (
    INITIALISATION,
    SYSTEM_PIN,
    TRANSPORT_PIN,
    Terminal,
    copied,
    created,
    opened,
    seal,
    seeded,
)
from tests.support.campaign import Campaign
from tests.support.pcsc import PcscDaemon
from tests.support.processes import at_once

pytestmark = pytest.mark.crash

TRIES = INITIALISATION.tries
ROOT = Path(__file__).parents[3]


class Worker:
    """The process that forks."""

    def __init__(self) -> None:
        command = [sys.executable, "-W", "ignore", "-m", "tests.securitymodule.card.crash_worker"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, act: str, directory: Path, kind: str = "never", at: int = -1, data: bytes = b"") -> dict[str, Any]:
        """One trial; what the fork was answered, and how far it came."""
        self.begin({"act": act, "directory": str(directory), "kind": kind, "at": at, "data": data.hex()})
        return self.end(f"{act}, {kind} {at}")

    def begin(self, trial: dict[str, Any]) -> None:
        """Begin a trial."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(trial) + "\n")
        self._process.stdin.flush()

    def end(self, what: str) -> dict[str, Any]:
        """Wait for its end."""
        assert self._process.stdout is not None
        said: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert not said["failed"], f"{what}: the fork failed"
        return said

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(30) == 0
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    found = Worker()
    yield found
    found.close()


@pytest.fixture(scope="module")
def starts(
    stages: dict[ModuleState, Path], tmp_path_factory: pytest.TempPathFactory, pki: Pki
) -> dict[str, tuple[Path, bytes]]:
    """For each act a module that it can be done to, and what it brings with it."""
    folder = tmp_path_factory.mktemp("starts")
    initialised, integrated = stages[ModuleState.INITIALISED], stages[ModuleState.INTEGRATED]
    found: dict[str, tuple[Path, bytes]] = dict.fromkeys((*ACTS, *QUIET_ACTS), (initialised, b""))
    for act in ("create file", "update head"):
        found[act] = (integrated, b"")
    found["initialise"] = (stages[ModuleState.CREATED], b"")
    found["import root"] = (initialised, pki.root.der)

    keyed = copied(initialised, folder / "keyed")
    with opened(keyed) as module:
        terminal = Terminal(module)
        terminal.establish(TRANSPORT_PIN)
        assert terminal.take_root(pki.root.der).sw == StatusWord.OK
        public = terminal.generate(KeyRef.PRELIMINARY_TLS)
    certificate = pki.certificate(KeyRef.PRELIMINARY_TLS, public)
    brought = json.dumps({"sub_ca": pki.sub_ca.der.hex(), "certificate": certificate.hex()}).encode()
    found["certify"] = (keyed, brought)
    found["delete key"] = found["sign"] = (keyed, b"")

    bound = copied(stages[ModuleState.PREPERSONALISED], folder / "bound")
    with opened(bound) as module:
        terminal = Terminal(module)
        terminal.establish(TRANSPORT_PIN)
        assert terminal.change(Pin.SYSTEM, TRANSPORT_PIN, SYSTEM_PIN).sw == StatusWord.OK
    found["activate"] = (bound, b"")

    filed = copied(integrated, folder / "filed")
    with opened(filed) as module:
        terminal = Terminal(module)
        terminal.establish(SYSTEM_PIN)
        size = len(OLD_CONTENT).to_bytes(2, "big")
        control = tlv.encode_all({Tag.FILE_IDENTIFIER: FILE.to_bytes(2, "big"), Tag.FILE_SIZE: size})
        terminal.done(Ins.CREATE_FILE, 0, tlv.encode(Tag.FILE_CONTROL, control))
        terminal.done(Ins.UPDATE_BINARY, 0, OLD_CONTENT)
    found["update file"] = found["delete file"] = (filed, b"")

    tried = copied(initialised, folder / "tried")
    with opened(tried) as module:
        terminal = Terminal(module)
        terminal.establish(TRANSPORT_PIN)
        terminal.present(WRONG_PIN)
        with pytest.raises(WrongPin):
            Terminal(module).establish(WRONG_PIN)
    for act in ("present wrong", "present right", "pace wrong", "pace right"):
        found[act] = (tried, b"")
    return found


def read(terminal: Terminal, identifier: int, length: int) -> bytes | None:
    if terminal.send(Ins.SELECT, 0x000C, identifier.to_bytes(2, "big")).sw != StatusWord.OK:
        return None
    return terminal.send(Ins.READ_BINARY, 0, le=length).data


def check_tries(act: str, information: ModuleInformation, finished: bool) -> None:
    """One try was had before; this act had one more, and gave them back if it was right."""
    left = information.integrator_tries if act.startswith("present") else information.system_tries
    after_it = TRIES - 2 if act.endswith("wrong") else TRIES
    assert left in ({after_it} if finished else {TRIES - 1, TRIES - 2, after_it})


def check_state(act: str, module: SoftwareModule, information: ModuleInformation, finished: bool) -> None:
    """The state before, or the one that the act leads to; and the vault's key is gone just when it is the last."""
    before, behind = {
        "initialise": (ModuleState.CREATED, ModuleState.INITIALISED),
        CREATE: (ModuleState.CREATED, ModuleState.INITIALISED),
        "activate": (ModuleState.PREPERSONALISED, ModuleState.READY),
        "terminate": (ModuleState.INITIALISED, ModuleState.TERMINATED),
    }[act]
    assert information.state in ({behind} if finished else {before, behind})
    is_gone = not (seal(module.directory) / "vault.key").exists()
    assert is_gone is (information.state is ModuleState.TERMINATED)


def check_file(act: str, terminal: Terminal, finished: bool) -> None:
    """Content before, or after; nothing of both."""
    identifier, before, behind = {
        "update file": (FILE, OLD_CONTENT, NEW_CONTENT),
        "create file": (FILE, None, bytes(len(OLD_CONTENT))),
        "delete file": (FILE, OLD_CONTENT, None),
        "update head": (int(FileId.EF_RECORD_HEAD), bytes(RECORD_HEAD_BYTES), HEAD),
    }[act]
    assert read(terminal, identifier, len(OLD_CONTENT)) in ([behind] if finished else [before, behind])


def check(act: str, module: SoftwareModule, finished: bool) -> None:
    """What must hold after *act* was cut, or came to its end."""
    information = Terminal(module).information()
    if act.startswith(("present", "pace")):
        check_tries(act, information, finished)
    elif act in {"initialise", CREATE, "activate", "terminate"}:
        check_state(act, module, information, finished)
    if information.state in {ModuleState.CREATED, ModuleState.TERMINATED}:
        return
    pin = SYSTEM_PIN if act in ACTS and ACTS[act][0] == SYSTEM_PIN else TRANSPORT_PIN
    if act == "change pin":
        working = [pin for pin in (TRANSPORT_PIN, NEW_PIN) if works(module, pin)]
        assert working == [NEW_PIN] or (not finished and working == [TRANSPORT_PIN])
        pin = working[0]
    terminal = Terminal(module)
    terminal.establish(pin)
    for key in KeyRef:
        assert whole_or_absent(terminal, key)
    if act == "generate" and finished:
        assert terminal.sign(KeyRef.PRELIMINARY_SIG, bytes(32)).sw == StatusWord.OK
    if act == "delete key" and finished:
        assert terminal.sign(KeyRef.PRELIMINARY_TLS, bytes(32)).sw == StatusWord.REFERENCE_NOT_FOUND
    if act in {"create file", "delete file", "update file", "update head"}:
        check_file(act, terminal, finished)


def works(module: SoftwareModule, pin: str) -> bool:
    """Whether PACE runs with a PIN."""
    try:
        Terminal(module).establish(pin)
    except (WrongPin, PinBlocked):
        return False
    return True


def whole_or_absent(terminal: Terminal, key: KeyRef) -> bool:
    """A key pair that is there signs, and its signature is that of its public key; a certificate belongs to it."""
    told = terminal.send(Ins.GENERATE_ASYMMETRIC_KEY_PAIR, 0x0100 | key)
    if told.sw == StatusWord.REFERENCE_NOT_FOUND:
        file = CERTIFICATE_FILES.get(key)
        return key is KeyRef.SUB_CA or file is None or read(terminal, file, 4096) == bytes(4096)
    parts = tlv.decode_unique(tlv.decode_one(told.data, Tag.PUBLIC_KEY))
    if tlv.decode_oid(parts[Tag.OBJECT_IDENTIFIER]) != BRAINPOOL_P256R1.oid:
        return key is KeyRef.ROOT
    digest = hashlib.sha256(b"whole").digest()
    signature = terminal.sign(key, digest)
    if signature.sw == StatusWord.OK:
        public = decode_point(BRAINPOOL_P256R1, parts[Tag.PUBLIC_POINT])
        public.verify(der_signature(BRAINPOOL_P256R1, signature.data), b"whole", ec.ECDSA(hashes.SHA256()))
    return True


def after(act: str, directory: Path, said: dict[str, Any]) -> None:
    """Put the power back and look."""
    finished = not said["killed"]
    if act == CREATE:
        try:
            module = opened(directory)
        except NoModule:
            assert not finished
            module = created(directory)
    else:
        module = opened(directory)
    with module:
        check(act, module, finished)
        assert module.defects == ()


@pytest.fixture
def fresh(starts: dict[str, tuple[Path, bytes]], tmp_path: Path) -> Callable[[str], tuple[Path, bytes]]:
    """Gives a module for an act, and what the act brings."""
    numbers = count()

    def give(act: str) -> tuple[Path, bytes]:
        target = tmp_path / str(next(numbers))
        if act == CREATE:
            return target, b""
        start, data = starts[act]
        return copied(start, target), data

    return give


@pytest.mark.parametrize("act", [*ACTS, CREATE])
def test_cut_at_every_call_that_writes(worker: Worker, fresh: Callable[[str], tuple[Path, bytes]], act: str) -> None:
    directory, data = fresh(act)
    whole = worker.run(act, directory, data=data)
    assert not whole["killed"]
    assert whole["calls"]
    after(act, directory, whole)
    for at, name in enumerate(whole["calls"]):
        for kind in ("before", "torn") if name in PARTIAL_CALLS else ("before",):
            directory, data = fresh(act)
            said = worker.run(act, directory, kind, at, data)
            assert said["killed"]
            after(act, directory, said)


@pytest.mark.campaign
def test_cut_anywhere(worker: Worker, fresh: Callable[[str], tuple[Path, bytes]], campaign: Campaign) -> None:
    """At any call or return of any function, in every writing command."""
    cuts = campaign.count(300)
    acts = [*ACTS, CREATE]
    chance = seeded(7)
    events: dict[str, int] = {}
    killed = 0
    for number in range(cuts):
        act = acts[number % len(acts)]
        if act not in events:
            directory, data = fresh(act)
            events[act] = worker.run(act, directory, "event", -1, data)["events"]
        directory, data = fresh(act)
        said = worker.run(act, directory, "event", chance.randrange(events[act]), data)
        killed += said["killed"]
        after(act, directory, said)
    campaign.report("Security module: power cuts at random points", power_cuts=killed, commands=len(acts))
    assert killed >= cuts * 0.9


class Wired:
    """A module over PC/SC, as a terminal takes one."""

    def __init__(self, connection: Connection) -> None:
        self.transmit = connection.transmit_bytes


def in_a_reader(
    worker: Worker, daemon: PcscDaemon, slot: int, act: str, directory: Path, data: bytes, at: int
) -> dict[str, Any]:
    """One trial: the module's process is killed while somebody uses it over PC/SC, who is told that it is gone."""
    pin, before, command = (ACTS | QUIET_ACTS)[act]
    path = directory.with_name(directory.name + ".door")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
        listener.listen(1)
        listener.settimeout(30)
        worker.begin({"act": SERVE, "directory": str(directory), "door": str(path), "kind": "event", "at": at})
        door, _ = listener.accept()
    removed = False
    with door:
        with daemon.reach(slot) as reached:
            socket.send_fds(door, [b"!"], [reached.fileno()])
        daemon.wait_until(slot, present=True)
        with connect(daemon.url(slot)) as connection:
            terminal = Terminal(Wired(connection))  # type: ignore[arg-type]
            if pin is not None:
                terminal.establish(pin)
            before(terminal, data)
            door.send(b"!")
            assert door.recv(1) == b"!"
            try:
                command(terminal, data)
            except ModuleRemoved:
                removed = True
    said = worker.end(f"{act} in a reader, {at}")
    daemon.wait_until(slot, present=False)
    assert said["killed"] or not removed
    return said


@pytest.mark.pcsc
@pytest.mark.campaign
def test_pulled_anywhere(
    worker: Worker, fresh: Callable[[str], tuple[Path, bytes]], pcsc_daemon: PcscDaemon, campaign: Campaign
) -> None:
    """The same through a reader: the module goes in the middle of any command. In two readers at once, because the
    daemon takes its time to see a module come and go.
    """
    cuts = campaign.count(300)
    acts = [*ACTS, *QUIET_ACTS]
    chance = seeded(13)
    given: list[tuple[str, Path, bytes, int]] = []
    events: dict[str, int] = {}
    for number in range(cuts):
        act = acts[number % len(acts)]
        directory, data = fresh(act)
        if act not in events:
            # Without a reader, and the terminal's are counted too: about twice as many.
            events[act] = worker.run(act, directory, "event", -1, data)["events"] // 2
            directory, data = fresh(act)
        given.append((act, directory, data, chance.randrange(events[act])))

    def pull_all(slot: int) -> int:
        killed = 0
        with closing(Worker()) as own:
            for act, directory, data, at in given[slot % 2 :: 2]:
                said = in_a_reader(own, pcsc_daemon, slot, act, directory, data, at)
                killed += said["killed"]
                after(act, directory, said)
        return killed

    pulled = at_once(*(partial(pull_all, slot) for slot in (2, 3)))
    assert all(isinstance(each, int) for each in pulled), pulled
    campaign.report("Security module: pulled from its reader at random points", pulled=sum(pulled), commands=len(acts))
    assert sum(pulled) >= cuts * 0.6


@pytest.mark.campaign
@pytest.mark.parametrize("act", ["present wrong", "pace wrong"])
def test_cutting_the_power_wins_no_try(
    worker: Worker, stages: dict[ModuleState, Path], tmp_path: Path, campaign: Campaign, act: str
) -> None:
    """Somebody guesses, and cuts the power whenever it may help: he is told no more often than the PIN has tries."""
    rounds = campaign.count(20)
    chance: random.Random = seeded(11)
    attempts = 0
    for number in range(rounds):
        directory = copied(stages[ModuleState.INITIALISED], tmp_path / str(number))
        told = 0
        left = TRIES
        while left:
            kind = chance.choice(["event", "before", "torn"])
            said = worker.run(act, directory, kind, chance.randrange(900 if kind == "event" else 30))
            attempts += 1
            told += "answer" in said
            with opened(directory) as module:
                information = Terminal(module).information()
            now = information.integrator_tries if act == "present wrong" else information.system_tries
            assert now <= left
            left = now
            assert told + left <= TRIES
    campaign.report(f"Security module: guesses with power cuts, {act}", blocked=rounds, attempts=attempts)


def test_the_worker_reports_a_failure(worker: Worker, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="the fork failed"):
        worker.run("attest", tmp_path / "nothing")
