"""Probes: what an orchestrator, a load balancer and an operator ask of the server itself, and the pages of the problem codes."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from aiohttp import web

from ..engine.identity import Scope
from ..engine.refusals import RefusalCode
from . import metrics
from .call import Call
from .contract import HTML, Answer, Contract, Parameter
from .instants import Instant, rfc3339
from .problem import ADVICE, PAGE_HEADERS, HttpCode, HttpFault, page
from .routes import Routes

TAG: Final = "server"

Reason = Annotated[str, msgspec.Meta(description="Why no writes are taken: the state of the engine.")]


class AliveAnswer(msgspec.Struct, frozen=True):
    """The process answers."""

    status: Literal["alive"]


class ReadyAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether requests should be sent here; `reason` says why not."""

    status: Literal["ready", "not_ready"]
    reason: Reason | None = None


class HealthAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether writes are taken; `reason` says why not."""

    status: Literal["healthy", "unhealthy"]
    timestamp: Instant
    version: str
    reason: Reason | None = None


class VersionAnswer(msgspec.Struct, frozen=True):
    """What runs here."""

    name: str
    version: str


def _contract(answers: Mapping[int, Any], **more: Any) -> Contract:
    return Contract(answers=answers, tag=TAG, **more)


_LIVE: Final = _contract({200: AliveAnswer})
_READY: Final = _contract({200: ReadyAnswer, 503: Answer(body=ReadyAnswer, description="Not ready.")})
_HEALTH: Final = _contract({200: HealthAnswer, 503: Answer(body=HealthAnswer, description="No writes are taken.")})
_VERSION: Final = _contract({200: VersionAnswer})
_METRICS: Final = _contract(
    {200: Answer(body=str, description="Metrics in Prometheus' text form.", media_type=metrics.CONTENT_TYPE)},
    refuses=(HttpCode.RATE_LIMITED, RefusalCode.OVERLOADED),
)
_PAGE: Final = _contract(
    {200: Answer(body=str, description="A page for people.", media_type=HTML)},
    parameters=(
        Parameter(
            name="code",
            kind=Literal[tuple(sorted(map(str, ADVICE)))],
            description="The code of a problem.",
            example="insufficient_balance",
            place="path",
        ),
    ),
    refuses=(HttpCode.NOT_FOUND,),
)


def register(routes: Routes) -> None:
    """Add the probes and the problem pages."""
    routes.add("GET", "/livez", "livez", livez, probe=True, public=True, no_store=True, contract=_LIVE)
    routes.add("GET", "/readyz", "readyz", readyz, probe=True, public=True, no_store=True, contract=_READY)
    routes.add("GET", "/health", "health", health, probe=True, public=True, no_store=True, contract=_HEALTH)
    routes.add("GET", "/version", "version", version, probe=True, public=True, contract=_VERSION)
    routes.add("GET", "/metrics", "metrics", scrape, probe=True, no_store=True, contract=_METRICS)
    routes.add("GET", "/problems/{code}", "problem_page", problem_page, public=True, contract=_PAGE)


def unready_reason(call: Call) -> str | None:
    """Why the server takes no writes now; None when it does."""
    if call.services.stopping.is_set():
        return "stopping"
    state = str(call.engine.state)
    return None if state == "running" else state


async def livez(call: Call) -> web.StreamResponse:
    """The process answers."""
    return call.answer(AliveAnswer("alive"))


async def readyz(call: Call) -> web.StreamResponse:
    """Whether requests should be sent here."""
    reason = unready_reason(call)
    if reason is None:
        return call.answer(ReadyAnswer("ready"))
    return call.answer(ReadyAnswer("not_ready", reason), 503)


async def health(call: Call) -> web.StreamResponse:
    """Whether writes are taken, with the time and the version."""
    reason = unready_reason(call)
    status: Literal["healthy", "unhealthy"] = "healthy" if reason is None else "unhealthy"
    answer = HealthAnswer(status, rfc3339(call.services.clock_us()), call.services.version, reason)
    return call.answer(answer, 200 if reason is None else 503)


async def version(call: Call) -> web.StreamResponse:
    """What runs here."""
    return call.answer(VersionAnswer("walletd", call.services.version))


async def scrape(call: Call) -> web.StreamResponse:
    """The metrics."""
    call.principal.require(Scope.READ)
    return call.page(
        call.services.metrics.rendered(), {"Content-Type": metrics.CONTENT_TYPE, "Cache-Control": "no-store"}
    )


async def problem_page(call: Call) -> web.StreamResponse:
    """What a problem's `type` points to."""
    body = page(call.parameters["code"])
    if body is None:
        raise HttpFault(HttpCode.NOT_FOUND, "There is no such problem code.")
    return call.page(body, PAGE_HEADERS)
