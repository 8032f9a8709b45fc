"""What a gateway is configured with: the GWA's initial configuration file (ch. 6), communication parameters (ch. 9).

The initial configuration file (Initiale Konfigurationsdatei) is JSON in CMS SignedData, signed with the administrator's
(GWA) SIG key. In it are the GWA's certificates, what it takes to verify them, and how the GWA is reached. The Anlage
names these contents and no format; this one is ours. Nothing in it is believed before the module has verified it, which
:mod:`gateway.local_functions` sees to.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

import orjson
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from lifecycle.canonical import JournalError, canonical, format_time, parse_time
from lifecycle.journal import check_gateway_id
from smpki.errors import MessageFormatError, NameRuleError
from smpki.names import PkiName
from smpki.oids import DATA
from smpki.profiles import KeyUse
from smpki.signed import SignedMessage, Signer, read_signed, sign

FORMAT: Final = "smgw-initial-configuration/1"
"""Name and version of the initial configuration file's content."""
LARGEST_FILE: Final = 64 * 1024
"""Largest initial configuration file that is read, bytes; ours."""
HIGHEST_PORT: Final = 65_535

_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST_NAME: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_APN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,99}")


class ConfigurationError(Exception):
    """A configuration is not one that this gateway takes; nothing has changed."""


class AlreadyConfigured(ConfigurationError):
    """The initial configuration file was imported before: it can be used once (ch. 6)."""


def _check_host(host: object, what: str) -> None:
    if not isinstance(host, str) or not (is_address(host) or _is_host_name(host)):
        raise ConfigurationError(f"{what} {host!r} is neither an IP address nor a host name")


def is_address(host: str) -> bool:
    """Whether a host is named by its IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_host_name(host: str) -> bool:
    # With a last label of digits it would be an address that is none.
    return bool(_HOST_NAME.fullmatch(host)) and not host.rpartition(".")[2].isdigit()


def _check_port(port: object, what: str) -> None:
    if not isinstance(port, int) or isinstance(port, bool) or not 1 <= port <= HIGHEST_PORT:
        raise ConfigurationError(f"{what} is 1 to {HIGHEST_PORT}, not {port!r}")


@dataclass(frozen=True, slots=True)
class CommunicationData:
    """How the GWA is reached, and how it wakes the gateway up (Kommunikationsdaten des GWA).

    :raises ConfigurationError: on making one that is none.
    """

    host: str
    """Host name or IP address of the GWA's management service."""
    port: int
    """Its TCP port."""
    wake_up_port: int | None = None
    """UDP port where the gateway listens for wake-up packets of the GWA; ``None`` where it does not."""

    def __post_init__(self) -> None:
        _check_host(self.host, "the GWA's host")
        _check_port(self.port, "the GWA's port")
        if self.wake_up_port is not None:
            _check_port(self.wake_up_port, "the port for wake-up packets")


