"""The types of the internal wallet service's bodies. They validate what comes and describe what goes."""

from typing import Any, Literal

import msgspec

from ..amounts import DecimalText, MajorUnits
from ..credits import KeyText
from ..decoding import Metadata, OpenRequest
from ..instants import Instant
from ..v1.wire import AssetName, Description, ExternalId, Name


class TransactionRequest(OpenRequest, frozen=True, kw_only=True):
    """A movement of credits between an asset's Treasury and the user's wallet. `asset_type` is the asset's code or alias.

    `idempotency_key` is required; it may be left out only where the header Idempotency-Key gives it.
    """

    user_id: ExternalId
    asset_type: AssetName
    amount: MajorUnits
    idempotency_key: KeyText | None = None
    description: Description | None = None
    metadata: Metadata | None = None


class UserRequest(OpenRequest, frozen=True, kw_only=True):
    """A new user, by the caller's own id for it."""

    user_id: ExternalId
    name: Name | None = None


class LedgerEntryAnswer(msgspec.Struct, frozen=True):
    """One side of a transaction: a DEBIT increases the account it names, a CREDIT decreases it.

    `balance_after` is null to a logged-in user where the account is not its own.
    """

    id: str
    account_id: str
    entry_type: Literal["DEBIT", "CREDIT"]
    amount: DecimalText
    balance_after: DecimalText | None


class TransactionAnswer(msgspec.Struct, frozen=True):
    """A movement as one user's: `user_id`, `asset_type_code` and `amount` are those of that user's side of it; where no user has one, `user_id` is null."""

    id: str
    transaction_type: str
    status: str
    user_id: str | None
    asset_type_code: str
    amount: DecimalText
    description: str
    metadata: dict[str, Any] | None
    idempotency_key: str | None
    created_at: Instant
    updated_at: Instant
    ledger_entries: list[LedgerEntryAnswer]


class BalanceAnswer(msgspec.Struct, frozen=True):
    """The balance of one asset. `account_id` is null as long as the user has no wallet in it."""

    asset_type: str
    balance: DecimalText
    account_id: str | None


class BalancesAnswer(msgspec.Struct, frozen=True):
    """A user's balances, in the order in which its wallets were opened."""

    user_id: str
    balances: list[BalanceAnswer]
    timestamp: Instant


class UserAnswer(msgspec.Struct, frozen=True):
    """A user in a list."""

    user_id: str
    account_count: int


class NewUserAnswer(msgspec.Struct, frozen=True):
    """A user that was made."""

    user_id: str
    name: str | None
    account_count: int
    created_at: Instant
    updated_at: Instant


class AccountAnswer(msgspec.Struct, frozen=True):
    """A user's account in one asset. `version` counts its changes."""

    id: str
    user_id: str
    asset_type_code: str
    account_type: str
    version: int
    created_at: Instant
    updated_at: Instant
