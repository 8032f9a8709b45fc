"""What a test module must never show: its secrets, found the way only a test may, with the seal's keys at hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key

from securitymodule.card.module import SoftwareModule
from securitymodule.coding import KeyRef


@dataclass(frozen=True)
class Secret:
    """Bytes that must not be found, and whose they are."""

    whose: str
    value: bytes

    @property
    def forms(self) -> tuple[bytes, ...]:
        """How they could show: as they are, in OpenSSL's order, in hexadecimal, in decimal as Python prints them."""
        number = int.from_bytes(self.value, "big")
        texts = (self.value.hex(), self.value.hex().upper(), str(number))
        return (self.value, self.value[::-1], *(text.encode() for text in texts))


def private_keys(module: SoftwareModule) -> list[Secret]:
    """The private keys that are in a module."""
    store = module._store
    assert store is not None
    found: list[Secret] = []
    for key, pair in store.contents.pairs.items():
        vault = store.seal.identity if key is KeyRef.ATTESTATION else store.seal.vault
        with vault.opened(b"private key of " + pair.point, pair.private) as plain:
            loaded = load_der_private_key(plain, None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        number = loaded.private_numbers().private_value
        found.append(Secret(key.name, number.to_bytes((loaded.curve.key_size + 7) // 8, "big")))
    return found


def shown(secrets: Iterable[Secret], haystack: bytes) -> list[str]:
    """Whose secrets can be seen in some bytes, in any form, or half of one."""
    found: list[str] = []
    for secret in secrets:
        half = len(secret.value) // 2
        forms = (*secret.forms, secret.value[:half], secret.value[half:])
        found += [f"{secret.whose}, {len(form)} bytes" for form in forms if form in haystack]
    return found
