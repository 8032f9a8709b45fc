"""The configuration: the packaged example is read as it says, and whatever is wrong is named, all of it."""

from __future__ import annotations

import re
import tomllib
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gateway.han.consumers import DigestAlgorithm
from gateway.lmn.lines import LineProtocol
from gateway.lmn.profiles import Protocol
from gateway.logs.store import WhenFull
from gateway.settings import Settings, SettingsError, example, read_settings
from gateway.settings_lines import (
    FileSettings,
    ListenSettings,
    OwnFiles,
    PollSettings,
    SerialLineSettings,
    TcpSettings,
    TlsSettings,
    polled,
)
from tests.support.settings import KEY_DIGITS, example_in, written

LINES = example().splitlines()
KEYS = re.compile(r"^([a-z_0-9]+) = (.*?)(?:  +#.*)?$", re.MULTILINE)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("settings")
    example_in(folder)
    return folder


def mistakes(path: Path) -> tuple[str, ...]:
    """What is wrong, each without the file's name, which all of them begin with."""
    with pytest.raises(SettingsError) as raised:
        read_settings(path)
    assert all(mistake.startswith(f"{path}: ") for mistake in raised.value.mistakes), raised.value.mistakes
    return tuple(mistake.removeprefix(f"{path}: ") for mistake in raised.value.mistakes)


def changed(place: Path, *pairs: tuple[str, str], name: str = "changed.toml") -> Path:
    text = example()
    for old, new in pairs:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    return written(place / name, text)


def test_the_example_is_read_as_it_says(place: Path) -> None:
    read = read_settings(place / "gateway.toml")
    assert read.device.id == "EXXX0012345678"
    assert read.device.home == place / "state"
    assert read.device.folder == place / "state" / "gateways" / "EXXX0012345678"
    assert (read.device.module, read.device.database) == (None, None)
    assert read.protocols == {
        "optical": LineProtocol.SML,
        "bus": LineProtocol.SML_HDLC,
        "radio": LineProtocol.WMBUS_A,
    }
    optical, bus, radio = (line.way for line in read.lines)
    assert isinstance(optical, SerialLineSettings)
    assert isinstance(bus, PollSettings)
    assert bus.every == timedelta(minutes=15)
    assert radio == TcpSettings(("192.168.1.40", 4000))
    assert [meter.protocol for meter in read.profiles.meters] == [Protocol.SML, Protocol.SML_HDLC, Protocol.WMBUS]
    assert [meter.device_id for meter in polled(read.lines[1], tuple(read.profiles.meters))] == ["1ISK0087654321"]
    assert [contract.use_case for contract in read.profiles.contracts] == [2, 9, 7]
    (anna,) = read.profiles.consumers
    assert anna.consumer.ha1 == {DigestAlgorithm.SHA_256: "0" * 64, DigestAlgorithm.MD5: "0" * 32}
    assert read.logs.consumer_full is WhenFull.STOP
    assert read.han is not None
    assert read.han.address == ("192.168.1.2", 443)
    assert read.technician is not None
    assert len(read.technician.certificates) == 1
    assert read.monitor == ("127.0.0.1", 9480)
    assert KEY_DIGITS not in repr(read)
    assert "0" * 32 not in repr(read), "a hash of a password is shown"


def test_the_example_shows_every_receiver_and_key_of_lines() -> None:
    for receiver in ("serial", "tcp", "listen", "file", "poll", "tls"):
        assert f'"{receiver}"' in example()


def test_every_way_to_hear_meters(place: Path) -> None:
    (place / "own.pem").touch()
    (place / "own.key").touch(mode=0o600)
    (place / "capture.bin").touch()
    ways = """
[[line]]
name = "a"
receiver = "listen"
host = "::1"
port = 0
protocol = "wmbus-b"
[[line]]
name = "b"
receiver = "file"
path = "capture.bin"
protocol = "sml"
[[line]]
name = "c"
receiver = "tls"
host = "meter.local"
port = 4059
meter = "1EMH0099999999"
certificate = "own.pem"
key_file = "own.key"
protocol = "sml"
[[meter]]
device_id = "1EMH0099999999"
medium = "electricity"
protocol = "sml"
capture = ["1-0:1.8.0"]
period = 900
line = "c"
certificate = "technicians.pem"
"""
    read = read_settings(written(place / "ways.toml", example() + ways))
    listen, file, tls = (line.way for line in read.lines[-3:])
    assert listen == ListenSettings(("::1", 0))
    assert file == FileSettings(place / "capture.bin")
    assert isinstance(tls, TlsSettings)
    assert (tls.meter, tls.identity.key_file) == ("1EMH0099999999", place / "own.key")
    assert all(str(line.way) for line in read.lines)


