"""What the commands of ``smgw pki`` share: options, and how they tell of a certificate."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from smgw.failing import clear_errors
from smgw.printing import json_option
from smgw.workplace import Workplace, workplace_options

if TYPE_CHECKING:
    from cryptography import x509

    from smgw.pki_place import PkiPlace

by_option = click.option(
    "--by",
    metavar="WHO",
    help="Who authorises it: the name of a participant made here, or its folder. "
    "A GWH for SMGW-G, a GWA for SMGW-W; for suspend and lift the GWA in charge.",
)


def place_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The workplace's options and --json, and errors in clear words."""
    return json_option(workplace_options(clear_errors()(command)))


def place_of(workplace: Workplace) -> PkiPlace:
    """The PKI in a workplace."""
    from smgw.pki_place import PkiPlace

    return PkiPlace(workplace)


def told_certificate(certificate: x509.Certificate) -> dict[str, Any]:
    """A certificate as told in JSON."""
    from smpki.certificates import fingerprint
    from smpki.names import PkiName
    from smpki.profiles import profile_of

    name = PkiName.of(certificate.subject)
    return {
        "certificate": fingerprint(certificate),
        "name": str(name),
        "number": name.number,
        "profile": profile_of(certificate).label,
        "issuer": str(PkiName.of(certificate.issuer)),
        "serial": f"{certificate.serial_number:x}",
        "not_before": certificate.not_valid_before_utc.isoformat(),
        "not_after": certificate.not_valid_after_utc.isoformat(),
    }
