"""Who is who in the SM-PKI: distinguished names, written and read by one rule.

A name is ``CN=<organisation>.<function>[.<extension>], O=<environment>, C=DE, SERIALNUMBER=<number>``. That form is
known from practice, not from a public source; the order of the parts, what an organisation may be called and what
SERIALNUMBER counts are ours. A gateway's organisation is its identification after DIN 43863-5.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum, unique
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from smpki.errors import NameRuleError


@unique
class Environment(StrEnum):
    """Which PKI a name belongs to: the O of every name in it."""

    PRODUCTION = "SM-PKI-DE"
    """The PKI in operation (Wirkumgebung)."""
    TEST = "SM-Test-PKI-DE"
    """The PKI to test with, and what ``smgw pki init`` makes unless told otherwise."""


@unique
class Function(StrEnum):
    """What a participant of the PKI is, as the middle of its common name says."""

    CA = "CA"
    """Root-CA or Sub-CA."""
    GWA = "GWA"
    """Gateway-Administrator."""
    GWH = "GWH"
    """Gateway-Hersteller."""
    EMT = "EMT"
    """Externer Marktteilnehmer."""
    SMGW = "SMGW"
    """Smart-Meter-Gateway."""


ROOT_ORGANISATION: Final = "SM-Root"
"""Organisation of every Root: ``SM-Root.CA``."""
_ORGANISATION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_GATEWAY: Final = re.compile(r"E[A-Z]{3}[0-9]{10}")
_EXTENSION: Final = re.compile(r"[A-Za-z0-9-]{1,16}")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,15}")
_COUNTRY: Final = "DE"


@dataclass(frozen=True, slots=True)
class PkiName:
    """A participant's name.

    :raises NameRuleError: on making one that the rules above do not allow.
    """

    organisation: str
    """1 to 40 letters, digits, hyphens and underscores (ours); a gateway's identification (DIN 43863-5)."""
    function: Function
    """What it is."""
    environment: Environment
    """Which PKI it is in."""
    number: int = 1
    """SERIALNUMBER: counts the generations of this participant's certificates, from 1 (ours)."""
    extension: str | None = None
    """After the function: ``TLS`` for the web service of a CA (ours); 1 to 16 letters, digits and hyphens."""

    def __post_init__(self) -> None:
        form = _GATEWAY if self.function is Function.SMGW else _ORGANISATION
        if not form.fullmatch(self.organisation):
            wanted = (
                "a gateway is named by its DIN 43863-5 identification, such as EXXX0012345678"
                if self.function is Function.SMGW
                else "an organisation has 1 to 40 letters, digits, hyphens and underscores"
            )
            raise NameRuleError(f"{self.organisation!r} names no {self.function}: {wanted}")
        if self.extension is not None and not _EXTENSION.fullmatch(self.extension):
            raise NameRuleError(f"{self.extension!r} is no extension of a name: 1 to 16 letters, digits and hyphens")
        if not 1 <= self.number < 10**16:
            raise NameRuleError(f"a SERIALNUMBER counts from 1, with at most 16 digits, not {self.number}")

    def __str__(self) -> str:
        return self.common_name

    @property
    def common_name(self) -> str:
        """``<organisation>.<function>[.<extension>]``."""
        return ".".join(part for part in (self.organisation, self.function, self.extension) if part)

    @property
    def is_root(self) -> bool:
        """Whether it is the name of a Root."""
        return self.function is Function.CA and self.organisation == ROOT_ORGANISATION and self.extension is None

    def numbered(self, number: int) -> PkiName:
        """The same participant in another generation."""
        return replace(self, number=number)

    def distinguished(self) -> x509.Name:
        """The distinguished name. Country and organisation stand first, so that a name constraint can hold on them."""
        return x509.Name(
            [
                *namespace(self.environment),
                x509.NameAttribute(NameOID.COMMON_NAME, self.common_name),
                x509.NameAttribute(NameOID.SERIAL_NUMBER, str(self.number)),
            ]
        )

    @classmethod
    def parse(cls, common_name: str, environment: Environment, number: int = 1) -> PkiName:
        """Read a common name.

        :raises NameRuleError: if it is none.
        """
        organisation, *rest = common_name.split(".")
        if not 1 <= len(rest) <= 2:
            raise NameRuleError(f"{common_name!r} is no name of the SM-PKI: <organisation>.<function>[.<extension>]")
        try:
            function = Function(rest[0])
        except ValueError as error:
            known = ", ".join(Function)
            raise NameRuleError(f"{common_name!r} names none of the functions {known}") from error
        return cls(organisation, function, environment, number, rest[1] if len(rest) == 2 else None)

    @classmethod
    def of(cls, name: x509.Name) -> PkiName:
        """Read a distinguished name.

        :raises NameRuleError: if it is not exactly of the form above.
        """
        attributes = [(attribute.oid, attribute.value) for attribute in name]
        if any(len(part) != 1 for part in name.rdns):
            raise NameRuleError(f"a name with several attributes in one part: {name.rfc4514_string()}")
        oids = [oid for oid, _ in attributes]
        if oids != [NameOID.COUNTRY_NAME, NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME, NameOID.SERIAL_NUMBER]:
            raise NameRuleError(f"a name has C, O, CN and SERIALNUMBER, in this order, not {name.rfc4514_string()!r}")
        country, organisation, common_name, number = (str(value) for _, value in attributes)
        if country != _COUNTRY or organisation not in list(Environment):
            raise NameRuleError(f"C={country}, O={organisation} is not a PKI that is known here")
        if not _NUMBER.fullmatch(number):
            raise NameRuleError(f"SERIALNUMBER {number!r} is no number from 1 with at most 16 digits")
        return cls.parse(common_name, Environment(organisation), int(number))


def namespace(environment: Environment) -> list[x509.NameAttribute[str]]:
    """What every name of a PKI begins with."""
    return [
        x509.NameAttribute(NameOID.COUNTRY_NAME, _COUNTRY),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, environment.value),
    ]


def root_name(environment: Environment, number: int = 1) -> PkiName:
    """The name of a PKI's Root, ``SM-Root.CA``, in its generation *number*."""
    return PkiName(ROOT_ORGANISATION, Function.CA, environment, number)
