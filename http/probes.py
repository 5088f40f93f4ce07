"""Probes: what an orchestrator, a load balancer and an operator ask of the server itself, and the pages of the problem codes."""

from aiohttp import web

from . import metrics
from .call import Call
from .instants import rfc3339
from .problem import PAGE_HEADERS, HttpCode, HttpFault, page
from .routes import Routes


def register(routes: Routes) -> None:
    """Add the probes and the problem pages."""
    routes.add("GET", "/livez", "livez", livez, probe=True, no_store=True)
    routes.add("GET", "/readyz", "readyz", readyz, probe=True, no_store=True)
    routes.add("GET", "/health", "health", health, probe=True, no_store=True)
    routes.add("GET", "/version", "version", version, probe=True)
    routes.add("GET", "/metrics", "metrics", scrape, probe=True, no_store=True)
    routes.add("GET", "/problems/{code}", "problem_page", problem_page)


def unready_reason(call: Call) -> str | None:
    """Why the server takes no writes now; None when it does."""
    if call.services.stopping.is_set():
        return "stopping"
    state = str(call.engine.state)
    return None if state == "running" else state


async def livez(call: Call) -> web.StreamResponse:
    """The process answers."""
    return call.answer({"status": "alive"})


async def readyz(call: Call) -> web.StreamResponse:
    """Whether requests should be sent here."""
    reason = unready_reason(call)
    if reason is None:
        return call.answer({"status": "ready"})
    return call.answer({"status": "not_ready", "reason": reason}, 503)


async def health(call: Call) -> web.StreamResponse:
    """Whether writes are taken, with the time and the version."""
    reason = unready_reason(call)
    body = {
        "status": "healthy" if reason is None else "unhealthy",
        "timestamp": rfc3339(call.services.clock_us()),
        "version": call.services.version,
    }
    return call.answer(body) if reason is None else call.answer({**body, "reason": reason}, 503)


async def version(call: Call) -> web.StreamResponse:
    """What runs here."""
    return call.answer({"name": "walletd", "version": call.services.version})


async def scrape(call: Call) -> web.StreamResponse:
    """The metrics."""
    return call.page(
        call.services.metrics.rendered(), {"Content-Type": metrics.CONTENT_TYPE, "Cache-Control": "no-store"}
    )


async def problem_page(call: Call) -> web.StreamResponse:
    """What a problem's `type` points to."""
    body = page(call.parameters["code"])
    if body is None:
        raise HttpFault(HttpCode.NOT_FOUND, "There is no such problem code.")
    return call.page(body, PAGE_HEADERS)
