"""Why a request is not answered: one error, with a status that programs know and a reason for people."""

from __future__ import annotations

from collections.abc import Mapping


class HanError(Exception):
    """A request that is refused.

    :ivar status: of HTTP.
    :ivar headers: what goes with it.
    """

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers or {}
