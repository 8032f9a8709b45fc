"""The service as its callers meet it: a real uvicorn on loopback, mutual TLS with certificates of the PKI itself."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from smpki.algorithms import Curve
from smpki.authority import utc_now
from smpki.certificates import fingerprint
from smpki.client import CaClient, ServiceError
from smpki.folder import write_pem
from smpki.keys import SoftwareKey
from smpki.messages import Message, Refused, ReturnCode
from smpki.names import Function
from smpki.orders import AdminOrder, Change, Reason, StatusOrder
from smpki.path_errors import PathInvalid
from smpki.profiles import SUB_CA, KeyUse, RequestType
from smpki.requests import authorise, pack, request_key, request_triple, sign_package
from smpki.service import PeerProtocol, create_app, create_crl_app
from smpki.signed import Signer
from smpki.tls import client_context, server_context
from tests.support.pki import GATEWAY, Holder, TestClock, World, name, new_keys
from tests.support.serving import served


@dataclass
class Served:
    """A PKI whose Sub-CA is at its counter."""

    world: World
    folder: Path
    port: int
    gwh: Holder
    gwa: Holder

    def context(self, who: Holder, certificate: x509.Certificate | None = None) -> ssl.SSLContext:
        """The TLS of a caller."""
        return _tls(self.world, self.folder, who, certificate)

    def client(self, who: Holder) -> CaClient:
        """A caller."""
        return CaClient(f"https://127.0.0.1:{self.port}", self.context(who), timeout=20)


def _tls(world: World, folder: Path, who: Holder, certificate: x509.Certificate | None = None) -> ssl.SSLContext:
    leaf = certificate or who.certificates[KeyUse.TLS]
    where = folder / fingerprint(leaf)
    where.mkdir(exist_ok=True)
    write_pem(where / "tls.pem", leaf, world.sub.certificate)
    if not (where / "tls.key").exists():
        who.keys[KeyUse.TLS].save(where / "tls.key")
    return client_context(where / "tls.pem", where / "tls.key", world.root.certificate)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A PKI and its Sub-CA's service."""
    folder = tmp_path_factory.mktemp("service")
    # OpenSSL knows no clock but the system's, so this PKI is founded shortly before the test runs: tests set its clock
    # forward, and what they then issue has to be valid already.
    world = World.in_folder(folder, TestClock(utc_now() - timedelta(minutes=10)))
    key = SoftwareKey.generate(Curve.BRAINPOOL_P256R1)
    certificate = world.sub.certify_service(key, ["127.0.0.1", "localhost"])
    write_pem(folder / "service.pem", certificate, world.sub.certificate)
    key.save(folder / "service.key")
    context = server_context(folder / "service.pem", folder / "service.key", world.root.certificate)
    gwh, gwa = world.enrol("Werk", Function.GWH), world.enrol("Admin", Function.GWA)
    with served(create_app(world.sub), context, PeerProtocol) as port:
        yield Served(world, folder, port, gwh, gwa)
    world.engine.dispose()


def _requested(service: Served, gateway: str) -> tuple[Holder, bytes]:
    who, keys = name(gateway, Function.SMGW), new_keys()
    package = authorise(request_triple(RequestType.SMGW_G, who, keys), service.gwh.signer, service.world.clock())
    return Holder(who, keys, {}), package


def test_a_gateway_s_whole_way_over_the_service(service: Served) -> None:
    world = service.world
    wanted, package = _requested(service, GATEWAY)
    gwh, gwa = service.client(service.gwh), service.client(service.gwa)
    certificates = gwh.request_certificate(package, RequestType.SMGW_G)
    assert gwh.request_certificate(package, RequestType.SMGW_G) == certificates
    sealed = Holder(wanted.name, wanted.keys, dict(zip(KeyUse, certificates, strict=True)))
    keys = new_keys()
    package = sign_package(request_triple(RequestType.SMGW_W, wanted.name, keys), sealed.signer, world.clock())
    package = authorise(package, service.gwa.signer, world.clock())
    with pytest.raises(Refused, match=r"Werk\.GWH may not bring a request of type SMGW-W") as refused:
        gwh.request_certificate(package, RequestType.SMGW_W)
    assert refused.value.code is ReturnCode.FAILURE_UNAUTHORIZED_REQUEST
    with pytest.raises(Refused, match="certType says SMGW-G, the request SMGW-W"):
        gwa.request_certificate(package, RequestType.SMGW_G)
    operational = gwa.request_certificate(package, RequestType.SMGW_W)
    marks = tuple(fingerprint(one) for one in operational)
    world.believe(operational[0], KeyUse.TLS)

    suspend = StatusOrder(Change.SUSPEND, marks, None, world.clock()).signed(service.gwa.signer)
    with pytest.raises(Refused, match=r"Admin\.GWA has signed it, and Werk.GWH sends it"):
        gwh.change_status(suspend)
    gwa.change_status(suspend)
    with pytest.raises(PathInvalid, match="is suspended"):
        world.believe(operational[0], KeyUse.TLS)
    world.clock.forward(timedelta(seconds=1))
    gwa.change_status(StatusOrder(Change.LIFT, marks, None, world.clock()).signed(service.gwa.signer))
    world.believe(operational[0], KeyUse.TLS)

    other = world.enrol("Neu", Function.GWA)
    gwa.hand_over(AdminOrder((str(wanted.name),), "Neu.GWA", world.clock()).signed(service.gwa.signer))
    revoke = StatusOrder(Change.REVOKE, marks, Reason.SUPERSEDED, world.clock())
    with pytest.raises(Refused, match=r"Neu\.GWA is in charge"):
        gwa.change_status(revoke.signed(service.gwa.signer))
    service.client(other).change_status(revoke.signed(other.signer))
    with pytest.raises(PathInvalid, match=r"was revoked on .*: superseded"):
        world.believe(operational[0], KeyUse.TLS)


