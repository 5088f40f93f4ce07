"""Refusals: the closed list of expected ways in which an operation is turned down.

A refusal is an answer, not a fault: it leaves no trace in the ledger. Each code says what may be done about it and
whether the same request may succeed when sent again. A broken invariant is not a refusal but an assert.
"""

from enum import StrEnum
from typing import Any, NamedTuple


class RefusalCode(StrEnum):
    """Why an operation was refused. Stable: clients switch on it."""

    INVALID_REQUEST = "invalid_request"
    AMOUNT_NOT_POSITIVE = "amount_not_positive"
    AMOUNT_BELOW_MINIMUM = "amount_below_minimum"
    AMOUNT_ABOVE_MAXIMUM = "amount_above_maximum"
    BALANCE_OVERFLOW = "balance_overflow"
    LEGS_UNBALANCED = "legs_unbalanced"
    SAME_WALLET = "same_wallet"
    ASSET_MISMATCH = "asset_mismatch"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    ASSET_NOT_TRANSFERABLE = "asset_not_transferable"
    ASSET_INACTIVE = "asset_inactive"
    WALLET_FROZEN = "wallet_frozen"
    WALLET_CLOSED = "wallet_closed"
    WALLET_NOT_EMPTY = "wallet_not_empty"
    WALLET_IS_TREASURY = "wallet_is_treasury"
    USER_NOT_FOUND = "user_not_found"
    WALLET_NOT_FOUND = "wallet_not_found"
    ASSET_NOT_FOUND = "asset_not_found"
    TRANSFER_NOT_FOUND = "transfer_not_found"
    TRANSACTION_NOT_FOUND = "transaction_not_found"
    USER_EXISTS = "user_exists"
    WALLET_EXISTS = "wallet_exists"
    ASSET_EXISTS = "asset_exists"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    OVERLOADED = "overloaded"
    READ_ONLY = "read_only"
    STOPPING = "stopping"
    OUTCOME_UNKNOWN = "outcome_unknown"


class Advice(NamedTuple):
    """What a code means to its reader."""

    title: str
    remedy: str
    retry_helps: bool


ADVICE: dict[RefusalCode, Advice] = {
    RefusalCode.INVALID_REQUEST: Advice("Invalid request", "Mend the named members and send the request again.", False),
    RefusalCode.AMOUNT_NOT_POSITIVE: Advice(
        "Amount is not positive", "Send an amount above zero; the direction is said by source and destination.", False
    ),
    RefusalCode.AMOUNT_BELOW_MINIMUM: Advice(
        "Amount is below the asset's minimum", "Send at least the asset's min_amount.", False
    ),
    RefusalCode.AMOUNT_ABOVE_MAXIMUM: Advice(
        "Amount is above the asset's maximum", "Send at most the asset's max_amount, or split the movement.", False
    ),
    RefusalCode.BALANCE_OVERFLOW: Advice(
        "Balance would pass 2^63-1", "Move less into the wallet, or use an asset of a smaller scale.", False
    ),
    RefusalCode.LEGS_UNBALANCED: Advice(
        "Legs do not sum to zero", "Make the amounts of each asset's legs sum to zero.", False
    ),
    RefusalCode.SAME_WALLET: Advice("Source and destination are the same wallet", "Name two different wallets.", False),
    RefusalCode.ASSET_MISMATCH: Advice(
        "Wallets hold different assets", "Move money between wallets of one asset.", False
    ),
    RefusalCode.INSUFFICIENT_BALANCE: Advice(
        "Insufficient balance", "Credit the wallet first, or move at most what is available.", True
    ),
    RefusalCode.ASSET_NOT_TRANSFERABLE: Advice(
        "Asset is not transferable", "This asset moves only between its Treasury and a user's wallet.", False
    ),
    RefusalCode.ASSET_INACTIVE: Advice("Asset is not active", "Use an active asset.", False),
    RefusalCode.WALLET_FROZEN: Advice("Wallet is frozen", "Ask the operator to unfreeze the wallet.", True),
    RefusalCode.WALLET_CLOSED: Advice(
        "Wallet is closed", "Use another wallet; a closed one does not open again.", False
    ),
    RefusalCode.WALLET_NOT_EMPTY: Advice(
        "Wallet is not empty", "Move the balance out first; a wallet closes at zero, with nothing held.", True
    ),
    RefusalCode.WALLET_IS_TREASURY: Advice(
        "Wallet is a Treasury",
        "A Treasury can neither be frozen nor closed; deactivate nothing that balances an asset.",
        False,
    ),
    RefusalCode.USER_NOT_FOUND: Advice("User not found", "Check the user's id.", False),
    RefusalCode.WALLET_NOT_FOUND: Advice("Wallet not found", "Check the wallet's id.", False),
    RefusalCode.ASSET_NOT_FOUND: Advice("Asset not found", "Check the asset's code, or make the asset first.", False),
    RefusalCode.TRANSFER_NOT_FOUND: Advice("Transfer not found", "Check the transfer's id.", False),
    RefusalCode.TRANSACTION_NOT_FOUND: Advice("Transaction not found", "Check the transaction's id.", False),
    RefusalCode.USER_EXISTS: Advice(
        "User already exists", "Choose another external id, username or email, or use the existing user.", False
    ),
    RefusalCode.WALLET_EXISTS: Advice(
        "Wallet already exists", "Use the existing wallet: a user has one for each asset.", False
    ),
    RefusalCode.ASSET_EXISTS: Advice(
        "Asset already exists", "Choose another code, alias or id, or use the existing asset.", False
    ),
    RefusalCode.IDEMPOTENCY_KEY_REUSED: Advice(
        "Idempotency key was used with another request",
        "Send a new key with a new request; keep a key for retries of the same one.",
        False,
    ),
    RefusalCode.OVERLOADED: Advice(
        "Server is overloaded", "Wait as long as Retry-After says and send the request again.", True
    ),
    RefusalCode.READ_ONLY: Advice(
        "Server takes no writes for now",
        "The disk is full; writes come back by themselves when there is room. Nothing was changed.",
        True,
    ),
    RefusalCode.STOPPING: Advice(
        "Server is stopping", "Send the request again when the server is back. Nothing was changed.", True
    ),
    RefusalCode.OUTCOME_UNKNOWN: Advice(
        "Outcome is unknown",
        "The journal failed while writing; send the request again with the same idempotency key to find out.",
        True,
    ),
}

assert set(ADVICE) == set(RefusalCode)


class Refusal(Exception):
    """An operation was refused; nothing was changed.

    `fields` names bad members as (JSON pointer, sentence); `facts` carries what the code's readers may want as values:
    `insufficient_balance` has `wallet` (None where it is not open yet), `asset` (its code), `scale`, `available_minor` and `required_minor`.
    """

    def __init__(
        self,
        code: RefusalCode,
        detail: str | None = None,
        *,
        fields: tuple[tuple[str, str], ...] = (),
        **facts: Any,
    ) -> None:
        self.code = code
        self.detail = detail if detail is not None else f"{ADVICE[code].title}."
        self.fields = fields
        self.facts = facts
        super().__init__(self.detail)
