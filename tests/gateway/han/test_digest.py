"""HTTP Digest: the RFC's own example, nonces that are spent once, and whatever a header may look like."""

from __future__ import annotations

import hashlib
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.han.consumers import REALM, Consumer, DigestAlgorithm
from gateway.han.digest import (
    COUNT_WINDOW,
    NONCE_SECONDS,
    DigestCheck,
    Nonces,
    NotAuthenticated,
    Spent,
    read_parameters,
)
from tests.support.han import OTHER, PASSWORD, USER, MemoryConsumers, Ticking

TARGET = "/smgw/m2m"
WRONG = "wrong"


@pytest.fixture
def ticking() -> Ticking:
    return Ticking()


@pytest.fixture
def nonces(ticking: Ticking) -> Nonces:
    return Nonces(ticking)


@pytest.fixture
def check(nonces: Nonces) -> DigestCheck:
    known = {USER: Consumer.known_by(USER, PASSWORD), OTHER: Consumer.known_by(OTHER)}
    return DigestCheck(MemoryConsumers(known), nonces)


def shown(
    nonce: str,
    *,
    user: str = USER,
    password: str = PASSWORD,
    algorithm: DigestAlgorithm = DigestAlgorithm.SHA_256,
    nc: str = "00000001",
    **more: str,
) -> dict[str, str]:
    """Credentials, put together as RFC 7616 says and not by our own code."""

    def h(text: str) -> str:
        name = {"SHA-256": "sha256", "MD5": "md5"}[algorithm]
        return hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()

    response = h(f"{h(f'{user}:{REALM}:{password}')}:{nonce}:{nc}:c:auth:{h(f'POST:{TARGET}')}")
    return {
        "username": user,
        "realm": REALM,
        "nonce": nonce,
        "uri": TARGET,
        "algorithm": str(algorithm),
        "qop": "auth",
        "nc": nc,
        "cnonce": "c",
        "response": response,
    } | more


