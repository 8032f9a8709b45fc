"""State, seal and counter: what was put back or tampered with is noticed, and writing is in the right order."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from securitymodule.apdu import StatusWord
from securitymodule.card.contents import Contents, KeyPair, PinObject
from securitymodule.card.counter import Count, RisingCounter
from securitymodule.card.errors import ModuleExists, StateDamaged, StateRestored
from securitymodule.card.module import SoftwareModule
from securitymodule.card.sealing import Seal
from securitymodule.card.store import STATE_FILE
from securitymodule.card.vault import Vault
from securitymodule.coding import FREE_FILES, Ins, KeyRef, ModuleState, Pin
from tests.securitymodule.card.terminal import TRANSPORT_PIN, Terminal, created, opened, seal

NONCE = b"\x84\x08" + bytes(8)
WRONG = "0000000000"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    created(tmp_path / "module").close()
    return tmp_path / "module"


def use(directory: Path) -> None:
    """Write the state once more."""
    with opened(directory) as module:
        Terminal(module).done(Ins.INTERNAL_AUTHENTICATE, 0, NONCE)


def spend_a_try(directory: Path) -> int:
    with opened(directory) as module:
        terminal = Terminal(module)
        terminal.establish(TRANSPORT_PIN)
        terminal.present(WRONG)
        return terminal.information().integrator_tries


def test_a_state_put_back_is_noticed(directory: Path, tmp_path: Path) -> None:
    shutil.copytree(directory, tmp_path / "backup")
    left = spend_a_try(directory)
    newest = (directory / STATE_FILE).read_bytes()
    (directory / STATE_FILE).write_bytes((tmp_path / "backup" / STATE_FILE).read_bytes())
    with pytest.raises(StateRestored, match=r"refuses service: its state is number \d+, its counter stands at \d+"):
        SoftwareModule.open(directory)
    (directory / STATE_FILE).write_bytes(newest)
    with opened(directory) as module:
        assert Terminal(module).information().integrator_tries == left


def test_one_state_back_is_noticed_too(directory: Path) -> None:
    before = (directory / STATE_FILE).read_bytes()
    use(directory)
    (directory / STATE_FILE).write_bytes(before)
    with pytest.raises(StateRestored):
        SoftwareModule.open(directory)


def test_a_counter_put_back_is_noticed(directory: Path) -> None:
    before = (seal(directory) / "counter").read_bytes()
    use(directory)
    use(directory)
    (seal(directory) / "counter").write_bytes(before)
    with pytest.raises(StateRestored):
        SoftwareModule.open(directory)


def test_a_spoilt_place_is_no_way_back(directory: Path) -> None:
    """Who spoils the newest place of the counter and puts the state before it back has not set the module back."""
    before = (directory / STATE_FILE).read_bytes()
    use(directory)
    with opened(directory) as module:
        newest = Terminal(module).information().counter
    counter = seal(directory) / "counter"
    content = bytearray(counter.read_bytes())
    offset = 4096 * (newest % 2)
    content[offset] ^= 1
    counter.write_bytes(content)
    after = (directory / STATE_FILE).read_bytes()
    (directory / STATE_FILE).write_bytes(before)
    with pytest.raises(StateRestored, match="one place of it is spoilt"):
        SoftwareModule.open(directory)
    # Beside the newest state it is what a power cut leaves, and is made good.
    (directory / STATE_FILE).write_bytes(after)
    with opened(directory) as module:
        assert Terminal(module).information().counter == newest


def test_two_states_of_one_number(directory: Path) -> None:
    """A state that never came to be counted, in the place of the one that did."""
    shutil.copytree(directory, directory.with_name("aside"))
    shutil.copytree(seal(directory), seal(directory.with_name("aside")))
    use(directory)
    use(directory.with_name("aside"))
    shutil.copy(directory.with_name("aside") / STATE_FILE, directory / STATE_FILE)
    with pytest.raises(StateRestored):
        SoftwareModule.open(directory)


def test_damage(directory: Path) -> None:
    state = (directory / STATE_FILE).read_bytes()
    for at in (0, 8, 20, 30, 60, len(state) - 1):
        (directory / STATE_FILE).write_bytes(state[:at] + bytes((state[at] ^ 1,)) + state[at + 1 :])
        with pytest.raises(StateDamaged):
            SoftwareModule.open(directory)
    for cut in (0, 5, 28, 40, len(state) - 1):
        (directory / STATE_FILE).write_bytes(state[:cut])
        with pytest.raises(StateDamaged):
            SoftwareModule.open(directory)
    (directory / STATE_FILE).write_bytes(state)
    opened(directory).close()


@pytest.mark.parametrize("file", ["state.key", "vault.key", "counter"])
def test_another_modules_seal(directory: Path, tmp_path: Path, file: str) -> None:
    created(tmp_path / "other").close()
    shutil.copy(seal(tmp_path / "other") / file, seal(directory) / file)
    with pytest.raises(StateDamaged):
        SoftwareModule.open(directory)


def test_a_half_written_state_beside_the_whole_one(directory: Path) -> None:
    (directory / f"{STATE_FILE}.new").write_bytes(b"half")
    with opened(directory) as module:
        assert Terminal(module).information().state is ModuleState.INITIALISED
    assert not (directory / f"{STATE_FILE}.new").exists()


def test_a_creation_cut_short_is_taken_up_again(tmp_path: Path) -> None:
    directory = tmp_path / "module"
    Seal.create(seal(directory))
    (tmp_path / "module.new").mkdir()
    (tmp_path / "module.seal.new").mkdir()
    (tmp_path / "module.seal.new" / "state.key").write_bytes(b"half")
    created(directory).close()
    opened(directory).close()
    with pytest.raises(ModuleExists):
        Seal.create(seal(directory))


def test_order_of_writing(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content flushed before it gets its name, the name flushed before it is counted, the count flushed at the end."""
    calls: list[str] = []

    def watched(name: str) -> Callable[..., object]:
        real: Callable[..., object] = getattr(os, name)

        def call(*arguments: object, **named: object) -> object:
            calls.append(name)
            return real(*arguments, **named)

        return call

    with opened(directory) as module:
        for name in ("write", "pwrite", "fsync", "rename"):
            monkeypatch.setattr(os, name, watched(name))
        Terminal(module).done(Ins.INTERNAL_AUTHENTICATE, 0, NONCE)
        monkeypatch.undo()
    assert calls == ["write", "fsync", "rename", "fsync", "pwrite", "fsync"]


