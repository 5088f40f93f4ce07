"""Examples of the application credits: Alice tops up gold, is given some, and spends."""

from collections.abc import Mapping
from typing import Any, Final

from ...application_credits import wire


def _made(number: int, balance: str, kind: Any, amount: str) -> wire.MovementAnswer:
    return wire.MovementAnswer(number, balance, kind, "user_alice", 1, amount, f"order-{number}")


def _asked(number: int, amount: Any) -> dict[str, Any]:
    return {"amount": amount, "asset_type_id": 1, "idempotency_key": f"order-{number}"}


BODIES: Final[dict[Any, Any]] = {
    wire.BalanceAnswer: wire.BalanceAnswer("70.00", 8, 1, "user_alice", "GOLD"),
    wire.MovementRequest: _asked(31, 50),
    wire.MovementAnswer: _made(31, "50.00", "TOPUP", "50.00"),
}
"""By type."""

OPERATIONS: Final[dict[str, Mapping[str, Any]]] = {
    "application_credits_bonus": {"request": _asked(32, "50.00"), "200": _made(32, "100.00", "BONUS", "50.00")},
    "application_credits_spend": {"request": _asked(33, 30.0), "200": _made(33, "70.00", "SPEND", "30.00")},
}
"""By operation: examples that differ from their type's."""
