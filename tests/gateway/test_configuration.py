"""The initial configuration file and the communication parameters: strict in reading, whole on the disk."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.configuration import (
    LARGEST_FILE,
    AlreadyConfigured,
    CommunicationData,
    CommunicationParameters,
    ConfigurationError,
    InitialConfiguration,
    compose_initial,
    read_initial,
)
from gateway.configuration_folder import ConfigurationFolder
from lifecycle.canonical import canonical
from smpki.errors import MessageSignatureError, PolicyError
from smpki.names import Function
from smpki.oids import CT_REQUESTS, DATA
from smpki.profiles import KeyUse
from smpki.signed import Signer, sign, wrap_unsigned
from tests.support.lives import GATEWAY, START
from tests.support.pki import Holder, TestClock, World

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A PKI."""
    return World.in_folder(tmp_path_factory.mktemp("pki"), TestClock(START))


@pytest.fixture(scope="module")
def gwa(world: World) -> Holder:
    """An administrator."""
    return world.enrol("Verwalter", Function.GWA)


@pytest.fixture(scope="module")
def configuration(world: World, gwa: Holder) -> InitialConfiguration:
    """What it configures a gateway with."""
    return InitialConfiguration.of(
        GATEWAY,
        world.sub.certificate,
        gwa.certificates,
        world.sub.crls(),
        CommunicationData("gwa.example", 8443, 4059),
        START,
        START + 3 * DAY,
    )


def test_a_file_says_what_it_was_made_from(world: World, gwa: Holder, configuration: InitialConfiguration) -> None:
    file = compose_initial(configuration, gwa.signer)
    read, message = read_initial(file)
    assert read == configuration
    assert read.administrator == "Verwalter.GWA"
    assert read.sub_ca == world.sub.certificate
    assert read.administrator_certificates == gwa.certificates
    assert len(read.revocation_lists) == 2
    assert message.signing_time == START
    assert message.verify(gwa.certificates[KeyUse.SIG]) == gwa.certificates[KeyUse.SIG]


def test_a_file_is_signed_with_the_key_of_its_certificate(gwa: Holder, configuration: InitialConfiguration) -> None:
    with pytest.raises(PolicyError):
        compose_initial(configuration, Signer(gwa.certificates[KeyUse.SIG], gwa.keys[KeyUse.TLS]))


@pytest.fixture(scope="module")
def file(gwa: Holder, configuration: InitialConfiguration) -> bytes:
    """The file with it."""
    return compose_initial(configuration, gwa.signer)


@pytest.mark.parametrize("zone_hours", [0, 2, -5])
def test_times_are_kept_whatever_their_zone(configuration: InitialConfiguration, zone_hours: int) -> None:
    local = START.astimezone(timezone(timedelta(hours=zone_hours)))
    assert InitialConfiguration.decode(replace(configuration, issued=local).encode()) == configuration


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda told: told.update(format="smgw-initial-configuration/2"), id="another format"),
        pytest.param(lambda told: told.pop("format"), id="no format"),
        *[
            pytest.param(lambda told, name=name: told.pop(name), id=f"no {name}")
            for name in ("gateway", "administrator", "certificates", "crls", "communication", "issued", "valid_until")
        ],
        pytest.param(lambda told: told.update(extra=1), id="more than is known"),
        pytest.param(lambda told: told.update(gateway="EXXX123"), id="no gateway"),
        pytest.param(lambda told: told.update(gateway=5), id="a number for a gateway"),
        pytest.param(lambda told: told["certificates"].pop(), id="three certificates"),
        pytest.param(lambda told: told["certificates"].append(told["certificates"][0]), id="five certificates"),
        pytest.param(lambda told: told.update(certificates=["AAAA"] * 4), id="no certificates"),
        pytest.param(lambda told: told.update(certificates=["*"] * 4), id="no Base64"),
        pytest.param(lambda told: told.update(certificates=[1] * 4), id="numbers for certificates"),
        pytest.param(lambda told: told.update(certificates=5), id="a number of certificates"),
        pytest.param(lambda told: told.update(crls=["AAAA"]), id="no CRLs"),
        pytest.param(lambda told: told.update(communication=None), id="no communication data"),
        pytest.param(lambda told: told["communication"].pop("host"), id="no host"),
        pytest.param(lambda told: told["communication"].update(host=1), id="a number for a host"),
        pytest.param(lambda told: told["communication"].update(host="gwa..example"), id="no host name"),
        pytest.param(lambda told: told["communication"].update(port="8443"), id="a text for a port"),
        pytest.param(lambda told: told["communication"].update(port=True), id="a truth for a port"),
        pytest.param(lambda told: told["communication"].update(port=0), id="port 0"),
        pytest.param(lambda told: told["communication"].update(wake_up_port=65_536), id="a port too high"),
        pytest.param(lambda told: told["communication"].update(more=1), id="communication data not known"),
        pytest.param(lambda told: told.update(issued="yesterday"), id="no time"),
        pytest.param(lambda told: told.update(issued="2026-03-02T08:00:00Z"), id="a time written otherwise"),
        pytest.param(lambda told: told.update(valid_until=told["issued"]), id="ends when it begins"),
    ],
)
def test_a_content_that_is_none_is_refused(gwa: Holder, configuration: InitialConfiguration, change: Change) -> None:
    told = orjson.loads(configuration.encode())
    change(told)
    with pytest.raises(ConfigurationError):
        read_initial(sign(canonical(told), DATA, gwa.signer))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'"text"', b"\xff"])
