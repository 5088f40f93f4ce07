"""The HTTP server: one listener over one engine, and the one function that every request goes through.

It stands on aiohttp's low-level server, with routing of its own, so that each answer, also one to a broken request, is a problem with a request id, and a transfer costs
little beyond its parsing. Every wait and every queue is bounded: headers, bodies, requests in flight, requests of one client, streams.
"""

import asyncio
import logging
import math
import re
import secrets
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web

from ..engine.engine import Engine
from ..engine.identity import Access
from ..engine.receipts import Receipts
from ..engine.refusals import Refusal, RefusalCode
from . import (
    application_credits,
    credit_transfer,
    digital_wallet,
    internal_wallet,
    openapi,
    probes,
    v1,
    wallet_service,
)
from .authentication import Authentication
from .call import SERVER_NAME, Call, Services
from .connection import BROKEN_BODY, Connections
from .cors import Cors
from .metrics import Metrics
from .options import ServerOptions
from .problem import RETRY_AFTER_S, V1, Dialect, HttpCode, HttpFault, problem_body, problem_of
from .rates import RateLimit, client_of
from .routes import NO_VALUES, Resource, Routes, Values

log = logging.getLogger("walletd.http")

INSTANCE_LENGTH_MAX: Final = 512
LINGERING_S: Final = 2.0
"""Time in which the rest of a refused body is read, so that its sender sees the answer instead of a reset."""

BACKLOG: Final = 1024

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)
_PATH_SAFE: Final = "/%:@!$&'()*+,;=~-._"


def all_routes() -> Routes:
    """Every resource that a server has."""
    routes = Routes()
    for part in (
        probes,
        v1,
        digital_wallet,
        wallet_service,
        credit_transfer,
        application_credits,
        internal_wallet,
        openapi,
    ):
        part.register(routes)
    return routes


