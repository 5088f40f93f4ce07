"""Examples: one for every body, by its type, and others where an operation's own says more. Amounts, ids and names fit together over a dialect's operations."""

from collections.abc import Mapping
from typing import Any

import msgspec

from . import application_credits, credit_transfer, digital_wallet, internal_wallet, server, v1, wallet_service

_DIALECTS = (server, v1, digital_wallet, wallet_service, credit_transfer, application_credits, internal_wallet)


class Examples:
    """All examples. A request's is plain JSON; an answer's is an object of its type, so that the two cannot drift apart."""

    def __init__(self) -> None:
        self._bodies: dict[Any, Any] = {}
        self._operations: dict[str, Mapping[str, Any]] = {}
        for dialect in _DIALECTS:
            self._bodies |= dialect.BODIES
            self._operations |= dialect.OPERATIONS

    def requests(self, operation: str, kind: Any) -> dict[str, Any]:
        """The examples of an operation's request, by name."""
        return self._named(operation, "request", kind)

    def answers(self, operation: str, status: int, kind: Any) -> dict[str, Any]:
        """The examples of an operation's answer, by name."""
        return self._named(operation, str(status), kind)

    def _named(self, operation: str, place: str, kind: Any) -> dict[str, Any]:
        own = self._operations.get(operation, {})
        value = own[place] if place in own else self._bodies.get(kind, msgspec.UNSET)
        if value is msgspec.UNSET:
            return {}
        return {"example": {"value": msgspec.Raw(msgspec.json.encode(value))}}
