"""Who may do what, in which state: one table, asked before a command does anything (Zugriffsregeln).

The table is ours. It follows what Anlage VIII of BSI TR-03109-1 (chapters 4, 6, 10, 11) lets the manufacturer (GWH) and
the administrator (GWA) do, and denies everything else. Secure messaging after PACE shows that a command comes from the
gateway, or before the integration from whoever knows the transport PIN; the Integrator-PIN that the GWH is behind it;
an external authentication that the GWA is.

What is never allowed in a state is answered 6985, what lacks an authentication 6982.
"""

from __future__ import annotations

from enum import Enum, unique
from typing import Final

from securitymodule.coding import ModuleState


@unique
class Access(Enum):
    """What an operation takes."""

    NEVER = "-"
    ALWAYS = "*"
    CHANNEL = "c"
    """Secure messaging."""
    INTEGRATOR = "i"
    """Secure messaging, and the Integrator-PIN in this session."""
    ADMINISTRATOR = "a"
    """Secure messaging, and the GWA's authentication in this session."""
    HANDOVER = "h"
    """As INTEGRATOR until all public keys of the GWA are in the module, as ADMINISTRATOR from then on."""
    UNTIL_HANDOVER = "u"
    """As CHANNEL until all public keys of the GWA are in the module, as NEVER from then on."""


@unique
class Operation(Enum):
    """What a command can come to; one command may be several, by the file or key it is about."""

    INFORM = "tell what anybody may know"
    ATTEST = "sign what is in the module"
    INITIALISE = "take an initialisation file"
    SELECT_PLAIN = "select a file that is open to all"
    READ_PLAIN = "read a file that is open to all"
    SELECT = "select another file"
    READ = "read another file"
    WRITE_HEAD = "write the head of the record"
    WRITE_FREE = "write a file that CREATE FILE made"
    WRITE_FIXED = "write any other file"
    CREATE_FILE = "create a file"
    DELETE_FILE = "delete a file"
    PACE = "establish secure messaging"
    ASK_TRIES = "ask how many tries a PIN has left"
    VERIFY_SYSTEM_PIN = "present the system PIN outside PACE"
    VERIFY_INTEGRATOR_PIN = "present the Integrator-PIN"
    CHANGE_SYSTEM_PIN = "change the system PIN"
    CHANGE_INTEGRATOR_PIN = "change the Integrator-PIN"
    GET_CHALLENGE = "draw random numbers"
    USE_KEYS = "sign, verify, agree, read public keys"
    AUTHENTICATE_ADMINISTRATOR = "authenticate as the GWA"
    IMPORT_ROOT = "import the root certificate"
    IMPORT_NEXT_ROOT = "import the following root"
    IMPORT_SUB_CA = "import a Sub-CA's certificate, for the session"
    IMPORT_GWA = "import a public key of the GWA"
    GENERATE_PRELIMINARY = "generate a preliminary key pair"
    CERTIFY_PRELIMINARY = "import a seal certificate"
    DELETE_PRELIMINARY = "erase a preliminary key pair"
    GENERATE_OPERATIONAL = "generate an operational key pair"
    CERTIFY_OPERATIONAL = "import an operational certificate"
    DELETE_OPERATIONAL = "erase an operational key pair"
    DELETE_NEXT_ROOT = "forget the following root"
    DELETE_PUBLIC = "forget any other public key"
    ACTIVATE_PREPERSONALISED = "become pre-personalised"
    ACTIVATE_INTEGRATED = "become integrated"
    ACTIVATE_READY = "become ready for the administrator"
    ACTIVATE_OPERATIONAL = "become operational"
    TERMINATE = "erase keys and PINs and end"


STATES: Final = (
    ModuleState.CREATED,
    ModuleState.INITIALISED,
    ModuleState.PREPERSONALISED,
    ModuleState.INTEGRATED,
    ModuleState.READY,
    ModuleState.OPERATIONAL,
    ModuleState.TERMINATED,
)
"""The columns of the table below."""

_TABLE: Final = {
    Operation.INFORM: "* * * * * * *",
    Operation.ATTEST: "- * * * * * *",
    Operation.INITIALISE: "* - - - - - -",
    Operation.SELECT_PLAIN: "* * * * * * *",
    Operation.READ_PLAIN: "* * * * * * -",
    Operation.SELECT: "- c c c c c -",
    Operation.READ: "- c c c c c -",
    Operation.WRITE_HEAD: "- - - c c c -",
    Operation.WRITE_FREE: "- - - c c c -",
    Operation.WRITE_FIXED: "- - - - - - -",
    Operation.CREATE_FILE: "- - - c c c -",
    Operation.DELETE_FILE: "- - - c c c -",
    Operation.PACE: "- * * * * * -",
    Operation.ASK_TRIES: "- c c c c c -",
    Operation.VERIFY_SYSTEM_PIN: "- - - - - - -",
    Operation.VERIFY_INTEGRATOR_PIN: "- c c c u - -",
    Operation.CHANGE_SYSTEM_PIN: "- c c c c c -",
    Operation.CHANGE_INTEGRATOR_PIN: "- c c c u - -",
    Operation.GET_CHALLENGE: "- c c c c c -",
    Operation.USE_KEYS: "- c c c c c -",
    Operation.AUTHENTICATE_ADMINISTRATOR: "- - - - c c -",
    Operation.IMPORT_ROOT: "- c - i - - -",
    Operation.IMPORT_NEXT_ROOT: "- - - - a a -",
    Operation.IMPORT_SUB_CA: "- c c c c c -",
    Operation.IMPORT_GWA: "- - - - h a -",
    Operation.GENERATE_PRELIMINARY: "- c - i - - -",
    Operation.CERTIFY_PRELIMINARY: "- c - i - - -",
    Operation.DELETE_PRELIMINARY: "- c - i - a -",
    Operation.GENERATE_OPERATIONAL: "- - - - a a -",
    Operation.CERTIFY_OPERATIONAL: "- - - - a a -",
    Operation.DELETE_OPERATIONAL: "- - - - a a -",
    Operation.DELETE_NEXT_ROOT: "- - - - a a -",
    Operation.DELETE_PUBLIC: "- - - - - - -",
    Operation.ACTIVATE_PREPERSONALISED: "- c - - - - -",
    Operation.ACTIVATE_INTEGRATED: "- c - - - - -",
    Operation.ACTIVATE_READY: "- - c i - - -",
    Operation.ACTIVATE_OPERATIONAL: "- - - - a - -",
    Operation.TERMINATE: "- c c i h a -",
}

RULES: Final[dict[tuple[Operation, ModuleState], Access]] = {
    (operation, state): Access(letter)
    for operation, row in _TABLE.items()
    for state, letter in zip(STATES, row.split(), strict=True)
}
"""What each operation takes in each state."""


def access_to(operation: Operation, state: ModuleState, *, handed_over: bool) -> Access:
    """What an operation takes: NEVER, ALWAYS, CHANNEL, INTEGRATOR or ADMINISTRATOR.

    :param handed_over: whether all public keys of the GWA are in the module.
    """
    rule = RULES[operation, state]
    if rule is Access.HANDOVER:
        return Access.ADMINISTRATOR if handed_over else Access.INTEGRATOR
    if rule is Access.UNTIL_HANDOVER:
        return Access.NEVER if handed_over else Access.CHANNEL
    return rule