def test_the_example_of_rfc_7616() -> None:
    nonce, cnonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    for algorithm, response in (
        (DigestAlgorithm.MD5, "8ca523f5e9506fed4657c9700eebdbec"),
        (DigestAlgorithm.SHA_256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ):
        ha1 = algorithm.of("Mufasa", "http-auth@example.org", "Circle of Life")
        ha2 = algorithm.of("GET", "/dir/index.html")
        assert algorithm.of(ha1, nonce, "00000001", cnonce, "auth", ha2) == response


@pytest.mark.parametrize("algorithm", DigestAlgorithm)
def test_the_right_password_is_let_in_once(check: DigestCheck, nonces: Nonces, algorithm: DigestAlgorithm) -> None:
    credentials = shown(nonces.issue(), algorithm=algorithm)
    assert check.check(credentials, "POST", TARGET).userid == USER
    with pytest.raises(NotAuthenticated, match="used before") as again:
        check.check(credentials, "POST", TARGET)
    assert again.value.stale


def test_without_an_algorithm_it_is_md5(check: DigestCheck, nonces: Nonces) -> None:
    credentials = shown(nonces.issue(), algorithm=DigestAlgorithm.MD5)
    del credentials["algorithm"]
    assert check.check(credentials, "POST", TARGET).userid == USER


@pytest.mark.parametrize(
    "wrong",
    [
        {"password": WRONG},
        {"user": "nobody.sm"},
        {"user": OTHER},
        {"response": ""},
        {"response": "ü"},
        {"realm": "elsewhere"},
        {"qop": "auth-int"},
        {"uri": "/elsewhere"},
        {"algorithm": "SHA-512-256"},
        {"cnonce": "another"},
        {"nc": "00000000"},
        {"nc": "1"},
        {"nc": "-0000001"},
    ],
)
def test_whatever_is_wrong_lets_nobody_in(check: DigestCheck, nonces: Nonces, wrong: dict[str, str]) -> None:
    nonce = nonces.issue()
    made = {key: value for key, value in wrong.items() if key in {"password", "user"}}
    credentials = shown(nonce, **made)  # type: ignore[arg-type]
    credentials |= {key: value for key, value in wrong.items() if key not in made}
    with pytest.raises(NotAuthenticated) as refused:
        check.check(credentials, "POST", TARGET)
    assert not refused.value.stale
    with pytest.raises(NotAuthenticated):
        check.check(shown(nonce), "GET", TARGET)
    assert check.check(shown(nonce), "POST", TARGET).userid == USER  # nothing of that has cost the nonce


def test_no_word_tells_whether_a_name_is_known(check: DigestCheck, nonces: Nonces) -> None:
    def reason(**more: str) -> str:
        with pytest.raises(NotAuthenticated) as refused:
            check.check(shown(nonces.issue(), **more), "POST", TARGET)  # type: ignore[arg-type]
        return str(refused.value)

    assert reason(password=WRONG) == reason(user="nobody.sm") == reason(user=OTHER)


def test_a_nonce_that_is_not_ours_or_too_old_is_stale(check: DigestCheck, nonces: Nonces, ticking: Ticking) -> None:
    old = nonces.issue()
    ticking.forward(NONCE_SECONDS + 1)
    for nonce in (old, secrets.token_hex(32), "", "x", nonces.issue()[:-1] + "g", Nonces(ticking).issue()):
        with pytest.raises(NotAuthenticated) as refused:
            check.check(shown(nonce), "POST", TARGET)
        assert refused.value.stale
        with pytest.raises(NotAuthenticated) as wrong:
            check.check(shown(nonce, password=WRONG), "POST", TARGET)
        assert not wrong.value.stale


@given(st.lists(st.integers(1, 2 * COUNT_WINDOW), max_size=60))
def test_each_count_is_spent_once_in_any_order(counts: list[int]) -> None:
    nonces = Nonces(Ticking())
    nonce, seen = nonces.issue(), set[int]()
    for count in counts:
        spent = nonces.spend(USER, nonce, count)
        if count in seen:
            assert spent is Spent.REPLAYED
        elif count > max(seen, default=0) - COUNT_WINDOW:
            assert spent is Spent.FRESH
            seen.add(count)
        else:
            assert spent is Spent.REPLAYED


def test_the_highest_count_costs_no_memory() -> None:
    nonces = Nonces(Ticking())
    nonce = nonces.issue()
    assert nonces.spend(USER, nonce, 0xFFFFFFFF) is Spent.FRESH
    assert nonces.spend(USER, nonce, 0xFFFFFFFF) is Spent.REPLAYED
    assert nonces.spend(USER, nonce, 1) is Spent.REPLAYED


def test_what_is_forgotten_is_never_believed_again() -> None:
    ticking = Ticking()
    nonces = Nonces(ticking, kept=3)
    issued = []
    for _ in range(6):
        issued.append(nonces.issue())
        ticking.forward(0.001)
    assert all(nonces.spend(USER, nonce, 1) is Spent.FRESH for nonce in issued)
    assert [nonces.spend(USER, nonce, 1) for nonce in issued] == [Spent.STALE] * 3 + [Spent.REPLAYED] * 3
    assert nonces.spend(OTHER, nonces.issue(), 1) is Spent.FRESH


def test_challenges_name_both_algorithms_the_better_first(check: DigestCheck) -> None:
    first, second = (read_challenge(each) for each in check.challenges(stale=True))
    assert (first["algorithm"], second["algorithm"]) == ("SHA-256", "MD5")
    assert first["nonce"] == second["nonce"]
    assert first["stale"] == "true"
    assert "stale" not in check.challenges()[0]


def read_challenge(text: str) -> dict[str, str]:
    pairs = (part.split("=", 1) for part in text.removeprefix("Digest ").split(", "))
    return {name: value.strip('"') for name, value in pairs}


def test_a_header_is_read_with_its_quotes() -> None:
    header = (
        'Digest username="a\\"b, c", realm=smgw, nonce="n",uri="/x?a=b,c" , response="r", qop=auth, nc=00000001, '
        'cnonce="=="'
    )
    read = read_parameters(header)
    assert read["username"] == 'a"b, c'
    assert read["uri"] == "/x?a=b,c"
    assert read["cnonce"] == "=="


@pytest.mark.parametrize(
    "header", ["", "Basic YTpi", "Digest", "Digest username", 'Digest username="a', "Digest a=b, a=c", "Digest nc=1"]
)
def test_a_header_that_is_none(header: str) -> None:
    with pytest.raises(NotAuthenticated):
        read_parameters(header)


def test_a_name_that_nobody_can_have_is_not_kept() -> None:
    """It would go into what slows guessing down, thousands of times."""
    header = 'Digest username="{}", realm="r", nonce="n", uri="/", response="x", qop=auth, nc=00000001, cnonce="c"'
    assert read_parameters(header.format("a" * 64))["username"] == "a" * 64
    with pytest.raises(NotAuthenticated, match="user name or password is wrong"):
        read_parameters(header.format("a" * 65))


@given(st.text(max_size=200))
def test_any_header_is_read_or_refused(text: str) -> None:
    with pytest.raises(NotAuthenticated):
        read_parameters("Digest " + text)


def test_passwords_and_their_hashes_are_shown_nowhere() -> None:
    known = Consumer.known_by(USER, PASSWORD)
    assert PASSWORD not in repr(known)
    assert all(each not in repr(known) for each in known.ha1.values())


@pytest.mark.parametrize("userid", ["", "a/b", "..", "ä", "a" * 65, "a b"])
def test_names_that_are_none(userid: str) -> None:
    with pytest.raises(ValueError, match="is no name of a consumer"):
        Consumer.known_by(userid, PASSWORD)
