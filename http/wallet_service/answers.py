"""Answers: the engine's objects in the wallet service's form, and the ids that this API gives them.

Its ids of transactions are UUIDs. They are derived from the ledger's own numbers, so nothing is stored for them, in a name space that no other ledger has: that
of the asset's Treasury, whose id was drawn at random. So an id says nothing, is the same at each reading, and is met nowhere else.
"""

import uuid

import msgspec

from ...engine.ledger import Ledger
from ...engine.ports import Entry, HistoryEntry, Transaction
from ...engine.records import entry_type
from ...engine.wallet import Asset, Wallet
from ..amounts import decimal_number
from ..dialects import type_name
from ..holders import holder_name
from ..instants import rfc3339
from .wire import TransactionAnswer, WalletAnswer


def wallet_answer(ledger: Ledger, wallet: Wallet) -> WalletAnswer:
    """A user's wallet."""
    return WalletAnswer(
        id=wallet.id,
        wallet_id=wallet.id,
        user_id=holder_name(ledger.user(wallet.user_id)),
        balance=decimal_number(wallet.posted, wallet.asset.scale),
        created_at=rfc3339(wallet.created_at),
        updated_at=rfc3339(wallet.updated_at),
    )


def entry_answer(
    wallet: Wallet, entry: Entry, transaction: Transaction, *, with_balance: bool = True
) -> TransactionAnswer:
    """The side of a movement that the wallet had, with the balance it left there or without."""
    type_ = entry_type(transaction.type, entry.amount)
    answer = _answer(wallet, entry, type_, transaction.id, transaction.category, transaction.at)
    return answer if with_balance else msgspec.structs.replace(answer, balance_after=None)


def row_answer(wallet: Wallet, row: HistoryEntry) -> TransactionAnswer:
    """One entry of the wallet's history."""
    return _answer(wallet, row.entry, row.type, row.transaction, row.category, row.at)


def _answer(
    wallet: Wallet, entry: Entry, type_: str, transaction: int, category: str | None, at: int
) -> TransactionAnswer:
    asset, name = wallet.asset, type_name(type_, entry.amount)
    return TransactionAnswer(
        id=_derived(asset, f"entry {entry.id}"),
        wallet_id=wallet.id,
        type=name,
        amount=decimal_number(abs(entry.amount), asset.scale),
        reference_id=reference_id(asset, transaction) if name in ("TRANSFER_IN", "TRANSFER_OUT") else None,
        balance_after=decimal_number(entry.balance_after, asset.scale),
        category=category,
        created_at=rfc3339(at),
    )


def reference_id(asset: Asset, transaction: int) -> str:
    """What links the two sides of a transfer."""
    return _derived(asset, f"transaction {transaction}")


def _derived(asset: Asset, name: str) -> str:
    return str(uuid.uuid5(uuid.UUID(asset.treasury.id), name))
