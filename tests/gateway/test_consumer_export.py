"""Files that a consumer takes away: the official schema, real OpenSSL and a spreadsheet are at the other end."""

from __future__ import annotations

import csv
import hashlib
import io
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway import consumer_export
from gateway.consumer_export import _cell
from gateway.contract_file import canonical_contract
from gateway.contracts import Contract
from gateway.han.errors import HanError
from gateway.han.page_data import Export, ExportFile
from gateway.pki.keys import CertificateRefused
from gateway.tariffing.ar2418 import UsagePoint
from gateway.tariffing.ar2418_read import read
from gateway.tariffing.check import check
from gateway.tariffing.periods import Period
from gateway.tariffing.profile import Quantity, Threshold, UseCase
from gateway.tariffing.status import fnn_of_word, ptb_of_fnn
from lifecycle.canonical import decode_signature
from lifecycle.functions import Credential
from smpki.oids import DATA
from smpki.signed import read_signed
from tests.smpki.chains import AT, chain
from tests.support.ar2418 import assert_valid
from tests.support.contracts import (
    ANNA,
    BERT,
    ERRORS,
    HT,
    IMPORT,
    METER,
    NT,
    START,
    contract,
    profiles,
    series_contract,
)
from tests.support.desk import Served, rising

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TAF2 = contract()


@pytest.fixture
def served() -> Served:
    """Two days of Anna's and Bert's readings, of Anna's some are missing about six o'clock of the first."""
    made = Served()
    missing = {START + 5 * HOUR + timedelta(minutes=45), START + 6 * HOUR}
    made.read({at: value for at, value in rising(START, 193).items() if at not in missing})
    made.read(rising(START, 193, step=7), device="1EMH0012345679")
    return made


def exported(served: Served, kind: Export, begin: datetime = START, end: datetime = START + 2 * DAY) -> ExportFile:
    return served.desk.export(ANNA, TAF2.id, begin, end, kind)


def point_of(file: ExportFile) -> UsagePoint:
    (point,) = read(file.content).usage_points
    return point


# AR 2418-6


def test_the_document_is_valid_by_the_official_schema(served: Served) -> None:
    served.desk.latest(ANNA)
    file = exported(served, Export.AR2418)
    assert (file.name, file.media_type) == ("01005e318021.taf2-1-20260101-20260103.xml", "application/xml")
    assert_valid(file.content)
    for agreed in (series_contract(), shows()):
        other = Served(known=profiles(agreed)) if agreed.consumer == ANNA else served
        data = other.desk.export(agreed.consumer, agreed.id, START, START + DAY, Export.AR2418).content
        assert_valid(data)


def shows() -> Contract:
    return contract(id="x.taf14-1.sm", use_case=UseCase.HIGH_FREQUENCY, stages=(), calendars=())


def test_what_is_read_back_gives_the_same_registers(served: Served) -> None:
    document = read(exported(served, Export.AR2418).content)
    found = check(document, document)
    assert found.registers == {NT: 700, HT: 1_190, ERRORS: 30}
    assert found.good, (found.uncovered, found.stated)
    assert {figure.register for figure in found.stated} == {IMPORT, NT, HT, ERRORS}
    period = Period(START, START + 2 * DAY)
    (account,) = served.tariffs.derive(Credential.INSIDE, TAF2.id, period, consumer=ANNA)
    assert account.registers == found.registers


def test_originals_bear_status_words_and_signatures_that_hold(served: Served) -> None:
    point = point_of(exported(served, Export.AR2418))
    (original,) = point.originals
    lines = {
        orjson.loads(line.body)["captured"]: line
        for line in served.meters.lists.lines(TAF2.server_id, IMPORT.hex())
        if line.told["kind"] == "reading"
    }
    assert len(original.readings) == len(lines) == 191
    certificates = {each.number: each for each in point.certificates}
    key = served.party.certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    for reading, line in zip(original.readings, lines.values(), strict=True):
        assert reading.certificate is not None
        assert certificates[reading.certificate].content == served.party.certificate.public_bytes(
            serialization.Encoding.DER
        )
        assert reading.signature is not None
        key.verify(reading.signature, line.body, ec.ECDSA(hashes.SHA256()))
        assert ptb_of_fnn(reading.status_fnn) == reading.status_ptb
        assert reading.status_fnn == fnn_of_word(int(line.told["status"], 16))
    assert (original.meter, original.kind.period, original.kind.scaler) == (METER, 900, -1)


