"""The interface's own key: made once, kept to its owner, made anew when its certificate has ended."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from gateway.han.own_key import CURVES, HOST, LIFETIME, OwnCertificate
from gateway.module import DeviceError
from tests.support.han import GATEWAY

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("curve", CURVES)
def test_it_is_made_once(tmp_path: Path, curve: str) -> None:
    path = tmp_path / "gateway" / "han.pem"
    made = OwnCertificate.open_or_make(path, GATEWAY, lambda: NOW, curve)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = OwnCertificate.open_or_make(path, GATEWAY, lambda: NOW + LIFETIME - timedelta(seconds=1))
    assert again == made
    names = made.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [HOST]
    renewed = OwnCertificate.open_or_make(path, GATEWAY, lambda: NOW + LIFETIME)
    assert renewed.certificate.public_key() != made.certificate.public_key()
    assert [left.name for left in path.parent.iterdir()] == ["han.pem"]
    assert "PRIVATE" not in repr(made)


def test_a_file_that_others_can_read_or_that_holds_something_else(tmp_path: Path) -> None:
    path = tmp_path / "han.pem"
    OwnCertificate.open_or_make(path, GATEWAY, lambda: NOW)
    kept = path.read_bytes()
    path.chmod(0o640)
    with pytest.raises(DeviceError, match="others than its owner"):
        OwnCertificate.open_or_make(path, GATEWAY, lambda: NOW)
    path.chmod(0o600)
    path.write_bytes(b"nothing")
    with pytest.raises(DeviceError, match="does not hold"):
        OwnCertificate.open_or_make(path, GATEWAY, lambda: NOW)
    other = OwnCertificate.open_or_make(tmp_path / "other.pem", GATEWAY, lambda: NOW)
    end = b"-----END PRIVATE KEY-----\n"
    path.write_bytes(kept.partition(end)[0] + end + other.path.read_bytes().partition(end)[2])
    with pytest.raises(DeviceError, match="another one's certificate"):
        OwnCertificate.open_or_make(path, GATEWAY, lambda: NOW)
    (tmp_path / "folder").mkdir(mode=0o700)
    with pytest.raises(DeviceError, match="cannot read or write"):
        OwnCertificate.open_or_make(tmp_path / "folder", GATEWAY, lambda: NOW)
