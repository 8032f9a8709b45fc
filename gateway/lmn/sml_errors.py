"""What can be wrong with SML bytes: a small tree of errors, so that a caller catches :class:`SmlError` and no more.

The decoder of a stream (:class:`gateway.lmn.sml.Decoder`) raises none of them: it turns them into the reason of a
frame or of a skipped range. They surface where a caller decodes or builds a single piece.
"""

from __future__ import annotations


class SmlError(ValueError):
    """Anything that is wrong with SML bytes or with a request to build some."""


class SmlSyntaxError(SmlError):
    """The bytes are no SML elements: a bad TL field, a truncated element, lists nested too deeply."""

    def __init__(self, what: str, position: int) -> None:
        """:param position: offset in the bytes given to the decoder, so that a person finds the place in a dump."""
        super().__init__(f"{what} (byte {position})")
        self.what = what
        self.position = position


class SmlStructureError(SmlError):
    """The elements are well-formed, but not those of the message they claim to be."""


class SmlCrcError(SmlError):
    """A checksum (Prüfsumme) over a message does not hold."""


class SmlEncodeError(SmlError):
    """A value cannot be put on the wire in the form asked for, or a frame without messages was to be encoded."""