def test_it_says_whose_it_is_and_by_what_gateway(served: Served) -> None:
    served.desk.latest(ANNA)
    point = point_of(exported(served, Export.AR2418, end=START + 3 * DAY))
    assert (point.usage_point_id, point.customer, point.invoicing_party) == (
        TAF2.metering_point,
        ANNA,
        TAF2.supplier,
    )
    assert point.gateway is not None
    assert (point.gateway.gateway_id, point.gateway.certificates) == ("EXXX0012345678", (1, 3))
    assert [(each.number, each.kind, each.parent) for each in point.certificates] == [
        (1, 1, 2),
        (2, 2, None),
        (3, 1, 4),
        (4, 2, None),
    ]
    assert [entry.events[0].text for entry in point.log] == [
        f"Eigene Daten gelesen: Messwerte und Verträge (durch {ANNA})."
    ]
    assert point.taf_profile is not None
    assert read_signed(point.taf_profile, DATA).content == canonical_contract(TAF2)


def test_each_billing_period_is_derived_by_itself() -> None:
    limit = Quantity(600, -1, 30)
    taf4 = contract(
        id="x.taf4-1.sm", use_case=UseCase.CONSUMPTION_VARIABLE, calendars=(), thresholds=(Threshold(limit, limit),)
    )
    served = Served(known=profiles(taf4))
    served.read(rising(START + 30 * DAY, 193))
    point = point_of(served.desk.export(ANNA, taf4.id, START + 30 * DAY, START + 32 * DAY, Export.AR2418))
    stage_1 = [each for each in point.derived if each.kind.obis == NT]
    assert [each.readings[-1].value for each in stage_1] == [600, 600]


# A table


def test_a_german_spreadsheet_reads_the_table(served: Served) -> None:
    file = exported(served, Export.CSV)
    assert (file.name, file.media_type) == (
        "01005e318021.taf2-1-20260101-20260103.csv",
        "text/csv; charset=utf-8",
    )
    assert file.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(file.content.decode("utf-8-sig"), newline=""), delimiter=";"))
    assert rows[0] == ["Vertrag", TAF2.id, TAF2.name]
    assert ["Register", "1-0:1.8.0*255", "Einheit", "Wh"] in rows
    begin = next(place for place, row in enumerate(rows) if row[:1] == ["Zeitpunkt"])
    first, *_, last = rows[begin + 1 :]
    time = "01.01.2026 00:00:00"
    assert first == [time, "MEZ", time, "1-0:1.8.0*255", "100,0", "Wh", "0", "a000000000000000", "1"]
    assert (len(rows[begin]), last[4]) == (len(first), "292,0")
    (gap,) = [row for row in rows[begin + 1 :] if row[2] == "fehlt"]
    assert (gap[0], gap[4], gap[6]) == ("01.01.2026 05:45:00", "", "3")


