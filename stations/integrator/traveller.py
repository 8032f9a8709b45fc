"""The traveller (Begleitschein): one printed page that goes with a gateway, from its record and its module.

It says which gateway this is, which module is in it, which certificates that has and where its record ends, so that
whoever takes it over can compare. It holds no secret, and nobody has to believe it: everything on it can be asked of
the gateway's record, its module or the PKI.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Final

from cryptography import x509
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gateway.lmn.device_id import server_id_from_device_id
from lifecycle.canonical import parse_time
from lifecycle.facts import Fact
from lifecycle.head import Head
from lifecycle.phases import PHASES
from lifecycle.replay import Verdict
from lifecycle.states import State
from smpki.certificates import fingerprint
from smpki.names import PkiName
from stations.integrator.order import Arrangement
from stations.integrator.told import Told

SITE_STATES: Final = (
    State.DEVELOPMENT,
    State.PRODUCTION,
    State.PREPERSONALISATION_1_SEPARATE,
    State.PREPERSONALISATION_1_ASSEMBLED,
    State.INTEGRATION,
    State.PREPERSONALISATION_2,
    State.DELIVERY_TO_MSB,
)
_GERMAN: Final = {Arrangement.SEPARATE: "getrennt", Arrangement.ASSEMBLED: "assembliert"}
_NOT_YET: Final = "not yet · noch nicht"


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a traveller is made of.

    :ivar gateway: identification of the gateway, DIN 43863-5.
    :ivar told: what its record says.
    :ivar head: the record's signed head.
    :ivar verdict: what replaying the record found, the module's attestations examined.
    :ivar url: where the module is.
    :ivar atr: the module's answer to reset; empty where it is not at hand.
    :ivar certificates: the certificates that the PKI has issued to the gateway.
    :ivar administrator: common name of the GWA in its initial configuration; empty before that is imported.
    :ivar printed: when it is printed, UTC.
    """

    gateway: str
    told: Told
    head: Head
    verdict: Verdict
    url: str
    atr: bytes
    certificates: Sequence[x509.Certificate]
    administrator: str
    printed: datetime


@dataclass(frozen=True, slots=True)
class _Phase:
    """A phase on the sheet's line of time."""

    chapter: int
    german: str
    name: str
    day: str
    hour: str


@dataclass(frozen=True, slots=True)
class _Certificate:
    """A seal certificate on the sheet."""

    use: str
    curve: str
    fingerprint: list[str]
    name: str
    until: str


def render(sheet: Sheet) -> str:
    """The page, HTML; it asks for nothing from elsewhere.

    :raises gateway.lmn.device_id.DeviceIdError: if the identification is none.
    """
    told, gateway = sheet.told, sheet.gateway
    module, phase = told.module, PHASES[told.standing.state]
    delivered = told.facts.get(Fact.GWH_HANDED_OVER)
    return _ENVIRONMENT.get_template("traveller.html").render(
        gateway=gateway,
        parts=(gateway[0], gateway[1:4], gateway[4:6], gateway[6:]),
        server_id=server_id_from_device_id(gateway).hex(" "),
        state=phase.german,
        chapter=phase.chapter,
        delivered=_moment(delivered[0]) if delivered else None,
        made_by=delivered[1] if delivered else None,
        serial=module.serial if module else _NOT_YET,
        way="PC/SC" if sheet.url.startswith("pcsc:") else "Softwaremodul",
        atr=sheet.atr.hex(" ").upper() or "not at hand · nicht greifbar",
        key=_groups(sha256(module.point).hexdigest()) if module else [_NOT_YET],
        arrangement=f"{told.arrangement} · {_GERMAN[told.arrangement]}" if told.arrangement else _NOT_YET,
        administrator=sheet.administrator or _NOT_YET,
        seals=list(_certificates(sheet)),
        phases=list(_phases(told)),
        head=sheet.head,
        head_hash=_groups(sheet.head.hash),
        head_time=_moment(sheet.head.time),
        verdict=sheet.verdict,
        attested=module is not None,
        printed=f"{sheet.printed:%Y-%m-%d %H:%M} UTC",
        version=version("smgw"),
    )


def _phases(told: Told) -> Iterator[_Phase]:
    for state, time in told.reached:
        if state in SITE_STATES:
            phase, moment = PHASES[state], parse_time(time)
            name = str(state).replace("_", " ").lower()
            yield _Phase(phase.chapter, phase.german, name, f"{moment:%Y-%m-%d}", f"{moment:%H:%M:%S} UTC")


def _certificates(sheet: Sheet) -> Iterator[_Certificate]:
    issued = {fingerprint(certificate): certificate for certificate in sheet.certificates}
    for seal in sheet.told.seals:
        found = issued.get(seal.fingerprint)
        name = str(PkiName.of(found.subject)) if found else "not on record of the PKI here"
        until = f"{found.not_valid_after_utc:%Y-%m-%d}" if found else "?"
        yield _Certificate(str(seal.use), seal.curve, _groups(seal.fingerprint), name, until)


def _groups(text: str) -> list[str]:
    """A hash in groups that can be compared by eye."""
    return [text[at : at + 8] for at in range(0, len(text), 8)]


def _moment(time: str) -> str:
    return f"{parse_time(time):%Y-%m-%d %H:%M:%S} UTC"


_ENVIRONMENT: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
