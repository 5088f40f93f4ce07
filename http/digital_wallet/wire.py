"""The types of the digital wallet's bodies. They validate what comes and describe what goes."""

from typing import Annotated, Literal

import msgspec

from ...engine.identity import PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN
from ..amounts import DecimalNumber, MajorUnits
from ..decoding import OpenRequest, Request
from ..dialects import TypeName
from ..instants import Instant
from ..v1.wire import PHONE_NUMBER_LENGTH_MAX, Description, Email, Username

PhoneNumber = Annotated[str, msgspec.Meta(max_length=PHONE_NUMBER_LENGTH_MAX)]
Password = Annotated[str, msgspec.Meta(min_length=PASSWORD_LENGTH_MIN, max_length=PASSWORD_LENGTH_MAX)]
Direction = Literal["CREDIT", "DEBIT"]


class UserRequest(OpenRequest, frozen=True, kw_only=True):
    """A new user, with a wallet in the default asset. The password is kept as a hash only."""

    username: Username
    email: Email
    password: Password
    phone_number: PhoneNumber | None = None


class UserChange(Request, frozen=True, kw_only=True):
    """Changes of a user: what is left out stays as it is, null clears the phone number. Nothing else may be changed here."""

    username: Username | msgspec.UnsetType = msgspec.UNSET
    phone_number: PhoneNumber | msgspec.UnsetType | None = msgspec.UNSET


class MoneyRequest(OpenRequest, frozen=True, kw_only=True):
    """Money that comes in from outside, or goes out."""

    amount: MajorUnits
    description: Description | None = None


class TransactionRequest(MoneyRequest, frozen=True, kw_only=True):
    """The same for the user and in the direction that it names."""

    user_id: int
    transaction_type: Direction


class TransferRequest(MoneyRequest, frozen=True, kw_only=True):
    """Money from one user to another."""

    sender_user_id: int
    recipient_user_id: int


class Profile(msgspec.Struct, frozen=True):
    """A user. Names are null for one that was made without them elsewhere."""

    user_id: int
    username: str | None
    email: str | None
    phone_number: str | None
    balance: DecimalNumber
    created_at: Instant


class Balance(msgspec.Struct, frozen=True):
    """A user's balance, and when it was changed last."""

    user_id: int
    balance: DecimalNumber
    last_updated: Instant


class TransactionMade(msgspec.Struct, frozen=True):
    """A credit or debit that was done, with the balance it left."""

    transaction_id: int
    user_id: int
    amount: DecimalNumber
    new_balance: DecimalNumber
    transaction_type: Direction


class TransactionRow(msgspec.Struct, frozen=True):
    """One transaction in a list: the amount is above zero, the type tells the direction."""

    transaction_id: int
    transaction_type: TypeName
    amount: DecimalNumber
    description: str | None
    created_at: Instant


class TransactionList(msgspec.Struct, frozen=True):
    """A page of a user's transactions, newest first; `total` counts all of them."""

    transactions: list[TransactionRow]
    total: int
    page: int
    limit: int


class TransactionDetail(msgspec.Struct, frozen=True):
    """One transaction. Of a transfer `recipient_user_id` is the other user, `reference_transaction_id` that one's transaction."""

    transaction_id: int
    user_id: int
    transaction_type: TypeName
    amount: DecimalNumber
    description: str | None
    recipient_user_id: int | None
    reference_transaction_id: int | None
    created_at: Instant


class TransferMade(msgspec.Struct, frozen=True):
    """A transfer that was done, with both of its transactions and the balances they left: to a logged-in user its own alone."""

    transfer_id: int
    sender_transaction_id: int
    recipient_transaction_id: int
    amount: DecimalNumber
    sender_new_balance: DecimalNumber
    recipient_new_balance: DecimalNumber | None
    status: str


class TransferDetail(msgspec.Struct, frozen=True):
    """One transfer."""

    transfer_id: int
    sender_user_id: int
    recipient_user_id: int
    amount: DecimalNumber
    description: str | None
    status: str
    created_at: Instant