def test_the_chain_the_status_and_a_word_to_people(service: Served) -> None:
    gwa, world = service.client(service.gwa), service.world
    chain = gwa.chain(service.gwa.certificates[KeyUse.SIG].issuer)
    assert chain == [world.root.certificate, world.sub.certificate]
    with pytest.raises(Refused) as refused:
        gwa.chain(world.root.certificate.subject)
    assert refused.value.code is ReturnCode.FAILURE_CERT_NOT_AVAILABLE
    gwa.check_status("1")
    gwa.tell("Admin.GWA", "m-1", "Umzug", "Wir ziehen um.")
    with pytest.raises(Refused, match=r"callerID says Werk.GWH"):
        gwa.tell("Werk.GWH", "m-2", "x", "y")
    with world.store.unit() as unit:
        assert [(one["caller"], one["message_id"], one["subject"]) for one in unit.messages()] == [
            ("Admin.GWA", "m-1", "Umzug")
        ]


def test_what_was_issued_is_in_the_directory(service: Served) -> None:
    gwa, world = service.client(service.gwa), service.world
    assert gwa.certificates("EXXX0012340000.SMGW") == []
    sealed = world.seal(service.gwh, "EXXX0012340000")
    running = world.operate(service.gwa, sealed)
    issued = [*sealed.certificates.values(), *running.certificates.values()]
    marks = tuple(fingerprint(one) for one in issued)
    gwa.change_status(StatusOrder(Change.REVOKE, marks, Reason.SUPERSEDED, world.clock()).signed(service.gwa.signer))
    assert {fingerprint(one) for one in gwa.certificates("EXXX0012340000.SMGW")} == set(marks)
    crls = gwa.crls()
    assert {crl.issuer for crl in crls} == {world.root.certificate.subject, world.sub.certificate.subject}
    (own,) = (crl for crl in crls if crl.issuer == world.sub.certificate.subject)
    assert all(own.get_revoked_certificate_by_serial_number(one.serial_number) for one in issued)
    with pytest.raises(ServiceError, match="with 404 only"):
        gwa.certificates("../EXXX/..")


def _post(service: Served, message: str, body: object) -> tuple[int, dict[str, str]]:
    request = urllib.request.Request(
        f"https://127.0.0.1:{service.port}/smpki/{message}", json.dumps(body).encode(), method="POST"
    )
    try:
        with urllib.request.urlopen(request, context=service.context(service.gwa), timeout=20) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.parametrize(
    ("message", "body"),
    [
        (Message.GET_SERVICE_STATUS, {}),
        (Message.GET_SERVICE_STATUS, {"messageID": "1", "more": 1}),
        (Message.GET_SERVICE_STATUS, []),
        (Message.GENERAL_MESSAGE, {"callerID": "x", "messageID": "1", "subject": "s"}),
        (Message.REQUEST_CERTIFICATE, {"callbackIndicator": "callback_possible", "certReq": "AA=="}),
        (
            Message.REQUEST_CERTIFICATE,
            {"callbackIndicator": "callback_not_possible", "messageID": "1", "certReq": "AA=="},
        ),
        (Message.UPDATE_DEVICE_ADMIN, {"callbackIndicator": "callback_possible", "updDevAdminReq": "AA=="}),
    ],
)
def test_what_cannot_be_read_is_a_syntax_failure(service: Served, message: Message, body: object) -> None:
    status, told = _post(service, message, body)
    assert (status, told["returnCode"]) == (400, "failure_syntax")


