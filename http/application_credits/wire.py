"""The types of the application credits' bodies. They validate what comes and describe what goes."""

import msgspec

from ..amounts import DecimalText, MajorUnits
from ..credits import KeyText
from ..decoding import OpenRequest


class MovementRequest(OpenRequest, frozen=True, kw_only=True):
    """A movement of credits between an asset's Treasury and the user's wallet. `asset_type_id` is the asset's id."""

    amount: MajorUnits
    asset_type_id: int
    idempotency_key: KeyText | None = None


class BalanceAnswer(msgspec.Struct, frozen=True):
    """A user's balance in an asset. `account_id` is null, and the balance zero, as long as the user has no wallet in it; `asset_type` is the asset's code."""

    balance: DecimalText
    account_id: int | None
    asset_type_id: int
    external_user_id: str
    asset_type: str


class MovementAnswer(msgspec.Struct, frozen=True):
    """A movement that was done. When its key comes again, `new_balance` is the balance as it is by then."""

    transaction_id: int
    new_balance: DecimalText
    transaction_type: str
    external_user_id: str
    asset_type_id: int
    amount: DecimalText
    idempotency_key: str | None