def test_meters_on_the_bus_are_asked_by_tls_where_the_line_has_a_certificate(place: Path) -> None:
    meter = ("hdlc_address = 17", 'certificate = "technicians.pem"\nhdlc_address = 17')
    (found,) = mistakes(changed(place, meter))
    assert found == "meter 1ISK0087654321: it has a certificate, and its line is none over which TLS is spoken"
    (place / "own.pem").touch()
    (place / "own.key").touch()
    (place / "own.key").chmod(0o644)
    line = ("own_address = 16", 'own_address = 16\ncertificate = "own.pem"\nkey_file = "own.key"')
    assert mistakes(changed(place, meter, line))[0].endswith("own.key can be read by others than its owner")
    (place / "own.key").chmod(0o600)
    bus = read_settings(changed(place, meter, line)).lines[1].way
    assert isinstance(bus, PollSettings)
    assert bus.identity == OwnFiles(place / "own.pem", place / "own.key")
    (lacking,) = mistakes(changed(place, ("own_address = 16", 'own_address = 16\ncertificate = "own.pem"')))[:1]
    assert lacking == "[[line]] 2 (bus): key_file: missing"


def test_every_mistake_is_named_not_only_the_first(place: Path) -> None:
    path = changed(
        place,
        ('id = "EXXX0012345678"', 'id = "GATEWAY"'),
        ("baud = 9600 ", "baud = 9601 "),
        ('protocol = "wmbus-a"', 'protocol = "wmbus-c"\ncolour = "red"'),
        ('medium = "gas"', 'medium = "gaz"'),
        ("password_md5 = ", "password_md4 = "),
        ("taf = 9", "taf = 15"),
        ('curve = "secp256r1"', 'curve = "secp521r1"'),
        ('certificates = ["technicians.pem"]', 'certificates = ["nobody.pem"]'),
        ("warn_at = [75, 90, 95]", "warn_at = [95, 90]"),
        ('host = "127.0.0.1"', 'host = "192.168.1.2"'),
        ("port = 9480", "port = 65536"),
    )
    found = mistakes(path)
    for expected in (
        "[gateway]: id: 'GATEWAY' is no identification of a gateway, such as EXXX0012345678",
        "[[line]] 1 (optical): 9601 baud is no speed of a serial port here",
        "[[line]] 3 (radio): protocol: 'wmbus-c' is none of sml, sml-hdlc, wmbus-a, wmbus-b",
        "[[line]] 3 (radio): colour: unknown key",
        "[[consumer]] 1 (anna.sm): password_md4: unknown key",
        f"[technician]: certificates: {place / 'nobody.pem'}: No such file or directory",
        "[logs]: warnings at (95, 90) percent are not given, or not in rising order",
        "[monitor]: host: 192.168.1.2 can be reached from other machines; 127.0.0.1 or ::1 cannot",
        "[monitor]: port: no whole number from 0 to 65535",
    ):
        assert expected in found
    for part in ("meter 3 (7ELS3312345678): medium: 'gaz'", "taf: 15 is none of 1, 2", "curve: 'secp521r1'"):
        assert any(part in mistake for mistake in found), (part, found)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("[gateway]", "[gatewey]", "gatewey: unknown key; there are gateway, line, meter"),
        ("[gateway]", "[gatewey]", "[gateway] is missing"),
        ('home = "state"', "", "[gateway]: home: missing"),
        ('home = "state"', 'home = "state"\nmodule = "disk:x"', "neither module:FOLDER nor pcsc:READER"),
        ('home = "state"', 'home = "state"\ndatabase = "mysql://x/y"', "mysql is not supported"),
        ('home = "state"', 'home = "state"\ndatabase = "nothing"', "no database URL"),
        ('home = "state"', 'home = "a\\u0000b"', "has a character that is not printed"),
        ('name = "bus"', 'name = "optical"', "line optical: is there twice"),
        ('name = "bus"', 'name = "a/b"', "is no name of a line"),
        ('line = "optical"', 'line = "optic"', "meter 1EMH0012345678: its line optic is none of optical, bus, radio"),
        ('line = "optical"', 'line = "radio"', "it speaks sml, and wmbus-a is spoken on its line radio"),
        ("every = 900", "every = 901", "a day is no multiple of 901 s"),
        ("hdlc_address = 17", "", "line bus: no meter with protocol sml-hdlc, this line and an hdlc_address to ask"),
        (
            "period = 900                        #",
            'period = 900\ncertificate = "technicians.pem" #',
            "meter 1EMH0012345678: it has a certificate, and its line is none over which TLS is spoken",
        ),
        ('key_file = "keys/7ELS3312345678"', 'key_file = "none"', "key_file: no file"),
        ('consumer = "anna.sm"', 'consumer = "bert.sm"', "is of consumer bert.sm, who is not known"),
        ('meter = "1EMH0012345678"', 'meter = "1EMH0000000001"', "which has no profile"),
        ('id = "anna.sm"', 'id = "anna b"', "'anna b' is no name of a consumer"),
        ('host = "192.168.1.2"\nport = 443', 'host = "here"', "[han]: host: 'here' is no IP address"),
        ("mdns = false", 'mdns = true\nhost = "::"', "no TOML"),
        ('host = "192.168.1.2"\nport = 8443', 'host = "192.168.1.2"\nport = 443', "two things are to listen on"),
        ("[logs]", "[[logs]]", "logs: not a [logs] table"),
        ("\n[[consumer]]\n", "\n[consumer]\n", "consumer: not [[consumer]] tables"),
    ],
)
def test_a_mistake_is_named_with_table_and_key(place: Path, old: str, new: str, expected: str) -> None:
    found = mistakes(changed(place, (old, new)))
    assert any(expected in mistake for mistake in found), found


