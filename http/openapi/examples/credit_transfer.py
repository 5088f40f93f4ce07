"""Examples of the credit transfer: John logs in and sends 25.00 to Jane."""

from collections.abc import Mapping
from typing import Any, Final

from ...credit_transfer import login, wire

MOVED: Final = "2026-01-31T09:45:12.345678Z"

BODIES: Final[dict[Any, Any]] = {
    login.LoginRequest: {"username": "john_doe", "password": "password123"},
    login.LoginAnswer: login.LoginAnswer(
        "wlt_s4KpZ0mJx1vQ8dT2bN6yR3uF7aHc5eLw9gXiOkSjVtM", 1, "2026-02-01T09:45:12.345678Z"
    ),
    wire.TransferRequest: {"receiver_id": 2, "amount": "25.00"},
    wire.TransferMade: wire.TransferMade(
        message="Transfer completed.",
        transaction_id=3,
        sender_id=1,
        receiver_id=2,
        amount="25.00",
        sender_balance="75.00",
        status="completed",
        receipt_url="/api/wallet/receipts/3/",
        timestamp=MOVED,
    ),
    wire.Balance: wire.Balance(1, "john_doe", "75.00"),
    wire.ReceiptPending: wire.ReceiptPending(3, "pending", "The receipt is being made."),
}
"""By type."""

OPERATIONS: Final[dict[str, Mapping[str, Any]]] = {}
"""By operation: examples that differ from their type's."""