@pytest.mark.parametrize("text", ['=HYPERLINK("x")', "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_text_is_a_formula(text: str) -> None:
    assert _cell(text) == f"'{text}"
    if text.isprintable():
        served = Served(known=profiles(contract(name=text)))
        rows = csv.reader(io.StringIO(exported(served, Export.CSV).content.decode("utf-8-sig")), delimiter=";")
        assert next(rows)[2] == f"'{text}"


# Signed originals


def openssl(folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", "cms", *words], cwd=folder, capture_output=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = chain()
    pem = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in (made.root, *made.intermediates))
    (tmp_path / "ca.pem").write_bytes(pem)
    return tmp_path


_VERIFY = ("-verify", "-inform", "DER", "-binary", "-purpose", "any", "-CAfile", "ca.pem", "-in", "file.p7m")
_AT = ("-attime", str(int(AT.timestamp())))


def test_openssl_verifies_the_signed_originals(served: Served, folder: Path) -> None:
    file = exported(served, Export.SIGNED)
    assert (file.name[-4:], file.media_type) == (".p7m", "application/pkcs7-mime")
    (folder / "file.p7m").write_bytes(file.content)
    done = openssl(folder, *_VERIFY, *_AT)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == read_signed(file.content, DATA).content
    kept = served.meters.lists.lines(TAF2.server_id, IMPORT.hex())
    told = [orjson.loads(line) for line in done.stdout.splitlines()]
    assert [each["body"].encode() for each in told] == [line.body for line in kept]
    assert [each["hash"] for each in told] == [line.hash for line in kept]
    assert all(hashlib.sha256(each["body"].encode()).hexdigest() == each["hash"] for each in told)
    key = served.party.certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    for each in told:
        key.verify(decode_signature(each["signature"]), each["body"].encode(), ec.ECDSA(hashes.SHA256()))


def test_openssl_finds_a_changed_value(served: Served, folder: Path) -> None:
    changed = exported(served, Export.SIGNED).content.replace(b'\\"value\\":\\"1000\\"', b'\\"value\\":\\"1001\\"')
    (folder / "file.p7m").write_bytes(changed)
    done = openssl(folder, *_VERIFY, *_AT)
    assert done.returncode != 0
    assert b"verification failure" in done.stderr


def test_what_is_not_billed_is_in_the_file_without_a_signature_of_its_own() -> None:
    served = Served(known=profiles(shows()))
    served.read(rising(START, 5))
    file = served.desk.export(ANNA, shows().id, START, START + DAY, Export.SIGNED)
    told = [orjson.loads(line) for line in read_signed(file.content, DATA).content.splitlines()]
    assert len(told) == 5
    assert all(each.keys() == {"body", "hash"} for each in told)
    point = point_of(served.desk.export(ANNA, shows().id, START, START + DAY, Export.AR2418))
    assert {(each.signature, each.certificate) for each in point.originals[0].readings} == {(None, None)}


# Every file


@pytest.mark.parametrize("kind", Export)
def test_a_file_has_what_lies_in_the_range(served: Served, kind: Export) -> None:
    whole, hour = (exported(served, kind, START, end).content for end in (START + 2 * DAY, START + HOUR))
    assert len(hour) < len(whole)
    with pytest.raises(HanError, match="ends before it begins") as refused:
        exported(served, kind, START, START)
    assert refused.value.status == 400
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    for begin, end in ((first, START), (START + 5 * DAY, last)):
        with pytest.raises(HanError, match="the contract has nothing in this range"):
            exported(served, kind, begin, end)
    assert exported(served, kind, first, last).content


@pytest.mark.parametrize("kind", Export)
def test_too_many_readings_are_refused(served: Served, kind: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer_export, "MOST_EXPORTED", 100)
    with pytest.raises(HanError, match="more than 100 readings") as refused:
        exported(served, kind)
    assert refused.value.status == 400
    assert exported(served, kind, end=START + 12 * HOUR).content


@pytest.mark.parametrize("kind", Export)
def test_a_file_has_nothing_of_another_s(served: Served, kind: Export) -> None:
    served.profiles = profiles(contract(consumer=BERT), meters=served_meters(served))
    content = served.desk.export(BERT, TAF2.id, START, START + 2 * DAY, kind).content
    if kind is Export.AR2418:
        assert point_of(ExportFile("", "", content)).originals[0].readings == ()
    elif kind is Export.CSV:
        assert len(content.decode().splitlines()) == 8
    else:
        assert read_signed(content, DATA).content == b""


def served_meters(served: Served) -> Any:
    return tuple(served.profiles.meters)


def test_who_cannot_sign_now_says_so(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Any:
        raise CertificateRefused("the key is gone: secret detail")

    monkeypatch.setattr(served.desk, "_signer", refuse)
    monkeypatch.setattr(served.desk._exports, "_signer", refuse)
    with pytest.raises(HanError, match="the gateway cannot sign now") as refused:
        exported(served, Export.SIGNED)
    assert refused.value.status == 503
    assert "secret" not in str(refused.value)
    assert point_of(exported(served, Export.AR2418)).taf_profile is None
