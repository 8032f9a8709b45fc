"""The GWA with a real software module and a real SM-PKI: the whole way, cut at every step, and CAs that lie."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from gateway.configuration import CommunicationData, ConfigurationError, read_initial
from gateway.core import Gateway
from gateway.evidence import ATTESTATION, EvidenceError, ModuleWitness
from gateway.firmware import installed_firmware, kept_firmware
from gateway.module import SECRET_FILE, DeviceSecret
from gateway.pki.keys import CertificateRefused
from gateway.selftest import self_test
from lifecycle.desk import attest
from lifecycle.diagnosis import DiagnosisError, DiagnosisOrder
from lifecycle.evidence import OpenFault
from lifecycle.facts import Fact
from lifecycle.functions import METERING, Credential, Function
from lifecycle.gate import Closed
from lifecycle.journal import read_entry
from lifecycle.law import Unlawful
from lifecycle.replay import replay
from lifecycle.roles import Role
from lifecycle.states import Event, State
from lifecycle.store.engine import connect
from lifecycle.store.repository import Repository
from securitymodule.coding import Ins, ModuleState
from securitymodule.connection import Connection
from securitymodule.errors import CommandRefused, ModuleRemoved
from smpki.algorithms import curve_of
from smpki.authority import Authority
from smpki.certificates import fingerprint
from smpki.client import CaClient
from smpki.errors import NameRuleError
from smpki.folder import PartyFolder, write_pem
from smpki.inprocess import InProcessCa, PublishingAuthority
from smpki.messages import Refused
from smpki.names import Function as Participant
from smpki.orders import Change, Reason, StatusOrder
from smpki.path_errors import PathInvalid
from smpki.profiles import KeyUse, RequestType
from smpki.requests import request_triple, sign_package
from smpki.store import PkiStore
from smpki.validation import PathValidator
from stations.administrator import AdministrationError, Administrator, Looked, Standing
from stations.administrator.issued import Archive
from stations.administrator.revocation import Issued
from stations.technician import Site, Technician
from tests.support.gateways import COMMUNICATION, ClockedSlot, Device
from tests.support.lives import OTHER_GATEWAY
from tests.support.pki import Holder, TestClock, World

SOON = timedelta(days=900)
"""Sooner than this ends every operational triple."""


def folder_of(holder: Holder, path: Path) -> PartyFolder:
    """A participant of the test's PKI as its own folder keeps it."""
    folder = PartyFolder.make(path, holder.name)
    if folder.current() is None:
        for use in KeyUse:
            holder.keys[use].save(path / "1" / f"{use.lower()}.key")
            write_pem(path / "1" / f"{use.lower()}.pem", holder.certificates[use])
    return folder


class PowerCut(Exception):
    """The test's own: here the work ends."""


class CutCa:
    """A CA that can be cut off at one of its calls, before it works or after."""

    def __init__(self, ca: PublishingAuthority) -> None:
        self.ca = ca
        self.calls: list[str] = []
        self.cut_at: int | None = None
        self.after = False

    def _call(self, name: str, *given: Any) -> Any:
        self.calls.append(name)
        hit = self.cut_at is not None and len(self.calls) > self.cut_at
        if hit and not self.after:
            raise PowerCut(name)
        answer = getattr(self.ca, name)(*given)
        if hit:
            raise PowerCut(name)
        return answer

    def request_certificate(self, package: bytes, kind: RequestType) -> list[x509.Certificate]:
        """See :class:`PublishingAuthority`."""
        return self._call("request_certificate", package, kind)  # type: ignore[no-any-return]

    def chain(self, issuer: x509.Name) -> list[x509.Certificate]:
        """See :class:`PublishingAuthority`."""
        return self._call("chain", issuer)  # type: ignore[no-any-return]

    def change_status(self, order: bytes) -> None:
        """See :class:`PublishingAuthority`."""
        self._call("change_status", order)

    def hand_over(self, order: bytes) -> None:
        """See :class:`PublishingAuthority`."""
        self._call("hand_over", order)

    def certificates(self, holder: str) -> list[x509.Certificate]:
        """See :class:`PublishingAuthority`."""
        return self._call("certificates", holder)  # type: ignore[no-any-return]

    def crls(self) -> list[x509.CertificateRevocationList]:
        """See :class:`PublishingAuthority`."""
        return self._call("crls")  # type: ignore[no-any-return]


_CHANGES = {
    Ins.GENERATE_ASYMMETRIC_KEY_PAIR,
    Ins.PERFORM_SECURITY_OPERATION,
    Ins.ACTIVATE,
    Ins.DELETE,
    Ins.EXTERNAL_AUTHENTICATE,
    Ins.UPDATE_BINARY,
    Ins.TERMINATE_CARD_USAGE,
}
"""Commands that can change what is in a module. Where others are cut off, nothing is different from before them."""


@dataclass
class Power:
    """Counts the commands that change a module, and cuts it off at one."""

    commands: int = 0
    cut_at: int | None = None
    after: bool = False

    def wrap(self, connection: Connection) -> Connection:
        """Stand between."""
        work = connection.transmit_bytes

        def transmit(command: bytes) -> bytes:
            if command[1] not in _CHANGES:
                return work(command)
            hit = self.cut_at is not None and self.commands >= self.cut_at
            self.commands += 1
            if hit and not self.after:
                raise ModuleRemoved("power cut")
            answer = work(command)
            if hit:
                raise ModuleRemoved("power cut")
            return answer

        connection.transmit_bytes = transmit  # type: ignore[method-assign]
        return connection


