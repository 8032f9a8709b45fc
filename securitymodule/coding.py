"""The command coding of the module: one table that the card and its client both read.

The command set of BSI TR-03109-2 is not public in full, so this coding is **ours**. It follows ISO/IEC 7816-4 and -8
wherever those have a command for the purpose, and BSI TR-03110-3, appendix B, for PACE and secure messaging. Where
neither says anything the entry is marked "ours". Numbers are on the wire as they stand here: unsigned, big-endian.

How each command works; numbers in the table are hexadecimal, ``->`` leads to the response data:

=================================  ======  =========  ==================================================================
command                            INS     P1 P2      data -> response
=================================  ======  =========  ==================================================================
SELECT                             A4      00 0C      file identifier, 2 bytes; no data selects the MF -> nothing
SELECT by path                     A4      08 0C      file identifiers from the MF, which is left out -> nothing
READ BINARY                        B0      offset     of the selected EF, 0 to 7FFF -> up to Le bytes
UPDATE BINARY                      D6      offset     bytes from there on; all of them, or none -> nothing
CREATE FILE                        E0      00 00      FCP template 62 {83 identifier, 80 size (2)} -> nothing
DELETE FILE                        E4      00 00      file identifier, 2 bytes -> nothing
DELETE a key (ours)                E4      20 key     nothing -> nothing
VERIFY                             20      00 PIN     digits; no data asks for the tries left (63Cx) -> nothing
CHANGE REFERENCE DATA              24      00 PIN     81 old digits, 82 new digits -> nothing
GET CHALLENGE                      84      00 00      nothing -> Le random bytes
MSE SET, PACE                      22      C1 A4      80 OID value, 83 password (:data:`PACE_SYSTEM_PIN`), 84 domain
MSE SET, signing                   22      41 B6      80 algorithm, 84 key
MSE SET, verifying                 22      81 B6      80 algorithm, 83 key (a public one in the module)
MSE SET, key agreement             22      41 A6      80 algorithm, and 84 key, or 8A domain for an ephemeral key
MSE SET, external authentication   22      81 A4      80 algorithm, 83 key
GENERATE ASYMMETRIC KEY PAIR       46      00 key     80 domain -> 7F49 {06 OID, 86 point}
read the public key                46      01 key     nothing -> 7F49 {06 OID, 86 point}
PSO COMPUTE DIGITAL SIGNATURE      2A      9E 9A      hash of the algorithm's length -> plain signature r || s
PSO VERIFY DIGITAL SIGNATURE       2A      00 A8      9A hash, 9E plain signature -> nothing
PSO VERIFY CERTIFICATE             2A      00 BE      83 key to import as, 7F21 X.509 certificate (DER) -> nothing;
                                                      the key that must have signed it is set by MSE SET, verifying
import of the root (ours)          2A      00 AE      83 root's reference, 7F21 self-signed certificate (DER) -> nothing
GENERAL AUTHENTICATE, PACE         86      00 00      7C {...} -> 7C {...}, four steps as TR-03110-3, B.1
GENERAL AUTHENTICATE, agreement    86      00 00      see :data:`AGREE_PEER`
EXTERNAL AUTHENTICATE              82      00 00      plain signature of :func:`external_authentication_message`
TERMINATE CARD USAGE               FE      00 00      nothing -> nothing
GET DATA, information              CA      01 01      nothing -> template E0, :mod:`securitymodule.statements`
INTERNAL AUTHENTICATE              88      00 00      84 nonce, 85 bound bytes -> attestation 7F4E {...} 5F37 signature
PUT DATA, initialisation (ours)    DA      01 10      template E1, :mod:`securitymodule.statements` -> nothing
ACTIVATE, next state (ours)        44      00 state   nothing -> nothing, :class:`ModuleState`
=================================  ======  =========  ==================================================================

MSE SET lasts until the next one of the same P1P2, SELECT of the MF, a change of the secure channel or a reset. File
identifiers are unique in the module, so SELECT finds each of them from everywhere. There is no selection by DF name
(application identifier): ISO/IEC 7816-4 has it for cards with applications to choose among, this module has one DF, and
its ATR says so. A signature that is wrong (verifying, external authentication) is answered with 6300.
A command's data longer than 255 bytes comes in an extended APDU or in a chain (CLA bit ``10``), at most
:data:`MAX_COMMAND_DATA` bytes together. Before PACE the module answers to what :data:`PLAIN_COMMANDS` and
:data:`PLAIN_FILES` list and to nothing else; every other command must come through secure messaging.
"""

