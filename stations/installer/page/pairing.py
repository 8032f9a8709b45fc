"""Who may use the page: one phone, paired with a code that the tool prints and that works once.

The code has 50 random bits, written so that it can be typed: ten characters of Crockford's Base32, which has no I, L, O
and U. After five wrong ones it is void. What the phone gets for it is a cookie out of reach of scripts; every form
carries a word besides that only the paired page knows, so that no other page can have the phone send one.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from datetime import datetime, timedelta
from typing import Final

from lifecycle.parties import Clock, utc_now

LIFETIME: Final = timedelta(hours=12)
"""How long a phone stays paired: a working day; ours."""
WRONG_CODES: Final = 5
"""After how many wrong codes the right one is void; ours."""
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LOOKS_LIKE: Final = str.maketrans("ILO", "110", "- \t")
_LENGTH: Final = 10


def new_code() -> str:
    """A pairing code, in groups: ``K7QM-4XTP-2N``."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    return f"{letters[:4]}-{letters[4:8]}-{letters[8:]}"


def _normal(code: str) -> str:
    return code.upper().translate(_LOOKS_LIKE)


class Pairing:
    """One code, and the one phone that was paired with it. In memory, and gone with the process.

    :ivar code: the code to print; of no use once it was used.
    """

    def __init__(self, clock: Clock = utc_now) -> None:
        self.code = new_code()
        self._clock = clock
        self._lock = threading.Lock()
        self._wrong = 0
        self._session = ""
        self._form_key = b""
        self._ends: datetime | None = None

    def __repr__(self) -> str:
        return "Pairing(…)"

    @property
    def void(self) -> bool:
        """Whether the code cannot be used any more: it was used, or guessed at too often."""
        return self._ends is not None or self._wrong >= WRONG_CODES

    def pair(self, said: str) -> str | None:
        """What the cookie of the phone holds that says the code; ``None`` where that is wrong or void."""
        with self._lock:
            if self.void:
                return None
            if not hmac.compare_digest(_normal(said).encode(errors="replace"), _normal(self.code).encode()):
                self._wrong += 1
                return None
            secret = secrets.token_urlsafe(32)
            self._session = _digest(secret)
            self._form_key = secrets.token_bytes(32)
            self._ends = self._clock() + LIFETIME
            return secret

    def is_paired(self, secret: str) -> bool:
        """Whether this is the cookie of the paired phone."""
        if not self._session or self._ends is None or self._clock() >= self._ends:
            return False
        return hmac.compare_digest(_digest(secret), self._session)

    def end(self) -> None:
        """Let go of the paired phone; the code stays void."""
        with self._lock:
            self._session = ""

    def form_word(self) -> str:
        """What every form of the paired page carries."""
        return hmac.new(self._form_key, b"form", hashlib.sha256).hexdigest()

    def is_form_word(self, said: str) -> bool:
        """Whether a form carries it."""
        paired = self._ends is not None
        return paired and hmac.compare_digest(said.encode(errors="replace"), self.form_word().encode())


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()