@dataclass
class Field:
    """A gateway in the field, and its GWA."""

    device: Device
    ca: CutCa = field(init=False)
    power: Power = field(default_factory=Power)
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ca = CutCa(self.device.ca)
        self.device.slot.wrap = self.power.wrap
        self.device.gateway.close()  # opened anew, with the power in between

    @property
    def gateway(self) -> Gateway:
        return self.device.gateway

    @property
    def world(self) -> World:
        return self.device.world

    @property
    def gwa(self) -> Administrator:
        return self.administrator(self.device.gwa, self.ca)

    def administrator(
        self, holder: Holder, ca: PublishingAuthority, earlier: tuple[PublishingAuthority, ...] = ()
    ) -> Administrator:
        folder = folder_of(holder, self.device.folder.parent / str(holder.name))
        return Administrator(
            self.device.party(Role.GWA),
            folder,
            ca,
            self.device.clock,
            root=self.world.root.certificate,
            earlier=earlier,
            tell=self.told.append,
        )

    @property
    def archive(self) -> Archive:
        return Archive(self.device.folder.parent / str(self.device.gwa.name) / "gateways")

    @property
    def issued(self) -> list[x509.Certificate]:
        """Everything that the CA has issued to the gateway."""
        return self.device.ca.certificates(f"{self.device.id}.SMGW")

    def standings(self) -> list[Standing]:
        return [one.standing for one in self.gwa.certificates(self.device.id)]

    def payloads(self, fact: Fact) -> list[dict[str, Any]]:
        entries = [read_entry(entry.body) for entry in self.device.repository.entries(self.device.id)]
        return [entry.payload for entry in entries if entry.payload.get("fact") == fact]

    def has(self, fact: Fact) -> bool:
        return fact in self.device.repository.kept(self.device.id).standing.evidence

    def replayed(self) -> bool:
        """Whether the record is whole, lawful, and borne out by the module's attestations."""
        chain = self.device.repository.chain(self.device.id)
        return replay(chain, self.device.cast.trust, witness=ModuleWitness()).ok

    def until_done(self, work: Callable[[], object], cut: Power | CutCa) -> int:
        """Do some work until it is through, cut off one step later each time; how often it was cut."""
        cuts = 0
        while True:
            for after in (False, True):
                if isinstance(cut, Power):
                    cut.commands = 0
                else:
                    cut.calls.clear()
                cut.cut_at, cut.after = cuts, after
                try:
                    work()
                except (PowerCut, ModuleRemoved):
                    cut.cut_at = None
                    self.device.restart()
                    assert self.replayed()
                    continue
                cut.cut_at = None
                return cuts
            cuts += 1


def again(device: Device, folder: Path) -> Device:
    """A device once more, with its whole world, as it stands."""
    device.gateway.close()
    shutil.copytree(device.folder.parent, folder, dirs_exist_ok=True)
    world, clock = copy(device.world), TestClock(device.clock.now)
    world.engine = connect(f"sqlite:///{folder / 'pki.db'}")
    world.clock, world.store = clock, PkiStore(world.engine)
    root = device.world.root.certificate
    world.root = Authority(world.store, root, world.root_key, root, clock)
    world.sub = Authority(world.store, device.world.sub.certificate, world.sub_key, root, clock)
    home = folder / device.id
    repository = Repository(world.engine, device.cast.trust, device.cast.keeper, clock=clock)
    slot = ClockedSlot(home / "module", DeviceSecret.open_or_make(home / SECRET_FILE), clock)
    gateway = Gateway(device.id, repository, slot=slot, folder=home)
    return replace(device, folder=home, world=world, clock=clock, repository=repository, slot=slot, gateway=gateway)


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    """A gateway that is mounted, to be copied."""
    device = Device.in_folder(tmp_path_factory.mktemp("mounted"))
    device.reach(State.FIRST_INSTALLATION)
    device.work()
    yield device
    device.gateway.close()
    device.world.engine.dispose()


