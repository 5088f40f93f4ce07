"""`/wallet/add`, `/wallet/deduct`, `/wallet/transfer`: money into wallets, out of them, and between them."""

from aiohttp import web

from ...engine.commands import transfer
from ...engine.identity import Scope
from ...engine.wallet import Wallet
from ..amounts import decimal_number, major_units
from ..call import Call
from ..decoding import Body
from ..dialects import moved
from ..holders import tells_balance
from ..routes import Routes
from . import contracts
from .answers import entry_answer, reference_id
from .dialect import WALLET_SERVICE
from .wallets import users_wallet
from .wire import MoneyRequest, TransferAnswer, TransferRequest

_MONEY = Body(MoneyRequest)
_TRANSFER = Body(TransferRequest)


def register(routes: Routes) -> None:
    """Add the movements."""
    routes.add("POST", "/wallet/add", "wallet_service_add", add, dialect=WALLET_SERVICE, contract=contracts.MONEY_MOVED)
    routes.add(
        "POST",
        "/wallet/deduct",
        "wallet_service_deduct",
        deduct,
        dialect=WALLET_SERVICE,
        contract=contracts.MONEY_MOVED,
    )
    routes.add(
        "POST",
        "/wallet/transfer",
        "wallet_service_transfer",
        exchange,
        dialect=WALLET_SERVICE,
        contract=contracts.TRANSFERRED,
    )


async def add(call: Call) -> web.StreamResponse:
    """Credit a wallet."""
    call.principal.require(Scope.WRITE)
    request = await call.body(_MONEY)
    wallet = users_wallet(call.engine.ledger, request.wallet_id)
    return await _move(call, wallet.asset.treasury, wallet, request)


async def deduct(call: Call) -> web.StreamResponse:
    """Debit a wallet."""
    call.principal.require(Scope.WRITE)
    request = await call.body(_MONEY)
    wallet = users_wallet(call.engine.ledger, request.wallet_id)
    return await _move(call, wallet, wallet.asset.treasury, request)


async def _move(call: Call, source: Wallet, destination: Wallet, request: MoneyRequest) -> web.StreamResponse:
    is_credit = source.is_treasury
    wallet = destination if is_credit else source
    amount = major_units(request.amount, wallet.asset.scale)
    members = {"walletId": wallet.id, "amount": str(amount), "category": request.category}
    move = transfer(source.id, destination.id, amount, category=request.category)
    outcome = await moved(call, move, call.idempotency_key(dict, members))
    transaction = outcome.transaction
    debit, credit = transaction.entries
    answer = entry_answer(wallet, credit if is_credit else debit, transaction)
    return call.made(answer, outcome, f"/v1/transactions/txn_{transaction.id}")


async def exchange(call: Call) -> web.StreamResponse:
    """Move money from one wallet to another."""
    request = await call.body(_TRANSFER)
    ledger = call.engine.ledger
    source = users_wallet(ledger, request.from_wallet_id)
    call.principal.spends_from(source, request.from_wallet_id)
    destination = users_wallet(ledger, request.to_wallet_id)
    call.principal.pays_into(destination)
    asset = source.asset
    amount = major_units(request.amount, asset.scale)
    members = {
        "fromWalletId": source.id,
        "toWalletId": destination.id,
        "amount": str(amount),
        "category": request.category,
    }
    move = transfer(source.id, destination.id, amount, category=request.category)
    outcome = await moved(call, move, call.idempotency_key(dict, members))
    transaction = outcome.transaction
    debit, credit = transaction.entries
    answer = TransferAnswer(
        reference_id=reference_id(asset, transaction.id),
        amount=decimal_number(amount, asset.scale),
        debit=entry_answer(source, debit, transaction),
        credit=entry_answer(destination, credit, transaction, with_balance=tells_balance(call, destination.user_id)),
    )
    return call.made(answer, outcome, f"/v1/transactions/txn_{transaction.id}")
