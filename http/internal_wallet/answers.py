"""Answers: the engine's objects as the internal wallet service shows them.

Its double entry is told from the account's side: a DEBIT increases the account it names, a CREDIT decreases it. A transaction is shown as one user's, the one
whose entry of it is given.
"""

from typing import Final

from ...engine.ledger import Ledger
from ...engine.ports import Entry, Transaction
from ...engine.wallet import Asset, Wallet
from ..amounts import decimal_text
from ..dialects import STATUSES
from ..holders import holder_name
from ..instants import rfc3339
from ..principal import Principal
from ..problem import Dialect
from ..sight import entries_shown
from .wire import AccountAnswer, BalanceAnswer, LedgerEntryAnswer, TransactionAnswer

DIALECT: Final = Dialect("internal_wallet", statuses=STATUSES, amount=decimal_text)

TRANSACTION_PREFIX: Final = "txn_"
COMPLETED: Final = "COMPLETED"

TYPES: Final[dict[str, tuple[str, ...]]] = {
    "TOPUP": ("topup",),
    "BONUS": ("bonus",),
    "SPEND": ("spend",),
    "CREDIT": ("credit",),
    "DEBIT": ("debit",),
    "TRANSFER": ("transfer_in", "transfer_out"),
    "TRANSACTION": ("transaction_in", "transaction_out"),
}
"""A transaction's type as it is shown → the types of entries that it stands for. The last four are movements made through other APIs."""

_NOUNS: Final = {"topup": "Top-up"}


def asset_name(asset: Asset) -> str:
    """The name by which an asset goes here: its first alias, else its code."""
    return asset.aliases[0] if asset.aliases else asset.code


def balance_answer(asset: Asset, posted: int, wallet: Wallet | None) -> BalanceAnswer:
    """A balance, of a wallet that may not be open yet."""
    account_id = None if wallet is None else str(wallet.number)
    return BalanceAnswer(asset_name(asset), decimal_text(posted, asset.scale), account_id)


def account_answer(ledger: Ledger, wallet: Wallet) -> AccountAnswer:
    """A user's wallet."""
    return AccountAnswer(
        id=str(wallet.number),
        user_id=holder_name(ledger.user(wallet.user_id)),
        asset_type_code=asset_name(wallet.asset),
        account_type="USER",
        version=wallet.version,
        created_at=rfc3339(wallet.created_at),
        updated_at=rfc3339(wallet.updated_at),
    )


def transaction_answer(
    ledger: Ledger, principal: Principal, transaction: Transaction, side: Entry
) -> TransactionAnswer:
    """A transaction as the user's whose entry `side` is, shown to `principal`."""
    wallet = ledger.wallet_at(side.wallet)
    amount = decimal_text(abs(side.amount), wallet.asset.scale)
    asset = asset_name(wallet.asset)
    noun = _NOUNS.get(transaction.type, transaction.type.capitalize())
    at = rfc3339(transaction.at)
    return TransactionAnswer(
        id=f"{TRANSACTION_PREFIX}{transaction.id}",
        transaction_type=transaction.type.upper(),
        status=COMPLETED,
        user_id=None if wallet.is_treasury else holder_name(ledger.user(wallet.user_id)),
        asset_type_code=asset,
        amount=amount,
        description=f"{noun} of {amount} {asset}" if transaction.description is None else transaction.description,
        metadata=transaction.metadata,
        # A user's transaction may be another's payment, and the key is the payer's affair.
        idempotency_key=None if principal.is_user and side.amount > 0 else transaction.key,
        created_at=at,
        updated_at=at,
        ledger_entries=[
            _ledger_entry_answer(*shown) for shown in entries_shown(ledger, transaction, principal.user_id)
        ],
    )


def _ledger_entry_answer(wallet: Wallet, entry: Entry, tells_balance: bool) -> LedgerEntryAnswer:
    scale = wallet.asset.scale
    return LedgerEntryAnswer(
        id=f"ent_{entry.id}",
        account_id=str(wallet.number),
        entry_type="DEBIT" if entry.amount > 0 else "CREDIT",
        amount=decimal_text(abs(entry.amount), scale),
        balance_after=decimal_text(entry.balance_after, scale) if tells_balance else None,
    )


def side_for(ledger: Ledger, principal: Principal, transaction: Transaction) -> Entry | None:
    """The entry from whose side a transaction is shown that no user was named for: the payer's, or without one the first user's.

    To a logged-in user it is one of its own, and None if it has none.
    """
    own = [entry for entry in transaction.entries if _concerns(ledger, principal, entry)]
    if not own:
        return None if principal.is_user else transaction.entries[0]
    return min(own, key=lambda entry: entry.amount > 0)


def _concerns(ledger: Ledger, principal: Principal, entry: Entry) -> bool:
    user_id = ledger.wallet_at(entry.wallet).user_id
    return user_id == principal.user_id if principal.is_user else bool(user_id)