@pytest.fixture(scope="module")
def personalised(mounted: Device, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    """A gateway in operation, to be copied."""
    device = again(mounted, tmp_path_factory.mktemp("personalised"))
    Field(device).gwa.personalise(device.gateway)
    yield device
    device.gateway.close()
    device.world.engine.dispose()


@pytest.fixture
def installed(mounted: Device, tmp_path: Path) -> Iterator[Field]:
    """A gateway that is mounted, and waits for its GWA."""
    device = again(mounted, tmp_path)
    yield Field(device)
    device.gateway.close()
    device.world.engine.dispose()


@pytest.fixture
def running(personalised: Device, tmp_path: Path) -> Iterator[Field]:
    """A gateway in operation."""
    device = again(personalised, tmp_path)
    yield Field(device)
    device.gateway.close()
    device.world.engine.dispose()


# Initial configuration (ch. 6)


def test_the_initial_configuration_is_signed_and_ends_with_its_crls(installed: Field) -> None:
    data = installed.gwa.initial_configuration(OTHER_GATEWAY, COMMUNICATION)
    told, message = read_initial(data)
    holder = installed.device.gwa
    assert message.verify() == holder.certificates[KeyUse.SIG]
    assert (told.gateway, told.administrator, told.communication) == (OTHER_GATEWAY, "Verwalter.GWA", COMMUNICATION)
    assert told.administrator_certificates == holder.certificates
    assert told.sub_ca == installed.world.sub.certificate
    assert {crl.issuer for crl in told.revocation_lists} == {
        installed.world.root.certificate.subject,
        installed.world.sub.certificate.subject,
    }
    ends = [crl.next_update_utc for crl in told.revocation_lists]
    assert told.valid_until == min(end for end in ends if end is not None)
    short, _ = read_initial(
        installed.gwa.initial_configuration(OTHER_GATEWAY, COMMUNICATION, valid_for=timedelta(hours=1))
    )
    assert short.valid_until == installed.device.clock() + timedelta(hours=1)
    with pytest.raises(ConfigurationError, match="no gateway identification"):
        installed.gwa.initial_configuration("EXXX", COMMUNICATION)


def test_a_gateway_takes_the_initial_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device.in_folder(tmp_path)
    device.reach(State.PREPERSONALISATION_2)
    station = Field(device)
    file = station.gwa.initial_configuration(device.id, CommunicationData("gwa.example", 8443))
    monkeypatch.setattr(device, "initial_file", lambda: file)
    device.reach(State.FIRST_INSTALLATION)
    device.work()
    assert station.gwa.personalise(device.gateway).administrator == "Verwalter.GWA"


def test_a_file_that_no_gateway_would_read_is_not_handed_out(installed: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.configuration.LARGEST_FILE", 1_000)
    with pytest.raises(ConfigurationError, match="at most 1000 are read"):
        installed.gwa.initial_configuration(OTHER_GATEWAY, COMMUNICATION)


def test_a_ca_over_the_network_is_asked_the_same_way() -> None:
    make: Callable[..., PublishingAuthority] = CaClient
    assert callable(make)


# Personalisation (ch. 10)


def test_personalised_and_in_operation(installed: Field) -> None:
    status = installed.gwa.personalise(installed.gateway)
    assert (status.state, status.module_state) == (State.OPERATION, ModuleState.OPERATIONAL)
    assert all(held.operational for held in status.certificates.values())
    assert len(installed.issued) == 6
    assert [held.operational for held in installed.gateway.certificates.held()] == [True] * 3
    assert set(installed.archive.of(installed.device.id)) == set(installed.issued[3:])
    (payload,) = installed.payloads(Fact.OPERATIONAL_CERTIFICATES_IN_MODULE)
    assert ATTESTATION in payload["detail"]
    assert installed.replayed()
    assert any("the CA is asked" in words for words in installed.told)


def test_personalised_again_nothing_happens(running: Field) -> None:
    entries = len(running.device.repository.entries(running.device.id))
    assert running.gwa.personalise(running.gateway).state is State.OPERATION
    assert len(running.issued) == 6
    assert len(running.device.repository.entries(running.device.id)) == entries
    assert running.told == []


@pytest.mark.parametrize("which", ["ca", "power"])
def test_personalised_although_cut_off_at_every_step(installed: Field, which: str) -> None:
    cuts = installed.until_done(lambda: installed.gwa.personalise(installed.gateway), getattr(installed, which))
    assert cuts >= {"ca": 2, "power": 15}[which]
    assert installed.device.state is State.OPERATION
    assert len(installed.issued) == 6, "no certificate is wasted"
    assert len(installed.payloads(Fact.OPERATIONAL_CERTIFICATES_IN_MODULE)) == 1
    assert [held.operational for held in installed.gateway.certificates.held()] == [True] * 3
    assert installed.replayed()


def test_personalised_although_cut_off_at_every_entry(installed: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    acting, cuts = installed.device.repository.act, 0
    while installed.device.state is not State.OPERATION:

        def cut(*args: Any, **kwargs: Any) -> None:
            acting(*args, **kwargs)
            raise PowerCut

        monkeypatch.setattr(installed.device.repository, "act", cut)
        with pytest.raises(PowerCut):
            installed.gwa.personalise(installed.gateway)
        cuts += 1
        installed.device.restart()
    assert cuts == 3
    assert len(installed.issued) == 6
    monkeypatch.setattr(installed.device.repository, "act", acting)
    assert installed.gwa.personalise(installed.gateway).state is State.OPERATION
    assert installed.replayed()


def test_before_its_time_nothing_is_personalised(tmp_path: Path) -> None:
    device = Device.in_folder(tmp_path)
    station = Field(device)
    for state in (State.DEVELOPMENT, State.PREPERSONALISATION_2, State.FIRST_DELIVERY, State.FIRST_INSTALLATION):
        device.reach(state)
        with pytest.raises(Unlawful, match="BEGIN_PERSONALISATION by GWA"):
            station.gwa.personalise(device.gateway)
        assert device.state is state
    assert len(station.issued) == 3


def test_the_wrong_gwa_gets_nothing(installed: Field) -> None:
    other = installed.administrator(installed.world.enrol("Fremd", Participant.GWA), installed.ca)
    with pytest.raises(CommandRefused, match="authenticating the GWA"):
        other.personalise(installed.gateway)
    assert len(installed.issued) == 3
    assert not installed.has(Fact.OPERATIONAL_CERTIFICATES_IN_MODULE)
    installed.gwa.personalise(installed.gateway)
    with pytest.raises(CommandRefused, match="authenticating the GWA"):
        other.renew(installed.gateway, ahead=SOON)
    with pytest.raises(CommandRefused, match="authenticating the GWA"):
        other.terminate_module(installed.gateway)
    with pytest.raises(Refused, match=r"Verwalter\.GWA is in charge"):
        other.revoke_every_certificate(installed.gateway)
    with pytest.raises(Refused, match=r"Verwalter\.GWA is in charge"):
        other.hand_over(installed.device.id, "Fremd.GWA")
    assert installed.standings() == [Standing.GOOD] * 6
    assert not installed.has(Fact.MODULE_TERMINATED)
    assert not installed.has(Fact.EVERY_CERTIFICATE_REVOKED)


def test_whoever_acts_for_a_gwa_is_none(installed: Field) -> None:
    folder = folder_of(installed.device.gwa, installed.device.folder.parent / "gwa")
    root = installed.world.root.certificate
    for role in (Role.SERVICETECHNIKER, Role.ERSTKONFIGURATOR, Role.GWH):
        with pytest.raises(AdministrationError, match=f"by a GWA, not by a {role}"):
            Administrator(installed.device.party(role), folder, installed.ca, installed.device.clock, root=root)
    gwh = folder_of(installed.device.gwh, installed.device.folder.parent / "gwh")
    with pytest.raises(AdministrationError, match=r"Hersteller\.GWH is no GWA"):
        Administrator(installed.device.party(Role.GWA), gwh, installed.ca, installed.device.clock, root=root)


# Renewal (ch. 11)


def test_renewed_in_time_and_not_before(running: Field) -> None:
    first = running.gwa.renew(running.gateway)
    assert (first.renewed, first.superseded) == (False, ())
    assert len(running.issued) == 6
    before = {fingerprint(one) for one in running.issued[3:]}
    renewed = running.gwa.renew(running.gateway, ahead=SOON)
    assert renewed.renewed
    assert set(renewed.superseded) == before
    assert len(running.issued) == 9
    assert len(running.gateway.certificates.held()) == 3
    looked = running.gwa.certificates(running.device.id)
    assert [one.standing for one in looked] == [Standing.GOOD] * 3 + [Standing.REVOKED] * 3 + [Standing.GOOD] * 3
    assert all("superseded" in one.words for one in looked[3:6])
    assert running.device.state is State.OPERATION


def test_old_and_new_overlap(running: Field) -> None:
    kept = running.gwa.renew(running.gateway, ahead=SOON, keep_old=True)
    assert (kept.renewed, kept.superseded) == (True, ())
    assert len(running.gateway.certificates.held()) == 6
    assert running.standings() == [Standing.GOOD] * 9
    in_use = {held.certificate for held in running.gwa.status(running.gateway).certificates.values()}
    assert in_use == set(running.issued[6:])
    again = running.gwa.renew(running.gateway, keep_old=True)
    assert (again.renewed, again.superseded) == (False, ())
    done = running.gwa.renew(running.gateway)
    assert (done.renewed, len(done.superseded)) == (False, 3)
    assert len(running.gateway.certificates.held()) == 3
    assert running.standings() == [Standing.GOOD] * 3 + [Standing.REVOKED] * 3 + [Standing.GOOD] * 3


def test_renewed_time_and_again_in_both_places(running: Field) -> None:
    for generation in range(3, 7):
        running.gwa.renew(running.gateway, ahead=SOON)
        assert len(running.issued) == 3 * generation
        assert len(running.gateway.certificates.held()) == 3
    assert running.standings().count(Standing.GOOD) == 6


@pytest.mark.parametrize("which", ["ca", "power"])
def test_renewed_although_cut_off_at_every_step(running: Field, which: str) -> None:
    def renew() -> None:
        # It is due until a third triple is there; then whatever is left is to be done.
        running.gwa.renew(running.gateway, ahead=SOON if len(running.issued) < 9 or unfinished() else timedelta(0))

    def unfinished() -> bool:
        used = {held.certificate for held in running.gateway.certificates.current().values()}
        return not used <= set(running.issued[6:])

    cuts = running.until_done(renew, getattr(running, which))
    assert cuts >= {"ca": 2, "power": 15}[which]
    running.gwa.renew(running.gateway)
    assert len(running.issued) == 9, "no certificate is wasted"
    assert len(running.gateway.certificates.held()) == 3
    assert running.standings() == [Standing.GOOD] * 3 + [Standing.REVOKED] * 3 + [Standing.GOOD] * 3


def test_a_gwa_that_has_new_keys_itself_is_known_by_the_old(running: Field) -> None:
    folder = folder_of(running.device.gwa, running.device.folder.parent / str(running.device.gwa.name))
    number, keys = folder.begin()
    package = sign_package(
        request_triple(RequestType.GWA, folder.name, keys), running.device.gwa.signer, running.device.clock()
    )
    folder.finish(number, running.device.ca.request_certificate(package, RequestType.GWA))
    assert folder.signer().certificate != running.device.gwa.certificates[KeyUse.SIG]
    assert running.gwa.renew(running.gateway, ahead=SOON).renewed
    assert running.gwa.introduce(running.gateway)
    assert not running.gwa.introduce(running.gateway)
    running.gwa.terminate_module(running.gateway)


# Revocation (ch. 11, 12, 16, 17)


def test_every_certificate_is_revoked_and_seen_to_be(running: Field) -> None:
    running.gwa.renew(running.gateway, ahead=SOON)
    with pytest.raises(Unlawful, match="certificates-revoked"):
        running.device.move(Role.MONTEUR, Event.REMOVE_FOR_SCRAPPING)
    revocation = running.gwa.revoke_every_certificate(running.gateway)
    assert set(revocation.certificates) == {fingerprint(one) for one in running.issued}
    assert revocation.ended == ()
    assert running.standings() == [Standing.REVOKED] * 9
    (payload,) = running.payloads(Fact.EVERY_CERTIFICATE_REVOKED)
    assert payload["detail"] == revocation.told()
    assert [crl["issuer"] for crl in payload["detail"]["crls"]] == ["Energie.CA"]
    again = running.gwa.revoke_every_certificate(running.gateway)
    assert again.certificates == revocation.certificates
    assert len(running.payloads(Fact.EVERY_CERTIFICATE_REVOKED)) == 1
    with pytest.raises(AdministrationError, match="nothing is renewed any more"):
        running.gwa.renew(running.gateway, ahead=SOON)
    running.device.move(Role.MONTEUR, Event.REMOVE_FOR_SCRAPPING)
    assert running.replayed()


def test_revoked_in_an_outage_where_the_gateway_answers_nothing(running: Field) -> None:
    technician = Technician(running.device.party(Role.SERVICETECHNIKER), running.device.repository)
    technician.diagnose(Site(running.device.id, None))
    order = running.gwa.order_diagnosis(running.device.id)
    running.gwa.take_in(running.gateway, order, technician.diagnose(Site(running.device.id, None), order))
    assert running.device.state is State.OUTAGE
    running.gateway.close()
    bare = Gateway(running.device.id, running.device.repository)
    revocation = running.gwa.revoke_every_certificate(bare)
    assert len(revocation.certificates) == 6
    running.device.move(Role.MONTEUR, Event.REMOVE_FOR_SCRAPPING)


def test_nothing_is_revoked_that_the_law_has_no_place_for(installed: Field) -> None:
    with pytest.raises(Unlawful, match="EVERY_CERTIFICATE_REVOKED to happen in"):
        installed.gwa.revoke_every_certificate(installed.gateway)
    installed.gwa.personalise(installed.gateway)
    installed.gwa.report_fault(installed.gateway, "disk-full")
    with pytest.raises(Unlawful, match="found state REVERSIBLE_FAULT"):
        installed.gwa.revoke_every_certificate(installed.gateway)
    assert installed.standings() == [Standing.GOOD] * 6


class LyingCa(InProcessCa):
    """A CA that does not do what it says. What it lies about is set by a test."""

    hides: frozenset[str] = frozenset()
    obeys = True
    shows: list[x509.CertificateRevocationList] | None = None
    foreign: x509.Certificate | None = None

    def certificates(self, holder: str) -> list[x509.Certificate]:
        """Some of them."""
        told = [one for one in super().certificates(holder) if fingerprint(one) not in self.hides]
        return [*told, self.foreign] if self.foreign else told

    def change_status(self, order: bytes) -> None:
        """Or not."""
        if self.obeys:
            super().change_status(order)

    def crls(self) -> list[x509.CertificateRevocationList]:
        """Or older ones."""
        return super().crls() if self.shows is None else self.shows


@pytest.fixture
def liar(running: Field) -> LyingCa:
    return LyingCa(running.world.sub)


def refused(running: Field, liar: LyingCa, words: str) -> None:
    """That nothing is attested, for that reason."""
    with pytest.raises(AdministrationError, match=words):
        running.administrator(running.device.gwa, liar).revoke_every_certificate(running.gateway)
    assert not running.has(Fact.EVERY_CERTIFICATE_REVOKED)
    with pytest.raises(Unlawful):
        running.device.move(Role.MONTEUR, Event.REMOVE_FOR_SCRAPPING)


def test_not_attested_where_the_ca_does_nothing(running: Field, liar: LyingCa) -> None:
    liar.obeys = False
    refused(running, liar, r"the SMGW-G/TLS certificate of EXXX0012345678\.SMGW \(1\) is good")


def test_not_attested_by_a_crl_of_before(running: Field, liar: LyingCa) -> None:
    liar.shows = liar.crls()
    refused(running, liar, "is good")


def test_not_attested_by_a_crl_that_has_ended(running: Field, liar: LyingCa) -> None:
    liar.shows = liar.crls()
    running.device.clock.forward(timedelta(days=8))
    running.world.root.crl()
    refused(running, liar, "a newer one is needed")


def test_not_attested_by_a_crl_that_somebody_else_signed(running: Field, liar: LyingCa, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stranger = World.in_folder(tmp_path / "other", running.device.clock)
    liar.shows = InProcessCa(stranger.sub).crls()
    refused(running, liar, "is unclear")
    stranger.engine.dispose()


def test_not_attested_by_a_suspension(running: Field, liar: LyingCa) -> None:
    marks = tuple(fingerprint(one) for one in running.issued)
    order = StatusOrder(Change.SUSPEND, marks, None, running.device.clock())
    liar.change_status(order.signed(running.device.gwa.signer))
    liar.obeys = False
    refused(running, liar, "is suspended")
    liar.obeys = True
    running.administrator(running.device.gwa, liar).revoke_every_certificate(running.gateway)
    assert running.standings() == [Standing.REVOKED] * 6


@pytest.mark.parametrize(
    ("hidden", "words"),
    [
        (slice(3, 4), "no CA lists what the GWA has received"),
        (slice(0, 1), "no CA lists what the record tells of"),
        (slice(0, 6), "no CA lists what the GWA has received"),
    ],
)
def test_not_attested_where_the_directory_is_not_whole(
    running: Field, liar: LyingCa, hidden: slice, words: str
) -> None:
    liar.hides = frozenset(fingerprint(one) for one in running.issued[hidden])
    refused(running, liar, words)


def test_not_attested_of_a_certificate_that_only_the_gateway_knows(running: Field, liar: LyingCa) -> None:
    running.gwa.renew(running.gateway, ahead=SOON)
    hidden = running.issued[6:]
    liar.hides = frozenset(fingerprint(one) for one in hidden)
    for one in hidden:  # the GWA's own archive is gone
        (
            running.device.folder.parent / "Verwalter.GWA" / "gateways" / running.device.id / f"{fingerprint(one)}.pem"
        ).unlink()
    refused(running, liar, "no CA lists what the gateway uses")


def test_not_attested_where_nothing_is_listed(running: Field, liar: LyingCa) -> None:
    liar.hides = frozenset(fingerprint(one) for one in running.issued)
    for path in (running.device.folder.parent / "Verwalter.GWA" / "gateways" / running.device.id).iterdir():
        path.unlink()
    refused(running, liar, "lists any certificate")


def test_nobody_else_s_certificate_is_revoked(running: Field, liar: LyingCa) -> None:
    other = running.world.seal(running.device.gwh, OTHER_GATEWAY)
    liar.foreign = other.certificates[KeyUse.SIG]
    refused(running, liar, f"of {OTHER_GATEWAY}.SMGW is said to be one of")
    assert running.standings() == [Standing.GOOD] * 6


def test_what_has_ended_need_not_be_on_a_crl(running: Field) -> None:
    gwa, clock = running.gwa, running.device.clock
    clock.forward(timedelta(days=365))
    running.world.root.crl()
    running.world.sub.crl()
    gwa.renew(running.gateway, ahead=SOON, keep_old=True)
    gwa.revoke_every_certificate(running.gateway)
    ended = [one for one in running.issued if one.not_valid_after_utc <= running.issued[3].not_valid_after_utc]
    assert set(ended) >= set(running.issued[3:6])
    clock.forward(running.issued[3].not_valid_after_utc - clock() + timedelta(days=8))  # CRLs need not list them now
    running.world.root.crl()
    others = set(running.issued) - set(ended)
    assert {one.serial_number for one in running.world.sub.crl()} == {one.serial_number for one in others}
    issued = Issued((running.ca,), PathValidator(running.world.root.certificate), running.archive, clock)
    revocation = issued.seen_revoked(running.gateway, running.device.repository.entries(running.device.id))
    assert set(revocation.ended) == {fingerprint(one) for one in ended}
    assert set(revocation.certificates) == {fingerprint(one) for one in others}
    assert set(revocation.told()) == {"certificates", "ended", "crls"}


def test_certificates_of_an_earlier_ca_are_revoked_there(running: Field) -> None:
    later, _ = running.world.new_sub("Nachfolge", curve_of(running.world.sub_key.public_key))
    station = running.administrator(running.device.gwa, InProcessCa(later), (running.ca,))
    renewed = station.renew(running.gateway, ahead=SOON)
    assert renewed.renewed
    issuers = {one.certificate.issuer for one in station.certificates(running.device.id)}
    assert issuers == {later.certificate.subject, running.world.sub.certificate.subject}
    revocation = station.revoke_every_certificate(running.gateway)
    assert len(revocation.certificates) == 9
    assert {issuer for issuer, _, _ in revocation.crls} == {"Energie.CA", "Nachfolge.CA"}


@pytest.mark.parametrize("which", ["ca", "power"])
def test_revoked_although_cut_off_at_every_step(running: Field, which: str) -> None:
    running.until_done(lambda: running.gwa.revoke_every_certificate(running.gateway), getattr(running, which))
    assert running.standings() == [Standing.REVOKED] * 6
    assert len(running.payloads(Fact.EVERY_CERTIFICATE_REVOKED)) == 1


# The module's end (ch. 11, 16)


def test_terminated_by_the_gwa_itself(running: Field) -> None:
    running.gwa.terminate_module(running.gateway)
    assert running.device.slot.information().state is ModuleState.TERMINATED
    (payload,) = running.payloads(Fact.MODULE_TERMINATED)
    assert ATTESTATION in payload["detail"]
    running.gwa.terminate_module(running.gateway)
    assert len(running.payloads(Fact.MODULE_TERMINATED)) == 1
    with pytest.raises(Closed, match="interface-on"):
        running.gwa.status(running.gateway)
    running.gwa.revoke_every_certificate(running.gateway)  # which is between GWA and CA
    running.device.move(Role.MONTEUR, Event.REMOVE_FOR_SCRAPPING)
    assert running.replayed()


def test_terminated_although_cut_off_at_every_step(running: Field) -> None:
    running.until_done(lambda: running.gwa.terminate_module(running.gateway), running.power)
    assert len(running.payloads(Fact.MODULE_TERMINATED)) == 1
    assert running.replayed()


def test_terminated_and_cut_off_before_the_record_told_of_it(running: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(*_args: Any, **_kwargs: Any) -> None:
        raise PowerCut

    with monkeypatch.context() as patched:
        patched.setattr(running.device.repository, "act", cut)
        with pytest.raises(PowerCut):
            running.gwa.terminate_module(running.gateway)
    restarted = running.device.restart()
    assert not self_test(restarted).passed  # the module says more than the record, so the gate is shut
    with pytest.raises(Closed, match="gate-shut"):
        running.gwa.status(restarted)
    running.gwa.terminate_module(restarted)
    assert len(running.payloads(Fact.MODULE_TERMINATED)) == 1
    assert running.replayed()
    assert self_test(running.device.restart()).passed


def test_a_module_that_somebody_else_has_terminated(running: Field) -> None:
    module = running.gateway.module()
    module.authenticate_externally(running.device.sign)
    module.terminate()
    running.device.restart()
    with pytest.raises(AdministrationError, match="is terminated, and not by this GWA"):
        running.gwa.terminate_module(running.gateway)
    assert not running.has(Fact.MODULE_TERMINATED)


def test_software_is_admitted_by_the_gwa_alone(running: Field) -> None:
    other = bytes(range(32))
    with pytest.raises(CommandRefused, match="authenticating the GWA"):
        running.gateway.administration.admit_firmware(Credential.GWA_CERTIFICATE, other, lambda _: bytes(64))
    assert kept_firmware(running.gateway.module()) == installed_firmware()
    with pytest.raises(ValueError, match="32 bytes"):
        running.gwa.admit_firmware(running.gateway, b"")
    assert running.gwa.admit_firmware(running.gateway, other)
    assert not running.gwa.admit_firmware(running.gateway, other)
    assert not self_test(running.device.restart()).passed  # until that software is what runs
    assert self_test(running.device.restart(), lambda: other).passed


def test_not_terminated_where_the_law_has_no_place_for_it(installed: Field) -> None:
    with pytest.raises(Unlawful, match="MODULE_TERMINATED to happen in"):
        installed.gwa.terminate_module(installed.gateway)
    assert installed.device.slot.information().state is ModuleState.READY


def test_a_technician_terminates_nothing(running: Field) -> None:
    with pytest.raises(Closed, match="asked for as GWA_CERTIFICATE"):
        running.gateway.administration.terminate_module(Credential.TECHNICIAN_CERTIFICATE, running.device.sign)
    party = running.device.party(Role.SERVICETECHNIKER)
    with pytest.raises(EvidenceError, match="does not show MODULE_TERMINATED"):
        running.gateway.attest(party, Fact.MODULE_TERMINATED)
    running.gwa.terminate_module(running.gateway)
    with pytest.raises(Unlawful, match="needs GWA; found SERVICETECHNIKER for GWA"):
        running.gateway.act(party, attest(party, Fact.MODULE_TERMINATED))


# Another GWA


def test_handed_over_to_another_gwa(running: Field) -> None:
    other = running.world.enrol("Neu", Participant.GWA)
    running.gwa.hand_over(running.device.id, "Neu.GWA")
    with pytest.raises(Refused, match=r"Neu\.GWA is in charge"):
        running.gwa.renew(running.gateway, ahead=SOON)
    with pytest.raises(Refused, match=r"Neu\.GWA is in charge"):
        running.gwa.revoke_every_certificate(running.gateway)
    revocation = running.administrator(other, running.ca).revoke_every_certificate(running.gateway)
    assert len(revocation.certificates) == 6


def test_handed_over_with_the_module(running: Field) -> None:
    other = running.world.enrol("Neu", Participant.GWA)
    triple = list(other.certificates.values())
    successor = running.administrator(other, running.ca)
    with pytest.raises(CommandRefused, match="authenticating the GWA"):
        successor.introduce(running.gateway)  # nobody lets itself in
    assert running.gwa.introduce(running.gateway, triple)
    assert not running.gwa.introduce(running.gateway, triple)
    running.gwa.hand_over(running.device.id, "Neu.GWA")
    assert running.gwa.status(running.gateway).administrator == "Neu.GWA"
    with pytest.raises(CommandRefused, match="authenticating the GWA"):
        running.gwa.terminate_module(running.gateway)
    assert successor.renew(running.gateway, ahead=SOON).renewed
    successor.revoke_every_certificate(running.gateway)
    successor.terminate_module(running.gateway)
    assert running.replayed()


def test_handed_over_although_cut_off_at_every_step(running: Field) -> None:
    other = running.world.enrol("Neu", Participant.GWA)
    cuts = running.until_done(
        lambda: running.gwa.introduce(running.gateway, list(other.certificates.values())), running.power
    )
    assert cuts >= 3
    assert running.gwa.status(running.gateway).administrator == "Neu.GWA"
    assert running.administrator(other, running.ca).introduce(running.gateway) is False


def test_only_a_gwa_that_is_believed_is_let_in(running: Field, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stranger = World.in_folder(tmp_path / "other", running.device.clock)
    fired = running.world.enrol("Gefeuert", Participant.GWA)
    running.world.desk.revoke([fingerprint(one) for one in fired.certificates.values()], Reason.PRIVILEGE_WITHDRAWN)
    market = running.world.enrol("Markt", Participant.EMT)
    for holder, words in ((fired, "was revoked"), (market, "of a EMT, not of GWA")):
        with pytest.raises(PathInvalid, match=words):
            running.gwa.introduce(running.gateway, list(holder.certificates.values()))
    with pytest.raises(PathInvalid, match="is not the pinned Root"):
        running.gwa.introduce(running.gateway, list(stranger.enrol("Neu", Participant.GWA).certificates.values()))
    mixed = running.world.enrol("Neu", Participant.GWA)
    with pytest.raises(CertificateRefused, match="one name"):
        running.gwa.introduce(
            running.gateway,
            [*list(mixed.certificates.values())[:2], running.device.gwa.certificates[KeyUse.ENC]],
        )
    assert running.gwa.status(running.gateway).administrator == "Verwalter.GWA"
    stranger.engine.dispose()


def test_handed_over_to_nobody(running: Field) -> None:
    with pytest.raises(Refused, match=r"Niemand\.GWA is no GWA that is known"):
        running.gwa.hand_over(running.device.id, "Niemand.GWA")
    with pytest.raises(NameRuleError):
        running.gwa.hand_over(running.device.id, "Niemand")
    with pytest.raises(NameRuleError):
        running.gwa.hand_over("EXXX", "Neu.GWA")


# Faults (ch. 15 to 17)


def test_a_fault_comes_and_goes(running: Field) -> None:
    found = running.gwa.report_fault(running.gateway, "disk-full")
    assert (found.state, found.faults) == (State.REVERSIBLE_FAULT, (OpenFault("disk-full"),))
    assert set(found.affected) >= METERING
    assert Function.READ_STATUS not in found.affected
    assert running.gwa.report_fault(running.gateway, "disk-full") == found
    cleared = running.gwa.restore_fault(running.gateway, "disk-full")
    assert (cleared.state, cleared.faults, cleared.affected) == (State.OPERATION, (), ())
    with pytest.raises(Unlawful, match="disk-full to be open"):
        running.gwa.restore_fault(running.gateway, "disk-full")


def test_of_two_faults_one_keeps_it_there(running: Field) -> None:
    running.gwa.report_fault(running.gateway, "disk-full")
    running.gwa.report_fault(running.gateway, "consumer-log-full", "consumer-1")
    assert running.gwa.restore_fault(running.gateway, "disk-full").state is State.REVERSIBLE_FAULT
    assert running.gwa.restore_fault(running.gateway, "consumer-log-full", "consumer-1").state is State.OPERATION


def test_a_graver_fault_leads_on(running: Field) -> None:
    running.gwa.report_fault(running.gateway, "disk-full")
    found = running.gwa.report_fault(running.gateway, "calibration-log-full")
    assert found.state is State.IRREVERSIBLE_FAULT
    assert set(found.affected) >= METERING
    running.gwa.restore_fault(running.gateway, "disk-full")
    assert running.device.state is State.IRREVERSIBLE_FAULT
    with pytest.raises(Unlawful, match="is for good"):
        running.gwa.restore_fault(running.gateway, "calibration-log-full")
    running.gwa.revoke_every_certificate(running.gateway)
    running.gwa.terminate_module(running.gateway)


def test_what_it_cannot_see_it_cannot_report(running: Field) -> None:
    for name in ("functionless", "module-absent", "no-such-fault"):
        with pytest.raises(Unlawful):
            running.gwa.report_fault(running.gateway, name)
    assert running.device.state is State.OPERATION


@pytest.mark.parametrize("ending", ["lost", "mended"])
def test_cut_off_between_fault_and_state(running: Field, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    def cut(work: Callable[[], object]) -> None:
        acting = running.device.repository.act

        def once(*args: Any, **kwargs: Any) -> None:
            acting(*args, **kwargs)
            raise PowerCut

        with monkeypatch.context() as patched:
            patched.setattr(running.device.repository, "act", once)
            with pytest.raises(PowerCut):
                work()

    cut(lambda: running.gwa.report_fault(running.gateway, "disk-full"))
    assert running.gwa.report_fault(running.gateway, "disk-full").state is State.REVERSIBLE_FAULT
    if ending == "mended":
        cut(lambda: running.gwa.restore_fault(running.gateway, "disk-full"))
        assert running.gwa.restore_fault(running.gateway, "disk-full").state is State.OPERATION


# Diagnosis (ch. 15 to 17)


@pytest.fixture
def technician(running: Field) -> Technician:
    return Technician(running.device.party(Role.SERVICETECHNIKER), running.device.repository)


def test_a_diagnosis_decides_on_an_outage(running: Field, technician: Technician) -> None:
    gwa = running.gwa
    assert gwa.report_fault(running.gateway, "connection-fault").state is State.REVERSIBLE_FAULT
    order = gwa.order_diagnosis(running.device.id)
    diagnosis = technician.diagnose(Site(running.device.id, None), order)
    found, condition = gwa.take_in(running.gateway, order, diagnosis)
    assert found.fault == OpenFault("functionless")
    assert condition.state is State.OUTAGE
    assert Function.READ_STATUS in condition.affected
    assert gwa.take_in(running.gateway, order, diagnosis)[1] == condition


def test_a_diagnosis_takes_it_back_into_operation(running: Field, technician: Technician) -> None:
    gwa = running.gwa
    gwa.report_fault(running.gateway, "connection-fault")
    with pytest.raises(Unlawful):
        gwa.restore_fault(running.gateway, "connection-fault")
    order = gwa.order_diagnosis(running.device.id)
    diagnosis = technician.diagnose(Site(running.device.id, None), order, cleared=OpenFault("connection-fault"))
    assert gwa.take_in(running.gateway, order, diagnosis)[1].state is State.OPERATION


def test_only_what_belongs_together_is_taken_in(running: Field, technician: Technician) -> None:
    gwa, id_ = running.gwa, running.device.id
    order, other = gwa.order_diagnosis(id_), gwa.order_diagnosis(id_)
    diagnosis = technician.diagnose(Site(id_, None), order)
    with pytest.raises(AdministrationError, match="answers another order"):
        gwa.take_in(running.gateway, other, diagnosis)
    with pytest.raises(AdministrationError, match="answers another order"):
        gwa.take_in(running.gateway, order, technician.diagnose(Site(id_, None)))
    with pytest.raises(DiagnosisError):
        gwa.take_in(running.gateway, diagnosis, order)
    stranger = running.device.cast.authority.enrol(Role.GWA, "Fremd", clock=running.device.clock)
    foreign = DiagnosisOrder(id_, running.device.clock(), "00" * 16).signed(stranger)
    with pytest.raises(AdministrationError, match="ordered by Fremd"):
        gwa.take_in(running.gateway, foreign, technician.diagnose(Site(id_, None), foreign))
    elsewhere = gwa.order_diagnosis(OTHER_GATEWAY)
    with pytest.raises(AdministrationError, match=f"is of {id_}"):
        gwa.take_in(running.gateway, elsewhere, diagnosis)
    assert running.device.state is State.OPERATION


def test_what_the_record_does_not_bear_out_is_not_taken_in(
    running: Field, technician: Technician, monkeypatch: pytest.MonkeyPatch
) -> None:
    gwa, id_ = running.gwa, running.device.id
    order = gwa.order_diagnosis(id_)
    with monkeypatch.context() as patched:
        patched.setattr(running.device.repository, "act", lambda *_args, **_kwargs: None)
        unsaid = technician.diagnose(Site(id_, None), order)
    with pytest.raises(AdministrationError, match="the record does not have that open"):
        gwa.take_in(running.gateway, order, unsaid)
    gwa.report_fault(running.gateway, "connection-fault")
    with monkeypatch.context() as patched:
        patched.setattr(running.device.repository, "act", lambda *_args, **_kwargs: None)
        unsaid = technician.diagnose(Site(id_, None), order, cleared=OpenFault("connection-fault"))
    with pytest.raises(AdministrationError, match="is cleared, and it is open"):
        gwa.take_in(running.gateway, order, unsaid)


def test_what_is_looked_at_says_what_it_is(running: Field) -> None:
    first, *_ = running.gwa.certificates(running.device.id)
    assert isinstance(first, Looked)
    assert (first.number, first.is_operational, first.may_be_revoked) == (1, False, True)
    assert first.mark == fingerprint(first.certificate)
    assert running.gwa.certificates(OTHER_GATEWAY) == []
    running.gwa.revoke_every_certificate(running.gateway, Reason.KEY_COMPROMISE)
    assert "keyCompromise" in running.gwa.certificates(running.device.id)[0].words
