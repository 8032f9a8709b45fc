"""Puts the service together: one FastAPI application over one repository."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib.metadata import version

import anyio.to_thread
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from lifecycle.law import Unlawful
from lifecycle.render.svg import life_svg
from lifecycle.service import asking, cockpit, commands, queries
from lifecycle.service.core import Service
from lifecycle.service.describing import PREFIX, describe, methods_at
from lifecycle.service.live import Broker, Pace
from lifecycle.service.observed import Observed
from lifecycle.service.pages import FOLDER, problem_page
from lifecycle.service.problems import PROBLEMS, Occurrence, ProblemError, occurrence_of, problem_response
from lifecycle.service.readers import Readers
from lifecycle.service.security import STATIC, BodyLimit, SecurityHeaders, style_hashes
from lifecycle.service.sessions import Sessions
from lifecycle.service.verifying import Verifier
from lifecycle.store.errors import StoreError
from lifecycle.store.repository import Repository

WORKERS = 10
"""How many requests work on the database at once: as many as its pool has connections for, less those that verify."""


def create_app(repository: Repository, *, sign_in_by_link: bool = False, pace: Pace | None = None) -> FastAPI:
    """The service over a repository.

    :param sign_in_by_link: whether ``/?token=…`` signs in to the cockpit; for trying things out on one's own machine.
    :param pace: how often live updates look at the database.
    """
    readers = Readers(repository.engine, repository.clock)
    service = Service(
        repository=repository,
        readers=readers,
        sessions=Sessions(readers, repository.clock),
        verifier=Verifier(repository),
        live=Broker(repository, pace),
        sign_in_by_link=sign_in_by_link,
    )
    app = FastAPI(
        title="SMGW lifecycle service",
        version=version("smgw"),
        openapi_url=f"{PREFIX}/openapi.json",
        # The framework's own pages load their script from elsewhere.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
    )
    app.state.service = service
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]  # FastAPI's documented way to do it
    for router in (commands.router, queries.router, asking.router):
        app.include_router(router, prefix=PREFIX)
    app.include_router(cockpit.router)
    app.mount(STATIC.rstrip("/"), StaticFiles(directory=FOLDER / "static"), name="static")
    for kind in (ProblemError, Unlawful, StoreError, RequestValidationError, HTTPException, SQLAlchemyError):
        app.add_exception_handler(kind, _explain)
    # The last one added is the outermost.
    app.add_middleware(BodyLimit)
    app.add_middleware(Observed, failed=_failed)
    app.add_middleware(SecurityHeaders, styles=style_hashes(life_svg()))
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = WORKERS
    yield
    app.state.service.live.close()


async def _explain(request: Request, error: Exception) -> Response:
    """The answer to an error that has a name."""
    occurrence = occurrence_of(error)
    if occurrence.kind.name == "method-not-allowed":
        # The router names the methods of the first route that fits; there may be more of them at one address.
        allowed = methods_at(request.app, request.url.path)
        occurrence = replace(occurrence, headers={"Allow": ", ".join(allowed)} if allowed else occurrence.headers)
    if occurrence.kind.status == PROBLEMS["internal-error"].status:
        raise error
    return _told(request, occurrence, request.url.path)


async def _failed(request: Request, identifier: str) -> Response:
    """The answer to a defect of ours."""
    kind = PROBLEMS["internal-error"]
    return _told(request, Occurrence(kind, kind.meaning, {}, {}), f"urn:uuid:{identifier}")


def _told(request: Request, occurrence: Occurrence, instance: str) -> Response:
    wants_page = "text/html" in request.headers.get("accept", "")
    if wants_page and not request.url.path.startswith(f"{PREFIX}/"):
        return problem_page(request, occurrence, instance)
    return problem_response(occurrence, instance)