from __future__ import annotations

from enum import IntEnum, unique
from typing import Final

CLA_PLAIN: Final = 0x00
CLA_CHAINED: Final = 0x10
CLA_SECURE: Final = 0x0C
"""Bit 5 of CLA: not the last of a chain (ISO/IEC 7816-4, 5.4.1). Bits 4 and 3: secure messaging (TR-03110-3, F.3)."""

MAX_COMMAND_DATA: Final = 16_384
"""Bytes of command data that a module takes, chained or not: three times the largest certificate that is expected."""
MAX_PROTECTED_DATA: Final = MAX_COMMAND_DATA + 64
"""The same as secure messaging carries it: encrypted, padded and with a checksum.

A command is protected as a whole and then, if at all, cut into a chain; CLA of each piece is 1C, and of the whole,
which the checksum is over, 0C. GENERAL AUTHENTICATE alone is never cut: its chaining bit belongs to the steps of PACE.
"""
MAX_RESPONSE_DATA: Final = 16_384
"""Bytes of response data that a module gives at most; Le may ask for more."""
MIN_PIN_DIGITS: Final = 10
MAX_PIN_DIGITS: Final = 32
"""Decimal digits of a PIN: at least 10 (TR-03116-3, chapter 10, table 28), at most 32 (ours)."""
CAPABILITIES: Final = bytes.fromhex("30 01 C0")
"""Card capabilities in ATR and EF.ATR (ISO/IEC 7816-4): DFs are selected by path and by identifier; a data unit is one
byte; command chaining, extended lengths."""
MOST_WAITING: Final = 16
"""Ephemeral keys that may wait for their agreement at once; one more, and the oldest is erased. Ours."""
CHALLENGE_BYTES: Final = 16
"""Random bytes that an external authentication is made with (GET CHALLENGE with this Le). Ours."""


@unique
class Ins(IntEnum):
    """Instructions (ISO/IEC 7816-4, -8, -9). All even: odd ones take other data objects in secure messaging."""

    VERIFY = 0x20
    MANAGE_SECURITY_ENVIRONMENT = 0x22
    CHANGE_REFERENCE_DATA = 0x24
    PERFORM_SECURITY_OPERATION = 0x2A
    ACTIVATE = 0x44
    GENERATE_ASYMMETRIC_KEY_PAIR = 0x46
    EXTERNAL_AUTHENTICATE = 0x82
    GET_CHALLENGE = 0x84
    GENERAL_AUTHENTICATE = 0x86
    INTERNAL_AUTHENTICATE = 0x88
    SELECT = 0xA4
    READ_BINARY = 0xB0
    GET_DATA = 0xCA
    UPDATE_BINARY = 0xD6
    PUT_DATA = 0xDA
    CREATE_FILE = 0xE0
    DELETE = 0xE4
    TERMINATE_CARD_USAGE = 0xFE


@unique
class Parameters(IntEnum):
    """P1 and P2 together, for the commands where they are fixed."""

    NONE = 0x0000
    SELECT_BY_IDENTIFIER = 0x000C
    SELECT_BY_PATH = 0x080C
    MSE_PACE = 0xC1A4
    MSE_SIGN = 0x41B6
    MSE_VERIFY = 0x81B6
    MSE_AGREE = 0x41A6
    MSE_EXTERNAL_AUTHENTICATE = 0x81A4
    PSO_COMPUTE_SIGNATURE = 0x9E9A
    PSO_VERIFY_SIGNATURE = 0x00A8
    PSO_VERIFY_CERTIFICATE = 0x00BE
    PSO_IMPORT_ROOT = 0x00AE
    INFORMATION = 0x0101
    INITIALISATION = 0x0110


P1_GENERATE: Final = 0x00
P1_READ_PUBLIC: Final = 0x01
"""P1 of GENERATE ASYMMETRIC KEY PAIR: make a new pair, or give the public key that is there. P2 is the key."""
P1_DELETE_KEY: Final = 0x20
"""P1 of DELETE: erase a key pair or a public key. P2 is the key. Ours."""


