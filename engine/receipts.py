"""Receipts: what one says, drawn up from the journal alone, and the port by which they are read.

A receipt is a function of the journal: of its record, of the wallets and assets, which never change in what it shows, and of the parties' names as they were at that record.
So it says the same whenever and however often it is made, and nothing of it needs to be kept to make it again. It shows no balance: two parties read it.
"""

from enum import StrEnum
from typing import Final, Protocol

import msgspec

from .ledger import Ledger
from .ports import Entry, Transaction
from .records import MOVED, OPENED_AND_MOVED, Row
from .wallet import Wallet

MOVES: Final = (MOVED, OPENED_AND_MOVED)
"""Kinds of records that hold movements."""

RECEIPT_MARK: Final = b'"receipt":true'
"""Stands in the body of every record with a movement that asks for a receipt; in others only as the caller's own metadata."""


class ReceiptForm(StrEnum):
    """How a receipt is written; the value is its file's ending."""

    TEXT = "txt"
    PDF = "pdf"


class Name(msgspec.Struct, frozen=True, gc=False):
    """How a user was called at one record."""

    name: str | None = None
    username: str | None = None


class Party(msgspec.Struct, frozen=True, gc=False):
    """One side of a receipt. `user_id` 0 is the asset's Treasury; `entry` is the number of its entry, dialect A's transaction."""

    user_id: int
    wallet_id: str
    entry: int
    name: str | None = None
    username: str | None = None
    external_id: str | None = None


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What a receipt says. `amount` is minor units of the asset, `seq` and `chain` (hexadecimal) are its record's in the journal."""

    transaction: int
    type: str
    at: int
    seq: int
    chain: str
    amount: int
    asset: str
    asset_name: str
    scale: int
    source: Party
    destination: Party
    description: str | None = None
    category: str | None = None
    reference: str | None = None


class Receipts(Protocol):
    """The receipts of a ledger, as their readers see them. Who may read one is for the caller to decide."""

    async def read(self, transaction: Transaction, form: ReceiptForm) -> bytes | None:
        """The receipt of a movement that `has_receipt`, as UTF-8 text or as a PDF; always the same bytes.

        None while it is being made: having been asked for it comes soon, unless there is no room for it, and may be asked for again. Returns at once.
        """
        ...


class NoReceipts:
    """Receipts that are never made: of a server that keeps none."""

    async def read(self, transaction: Transaction, form: ReceiptForm) -> bytes | None:
        """See Receipts."""
        return None


class RecordSearch(Protocol):
    """What drawing up receipts needs of the journal's store. Calls may run beside its appends."""

    async def read(self, after: int, limit: int) -> list[Row]:
        """Durable rows with seq > after, oldest first, at most `limit`."""
        ...

    async def search(self, after: int, through: int, kinds: tuple[str, ...], mark: bytes, limit: int) -> list[Row]:
        """Durable rows with after < seq <= through, of one of `kinds`, whose body contains `mark`; oldest first, at most `limit`.

        It looks at every row in between, without the interpreter's lock, so a range of SEARCH_STEP_MAX is the most.
        """
        ...


class NamesAsOf(Protocol):
    """How users were called."""

    async def name_as_of(self, user_id: int, seq: int, at: int) -> Name:
        """The user's name once record `seq`, of time `at`, was applied."""
        ...


def sides(ledger: Ledger, transaction: Transaction) -> tuple[Entry, Entry] | None:
    """The debited and the credited entry of a movement between two wallets of one asset; None of any other movement."""
    if len(transaction.entries) != 2:
        return None
    debit, credit = transaction.entries
    if debit.amount > 0:
        debit, credit = credit, debit
    if debit.amount >= 0 or ledger.wallet_at(debit.wallet).asset is not ledger.wallet_at(credit.wallet).asset:
        return None
    return debit, credit


def has_receipt(ledger: Ledger, transaction: Transaction) -> bool:
    """Whether a movement has a receipt: it is between two wallets of one asset."""
    return sides(ledger, transaction) is not None


async def receipt_of(ledger: Ledger, transaction: Transaction, chain: bytes, names: NamesAsOf) -> Receipt:
    """The receipt of a movement that `has_receipt`, whose record has this chain value."""
    both = sides(ledger, transaction)
    assert both is not None
    debit, credit = both
    wallet = ledger.wallet_at(credit.wallet)
    return Receipt(
        transaction=transaction.id,
        type=transaction.type,
        at=transaction.at,
        seq=transaction.seq,
        chain=chain.hex(),
        amount=credit.amount,
        asset=wallet.asset.code,
        asset_name=wallet.asset.name,
        scale=wallet.asset.scale,
        source=await _party(ledger, ledger.wallet_at(debit.wallet), debit, transaction, names),
        destination=await _party(ledger, wallet, credit, transaction, names),
        description=transaction.description,
        category=transaction.category,
        reference=transaction.reference,
    )


async def _party(ledger: Ledger, wallet: Wallet, entry: Entry, transaction: Transaction, names: NamesAsOf) -> Party:
    if wallet.is_treasury:
        return Party(0, wallet.id, entry.id)
    name = await names.name_as_of(wallet.user_id, transaction.seq, transaction.at)
    return Party(wallet.user_id, wallet.id, entry.id, name.name, name.username, ledger.user(wallet.user_id).external_id)
