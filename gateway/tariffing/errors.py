"""What can go wrong in tariffing."""

from __future__ import annotations


class TariffingError(ValueError):
    """Root of what the rule sets and the documents about them raise."""


class ProfileError(TariffingError):
    """An evaluation profile (Auswertungsprofil) that contradicts itself or lacks what its rule set needs."""


class ReadingsError(TariffingError):
    """Readings that a rule set cannot work with."""


class DocumentError(TariffingError):
    """A document that is not AR 2418-6, or two that do not belong together.

    :ivar line: where in the document, from 1; None where no line says it.
    """

    def __init__(self, what: str, line: int | None = None) -> None:
        super().__init__(what if line is None else f"line {line}: {what}")
        self.line = line
