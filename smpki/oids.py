"""Object identifiers: those of the standards, and a few of our own where no public source names one.

Our own stand under a UUID of this project (2.25.UUID, ITU-T X.667), which needs no registration and clashes with
nobody's. A peer that is not this project does not know them.
"""

from __future__ import annotations

from typing import Final

from cryptography.x509 import ObjectIdentifier

PROJECT_ARC: Final = "2.25.72414416585557131787501395730438301808"
"""Root of our own identifiers: the UUID 367a8263-7fef-466a-9f5c-66d89df82870 as a number; ours."""

# Certificates
SEAL_POLICY: Final = ObjectIdentifier(f"{PROJECT_ARC}.1.1")
"""certificatePolicies of a preliminary certificate (Gütesiegelzertifikat); ours."""
OPERATIONAL_POLICY: Final = ObjectIdentifier(f"{PROJECT_ARC}.1.2")
"""certificatePolicies of an operational certificate of a gateway (Wirkzertifikat); ours."""

# Content data security (TR-03116-3 ch. 8)
AES128_CBC_CMAC: Final = ObjectIdentifier(f"{PROJECT_ARC}.2.1")
"""AES-128-CBC with IV 0 and AES-128-CMAC; ours, since the identifier of TR-03109-1 Anlage I is not public."""
AES128_GCM: Final = ObjectIdentifier("2.16.840.1.101.3.4.1.6")
"""id-aes128-GCM (RFC 5084 3.2)."""
AES128_WRAP: Final = ObjectIdentifier("2.16.840.1.101.3.4.1.5")
"""id-aes128-wrap (RFC 3565 2.3.2)."""
ECKA_EG_X963KDF_SHA256: Final = ObjectIdentifier("0.4.0.127.0.7.1.1.5.1.1.3")
"""ecka-eg-X963KDF-SHA256 (TR-03111 5.3.1)."""
STD_DH_SHA256KDF: Final = ObjectIdentifier("1.3.132.1.11.1")
"""dhSinglePass-stdDH-sha256kdf-scheme (RFC 5753 7.1.4)."""
EC_PUBLIC_KEY: Final = ObjectIdentifier("1.2.840.10045.2.1")
"""id-ecPublicKey (RFC 5480 2.1.1)."""
BRAINPOOL_P256R1: Final = ObjectIdentifier("1.3.36.3.3.2.8.1.1.7")
"""brainpoolP256r1 (RFC 5639 4)."""

# CMS (RFC 5652, RFC 5083)
DATA: Final = ObjectIdentifier("1.2.840.113549.1.7.1")
"""id-data (RFC 5652 4)."""
SIGNED_DATA: Final = ObjectIdentifier("1.2.840.113549.1.7.2")
"""id-signedData (RFC 5652 5.1)."""
AUTH_ENVELOPED_DATA: Final = ObjectIdentifier("1.2.840.113549.1.9.16.1.23")
"""id-ct-authEnvelopedData (RFC 5083 2.1)."""
CONTENT_TYPE: Final = ObjectIdentifier("1.2.840.113549.1.9.3")
"""id-contentType, a signed attribute (RFC 5652 11.1)."""
MESSAGE_DIGEST: Final = ObjectIdentifier("1.2.840.113549.1.9.4")
"""id-messageDigest, a signed attribute (RFC 5652 11.2)."""
SIGNING_TIME: Final = ObjectIdentifier("1.2.840.113549.1.9.5")
"""id-signingTime, a signed attribute (RFC 5652 11.3)."""

# Content types of this package
CT_REQUESTS: Final = ObjectIdentifier(f"{PROJECT_ARC}.3.1")
"""Content type of a request package: a sequence of PKCS#10 requests; ours."""
CT_STATUS_CHANGE: Final = ObjectIdentifier(f"{PROJECT_ARC}.3.2")
"""Content type of a request to revoke, suspend or lift; ours."""
CT_DEVICE_ADMIN: Final = ObjectIdentifier(f"{PROJECT_ARC}.3.3")
"""Content type of a request to change the administrator in charge; ours."""