class Server:
    """Serves the engine over HTTP: `start`, then `stop`. The engine is started before and stopped after, by the caller."""

    def __init__(
        self,
        engine: Engine,
        access: Access,
        options: ServerOptions,
        *,
        version: str,
        default_asset: str,
        clock: Callable[[], float] = time.monotonic,
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1_000,
        receipts: Receipts | None = None,
    ) -> None:
        self._options = options
        self.routes = all_routes()
        self._metrics = Metrics(engine, self.routes, version)
        self._cors = Cors(options.cors_origins) if options.cors_origins else None
        self._authentication = Authentication(
            access, engine, required=options.authentication, clock=clock, clock_us=clock_us
        )
        self._services = Services(
            engine,
            access,
            self._authentication,
            options,
            self._metrics,
            version=version,
            default_asset=default_asset,
            cors=self._cors,
            clock_us=clock_us,
            receipts=receipts,
        )
        self._rates = (
            RateLimit(options.rate_limit_per_s, options.rate_burst, clock) if options.rate_limit_per_s > 0 else None
        )
        self._listener: asyncio.AbstractServer | None = None
        self._connections: Connections | None = None
        self._in_flight = 0
        self._drained = asyncio.Event()
        self._request_id_prefix = secrets.token_hex(8)
        self._request_count = 0

    # -------------------------------------------------------------------------------------------------- life cycle

    async def start(self) -> tuple[str, int]:
        """Listen. Returns the address bound, which names the port when it was left to the system."""
        assert self._listener is None
        self._connections = Connections(
            self.serve,
            self.unreadable,
            access_log=None,
            keepalive_timeout=self._options.header_timeout_s,
            lingering_time=LINGERING_S,
        )
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            self._connections, self._options.host, self._options.port, backlog=BACKLOG
        )
        host, port, *_ = self._listener.sockets[0].getsockname()
        return host, port

    async def stop(self) -> None:
        """Refuse what comes from now on, answer what is in flight, end the streams, and close. Safe to call twice."""
        self._services.stopping.set()
        if self._listener is None or self._connections is None:
            return
        listener, self._listener = self._listener, None
        try:
            async with asyncio.timeout(self._options.shutdown_timeout_s):
                while self._in_flight or self._services.streams:
                    self._drained.clear()
                    await self._drained.wait()
        except TimeoutError:
            log.warning("stopped with %d requests unanswered", self._in_flight)
        listener.close()
        self._connections.pre_shutdown()
        await self._connections.shutdown(1.0)

    # ----------------------------------------------------------------------------------------------------- serving

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, whatever it is."""
        started = time.perf_counter()
        target = request.raw_path
        query = ""
        values: Values = NO_VALUES
        resource = self.routes.fixed.get(target)
        if resource is None:
            resource, values, target, query = self._resolved(request)
        request_id = request.headers.get("X-Request-Id")
        if request_id is None or _REQUEST_ID.fullmatch(request_id) is None:
            self._request_count += 1
            request_id = f"{self._request_id_prefix}-{self._request_count:x}"
        endpoint = resource.endpoints.get(request.method) if resource is not None else None
        if endpoint is None:
            unrouted = self._unrouted(request, resource, target, request_id)
            if self._cors is not None:
                self._cors.mark(request, unrouted)
            return unrouted

        call = Call(request, self._services, endpoint, endpoint.parameters(values), query, request_id)
        counted = not (endpoint.probe or endpoint.stream)
        if counted:
            self._in_flight += 1
            self._metrics.in_flight = self._in_flight
        response: web.StreamResponse | None = None
        try:
            if not endpoint.probe:
                self._admit(request)
            call.principal = self._authentication.unasked(endpoint) or await self._authentication.principal(
                request, endpoint
            )
            response = await endpoint.handler(call)
        except (Refusal, HttpFault) as fault:
            call.outcome = str(fault.code)
            response = self._fault(endpoint.dialect, fault, target, request_id)
        except ConnectionError:
            call.outcome = "disconnected"
            raise
        except BROKEN_BODY:
            call.outcome = HttpCode.MALFORMED_REQUEST
            response = self._fault(endpoint.dialect, _BAD_FRAMING, target, request_id)
        except Exception:
            call.outcome = HttpCode.INTERNAL_ERROR
            log.exception("request %s to %s %s failed", request_id, endpoint.method, endpoint.route)
            response = self._fault(endpoint.dialect, _BUG, target, request_id)
        finally:
            if counted:
                self._in_flight -= 1
                self._metrics.in_flight = self._in_flight
            if not self._in_flight:
                self._drained.set()
            seconds = time.perf_counter() - started
            endpoint.tally.count(call.outcome, seconds)
            if self._options.log_requests:
                self._log(call, target, response, seconds)
        if self._cors is not None:
            self._cors.mark(request, response)
        return response

    def _resolved(self, request: web.BaseRequest) -> tuple[Resource | None, Values, str, str]:
        """The resource that a request names, its variable segments, its path and its query."""
        target = request.raw_path
        if target[:1] != "/":  # the absolute form, as sent to a proxy, or `*`
            target = request.rel_url.raw_path_qs
        path, _, query = target.partition("#")[0].partition("?")
        if not path.isascii():
            path = quote(path.encode("utf-8", "surrogateescape"), safe=_PATH_SAFE)
        resource, values = self.routes.resolve(path)
        return resource, values, path, query

    def _admit(self, request: web.BaseRequest) -> None:
        """Let a request in, or raise what it is turned away with."""
        if self._services.stopping.is_set():
            raise Refusal(RefusalCode.STOPPING)
        if self._in_flight > self._options.in_flight_max:
            raise Refusal(RefusalCode.OVERLOADED)
        if self._rates is not None:
            wait_s = self._rates.wait_s(client_of(request.remote))
            if wait_s > 0:
                seconds = str(max(1, math.ceil(wait_s)))
                raise HttpFault(
                    HttpCode.RATE_LIMITED,
                    f"No more than {self._options.rate_limit_per_s:g} requests a second are taken from one client.",
                    headers={"Retry-After": seconds},
                )

    def _unrouted(
        self, request: web.BaseRequest, resource: Resource | None, path: str, request_id: str
    ) -> web.Response:
        """The answer where no endpoint stands."""
        if resource is None:
            fault = HttpFault(HttpCode.NOT_FOUND, "There is nothing at this path.")
        elif self._cors is not None and self._cors.is_preflight(request):
            return self._cors.preflight(resource.allow, request_id)
        else:
            detail = f"This path has no such method; it has {resource.allow}."
            fault = HttpFault(HttpCode.METHOD_NOT_ALLOWED, detail, headers={"Allow": resource.allow})
        counts = self._metrics.unrouted
        counts[fault.code] = counts.get(fault.code, 0) + 1
        return self._fault(resource.dialect if resource is not None else V1, fault, path, request_id)

    def _fault(self, dialect: Dialect, fault: Refusal | HttpFault, path: str, request_id: str) -> web.Response:
        """The problem that a fault is answered with."""
        problem = problem_of(dialect, fault, path[:INSTANCE_LENGTH_MAX], request_id)
        headers: dict[str, str] = {
            "Content-Type": "application/problem+json",
            "X-Request-Id": request_id,
            "Server": SERVER_NAME,
            "Cache-Control": "no-store",
        }
        retry_after_s = RETRY_AFTER_S.get(problem.code)
        if retry_after_s is not None:
            headers["Retry-After"] = str(retry_after_s)
        if isinstance(fault, HttpFault):
            headers.update(fault.headers)
        response = web.Response(body=problem_body(dialect, problem, fault), status=problem.status, headers=headers)
        if fault.code in _CLOSING:
            response.force_close()
        return response

    def unreadable(self, status: int, exc: BaseException | None) -> web.Response:
        """The answer to bytes that are no HTTP request, or to one that failed where no other answer could be made."""
        self._request_count += 1
        request_id = f"{self._request_id_prefix}-{self._request_count:x}"
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("request %s failed", request_id, exc_info=exc)
            fault = _BUG
        else:
            fault = HttpFault(HttpCode.MALFORMED_REQUEST, "The request is not HTTP as this server reads it.")
        counts = self._metrics.unrouted
        counts[fault.code] = counts.get(fault.code, 0) + 1
        response = self._fault(V1, fault, "/", request_id)
        response.force_close()
        return response

    def _log(self, call: Call, path: str, response: web.StreamResponse | None, seconds: float) -> None:
        fields: Mapping[str, Any] = {
            "request_id": call.request_id,
            "method": call.request.method,
            "path": path[:INSTANCE_LENGTH_MAX],
            "operation": call.endpoint.operation,
            "status": response.status if response is not None else None,
            "outcome": call.outcome,
            "duration_ms": round(seconds * 1000, 3),
            "client": call.request.remote,
        }
        log.info("request", extra=fields)


_BUG: Final = HttpFault(HttpCode.INTERNAL_ERROR, "Something went wrong inside; it was logged under this request_id.")
_BAD_FRAMING: Final = HttpFault(HttpCode.MALFORMED_REQUEST, "The body is not framed as HTTP says.")

_CLOSING: Final = frozenset(
    {HttpCode.BODY_TOO_LARGE, HttpCode.REQUEST_TIMEOUT, HttpCode.MALFORMED_REQUEST, RefusalCode.STOPPING}
)
"""Faults after which the connection ends: what follows on it may be the rest of a body."""

__all__ = ["Server", "ServerOptions"]
