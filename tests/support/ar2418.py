"""The official schema of AR 2418-6, which is shared data; tests that ask for it are skipped where it is absent."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from lxml import etree

from tests.shared_data import shared_data


class _Beside(etree.Resolver):  # type: ignore[misc]  # lxml has no type hints
    """Takes what a schema imports from the folder that it is in, wherever it says that it is."""

    def resolve(self, url: str, _public_id: object, context: object) -> object:
        return self.resolve_filename(str(shared_data() / "data" / "schemas" / Path(url).name), context)


@cache
def _schema() -> Any:
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(_Beside())
    return etree.XMLSchema(etree.parse(shared_data() / "data" / "schemas" / "AR_2418-6.xsd", parser))


def assert_valid(data: bytes) -> None:
    """A document is valid by the official schema."""
    found = _schema()
    assert found.validate(etree.fromstring(data)), found.error_log
