"""The gateway's keys are renewed while it meters: what the old key signed holds, and everybody can see by which."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.books import examined
from gateway.han.page_data import Export
from gateway.pki.seal import FOLDER, KeptCertificates
from gateway.tariffing.ar2418_read import read
from lifecycle.canonical import decode_signature
from lifecycle.states import State
from smpki.oids import DATA
from smpki.signed import read_signed
from stations.meter import HouseholdMeter
from tests.gateway.test_administration import GWA, renew
from tests.support.daily import IMPORT, METER, QUARTER
from tests.support.house import TAF2, House, house, household, local

BEGIN = local("2026-03-10")
HOUR = timedelta(hours=1)
EACH = 5
"""Readings with the first key, with the second, and with the second when the first is gone."""
FILE = {"contract": TAF2, "from": "2026-03-10", "to": "2026-03-10"}


@pytest.fixture(scope="module")
def renewed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Between readings the administrator renews the certificates, and then has the old keys deleted."""
    with house(tmp_path_factory.mktemp("house"), household(BEGIN), BEGIN - timedelta(minutes=1)) as at:
        meter = HouseholdMeter(METER, BEGIN - timedelta(days=1), seed=1)
        administration = at.gateway.administration
        times = iter(BEGIN + number * QUARTER for number in range(3 * EACH))
        for number, time in enumerate(times):
            if number == EACH:
                renew(at.device)
            if number == 2 * EACH:
                assert administration.retire_old(GWA, at.device.sign)
            assert at.push(meter, METER, time) == 2
        yield at


def shown(at: House) -> dict[str, x509.Certificate]:
    """The SIG certificates as a program is shown them, by number."""
    wan = at.machine().get("smgw-info")["smgw-info"]["certificates"]["wan"]
    return {each["cert-index"]: x509.load_der_x509_certificate(bytes.fromhex(each["sig"])) for each in wan}


def holds(certificate: x509.Certificate, signature: bytes, body: bytes) -> None:
    """Fails where a signature is not by a certificate's key."""
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(signature, body, ec.ECDSA(hashes.SHA256()))


def bodies(at: House) -> list[dict[str, str]]:
    """The entries as the signed file has them."""
    with at.client() as client:
        content = client.get("/page/file", params={**FILE, "kind": str(Export.SIGNED)}).content
    message = read_signed(content, DATA)
    assert message.verify() == list(shown(at).values())[-1], "the file is signed with the new key"
    return [json.loads(line) for line in message.content.splitlines()]


def test_each_reading_says_by_which_key_it_is_signed(renewed: House) -> None:
    certificates = shown(renewed)
    assert list(certificates) == ["0", "1", "2"]
    found = renewed.machine().readings(TAF2, "origin", fromtime=(BEGIN - HOUR).isoformat())[IMPORT.hex()]
    assert [each["owner-number"] for each in found] == ["1"] * EACH + ["2"] * 2 * EACH
    for each, line in zip(found, bodies(renewed), strict=True):
        assert decode_signature(line["signature"]).hex() == each["signature"]
        certificate = certificates[each["owner-number"]]
        assert certificate.fingerprint(hashes.SHA256()).hex() == line["key"]
        holds(certificate, bytes.fromhex(each["signature"]), line["body"].encode())
        assert hashlib.sha256(line["body"].encode()).hexdigest() == line["hash"]


def test_the_file_for_the_official_check_has_both_certificates(renewed: House) -> None:
    with renewed.client() as client:
        document = read(client.get("/page/file", params={**FILE, "kind": str(Export.AR2418)}).content)
    (point,) = document.usage_points
    certificates = {each.number: x509.load_der_x509_certificate(each.content) for each in point.certificates}
    (original,) = point.originals
    for reading, line in zip(original.readings, bodies(renewed), strict=True):
        assert reading.certificate is not None
        assert reading.signature is not None
        holds(certificates[reading.certificate], reading.signature, line["body"].encode())
    assert len({reading.certificate for reading in original.readings}) == 2


def test_every_book_is_whole_and_the_gateway_starts_again(renewed: House) -> None:
    device = renewed.device
    books = list(examined(device.repository.engine, device.id, KeptCertificates(device.folder / FOLDER).verifies))
    assert len(books) > 2
    assert [book for book in books if book.broken is not None] == []
    assert renewed.restart().gate().state is State.OPERATION
    assert [each.index for each in renewed.gateway.consumer_data.information().certificates] == [0, 1, 2]
