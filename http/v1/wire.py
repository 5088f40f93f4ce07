"""The types of the native API's bodies. They validate what comes and describe what goes."""

from typing import Annotated, Any, Final

import msgspec

from ...engine.identity import PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN
from ...engine.limits import (
    BATCH_MAX,
    CATEGORY_LENGTH_MAX,
    DESCRIPTION_LENGTH_MAX,
    LEGS_MAX,
    REASON_LENGTH_MAX,
    REFERENCE_LENGTH_MAX,
    SCALE_MAX,
)
from ..amounts import NOT_GIVEN, MinorText, MinorUnits, SignedMinorUnits
from ..decoding import Metadata, Request
from ..instants import Instant
from ..problem import Problem

EXTERNAL_ID_LENGTH_MAX: Final = 64
USERNAME_LENGTH_MAX: Final = 50
EMAIL_LENGTH_MAX: Final = 100
PHONE_NUMBER_LENGTH_MAX: Final = 15
NAME_LENGTH_MAX: Final = 100
ASSET_ALIASES_MAX: Final = 16
INTEGER_MAX: Final = 2**63 - 1

Description = Annotated[str, msgspec.Meta(max_length=DESCRIPTION_LENGTH_MAX)]
Category = Annotated[str, msgspec.Meta(min_length=1, max_length=CATEGORY_LENGTH_MAX)]
Reference = Annotated[str, msgspec.Meta(min_length=1, max_length=REFERENCE_LENGTH_MAX)]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=REASON_LENGTH_MAX)]
WalletId = Annotated[str, msgspec.Meta(min_length=1, max_length=64, description="A wallet's id: a UUID, in any case.")]
ExternalId = Annotated[
    str,
    msgspec.Meta(
        max_length=EXTERNAL_ID_LENGTH_MAX, pattern=r"^[^\s\x00-\x20\x7f-\xa0]+\Z", description="Visible characters."
    ),
]
Username = Annotated[str, msgspec.Meta(min_length=1, max_length=USERNAME_LENGTH_MAX, pattern=r"^\S(.*\S)?\Z")]
Email = Annotated[
    str, msgspec.Meta(min_length=3, max_length=EMAIL_LENGTH_MAX, pattern=r"^[^@\s]+@[^@\s.]+(\.[^@\s.]+)*\Z")
]
PhoneNumber = Annotated[
    str, msgspec.Meta(min_length=1, max_length=PHONE_NUMBER_LENGTH_MAX, pattern=r"^\+?[0-9][0-9 ().-]*\Z")
]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_LENGTH_MAX)]
Password = Annotated[
    str,
    msgspec.Meta(
        min_length=PASSWORD_LENGTH_MIN,
        max_length=PASSWORD_LENGTH_MAX,
        description="Kept as an argon2id hash only, and never answered.",
        extra_json_schema={"format": "password", "writeOnly": True},
    ),
]
CurrentPassword = Annotated[
    str,
    msgspec.Meta(
        max_length=PASSWORD_LENGTH_MAX,
        description="The password that is to be replaced.",
        extra_json_schema={"format": "password", "writeOnly": True},
    ),
]
AssetCode = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,31}\Z")]
AssetName = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
"""The code or an alias of an asset, as a reference."""
AssetId = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
UserId = Annotated[int, msgspec.Meta(ge=1, le=INTEGER_MAX)]
Scale = Annotated[int, msgspec.Meta(ge=0, le=SCALE_MAX)]
WalletStatus = Annotated[str, msgspec.Meta(extra_json_schema={"enum": ["active", "frozen", "closed"]})]
Done = Annotated[str, msgspec.Meta(extra_json_schema={"const": "completed"})]
MovementType = Annotated[
    str,
    msgspec.Meta(
        description="What the movement is: credits and debits are movements from and to a Treasury.",
        extra_json_schema={"enum": ["transfer", "transaction", "credit", "debit", "topup", "bonus", "spend"]},
    ),
]
EntryType = Annotated[
    str,
    msgspec.Meta(
        description="What the movement is, and for transfers and transactions the direction.",
        extra_json_schema={
            "enum": [
                "transfer_in",
                "transfer_out",
                "transaction_in",
                "transaction_out",
                "credit",
                "debit",
                "topup",
                "bonus",
                "spend",
            ]
        },
    ),
]


class EmptyRequest(Request, frozen=True, kw_only=True):
    """A body that says nothing: `{}`, or none at all."""


