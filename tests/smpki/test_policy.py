"""Names, algorithms, profiles: the rules, by literal."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from smpki import oids
from smpki.algorithms import (
    GENERATIONS,
    Curve,
    Digest,
    curve_of,
    generation_of_root,
    generation_of_sub_ca,
    generation_of_year,
)
from smpki.errors import NameRuleError, PolicyError
from smpki.messages import Answer, Message, ReturnCode
from smpki.names import Environment, Function, PkiName
from smpki.profiles import PROFILES, KeyUse, Profile, RequestType
from smpki.requests import RULES


@pytest.mark.parametrize(
    ("text", "organisation", "function", "extension"),
    [
        ("SM-Root.CA", "SM-Root", Function.CA, None),
        ("Xyz.EMT", "Xyz", Function.EMT, None),
        ("EXXX0012345678.SMGW", "EXXX0012345678", Function.SMGW, None),
        ("Energie.CA.TLS", "Energie", Function.CA, "TLS"),
    ],
)
def test_names(text: str, organisation: str, function: Function, extension: str | None) -> None:
    name = PkiName.parse(text, Environment.TEST, 3)
    assert (name.organisation, name.function, name.extension, name.number) == (organisation, function, extension, 3)
    assert str(name) == text
    assert PkiName.of(name.distinguished()) == name
    assert name.distinguished().rfc4514_string() == f"2.5.4.5=3,CN={text},O=SM-Test-PKI-DE,C=DE"


@pytest.mark.parametrize(
    "text",
    ["", "EMT", ".EMT", "a.b", "a.EMT.", "a.EMT.b.c", "a b.EMT", "ä.EMT", "EXXX001234567.SMGW", "exxx0012345678.SMGW"],
)
def test_names_that_are_none(text: str) -> None:
    with pytest.raises(NameRuleError):
        PkiName.parse(text, Environment.TEST)


@pytest.mark.parametrize("number", [0, -1, 10**16])
def test_numbers_that_are_none(number: int) -> None:
    with pytest.raises(NameRuleError):
        PkiName("Xyz", Function.EMT, Environment.TEST, number)


def _name(**changes: str) -> x509.Name:
    parts = {"C": "DE", "O": "SM-PKI-DE", "CN": "Xyz.EMT", "2.5.4.5": "1"} | changes
    oid = {"C": "2.5.4.6", "O": "2.5.4.10", "CN": "2.5.4.3", "OU": "2.5.4.11", "2.5.4.5": "2.5.4.5"}
    return x509.Name([x509.NameAttribute(x509.ObjectIdentifier(oid[k]), v) for k, v in parts.items() if v != "absent"])


@pytest.mark.parametrize(
    "name",
    [
        _name(C="AT"),
        _name(O="SM-PKI-AT"),
        _name(OU="more"),
        _name(**{"2.5.4.5": "01"}),
        _name(**{"2.5.4.5": "absent"}),
        x509.Name(list(_name())[::-1]),
        x509.Name([x509.RelativeDistinguishedName(list(_name()))]),
        x509.Name([]),
    ],
    ids=str,
)
def test_distinguished_names_that_are_none(name: x509.Name) -> None:
    with pytest.raises(NameRuleError):
        PkiName.of(name)


@given(st.text(max_size=30))
def test_any_text_is_a_name_or_refused(text: str) -> None:
    with contextlib.suppress(NameRuleError):
        assert str(PkiName.parse(text, Environment.PRODUCTION)) == text


def test_the_table_of_tr_03116_3() -> None:
    rows = [
        (
            g.root.curve.value,
            g.root.digest.value,
            g.sub_ca.curve.value,
            g.sub_ca.digest.value,
            g.first_year,
            g.last_year,
        )
        for g in GENERATIONS
    ]
    assert rows == [
        ("brainpoolP384r1", "SHA-384", "brainpoolP256r1", "SHA-256", 2015, 2025),
        ("brainpoolP512r1", "SHA-512", "brainpoolP384r1", "SHA-384", 2025, None),
    ]
    assert [generation_of_year(year) is GENERATIONS[1] for year in (2015, 2024, 2025, 2099)] == [
        False,
        False,
        True,
        True,
    ]
    with pytest.raises(PolicyError, match="2014"):
        generation_of_year(2014)
    with pytest.raises(PolicyError):
        generation_of_root(Curve.BRAINPOOL_P256R1)
    with pytest.raises(PolicyError):
        generation_of_sub_ca(Curve.BRAINPOOL_P512R1)


def test_curves_that_the_security_module_has_not() -> None:
    for curve in Curve:
        assert curve_of(ec.generate_private_key(curve.domain)) is curve
    with pytest.raises(PolicyError, match="secp521r1"):
        curve_of(ec.generate_private_key(ec.SECP521R1()))
    with pytest.raises(PolicyError, match="not on an elliptic curve"):
        curve_of("a key")
    with pytest.raises(PolicyError, match="20 bytes"):
        Digest.of_length(20)


def test_every_field_of_a_profile_says_where_it_comes_from() -> None:
    source = inspect.getsource(Profile)
    for field in dataclasses.fields(Profile):
        after = source.split(f"    {field.name}: ", 1)[1].split('"""', 2)[1]
        assert any(word in after for word in ("ours", "Ours", "TR-", "RFC")), field.name


def test_profiles_differ_and_are_complete() -> None:
    assert len(PROFILES) == 4 + 5 * 3
    assert {label for label in PROFILES if "/" not in label} == {"Root", "Link", "Sub-CA"}
    assert set(RULES) == set(RequestType)
    for profile in PROFILES.values():
        assert profile.is_ca is (profile.use is None)
        assert (profile.use is KeyUse.TLS) is bool(profile.extended_key_usage)
        assert profile.is_ca or profile.key_usage in ({"digital_signature"}, {"key_agreement"})


def test_the_types_and_codes_of_tr_03129_4() -> None:
    assert [str(kind) for kind in RequestType] == ["SMGW-W", "SMGW-G", "GWA", "GWH", "EMT", "Sub-CA"]
    assert len(ReturnCode) == 16
    assert len(Message) == 7
    assert {code for code in ReturnCode if code.is_ok} == {
        ReturnCode.OK_SYNTAX,
        ReturnCode.OK_RECEIVED_CORRECTLY,
        ReturnCode.OK_CERT_AVAILABLE,
    }
    assert {code for message in Message for code in message.codes} == set(ReturnCode)
    unheard = Answer(ReturnCode.FAILURE_OUTER_SIGNATURE, "ü" * 1000)
    told = unheard.for_message(Message.UPDATE_DEVICE_ADMIN)
    assert told.return_code is ReturnCode.FAILURE_OTHER_ERROR
    assert len((told.return_code_message or "").encode()) == 1024


def test_our_own_identifiers_stand_under_our_own_arc() -> None:
    own = {name: oid.dotted_string for name, oid in vars(oids).items() if isinstance(oid, x509.ObjectIdentifier)}
    ours = {name for name, dotted in own.items() if dotted.startswith(oids.PROJECT_ARC)}
    assert ours == {
        "SEAL_POLICY",
        "OPERATIONAL_POLICY",
        "AES128_CBC_CMAC",
        "CT_REQUESTS",
        "CT_STATUS_CHANGE",
        "CT_DEVICE_ADMIN",
    }
    assert len(set(own.values())) == len(own)
    assert own["ECKA_EG_X963KDF_SHA256"] == "0.4.0.127.0.7.1.1.5.1.1.3"
