"""What consumers take away over HTTPS holds for others: the official check, OpenSSL, a spreadsheet; to each his own."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from lxml import html

from gateway.han.data import Database
from gateway.han.page_data import Export
from gateway.tariffing.ar2418 import Document, GatewayInfo, UsagePoint
from gateway.tariffing.ar2418_read import read
from gateway.tariffing.ar2418_write import write
from gateway.tariffing.check import check
from gateway.tariffing.periods import LOCAL, Period
from lifecycle.canonical import decode_signature
from lifecycle.functions import Credential
from smgw.cli import main
from stations.meter import HouseholdMeter
from tests.support.ar2418 import assert_valid
from tests.support.contracts import ERRORS, HT, NT
from tests.support.daily import ANNA, BERT, EXPORT, IMPORT, METER, OTHER_METER
from tests.support.gateways import CutConnection
from tests.support.house import BERTS, TAF1, TAF2, TAF7, House, house, household, local, raster

DAY = "2026-03-10"
BEGIN, END = local(DAY), local("2026-03-11")
SILENT = local(f"{DAY}T05:35"), local(f"{DAY}T06:25")
ANNAS = (TAF1, TAF2, TAF7)
FILE, HOUR = "/page/file", timedelta(hours=1)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A day of Anna's meter and Bert's; when the stage changes at six, hers is silent."""
    with house(tmp_path_factory.mktemp("house"), household(BEGIN), BEGIN - timedelta(minutes=1)) as at:
        hers, his = (
            HouseholdMeter(device, BEGIN - timedelta(days=1), seed, solar_peak_watt=1_500)
            for seed, device in enumerate((METER, OTHER_METER))
        )
        for time in raster(BEGIN, END):
            if not SILENT[0] < time < SILENT[1]:
                at.push(hers, METER, time)
            at.push(his, OTHER_METER, time)
        yield at


@pytest.fixture
def anna(lived: House) -> Iterator[httpx.Client]:
    """Her browser."""
    with lived.client() as client:
        yield client


def file(client: httpx.Client, contract: str, kind: Export) -> bytes:
    """A file of the day, by the form on the page."""
    page = client.get("/page/export", params={"contract": contract})
    assert page.status_code == 200
    (form,) = html.fromstring(page.text).forms
    fields = {name: value for name, value in form.form_values() if name not in {"from", "to", "kind"}}
    assert fields == {"contract": contract}
    assert kind in form.inputs["kind"].value_options
    answer = client.get(form.action, params={**fields, "from": DAY, "to": DAY, "kind": str(kind)})
    assert answer.status_code == 200, answer.text
    return answer.content


def registers(lived: House, consumer: str, point: str) -> dict[str, int]:
    """The registers at the end of the day, as a program reads them."""
    found = lived.machine(consumer).readings(
        point, "derived", fromtime=f"{BEGIN:%Y-%m-%dT%H:%M:%SZ}", totime=f"{END:%Y-%m-%dT%H:%M:%SZ}"
    )
    return {obis: int(readings[-1]["value"]) if readings else 0 for obis, readings in found.items()}


# AR 2418-6


@pytest.mark.parametrize("contract", ANNAS)
def test_the_official_schema_holds(anna: httpx.Client, contract: str) -> None:
    assert_valid(file(anna, contract, Export.AR2418))


def test_read_back_it_says_the_same(lived: House, anna: httpx.Client) -> None:
    document = read(file(anna, TAF2, Export.AR2418))
    found = check(document, document)
    shown = registers(lived, ANNA, TAF2)
    assert {register.hex(): amount for register, amount in found.registers.items()} == shown
    assert found.good, (found.uncovered, found.stated)
    assert {figure.register for figure in found.stated} == {IMPORT, NT, HT, ERRORS}
    sent = lived.sent[METER, IMPORT]
    assert sum(shown.values()) == sent[max(sent)] - sent[min(sent)]
    assert shown[ERRORS.hex()] > 0
    (point,) = document.usage_points
    (original,) = point.originals
    assert [each.value for each in original.readings] == list(sent.values())
    assert [each.at for each in original.readings] == list(sent)


