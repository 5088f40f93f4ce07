"""The types of the wallet service's bodies. They validate what comes and describe what goes."""

from typing import Annotated, Final

import msgspec

from ...engine.limits import CATEGORY_LENGTH_MAX
from ..amounts import DecimalNumber, MajorUnits
from ..decoding import OpenRequest
from ..dialects import TypeName
from ..instants import Instant
from ..v1.wire import ExternalId

UUID_PATTERN: Final = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z"

WalletId = Annotated[str, msgspec.Meta(pattern=UUID_PATTERN, description="A wallet's id: a UUID.")]
Category = Annotated[str, msgspec.Meta(max_length=CATEGORY_LENGTH_MAX)]


class WalletRequest(OpenRequest, frozen=True, kw_only=True, rename="camel"):
    """A new wallet, for the caller's own id of its user."""

    user_id: ExternalId


class MoneyRequest(OpenRequest, frozen=True, kw_only=True, rename="camel"):
    """Money that comes into a wallet from outside, or goes out."""

    wallet_id: WalletId
    amount: MajorUnits
    category: Category | None = None


class TransferRequest(OpenRequest, frozen=True, kw_only=True, rename="camel"):
    """Money from one wallet to another of the same asset."""

    from_wallet_id: WalletId
    to_wallet_id: WalletId
    amount: MajorUnits
    category: Category | None = None


class WalletAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """A wallet. `id` and `walletId` are the same."""

    id: str
    wallet_id: str
    user_id: str
    balance: DecimalNumber
    created_at: Instant
    updated_at: Instant


class TransactionAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """One wallet's side of a movement: the amount is above zero, the type tells the direction. `referenceId` is on both sides of a transfer.

    `balanceAfter` is null where it is another user's and a logged-in user asks."""

    id: str
    wallet_id: str
    type: TypeName
    amount: DecimalNumber
    reference_id: str | None
    balance_after: DecimalNumber | None
    category: str | None
    created_at: Instant


class TransferAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """A transfer: what was debited and what was credited."""

    reference_id: str
    amount: DecimalNumber
    debit: TransactionAnswer
    credit: TransactionAnswer


class TransactionList(msgspec.Struct, frozen=True, rename="camel"):
    """A page of a wallet's transactions, latest first; `total` counts all that match."""

    transactions: list[TransactionAnswer]
    total: int
    page: int
    limit: int
    total_pages: int
