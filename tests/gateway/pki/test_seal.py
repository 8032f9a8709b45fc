"""The gateway's signature on what bills stand on: by the module, by the certificate in use, examined long after."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.core import Gateway
from gateway.lmn.device_id import server_id_from_device_id
from gateway.pki.certificates import Certificates
from gateway.pki.keys import CertificateRefused, der_of
from gateway.pki.seal import FOLDER, KeptCertificates, ModuleSealer
from lifecycle.functions import Credential
from lifecycle.states import State
from smpki.profiles import KeyUse
from stations.meter import HouseholdMeter
from tests.support.daily import ANNA, IMPORT, METER, QUARTER, house
from tests.support.gateways import At, Device

GWA = Credential.GWA_CERTIFICATE
DIGEST = hashlib.sha256(b"a line").digest()


def sealer_of(device: Device) -> ModuleSealer:
    """One with the gateway's module."""
    module = device.gateway.module
    return ModuleSealer(module, Certificates(module), KeptCertificates(device.folder / FOLDER))


def fingerprint(device: Device) -> str:
    """Of the certificate in use."""
    return hashlib.sha256(der_of(device.gateway.certificates.current()[KeyUse.SIG].certificate)).hexdigest()


def test_the_certificate_in_use_signs_and_is_kept(at: At) -> None:
    device = at(State.OPERATION)
    sealer = sealer_of(device)
    signature = sealer.sign_digest(DIGEST)
    assert sealer.key == fingerprint(device)
    assert sealer.verifies(sealer.key, DIGEST, signature)
    assert not sealer.verifies(sealer.key, hashlib.sha256(b"another").digest(), signature)
    assert not sealer.verifies("00" * 32, DIGEST, signature)
    assert not sealer.verifies("../device", DIGEST, signature)
    assert [der_of(one) for one in KeptCertificates(device.folder / FOLDER)] == [der_of(sealer.signer.certificate)]


def test_what_was_signed_before_a_renewal_is_still_examined_after_it(at: At) -> None:
    device = at(State.OPERATION)
    sealer = sealer_of(device)
    before, signature = sealer.key, sealer.sign_digest(DIGEST)
    administration = device.gateway.administration
    certificates = device.issued(administration.request_renewal(GWA, device.sign))
    administration.install_renewal(GWA, certificates, device.world.sub.certificate, device.sign)
    sealer.forget()
    assert sealer.key == fingerprint(device) != before
    assert sealer.verifies(sealer.key, DIGEST, sealer.sign_digest(DIGEST))
    assert sealer.verifies(before, DIGEST, signature)


def test_a_certificate_that_was_exchanged_on_the_disk_is_none(at: At) -> None:
    device = at(State.OPERATION)
    sealer = sealer_of(device)
    signature = sealer.sign_digest(DIGEST)
    (path,) = (device.folder / FOLDER).iterdir()
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    assert not sealer.verifies(sealer.key, DIGEST, signature)


def test_without_certificates_nothing_is_signed(at: At) -> None:
    device = at(State.PREPERSONALISATION_1_ASSEMBLED)
    with pytest.raises(CertificateRefused, match="no certificates yet"):
        sealer_of(device).sign_digest(DIGEST)


def test_readings_are_signed_by_the_module_across_a_renewal(at: At, tmp_path: Path) -> None:
    device = at(State.OPERATION)
    device.gateway.close()
    gateway = Gateway(
        device.id, device.repository, slot=device.slot, folder=device.folder, profiles=house(), elapsed=lambda: ticks
    )
    device.gateway, ticks = gateway, 0
    meter = HouseholdMeter(METER, device.clock() - timedelta(days=1), seed=1)
    used = set()
    for renew in (False, True):
        if renew:
            certificates = device.issued(gateway.administration.request_renewal(GWA, device.sign))
            gateway.administration.install_renewal(GWA, certificates, device.world.sub.certificate, device.sign)
        at_point = device.clock() + QUARTER - (device.clock() - device.clock().replace(minute=0, second=0)) % QUARTER
        ticks += (at_point - device.clock()) // timedelta(microseconds=1) * 1000
        device.clock.now = at_point
        assert gateway.receive(Credential.METER_KEY, meter.frame_at(at_point)).kept == 1
        used.add(fingerprint(device))
    register = (server_id_from_device_id(METER).hex(), IMPORT.hex())
    entries = gateway.metering.own_entries(Credential.CONSUMER_PASSWORD, ANNA, *register)
    assert {entry.seal.key for entry in entries if entry.seal} == used
    assert len(used) == 2
    verifies = sealer_of(device).verifies
    assert all(
        entry.seal and verifies(entry.seal.key, bytes.fromhex(entry.hash), entry.seal.signature) for entry in entries
    )
