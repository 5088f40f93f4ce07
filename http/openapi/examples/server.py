"""Examples of the server's own answers."""

from collections.abc import Mapping
from typing import Any, Final

from ...probes import AliveAnswer, HealthAnswer, ReadyAnswer, VersionAnswer

BODIES: Final[dict[Any, Any]] = {
    AliveAnswer: AliveAnswer("alive"),
    ReadyAnswer: ReadyAnswer("ready"),
    HealthAnswer: HealthAnswer("healthy", "2026-01-31T09:30:00.000000Z", "0.1.0"),
    VersionAnswer: VersionAnswer("walletd", "0.1.0"),
}

OPERATIONS: Final[dict[str, Mapping[str, Any]]] = {
    "readyz": {"503": ReadyAnswer("not_ready", "read_only")},
    "health": {"503": HealthAnswer("unhealthy", "2026-01-31T09:30:00.000000Z", "0.1.0", "read_only")},
    "openapi": {"200": {"openapi": "3.1.0", "info": {"title": "walletd", "version": "0.1.0"}, "paths": {}}},
}