@unique
class Pin(IntEnum):
    """PIN objects, as P2 of VERIFY and CHANGE REFERENCE DATA."""

    SYSTEM = 0x03
    """GW-System-PIN, shared by gateway and module: the password of PACE. Never presented by VERIFY."""
    INTEGRATOR = 0x05
    """Integrator-PIN: the GWH's access to an assembled gateway's module."""


PACE_SYSTEM_PIN: Final = 0x03
"""DO 83 of MSE SET for PACE: the password is a PIN (TR-03110-3, B.14.1), and the module has one for it."""


@unique
class KeyRef(IntEnum):
    """Key objects, by one byte. Those of the module itself are pairs; the others are public keys of somebody else.

    The gateway's operational triple has two places, so that a renewal overlaps with what it renews: the new triple
    is generated and certified in the place that is free, and which one is in use is the gateway's to remember.
    """

    PRELIMINARY_TLS = 0x01
    PRELIMINARY_SIG = 0x02
    PRELIMINARY_ENC = 0x03
    ATTESTATION = 0x0A
    """Generated at the initialisation, for good. Signs what the module says of itself, and nothing else."""
    OPERATIONAL_A_TLS = 0x11
    OPERATIONAL_A_SIG = 0x12
    OPERATIONAL_A_ENC = 0x13
    OPERATIONAL_B_TLS = 0x21
    OPERATIONAL_B_SIG = 0x22
    OPERATIONAL_B_ENC = 0x23
    GWA_TLS = 0x41
    GWA_SIG = 0x42
    GWA_ENC = 0x43
    ROOT = 0x60
    """The SM-PKI root certificate's key: the anchor of everything imported."""
    NEXT_ROOT = 0x61
    """The following root, imported by a link certificate that the root signed."""
    SUB_CA = 0x62
    """A Sub-CA's key, imported under a root in order to import what it signed. Forgotten with the session."""


PRELIMINARY_KEYS: Final = (KeyRef.PRELIMINARY_TLS, KeyRef.PRELIMINARY_SIG, KeyRef.PRELIMINARY_ENC)
"""The vorläufige Schlüsselpaare, to be certified by the Gütesiegel certificates."""
OPERATIONAL_A_KEYS: Final = (KeyRef.OPERATIONAL_A_TLS, KeyRef.OPERATIONAL_A_SIG, KeyRef.OPERATIONAL_A_ENC)
OPERATIONAL_B_KEYS: Final = (KeyRef.OPERATIONAL_B_TLS, KeyRef.OPERATIONAL_B_SIG, KeyRef.OPERATIONAL_B_ENC)
OPERATIONAL_KEYS: Final = (*OPERATIONAL_A_KEYS, *OPERATIONAL_B_KEYS)
"""The Wirkschlüssel, to be certified by the Wirkzertifikate."""
OWN_KEYS: Final = (*PRELIMINARY_KEYS, *OPERATIONAL_KEYS)
"""Pairs that a client may have generated. The attestation key is not among them."""
GWA_KEYS: Final = (KeyRef.GWA_TLS, KeyRef.GWA_SIG, KeyRef.GWA_ENC)
ROOT_KEYS: Final = (KeyRef.ROOT, KeyRef.NEXT_ROOT)
TLS_KEYS: Final = (KeyRef.PRELIMINARY_TLS, KeyRef.OPERATIONAL_A_TLS, KeyRef.OPERATIONAL_B_TLS)
SIG_KEYS: Final = (KeyRef.PRELIMINARY_SIG, KeyRef.OPERATIONAL_A_SIG, KeyRef.OPERATIONAL_B_SIG)
ENC_KEYS: Final = (KeyRef.PRELIMINARY_ENC, KeyRef.OPERATIONAL_A_ENC, KeyRef.OPERATIONAL_B_ENC)
"""TLS and SIG keys sign (ECDSA) and agree on nothing; ENC keys agree (ECKA-EG) and sign nothing but their own
certificate request, which needs a proof of possession."""


