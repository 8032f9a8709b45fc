"""What a module remembers until the next reset, and no longer: selection, secure channel, rights, security environment.

Nothing here is ever written to a disk (TR-03116-3, 2.4: session and ephemeral keys are one session's only).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from securitymodule.card.contents import KeyPair
from securitymodule.coding import FileId, KeyRef
from securitymodule.messaging import CardChannel


class KeyUse(NamedTuple):
    """An algorithm and the key to use it with, as MSE SET chose them."""

    algorithm: int
    key: KeyRef


class StaticAgreement(NamedTuple):
    """MSE SET chose a key agreement with an own key that stays."""

    key: KeyRef


class EphemeralAgreement(NamedTuple):
    """MSE SET chose a key agreement with a key made for it, on the curve with these domain parameters."""

    domain: int


@dataclass(slots=True)
class Environment:
    """The security environment: what each MSE SET chose last, ``None`` for nothing."""

    signing: KeyUse | None = None
    verifying: KeyUse | None = None
    external: KeyUse | None = None
    agreement: StaticAgreement | EphemeralAgreement | None = None


@dataclass(slots=True)
class Session:
    """From one reset to the next.

    :ivar selected: identifier of the selected file.
    :ivar channel: secure messaging, once PACE has led to it.
    :ivar integrator: the Integrator-PIN was presented in this channel.
    :ivar administrator: the GWA authenticated itself in this channel.
    :ivar challenge: what an external authentication must be made with; empty for none.
    :ivar sub_ca: certificate (DER) of the Sub-CA imported in this channel; empty for none.
    :ivar sub_ca_root: certificate (DER) of the root it was imported under.
    :ivar environment: the security environment.
    :ivar waiting: ephemeral pairs between being made and being used, by their public keys; the private ones wrapped.
    """

    selected: int = FileId.MF
    channel: CardChannel | None = field(default=None, repr=False)
    integrator: bool = False
    administrator: bool = False
    challenge: bytes = field(default=b"", repr=False)
    sub_ca: bytes = field(default=b"", repr=False)
    sub_ca_root: bytes = field(default=b"", repr=False)
    environment: Environment = field(default_factory=Environment)
    waiting: dict[bytes, KeyPair] = field(default_factory=dict, repr=False)

    def change_channel(self, channel: CardChannel | None) -> None:
        """Begin or end secure messaging: whatever was allowed or chosen under the old one is gone."""
        if self.channel is not None:
            self.channel.close()
        self.channel = channel
        self.integrator = False
        self.administrator = False
        self.challenge = b""
        self.sub_ca = b""
        self.sub_ca_root = b""
        self.environment = Environment()
        self.waiting = {}
        self.selected = FileId.MF