@pytest.mark.parametrize("contract", [TAF1, TAF2])
def test_the_supplier_s_profile_gives_what_the_gateway_shows(
    lived: House, anna: httpx.Client, contract: str, tmp_path: Path
) -> None:
    agreed = lived.profiles.contract(ANNA, contract)
    assert agreed is not None
    billed = UsagePoint(
        usage_point_id=agreed.metering_point,
        customer=ANNA,
        invoicing_party=agreed.supplier,
        gateway=GatewayInfo(lived.device.id),
        tariff_name=agreed.name,
        profile=agreed.evaluation(Period(BEGIN, END)),
    )
    measured, supplier = tmp_path / "gateway.xml", tmp_path / "supplier.xml"
    measured.write_bytes(file(anna, contract, Export.AR2418))
    supplier.write_bytes(write(Document((billed,), "test")))
    done = CliRunner().invoke(main, ["tariff", "check", str(measured), str(supplier), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["good"]
    assert told["notes"] == []
    shown = {register: amount for register, amount in registers(lived, ANNA, contract).items() if amount}
    assert {register: amount for register, amount in told["registers"].items() if amount} == shown
    assert all(figure["agrees"] for figure in told["stated"])
    assert bool(told["unassigned"]) == (contract == TAF2)


# A table


@pytest.mark.parametrize(("contract", "counted"), [(TAF2, (IMPORT,)), (TAF7, (IMPORT, EXPORT))])
def test_the_table_has_every_value(lived: House, anna: httpx.Client, contract: str, counted: tuple[bytes, ...]) -> None:
    text = file(anna, contract, Export.CSV).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=";"))
    begin = next(place for place, row in enumerate(rows) if row[:1] == ["Zeitpunkt"]) + 1
    values = [row for row in rows[begin:] if row[2] != "fehlt"]
    expected = [
        (f"{at.astimezone(LOCAL):%d.%m.%Y %H:%M:%S}", value)
        for obis in counted
        for at, value in lived.sent[METER, obis].items()
    ]
    assert [(row[2], round(float(row[4].replace(",", ".")) * 10)) for row in values] == expected
    assert [row[0] for row in rows[begin:] if row[2] == "fehlt"] == ["10.03.2026 05:45:00"] * len(counted)
    assert {row[5] for row in values} == {"Wh"}


# Signed originals


def test_the_signed_originals_hold(lived: House, anna: httpx.Client, tmp_path: Path) -> None:
    world = lived.device.world
    authorities = tmp_path / "ca.pem"
    authorities.write_bytes(
        b"".join(
            each.public_bytes(serialization.Encoding.PEM) for each in (world.root.certificate, world.sub.certificate)
        )
    )
    (tmp_path / "file.p7m").write_bytes(file(anna, TAF7, Export.SIGNED))
    words = ["openssl", "cms", "-verify", "-inform", "DER", "-binary", "-purpose", "any", "-CAfile", "ca.pem"]
    words += ["-in", "file.p7m", "-attime", str(int(lived.clock().timestamp()))]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()

    told = [json.loads(line) for line in done.stdout.splitlines()]
    server_id = lived.profiles.contracts[0].server_id
    kept = [
        line
        for obis in (IMPORT, EXPORT)
        for line in lived.gateway.metering.own_lines(Credential.CONSUMER_PASSWORD, ANNA, server_id, obis.hex())
    ]
    assert [(each["body"].encode(), each["hash"]) for each in told] == [(line.body, line.hash) for line in kept]
    bodies = [json.loads(each["body"]) for each in told]
    assert [int(body["value"]) for body in bodies if body["kind"] == "reading"] == [
        value for obis in (IMPORT, EXPORT) for value in lived.sent[METER, obis].values()
    ]
    assert [body["kind"] for body in bodies].count("gap") == 2

    shown = lived.machine().get("smgw-info")["smgw-info"]["certificates"]["wan"]
    certificates = {hashlib.sha256(bytes.fromhex(each["sig"])).hexdigest(): each for each in shown}
    for each in told:
        assert hashlib.sha256(each["body"].encode()).hexdigest() == each["hash"]
        if "key" not in each:
            assert json.loads(each["body"])["kind"] == "gap"
            continue
        certificate = x509.load_der_x509_certificate(bytes.fromhex(certificates[each["key"]]["sig"]))
        key = certificate.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        key.verify(decode_signature(each["signature"]), each["body"].encode(), ec.ECDSA(hashes.SHA256()))
        certificate.verify_directly_issued_by(
            x509.load_der_x509_certificate(bytes.fromhex(certificates[each["key"]]["sub-ca"]))
        )
    signatures = {decode_signature(each["signature"]).hex() for each in told if "key" in each}
    channels = lived.machine().readings(TAF7, "origin", fromtime=f"{BEGIN - HOUR:%Y-%m-%dT%H:%M:%SZ}")
    assert {each["signature"] for readings in channels.values() for each in readings} <= signatures


# Each his own


