"""Answers: the engine's objects in the native API's form."""

from typing import Final

import msgspec

from ...engine.ledger import Ledger, User
from ...engine.ports import HistoryEntry, Transaction
from ...engine.wallet import Asset, Wallet
from ..instants import rfc3339
from ..sight import entries_shown
from .wire import AssetAnswer, EntryAnswer, LegAnswer, TransactionAnswer, TransferAnswer, UserAnswer, WalletAnswer

_encode: Final = msgspec.json.Encoder().encode


def user_answer(user: User, dry_run: bool = False) -> UserAnswer:
    """A user; of a dry run's creation without the id that it does not have."""
    return UserAnswer(
        id=None if dry_run else user.id,
        external_id=user.external_id,
        username=user.username,
        email=user.email,
        phone_number=user.phone_number,
        name=user.name,
        created_at=rfc3339(user.created_at),
        updated_at=rfc3339(user.updated_at),
    )


def asset_answer(asset: Asset, dry_run: bool = False) -> AssetAnswer:
    """An asset; of a dry run's creation without its Treasury."""
    return AssetAnswer(
        id=asset.id,
        code=asset.code,
        aliases=asset.aliases,
        name=asset.name,
        scale=asset.scale,
        transferable=asset.transferable,
        min_amount=str(asset.min_amount),
        max_amount=str(asset.max_amount),
        active=asset.active,
        treasury_wallet_id=None if dry_run else asset.treasury.id,
        created_at=rfc3339(asset.created_at),
    )


def wallet_answer(ledger: Ledger, wallet: Wallet, dry_run: bool = False) -> WalletAnswer:
    """A wallet; of a dry run's opening without the id that it does not have."""
    return WalletAnswer(
        id=None if dry_run else wallet.id,
        user_id=None if wallet.is_treasury else wallet.user_id,
        external_user_id=None if wallet.is_treasury else ledger.user(wallet.user_id).external_id,
        asset=wallet.asset.code,
        scale=wallet.asset.scale,
        posted=str(wallet.posted),
        # What movements in flight hold is not durable, so it is not shown; nothing else holds money in this version.
        held="0",
        available=str(wallet.posted),
        version=wallet.version,
        status=wallet.status,
        created_at=rfc3339(wallet.created_at),
        updated_at=rfc3339(wallet.updated_at),
    )


def is_transfer(ledger: Ledger, transaction: Transaction) -> bool:
    """Whether a transaction has exactly two legs, of one asset."""
    entries = transaction.entries
    return len(entries) == 2 and ledger.wallet_at(entries[0].wallet).asset is ledger.wallet_at(entries[1].wallet).asset


def transfer_json(ledger: Ledger, transaction: Transaction, dry_run: bool = False, reader: int | None = None) -> bytes:
    """`transfer_answer` as JSON. Written in one piece where nothing has to be escaped, which halves what it costs; a test holds both to the same bytes."""
    if (
        dry_run
        or reader is not None
        or transaction.metadata is not None
        or not (transaction.description is transaction.category is transaction.reference is None)
    ):
        return _encode(transfer_answer(ledger, transaction, dry_run, reader))
    debit, credit = transaction.entries
    if debit.amount > 0:
        debit, credit = credit, debit
    source, destination = ledger.wallet_at(debit.wallet), ledger.wallet_at(credit.wallet)
    amount, asset, number = credit.amount, source.asset, transaction.id
    money = f'"asset":"{asset.code}","scale":{asset.scale}'
    return (
        f'{{"id":"tfr_{number}","transaction_id":"txn_{number}","source":"{source.id}","destination":"{destination.id}",'
        f'"amount":"{amount}",{money},"legs":['
        f'{{"wallet_id":"{source.id}","amount":"-{amount}",{money},"balance_after":"{debit.balance_after}","entry_id":"ent_{debit.id}"}},'
        f'{{"wallet_id":"{destination.id}","amount":"{amount}",{money},"balance_after":"{credit.balance_after}","entry_id":"ent_{credit.id}"}}'
        f'],"status":"completed","type":"{transaction.type}","description":null,"category":null,"reference":null,"metadata":null,'
        f'"sequence":{transaction.seq},"created_at":"{rfc3339(transaction.at)}"}}'
    ).encode()


def transfer_answer(
    ledger: Ledger, transaction: Transaction, dry_run: bool = False, reader: int | None = None
) -> TransferAnswer:
    """A transaction of two legs of one asset as a transfer. `reader` is the user that it is for, who is told no balance but its own."""
    debit, credit = transaction.entries
    if debit.amount > 0:
        debit, credit = credit, debit
    source, destination = ledger.wallet_at(debit.wallet), ledger.wallet_at(credit.wallet)
    code, scale = source.asset.code, source.asset.scale
    amount = str(credit.amount)
    return TransferAnswer(
        None if dry_run else f"tfr_{transaction.id}",
        None if dry_run else f"txn_{transaction.id}",
        source.id,
        destination.id,
        amount,
        code,
        scale,
        (
            LegAnswer(
                source.id,
                f"-{amount}",
                code,
                scale,
                str(debit.balance_after) if reader is None or source.user_id == reader else None,
                None if dry_run else f"ent_{debit.id}",
            ),
            LegAnswer(
                destination.id,
                amount,
                code,
                scale,
                str(credit.balance_after) if reader is None or destination.user_id == reader else None,
                None if dry_run else f"ent_{credit.id}",
            ),
        ),
        "completed",
        transaction.type,
        transaction.description,
        transaction.category,
        transaction.reference,
        transaction.metadata,
        None if dry_run else transaction.seq,
        rfc3339(transaction.at),
    )


def leg_answers(
    ledger: Ledger, transaction: Transaction, dry_run: bool = False, reader: int | None = None
) -> tuple[LegAnswer, ...]:
    """A transaction's legs in the order they were given.

    `reader` is the user who asks, None for an operator (see sight.py).
    """
    return tuple(
        LegAnswer(
            wallet.id,
            str(entry.amount),
            wallet.asset.code,
            wallet.asset.scale,
            str(entry.balance_after) if tells_balance else None,
            None if dry_run else f"ent_{entry.id}",
        )
        for wallet, entry, tells_balance in entries_shown(ledger, transaction, reader)
    )


def transaction_answer(
    ledger: Ledger, transaction: Transaction, dry_run: bool = False, reader: int | None = None
) -> TransactionAnswer:
    """A transaction of any number of legs, as `reader` may see it (see `leg_answers`)."""
    return TransactionAnswer(
        id=None if dry_run else f"txn_{transaction.id}",
        type=transaction.type,
        legs=leg_answers(ledger, transaction, dry_run, reader),
        status="completed",
        description=transaction.description,
        category=transaction.category,
        reference=transaction.reference,
        metadata=transaction.metadata,
        sequence=None if dry_run else transaction.seq,
        created_at=rfc3339(transaction.at),
    )


def entry_answer(wallet: Wallet, row: HistoryEntry) -> EntryAnswer:
    """One entry of a wallet's history."""
    return EntryAnswer(
        id=f"ent_{row.entry.id}",
        transaction_id=f"txn_{row.transaction}",
        wallet_id=wallet.id,
        type=row.type,
        amount=str(row.entry.amount),
        asset=wallet.asset.code,
        scale=wallet.asset.scale,
        balance_after=str(row.entry.balance_after),
        description=row.description,
        category=row.category,
        reference=row.reference,
        metadata=row.metadata,
        sequence=row.seq,
        created_at=rfc3339(row.at),
    )
