"""What the documented dialects have in common: statuses where they differ from the native API, the types of entries as they name them, and a guard.

Each dialect overlays its own differences (`Dialect` in problem.py); the native API needs nothing from here.
"""

from collections.abc import Awaitable, Mapping
from typing import Final, Literal

from ..engine.commands import IdempotencyKey, Move
from ..engine.outcome import Outcome
from ..engine.refusals import RefusalCode
from .call import Call
from .decoding import refuse_fields

REFUSED_AS_FORBIDDEN: Final = (
    RefusalCode.WALLET_FROZEN,
    RefusalCode.WALLET_CLOSED,
    RefusalCode.ASSET_INACTIVE,
    RefusalCode.ASSET_NOT_TRANSFERABLE,
)
REFUSED_AS_INVALID: Final = (
    RefusalCode.INVALID_REQUEST,
    RefusalCode.AMOUNT_NOT_POSITIVE,
    RefusalCode.AMOUNT_BELOW_MINIMUM,
    RefusalCode.AMOUNT_ABOVE_MAXIMUM,
    RefusalCode.BALANCE_OVERFLOW,
    RefusalCode.LEGS_UNBALANCED,
    RefusalCode.ASSET_MISMATCH,
)

STATUSES: Final[Mapping[str, int]] = {
    RefusalCode.INSUFFICIENT_BALANCE: 400,
    RefusalCode.SAME_WALLET: 400,
    RefusalCode.IDEMPOTENCY_KEY_REUSED: 409,
    **dict.fromkeys(REFUSED_AS_FORBIDDEN, 403),
}
"""The statuses of the dialects that answer a bad field with 422."""

STATUSES_INVALID_400: Final[Mapping[str, int]] = {**STATUSES, **dict.fromkeys(REFUSED_AS_INVALID, 400)}
"""The statuses of the dialects that answer a bad field with 400."""

TypeName = Literal["CREDIT", "DEBIT", "TRANSFER_IN", "TRANSFER_OUT"]

TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "CREDIT": ("credit", "topup", "bonus", "transaction_in"),
    "DEBIT": ("debit", "spend", "transaction_out"),
    "TRANSFER_IN": ("transfer_in",),
    "TRANSFER_OUT": ("transfer_out",),
}
"""A type as these dialects name it → the types of a user's entries that it stands for."""


def type_name(entry_type: str, amount: int) -> TypeName:
    """The name of an entry's type: a transfer's side, and of anything else its direction."""
    if entry_type == "transfer_in":
        return "TRANSFER_IN"
    if entry_type == "transfer_out":
        return "TRANSFER_OUT"
    return "CREDIT" if amount > 0 else "DEBIT"


def moved(call: Call, move: Move, key: IdempotencyKey | None) -> Awaitable[Outcome]:
    """Do a movement. Raises Refusal.

    Queries are ignored here, but for one that asks for a dry run: taking it for a real payment would be the worst answer.
    """
    if call.query_text and call.query(("dry_run",), others=True):
        raise refuse_fields([("/dry_run", "is a parameter of /v1 only")])
    return call.engine.execute(move, key=key)
