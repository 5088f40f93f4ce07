"""Examples of the internal wallet service: Alice, user_001, is credited with gold and spends some."""

from collections.abc import Mapping
from typing import Any, Final

from ...internal_wallet import wire

CREATED: Final = "2026-01-31T09:30:00.000000Z"
MOVED: Final = "2026-01-31T09:45:12.345678Z"


def _made(
    number: int, kind: Any, amount: str, sides: tuple[Any, Any], balance: str, description: str
) -> wire.TransactionAnswer:
    account, treasury = sides
    return wire.TransactionAnswer(
        id=f"txn_{number}", transaction_type=kind, status="COMPLETED", user_id="user_001", asset_type_code="GOLD_COINS",
        amount=amount, description=description, metadata=None, idempotency_key=f"order-{number}", created_at=MOVED,
        updated_at=MOVED,
        ledger_entries=[
            wire.LedgerEntryAnswer(f"ent_{2 * number}", "8", account, amount, balance),
            wire.LedgerEntryAnswer(f"ent_{2 * number + 1}", "1", treasury, amount, f"-{balance}"),
        ],
    )  # fmt: skip


def _asked(number: int, amount: Any) -> dict[str, Any]:
    return {"user_id": "user_001", "asset_type": "GOLD_COINS", "amount": amount, "idempotency_key": f"order-{number}"}


_TOPUP = _made(41, "TOPUP", "50.00", ("DEBIT", "CREDIT"), "50.00", "Top-up of 50.00 GOLD_COINS")
_BONUS = _made(42, "BONUS", "50.00", ("DEBIT", "CREDIT"), "100.00", "Bonus of 50.00 GOLD_COINS")
_SPEND = _made(43, "SPEND", "30.00", ("CREDIT", "DEBIT"), "70.00", "Spend of 30.00 GOLD_COINS")

BODIES: Final[dict[Any, Any]] = {
    wire.TransactionRequest: _asked(41, 50),
    wire.TransactionAnswer: _TOPUP,
    list[wire.TransactionAnswer]: [_SPEND, _BONUS, _TOPUP],
    wire.BalancesAnswer: wire.BalancesAnswer("user_001", [wire.BalanceAnswer("GOLD_COINS", "70.00", "8")], MOVED),
    wire.UserRequest: {"user_id": "user_001", "name": "Alice"},
    wire.NewUserAnswer: wire.NewUserAnswer("user_001", "Alice", 0, CREATED, CREATED),
    list[wire.UserAnswer]: [wire.UserAnswer("user_002", 3), wire.UserAnswer("user_001", 3)],
    list[wire.AccountAnswer]: [wire.AccountAnswer("8", "user_001", "GOLD_COINS", "USER", 3, CREATED, MOVED)],
}
"""By type."""

OPERATIONS: Final[dict[str, Mapping[str, Any]]] = {
    "internal_wallet_bonus": {"request": _asked(42, "50.00"), "201": _BONUS},
    "internal_wallet_spend": {"request": _asked(43, "30.00"), "201": _SPEND},
}
"""By operation: examples that differ from their type's."""