def test_what_is_no_object_is_no_configuration(gwa: Holder, content: bytes) -> None:
    with pytest.raises(ConfigurationError):
        InitialConfiguration.decode(content)
    with pytest.raises(ConfigurationError):
        CommunicationParameters.decode(content)


def test_a_content_written_another_way_is_refused(configuration: InitialConfiguration) -> None:
    with pytest.raises(ConfigurationError, match="another way"):
        InitialConfiguration.decode(configuration.encode() + b" ")


def test_what_is_no_signed_message_of_data_is_no_file(gwa: Holder, configuration: InitialConfiguration) -> None:
    content = configuration.encode()
    for wrong, why in (
        (b"", "no initial configuration file"),
        (content, "no initial configuration file"),
        (wrap_unsigned(content, DATA), "nobody has signed"),
        (sign(content, CT_REQUESTS, gwa.signer), "no initial configuration file"),
        (bytes(LARGEST_FILE + 1), "at most 65536 are read"),
    ):
        with pytest.raises(ConfigurationError, match=why):
            read_initial(wrong)


@given(place=st.integers(0, 100_000), change=st.integers(1, 255))
def test_a_damaged_file_is_refused_or_says_the_same(
    file: bytes, gwa: Holder, configuration: InitialConfiguration, place: int, change: int
) -> None:
    damaged = bytearray(file)
    damaged[place % len(damaged)] ^= change
    with contextlib.suppress(ConfigurationError, MessageSignatureError):
        read, message = read_initial(bytes(damaged))
        message.verify(gwa.certificates[KeyUse.SIG])
        assert read == configuration  # what changed is not what is signed, such as the certificate beside it


def test_a_configuration_names_its_times_with_zone(configuration: InitialConfiguration) -> None:
    naive = datetime(2026, 3, 2)  # noqa: DTZ001
    with pytest.raises(ConfigurationError, match="have a zone"):
        replace(configuration, issued=naive)


def test_who_the_administrator_is_comes_from_its_certificate(world: World, configuration: InitialConfiguration) -> None:
    made = dict.fromkeys(KeyUse, world.sub.certificate)
    communication = configuration.communication
    other = InitialConfiguration.of(GATEWAY, world.sub.certificate, made, [], communication, START, START + DAY)
    assert other.administrator == "Energie.CA"  # whether that is a GWA is for verification to say


@pytest.mark.parametrize("host", ["gwa.example", "a", "192.0.2.1", "2001:db8::1", "xn--gte-hoa.example", "a-1.b-2"])
def test_hosts_that_are_some(host: str) -> None:
    assert CommunicationData(host, 1).host == host
    assert CommunicationParameters(host=host).host == host


