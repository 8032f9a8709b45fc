"""Keys, MAC and counters of wireless M-Bus: published vectors, another computation, and what must be refused."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from gateway.lmn.wmbus_layers import Afl, Application, Mode, Tpl
from gateway.lmn.wmbus_link import MbusAddress
from gateway.lmn.wmbus_security import (
    CounterFile,
    MeterKey,
    SecurityError,
    aes_cbc_encrypted,
    aes_cmac,
    mac_input,
    padded,
    unlocked,
)
from tests.gateway.lmn.counters import Counters

METER = MbusAddress("ELS", "12345678", 0x33, 0x03)
KEY = bytes(range(16))


def cmac_by_definition(key: bytes, data: bytes) -> bytes:
    """RFC 4493 step by step, from nothing but single AES blocks."""

    def block(text: bytes) -> bytes:
        return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(text)  # noqa: S305

    def doubled(text: bytes) -> bytes:
        number = int.from_bytes(text, "big") << 1
        return ((number ^ 0x87) & (1 << 128) - 1 if number >> 128 else number).to_bytes(16, "big")

    first = doubled(block(bytes(16)))
    whole = bool(data) and len(data) % 16 == 0
    text = data if whole else data + b"\x80" + bytes(15 - len(data) % 16)
    last_key = first if whole else doubled(first)
    state = bytes(16)
    for at in range(0, len(text), 16):
        part = text[at : at + 16]
        if at + 16 == len(text):
            part = bytes(a ^ b for a, b in zip(part, last_key, strict=True))
        state = block(bytes(a ^ b for a, b in zip(state, part, strict=True)))
    return state


@pytest.mark.parametrize(
    ("length", "mac"),
    [
        (0, "bb1d6929e95937287fa37d129b756746"),
        (16, "070a16b46b4d4144f79bdd9dd04a287c"),
        (40, "dfa66747de9ae63030ca32611497c827"),
        (64, "51f0bebf7e3b9d92fc49741779363cfe"),
    ],
)
def test_cmac_vectors_of_rfc_4493(length: int, mac: str) -> None:
    key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    text = bytes.fromhex(
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
        "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
    )
    assert aes_cmac(key, text[:length]).hex() == mac
    assert cmac_by_definition(key, text[:length]).hex() == mac


@given(st.binary(min_size=16, max_size=16), st.integers(0, 255), st.integers(0, 2**32 - 1), st.binary(max_size=8))
def test_derivation_by_the_letter_of_the_guideline(key: bytes, constant: int, counter: int, meter: bytes) -> None:
    text = bytes((constant,)) + counter.to_bytes(4, "little") + meter
    fill = 16 - len(text) % 16
    expected = cmac_by_definition(key, text + bytes([fill] * fill))
    assert MeterKey(key).derive(constant, counter, meter) == expected


def test_padding() -> None:
    assert padded(bytes(9))[9:] == b"\x07" * 7
    assert padded(bytes(13))[13:] == b"\x03" * 3
    assert padded(bytes(16))[16:] == b"\x10" * 16


def test_a_key_shows_nothing_of_itself() -> None:
    key = MeterKey(KEY)
    assert KEY.hex() not in repr(key) + str(key) + f"{key}"
    assert not hasattr(key, "__dict__")
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(key)
    with pytest.raises(TypeError, match="pickled"):
        copy.copy(key)
    with pytest.raises(SecurityError, match="16 bytes, not 3") as refused:
        MeterKey(b"abc")
    assert "abc" not in str(refused.value)
    assert key == MeterKey(KEY)
    assert key != MeterKey(bytes(16))


def protected(
    *,
    counter: int = 7,
    mac: bytes | None = None,
    control: int | None = 0x25,
    plaintext: bytes = b"\x2f\x2f" + bytes(14),
    extension: int = 0x10,
    key_information: bytes | None = None,
    length: int | None = None,
) -> tuple[Tpl, Afl, bytes]:
    """A message of mode 7, by default sound."""
    key = MeterKey(KEY)
    ciphertext = aes_cbc_encrypted(key.derive(0, counter, METER.identification), bytes(16), plaintext)
    transport = bytes((0x7A, 1, 0, 0x10, 0x07, extension)) + ciphertext
    tpl = Tpl(0x7A, Application.MBUS, None, 1, 0, 7, len(ciphertext), extension, ciphertext)
    afl = Afl(0, False, control, key_information, counter, mac, length)
    if mac is None:
        sound = aes_cmac(key.derive(1, counter, METER.identification), mac_input(afl, transport))
        size = {5: 8, 6: 12, 7: 16}.get((control or 0) & 0x0F, 8)
        afl = Afl(0, False, control, key_information, counter, sound[:size], length)
    return tpl, afl, transport


def use(message: tuple[Tpl, Afl | None, bytes], counters: Counters, mode: Mode = Mode.MODE_7) -> bytes:
    tpl, afl, transport = message
    return unlocked(tpl, METER, afl, transport, key=MeterKey(KEY), mode=mode, counters=counters)


@pytest.mark.parametrize("control", [0x25, 0x27])
def test_a_sound_message_is_unlocked_and_its_counter_kept(control: int) -> None:
    counters = Counters()
    assert use(protected(control=control), counters) == b"\x2f\x2f" + bytes(14)
    assert counters.kept == {METER.server_id: 7}


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (protected(mac=bytes(8)), "MAC wrong"),
        (protected(control=None), "without MAC and counter"),
        (protected(control=0x24, mac=bytes(4)), "does not permit"),
        (protected(control=0x26), "does not permit"),
        (protected(control=0x25, mac=bytes(16)), "does not permit"),
        (protected(extension=0x00), "derivation than function A"),
        (protected(extension=0x11), "derivation than function A"),
        (protected(key_information=b"\0\0"), "another key"),
        (protected(length=5), "announces 5 bytes"),
    ],
)
def test_a_message_that_is_not_authentic_changes_nothing(message: tuple[Tpl, Afl, bytes], said: str) -> None:
    counters = Counters()
    with pytest.raises(SecurityError, match=said):
        use(message, counters)
    assert counters.kept == {}


def test_nothing_is_decrypted_before_the_mac_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    def touched(*_: object) -> bytes:
        raise AssertionError("decrypted before the MAC was verified")

    monkeypatch.setattr("gateway.lmn.wmbus_security.aes_cbc_decrypted", touched)
    with pytest.raises(SecurityError, match="MAC wrong"):
        use(protected(mac=bytes(8)), Counters())
    counters = Counters()
    counters.kept[METER.server_id] = 7
    with pytest.raises(SecurityError, match="sent before"):
        use(protected(), counters)
    with pytest.raises(AssertionError, match="decrypted"):
        use(protected(), Counters())


def test_a_wrong_plaintext_is_refused_though_authentic_and_its_counter_spent() -> None:
    counters = Counters()
    with pytest.raises(SecurityError, match="wrong key"):
        use(protected(plaintext=bytes(16)), counters)
    assert counters.kept == {METER.server_id: 7}


def test_counters_only_rise() -> None:
    counters = Counters()
    for counter in (1, 2, 100, 2**32 - 1):
        use(protected(counter=counter), counters)
    for counter in (2**32 - 1, 100, 0):
        with pytest.raises(SecurityError, match="sent before"):
            use(protected(counter=counter), counters)


@pytest.mark.parametrize("agreed", [Mode.MODE_5, Mode.NONE])
def test_a_telegram_of_another_mode_than_agreed_is_refused(agreed: Mode) -> None:
    with pytest.raises(SecurityError, match=f"agreed for this meter is {agreed.value}"):
        use(protected(), Counters(), agreed)
    tpl = Tpl(0x7A, Application.MBUS, None, 1, 0, 0, 0, None, b"\x04\x03\x01\0\0\0")
    with pytest.raises(SecurityError, match="security mode 0, agreed for this meter is 7"):
        use((tpl, None, b""), Counters())


def test_mode_7_without_an_afl_and_any_mode_without_a_key_are_refused() -> None:
    tpl, afl, transport = protected()
    with pytest.raises(SecurityError, match="without MAC"):
        use((tpl, None, transport), Counters())
    with pytest.raises(SecurityError, match="no key"):
        unlocked(tpl, METER, afl, transport, key=None, mode=Mode.MODE_7, counters=Counters())


def test_counters_outlive_the_process(tmp_path: Path) -> None:
    path = tmp_path / "counters"
    first = CounterFile(path)
    assert first.last(b"\x01a") is None
    first.accept(b"\x01a", 5)
    first.accept(b"\x01b", 2**32 - 1)
    again = CounterFile(path)
    assert (again.last(b"\x01a"), again.last(b"\x01b")) == (5, 2**32 - 1)
    for counter in (5, 4, -1, 2**32):
        with pytest.raises(SecurityError):
            again.accept(b"\x01a", counter)
    assert CounterFile(path).last(b"\x01a") == 5
    assert list(tmp_path.iterdir()) == [path]


def test_a_counter_accepted_survives_a_process_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "counters"
    program = (
        "import os, sys; from pathlib import Path; from gateway.lmn.wmbus_security import CounterFile\n"
        "store = CounterFile(Path(sys.argv[1]))\n"
        "for counter in range(1, 6): store.accept(b'm', counter)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(path)], check=False, timeout=60)
    assert ended.returncode == -9
    assert CounterFile(path).last(b"m") == 5


@pytest.mark.parametrize("content", ["nonsense", "aa", "aa x", "aa 1\naa 2", "aa -1", "aa 4294967296", "aa 1 2", "\n"])
def test_a_damaged_file_is_an_error_and_not_an_empty_one(tmp_path: Path, content: str) -> None:
    path = tmp_path / "counters"
    path.write_text(content)
    with pytest.raises(SecurityError, match="line"):
        CounterFile(path)


def test_what_cannot_be_written_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = CounterFile(tmp_path / "counters")
    store.accept(b"m", 1)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gateway.lmn.wmbus_security.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.accept(b"m", 2)
    assert store.last(b"m") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["counters"]