@dataclass(frozen=True, slots=True)
class InitialConfiguration:
    """What an initial configuration file says.

    :raises ConfigurationError: on making one that is none.
    """

    gateway: str
    """Identification of the gateway that it is for, DIN 43863-5."""
    administrator: str
    """Common name of the GWA, such as ``Name.GWA``."""
    certificates: tuple[bytes, ...]
    """DER: of the Sub-CA, then the GWA's TLS, SIG and ENC certificate."""
    crls: tuple[bytes, ...]
    """DER: of the root and of the Sub-CA, in force when the file is imported."""
    communication: CommunicationData
    """How the GWA is reached."""
    issued: datetime
    """When the GWA made the file, UTC. Parts of a second below microseconds are not kept."""
    valid_until: datetime
    """Until when it can be imported, UTC."""

    def __post_init__(self) -> None:
        try:
            check_gateway_id(self.gateway)
        except JournalError as error:
            raise ConfigurationError(str(error)) from error
        if len(self.certificates) != 1 + len(KeyUse):
            raise ConfigurationError("an initial configuration has the certificates of Sub-CA, TLS, SIG and ENC")
        try:
            for der in self.certificates:
                x509.load_der_x509_certificate(der)
            for der in self.crls:
                x509.load_der_x509_crl(der)
        except (ValueError, TypeError) as error:
            raise ConfigurationError(f"a certificate or CRL in it cannot be read: {error}") from error
        for time in (self.issued, self.valid_until):
            if time.tzinfo is None:
                raise ConfigurationError("times in an initial configuration have a zone")
        if self.valid_until <= self.issued:
            raise ConfigurationError("an initial configuration ends after it was issued")

    @classmethod
    def of(
        cls,
        gateway: str,
        sub_ca: x509.Certificate,
        administrator: Mapping[KeyUse, x509.Certificate],
        crls: Iterable[x509.CertificateRevocationList],
        communication: CommunicationData,
        issued: datetime,
        valid_until: datetime,
    ) -> Self:
        """The same from certificates and CRLs; the GWA's name is the one in its SIG certificate.

        :raises ConfigurationError: if it is none.
        """
        try:
            name = PkiName.of(administrator[KeyUse.SIG].subject).common_name
        except NameRuleError as error:
            raise ConfigurationError(f"the administrator's name: {error}") from error
        ordered = (sub_ca, *(administrator[use] for use in KeyUse))
        certificates = tuple(certificate.public_bytes(Encoding.DER) for certificate in ordered)
        lists = tuple(crl.public_bytes(Encoding.DER) for crl in crls)
        return cls(gateway, name, certificates, lists, communication, issued, valid_until)

    @property
    def sub_ca(self) -> x509.Certificate:
        """The Sub-CA's certificate."""
        return x509.load_der_x509_certificate(self.certificates[0])

    @property
    def administrator_certificates(self) -> dict[KeyUse, x509.Certificate]:
        """The GWA's certificates by use, as the file has them."""
        parsed = map(x509.load_der_x509_certificate, self.certificates[1:])
        return dict(zip(KeyUse, parsed, strict=True))

    @property
    def revocation_lists(self) -> list[x509.CertificateRevocationList]:
        """The CRLs."""
        return [x509.load_der_x509_crl(der) for der in self.crls]

    def encode(self) -> bytes:
        """The content of a file: canonical JSON (RFC 8785)."""
        return canonical(
            {
                "format": FORMAT,
                "gateway": self.gateway,
                "administrator": self.administrator,
                "certificates": [_text(der) for der in self.certificates],
                "crls": [_text(der) for der in self.crls],
                "communication": asdict(self.communication),
                "issued": format_time(self.issued),
                "valid_until": format_time(self.valid_until),
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The configuration that these bytes are, in the one form that :meth:`encode` gives.

        :raises ConfigurationError: if they are none.
        """
        told = _object(data, "the initial configuration")
        if told.get("format") != FORMAT:
            raise ConfigurationError(f"an initial configuration of the format {told.get('format')!r}, not {FORMAT!r}")
        try:
            read = cls(
                gateway=_str(told["gateway"]),
                administrator=_str(told["administrator"]),
                certificates=tuple(_bytes(text) for text in told["certificates"]),
                crls=tuple(_bytes(text) for text in told["crls"]),
                communication=CommunicationData(**told["communication"]),
                issued=parse_time(_str(told["issued"])),
                valid_until=parse_time(_str(told["valid_until"])),
            )
            known = read.encode()
        except (KeyError, TypeError, ValueError, JournalError) as error:
            raise ConfigurationError(f"an initial configuration that cannot be read: {error!r}") from error
        if known != data:
            raise ConfigurationError("an initial configuration with more in it than is known, or written another way")
        return read


def compose_initial(configuration: InitialConfiguration, gwa: Signer) -> bytes:
    """An initial configuration file (CMS SignedData, DER).

    :param gwa: who signs: the GWA, with its SIG key.
    :raises smpki.errors.PolicyError: if key and certificate of the signer do not belong together.
    """
    return sign(configuration.encode(), DATA, gwa, configuration.issued.astimezone(UTC))


def read_initial(data: bytes) -> tuple[InitialConfiguration, SignedMessage]:
    """Read an initial configuration file. Nothing of it is believed yet.

    :raises ConfigurationError: if it is none.
    """
    if len(data) > LARGEST_FILE:
        raise ConfigurationError(f"an initial configuration file of {len(data)} bytes; at most {LARGEST_FILE} are read")
    try:
        message = read_signed(data, DATA)
    except MessageFormatError as error:
        raise ConfigurationError(f"no initial configuration file: {error}") from error
    if not message.is_signed:
        raise ConfigurationError("an initial configuration file that nobody has signed")
    return InitialConfiguration.decode(message.content), message


@dataclass(frozen=True, slots=True)
class CommunicationParameters:
    """What the Erstkonfigurator sets so that the gateway reaches its GWA (Kommunikationsparameter, ch. 9).

    What is ``None`` is as the initial configuration file has it, or not needed at the site.

    :raises ConfigurationError: on making one that is none.
    """

    host: str | None = None
    """Host name or IP address of the GWA's management service."""
    port: int | None = None
    """Its TCP port."""
    apn: str | None = None
    """Access point name of the mobile network, 1 to 100 letters, digits, dots and hyphens."""
    proxy_host: str | None = None
    """Host name or IP address of a proxy at the site."""
    proxy_port: int | None = None
    """Its TCP port; set together with the host."""

    def __post_init__(self) -> None:
        if self.host is not None:
            _check_host(self.host, "the GWA's host")
        if self.port is not None:
            _check_port(self.port, "the GWA's port")
        if self.apn is not None and not (isinstance(self.apn, str) and _APN.fullmatch(self.apn)):
            raise ConfigurationError(f"{self.apn!r} is no access point name")
        if (self.proxy_host is None) is not (self.proxy_port is None):
            raise ConfigurationError("a proxy has a host and a port")
        if self.proxy_host is not None and self.proxy_port is not None:
            _check_host(self.proxy_host, "the proxy's host")
            _check_port(self.proxy_port, "the proxy's port")
        if not any(value is not None for value in asdict(self).values()):
            raise ConfigurationError("communication parameters that set nothing")

    def encode(self) -> bytes:
        """As canonical JSON (RFC 8785)."""
        return canonical(asdict(self))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The parameters that these bytes are, in the one form that :meth:`encode` gives.

        :raises ConfigurationError: if they are none.
        """
        told = _object(data, "communication parameters")
        try:
            read = cls(**told)
        except TypeError as error:
            raise ConfigurationError(f"communication parameters that cannot be read: {error}") from error
        if read.encode() != data:
            raise ConfigurationError("communication parameters with more in them than is known, or written another way")
        return read


def _object(data: bytes, what: str) -> dict[str, Any]:
    try:
        told = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ConfigurationError(f"{what} cannot be read: {error}") from error
    if not isinstance(told, dict):
        raise ConfigurationError(f"{what} cannot be read: it is no JSON object")
    return told


def _str(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a value that is no text")
    return value


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: object) -> bytes:
    return binascii.a2b_base64(_str(text), strict_mode=True)