@pytest.mark.parametrize(
    "host",
    ["", " ", "a b", "-a", "a-", "a.", ".a", "a..b", "1.2.3", "300.1.1.1", "a" * 64, "a." * 130 + "a", "a\n", "ü"],
)
def test_hosts_that_are_none(host: str) -> None:
    with pytest.raises(ConfigurationError, match="neither an IP address nor a host name"):
        CommunicationData(host, 1)
    with pytest.raises(ConfigurationError, match="neither an IP address nor a host name"):
        CommunicationParameters(proxy_host=host, proxy_port=1)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"port": 0},
        {"port": 65_536},
        {"apn": ""},
        {"apn": "a b"},
        {"apn": "a" * 101},
        {"apn": 5},
        {"proxy_host": "proxy.example"},
        {"proxy_port": 3128},
        {"proxy_host": "proxy.example", "proxy_port": -1},
        {"host": ["a"]},
    ],
)
def test_parameters_that_are_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        CommunicationParameters(**wrong)


@given(
    st.builds(
        lambda host, port, apn, proxy: {"host": host, "port": port, "apn": apn, **proxy},
        st.none() | st.ip_addresses().map(str),
        st.none() | st.integers(1, 65_535),
        st.none() | st.from_regex(r"[A-Za-z0-9][A-Za-z0-9.-]{0,99}", fullmatch=True),
        st.just({})
        | st.builds(lambda port: {"proxy_host": "proxy.example", "proxy_port": port}, st.integers(1, 65_535)),
    ).filter(lambda told: any(value is not None for value in told.values()))
)
def test_parameters_are_read_as_they_are_written(told: dict[str, Any]) -> None:
    parameters = CommunicationParameters(**told)
    assert CommunicationParameters.decode(parameters.encode()) == parameters
    for wrong in (parameters.encode() + b" ", parameters.encode().replace(b"{", b'{"a":1,', 1)):
        with pytest.raises(ConfigurationError):
            CommunicationParameters.decode(wrong)


# On the disk


@pytest.fixture
def folder(tmp_path: Path) -> ConfigurationFolder:
    """A folder that is not there yet."""
    return ConfigurationFolder(tmp_path / "gateway" / "configuration")


def test_nothing_is_there_before_something_was_written(folder: ConfigurationFolder) -> None:
    assert folder.initial() is None
    assert folder.pending() is None
    assert folder.communication() is None
    folder.give_up()
    assert not folder.path.exists()


def test_a_file_is_pending_until_it_is_finished(
    folder: ConfigurationFolder, gwa: Holder, configuration: InitialConfiguration
) -> None:
    file = compose_initial(configuration, gwa.signer)
    folder.begin(b"another")
    folder.begin(file)
    assert folder.pending() == file
    assert folder.initial() is None
    folder.finish()
    assert folder.pending() is None
    assert folder.initial() == configuration
    assert {path.name for path in folder.path.iterdir()} == {"initial.cms"}
    with pytest.raises(AlreadyConfigured, match="takes one, once"):
        folder.begin(file)


def test_a_file_that_was_refused_leaves_nothing(folder: ConfigurationFolder) -> None:
    folder.begin(b"file")
    folder.give_up()
    folder.give_up()
    assert folder.pending() is None
    assert list(folder.path.iterdir()) == []
    with pytest.raises(ConfigurationError, match="No such file"):
        folder.finish()


def test_parameters_take_the_place_of_those_before(folder: ConfigurationFolder) -> None:
    folder.set_communication(CommunicationParameters(apn="internet"))
    folder.set_communication(CommunicationParameters(host="192.0.2.7", port=8443))
    assert folder.communication() == CommunicationParameters(host="192.0.2.7", port=8443)
    assert {path.name for path in folder.path.iterdir()} == {"communication.json"}


def test_what_cannot_be_read_or_written_is_said(folder: ConfigurationFolder) -> None:
    folder.path.parent.mkdir()
    folder.path.write_bytes(b"")
    with pytest.raises(ConfigurationError, match=r"communication\.json"):
        folder.set_communication(CommunicationParameters(port=1))
    for read in (folder.initial, folder.pending, folder.communication):
        with pytest.raises(ConfigurationError, match="Not a directory"):
            read()
    folder.path.unlink()
    folder.path.mkdir()
    (folder.path / "communication.json").write_bytes(b"{}")
    with pytest.raises(ConfigurationError, match="set nothing"):
        folder.communication()