@pytest.mark.parametrize("failing", ["write", "fsync", "rename", "pwrite"])
def test_a_disk_that_fails(directory: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    """The command says so, the module goes on with what the disk holds, and nothing is half there."""
    with opened(directory) as module:
        terminal = Terminal(module)
        before = terminal.information().counter

        def fail(*_arguments: object, **_named: object) -> object:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, failing, fail)
        response = terminal.send(Ins.INTERNAL_AUTHENTICATE, 0, NONCE)
        monkeypatch.undo()
        assert response.sw == StatusWord.MEMORY_FAILURE
        if module.trouble:  # the disk failed the reading too
            module.power_on()
        assert terminal.information().counter in {before, before + 1}
        assert terminal.send(Ins.INTERNAL_AUTHENTICATE, 0, NONCE).sw == StatusWord.OK


def test_counter(tmp_path: Path) -> None:
    key = bytes(32)
    RisingCounter.create(tmp_path / "counter", key)
    counter = RisingCounter(tmp_path / "counter", key)
    for value in range(1, 6):
        counter.raise_to(Count(value, bytes((value,)) * 32))
        for wrong in (value - 1, value, value + 2):
            with pytest.raises(ValueError, match="is not the next"):
                counter.raise_to(Count(wrong))
        again = RisingCounter(tmp_path / "counter", key)
        assert again.now == Count(value, bytes((value,)) * 32)
        again.close()
    counter.close()
    counter.close()
    with pytest.raises(StateDamaged, match="neither place"):
        RisingCounter(tmp_path / "counter", b"\x01" * 32)


def test_places_that_do_not_follow(tmp_path: Path) -> None:
    key = bytes(32)
    path = tmp_path / "counter"
    RisingCounter.create(path, key)
    path.write_bytes(Count(8, bytes(32)).authenticated(key).ljust(4096, b"\x00") + Count(5).authenticated(key))
    with pytest.raises(StateDamaged, match="do not follow"):
        RisingCounter(path, key)


