"""Which certificates the module takes: good ones as what they are, and no other."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from securitymodule.apdu import StatusWord
from securitymodule.card.context import Context
from securitymodule.card.module import SoftwareModule
from securitymodule.coding import (
    OPERATIONAL_A_KEYS,
    PRELIMINARY_KEYS,
    Algorithm,
    Ins,
    KeyRef,
    ModuleState,
    Tag,
)
from tests.securitymodule.card.conftest import ModuleAt
from tests.securitymodule.card.pki import (
    NOW,
    SHA256,
    SHA384,
    Authority,
    Pki,
    Wish,
    authority,
    issue,
    name_of,
    usage,
    wish_for,
)
from tests.securitymodule.card.terminal import (
    SYSTEM_PIN,
    TRANSPORT_PIN,
    Terminal,
    copied,
    opened,
    take_administrator,
)
from tests.support.campaign import Campaign

INCORRECT = StatusWord.INCORRECT_DATA


def contents_of(module: SoftwareModule) -> Context:
    assert module._dispatcher is not None
    return module._dispatcher._context


@pytest.fixture
def integrator(module_at: ModuleAt, pki: Pki) -> Terminal:
    """Somebody who is to bring the GWA's keys in; root and Sub-CA are there."""
    terminal = Terminal(module_at(ModuleState.READY))
    terminal.establish(SYSTEM_PIN)
    assert terminal.present().sw == StatusWord.OK
    assert terminal.take_sub_ca(pki).sw == StatusWord.OK
    return terminal


GOOD = Wish("Testwerk.GWA", ec.generate_private_key(ec.BrainpoolP256R1()).public_key(), usage("digital_signature"))

BROKEN = {
    "expired": replace(GOOD, not_after=NOW - timedelta(seconds=1)),
    "not yet valid": replace(GOOD, not_before=NOW + timedelta(seconds=1)),
    "of a gateway": replace(GOOD, common_name="EXXX0012345678.SMGW"),
    "of a market participant": replace(GOOD, common_name="Testwerk.EMT"),
    "of nobody in particular": replace(GOOD, common_name="GWA"),
    "an authority's": replace(GOOD, ca=True, key_usage=usage("digital_signature", "key_cert_sign")),
    "for TLS": replace(GOOD, extended=True),
    "for encryption": replace(GOOD, key_usage=usage("key_agreement")),
    "for nothing": replace(GOOD, key_usage=None),
    "with a critical extension nobody knows": replace(GOOD, strange=True),
    "on another curve": replace(GOOD, public_key=ec.generate_private_key(ec.SECP521R1()).public_key()),
}


@pytest.mark.parametrize("wish", [GOOD, replace(GOOD, ca=False), replace(GOOD, common_name="Testwerk.GWA.2")])
def test_good(integrator: Terminal, pki: Pki, wish: Wish) -> None:
    good = issue(wish, pki.sub_ca, pki.sub_ca.key, SHA256)
    assert integrator.take(KeyRef.GWA_TLS, good, KeyRef.SUB_CA).sw == INCORRECT
    assert integrator.take(KeyRef.GWA_SIG, good, KeyRef.SUB_CA).sw == StatusWord.OK


def test_name_constraints(integrator: Terminal, pki: Pki) -> None:
    """A Sub-CA certifies names in its own PKI and no others; constraints of another kind are not understood."""
    key = ec.generate_private_key(ec.BrainpoolP256R1())
    within = x509.DirectoryName(x509.Name(list(name_of("x"))[:2]))
    elsewhere = x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "FR")]))
    signs = usage("key_cert_sign")
    answers: list[int] = []
    for space in (elsewhere, x509.DNSName("example.org"), within):
        wish = Wish("Testwerk.CA", key.public_key(), signs, ca=True, path_length=0, names_within=space)
        der = issue(wish, pki.root, pki.root.key, SHA384)
        taken = integrator.take(KeyRef.SUB_CA, der, KeyRef.ROOT, Algorithm.ECDSA_SHA384)
        if taken.sw == StatusWord.OK:
            constrained = Authority(x509.load_der_x509_certificate(der), key, SHA256)
            good = issue(GOOD, constrained, key, SHA256)
            taken = integrator.take(KeyRef.GWA_SIG, good, KeyRef.SUB_CA)
        answers.append(taken.sw)
    assert answers == [INCORRECT, INCORRECT, StatusWord.OK]