class UserRequest(Request, frozen=True, kw_only=True):
    """A new user. Every member is optional; `external_id` is the caller's own id for it, unique. With a username and a password it can log in."""

    external_id: ExternalId | None = None
    username: Username | None = None
    email: Email | None = None
    phone_number: PhoneNumber | None = None
    name: Name | None = None
    password: Password | None = None


class UserPatch(Request, frozen=True, kw_only=True):
    """Changes of a user: a member that is left out stays as it is, null clears it. A new password ends all logins; a logged-in user gives the present one with it."""

    username: Username | msgspec.UnsetType | None = msgspec.UNSET
    email: Email | msgspec.UnsetType | None = msgspec.UNSET
    phone_number: PhoneNumber | msgspec.UnsetType | None = msgspec.UNSET
    name: Name | msgspec.UnsetType | None = msgspec.UNSET
    password: Password | msgspec.UnsetType = msgspec.UNSET
    current_password: CurrentPassword | msgspec.UnsetType = msgspec.UNSET


class AssetRequest(Request, frozen=True, kw_only=True):
    """A new asset. An ISO 4217 code takes its number as `id` and its minor unit as `scale`; another one has scale 2 unless it says."""

    code: AssetCode
    id: AssetId | None = None
    name: Name | None = None
    aliases: Annotated[list[AssetCode], msgspec.Meta(max_length=ASSET_ALIASES_MAX)] = []
    scale: Scale | None = None
    transferable: bool = True
    min_amount: MinorUnits = NOT_GIVEN
    max_amount: MinorUnits = NOT_GIVEN
    active: bool = True


class WalletRequest(Request, frozen=True, kw_only=True):
    """A new wallet: a user's, in an asset."""

    user_id: UserId
    asset: AssetName


class FreezeRequest(Request, frozen=True, kw_only=True):
    """What to freeze, and why."""

    reason: Reason
    debits: bool = True
    credits: bool = False


class TransferRequest(Request, frozen=True, kw_only=True):
    """A movement of `amount` from one wallet to another of the same asset."""

    source: WalletId
    destination: WalletId
    amount: MinorUnits
    description: Description | None = None
    category: Category | None = None
    reference: Reference | None = None
    metadata: Metadata | None = None


class LegRequest(Request, frozen=True, kw_only=True):
    """One side of a transaction: an amount above zero is a credit of the wallet, below zero a debit."""

    wallet_id: WalletId
    amount: SignedMinorUnits


class TransactionRequest(Request, frozen=True, kw_only=True):
    """A movement of any number of legs that sum to zero per asset, all or nothing."""

    legs: Annotated[list[LegRequest], msgspec.Meta(min_length=2, max_length=LEGS_MAX)]
    description: Description | None = None
    category: Category | None = None
    reference: Reference | None = None
    metadata: Metadata | None = None


class BatchRequest(Request, frozen=True, kw_only=True):
    """Many transfers, done one after another; with `atomic`, all of them or none."""

    transfers: Annotated[list[TransferRequest], msgspec.Meta(min_length=1, max_length=BATCH_MAX)]
    atomic: bool = False


class UserAnswer(msgspec.Struct, frozen=True):
    """A user. `id` is null in a dry run."""

    id: int | None
    external_id: str | None
    username: str | None
    email: str | None
    phone_number: str | None
    name: str | None
    created_at: Instant
    updated_at: Instant


class AssetAnswer(msgspec.Struct, frozen=True):
    """An asset. The limits are per movement, in minor units. `treasury_wallet_id` is null in a dry run."""

    id: int
    code: str
    aliases: tuple[str, ...]
    name: str
    scale: int
    transferable: bool
    min_amount: MinorText
    max_amount: MinorText
    active: bool
    treasury_wallet_id: str | None
    created_at: Instant


class WalletAnswer(msgspec.Struct, frozen=True):
    """A wallet. `user_id` is null for a Treasury, `id` in the dry run of an opening."""

    id: str | None
    user_id: int | None
    external_user_id: str | None
    asset: str
    scale: int
    posted: MinorText
    held: MinorText
    available: MinorText
    version: int
    status: WalletStatus
    created_at: Instant
    updated_at: Instant


class LegAnswer(msgspec.Struct, frozen=True, gc=False):
    """One side of a movement: `balance_after` is the wallet's posted balance with it, null to a logged-in user whose wallet it is not. `entry_id` is null in a dry run."""

    wallet_id: str
    amount: MinorText
    asset: str
    scale: int
    balance_after: MinorText | None
    entry_id: str | None


