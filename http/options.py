"""What a deployment may choose about the HTTP server."""

import msgspec


class ServerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the server listens and what it bounds. Times are seconds; a `rate_limit_per_s` of 0 is no limit."""

    host: str = "127.0.0.1"
    port: int = 8080
    body_bytes_max: int = 8 * 2**20
    header_timeout_s: float = 60.0
    """For the head of a request to arrive, and for a kept connection to stay idle."""
    body_timeout_s: float = 15.0
    in_flight_max: int = 4_096
    rate_limit_per_s: float = 0.0
    rate_burst: int = 100
    authentication: bool = False
    """Whether requests must show who makes them."""
    login_life_s: int = 12 * 3600
    public_url: str = ""
    """What links to this server begin with, without a slash at the end; empty leaves them relative."""
    cors_origins: tuple[str, ...] = ()
    log_requests: bool = False
    shutdown_timeout_s: float = 30.0
    streams_max: int = 64
    heartbeat_s: float = 15.0
    """Silence of an event stream after which a comment is sent."""