@pytest.mark.parametrize(
    ("consumer", "other", "foreign"), [(ANNA, BERT, BERTS), (BERT, ANNA, TAF2), (BERT, ANNA, TAF7)]
)
def test_what_is_another_s_is_unknown(lived: House, consumer: str, other: str, foreign: str) -> None:
    machine = lived.machine(consumer)
    for named in (foreign, "nowhere"):
        asked = {"usage-point-id": named}
        answers = [machine.status("usage-point-info", **asked)]
        answers += [
            machine.status("readings", **asked, database=str(each), **{"last-reading": True}) for each in Database
        ]
        assert {(status, answer["error"]) for status, answer in answers} == {(404, answers[0][1]["error"])}
    assert machine.ask(f"/smgw/m2m/{other}/json", {"method": "log"})[0] == 403
    own, his = (TAF2, OTHER_METER) if consumer == ANNA else (BERTS, METER)
    channels = [{"channel": f"{IMPORT.hex()}.{his.lower()}.sm"}]
    assert machine.readings(own, "origin", channels=channels, **{"last-reading": True}) == {}
    with lived.client(consumer) as client:
        for path in ("/page/consumption", "/page/export", "/page/values", *(f"{FILE}?kind={kind}" for kind in Export)):
            there, nowhere = (
                client.get(path, params={**httpx.QueryParams(path.partition("?")[2]), "contract": named})
                for named in (foreign, "nowhere")
            )
            assert there.status_code == nowhere.status_code == 404
            assert there.text.replace(foreign, "nowhere") == nowhere.text
            assert other.removesuffix(".sm") not in there.text.lower()
        for path in ("/", "/page/contracts", "/page/consumption", "/page/export", "/page/log"):
            shown = client.get(path)
            assert shown.status_code == 200
            assert foreign not in shown.text
            assert other not in shown.text


def test_what_each_reads_is_in_his_own_log(lived: House) -> None:
    for consumer, contract in ((ANNA, TAF2), (BERT, BERTS)):
        with lived.client(consumer) as client:
            for kind in Export:
                file(client, contract, kind)
    logs = {consumer: lived.machine(consumer).log() for consumer in (ANNA, BERT)}
    for consumer, contract, foreign in ((ANNA, TAF2, BERTS), (BERT, BERTS, TAF2)):
        own = [each for each in logs[consumer] if contract in json.dumps(each, ensure_ascii=False)]
        assert len(own) == len(Export), "one of each kind"
        assert foreign not in json.dumps(logs[consumer])
        assert {each["user-identity"] for each in own} == {consumer}
    assert not {each["user-identity"] for each in logs[ANNA]} & {BERT}


def test_both_have_their_own_meter_s_values(lived: House) -> None:
    for consumer, point, device in ((ANNA, TAF2, METER), (BERT, BERTS, OTHER_METER)):
        found = lived.machine(consumer).readings(point, "origin", fromtime=f"{BEGIN - HOUR:%Y-%m-%dT%H:%M:%SZ}")
        sent = lived.sent[device, IMPORT]
        assert [int(each["value"]) for each in found[IMPORT.hex()]] == list(sent.values())
        assert sum(registers(lived, consumer, point).values()) == sent[max(sent)] - sent[min(sent)]


# Without the module


def test_without_its_module_it_shows_what_it_has_and_signs_nothing(lived: House, tmp_path: Path) -> None:
    gone = CutConnection(lived.device.slot.directory)
    lived.device.slot.wrap = gone
    lived.gateway.close()  # it is opened anew when it is needed
    machine = lived.machine()
    assert machine.get("smgw-info")["smgw-info"]["certificates"]["wan"]
    whole = registers(lived, ANNA, TAF2)
    gone.left = gone._count
    assert registers(lived, ANNA, TAF2) == whole
    for method in ("smgw-info", "user-info", "log"):
        assert machine.get(method)
    assert machine.get("usage-point-info", **{"usage-point-id": TAF2})["usage-point-info"]["databases"]
    with lived.client() as client:
        for path in ("/", "/page/contracts", "/page/consumption", "/page/export", "/page/log"):
            assert client.get(path).status_code == 200, path
        for kind, status in ((Export.AR2418, 200), (Export.CSV, 200), (Export.SIGNED, 503)):
            answer = client.get(FILE, params={"contract": TAF2, "from": DAY, "to": DAY, "kind": str(kind)})
            assert answer.status_code == status, kind
    gone.left = None
    with lived.client() as client:
        assert file(client, TAF2, Export.SIGNED)
