"""``smgw pki``: a gateway's certificates from nothing, from the shell."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography import x509

from smpki.algorithms import Curve
from smpki.client import CaClient, ServiceError
from smpki.folder import read_pem
from smpki.keys import SoftwareKey
from smpki.names import Environment, Function, PkiName
from smpki.profiles import KeyUse, RequestType
from smpki.requests import request_triple
from smpki.tls import client_context
from tests.smgw.conftest import Run, json_lines

GATEWAY = "EXXX0012345678"
SMGW = f"{GATEWAY}.SMGW"


@pytest.fixture
def pki(smgw: Run) -> Run:
    """A PKI with a manufacturer and an administrator; runs ``smgw pki``."""

    def run(*words: object, **options: int) -> object:
        return smgw("pki", *words, **options)

    smgw("pki", "init")
    smgw("pki", "issue", "GWH", "Werk")
    smgw("pki", "issue", "gwa", "Admin", "--host", "gwa.example")
    return run  # type: ignore[return-value]


def test_from_nothing_to_a_gateway_in_operation(pki: Run, home: Path) -> None:
    sealed = json_lines(pki("issue", "SMGW-G", GATEWAY, "--by", "Werk.GWH", "--json"))[0]
    assert [one["profile"] for one in sealed["certificates"]] == ["SMGW-G/TLS", "SMGW-G/SIG", "SMGW-G/ENC"]
    running = json_lines(pki("issue", "SMGW-W", GATEWAY, "--by", "Admin.GWA", "--json"))[0]
    folder = home / "pki" / "parties" / SMGW / "2"
    assert running["folder"] == str(folder)
    assert stat.S_IMODE((folder / "sig.key").stat().st_mode) == 0o600
    path = json_lines(pki("verify", folder / "sig.pem", "--use", "sig", "--json"))[0]["path"]
    assert [one["profile"] for one in path] == ["Root", "Sub-CA", "SMGW-W/SIG"]
    assert "is for SIG, not for TLS" in pki("verify", folder / "sig.pem", "--use", "TLS", exit_code=1).output
    assert "is valid from" in pki("verify", folder / "sig.pem", "--at", "2020-01-01", exit_code=1).output
    assert "is no time" in pki("verify", folder / "sig.pem", "--at", "soon", exit_code=2).output
    listed = json_lines(pki("show", "--json"))
    assert len(listed) == 2 + 3 * 4
    assert {one["status"] for one in listed} == {"good"}
    again = json_lines(pki("issue", "SMGW-W", GATEWAY, "--by", "Admin.GWA", "--json"))[0]
    assert again["certificates"][0]["number"] == 3  # a request with new keys is a renewal


def test_suspended_lifted_renewed_and_revoked(pki: Run, home: Path) -> None:
    pki("issue", "SMGW-G", GATEWAY, "--by", "Werk.GWH")
    pki("issue", "SMGW-W", GATEWAY, "--by", "Admin.GWA")
    sig = home / "pki" / "parties" / SMGW / "2" / "sig.pem"
    assert "name it with --by" in pki("suspend", SMGW, exit_code=2).output
    refused = pki("suspend", SMGW, "--by", "Werk.GWH", exit_code=1).output
    assert "Admin.GWA is in charge" in refused
    assert "failure_request_not_accepted" in refused
    assert len(json_lines(pki("suspend", SMGW, "--by", "Admin.GWA", "--json"))[0]["changed"]) == 6
    assert "is suspended since" in pki("verify", sig, exit_code=1).output
    crl = json_lines(pki("crl", "--json"))[0]
    assert {line["reason"] for line in crl["revoked"]} == {"certificateHold"}
    pki("lift", SMGW, "--by", "Admin.GWA")
    assert "believed" in pki("verify", sig).output
    assert "is authorised by a GWA: name it with --by" in pki("renew", SMGW, exit_code=2).output
    renewed = json_lines(pki("renew", SMGW, "--by", "Admin.GWA", "--json"))[0]
    assert renewed["certificates"][0]["number"] == 3
    assert "believed" in pki("verify", sig).output
    mark = renewed["certificates"][1]["certificate"]
    assert mark in pki("revoke", mark[:12], "--reason", "KEYCOMPROMISE", "--by", "Admin.GWA").output
    assert "it is so already" in pki("revoke", mark, "--reason", "superseded").output
    told = json_lines(pki("show", mark, "--json"))[0]
    assert (told["status"], told["reason"]) == ("revoked", "keyCompromise")
    assert [(event["change"], event["by"]) for event in told["history"]] == [("revoke", "Admin.GWA")]
    assert "revoke by Admin.GWA: keyCompromise" in pki("show", mark).output
    assert "no holder and no fingerprint" in pki("show", "nobody", exit_code=2).output


def test_the_charge_is_shown_and_handed_over(pki: Run) -> None:
    assert "nobody is in charge" in pki("charge", SMGW, exit_code=2).output
    pki("issue", "SMGW-G", GATEWAY, "--by", "Werk.GWH")
    pki("issue", "SMGW-W", GATEWAY, "--by", "Admin.GWA")
    pki("issue", "GWA", "Neu")
    assert "Admin.GWA is in charge" in pki("charge", SMGW).output
    assert "name it with --by" in pki("charge", SMGW, "--to", "Neu.GWA", exit_code=2).output
    told = json_lines(pki("charge", SMGW, "--to", "Neu.GWA", "--by", "Admin.GWA", "--json"))[0]
    assert told["in_charge"] == "Neu.GWA"
    assert "Neu.GWA is in charge" in pki("renew", SMGW, "--by", "Admin.GWA", exit_code=1).output


def test_a_pki_is_made_once_and_has_a_next_root(pki: Run, home: Path) -> None:
    assert "there is a PKI in" in pki("init", exit_code=2).output
    told = json_lines(pki("init", "--next-root", "--json"))[0]
    assert (told["root"]["number"], told["sub_ca"]["number"]) == (2, 2)
    assert told["link"]
    pki("renew", "Admin.GWA", "--host", "gwa.example")
    tls = home / "pki" / "parties" / "Admin.GWA" / "2" / "tls.pem"
    path = json_lines(pki("verify", tls, "--json"))[0]["path"]
    assert [one["profile"] for one in path] == ["Root", "Link", "Sub-CA", "GWA/TLS"]
    new_root = home / "pki" / "ca" / "SM-Root.CA-2" / "ca.pem"
    assert len(json_lines(pki("verify", tls, "--root", new_root, "--json"))[0]["path"]) == 3


def test_a_request_made_elsewhere(pki: Run, tmp_path: Path) -> None:
    keys = {use: SoftwareKey.generate(Curve.BRAINPOOL_P256R1) for use in KeyUse}
    package = tmp_path / "package.der"
    package.write_bytes(request_triple(RequestType.EMT, PkiName("Wer", Function.EMT, Environment.TEST), keys))
    assert "certificates go to --out" in pki("issue", "--request", package, exit_code=2).output
    pki("issue", "--request", package, "--out", tmp_path / "certificates")
    for use in KeyUse:
        certificate = x509.load_pem_x509_certificate((tmp_path / "certificates" / f"{use.lower()}.pem").read_bytes())
        assert certificate.public_key() == keys[use].public_key
    package.write_bytes(b"no package")
    refused = pki("issue", "--request", package, "--out", tmp_path / "certificates", exit_code=1)
    assert "failure_incorrect_request" in refused.output


def test_a_crl_as_a_file(pki: Run, tmp_path: Path, home: Path) -> None:
    file = tmp_path / "sub.crl"
    pki("crl", "--new", "--out", file)
    root = tmp_path / "root.crl"
    pki("crl", "--ca", "SM-Root.CA", "--out", root)
    assert (
        x509.load_der_x509_crl(file.read_bytes()).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        > 1
    )
    tls = home / "pki" / "parties" / "Admin.GWA" / "1" / "tls.pem"
    assert "believed" in pki("verify", tls, "--crl", file, "--crl", root).output
    assert "has no CRL here" in pki("verify", tls, "--crl", file, exit_code=1).output
    file.write_bytes(b"none")
    assert "holds no CRL" in pki("verify", tls, "--crl", file, exit_code=2).output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("show",), "'smgw pki init' makes one"),
        (("issue", "GWA", "Admin"), "'smgw pki init' makes one"),
        (("issue", "GWA"), "say TYPE and NAME"),
        (("crl",), "'smgw pki init' makes one"),
        (("renew", "Nobody.GWA"), "neither a participant's folder nor the name of one made here"),
        (("suspend", "x" * 64, "--by", "Nobody.GWA"), "neither a participant's folder"),
    ],
)
def test_before_there_is_a_pki(smgw: Run, words: tuple[str, ...], says: str) -> None:
    assert says in smgw("pki", *words, exit_code=2).output


def test_a_gateway_s_certificates_are_authorised(pki: Run) -> None:
    assert "is authorised by a GWH" in pki("issue", "SMGW-G", GATEWAY, exit_code=1).output
    pki("issue", "SMGW-G", GATEWAY, "--by", "Werk.GWH")
    assert "is authorised by a GWA" in pki("issue", "SMGW-W", GATEWAY, exit_code=1).output
    assert "of a GWH, not of GWA" in pki("issue", "SMGW-W", GATEWAY, "--by", "Werk.GWH", exit_code=1).output


def test_names_that_are_none(pki: Run) -> None:
    assert "names no SMGW" in pki("issue", "SMGW-G", "gateway-1", "--by", "Werk.GWH", exit_code=2).output
    assert (
        "neither an IP address nor a host name" in pki("issue", "EMT", "Wer", "--host", "ä.example", exit_code=2).output
    )


def test_a_ca_is_served(pki: Run, home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-c", "from smgw.cli import main; main()", "pki", "serve", "--port", str(port), "--json"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "SMGW_HOME": str(home)})
    try:
        assert server.stdout is not None
        assert json.loads(server.stdout.readline())["ca"] == "Energie.CA"
        party = home / "pki" / "parties" / "Admin.GWA" / "1"
        root = read_pem(home / "pki" / "root.pem")
        known = read_pem(home / "pki" / "ca" / "Energie.CA-1" / "ca.pem")
        client = CaClient(
            f"https://127.0.0.1:{port}", client_context(party / "tls.pem", party / "tls.key", root, [known])
        )
        deadline = time.monotonic() + 30
        while True:
            try:
                client.check_status("1")
                break
            except ServiceError:  # not listening yet
                assert server.poll() is None
                assert time.monotonic() < deadline
        assert client.chain(known.subject) == [root, known]
    finally:
        server.terminate()
        server.wait(30)


def test_every_part_has_help(smgw: Run) -> None:
    shown = smgw("pki", "--help").output
    for part in ("init", "issue", "renew", "revoke", "suspend", "lift", "charge", "crl", "show", "verify", "serve"):
        assert f"  {part} " in shown
        assert "--json" in smgw("pki", part, "--help").output
