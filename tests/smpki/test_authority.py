"""Issuing: first certificates, renewal with overlap, the same request twice, a new Root, and who is refused and how."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from smpki.algorithms import Curve
from smpki.authority import Authority
from smpki.certificates import fingerprint
from smpki.errors import PolicyError, SmPkiError, StoreError
from smpki.keys import SoftwareKey
from smpki.messages import Refused, ReturnCode
from smpki.names import Environment, Function, PkiName
from smpki.orders import Reason
from smpki.profiles import END_ENTITIES, PROFILES, ROOT, SUB_CA, KeyUse, RequestType, profile_of
from smpki.requests import authorise, pack, request_key, request_triple, sign_package
from smpki.signed import Signer
from smpki.validation import PathValidator
from tests.support.pki import GATEWAY, Holder, TestClock, World, name, new_keys


def test_a_gateway_from_seal_to_operation(world: World) -> None:
    gwh, gwa = world.enrol("Werk", Function.GWH), world.enrol("Admin", Function.GWA)
    sealed = world.seal(gwh)
    with world.store.unit() as unit:
        assert unit.in_charge(str(sealed.name)) == ("Werk.GWH", world.clock())
    operational = world.operate(gwa, sealed)
    for use in KeyUse:
        assert world.believe(sealed.certificates[use], use).profile.label == f"SMGW-G/{use}"
        path = world.believe(operational.certificates[use], use)
        assert path.profile.label == f"SMGW-W/{use}"
        assert path.name.number == 2
        assert [profile_of(c).label for c in path.certificates] == ["Root", "Sub-CA", f"SMGW-W/{use}"]
    with world.store.unit() as unit:
        assert unit.in_charge(str(sealed.name)) == ("Admin.GWA", world.clock())
        assert unit.charges_of("Admin.GWA") == [str(sealed.name)]


@pytest.mark.parametrize("function", [Function.GWA, Function.GWH, Function.EMT])
def test_a_participant_renews_with_the_key_it_has(world: World, function: Function) -> None:
    first = world.enrol("Wer", function, ("wer.example", "192.0.2.7"))
    kind, keys = RequestType(str(function)), new_keys()
    world.clock.forward(timedelta(days=700))
    package = sign_package(request_triple(kind, first.name, keys), first.signer, world.clock())
    world.root.crl()
    renewed = world.sub.issue(package)
    for use, certificate in zip(KeyUse, renewed, strict=True):
        assert world.believe(certificate, use).name.number == 2
        world.believe(first.certificates[use], use)  # both generations overlap
    hosts = first.certificates[KeyUse.TLS].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert hosts.get_values_for_type(x509.DNSName) == ["wer.example"]
    world.clock.forward(timedelta(days=40))
    world.root.crl(), world.sub.crl()
    with pytest.raises(SmPkiError, match="expired on"):
        world.believe(first.certificates[KeyUse.SIG])
    late = sign_package(request_triple(kind, first.name, new_keys()), first.signer, world.clock())
    _refused(lambda: world.sub.issue(late), ReturnCode.FAILURE_OUTER_SIGNATURE, "expired on")


def test_the_same_request_gives_the_same_certificates(world: World) -> None:
    gwh = world.enrol("Werk", Function.GWH)
    keys = new_keys()
    first = world.seal(gwh, keys=keys)
    world.clock.forward(timedelta(hours=1))
    again = world.seal(gwh, keys=keys)
    assert again.certificates == first.certificates
    with world.store.unit() as unit:
        assert len(unit.of_holder(str(first.name))) == 3
    package = request_triple(RequestType.GWA, name("Admin", Function.GWA), fresh := new_keys())
    assert world.sub.issue(package, operator=True) == world.sub.issue(package, operator=True)
    mixed = {**new_keys(), KeyUse.TLS: fresh[KeyUse.TLS]}
    stolen = authorise(
        request_triple(RequestType.SMGW_G, name("EXXX0000000002", Function.SMGW), mixed), gwh.signer, world.clock()
    )
    _refused(lambda: world.sub.issue(stolen), ReturnCode.FAILURE_REQUEST_NOT_ACCEPTED, "certified before")


def _refused(act: Callable[[], object], code: ReturnCode, words: str) -> None:
    with pytest.raises(Refused) as refused:
        act()
    assert refused.value.code is code, refused.value
    assert words in str(refused.value)


def test_which_signatures_a_request_needs(world: World) -> None:
    gwh, gwa, emt = (world.enrol("Wer", function) for function in (Function.GWH, Function.GWA, Function.EMT))
    now, gateway = world.clock(), name(GATEWAY, Function.SMGW)
    seal = request_triple(RequestType.SMGW_G, gateway, new_keys())
    wrong = ReturnCode.FAILURE_AUTHORIZATION_SIGNATURE
    _refused(lambda: world.sub.issue(seal), wrong, "is authorised by a GWH")
    _refused(lambda: world.sub.issue(authorise(seal, gwa.signer, now)), wrong, "of a GWA, not of GWH")
    enc = Signer(gwh.certificates[KeyUse.ENC], gwh.keys[KeyUse.ENC])
    _refused(lambda: world.sub.issue(authorise(seal, enc, now)), wrong, "is for ENC, not for SIG")
    damaged = bytearray(authorise(seal, gwh.signer, now))
    damaged[-1] ^= 1
    _refused(lambda: world.sub.issue(bytes(damaged)), wrong, "the signature is not that of the certificate")
    sealed = world.seal(gwh)

    operate = request_triple(RequestType.SMGW_W, gateway, new_keys())
    wrong = ReturnCode.FAILURE_OUTER_SIGNATURE
    _refused(lambda: world.sub.issue(authorise(operate, gwa.signer, now)), wrong, "is signed with its current key")
    by_another = authorise(sign_package(operate, emt.signer, now), gwa.signer, now)
    _refused(lambda: world.sub.issue(by_another), wrong, "Wer.EMT has signed a request for")
    signed = sign_package(operate, sealed.signer, now)
    _refused(lambda: world.sub.issue(signed), ReturnCode.FAILURE_AUTHORIZATION_SIGNATURE, "authorised by a GWA")

    own = request_triple(RequestType.EMT, emt.name, new_keys())
    _refused(lambda: world.sub.issue(own), wrong, "is signed with its current key")
    _refused(lambda: world.sub.issue(own, operator=True), wrong, "is signed with its current key")
    needless = authorise(sign_package(own, emt.signer, now), gwa.signer, now)
    _refused(lambda: world.sub.issue(needless), ReturnCode.FAILURE_INCORRECT_REQUEST, "authorised by nobody")


def test_a_renewal_names_no_new_hosts(world: World) -> None:
    gwa = world.enrol("Admin", Function.GWA, ("gwa.example",))

    def renewal(*hosts: str) -> bytes:
        return sign_package(request_triple(RequestType.GWA, gwa.name, new_keys(), hosts), gwa.signer, world.clock())

    world.sub.issue(renewal("gwa.example"))
    new = renewal("gwa.example", "bank.example")
    code = ReturnCode.FAILURE_REQUEST_NOT_ACCEPTED
    _refused(lambda: world.sub.issue(new), code, "bank.example is new for Admin.GWA")
    world.sub.issue(new, operator=True)


def test_the_operator_takes_whom_no_key_is_left(world: World) -> None:
    emt = world.enrol("Wer", Function.EMT)
    world.clock.forward(timedelta(days=800))
    package = request_triple(RequestType.EMT, emt.name, new_keys())
    _refused(lambda: world.sub.issue(package), ReturnCode.FAILURE_OUTER_SIGNATURE, "current key")
    assert PkiName.of(world.sub.issue(package, operator=True)[0].subject).number == 2


def test_another_administrator_needs_the_charge(world: World) -> None:
    gwh = world.enrol("Werk", Function.GWH)
    gwa, other = world.enrol("Admin", Function.GWA), world.enrol("Other", Function.GWA)
    running = world.operate(gwa, world.seal(gwh))
    _refused(
        lambda: world.operate(other, running),
        ReturnCode.FAILURE_UNAUTHORIZED_REQUEST,
        "Admin.GWA is in charge of EXXX0012345678.SMGW, not Other.GWA",
    )
    assert world.believe(world.operate(gwa, running).certificates[KeyUse.SIG]).name.number == 3
    _refused(lambda: world.seal(gwh), ReturnCode.FAILURE_UNAUTHORIZED_REQUEST, "Admin.GWA is in charge")


def test_who_issues_what(world: World) -> None:
    emt = name("Wer", Function.EMT)
    triple = request_triple(RequestType.EMT, emt, new_keys())
    code = ReturnCode.FAILURE_UNAUTHORIZED_REQUEST
    _refused(lambda: world.root.issue(triple, operator=True), code, "SM-Root.CA (Root) issues no EMT")
    key = SoftwareKey.generate(Curve.BRAINPOOL_P384R1)
    sub = pack([request_key(SUB_CA, name("Neu", Function.CA), key)])
    _refused(lambda: world.sub.issue(sub, operator=True), code, "Energie.CA (Sub-CA) issues no Sub-CA")
    false_root = pack([request_key(SUB_CA, name("SM-Root", Function.CA), key)])
    _refused(lambda: world.root.issue(false_root, operator=True), code, "to SM-Root.CA")
    elsewhere = request_triple(RequestType.EMT, PkiName("Wer", Function.EMT, Environment.PRODUCTION), new_keys())
    _refused(lambda: world.sub.issue(elsewhere, operator=True), code, "issues no EMT to Wer.EMT")


def test_keys_are_on_the_curve_of_their_tier(world: World) -> None:
    keys = {**new_keys(), KeyUse.ENC: SoftwareKey.generate(Curve.SECP256R1)}
    package = request_triple(RequestType.EMT, name("Wer", Function.EMT), keys)
    code = ReturnCode.FAILURE_DOMAIN_PARAMETERS
    _refused(lambda: world.sub.issue(package, operator=True), code, "on brainpoolP256r1, not on secp256r1")
    small = pack([request_key(SUB_CA, name("Neu", Function.CA), SoftwareKey.generate(Curve.BRAINPOOL_P256R1))])
    _refused(lambda: world.root.issue(small, operator=True), code, "has its key on brainpoolP384r1")
    with pytest.raises(PolicyError, match="a Root made in 2030 has its key on brainpoolP512r1"):
        Authority.found(world.store, SoftwareKey.generate(Curve.BRAINPOOL_P384R1), clock=world.clock)


@pytest.mark.parametrize(
    ("year", "root", "sub"), [(2024, Curve.BRAINPOOL_P384R1, "P256"), (2025, Curve.BRAINPOOL_P512R1, "P384")]
)
def test_a_pki_of_each_year_has_its_algorithms(tmp_path: Path, year: int, root: Curve, sub: str) -> None:
    world = World.in_folder(tmp_path, TestClock(datetime(year, 3, 1, tzinfo=UTC)))
    assert world.root_key.public_key.curve.name == root
    assert sub in world.sub_key.public_key.curve.name
    emt = world.enrol("Wer", Function.EMT)
    world.believe(emt.certificates[KeyUse.SIG], KeyUse.SIG)
    world.engine.dispose()


def test_a_root_of_the_first_generation_issues_nothing_that_is_believed_later(tmp_path: Path) -> None:
    world = World.in_folder(tmp_path, TestClock(datetime(2024, 3, 1, tzinfo=UTC)))
    world.clock.now = datetime(2026, 1, 1, tzinfo=UTC)
    world.root.crl()
    _refused(lambda: world.enrol("Wer", Function.EMT), ReturnCode.FAILURE_DOMAIN_PARAMETERS, "2015 to 2025")
    world.engine.dispose()


def test_nothing_outlives_its_issuer(world: World) -> None:
    for profile in PROFILES.values():
        issuer = ROOT if profile is SUB_CA else SUB_CA
        if profile.use or profile is SUB_CA:
            assert issuer.signs_for is not None
            assert issuer.signs_for + profile.lifetime <= issuer.lifetime, profile
    gwh = world.enrol("Werk", Function.GWH)
    assert gwh.certificates[KeyUse.SIG].not_valid_after_utc == world.clock() + timedelta(days=730)
    world.clock.forward(timedelta(days=3 * 365 + 1))
    package = request_triple(RequestType.GWH, name("Neu", Function.GWH), new_keys())
    world.root.crl()
    _refused(
        lambda: world.sub.issue(package, operator=True), ReturnCode.FAILURE_REQUEST_NOT_ACCEPTED, "issues nothing after"
    )


def test_a_new_root_is_reached_from_the_old_one_over_a_link(world: World) -> None:
    emt = world.enrol("Alt", Function.EMT)
    world.clock.forward(timedelta(days=1))
    key = SoftwareKey.generate(Curve.BRAINPOOL_P512R1)
    successor = Authority.found(world.store, key, clock=world.clock, number=2)
    link = world.root.link(successor.certificate)
    sub_key = SoftwareKey.generate(Curve.BRAINPOOL_P384R1)
    package = pack([request_key(SUB_CA, name("Energie", Function.CA), sub_key)])
    (certificate,) = successor.issue(package, operator=True)
    sub = Authority(world.store, certificate, sub_key, world.root.certificate, world.clock)
    keys = new_keys()
    package = sign_package(request_triple(RequestType.EMT, emt.name, keys), emt.signer, world.clock())
    renewed = sub.issue(package)[1]
    with world.store.unit() as unit:
        crls = unit.current_crls()
    for root, between, length in (
        (world.root.certificate, [link, certificate], 4),
        (successor.certificate, [certificate], 3),
    ):
        path = PathValidator(root).validate(renewed, at=world.clock(), intermediates=between, crls=crls)
        assert len(path.certificates) == length
    pinned = PathValidator(world.root.certificate)
    with pytest.raises(SmPkiError, match="is led to by no link certificate here"):
        pinned.succeeded_by(successor.certificate, at=world.clock(), links=[], crls=crls)
    assert pinned.succeeded_by(successor.certificate, at=world.clock(), links=[link], crls=crls).root.serial_number
    assert sub.chain() == [world.root.certificate, link, certificate]
    with pytest.raises(PolicyError, match="does not follow"):
        successor.link(world.root.certificate)
    with pytest.raises(PolicyError, match="from a Root to a Root"):
        world.root.link(world.sub.certificate)


def test_a_ca_is_opened_with_its_own_key(world: World) -> None:
    root = world.root.certificate
    with pytest.raises(PolicyError, match=r"the key is not that of Energie\.CA"):
        Authority(world.store, world.sub.certificate, SoftwareKey.generate(Curve.BRAINPOOL_P384R1), root)
    emt = world.enrol("Wer", Function.EMT)
    with pytest.raises(PolicyError, match=r"Wer\.EMT is no CA"):
        Authority(world.store, emt.certificates[KeyUse.SIG], emt.keys[KeyUse.SIG], root)


def test_a_crl_is_made_anew_when_half_its_time_is_over(world: World) -> None:
    first = world.sub.crl()
    world.clock.forward(timedelta(days=3))
    assert world.sub.crl() == first
    world.clock.forward(timedelta(days=1))
    second = world.sub.crl()
    numbers = [crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number for crl in (first, second)]
    assert numbers == [1, 2]


def test_of_two_who_ask_for_the_same_key_at_once_one_gets_it(world: World) -> None:
    emt = world.enrol("Wer", Function.EMT)
    with pytest.raises(StoreError, match="certified before"), world.store.unit() as unit:
        unit.keep(emt.certificates[KeyUse.SIG], world.sub.certificate, world.clock())


def test_many_at_once(world: World) -> None:
    """Requests, revocations and CRLs from several threads: every one done, and every CRL with a number of its own."""
    gwh = world.enrol("Werk", Function.GWH)
    gateways = [f"EXXX00000000{number:02d}" for number in range(12)]

    def work(gateway: str) -> list[str]:
        sealed = world.seal(gwh, gateway)
        marks = [fingerprint(one) for one in sealed.certificates.values()]
        return world.desk.revoke(marks, Reason.SUPERSEDED)

    with ThreadPoolExecutor(6) as pool:
        assert all(len(changed) == 3 for changed in pool.map(work, gateways))
    crl = world.sub.crl()
    assert len(crl) == 3 * len(gateways)
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 1 + len(gateways)


def test_a_holder_of_every_kind(world: World) -> None:
    holders: list[Holder] = [world.enrol("Wer", function) for function in (Function.GWA, Function.GWH, Function.EMT)]
    kinds = {profile_of(c).label for holder in holders for c in holder.certificates.values()}
    assert kinds == {p.label for (kind, _), p in END_ENTITIES.items() if kind.function is not Function.SMGW}
