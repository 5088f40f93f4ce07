"""The types of the credit transfer's bodies. They validate what comes and describe what goes."""

from typing import Literal

import msgspec

from ..amounts import DecimalText, MajorUnits
from ..decoding import OpenRequest


class TransferRequest(OpenRequest, frozen=True, kw_only=True):
    """Money from the logged-in user to another, in the default asset."""

    receiver_id: int
    amount: MajorUnits


class TransferMade(msgspec.Struct, frozen=True):
    """A transfer. `transaction_id` is the sender's side of it, `sender_balance` what the sender had right after it; `receipt_url` can be read a moment later."""

    message: str
    transaction_id: int
    sender_id: int
    receiver_id: int
    amount: DecimalText
    sender_balance: DecimalText
    status: Literal["completed"]
    receipt_url: str
    timestamp: str


class Balance(msgspec.Struct, frozen=True):
    """The logged-in user's balance in the default asset."""

    user_id: int
    username: str | None
    balance: DecimalText


class ReceiptPending(msgspec.Struct, frozen=True):
    """The receipt is being made: ask again after as many seconds as Retry-After says."""

    transaction_id: int
    status: Literal["pending"]
    detail: str
