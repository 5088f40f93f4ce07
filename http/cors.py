"""Cross-origin requests: off unless origins are configured, and then answered for these alone."""

from collections.abc import Collection
from typing import Final

from aiohttp import web

ALLOWED_HEADERS: Final = "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-Request-Id"
EXPOSED_HEADERS: Final = "Allow, Idempotency-Replayed, Location, Retry-After, X-Request-Id, X-Total-Count"
MAX_AGE_S: Final = 600


class Cors:
    """The answer to pages of other origins. `*` among the origins allows every one; credentials are allowed to none."""

    def __init__(self, origins: Collection[str]) -> None:
        self._origins = frozenset(origins)

    def allowed(self, request: web.BaseRequest) -> str | None:
        """The origin to allow, None for a request without one or of one that is not configured."""
        origin = request.headers.get("Origin")
        if origin is None:
            return None
        if "*" in self._origins:
            return "*"
        return origin if origin in self._origins else None

    def is_preflight(self, request: web.BaseRequest) -> bool:
        """Whether a browser asks if it may send a request."""
        return request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers

    def preflight(self, allow: str, request_id: str) -> web.Response:
        """The answer that it may, as far as the methods in `allow` go."""
        return web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": allow,
                "Access-Control-Allow-Headers": ALLOWED_HEADERS,
                "Access-Control-Max-Age": str(MAX_AGE_S),
                "X-Request-Id": request_id,
                "Server": "walletd",
            },
        )

    def mark(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Put what the browser needs to see onto an answer."""
        if response.prepared:
            return
        response.headers.add("Vary", "Origin")
        origin = self.allowed(request)
        if origin is not None:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