@settings(max_examples=50)
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_vault(name: bytes, secret: bytes) -> None:
    vault = Vault(bytes(32))
    wrapped = vault.wrap(name, secret)
    with vault.opened(name, wrapped) as plain:
        assert bytes(plain) == secret
    assert plain == bytes(len(secret))
    with pytest.raises(StateDamaged), vault.opened(name + b".", wrapped):
        pass
    with pytest.raises(StateDamaged), vault.opened(name, wrapped[:-1]):
        pass
    vault.destroy()
    with pytest.raises(StateDamaged, match="has been destroyed"), vault.opened(name, wrapped):
        pass


def test_vault_wipes_when_its_block_fails() -> None:
    vault = Vault(bytes(32))
    kept: list[bytearray] = []

    def fail() -> None:
        with vault.opened(b"n", vault.wrap(b"n", b"secret")) as plain:
            kept.append(plain)
            raise ValueError("within")

    with pytest.raises(ValueError, match="within"):
        fail()
    assert kept == [bytearray(6)]


def test_a_destroyed_vault_has_overwritten_its_key_and_nobody_elses() -> None:
    key = bytes(range(32))
    vault = Vault(key)
    own = vault._key
    wrapped = vault.wrap(b"n", b"secret")
    vault.destroy()
    assert own == bytes(32)
    assert key == bytes(range(32))
    with pytest.raises(StateDamaged, match="destroyed"), vault.opened(b"n", wrapped):
        pass
    with Vault(key).opened(b"n", wrapped) as plain:
        assert plain == b"secret"


def test_a_closed_seal_has_overwritten_its_keys(directory: Path) -> None:
    found = Seal(seal(directory))
    keys = [*found._keys, found.vault._key, found.identity._key]
    assert all(any(key) for key in keys)
    found.close()
    assert keys == [bytes(32)] * 4
    opened(directory).close()


@given(
    st.builds(
        Contents,
        serial=st.from_regex(r"[0-9A-Za-z._-]{1,32}", fullmatch=True),
        state=st.sampled_from(ModuleState),
        known_time=st.integers(0, 2**40),
        pins=st.dictionaries(
            st.sampled_from(Pin),
            st.builds(PinObject, st.binary(max_size=60), st.integers(0, 15), st.integers(3, 15), st.booleans()),
        ),
        pairs=st.dictionaries(
            st.sampled_from(KeyRef),
            st.builds(KeyPair, st.sampled_from([12, 13]), st.binary(max_size=65), st.binary(max_size=160)),
        ),
        files=st.dictionaries(st.sampled_from([0x4001, *FREE_FILES]), st.binary(min_size=1, max_size=99)),
        sizes=st.dictionaries(st.sampled_from(FREE_FILES), st.integers(1, 32768)),
    )
)
def test_contents_survive_storing(contents: Contents) -> None:
    assert Contents.decode(contents.encode()) == contents


@pytest.mark.parametrize("stored", [b"", b"[]", b"{}", b'{"format":2}', b'{"format":1}', b"\xff"])
def test_contents_of_another_version(stored: bytes) -> None:
    with pytest.raises(StateDamaged):
        Contents.decode(stored)


def test_wrong_state_file_in_place_of_termination(tmp_path: Path) -> None:
    """Who puts the state before the termination back finds its keys gone with the vault all the same."""
    with created(tmp_path / "module") as module:
        terminal = Terminal(module)
        terminal.establish(TRANSPORT_PIN)
        before = (tmp_path / "module" / STATE_FILE).read_bytes()
        counter = (seal(tmp_path / "module") / "counter").read_bytes()
        assert terminal.send(Ins.TERMINATE_CARD_USAGE, 0).sw == StatusWord.OK
    (tmp_path / "module" / STATE_FILE).write_bytes(before)
    with pytest.raises(StateRestored):
        SoftwareModule.open(tmp_path / "module")
    (seal(tmp_path / "module") / "counter").write_bytes(counter)
    with pytest.raises(StateDamaged, match="the key of the vault is missing or wrong"):
        SoftwareModule.open(tmp_path / "module")
