"""The application: who asks, may he, and what is the answer. Every answer is JSON, every refusal says why.

Two ways to show who one is: a certificate in the TLS handshake, or HTTP Digest. Who asks too often is told to wait
(429) for as long as it takes until he may again, and for nothing else.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from gateway.han import answers
from gateway.han.consumers import Consumer, Consumers
from gateway.han.data import ConsumerData
from gateway.han.digest import DigestCheck, Nonces, NotAuthenticated, read_parameters
from gateway.han.errors import HanError
from gateway.han.queries import Method, log_request, read_body, readings_request, usage_point_request
from gateway.han.rates import Buckets, Rate
from gateway.han.requests import not_too_often, whole_body
from gateway.han.view import ConsumerView, SelfTests
from lifecycle.functions import Credential
from lifecycle.gate import Closed, Gate

PATH: Final = "/smgw/m2m"
"""Where every client begins."""

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
_REQUESTS: Final = Rate(100, 400)
_CHALLENGES: Final = Rate(50, 400)
_FAILURES: Final = Rate(1, 20)
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the interface serves. All ours; far above what made shipped boxes hang.

    :ivar requests: of one consumer.
    :ivar challenges: requests from one address without credentials that are good.
    :ivar failures: wrong credentials from one address for one user.
    :ivar connections: at once.
    :ivar connections_each: at once from one address.
    """

    requests: Rate = _REQUESTS
    challenges: Rate = _CHALLENGES
    failures: Rate = _FAILURES
    connections: int = 512
    connections_each: int = 128


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as far as it matters."""

    method: str
    target: str
    userid: str | None
    address: str
    certificate: bytes | None
    authorization: tuple[str, ...]
    body: bytes
    begun: float


class Han:
    """What stands behind the application.

    :ivar certificate: the certificate of this interface, DER.
    :ivar gate: the gate as it is now.
    :ivar clock: the time, UTC.
    """

    def __init__(
        self,
        gate: Callable[[], Gate],
        consumers: Consumers,
        data: ConsumerData,
        *,
        certificate: bytes,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        limits: Limits | None = None,
    ) -> None:
        """:param gate: the gate as it is now.
        :param consumers: who may come in.
        :param data: what they may see.
        :param clock: the time, UTC.
        :param monotonic: seconds that pass, never back.
        """
        self.certificate = certificate
        self.limits = limits or Limits()
        self.gate = gate
        self._consumers = consumers
        self._data = data
        self.clock = clock
        self._digest = DigestCheck(consumers, Nonces(monotonic))
        self._self_tests = SelfTests(data, monotonic)
        self._requests = Buckets(self.limits.requests, monotonic)
        self._challenges = Buckets(self.limits.challenges, monotonic)
        self._failures = Buckets(self.limits.failures, monotonic)

    def serve(self, asked: Asked) -> Response:
        """The answer to a request; blocks for as long as the data takes."""
        method: Method | None = None
        try:
            consumer, credential = self.who(asked)
            view = ConsumerView(consumer.userid, self.gate, self._data, self._self_tests, self.clock)
            if asked.userid is None:
                return refusal(307, "requests go there", asked.begun, {"Location": view.path(credential)})
            if asked.userid != consumer.userid:
                return refusal(403, "this address is another consumer's", asked.begun)
            method, read = read_body(asked.body)
            return answered(200, str(method), self._answer(method, read, view, credential), asked.begun)
        except NotAuthenticated as error:
            return self.challenged(refusal(401, str(error), asked.begun), error)
        except HanError as error:
            return refusal(error.status, str(error), asked.begun, error.headers, method)
        except Closed as closed:
            return refusal(403, str(closed), asked.begun, method=method)

    def challenged(self, refused: Response, error: NotAuthenticated) -> Response:
        """A 401 with what is needed to show who one is."""
        for challenge in self._digest.challenges(stale=error.stale):
            refused.headers.append("WWW-Authenticate", challenge)
        return refused

    def who(self, asked: Asked) -> tuple[Consumer, Credential]:
        """Who asks, and how he has shown it.

        :raises NotAuthenticated: if he has not.
        :raises HanError: 429 if he asks too often.
        """
        if asked.certificate is not None:
            known = self._consumers.certified(hashlib.sha256(asked.certificate).digest())
            if known is not None:
                self._take(self._requests, known.userid, "requests")
                return known, Credential.CONSUMER_CERTIFICATE
        if len(asked.authorization) > 1:
            raise HanError(400, "a request has one Authorization header at most")
        try:
            shown = read_parameters(asked.authorization[0] if asked.authorization else "")
        except NotAuthenticated:
            self._take(self._challenges, asked.address, "requests without credentials")
            raise
        key = (asked.address, shown["username"])
        not_too_often(self._failures.wait(key), "wrong credentials")
        try:
            consumer = self._digest.check(shown, asked.method, asked.target)
        except NotAuthenticated as error:
            if not error.stale:
                self._failures.take(key)
            self._take(self._challenges, asked.address, "requests without credentials")
            raise
        self._take(self._requests, consumer.userid, "requests")
        return consumer, Credential.CONSUMER_PASSWORD

    @staticmethod
    def _take(buckets: Buckets, key: str, what: str) -> None:
        not_too_often(buckets.take(key), what)

    def _answer(
        self, method: Method, read: Mapping[str, Any], view: ConsumerView, credential: Credential
    ) -> answers.Object:
        match method:
            case Method.SMGW_INFO:
                return answers.smgw_info(view.information(credential), self.certificate)
            case Method.USER_INFO:
                return answers.user_info(view.usage_points(credential))
            case Method.USAGE_POINT_INFO:
                return answers.usage_point_info(view.usage_point(credential, usage_point_request(read)))
            case Method.READINGS:
                wanted = readings_request(read)
                page = view.readings(credential, wanted)
                return answers.readings(wanted.usage_point, wanted.database, page)
            case Method.LOG:
                return answers.log(view.log(credential, log_request(read)))
            case Method.SELF_TEST:
                view.test_gateway(credential)
                return answers.self_test()


def answered(
    status: int, method: str, content: answers.Object, begun: float, headers: Mapping[str, str] | None = None
) -> Response:
    """An answer, with what every one carries.

    :param begun: when the request came, as :func:`time.perf_counter` counts.
    """
    whole = {
        "method": method,
        "version": answers.VERSION,
        "elapsed-time": str(round((time.perf_counter() - begun) * 1000)),
        **content,
    }
    return Response(orjson.dumps(whole), status, {**_HEADERS, **(headers or {})}, "application/json")


def refusal(
    status: int, reason: str, begun: float, headers: Mapping[str, str] | None = None, method: Method | None = None
) -> Response:
    """An answer that gives a reason, and nothing else."""
    return answered(status, method or "", {answers.ERROR: reason}, begun, headers)


def create_app(han: Han) -> FastAPI:
    """The application. TLS and the number of connections are the server's: see :mod:`gateway.han.interface`.

    The server puts ``peer`` (certificate, DER) and ``crowded`` (too many connections) into each request's state.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)

    async def ask(request: Request) -> Response:
        begun = time.perf_counter()
        try:
            asked = await read_request(request, begun)
        except HanError as error:
            # What is left of the request is not waited for.
            return refusal(error.status, str(error), begun, {**error.headers, "Connection": "close"})
        return await run_in_threadpool(han.serve, asked)

    app.add_api_route(PATH, ask, methods=["GET", "POST"])
    app.add_api_route(f"{PATH}/{{userid}}/json", ask, methods=["POST"])
    app.add_exception_handler(HTTPException, not_there)
    app.add_exception_handler(Exception, failed)
    return app


async def read_request(request: Request, begun: float) -> Asked:
    """The request, read whole.

    :raises HanError: if it is too large or too slow, or there are too many connections.
    """
    body = await whole_body(request)
    query = request.scope["query_string"]
    target = request.scope["raw_path"] + (b"?" + query if query else b"")
    return Asked(
        method=request.method,
        target=target.decode("latin-1"),
        userid=request.path_params.get("userid"),
        address=request.client.host if request.client else "",
        certificate=getattr(request.state, "peer", None),
        authorization=tuple(request.headers.getlist("authorization")),
        body=body,
        begun=begun,
    )


async def not_there(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  it is registered for this one
    return refusal(error.status_code, error.detail, time.perf_counter(), error.headers)


async def failed(_request: Request, error: Exception) -> Response:
    """The answer to a defect of ours. What it was is for the log."""
    _log.error("HAN request failed", error=type(error).__name__)
    return refusal(500, "the gateway could not do it", time.perf_counter())
