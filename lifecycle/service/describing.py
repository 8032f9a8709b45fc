"""How the API describes itself: every route with its errors, and the description as FastAPI makes it put right."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from lifecycle.service.models import Problem
from lifecycle.service.problems import MEDIA_TYPE, PROBLEMS, Occurrence

PREFIX: Final = "/api/v1"
"""Where the API is."""

READING: Final = ("credential-needed", "busy", "internal-error")
"""What can go wrong wherever somebody reads."""
READING_ONE: Final = (*READING, "unknown-gateway", "state-unreadable", "invalid-request")
"""What can go wrong wherever somebody reads of one gateway."""
COMMANDING: Final = (
    "entry-refused",
    "wrong-role",
    "state-unreadable",
    "idempotency-key-reused",
    "too-large",
    "invalid-request",
    "busy",
    "internal-error",
)
"""What can go wrong with every command."""

_DESCRIPTION: Final = """
The record of smart meter gateways' lives (BSI TR-03109-1 Anlage VIII), and the law asked over HTTP.

**Commands are signed** by the party that commands, with its key under the operations CA. The command *is* the journal
entry: canonical bytes (RFC 8785), signature and certificate; nothing else authorises it. `Idempotency-Key` makes a
repeated command act once (`201` the first time, `200` after). A refusal, any `4xx`, has changed nothing.

**Reading takes a bearer token** (RFC 6750).

**Errors are problem details** (RFC 9457). Of the law: `403` when the party's role may not do it, `409` when the
gateway's state or what is on record does not allow it now; both list every `reason` with the chapter. `403` also when a
signature, certificate or time is not believed. `409` when somebody else was first. `422` when the request is not formed
as described here.
"""


def failing(*names: str, describe: Mapping[int, str] | None = None) -> dict[int | str, dict[str, Any]]:
    """The responses of a route that can fail in these ways, for OpenAPI."""
    by_status: dict[int, list[str]] = {}
    for name in names:
        by_status.setdefault(PROBLEMS[name].status, []).append(name)
    return {
        status: {
            "description": (describe or {}).get(status) or "; ".join(PROBLEMS[name].title for name in together),
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {name: {"value": _example(name)} for name in together},
                }
            },
        }
        for status, together in sorted(by_status.items())
    }


_examples: dict[str, Any] = {}
"""Examples of good responses by their place in the description: FastAPI leaves out what is null, and null is told."""


def answering(example: Any, description: str, media_type: str = "application/json") -> dict[str, Any]:
    """A good response with its example, for OpenAPI."""
    place = f"example {len(_examples)}"
    _examples[place] = example
    return {"description": description, "content": {media_type: {"example": place}}}


def _example(name: str) -> dict[str, Any]:
    kind = PROBLEMS[name]
    members: dict[str, Any] = {}
    if name in {"unlawful", "wrong-role"}:
        members["reasons"] = [
            {
                "condition": "operational-certificates",
                "needed": "operational certificates (Wirkzertifikate: TLS, SIG, ENC) in the module",
                "found": "not on record: OPERATIONAL_CERTIFICATES_IN_MODULE",
                "chapter": "10, 11",
            }
            if name == "unlawful"
            else {"condition": "acting-role", "needed": "GWA", "found": "MSB", "chapter": "10, 11"}
        ]
    if name == "invalid-request":
        members["errors"] = [{"at": "path.gateway", "message": "String should match pattern '^E[A-Z]{3}[0-9]{10}$'"}]
    return Occurrence(kind, kind.meaning, members, {}).told(f"{PREFIX}/gateways/EXXX0012345678")


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI description, made once."""
    if app.openapi_schema is None:
        described = get_openapi(
            title=app.title, version=app.version, description=_DESCRIPTION, routes=app.routes, tags=_TAGS
        )
        schemas = described.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schemas["Problem"].pop("$defs", {}))
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)  # the framework's own form of error, which no route answers with
        for operations in described["paths"].values():
            for operation in operations.values():
                _put_examples(operation["responses"])
        app.openapi_schema = described
    return app.openapi_schema


def _put_examples(responses: Mapping[str, Any]) -> None:
    for response in responses.values():
        for content in response.get("content", {}).values():
            if content.get("example") in _examples:
                content["example"] = _examples[content["example"]]


def methods_at(app: FastAPI, path: str) -> list[str]:
    """The methods that the API has at an address; none where it has nothing there."""
    found = set()
    for template, operations in describe(app)["paths"].items():
        if re.fullmatch(re.sub(r"\\{[a-z]+\\}", "[^/]+", re.escape(template)), path):
            found |= {method.upper() for method in operations}
    return sorted(found)


_TAGS: Final = [
    {"name": "commands", "description": "What changes the record: signed by who acts."},
    {"name": "record", "description": "What is on record, and whether it holds."},
    {"name": "law", "description": "What may happen next, and what is open to whom."},
]
