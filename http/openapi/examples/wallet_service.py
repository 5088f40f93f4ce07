"""Examples of the wallet service: one wallet is credited, debited, and pays another."""

from collections.abc import Mapping
from typing import Any, Final

from ...amounts import decimal_number
from ...wallet_service import wire

MINE: Final = "6f1c1d9e-8f0b-4c53-9d2a-0a4f5b7c8d11"
OTHER: Final = "0d9a1f57-3c44-4a1e-8a77-5f5b7a1f2c22"
USER: Final = "9b2f1a34-6a51-4f0e-9d7c-2f4f3b1a7e90"
REFERENCE: Final = "5d0a3f1e-7c1b-5a8e-8f10-6b9f4d2c1a77"
CREATED: Final = "2026-01-31T09:30:00.000000Z"
MOVED: Final = "2026-01-31T09:45:12.345678Z"

_SCALE: Final = 2
_CREDIT = wire.TransactionAnswer(
    "1f6f0a52-3f0e-5c6b-9a57-0c1d2e3f4a5b", MINE, "CREDIT", decimal_number(10000, _SCALE), None,
    decimal_number(10000, _SCALE), "salary", CREATED,
)  # fmt: skip
_DEBIT = wire.TransactionAnswer(
    "2a7b1c63-4f1f-5d7c-8b68-1d2e3f4a5b6c", MINE, "DEBIT", decimal_number(1550, _SCALE), None,
    decimal_number(8450, _SCALE), "food", MOVED,
)  # fmt: skip
_OUT = wire.TransactionAnswer(
    "3b8c2d74-5a2a-5e8d-9c79-2e3f4a5b6c7d", MINE, "TRANSFER_OUT", decimal_number(2500, _SCALE), REFERENCE,
    decimal_number(5950, _SCALE), "rent", MOVED,
)  # fmt: skip
_IN = wire.TransactionAnswer(
    "4c9d3e85-6b3b-5f9e-8d8a-3f4a5b6c7d8e", OTHER, "TRANSFER_IN", decimal_number(2500, _SCALE), REFERENCE,
    decimal_number(2500, _SCALE), "rent", MOVED,
)  # fmt: skip

BODIES: Final[dict[Any, Any]] = {
    wire.WalletRequest: {"userId": USER},
    wire.WalletAnswer: wire.WalletAnswer(MINE, MINE, USER, decimal_number(5950, _SCALE), CREATED, MOVED),
    wire.MoneyRequest: {"walletId": MINE, "amount": 100, "category": "salary"},
    wire.TransactionAnswer: _CREDIT,
    wire.TransferRequest: {"fromWalletId": MINE, "toWalletId": OTHER, "amount": "25.00", "category": "rent"},
    wire.TransferAnswer: wire.TransferAnswer(REFERENCE, decimal_number(2500, _SCALE), _OUT, _IN),
    wire.TransactionList: wire.TransactionList([_OUT, _DEBIT, _CREDIT], 3, 1, 20, 1),
}
"""By type."""

OPERATIONS: Final[dict[str, Mapping[str, Any]]] = {
    "wallet_service_create": {"201": wire.WalletAnswer(MINE, MINE, USER, decimal_number(0, _SCALE), CREATED, CREATED)},
    "wallet_service_deduct": {
        "request": {"walletId": MINE, "amount": 15.5, "category": "food"},
        "201": _DEBIT,
    },
}
"""By operation: examples that differ from their type's."""