@pytest.mark.parametrize(
    ("message", "member"),
    [
        (Message.REQUEST_CERTIFICATE, "certReq"),
        (Message.CERTIFICATE_REVOCATION_REQUEST, "certRevReq"),
        (Message.UPDATE_DEVICE_ADMIN, "updDevAdminReq"),
    ],
)
@pytest.mark.parametrize("request_", ["AA==", "no Base64", "MAA="])
def test_a_request_of_no_form_is_an_incorrect_one(
    service: Served, message: Message, member: str, request_: str
) -> None:
    status, told = _post(service, message, {"callbackIndicator": "callback_not_possible", member: request_})
    assert (status, told["returnCode"]) == (200, "failure_incorrect_request")


def test_nobody_without_a_certificate_of_the_pki(service: Served, tmp_path: Path) -> None:
    stranger = World.in_folder(tmp_path, TestClock(utc_now()))
    mallory = stranger.enrol("Admin", Function.GWA)
    context = _tls(stranger, tmp_path, mallory)
    context.load_verify_locations(cadata=service.world.root.certificate.public_bytes(Encoding.DER))
    client = CaClient(f"https://127.0.0.1:{service.port}", context, timeout=20)
    with pytest.raises(ServiceError):
        client.check_status("1")
    with pytest.raises(ServiceError):
        client.crls()
    stranger.engine.dispose()


def test_nobody_whose_certificate_was_revoked(service: Served) -> None:
    fired = service.world.enrol("Gefeuert", Function.EMT)
    client = service.client(fired)
    client.check_status("1")
    service.world.desk.revoke([fingerprint(fired.certificates[KeyUse.TLS])], Reason.PRIVILEGE_WITHDRAWN)
    with pytest.raises(Refused, match="was revoked on") as refused:
        client.check_status("2")
    assert refused.value.code is ReturnCode.FAILURE_OTHER_ERROR
    with pytest.raises(Refused, match="was revoked on"):
        client.certificates("EXXX0012340000.SMGW")


def test_nobody_with_a_certificate_for_something_else(service: Served) -> None:
    odd = Holder(service.gwa.name, {KeyUse.TLS: service.gwa.keys[KeyUse.SIG]}, {})
    context = service.context(odd, service.gwa.certificates[KeyUse.SIG])
    with pytest.raises(Refused, match="is for SIG, not for TLS"):
        CaClient(f"https://127.0.0.1:{service.port}", context, timeout=20).check_status("1")


def test_a_service_that_is_not_there_or_is_another(service: Served) -> None:
    with pytest.raises(ServiceError, match="does not answer"):
        CaClient("https://127.0.0.1:9", service.context(service.gwa), timeout=5).check_status("1")
    with pytest.raises(ServiceError, match="is no address"):
        CaClient("http://127.0.0.1", service.context(service.gwa))


def test_a_root_takes_no_orders(service: Served) -> None:
    paths = {getattr(route, "path", "") for route in create_app(service.world.root).routes}
    assert "/smpki/RequestCertificate" in paths
    assert "/smpki/CertificateRevocationRequest" not in paths


def test_a_sub_ca_renews_at_the_root(service: Served, tmp_path: Path) -> None:
    world = service.world
    certificate = x509.load_pem_x509_certificates((service.folder / "service.pem").read_bytes())[0]
    key = SoftwareKey.load(service.folder / "service.key")
    root_key = SoftwareKey.generate(Curve.BRAINPOOL_P256R1)
    write_pem(tmp_path / "root.pem", world.root.certify_service(root_key, ["127.0.0.1"]))
    root_key.save(tmp_path / "root.key")
    context = server_context(
        tmp_path / "root.pem", tmp_path / "root.key", world.root.certificate, [world.sub.certificate]
    )
    caller = Holder(name("Energie", Function.CA), {KeyUse.TLS: key}, {})
    with served(create_app(world.root), context, PeerProtocol) as port:
        client = CaClient(f"https://127.0.0.1:{port}", _tls(world, service.folder, caller, certificate), timeout=20)
        new = SoftwareKey.generate(Curve.BRAINPOOL_P384R1)
        package = pack([request_key(SUB_CA, name("Energie", Function.CA), new)])
        with pytest.raises(Refused) as refused:
            client.request_certificate(package, RequestType.SUB_CA)
        assert refused.value.code is ReturnCode.FAILURE_OUTER_SIGNATURE
        package = sign_package(package, Signer(world.sub.certificate, world.sub_key), world.clock())
        (renewed,) = client.request_certificate(package, RequestType.SUB_CA)
    assert renewed.public_key() == new.public_key


def test_crls_are_there_for_anybody(service: Served) -> None:
    app = create_crl_app([service.world.root, service.world.sub])
    with served(app) as port:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/crl/Energie.CA-1.crl", timeout=20) as answer:
            crl = x509.load_der_x509_crl(answer.read())
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/crl/Mallory.CA-1.crl", timeout=20)
    assert crl.is_signature_valid(service.world.sub.public_key)
