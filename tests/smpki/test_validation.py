"""Path validation on good and broken chains, each of which ``openssl verify`` is asked about too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509

from smpki.algorithms import Digest
from smpki.certificates import Revocation
from smpki.names import Environment, Function, PkiName, root_name
from smpki.path_errors import Failure, PathInvalid
from smpki.profiles import END_ENTITIES, LINK, ROOT, SUB_CA, KeyUse, RequestType
from smpki.validation import PathValidator
from tests.smpki.chains import (
    AT,
    DAY,
    LEAF_CERT,
    LEAF_KEY,
    LEAF_NAME,
    ROOT_CERT,
    ROOT_KEY,
    ROOT_NAME,
    SUB_CERT,
    SUB_KEY,
    SUB_NAME,
    Cert,
    Chain,
    chain,
    crl,
    flipped,
    key,
    openssl_says,
    revoked,
    signed_with_sha1,
    with_compressed_point,
)

_HOLD = x509.ReasonFlags.certificate_hold
_STOLEN = x509.ReasonFlags.key_compromise


@dataclass(frozen=True)
class Case:
    """A chain, and what is to be said about it."""

    made: Callable[[], Chain]
    failure: Failure | None
    words: str = ""
    openssl: str | None = None
    """What OpenSSL says; ``None`` where the chain is good for it, because only our policy is broken."""


def _with_crls(root: x509.CertificateRevocationList | None, sub: x509.CertificateRevocationList | None) -> Chain:
    return replace(chain(), crls=tuple(made for made in (root, sub) if made is not None))


def _root_crl() -> x509.CertificateRevocationList:
    return crl(ROOT_NAME, ROOT_KEY, Digest.SHA512, at=AT - 5 * DAY, lifetime=30 * DAY)


def _sub_crl(*lines: Revocation, at: datetime = AT - DAY) -> x509.CertificateRevocationList:
    return crl(SUB_NAME, SUB_KEY, Digest.SHA384, *lines, at=at)


def _too_long() -> Chain:
    middle_key, middle_name = key("middle", "brainpoolP384r1"), PkiName("Mitte", Function.CA, Environment.TEST)
    middle = Cert(SUB_CA, middle_name.distinguished(), middle_key, path_length=0, serial=12)
    good = chain()
    return replace(
        good,
        intermediates=(*good.intermediates, middle.made(SUB_NAME, SUB_KEY)),
        leaf=LEAF_CERT.made(middle.name, middle_key),
        crls=(*good.crls, crl(middle.name, middle_key, Digest.SHA384)),
    )


def _issued_by_an_end_entity() -> Chain:
    other = replace(LEAF_CERT, name=PkiName("Other", Function.GWA, Environment.TEST).distinguished(), key=key("other"))
    good = chain()
    return replace(
        good,
        intermediates=(*good.intermediates, good.leaf),
        leaf=replace(other, digest=Digest.SHA256).made(LEAF_NAME, LEAF_KEY),
        crls=(*good.crls, crl(LEAF_NAME, LEAF_KEY, Digest.SHA256)),
    )


def _in_the_other_pki() -> Chain:
    return chain(leaf=replace(LEAF_CERT, name=PkiName("Admin", Function.GWA, Environment.PRODUCTION).distinguished()))


def _over_a_link(*, sub: Cert = SUB_CERT) -> Chain:
    new_key, new_name = key("new root", "brainpoolP512r1"), root_name(Environment.TEST, 2).distinguished()
    link = Cert(LINK, new_name, new_key, digest=Digest.SHA512, path_length=1, serial=20, constrained=True)
    under_new = sub.made(new_name, new_key)
    return replace(
        chain(),
        intermediates=(link.made(ROOT_NAME, ROOT_KEY), under_new),
        crls=(_root_crl(), crl(new_name, new_key, Digest.SHA512, lifetime=30 * DAY), _sub_crl()),
    )


def _first_generation(year: int) -> Chain:
    root_key, sub_key = key("first root", "brainpoolP384r1"), key("first sub", "brainpoolP256r1")
    begin = datetime(year, 1, 1, tzinfo=AT.tzinfo)
    root = replace(ROOT_CERT, key=root_key, digest=Digest.SHA384, not_before=begin)
    sub = replace(SUB_CERT, key=sub_key, digest=Digest.SHA384, not_before=begin)
    leaf = replace(LEAF_CERT, digest=Digest.SHA256, not_before=begin)
    return replace(
        chain(root, sub, leaf),
        crls=(
            crl(ROOT_NAME, root_key, Digest.SHA384, lifetime=30 * DAY),
            crl(SUB_NAME, sub_key, Digest.SHA256),
        ),
    )


def _leaf(kind: RequestType, use: KeyUse, function: Function, organisation: str) -> Cert:
    holder = PkiName(organisation, function, Environment.TEST).distinguished()
    return replace(LEAF_CERT, profile=END_ENTITIES[kind, use], name=holder)


def _gateway(kind: RequestType, use: KeyUse) -> Chain:
    return chain(leaf=_leaf(kind, use, Function.SMGW, "EXXX0012345678"))


_UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")

CASES: dict[str, Case] = {
    "good": Case(chain, None),
    **{
        f"good {kind} {use}": Case(partial(_gateway, kind, use), None)
        for kind in (RequestType.SMGW_G, RequestType.SMGW_W)
        for use in KeyUse
    },
    "good over a link certificate": Case(_over_a_link, None),
    "good, of the first generation": Case(lambda: _first_generation(2025), None),
    "good, for the use it is for": Case(lambda: replace(chain(), use=KeyUse.TLS), None),
    "end entity expired": Case(
        lambda: chain(leaf=replace(LEAF_CERT, not_after=AT - DAY)),
        Failure.EXPIRED,
        "the GWA/TLS certificate of Admin.GWA (1) expired on 2030-05-31 00:00:00 UTC",
        "certificate has expired",
    ),
    "Sub-CA expired": Case(
        lambda: chain(sub=replace(SUB_CERT, not_after=AT - DAY)),
        Failure.EXPIRED,
        "the Sub-CA certificate of Energie.CA (1) expired on 2030-05-31 00:00:00 UTC",
        "certificate has expired",
    ),
    "Root expired": Case(
        lambda: chain(root=replace(ROOT_CERT, not_after=AT - DAY)),
        Failure.EXPIRED,
        "the Root certificate of SM-Root.CA (1) expired on 2030-05-31 00:00:00 UTC",
        "certificate has expired",
    ),
    "end entity not yet valid": Case(
        lambda: chain(leaf=replace(LEAF_CERT, not_before=AT + DAY)),
        Failure.NOT_YET_VALID,
        "is valid from 2030-06-02 00:00:00 UTC only",
        "certificate is not yet valid",
    ),
    "Root not yet valid": Case(
        lambda: chain(root=replace(ROOT_CERT, not_before=AT + DAY)),
        Failure.NOT_YET_VALID,
        "the Root certificate",
        "certificate is not yet valid",
    ),
    "end entity revoked": Case(
        lambda: _with_crls(_root_crl(), _sub_crl(revoked(3, _STOLEN))),
        Failure.REVOKED,
        "the GWA/TLS certificate of Admin.GWA (1) was revoked on 2030-05-30 00:00:00 UTC: keyCompromise",
        "certificate revoked",
    ),
    "revoked in this very second": Case(
        lambda: _with_crls(_root_crl(), _sub_crl(revoked(3, _STOLEN, AT), at=AT)),
        Failure.REVOKED,
        "was revoked on 2030-06-01",
        "certificate revoked",
    ),
    "Sub-CA revoked": Case(
        lambda: _with_crls(
            crl(ROOT_NAME, ROOT_KEY, Digest.SHA512, revoked(2, x509.ReasonFlags.ca_compromise)), _sub_crl()
        ),
        Failure.REVOKED,
        "the Sub-CA certificate of Energie.CA (1) was revoked on 2030-05-30 00:00:00 UTC: cACompromise",
        "certificate revoked",
    ),
    "end entity suspended": Case(
        lambda: _with_crls(_root_crl(), _sub_crl(revoked(3, _HOLD))),
        Failure.SUSPENDED,
        "is suspended since 2030-05-30 00:00:00 UTC",
        "certificate revoked",
    ),
    "wrong usage": Case(
        lambda: replace(
            chain(leaf=_leaf(RequestType.GWA, KeyUse.ENC, Function.GWA, "Admin")),
            use=KeyUse.SIG,
        ),
        Failure.USAGE,
        "the GWA/ENC certificate of Admin.GWA (1) is for ENC, not for SIG",
        "unsuitable certificate purpose",
    ),
    "SIG where TLS is wanted": Case(
        lambda: replace(
            chain(leaf=_leaf(RequestType.GWA, KeyUse.SIG, Function.GWA, "Admin")),
            use=KeyUse.TLS,
        ),
        Failure.USAGE,
        "is for SIG, not for TLS",
    ),
    "no key usage": Case(
        lambda: chain(leaf=replace(LEAF_CERT, drop=(x509.KeyUsage.oid,))), Failure.USAGE, "has no keyUsage"
    ),
    "wrong issuer: another Root": Case(
        lambda: replace(
            chain(),
            root=replace(ROOT_CERT, key=key("other root", "brainpoolP512r1")).made(
                ROOT_NAME, key("other root", "brainpoolP512r1")
            ),
        ),
        Failure.UNKNOWN_ISSUER,
        "the Sub-CA certificate of Energie.CA (1) was issued by SM-Root.CA, which is not the pinned Root",
        "unable to get",
    ),
    "wrong issuer: a Sub-CA of the same name": Case(
        lambda: replace(chain(), leaf=LEAF_CERT.made(SUB_NAME, key("false sub", "brainpoolP384r1"))),
        Failure.UNKNOWN_ISSUER,
        "was issued by Energie.CA",
        "unable to get",
    ),
    "wrong issuer: signed by another key than it says": Case(
        lambda: replace(
            chain(),
            leaf=replace(LEAF_CERT, key_identifier_of=SUB_KEY).made(SUB_NAME, key("false sub", "brainpoolP384r1")),
        ),
        Failure.SIGNATURE,
        "has a signature that the Sub-CA certificate of Energie.CA (1) did not make",
        "certificate signature failure",
    ),
    "no Sub-CA": Case(
        lambda: replace(chain(), intermediates=()), Failure.UNKNOWN_ISSUER, "was issued by Energie.CA", "unable to get"
    ),
    "end entity's signature flipped": Case(
        lambda: replace(chain(), leaf=flipped(chain().leaf)),
        Failure.SIGNATURE,
        "the GWA/TLS certificate",
        "certificate signature failure",
    ),
    "Sub-CA's signature flipped": Case(
        lambda: replace(chain(), intermediates=(flipped(chain().intermediates[0]),)),
        Failure.SIGNATURE,
        "the Sub-CA certificate",
        "certificate signature failure",
    ),
    "stale CRL": Case(
        lambda: _with_crls(_root_crl(), _sub_crl(at=AT - 8 * DAY)),
        Failure.STALE_CRL,
        "the Sub-CA certificate of Energie.CA (1) has a CRL here that ended on 2030-05-31 00:00:00 UTC",
        "CRL has expired",
    ),
    "CRL of the future": Case(
        lambda: _with_crls(_root_crl(), _sub_crl(at=AT + DAY)),
        Failure.STALE_CRL,
        "has no CRL here that is older than 2030-06-02",
        "CRL is not yet valid",
    ),
    "no CRL of the Sub-CA": Case(
        lambda: _with_crls(_root_crl(), None), Failure.NO_CRL, "the Sub-CA certificate", "unable to get certificate CRL"
    ),
    "no CRL of the Root": Case(
        lambda: _with_crls(None, _sub_crl()), Failure.NO_CRL, "the Root certificate", "unable to get certificate CRL"
    ),
    "CRL signed by somebody else": Case(
        lambda: _with_crls(_root_crl(), crl(SUB_NAME, key("false sub", "brainpoolP384r1"), Digest.SHA384)),
        Failure.NO_CRL,
        "has a CRL here that it did not sign",
        "",
    ),
    "CRL signed with another hash": Case(
        lambda: _with_crls(_root_crl(), crl(SUB_NAME, SUB_KEY, Digest.SHA256)),
        Failure.NO_CRL,
        "or not by its own algorithm",
    ),
    "path too long": Case(
        _too_long,
        Failure.PATH_TOO_LONG,
        "stands where a CA above it allows no further CA",
        "path length constraint exceeded",
    ),
    "issued by an end entity": Case(
        _issued_by_an_end_entity,
        Failure.NOT_A_CA,
        "the GWA/TLS certificate of Admin.GWA (1) may not issue certificates",
        "invalid CA certificate",
    ),
    "name constraint": Case(
        _in_the_other_pki, Failure.NAME_CONSTRAINT, "outside the name space", "permitted subtree violation"
    ),
    "name of no rule": Case(
        lambda: chain(
            leaf=replace(
                LEAF_CERT,
                name=x509.Name([*list(LEAF_NAME)[:2], x509.NameAttribute(x509.NameOID.COMMON_NAME, "Mallory")]),
            )
        ),
        Failure.NAME,
        "the certificate of Mallory has a name that is not given here",
    ),
    "SHA-1": Case(
        lambda: replace(chain(), leaf=signed_with_sha1(chain().leaf, SUB_KEY)),
        Failure.ALGORITHM,
        "was signed with an algorithm that is not admitted (1.2.840.10045.4.1)",
        "CA signature digest algorithm too weak",
    ),
    "hash of another tier": Case(
        lambda: chain(leaf=replace(LEAF_CERT, digest=Digest.SHA256)),
        Failure.ALGORITHM,
        "not with ECDSA with SHA-384 on brainpoolP384r1",
    ),
    "wrong curve": Case(
        lambda: chain(leaf=replace(LEAF_CERT, key=key("leaf", "secp256r1"))),
        Failure.CURVE,
        "has a key on secp256r1, not on brainpoolP256r1",
    ),
    "curve that the security module does not have": Case(
        lambda: chain(leaf=replace(LEAF_CERT, key=key("leaf", "secp256k1"))), Failure.CURVE, "secp256k1"
    ),
    "point encoded compressed": Case(
        lambda: replace(chain(), leaf=with_compressed_point(LEAF_CERT, SUB_NAME, SUB_KEY)),
        Failure.CURVE,
        "not encoded uncompressed",
    ),
    "Sub-CA of the first generation under a Root of the second": Case(
        lambda: replace(
            chain(sub=replace(SUB_CERT, key=key("first sub", "brainpoolP256r1"))),
            crls=(_root_crl(), crl(SUB_NAME, key("first sub", "brainpoolP256r1"), Digest.SHA256)),
        ),
        Failure.CURVE,
        "has a key on brainpoolP256r1, not on brainpoolP384r1",
    ),
    "first generation after its years": Case(
        lambda: _first_generation(2026),
        Failure.ALGORITHM,
        "was made in 2026 with ECDSA with SHA-384 on brainpoolP384r1, which is admitted 2015 to 2025",
    ),
    "unknown critical extension": Case(
        lambda: chain(leaf=replace(LEAF_CERT, extra=(_UNKNOWN,), extra_critical=True)),
        Failure.OTHER,
        "unsupported critical extension: 1.2.3.4",
        "unhandled critical extension",
    ),
    "unknown extension that is not critical": Case(lambda: chain(leaf=replace(LEAF_CERT, extra=(_UNKNOWN,))), None),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_ours_and_openssl_agree(case: Case, tmp_path: Path) -> None:
    made = case.made()
    said = openssl_says(made, tmp_path)
    if case.openssl is None:
        assert said == "OK"
    else:
        assert said != "OK"
        assert case.openssl in said
    if case.failure is None:
        path = _validate(made)
        assert path[0] == made.root
        assert path[-1] == made.leaf
        return
    with pytest.raises(PathInvalid) as refused:
        _validate(made)
    assert refused.value.failure is case.failure, refused.value
    assert case.words in str(refused.value)


def _validate(made: Chain) -> tuple[x509.Certificate, ...]:
    validator = PathValidator(made.root)
    told = validator.validate(made.leaf, at=made.at, intermediates=made.intermediates, crls=made.crls, use=made.use)
    again = validator.validate(made.leaf, at=made.at, intermediates=made.intermediates, crls=made.crls, use=made.use)
    assert again == told
    return told.certificates


def test_of_several_crls_the_newest_counts() -> None:
    held = _sub_crl(revoked(3, _HOLD), at=AT - 2 * DAY)
    lifted = crl(SUB_NAME, SUB_KEY, Digest.SHA384, number=2)
    good = chain()
    _validate(replace(good, crls=(_root_crl(), held, lifted)))
    with pytest.raises(PathInvalid, match="is suspended"):
        _validate(replace(good, crls=(_root_crl(), held, lifted), at=AT - DAY - DAY / 2))


def test_a_forged_crl_does_not_stand_in_the_way() -> None:
    forged = crl(SUB_NAME, key("false sub", "brainpoolP384r1"), Digest.SHA384, revoked(3, _STOLEN), at=AT, number=9)
    _validate(replace(chain(), crls=(_root_crl(), forged, _sub_crl())))


def test_only_a_root_is_pinned() -> None:
    good = chain()
    with pytest.raises(PathInvalid, match="is pinned as a Root and is none"):
        PathValidator(good.intermediates[0])
    with pytest.raises(PathInvalid, match="did not sign itself"):
        PathValidator(flipped(good.root))
    assert ROOT.is_ca


def test_who_may_hold_it() -> None:
    good = chain()
    validator = PathValidator(good.root)
    given = {"at": good.at, "intermediates": good.intermediates, "crls": good.crls}
    validator.validate(good.leaf, functions=[Function.GWA, Function.EMT], **given)  # type: ignore[arg-type]
    with pytest.raises(PathInvalid, match="is the certificate of a GWA, not of EMT"):
        validator.validate(good.leaf, functions=[Function.EMT], **given)  # type: ignore[arg-type]
