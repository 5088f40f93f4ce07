"""`/transactions`: the entries of users' wallets in the default asset. A transaction here is one wallet's side of a movement, known by its entry's number."""

from aiohttp import web

from ...engine.identity import Scope
from ...engine.ports import Entry, Transaction
from ...engine.records import entry_type
from ...engine.refusals import Refusal, RefusalCode
from ..amounts import decimal_number
from ..call import Call
from ..dialects import type_name
from ..holders import check_party, default_asset, integer_in_path, number_in_path
from ..instants import rfc3339
from ..paging import Paging
from ..routes import Routes
from . import contracts
from .dialect import DIGITAL_WALLET
from .wire import TransactionDetail, TransactionList, TransactionRow


def register(routes: Routes) -> None:
    """Add the lists and the details."""
    routes.add(
        "GET",
        "/transactions/{user_id}",
        "digital_wallet_transactions",
        listing,
        dialect=DIGITAL_WALLET,
        no_store=True,
        contract=contracts.TRANSACTIONS,
    )
    routes.add(
        "GET",
        "/transactions/detail/{transaction_id}",
        "digital_wallet_transaction_get",
        detail,
        dialect=DIGITAL_WALLET,
        no_store=True,
        contract=contracts.TRANSACTION,
    )


async def listing(call: Call) -> web.StreamResponse:
    """A page of a user's transactions, newest first."""
    user_id = integer_in_path(call, "user_id")
    call.principal.require_user(user_id, scope=Scope.READ)
    asset = default_asset(call)
    wallet = call.engine.ledger.wallet_of(user_id, asset)
    paging = Paging(call, limit_default=contracts.LIMIT_DEFAULT)
    found = await paging.entries(call, wallet)
    rows = [
        TransactionRow(
            transaction_id=row.entry.id,
            transaction_type=type_name(row.type, row.entry.amount),
            amount=decimal_number(abs(row.entry.amount), asset.scale),
            description=row.description,
            created_at=rfc3339(row.at),
        )
        for row in found.entries
    ]
    return call.answer(TransactionList(rows, found.total, paging.page, paging.limit))


async def detail(call: Call) -> web.StreamResponse:
    """One transaction."""
    number = number_in_path(call, "transaction_id", RefusalCode.TRANSACTION_NOT_FOUND)
    transaction = await call.engine.transaction_of_entry(number)
    entry = next(entry for entry in transaction.entries if entry.id == number)
    ledger, asset = call.engine.ledger, default_asset(call)
    wallet = ledger.wallet_at(entry.wallet)
    if wallet.is_treasury or wallet.asset is not asset:
        raise Refusal(RefusalCode.TRANSACTION_NOT_FOUND)
    check_party(call, (wallet.user_id,), RefusalCode.TRANSACTION_NOT_FOUND)
    other = other_side(transaction, entry)
    answer = TransactionDetail(
        transaction_id=entry.id,
        user_id=wallet.user_id,
        transaction_type=type_name(entry_type(transaction.type, entry.amount), entry.amount),
        amount=decimal_number(abs(entry.amount), asset.scale),
        description=transaction.description,
        recipient_user_id=None if other is None else ledger.wallet_at(other.wallet).user_id,
        reference_transaction_id=None if other is None else other.id,
        created_at=rfc3339(transaction.at),
    )
    return call.answer(answer)


def other_side(transaction: Transaction, entry: Entry) -> Entry | None:
    """The other entry of a transfer; None of any other movement."""
    if transaction.type != "transfer" or len(transaction.entries) != 2:
        return None
    first, second = transaction.entries
    return second if entry is first else first
