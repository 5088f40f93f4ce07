"""Examples of the native API: Ann pays Bob 25.00 dollars out of 100.00."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ...problem import V1
from ...v1 import wire
from ..problems import example as problem_example

ANN: Final = "6f1c1d9e-8f0b-4c53-9d2a-0a4f5b7c8d11"
BOB: Final = "0d9a1f57-3c44-4a1e-8a77-5f5b7a1f2c22"
TREASURY: Final = "a3b8d1b6-0b3b-4b1a-9c1a-1a2b3c4d5e6f"
CREATED: Final = "2026-01-31T09:30:00.000000Z"
MOVED: Final = "2026-01-31T09:45:12.345678Z"

_USER = wire.UserAnswer(1, "customer-1001", "ann", "ann@example.com", "+15550100", "Ann Example", CREATED, CREATED)
_ASSET = wire.AssetAnswer(840, "USD", (), "US Dollar", 2, True, "1", "1000000000000000", True, TREASURY, CREATED)
_WALLET = wire.WalletAnswer(ANN, 1, "customer-1001", "USD", 2, "7500", "0", "7500", 2, "active", CREATED, MOVED)
_LEGS = (
    wire.LegAnswer(ANN, "-2500", "USD", 2, "7500", "ent_23"),
    wire.LegAnswer(BOB, "2500", "USD", 2, "2500", "ent_24"),
)
_TRANSFER = wire.TransferAnswer(
    "tfr_12", "txn_12", ANN, BOB, "2500", "USD", 2, _LEGS, "completed", "transfer", "Lunch", "food", "order-1001", {"table": 7}, 17, MOVED
)  # fmt: skip
_TRIED = wire.TransferAnswer(
    None, None, ANN, BOB, "2500", "USD", 2, tuple(msgspec.structs.replace(leg, entry_id=None) for leg in _LEGS),
    "completed", "transfer", "Lunch", "food", "order-1001", {"table": 7}, None, MOVED,
)  # fmt: skip
_TRANSACTION = wire.TransactionAnswer(
    "txn_12", "transaction", _LEGS, "completed", "Lunch", None, "order-1001", None, 17, MOVED
)
_ENTRY = wire.EntryAnswer(
    "ent_23", "txn_12", ANN, "transfer_out", "-2500", "USD", 2, "7500", "Lunch", "food", "order-1001", {"table": 7}, 17, MOVED
)  # fmt: skip
_EVENT = wire.EventAnswer(
    "evt_17",
    17,
    "moved",
    MOVED,
    transactions=(wire.EventTransaction("txn_12", "transfer", _LEGS, "Lunch", "food", "order-1001", {"table": 7}),),
)
_PAYMENT: Final[dict[str, Any]] = {
    "source": ANN, "destination": BOB, "amount": 2500, "description": "Lunch", "category": "food", "reference": "order-1001", "metadata": {"table": 7}
}  # fmt: skip
_REFUSED = msgspec.json.decode(problem_example(V1, "insufficient_balance", "/v1/transfers/batch#/transfers/1"))

BODIES: Final[dict[Any, Any]] = {
    wire.UserRequest: {"external_id": "customer-1001", "username": "ann", "email": "ann@example.com", "phone_number": "+15550100", "name": "Ann Example"},
    wire.UserPatch: {"phone_number": None, "name": "Ann B. Example"},
    wire.UserAnswer: _USER,
    wire.UserList: wire.UserList([_USER], None),
    wire.AssetRequest: {"code": "USD"},
    wire.AssetAnswer: _ASSET,
    wire.AssetList: wire.AssetList([_ASSET], None),
    wire.WalletRequest: {"user_id": 1, "asset": "USD"},
    wire.WalletAnswer: _WALLET,
    wire.WalletList: wire.WalletList([_WALLET], None),
    wire.FreezeRequest: {"reason": "Reported as lost.", "debits": True, "credits": False},
    wire.EmptyRequest: {},
    wire.EntryList: wire.EntryList([_ENTRY], "WyI3YzIwZTFiMGNmM2QwZmE1IiwyM10"),
    wire.TransferRequest: _PAYMENT,
    wire.TransferAnswer: _TRANSFER,
    wire.TransactionRequest: {
        "legs": [{"wallet_id": ANN, "amount": -2500}, {"wallet_id": BOB, "amount": "2500"}],
        "description": "Lunch",
        "reference": "order-1001",
    },
    wire.TransactionAnswer: _TRANSACTION,
    wire.BatchRequest: {"transfers": [_PAYMENT, {"source": ANN, "destination": BOB, "amount": "10000"}], "atomic": False},
    wire.BatchAnswer: {"results": [{"status": 201, "transfer": _TRANSFER}, {"status": 422, "problem": _REFUSED}]},
    wire.EventList: wire.EventList([_EVENT], None),
}  # fmt: skip
"""By type."""

OPERATIONS: Final[dict[str, Mapping[str, Any]]] = {
    "user_create": {"200": msgspec.structs.replace(_USER, id=None)},
    "user_update": {"200": msgspec.structs.replace(_USER, phone_number=None, name="Ann B. Example", updated_at=MOVED)},
    "asset_create": {"200": msgspec.structs.replace(_ASSET, treasury_wallet_id=None)},
    "wallet_open": {
        "201": msgspec.structs.replace(_WALLET, posted="0", available="0", version=0, updated_at=CREATED),
        "200": msgspec.structs.replace(_WALLET, id=None, posted="0", available="0", version=0, updated_at=CREATED),
    },
    "wallet_freeze": {"200": msgspec.structs.replace(_WALLET, status="frozen")},
    "wallet_close": {"200": msgspec.structs.replace(_WALLET, posted="0", available="0", version=4, status="closed")},
    "transfer_create": {"200": _TRIED},
    "transaction_create": {
        "200": msgspec.structs.replace(
            _TRANSACTION,
            id=None,
            sequence=None,
            legs=tuple(msgspec.structs.replace(leg, entry_id=None) for leg in _LEGS),
        )
    },
}
"""By operation: examples that differ from their type's."""
