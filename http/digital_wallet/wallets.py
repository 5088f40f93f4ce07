"""Balances, and money that comes in from outside or goes out: against the default asset's Treasury."""

from typing import Any

from aiohttp import web

from ...engine.commands import Holding, transfer
from ...engine.identity import Scope
from ..amounts import decimal_number, major_units
from ..call import Call
from ..decoding import Body
from ..dialects import moved
from ..holders import balance_of, default_asset, integer_in_path
from ..instants import rfc3339
from ..routes import Routes
from . import contracts
from .dialect import DIGITAL_WALLET
from .wire import Balance, Direction, MoneyRequest, TransactionMade, TransactionRequest

_MONEY = Body(MoneyRequest)
_TRANSACTION = Body(TransactionRequest)


def register(routes: Routes) -> None:
    """Add balances, credits and debits."""
    one = "/wallet/{user_id}"
    routes.add(
        "GET",
        f"{one}/balance",
        "digital_wallet_balance",
        balance,
        dialect=DIGITAL_WALLET,
        no_store=True,
        contract=contracts.BALANCE,
    )
    routes.add(
        "POST",
        f"{one}/add-money",
        "digital_wallet_add_money",
        add_money,
        dialect=DIGITAL_WALLET,
        contract=contracts.MONEY_MOVED,
    )
    routes.add(
        "POST",
        f"{one}/withdraw",
        "digital_wallet_withdraw",
        withdraw,
        dialect=DIGITAL_WALLET,
        contract=contracts.MONEY_MOVED,
    )
    routes.add(
        "POST",
        "/transactions",
        "digital_wallet_transaction_create",
        transact,
        dialect=DIGITAL_WALLET,
        contract=contracts.TRANSACTED,
    )


async def balance(call: Call) -> web.StreamResponse:
    """A user's balance."""
    user_id = integer_in_path(call, "user_id")
    call.principal.require_user(user_id, scope=Scope.READ)
    user, asset = call.engine.ledger.user(user_id), default_asset(call)
    amount, wallet = balance_of(call.engine.ledger, user, asset)
    changed_at = user.created_at if wallet is None else wallet.updated_at
    return call.answer(Balance(user.id, decimal_number(amount, asset.scale), rfc3339(changed_at)))


async def add_money(call: Call) -> web.StreamResponse:
    """Credit a user's wallet."""
    user_id = integer_in_path(call, "user_id")
    call.principal.require(Scope.WRITE)
    return await _move(call, user_id, "CREDIT", await call.body(_MONEY))


async def withdraw(call: Call) -> web.StreamResponse:
    """Debit a user's wallet."""
    user_id = integer_in_path(call, "user_id")
    call.principal.require(Scope.WRITE)
    return await _move(call, user_id, "DEBIT", await call.body(_MONEY))


async def transact(call: Call) -> web.StreamResponse:
    """Credit or debit a user's wallet."""
    call.principal.require(Scope.WRITE)
    request = await call.body(_TRANSACTION)
    return await _move(call, request.user_id, request.transaction_type, request)


async def _move(call: Call, user_id: int, direction: Direction, request: MoneyRequest) -> web.StreamResponse:
    asset = default_asset(call)
    amount = major_units(request.amount, asset.scale)
    wallet, treasury = Holding(asset.code, user_id=user_id), asset.treasury.id
    source, destination = (treasury, wallet) if direction == "CREDIT" else (wallet, treasury)
    move = transfer(source, destination, amount, description=request.description)
    key = call.idempotency_key(_members, (user_id, direction, amount, request.description))
    outcome = await moved(call, move, key)
    debit, credit = outcome.transaction.entries
    entry = credit if direction == "CREDIT" else debit
    answer = TransactionMade(
        transaction_id=entry.id,
        user_id=user_id,
        amount=decimal_number(amount, asset.scale),
        new_balance=decimal_number(entry.balance_after, asset.scale),
        transaction_type=direction,
    )
    return call.made(answer, outcome, f"/transactions/detail/{entry.id}")


def _members(asked: tuple[int, str, int, str | None]) -> dict[str, Any]:
    """A credit or debit in the form in which repetitions are compared."""
    user_id, direction, amount, description = asked
    return {
        "user_id": str(user_id),
        "transaction_type": direction,
        "amount": str(amount),
        "description": description,
    }
