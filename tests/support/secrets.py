"""What must never show, and the search for it: private keys of security modules and PINs, in every form they may take.

:func:`assert_nothing_of` looks through files, texts and process images. The secrets of a module are found the way only
a test may: :func:`secrets_of` opens it with its seal.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key

from securitymodule.card.module import SoftwareModule
from securitymodule.coding import KeyRef

_UNPRINTED = bytes(octet for octet in range(256) if not 0x20 <= octet < 0x7F)
_DIGIT_BITS = 30
"""Python keeps an integer in pieces of so many bits, four bytes each."""


@dataclass(frozen=True)
class Secret:
    """Bytes that must not be found.

    :ivar whose: what they are, for the message.
    :ivar value: a private scalar, big-endian, or a PIN's digits as ASCII.
    :ivar is_pin: a PIN is looked for as a whole only: half of one is a number like any other.
    """

    whose: str
    value: bytes
    is_pin: bool = False

    @cached_property
    def in_bytes(self) -> tuple[tuple[str, bytes], ...]:
        """How a key could lie in memory or in a file: big-endian, in OpenSSL's order, as an integer of Python's."""
        if self.is_pin:
            return ()
        half = len(self.value) // 2
        number = int.from_bytes(self.value, "big")
        pieces = (number >> shift & (1 << _DIGIT_BITS) - 1 for shift in range(0, 8 * len(self.value), _DIGIT_BITS))
        integer = b"".join(piece.to_bytes(4, "little") for piece in pieces)
        return (
            ("big-endian, first half", self.value[:half]),
            ("big-endian, second half", self.value[half:]),
            ("little-endian, first half", self.value[::-1][:half]),
            ("little-endian, second half", self.value[::-1][half:]),
            ("an integer of Python's", integer[4:-4]),
        )

    @cached_property
    def in_text(self) -> tuple[tuple[str, bytes], ...]:
        """How it could be printed: hexadecimal, base64 at any offset, decimal, escaped. Half of a key is enough."""
        value = self.value
        forms = {
            "hexadecimal": value.hex(),
            "hexadecimal, capitals": value.hex().upper(),
            "hexadecimal, colons": value.hex(":"),
            "hexadecimal, colons, capitals": value.hex(":").upper(),
            "hexadecimal, blanks": value.hex(" "),
            **{f"base64, offset {offset}": _base64(value, offset) for offset in range(3)},
            **{f"base64url, offset {offset}": _base64(value, offset, b"-_") for offset in range(3)},
        }
        if self.is_pin:
            forms["digits"] = value.decode("ascii")
        else:
            forms |= {
                "little-endian, hexadecimal": value[::-1].hex(),
                "decimal": str(int.from_bytes(value, "big")),
                "escaped": repr(value)[2:-1],
                "list of numbers": ", ".join(map(str, value)),
            }
        return tuple((name, _middle(form, self.is_pin).encode()) for name, form in forms.items())


def key_secret(whose: str, key: ec.EllipticCurvePrivateKey) -> Secret:
    """The scalar of a private key."""
    number = key.private_numbers().private_value
    return Secret(whose, number.to_bytes((key.curve.key_size + 7) // 8, "big"))


def pin_secret(whose: str, digits: str) -> Secret:
    """A PIN."""
    return Secret(whose, digits.encode("ascii"), is_pin=True)


def private_keys(module: SoftwareModule) -> list[Secret]:
    """The private keys that are in a module that has power."""
    store = module._store
    assert store is not None
    found: list[Secret] = []
    for key, pair in store.contents.pairs.items():
        vault = store.seal.identity if key is KeyRef.ATTESTATION else store.seal.vault
        with vault.opened(b"private key of " + pair.point, pair.private) as plain:
            loaded = load_der_private_key(plain, None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        found.append(key_secret(key.name, loaded))
    return found


def secrets_of(directory: Path) -> list[Secret]:
    """The private keys of the software module in a folder, which nobody else may have open."""
    with SoftwareModule.open(directory) as module:
        return private_keys(module)


def shown(secrets: Iterable[Secret], haystack: bytes) -> list[str]:
    """Whose secrets can be seen in some bytes, and how."""
    printed = haystack.translate(None, _UNPRINTED)  # so that neither line ends nor wide characters hide anything
    return [
        f"{secret.whose} ({form})"
        for secret in secrets
        for forms, where in ((secret.in_bytes, haystack), (secret.in_text, printed))
        for form, sought in forms
        if sought in where
    ]


def assert_nothing_of(
    secrets: Iterable[Secret],
    paths: Iterable[Path] = (),
    texts: Iterable[str] = (),
    dumps: Iterable[bytes] = (),
) -> None:
    """Fail if a secret shows anywhere.

    :param paths: files, and folders with everything below them; names are looked at too.
    :param texts: log lines, tracebacks, reprs, output.
    :param dumps: any bytes, such as those of :func:`image_of`.
    """
    sought = list(secrets)
    assert sought, "there is nothing to look for"
    found: list[str] = []
    for path in paths:
        for file in [path, *path.rglob("*")] if path.is_dir() else [path]:
            content = file.read_bytes() if file.is_file() else b""
            found += [f"{each} in {file}" for each in shown(sought, bytes(file) + b"\n" + content)]
    for number, text in enumerate(texts):
        found += [f"{each} in text {number}" for each in shown(sought, text.encode("utf-8", "surrogateescape"))]
    for number, dump in enumerate(dumps):
        found += [f"{each} in dump {number}" for each in shown(sought, dump)]
    assert not found, "\n".join(found)


def image_of(pid: int) -> Iterator[bytes]:
    """Everything that a process has written into its memory, a mapping at a time. It should wait meanwhile."""
    process = Path(f"/proc/{pid}")
    for line in (process / "maps").read_text(encoding="utf-8").splitlines():
        place, permissions, *_ = line.split()
        start, end = (int(number, 16) for number in place.split("-"))
        if not permissions.startswith("rw"):
            continue
        with (process / "mem").open("rb", 0) as memory:
            try:
                memory.seek(start)
                yield memory.read(end - start)
            except (OSError, ValueError, OverflowError):  # the kernel's own pages
                continue


def _base64(value: bytes, offset: int, letters: bytes = b"+/") -> str:
    """The letters that are the same whatever stands before and behind."""
    encoded = base64.b64encode(bytes(offset) + value, letters).decode()
    return encoded[4 if offset else 0 :].rstrip("=")[:-1]


def _middle(text: str, whole: bool) -> str:
    """Half of a text, from its middle, unless the whole is asked for."""
    quarter = 0 if whole else len(text) // 4
    return text[quarter : len(text) - quarter]
