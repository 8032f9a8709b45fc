"""The seal (Siegel): what encrypts a module's state, binds it to a counter that only rises, and locks the module.

A module is two folders. ``DIR`` holds its state, encrypted and authenticated by AES-256-GCM (NIST SP 800-38D).
``DIR.seal`` beside it holds what a chip would hold in its silicon:

``state.key``    encrypts the state and authenticates the counter; wraps the attestation key
``vault.key``    wraps private keys and PIN reference data; destroyed with the module's termination
``counter``      how many states were written, and the hash of the last (:mod:`securitymodule.card.counter`)
``lock``         held by who has the module open (flock); falls with its process, however that ends

A copy or a backup of ``DIR`` opens nowhere without the seal, and one put back later is older than the counter says.
So back up ``DIR`` if you must, and never the seal.

What this cannot do, and a chip can: hold against somebody who reads the seal's folder (its keys lie there in the
clear), who puts back *both* folders at one time, or who runs code as the module's user. Where such people are about,
put the seal on storage of its own (a TPM-backed or read-protected volume) or use a chip; and compare the counter in
each attestation with the last one seen, which finds a module set back as a whole. Private keys are in memory in the
clear only while they are used, but a debugger that stops the process at that moment sees them.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import os
import weakref
from pathlib import Path
from typing import Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from securitymodule.card import durable
from securitymodule.card.counter import DIGEST_BYTES, Count, RisingCounter
from securitymodule.card.errors import ModuleExists, StateDamaged, StateRestored
from securitymodule.card.vault import KEY_BYTES, Vault
from securitymodule.errors import ModuleBusy, NoModule
from securitymodule.wiping import wipe

SUFFIX: Final = ".seal"
_MAGIC: Final = b"SMGW-SM\x01"
_COUNTER_BYTES: Final = 8
_NONCE_BYTES: Final = 12
_HEADER_BYTES: Final = len(_MAGIC) + _COUNTER_BYTES + _NONCE_BYTES


def seal_of(directory: Path) -> Path:
    """Where the seal of the module in *directory* lies by default: beside it."""
    directory = directory.absolute()
    return directory.with_name(directory.name + SUFFIX)


def _derived(key: bytes, purpose: bytes) -> bytes:
    return HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=b"SMGW security module: " + purpose).derive(key)


class Seal:
    """A seal that is open, and thereby locked against everybody else."""

    def __init__(self, folder: Path) -> None:
        """Open and lock.

        :raises NoModule: if there is no seal.
        :raises ModuleBusy: if somebody has it open.
        :raises StateDamaged: if its files are not what they should be.
        :raises OSError: as the operating system does.
        """
        self.folder = folder
        with contextlib.ExitStack() as undo:
            self._unlock = weakref.finalize(self, os.close, _locked(folder))  # at the latest when nobody refers to it
            undo.callback(self._unlock)
            state_key = _state_key(folder / "state.key")
            undo.callback(wipe, state_key)
            self._keys = (_derived(state_key, b"state"), _derived(state_key, b"counter"))
            undo.callback(self._wipe)
            identity, vault = _derived(state_key, b"identity"), _vault_key(folder / "vault.key", state_key)
            self._cipher = AESGCM(self._keys[0])
            self.identity = Vault(identity)
            """Wraps what outlives the module's termination: the attestation key."""
            self.vault = Vault(vault)
            """Wraps everything else that is secret. Not usable once its key has been destroyed, or is not its own."""
            for copied in (identity, vault or b""):
                wipe(copied)
            self._counter = RisingCounter(folder / "counter", self._keys[1])
            undo.pop_all()
        wipe(state_key)

    def __repr__(self) -> str:
        return f"Seal({str(self.folder)!r}, counter {self.count})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a seal is not serialised")

    @staticmethod
    def create(folder: Path) -> None:
        """Make a seal, with new keys and the counter at zero. It appears as a whole.

        One that never sealed a state is no loss, and gives way: a creation was cut short there.

        :raises ModuleExists: if there is one that has sealed a state.
        :raises ModuleBusy: if somebody has it open.
        :raises OSError: as the operating system does.
        """
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = folder.with_name(folder.name + durable.TEMPORARY_SUFFIX)
        _remove(beside)
        if folder.exists():
            _check_unused(folder)
            folder.rename(beside)
            _remove(beside)
        beside.mkdir(mode=durable.PRIVATE_FOLDER)
        state_key, vault_key = os.urandom(KEY_BYTES), os.urandom(KEY_BYTES)
        durable.create(beside / "state.key", state_key)
        durable.create(beside / "vault.key", vault_key + _mark(vault_key, state_key))
        durable.create(beside / "lock", b"")
        RisingCounter.create(beside / "counter", _derived(state_key, b"counter"))
        for key in (state_key, vault_key):
            wipe(key)
        durable.sync_folder(beside)
        beside.rename(folder)
        durable.sync_folder(folder.parent)

    @property
    def count(self) -> int:
        """How many states have been sealed and counted."""
        return self._counter.now.value

    def sealed(self, content: bytes) -> bytes:
        """The next state, encrypted. It counts once :meth:`counted` has been told that it is on the disk.

        :param content: the state's bytes.
        """
        header = _MAGIC + (self.count + 1).to_bytes(_COUNTER_BYTES, "big") + os.urandom(_NONCE_BYTES)
        plain = self._counter.now.digest + content
        return header + self._cipher.encrypt(header[-_NONCE_BYTES:], plain, header)

    def counted(self, sealed: bytes) -> None:
        """The state that :meth:`sealed` gave is on the disk: from now on none but it is believed.

        :raises OSError: as the operating system does.
        """
        self._counter.raise_to(Count(self.count + 1, hashlib.sha256(sealed).digest()))

    def unsealed(self, sealed: bytes) -> bytes:
        """The state's bytes, if this is the newest state. A power cut between writing and counting is made good.

        :raises StateDamaged: if it is damaged, or sealed by another seal.
        :raises StateRestored: if it is older than the counter says, or the counter older than it.
        :raises OSError: as the operating system does.
        """
        header = sealed[:_HEADER_BYTES]
        if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC):
            raise StateDamaged("the state is not one that this version writes")
        try:
            plain = self._cipher.decrypt(header[-_NONCE_BYTES:], sealed[_HEADER_BYTES:], header)
        except InvalidTag:
            raise StateDamaged("the state was changed, or belongs to another module's seal") from None
        written = int.from_bytes(header[len(_MAGIC) : -_NONCE_BYTES], "big")
        now, spoilt = self._counter.now, self._counter.spoilt
        if written == now.value + 1 and plain[:DIGEST_BYTES] == now.digest:
            self.counted(sealed)
        elif written != now.value or hashlib.sha256(sealed).digest() != now.digest or spoilt:
            raise StateRestored(
                f"the module refuses service: its state is number {written}, its counter stands at {now.value}"
                f"{' and one place of it is spoilt' if spoilt else ''}; somebody put back an earlier state or counter"
            )
        return plain[DIGEST_BYTES:]

    def destroy_vault(self) -> None:
        """Erase the vault's key, and with it everything wrapped in the vault, in every copy. May be called again.

        :raises OSError: as the operating system does.
        """
        self.vault.destroy()
        durable.erase(self.folder / "vault.key")

    def close(self) -> None:
        """Overwrite the keys in memory and unlock. The seal is of no use any more."""
        self._counter.close()
        self.identity.destroy()
        self.vault.destroy()
        self._wipe()
        self._unlock()

    def _wipe(self) -> None:
        """Overwrite what the state and the counter are authenticated with."""
        for key in self._keys:
            wipe(key)