@unique
class FileId(IntEnum):
    """Files by their two-byte identifiers: 3F00, 2F01, 2F02 of ISO/IEC 7816-4, 011C of TR-03110-3, else ours."""

    MF = 0x3F00
    EF_ATR = 0x2F01
    """Capabilities: extended length and chaining. Read-only."""
    EF_SERIAL = 0x2F02
    """DO 5A with the module's serial number, ASCII. Read-only."""
    EF_CARD_ACCESS = 0x011C
    """SecurityInfos: which PACE the module speaks. Read-only."""
    DF_GATEWAY = 0x4000
    EF_ROOT_CERTIFICATE = 0x4001
    EF_NEXT_ROOT_CERTIFICATE = 0x4002
    EF_SUB_CA_CERTIFICATE = 0x4003
    EF_PRELIMINARY_TLS_CERTIFICATE = 0x4011
    EF_PRELIMINARY_SIG_CERTIFICATE = 0x4012
    EF_PRELIMINARY_ENC_CERTIFICATE = 0x4013
    EF_OPERATIONAL_A_TLS_CERTIFICATE = 0x4021
    EF_OPERATIONAL_A_SIG_CERTIFICATE = 0x4022
    EF_OPERATIONAL_A_ENC_CERTIFICATE = 0x4023
    EF_OPERATIONAL_B_TLS_CERTIFICATE = 0x4031
    EF_OPERATIONAL_B_SIG_CERTIFICATE = 0x4032
    EF_OPERATIONAL_B_ENC_CERTIFICATE = 0x4033
    EF_GWA_TLS_CERTIFICATE = 0x4041
    EF_GWA_SIG_CERTIFICATE = 0x4042
    EF_GWA_ENC_CERTIFICATE = 0x4043
    EF_RECORD_HEAD = 0x4050
    """The head of the gateway's record: sequence, 8 bytes, then SHA-256, 32 bytes. Every attestation states it."""


FREE_FILES: Final = range(0x5000, 0x5100)
"""Identifiers that CREATE FILE takes and DELETE FILE gives back, in DF_GATEWAY."""

CERTIFICATE_BYTES: Final = 4_096
"""Size of each certificate file. A certificate (DER) begins at offset 0 and tells its own length; zeros follow."""
RECORD_HEAD_BYTES: Final = 40

CERTIFICATE_FILES: Final[dict[KeyRef, FileId]] = {
    key: FileId[f"EF_{key.name}_CERTIFICATE"] for key in KeyRef if key is not KeyRef.ATTESTATION
}
"""Where the certificate of a key is kept.

Those of ROOT, NEXT_ROOT, SUB_CA and of the GWA are written by the module when it imports them (PSO VERIFY CERTIFICATE)
and by nobody else. Those of the gateway's own keys are imported by the same command under the key of the same
reference: the module checks that the certificate carries the public key it holds there.
"""


@unique
class Algorithm(IntEnum):
    """Cryptographic mechanisms, as the value of DO 80 in MSE SET. One byte, ours. PACE goes by its OID instead."""

    ECDSA_SHA256 = 0x21
    ECDSA_SHA384 = 0x22
    ECDSA_SHA512 = 0x23
    ECKA_DH = 0x31
    """Ephemeral with ephemeral (TR-03111, 4.3.2.1): the key exchange of TLS."""
    ECKA_EG = 0x32
    """Ephemeral with static (TR-03111, 4.3.2.2): content data. With DO 84 the module's ENC key and the sender's
    ephemeral one; with DO 8A an ephemeral key of the module's and the recipient's static one."""


class Tag:
    """Data objects (ISO/IEC 7816-4, -6, -8). What a one-byte tag means depends on the command; some stand twice."""

    OBJECT_IDENTIFIER: Final = 0x06
    SERIAL_NUMBER: Final = 0x5A
    FILE_CONTROL: Final = 0x62
    FILE_SIZE: Final = 0x80
    FILE_IDENTIFIER: Final = 0x83
    DYNAMIC_AUTHENTICATION: Final = 0x7C
    MECHANISM: Final = 0x80
    PUBLIC_KEY_REFERENCE: Final = 0x83
    PRIVATE_KEY_REFERENCE: Final = 0x84
    PACE_DOMAIN: Final = 0x84
    DOMAIN: Final = 0x8A
    """Standardised domain parameter id (TR-03110-3, A.2.1.1), one byte. Ours, in MSE SET for key agreement."""
    GENERATED_DOMAIN: Final = 0x80
    """The same in GENERATE ASYMMETRIC KEY PAIR."""
    OLD_REFERENCE_DATA: Final = 0x81
    NEW_REFERENCE_DATA: Final = 0x82
    PUBLIC_POINT: Final = 0x86
    PUBLIC_KEY: Final = 0x7F49
    CERTIFICATE: Final = 0x7F21
    HASH: Final = 0x9A
    SIGNATURE_INPUT: Final = 0x9E
    BODY: Final = 0x7F4E
    SIGNATURE: Final = 0x5F37


