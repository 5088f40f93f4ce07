"""`/api/v1/transactions`: topping up, granting and spending credits, and reading one transaction."""

from typing import Any, Final

from aiohttp import web

from ...engine.commands import Holding
from ...engine.identity import Scope
from ...engine.refusals import Refusal, RefusalCode
from ..amounts import major_units
from ..call import Call, number_of
from ..credits import SPEND, Kind, credit_move, held_side
from ..decoding import Body, refuse_fields
from ..dialects import moved
from ..holders import permitted
from ..idempotency import HEADER
from ..routes import Routes
from . import contracts
from .answers import DIALECT, TRANSACTION_PREFIX, side_for, transaction_answer
from .wire import TransactionRequest

ROUTE: Final = "/api/v1/transactions"

_TRANSACTION = Body(TransactionRequest)


def register(routes: Routes) -> None:
    """Add the transactions."""
    routes.add("POST", f"{ROUTE}/topup", "internal_wallet_topup", topup, dialect=DIALECT, contract=contracts.MOVED)
    routes.add("POST", f"{ROUTE}/bonus", "internal_wallet_bonus", bonus, dialect=DIALECT, contract=contracts.MOVED)
    routes.add("POST", f"{ROUTE}/spend", "internal_wallet_spend", spend, dialect=DIALECT, contract=contracts.MOVED)
    routes.add(
        "GET",
        f"{ROUTE}/{{transaction_id}}",
        "internal_wallet_transaction",
        get,
        dialect=DIALECT,
        no_store=True,
        contract=contracts.TRANSACTION,
    )


async def topup(call: Call) -> web.StreamResponse:
    """Credits that a user bought. An unknown user is made, and a missing wallet opened."""
    call.principal.require(Scope.WRITE)
    return await _move(call, "topup")


async def bonus(call: Call) -> web.StreamResponse:
    """Credits that a user was given. An unknown user is made, and a missing wallet opened."""
    call.principal.require(Scope.WRITE)
    return await _move(call, "bonus")


async def spend(call: Call) -> web.StreamResponse:
    """Credits that a user pays with. An unknown user has none, and is not made."""
    return await _move(call, SPEND)


async def _move(call: Call, kind: Kind) -> web.StreamResponse:
    request = await call.body(_TRANSACTION)
    if request.idempotency_key is None and HEADER not in call.request.headers:
        raise refuse_fields([("/idempotency_key", "is missing")])
    ledger = call.engine.ledger
    asset = ledger.asset(request.asset_type)
    amount = major_units(request.amount, asset.scale)
    permitted(call, request.user_id, Scope.WRITE)
    members = _members(request, asset.code, amount)
    key = call.idempotency_key(dict, members, request.idempotency_key)
    holding = Holding(asset.code, external_id=request.user_id, open_user=True)
    move = credit_move(kind, asset, holding, amount, description=request.description, metadata=request.metadata)
    outcome = await moved(call, move, key)
    transaction = outcome.transaction
    answer = transaction_answer(ledger, call.principal, transaction, held_side(asset, transaction))
    return call.made(answer, outcome, f"{ROUTE}/{answer.id}")


def _members(request: TransactionRequest, asset: str, amount_minor: int) -> dict[str, Any]:
    """A request in the form in which repetitions are compared."""
    return {
        "user_id": request.user_id,
        "asset_type": asset,
        "amount": str(amount_minor),
        "description": request.description,
        "metadata": request.metadata,
    }


async def get(call: Call) -> web.StreamResponse:
    """One transaction, whichever API it was made through."""
    not_found = RefusalCode.TRANSACTION_NOT_FOUND
    ledger, principal = call.engine.ledger, call.principal
    if not principal.is_user:
        principal.require(Scope.READ)
    number = number_of(call.parameters["transaction_id"], TRANSACTION_PREFIX, not_found)
    transaction = await call.engine.transaction(number)
    side = side_for(ledger, principal, transaction)
    if side is None:
        raise Refusal(not_found)
    return call.answer(transaction_answer(ledger, principal, transaction, side))
