"""The Erstkonfigurator before a real gateway: software module, attested record, local interface on loopback TCP."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.configuration import CommunicationParameters
from gateway.local import LocalInterface, LocalLineError, NotAuthenticated
from lifecycle.desk import attest
from lifecycle.facts import Fact
from lifecycle.gate import Closed
from lifecycle.law import Unlawful
from lifecycle.parties import PartyError
from lifecycle.roles import Role
from lifecycle.states import State
from lifecycle.store.replicas import replay_kept
from stations.installer.report import Reports, TestReport
from stations.installer.site import LineLostError, Reach, Site, reach_at, reach_device
from stations.installer.works import Installer, Work
from tests.support.gateways import Device
from tests.support.lives import START, Cast

HOST = "127.0.0.1"


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    """A gateway in its first installation, with everything in its module that belongs there."""
    made = Device.in_folder(tmp_path / "device")
    made.reach(State.FIRST_INSTALLATION)
    yield made
    made.gateway.close()


def installer_of(device: Device) -> Installer:
    """Who installs it."""
    parties = {role: device.party(role) for role in (Role.MONTEUR, Role.ERSTKONFIGURATOR)}
    return Installer(device.repository, parties, {device.id: device.party(Role.GATEWAY)})


def site_of(device: Device, folder: Path, reach: Reach | None = None) -> Site:
    """What the Erstkonfigurator does with it, running here where nothing else is said."""
    return Site(installer_of(device), Reports(folder / "tests"), reach or reach_device(device.gateway))


def test_parameters_are_set_in_the_device_and_then_attested(device: Device, tmp_path: Path) -> None:
    site = site_of(device, tmp_path)
    parameters = CommunicationParameters(host="gwa.example", apn="iot.example")
    done = site.configure(device.id, parameters, key="a-key-of-mine")
    assert device.gateway.configuration is not None
    assert device.gateway.configuration.communication() == parameters
    (entry,) = done.entries
    assert entry.actor == device.party(Role.ERSTKONFIGURATOR).actor
    assert set(entry.payload["detail"]) == {"parameters_sha256"}
    assert "iot.example" not in str(entry.payload), "which ones they are is nobody else's business"
    # Sent again, it says the same and does not go to the device.
    device.gateway.close()
    again = Site(site.installer, site.reports, reach_at(lambda _: None))
    assert again.configure(device.id, parameters, key="a-key-of-mine").repeated
    assert replay_kept(device.repository, device.id).ok


def test_a_connection_test_says_what_was_tried_with_what_result_and_how_long(device: Device, tmp_path: Path) -> None:
    site = site_of(device, tmp_path)
    end = device.repository.kept(device.id).position
    with socket.create_server((HOST, 0)) as administrator:
        port = administrator.getsockname()[1]
        site.configure(device.id, CommunicationParameters(host=HOST, port=port))
        good = site.test(device.id)
    assert (good.host, good.port, good.reached, good.trouble) == (HOST, port, True, "")
    assert 0 <= good.milliseconds < 10_000
    assert site.reports.last(device.id) == good
    assert site.reports.has_succeeded(device.id)
    bad = site.test(device.id)
    assert not bad.reached
    assert "refused" in bad.trouble
    assert not site.reports.has_succeeded(device.id)
    # Of tests nothing goes on record.
    assert device.repository.kept(device.id).position.sequence == end.sequence + 1


def test_a_running_device_is_reached_at_its_address(device: Device, tmp_path: Path) -> None:
    with LocalInterface(device.gateway, f"tcp:{HOST}:0") as interface:
        site = site_of(device, tmp_path, reach_at(lambda _: interface.address))
        site.configure(device.id, CommunicationParameters(apn="iot.example"))
        site.installer.do(device.id, Work.MOUNT)
        site.installer.do(device.id, Work.HAND_OVER)
        # Off by the record: refused before anybody is called, and whoever calls all the same gets no answer.
        with pytest.raises(Closed, match="LOCAL_INTERFACE_OFF on record"):
            site.test(device.id)
        with pytest.raises(LocalLineError):
            next(reach_at(lambda _: interface.address)(device.id, device.party(Role.ERSTKONFIGURATOR), None))
        assert not interface.is_on


@pytest.mark.parametrize(
    "state", [State.PREPERSONALISATION_2, State.FIRST_DELIVERY, State.PERSONALISATION, State.OPERATION]
)
def test_the_local_interface_is_closed_to_the_configurator_in_other_states(tmp_path: Path, state: State) -> None:
    device = Device.in_folder(tmp_path / "device")
    device.reach(state)
    site = site_of(device, tmp_path)
    before = device.repository.kept(device.id)
    with pytest.raises(Unlawful):
        site.configure(device.id, CommunicationParameters(apn="iot.example"))
    with pytest.raises(Closed):
        site.test(device.id)
    assert device.repository.kept(device.id) == before
    assert device.gateway.configuration is not None
    assert device.gateway.configuration.communication() is None
    assert site.reports.last(device.id) is None
    device.gateway.close()


def test_the_device_asks_its_own_record(device: Device, tmp_path: Path) -> None:
    """An installer whose replica is behind gets no answer, and attests nothing."""
    behind = Device.in_folder(tmp_path / "behind")
    behind.reach(State.FIRST_INSTALLATION)
    device.attest(Role.GATEWAY, Fact.LOCAL_INTERFACE_OFF)
    site = site_of(behind, tmp_path, reach_device(device.gateway))
    before = behind.repository.kept(behind.id)
    with pytest.raises(LocalLineError, match="nobody answers"):
        site.configure(behind.id, CommunicationParameters(apn="iot.example"))
    assert behind.repository.kept(behind.id) == before
    behind.gateway.close()


def test_another_device_than_the_one_meant_is_found_out(device: Device, tmp_path: Path) -> None:
    other = Device.in_folder(tmp_path / "other", "EXXX0000000007")
    other.reach(State.FIRST_INSTALLATION)
    with pytest.raises(LineLostError, match="not EXXX0012345678"):
        site_of(device, tmp_path, reach_device(other.gateway)).test(device.id)
    with LocalInterface(other.gateway, f"tcp:{HOST}:0") as interface:
        # By its module where the record pins one, else by what it says.
        with pytest.raises(LocalLineError, match="not the gateway with this module"):
            site_of(device, tmp_path, reach_at(lambda _: interface.address)).test(device.id)
        with pytest.raises(LocalLineError, match="is EXXX0000000007, not EXXX0012345678"):
            next(reach_at(lambda _: interface.address)(device.id, device.party(Role.ERSTKONFIGURATOR), None))
    other.gateway.close()


def test_nobody_else_is_taken_for_the_configurator(device: Device, tmp_path: Path) -> None:
    stranger = Cast.enrolled()[Role.ERSTKONFIGURATOR]
    before = device.repository.kept(device.id)
    for party in (stranger, device.party(Role.MONTEUR)):
        installer = Installer(device.repository, {Role.ERSTKONFIGURATOR: party})
        with pytest.raises(NotAuthenticated):
            Site(installer, Reports(tmp_path), reach_device(device.gateway)).test(device.id)
    with pytest.raises(PartyError, match="no key of ERSTKONFIGURATOR for GWA"):
        Site(Installer(device.repository, {}), Reports(tmp_path), reach_device(device.gateway)).test(device.id)
    assert device.repository.kept(device.id) == before


def test_a_record_that_pins_no_proper_key_leads_nowhere(
    device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = site_of(device, tmp_path)
    entry = site.installer.told(device.id)[Fact.MODULE_INITIALISED]
    wrong = entry._replace(payload={**entry.payload, "detail": {"attestation_key": "no hexadecimal"}})
    monkeypatch.setattr(site.installer, "told", lambda _: {Fact.MODULE_INITIALISED: wrong})
    with pytest.raises(LineLostError, match="pins a module key that is none"):
        site.test(device.id)


def test_without_a_way_to_the_device_nothing_is_attested(device: Device, tmp_path: Path) -> None:
    site = site_of(device, tmp_path, reach_at(lambda _: None))
    before = device.repository.kept(device.id)
    with pytest.raises(LineLostError, match="--local, --device"):
        site.configure(device.id, CommunicationParameters(apn="iot.example"))
    assert device.repository.kept(device.id) == before


def test_what_is_set_already_is_not_set_again(device: Device, tmp_path: Path) -> None:
    site = site_of(device, tmp_path)
    configurator = device.party(Role.ERSTKONFIGURATOR)
    device.repository.act(device.id, configurator, attest(configurator, Fact.COMMUNICATION_PARAMETERS_SET))
    with pytest.raises(Unlawful, match="fact-once"):
        site.configure(device.id, CommunicationParameters(apn="iot.example"))
    assert device.gateway.configuration is not None
    assert device.gateway.configuration.communication() is None


@pytest.mark.parametrize(
    "damage", [b"", b"[]", b"{}", b'{"time":"2026-01-01T00:00:00.000000Z"}', b"null", b"\xff", b'{"time":1}']
)
def test_a_damaged_report_is_none(tmp_path: Path, damage: bytes) -> None:
    reports = Reports(tmp_path)
    (tmp_path / "EXXX0012345678.json").write_bytes(damage)
    assert reports.last("EXXX0012345678") is None


@given(
    st.datetimes(timezones=st.just(UTC), min_value=datetime(2020, 1, 1)),  # noqa: DTZ001  given its zone beside
    st.text(max_size=40),
    st.integers(1, 65_535),
    st.booleans(),
    st.integers(0, 10**6),
    st.text(max_size=80),
)
def test_a_report_reads_back_as_it_was(
    time: datetime, host: str, port: int, reached: bool, took: int, trouble: str
) -> None:
    report = TestReport(time, host, port, reached, took, trouble)
    assert TestReport.read(report.told()) == report


def test_nothing_else_is_read_as_a_report() -> None:
    report = TestReport(START, HOST, 8443, False, 12, "timed out")
    for name, value in (("port", "8443"), ("reached", 1), ("milliseconds", 1.5), ("more", 1), ("time", "today")):
        with pytest.raises(ValueError, match="no report"):
            TestReport.read({**report.told(), name: value})
