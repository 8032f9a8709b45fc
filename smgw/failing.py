"""From the packages' errors to a clear word and an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from lifecycle.canonical import JournalError
from lifecycle.gate import Closed
from lifecycle.law import Unlawful
from lifecycle.parties import PartyError
from lifecycle.store.errors import StoreError

EXIT_REFUSED = 1
"""Something was asked that is refused, or a record was found broken."""
EXIT_USAGE = 2
"""The command could not do its work: wrong words, missing files, unreachable database."""


@contextmanager
def clear_errors() -> Iterator[None]:
    """Turn the packages' errors into Click's, which print without a traceback."""
    try:
        yield
    except (Unlawful, Closed) as error:
        raise _failure(str(error), EXIT_REFUSED) from error
    except (StoreError, PartyError, JournalError) as error:
        raise _failure(str(error), EXIT_USAGE) from error
    except OSError as error:
        raise _failure(f"{error.filename or 'input or output'}: {error.strerror or error}", EXIT_USAGE) from error


def _failure(message: str, code: int) -> click.ClickException:
    failure = click.ClickException(message)
    failure.exit_code = code
    return failure