class TransferAnswer(msgspec.Struct, frozen=True, gc=False):
    """A transfer. Its ids and sequence are null in a dry run."""

    id: str | None
    transaction_id: str | None
    source: str
    destination: str
    amount: MinorText
    asset: str
    scale: int
    legs: tuple[LegAnswer, ...]
    status: Done
    type: MovementType
    description: str | None
    category: str | None
    reference: str | None
    metadata: dict[str, Any] | None
    sequence: int | None
    created_at: Instant


class TransactionAnswer(msgspec.Struct, frozen=True, gc=False):
    """A movement of any number of legs. Its id and sequence are null in a dry run."""

    id: str | None
    type: MovementType
    legs: tuple[LegAnswer, ...]
    status: Done
    description: str | None
    category: str | None
    reference: str | None
    metadata: dict[str, Any] | None
    sequence: int | None
    created_at: Instant


class BatchItem(msgspec.Struct, frozen=True):
    """A batch's item: the transfer that was done, or in a dry run would be, or the problem it was refused with."""

    status: int
    transfer: TransferAnswer | msgspec.UnsetType = msgspec.UNSET
    problem: Problem | msgspec.UnsetType = msgspec.UNSET


class BatchAnswer(msgspec.Struct, frozen=True):
    """A batch's items in the order of the request."""

    results: list[BatchItem]


class EntryAnswer(msgspec.Struct, frozen=True):
    """A wallet's side of a movement."""

    id: str
    transaction_id: str
    wallet_id: str
    type: EntryType
    amount: MinorText
    asset: str
    scale: int
    balance_after: MinorText
    description: str | None
    category: str | None
    reference: str | None
    metadata: dict[str, Any] | None
    sequence: int
    created_at: Instant


class EventTransaction(msgspec.Struct, frozen=True):
    """A movement in an event."""

    id: str
    type: MovementType
    legs: tuple[LegAnswer, ...]
    description: str | None
    category: str | None
    reference: str | None
    metadata: dict[str, Any] | None


class EventAsset(msgspec.Struct, frozen=True):
    """A new asset in an event."""

    id: int
    code: str
    aliases: tuple[str, ...]
    name: str
    scale: int
    transferable: bool
    min_amount: MinorText
    max_amount: MinorText
    active: bool
    treasury_wallet_id: str


class EventUser(msgspec.Struct, frozen=True):
    """A new user in an event."""

    id: int
    external_id: str | None
    username: str | None
    email: str | None
    phone_number: str | None
    name: str | None


class EventUserChange(msgspec.Struct, frozen=True):
    """A user's changeable members in an event, as they are from then on."""

    id: int
    username: str | None
    email: str | None
    phone_number: str | None
    name: str | None


class EventWallet(msgspec.Struct, frozen=True):
    """A new wallet in an event."""

    id: str
    user_id: int | None
    asset: str
    scale: int


class EventWalletChange(msgspec.Struct, frozen=True):
    """What may move in a wallet from then on."""

    id: str
    debits_frozen: bool
    credits_frozen: bool
    closed: bool
    reason: str | None


class EventRefusal(msgspec.Struct, frozen=True):
    """A batch's item that was refused."""

    index: int
    code: str
    detail: str


class EventAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """One record of the journal, with those of its effects that it has."""

    id: str
    sequence: int
    type: str
    at: Instant
    assets: tuple[EventAsset, ...] = ()
    users: tuple[EventUser, ...] = ()
    user_changes: tuple[EventUserChange, ...] = ()
    wallets: tuple[EventWallet, ...] = ()
    wallet_changes: tuple[EventWalletChange, ...] = ()
    transactions: tuple[EventTransaction, ...] = ()
    refusals: tuple[EventRefusal, ...] = ()


class UserList(msgspec.Struct, frozen=True):
    """Users, oldest first."""

    data: list[UserAnswer]
    next: str | None


class AssetList(msgspec.Struct, frozen=True):
    """Assets, oldest first."""

    data: list[AssetAnswer]
    next: str | None


class WalletList(msgspec.Struct, frozen=True):
    """Wallets, oldest first."""

    data: list[WalletAnswer]
    next: str | None


class EntryList(msgspec.Struct, frozen=True):
    """A wallet's entries, newest first. With filters a page may be short and still have a `next`."""

    data: list[EntryAnswer]
    next: str | None


class EventList(msgspec.Struct, frozen=True):
    """Events, oldest first. A page of large events may be short and still have a `next`, which is its last sequence, to be sent as `after` or `cursor`."""

    data: list[EventAnswer]
    next: str | None
