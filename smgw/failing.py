"""From the packages' errors to a clear word and an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from gateway.configuration import ConfigurationError
from gateway.evidence import EvidenceError
from gateway.local_coding import LocalError
from gateway.module import DeviceError
from gateway.pki.keys import CertificateRefused
from gateway.tariffing.errors import TariffingError
from lifecycle.canonical import JournalError
from lifecycle.gate import Closed
from lifecycle.law import Unlawful
from lifecycle.parties import PartyError
from lifecycle.store.errors import StoreError
from securitymodule.errors import CommandRefused, ModuleError, PaceError
from securitymodule.statements import StatementError
from smpki.errors import MessageSignatureError, SmPkiError
from smpki.messages import Refused
from smpki.path_errors import PathInvalid


class RefusedFailure(click.ClickException):
    """Something was asked that is refused, or a record was found broken."""

    exit_code = 1


class UsageFailure(click.ClickException):
    """The command could not do its work: wrong words, missing files, unreachable database."""

    exit_code = 2


@contextmanager
def clear_errors() -> Iterator[None]:
    """Turn the packages' errors into Click's, which print without a traceback."""
    try:
        yield
    except Refused as error:
        raise RefusedFailure(f"{error} ({error.code})") from error
    except (Unlawful, Closed, CommandRefused, PaceError, PathInvalid, MessageSignatureError) as error:
        raise RefusedFailure(str(error)) from error
    except (ConfigurationError, CertificateRefused, DeviceError, EvidenceError, LocalError) as error:
        raise RefusedFailure(str(error)) from error
    except (StoreError, PartyError, JournalError, ModuleError, StatementError, SmPkiError, TariffingError) as error:
        raise UsageFailure(str(error)) from error
    except OSError as error:
        raise UsageFailure(f"{error.filename or 'input or output'}: {error.strerror or error}") from error