def _locked(folder: Path) -> int:
    """The descriptor of the lock file, locked, with this process's number in it."""
    try:
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        raise NoModule(
            f"{folder}: there is no seal; a module needs it, and a copy or a backup without it opens nowhere"
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    except BlockingIOError:
        holder = os.pread(descriptor, 20, 0).decode("ascii", "replace") or "?"
        os.close(descriptor)
        raise ModuleBusy(f"{folder}: the module is in use by process {holder}; it serves one at a time") from None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _state_key(path: Path) -> bytes:
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        raise StateDamaged(f"{path}: the key of the state is missing") from None
    if len(key) != KEY_BYTES:
        raise StateDamaged(f"{path}: not a key of {KEY_BYTES} bytes")
    return key


def _vault_key(path: Path, state_key: bytes) -> bytes | None:
    """The vault's key, ``None`` where it is gone, half erased, or another seal's."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    key = content[:KEY_BYTES]
    right = hmac.compare_digest(_mark(key, state_key), content[KEY_BYTES:])
    wipe(content)
    return key if right else None


def _mark(vault_key: bytes, state_key: bytes) -> bytes:
    """What stands beside the vault's key to show that it is this seal's."""
    key = _derived(state_key, b"vault")
    try:
        return hmac.digest(key, vault_key, "sha256")
    finally:
        wipe(key)


def _check_unused(folder: Path) -> None:
    seal = Seal(folder)
    used = seal.count > 0
    seal.close()
    if used:
        raise ModuleExists(f"{folder}: this seal belongs to a module; was its state moved, or is it there still?")


def _remove(folder: Path) -> None:
    """Remove a seal that never came to use, if there is one."""
    if folder.exists():
        for file in folder.iterdir():
            durable.erase(file)
        folder.rmdir()
        durable.sync_folder(folder.parent)
