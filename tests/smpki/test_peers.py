"""What a CA makes, as ``openssl x509`` and ``openssl crl`` read it; and the database against its migrations."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import inspect

import smpki.schema
from lifecycle.store.engine import alembic_config, connect, upgrade
from smpki.certificates import fingerprint
from smpki.names import Function
from smpki.orders import Reason
from smpki.profiles import KeyUse
from tests.smpki.chains import Chain, openssl_says
from tests.support.pki import World


def _openssl(*words: str | Path) -> str:
    return subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=True).stdout


def test_openssl_reads_what_a_ca_makes(world: World, tmp_path: Path) -> None:
    gwh = world.enrol("Werk", Function.GWH)
    gwa = world.enrol("Admin", Function.GWA, ("gwa.example", "192.0.2.7"))
    sealed = world.seal(gwh)
    for label, certificate in {
        "root": world.root.certificate,
        "sub": world.sub.certificate,
        "gwa": gwa.certificates[KeyUse.TLS],
        "enc": sealed.certificates[KeyUse.ENC],
    }.items():
        (tmp_path / f"{label}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    shown = ("-noout", "-text", "-nameopt", "RFC2253")
    text = {path.stem: _openssl("x509", "-in", path, *shown) for path in tmp_path.glob("*.pem")}
    assert "Signature Algorithm: ecdsa-with-SHA512" in text["root"]
    assert "ASN1 OID: brainpoolP512r1" in text["root"]
    assert "Issuer: serialNumber=1,CN=SM-Root.CA,O=SM-Test-PKI-DE,C=DE" in text["sub"]
    assert "CA:TRUE, pathlen:0" in text["sub"]
    assert "DirName:C = DE, O = SM-Test-PKI-DE" in text["sub"]
    assert "Certificate Sign, CRL Sign" in text["sub"]
    assert "Signature Algorithm: ecdsa-with-SHA384" in text["gwa"]
    assert "TLS Web Server Authentication, TLS Web Client Authentication" in text["gwa"]
    assert "DNS:gwa.example, IP Address:192.0.2.7" in text["gwa"]
    assert "Key Agreement" in text["enc"]
    assert "Not After : Dec 31 03:04:05 2036 GMT" in text["enc"]

    world.clock.forward(timedelta(minutes=1))
    world.desk.revoke([fingerprint(sealed.certificates[KeyUse.ENC])], Reason.KEY_COMPROMISE)
    crl = world.sub.crl()
    (tmp_path / "crl.der").write_bytes(crl.public_bytes(Encoding.DER))
    told = _openssl("crl", "-inform", "DER", "-in", tmp_path / "crl.der", "-noout", "-text")
    assert f"Serial Number: {sealed.certificates[KeyUse.ENC].serial_number:040X}" in told
    assert "Key Compromise" in told
    verify = ["openssl", "crl", "-inform", "DER", "-in", "crl.der", "-noout", "-CAfile", "sub.pem"]
    said = subprocess.run(verify, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "verify OK" in said.stderr

    crls = (world.root.crl(), crl)
    for certificate, says in ((sealed.certificates[KeyUse.ENC], "revoked"), (sealed.certificates[KeyUse.SIG], "OK")):
        chain = Chain(world.root.certificate, (world.sub.certificate,), certificate, crls, world.clock())
        assert says in openssl_says(chain, tmp_path)


def test_its_tables_come_and_go(database_url: str) -> None:
    engine = connect(database_url)
    upgrade(engine)
    command.downgrade(alembic_config(engine), "0001")
    assert not set(inspect(engine).get_table_names()) & set(smpki.schema.metadata.tables)
    upgrade(engine)
    assert set(inspect(engine).get_table_names()) >= set(smpki.schema.metadata.tables)
    engine.dispose()


@pytest.mark.postgresql
def test_a_pki_in_postgresql(postgresql_url: str) -> None:
    engine = connect(postgresql_url)
    upgrade(engine)
    world = World(engine)
    gwh, gwa = world.enrol("Werk", Function.GWH), world.enrol("Admin", Function.GWA)
    running = world.operate(gwa, world.seal(gwh))
    world.believe(running.certificates[KeyUse.SIG], KeyUse.SIG)
    world.desk.revoke([fingerprint(running.certificates[KeyUse.SIG])], Reason.SUPERSEDED)
    assert len(world.sub.crl()) == 1
    engine.dispose()