AGREE_PEER: Final = 0x81
"""In DO 7C of GENERAL AUTHENTICATE for a key agreement: the peer's point, uncompressed.

MSE SET has chosen the key. With a static one (DO 84) ``7C {81 peer}`` is answered ``7C {84 ZAB}``. With an ephemeral
one (DO 8A) there are two ways: ``7C {81 peer}`` does all at once, answered ``7C {82 own point, 84 ZAB}``; or ``7C {}``
makes the pair, answered ``7C {82 own point}``, and ``7C {81 peer, 82 own point}`` uses it, answered ``7C {84 ZAB}``. In
between it waits, :data:`MOST_WAITING` of them at once, so that handshakes of TLS may overlap: each names its own key,
and one that does not wait any more is answered 6A88. An ephemeral key is used once, whatever comes of it, and goes with
the secure channel. ZAB is the x-coordinate (TR-03111, 4.3.1); deriving keys is the caller's.
"""
AGREE_OWN: Final = 0x82
AGREE_SECRET: Final = 0x84


@unique
class ModuleState(IntEnum):
    """Where the module is in its own life. Life-cycle status bytes after ISO/IEC 7816-4, 7.4.10; 13, 23, 33 are ours.

    ::

        CREATED -> INITIALISED -> PREPERSONALISED -> READY -> OPERATIONAL -> TERMINATED
                              \\-> INTEGRATED -----/

    A module comes to INITIALISED by PUT DATA, to TERMINATED by TERMINATE CARD USAGE (from wherever it is), and to
    the others by ACTIVATE with the state as P2, if what that state stands for is in the module.
    """

    CREATED = 0x01
    """Nothing in it. Takes an initialisation file and nothing else."""
    INITIALISED = 0x03
    """Has serial number, PINs and attestation key."""
    PREPERSONALISED = 0x13
    """Root, preliminary pairs and seal certificates (Gütesiegelzertifikate) are in it; not yet in a gateway."""
    INTEGRATED = 0x23
    """In a gateway, which has changed the system PIN; not yet pre-personalised."""
    READY = 0x33
    """Both. The GWA's public keys are imported in this state (Vorpersonalisierung II), then the operational keys and
    certificates made (Personalisierung)."""
    OPERATIONAL = 0x05
    """An operational triple with its certificates (Wirkzertifikate) is in it."""
    TERMINATED = 0x0F
    """Irreversible: keys and PINs are erased, and only information and attestation are left.

    The attestation key alone stays, so that a module can still prove that it is terminated."""


PLAIN_COMMANDS: Final = frozenset(
    {
        (Ins.SELECT, None),
        (Ins.READ_BINARY, None),
        (Ins.GET_DATA, Parameters.INFORMATION),
        (Ins.INTERNAL_AUTHENTICATE, Parameters.NONE),
        (Ins.PUT_DATA, Parameters.INITIALISATION),
        (Ins.MANAGE_SECURITY_ENVIRONMENT, Parameters.MSE_PACE),
        (Ins.GENERAL_AUTHENTICATE, Parameters.NONE),
    }
)
"""What a module answers to without secure messaging (GENERAL AUTHENTICATE for PACE alone); ``None`` for any P1P2."""

PLAIN_FILES: Final = frozenset({FileId.MF, FileId.EF_ATR, FileId.EF_SERIAL, FileId.EF_CARD_ACCESS})
"""Files that can be selected and read without secure messaging."""


def external_authentication_message(serial: str, challenge: bytes) -> bytes:
    """What the GWA signs to authenticate itself to one module (EXTERNAL AUTHENTICATE).

    The module's serial number is in it, so that a challenge carried over from another module is of no use. Ours.

    :param serial: serial number of the module, ASCII.
    :param challenge: what GET CHALLENGE gave, :data:`CHALLENGE_BYTES` bytes.
    """
    return b"SMGW security module: external authentication\x00" + serial.encode("ascii") + b"\x00" + challenge
