"""Examples of the digital wallet: John transfers 25.00 to Jane."""

from collections.abc import Mapping
from typing import Any, Final

from ...amounts import decimal_number
from ...digital_wallet import wire

CREATED: Final = "2026-01-31T09:30:00.000000Z"
MOVED: Final = "2026-01-31T09:45:12.345678Z"

_SCALE: Final = 2
_NOTE: Final = "Transfer to jane_smith"
_LOAD: Final = "Initial wallet load"

_JOHN = wire.Profile(1, "john_doe", "john@example.com", "+1234567890", decimal_number(7500, _SCALE), CREATED)
_NEW = wire.Profile(1, "john_doe", "john@example.com", "+1234567890", decimal_number(0, _SCALE), CREATED)
_CREDIT = wire.TransactionMade(2, 1, decimal_number(10000, _SCALE), decimal_number(10000, _SCALE), "CREDIT")
_DEBIT = wire.TransactionMade(6, 1, decimal_number(1500, _SCALE), decimal_number(6000, _SCALE), "DEBIT")

BODIES: Final[dict[Any, Any]] = {
    wire.UserRequest: {
        "username": "john_doe", "email": "john@example.com", "password": "password123", "phone_number": "+1234567890"
    },
    wire.UserChange: {"username": "john_doe", "phone_number": None},
    wire.Profile: _JOHN,
    wire.Balance: wire.Balance(1, decimal_number(7500, _SCALE), MOVED),
    wire.MoneyRequest: {"amount": 100.5, "description": _LOAD},
    wire.TransactionRequest: {"user_id": 1, "transaction_type": "CREDIT", "amount": "100.00", "description": _LOAD},
    wire.TransactionMade: _CREDIT,
    wire.TransactionList: wire.TransactionList(
        [
            wire.TransactionRow(3, "TRANSFER_OUT", decimal_number(2500, _SCALE), _NOTE, MOVED),
            wire.TransactionRow(2, "CREDIT", decimal_number(10000, _SCALE), _LOAD, CREATED),
        ],
        2,
        1,
        10,
    ),
    wire.TransactionDetail: wire.TransactionDetail(
        3, 1, "TRANSFER_OUT", decimal_number(2500, _SCALE), _NOTE, 2, 4, MOVED
    ),
    wire.TransferRequest: {"sender_user_id": 1, "recipient_user_id": 2, "amount": 25, "description": _NOTE},
    wire.TransferMade: wire.TransferMade(
        2, 3, 4, decimal_number(2500, _SCALE), decimal_number(7500, _SCALE), decimal_number(2500, _SCALE), "completed"
    ),
    wire.TransferDetail: wire.TransferDetail(2, 1, 2, decimal_number(2500, _SCALE), _NOTE, "completed", MOVED),
}  # fmt: skip
"""By type."""

OPERATIONS: Final[dict[str, Mapping[str, Any]]] = {
    "digital_wallet_user_create": {"201": _NEW},
    "digital_wallet_withdraw": {"request": {"amount": "15.00", "description": "Cash"}, "201": _DEBIT},
    "digital_wallet_add_money": {"request": {"amount": 100, "description": _LOAD}},
}
"""By operation: examples that differ from their type's."""