def test_a_password_in_the_database_url_is_refused_and_not_repeated(place: Path) -> None:
    path = changed(place, ('home = "state"', 'home = "state"\ndatabase = "postgresql://u:secret@h/n"'))
    (found,) = mistakes(path)
    assert "has a password in it" in found
    assert "secret" not in found


def test_a_hash_that_is_none_is_not_repeated(place: Path) -> None:
    (found,) = mistakes(changed(place, ('password_md5 = "0', 'password_md5 = "secret0')))
    assert "not as 'smgw gateway password' prints it" in found
    assert "secret" not in found


def test_a_file_with_hashes_is_not_for_everybody(place: Path) -> None:
    path = changed(place, name="open.toml")
    path.chmod(0o640)
    assert isinstance(read_settings(path), Settings)
    for mode in (0o644, 0o604, 0o660):
        path.chmod(mode)
        (found,) = mistakes(path)
        assert found.endswith(f"others can open it (mode {mode:04o}): chmod 640 or 600")


def test_a_name_of_mdns_takes_an_address(place: Path) -> None:
    path = changed(place, ("mdns = false", "mdns = true"), ('host = "192.168.1.2"', 'host = "0.0.0.0"'))
    assert mistakes(path) == ("[han]: mdns: smgw.local takes one IPv4 address as host",)


def test_paths_are_relative_to_the_file(place: Path) -> None:
    words = 'home = "state"\ndatabase = "sqlite:///data/own.db"\nmodule = "module:here"\nfolder = "there"'
    device = read_settings(changed(place, ('home = "state"', words))).device
    assert device.database == f"sqlite:///{place}/data/own.db"
    assert device.module == f"module:{place}/here"
    assert device.folder == place / "there"


def test_what_holds_only_from_the_next_start_on_is_named(place: Path) -> None:
    before = read_settings(place / "gateway.toml")
    assert before.needs_restart(before) == []
    pairs = (("port = 9480", "port = 9481"), ("every = 900", "every = 300"), ('name = "Gas"', 'name = "Erdgas"'))
    assert read_settings(changed(place, *pairs)).needs_restart(before) == ["[[line]]", "[monitor]"]


def test_what_is_no_file_or_no_toml(place: Path) -> None:
    assert mistakes(place / "absent.toml") == ("No such file or directory",)
    assert "Is a directory" in mistakes(place)[0]
    assert "no TOML" in mistakes(written(place / "no.toml", "["))[0]
    assert "no TOML" in mistakes(written(place / "deep.toml", "a = " + "[" * 5_000))[0]
    assert "no TOML" in mistakes(written(place / "long.toml", "a = " + "1" * 5_000))[0]
    (place / "latin.toml").write_bytes(b'a = "\xfc"')
    assert "no TOML" in mistakes(place / "latin.toml")[0]
    assert "has more than" in mistakes(written(place / "large.toml", "#" * 2**20 + "\n"))[0]


def _settings_error_at_most(path: Path) -> None:
    with suppress(SettingsError):
        read_settings(path)
        return
    with pytest.raises(SettingsError) as raised:
        read_settings(path)
    assert raised.value.mistakes
    assert KEY_DIGITS not in str(raised.value)


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(LINES) - 1), st.integers(0, len(LINES) - 1), st.text(max_size=40))
def test_lines_that_are_lost_moved_or_overwritten(place: Path, at: int, other: int, text: str) -> None:
    for lines in (
        LINES[:at] + LINES[at + 1 :],
        [*LINES[:at], text, *LINES[at + 1 :]],
        [*LINES[:at], LINES[other], *LINES[at + 1 :]],
        LINES[:at],
    ):
        path = written(place / "mutated.toml", "")
        path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
        _settings_error_at_most(path)


VALUES = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.sampled_from(
        ["true", "nan", "-inf", "1e400", "[]", "{}", "[[]]", "[{}]", "1979-05-27", "00:00:00", "0001-01-01T00:00:00Z"]
    ),
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\'), max_size=300).map('"{}"'.format),
    st.sampled_from(['"\\u0000"', '"' + "a" * 5_000 + '"', '["' + "a" * 5_000 + '"]', '"/dev/zero"', '["/dev/zero"]']),
)


@hypothesis_settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_values_of_any_kind(place: Path, data: st.DataObject) -> None:
    text = example()
    match = data.draw(st.sampled_from(list(KEYS.finditer(text))))
    mutated = text[: match.start(2)] + data.draw(VALUES) + text[match.end(2) :]
    tomllib.loads(mutated)
    _settings_error_at_most(written(place / "mutated.toml", mutated))