@pytest.mark.parametrize("what", BROKEN)
def test_broken(integrator: Terminal, pki: Pki, what: str) -> None:
    broken = issue(BROKEN[what], pki.sub_ca, pki.sub_ca.key, SHA256)
    assert integrator.take(KeyRef.GWA_SIG, broken, KeyRef.SUB_CA).sw == INCORRECT


def test_wrong_signature(integrator: Terminal, pki: Pki) -> None:
    good = issue(GOOD, pki.sub_ca, pki.sub_ca.key, SHA256)
    for at in range(len(good) - 40, len(good), 5):
        flipped = good[:at] + bytes((good[at] ^ 1,)) + good[at + 1 :]
        assert integrator.take(KeyRef.GWA_SIG, flipped, KeyRef.SUB_CA).sw == INCORRECT
    for cut in (0, 1, 10, len(good) // 2, len(good) - 1):
        assert integrator.take(KeyRef.GWA_SIG, good[:cut], KeyRef.SUB_CA).sw == INCORRECT
    assert integrator.take(KeyRef.GWA_SIG, good + b"\x00", KeyRef.SUB_CA).sw == INCORRECT


def test_another_authority_of_the_same_name(integrator: Terminal) -> None:
    impostor = authority("Testwerk.CA", ec.BrainpoolP256R1(), SHA256)
    forged = issue(GOOD, impostor, impostor.key, SHA256)
    assert integrator.take(KeyRef.GWA_SIG, forged, KeyRef.SUB_CA).sw == INCORRECT


def test_the_algorithm_is_the_one_that_was_chosen(integrator: Terminal, pki: Pki) -> None:
    good = issue(GOOD, pki.sub_ca, pki.sub_ca.key, SHA256)
    assert integrator.take(KeyRef.GWA_SIG, good, KeyRef.SUB_CA, Algorithm.ECDSA_SHA384).sw == INCORRECT
    weak = issue(GOOD, pki.sub_ca, pki.sub_ca.key, hashes.SHA224())
    assert integrator.take(KeyRef.GWA_SIG, weak, KeyRef.SUB_CA).sw == INCORRECT


def test_who_certifies_what(integrator: Terminal, pki: Pki) -> None:
    directly = issue(GOOD, pki.root, pki.root.key, SHA384)
    response = integrator.take(KeyRef.GWA_SIG, directly, KeyRef.ROOT, Algorithm.ECDSA_SHA384)
    assert response.sw == StatusWord.CONDITIONS_NOT_SATISFIED
    below = authority("Testwerk2.CA", ec.BrainpoolP256R1(), SHA256, pki.sub_ca)
    assert integrator.take(KeyRef.SUB_CA, below.der, KeyRef.SUB_CA).sw == StatusWord.CONDITIONS_NOT_SATISFIED
    good = issue(GOOD, pki.sub_ca, pki.sub_ca.key, SHA256)
    assert integrator.take(KeyRef.SUB_CA, good, KeyRef.ROOT).sw == INCORRECT
    assert integrator.take(KeyRef.ROOT, pki.root.der, KeyRef.ROOT).sw == StatusWord.REFERENCE_NOT_FOUND
    assert integrator.take(KeyRef.ATTESTATION, good, KeyRef.SUB_CA).sw == StatusWord.REFERENCE_NOT_FOUND


def test_a_sub_ca_is_forgotten_with_the_session(module_at: ModuleAt, pki: Pki) -> None:
    module = module_at(ModuleState.READY)
    terminal = Terminal(module)
    terminal.establish(SYSTEM_PIN)
    assert terminal.take_sub_ca(pki).sw == StatusWord.OK
    module.reset()
    terminal = Terminal(module)
    terminal.establish(SYSTEM_PIN)
    assert terminal.present().sw == StatusWord.OK
    good = issue(GOOD, pki.sub_ca, pki.sub_ca.key, SHA256)
    assert terminal.take(KeyRef.GWA_SIG, good, KeyRef.SUB_CA).sw == StatusWord.REFERENCE_NOT_FOUND


def test_own_certificates_carry_the_own_key(module_at: ModuleAt, pki: Pki) -> None:
    terminal = Terminal(module_at(ModuleState.INITIALISED))
    terminal.establish(TRANSPORT_PIN)
    assert terminal.take_root(pki.root.der).sw == StatusWord.OK
    assert terminal.take_sub_ca(pki).sw == StatusWord.OK
    first, second = PRELIMINARY_KEYS[:2]
    other = pki.certificate(first, terminal.generate(second))
    assert terminal.take(first, other, KeyRef.SUB_CA).sw == StatusWord.REFERENCE_NOT_FOUND
    own = terminal.generate(first)
    assert terminal.take(first, other, KeyRef.SUB_CA).sw == INCORRECT
    administrators = pki.certificate(first, own, "Testwerk.GWA")
    assert terminal.take(first, administrators, KeyRef.SUB_CA).sw == INCORRECT
    assert terminal.take(first, pki.certificate(first, own), KeyRef.SUB_CA).sw == StatusWord.OK
    renewed = issue(wish_for(first, own, "EXXX0012345678.SMGW"), pki.sub_ca, pki.sub_ca.key, SHA256)
    assert terminal.take(first, renewed, KeyRef.SUB_CA).sw == StatusWord.OK


def test_roots(module_at: ModuleAt, pki: Pki) -> None:
    terminal = Terminal(module_at(ModuleState.INITIALISED))
    terminal.establish(TRANSPORT_PIN)
    key = ec.generate_private_key(ec.BrainpoolP384R1())
    signs = usage("key_cert_sign")
    good = Wish("SM-Test-Root.CA", key.public_key(), signs, ca=True)
    for broken in (
        replace(good, ca=False),
        replace(good, ca=None),
        replace(good, key_usage=usage("crl_sign")),
        replace(good, path_length=0),
        replace(good, not_after=NOW - timedelta(days=1)),
    ):
        assert terminal.take_root(issue(broken, None, key, SHA384)).sw == INCORRECT
    forged = issue(good, None, ec.generate_private_key(ec.BrainpoolP384R1()), SHA384)
    assert terminal.take_root(forged).sw == INCORRECT
    assert terminal.take_root(pki.sub_ca.der).sw == INCORRECT
    assert terminal.take_root(pki.root.der).sw == StatusWord.OK
    assert terminal.take_root(pki.root.der).sw == StatusWord.CONDITIONS_NOT_SATISFIED


def linked(name: str, before: Authority, within: x509.GeneralName | None = None) -> Authority:
    """A root certified by the one before it."""
    key = ec.generate_private_key(ec.BrainpoolP384R1())
    wish = Wish(name, key.public_key(), usage("key_cert_sign"), ca=True, path_length=1, names_within=within)
    return Authority(x509.load_der_x509_certificate(issue(wish, before, before.key, SHA384)), key, SHA384)


def test_roots_follow_one_another(module_at: ModuleAt, pki: Pki) -> None:
    terminal = Terminal(module_at(ModuleState.OPERATIONAL))
    terminal.establish(SYSTEM_PIN)
    assert terminal.administrate(pki).sw == StatusWord.OK
    second = linked("SM-Test-Root.CA", pki.root)
    third = linked("SM-Test-Root.CA", second)
    sha384 = Algorithm.ECDSA_SHA384
    assert terminal.take(KeyRef.NEXT_ROOT, third.der, KeyRef.ROOT, sha384).sw == INCORRECT
    assert terminal.take(KeyRef.NEXT_ROOT, second.der, KeyRef.ROOT, sha384).sw == StatusWord.OK
    below = authority("Anderswerk.CA", ec.BrainpoolP256R1(), SHA256, second, path_length=0)
    assert terminal.take(KeyRef.SUB_CA, below.der, KeyRef.NEXT_ROOT, sha384).sw == StatusWord.OK
    assert terminal.take(KeyRef.NEXT_ROOT, third.der, KeyRef.NEXT_ROOT, sha384).sw == StatusWord.OK
    contents = contents_of(terminal.module).contents
    assert contents.certificate(KeyRef.ROOT) == second.der
    assert contents.certificate(KeyRef.NEXT_ROOT) == third.der


def test_name_constraints_of_a_root_reach_below_its_sub_ca(module_at: ModuleAt, pki: Pki) -> None:
    terminal = Terminal(module_at(ModuleState.OPERATIONAL))
    terminal.establish(SYSTEM_PIN)
    assert terminal.administrate(pki).sw == StatusWord.OK
    only_the_sub_ca = x509.DirectoryName(name_of("Anderswerk.CA"))
    second = linked("SM-Test-Root.CA", pki.root, only_the_sub_ca)
    sha384 = Algorithm.ECDSA_SHA384
    assert terminal.take(KeyRef.NEXT_ROOT, second.der, KeyRef.ROOT, sha384).sw == StatusWord.OK
    below = authority("Anderswerk.CA", ec.BrainpoolP256R1(), SHA256, second, path_length=0)
    assert terminal.take(KeyRef.SUB_CA, below.der, KeyRef.NEXT_ROOT, sha384).sw == StatusWord.OK
    assert terminal.take(KeyRef.GWA_SIG, issue(GOOD, below, below.key, SHA256), KeyRef.SUB_CA).sw == INCORRECT


def test_a_clock_set_back_revives_nothing(module_at: ModuleAt, pki: Pki) -> None:
    """A certificate that began later has been seen: the module knows that it is at least so late."""
    module = module_at(ModuleState.READY)
    terminal = Terminal(module)
    terminal.establish(SYSTEM_PIN)
    assert terminal.present().sw == StatusWord.OK
    assert terminal.take_sub_ca(pki).sw == StatusWord.OK
    young = replace(GOOD, not_before=NOW - timedelta(hours=1))
    young_der = issue(young, pki.sub_ca, pki.sub_ca.key, SHA256)
    assert terminal.take(KeyRef.GWA_SIG, young_der, KeyRef.SUB_CA).sw == StatusWord.OK
    directory = module.directory
    module.close()
    with SoftwareModule.open(directory, clock=lambda: NOW - timedelta(days=20)) as later:
        later.power_on()
        terminal = Terminal(later)
        terminal.establish(SYSTEM_PIN)
        assert terminal.present().sw == StatusWord.OK
        assert terminal.take_sub_ca(pki).sw == StatusWord.OK
        tls = pki.administrator[KeyRef.GWA_TLS].public_key()
        ended = replace(wish_for(KeyRef.GWA_TLS, tls, "Testwerk.GWA"), not_after=NOW - timedelta(days=10))
        old = issue(ended, pki.sub_ca, pki.sub_ca.key, SHA256)
        assert terminal.take(KeyRef.GWA_TLS, old, KeyRef.SUB_CA).sw == INCORRECT


def test_a_new_administrator(module_at: ModuleAt, pki: Pki) -> None:
    """The GWA in charge brings its successor's keys; from then on the successor is in charge."""
    terminal = Terminal(module_at(ModuleState.OPERATIONAL))
    terminal.establish(SYSTEM_PIN)
    assert terminal.administrate(pki).sw == StatusWord.OK
    assert terminal.take_sub_ca(pki).sw == StatusWord.OK
    successor = Pki()
    successor.sub_ca, successor.root = pki.sub_ca, pki.root
    take_administrator(terminal, successor)
    assert terminal.administrate(pki).sw == StatusWord.AUTHENTICATION_FAILED
    assert terminal.administrate(successor).sw == StatusWord.OK


def test_renewal_overlaps(module_at: ModuleAt, pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> None:
    module = module_at(ModuleState.OPERATIONAL)
    directory = module.directory
    terminal = Terminal(module)
    terminal.establish(SYSTEM_PIN)
    assert terminal.administrate(pki).sw == StatusWord.OK
    assert terminal.take_sub_ca(pki).sw == StatusWord.OK
    renewed = (KeyRef.OPERATIONAL_B_TLS, KeyRef.OPERATIONAL_B_SIG, KeyRef.OPERATIONAL_B_ENC)
    for key in renewed:
        certificate = pki.certificate(key, terminal.generate(key))
        assert terminal.take(key, certificate, KeyRef.SUB_CA).sw == StatusWord.OK
        data = bytes((Tag.GENERATED_DOMAIN, 1, 13))
        again = terminal.send(Ins.GENERATE_ASYMMETRIC_KEY_PAIR, key, data)
        assert again.sw == StatusWord.CONDITIONS_NOT_SATISFIED
    for key in OPERATIONAL_A_KEYS:
        assert terminal.sign(key, bytes(32)).sw in {StatusWord.OK, StatusWord.CONDITIONS_NOT_SATISFIED}
        assert terminal.send(Ins.DELETE, 0x2000 | key).sw == StatusWord.OK
    module.close()
    with opened(copied(directory, tmp_path_factory.mktemp("later") / "module")) as later:
        terminal = Terminal(later)
        terminal.establish(SYSTEM_PIN)
        assert terminal.sign(KeyRef.OPERATIONAL_B_SIG, bytes(32)).sw == StatusWord.OK
        assert terminal.sign(KeyRef.OPERATIONAL_A_SIG, bytes(32)).sw == StatusWord.REFERENCE_NOT_FOUND


@pytest.mark.campaign
@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_damaged_certificates(module_at: ModuleAt, pki: Pki, campaign: Campaign) -> None:
    """Whatever is done to a certificate's bytes: it is refused, and nothing else happens."""
    terminal = Terminal(module_at(ModuleState.OPERATIONAL))
    terminal.establish(SYSTEM_PIN)
    assert terminal.administrate(pki).sw == StatusWord.OK
    assert terminal.take_sub_ca(pki).sw == StatusWord.OK
    tries = campaign.count(20_000)
    within = x509.DirectoryName(name_of("Testwerk.GWA"))
    good = [
        issue(GOOD, pki.sub_ca, pki.sub_ca.key, SHA256),
        issue(replace(GOOD, ca=False, extended=True, names_within=within), pki.sub_ca, pki.sub_ca.key, SHA256),
    ]

    @settings(max_examples=tries)
    @given(
        st.sampled_from(good),
        st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255), st.sampled_from("xid")), min_size=1, max_size=4),
    )
    def is_refused(der: bytes, changes: list[tuple[int, int, str]]) -> None:
        damaged = bytearray(der)
        for place, byte, how in changes:
            at = place % len(damaged)
            if how == "x":
                damaged[at] = byte
            elif how == "i":
                damaged.insert(at, byte)
            else:
                del damaged[at]
        response = terminal.take(KeyRef.GWA_SIG, bytes(damaged), KeyRef.SUB_CA)
        assert bytes(damaged) in good or response.sw == INCORRECT
        assert terminal.module.defects == ()

    is_refused()
    campaign.report("Security module: damaged certificates", inputs=tries)
