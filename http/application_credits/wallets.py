"""`/api/v1/wallets/users/{external_user_id}`: a user's credits, read and moved. A user is made elsewhere: one that is unknown is never opened here."""

from typing import Final

from aiohttp import web

from ...engine.commands import Holding
from ...engine.identity import Scope
from ...engine.refusals import RefusalCode
from ...engine.wallet import Asset
from ..amounts import decimal_text, major_units
from ..call import Call
from ..credits import SPEND, Kind, credit_move, held_side
from ..decoding import Body, refuse_fields
from ..dialects import STATUSES, moved
from ..holders import balance_of, holder, integer_in
from ..problem import Dialect
from ..routes import Routes
from . import contracts
from .wire import BalanceAnswer, MovementAnswer, MovementRequest

DIALECT: Final = Dialect(
    "application_credits", statuses={**STATUSES, RefusalCode.INSUFFICIENT_BALANCE: 402}, amount=decimal_text
)

ROUTE: Final = "/api/v1/wallets/users/{external_user_id}"

_MOVEMENT = Body(MovementRequest)


def register(routes: Routes) -> None:
    """Add the users' credits."""
    routes.add(
        "GET",
        f"{ROUTE}/balance",
        "application_credits_balance",
        balance,
        dialect=DIALECT,
        no_store=True,
        contract=contracts.BALANCE,
    )
    routes.add(
        "POST", f"{ROUTE}/top-up", "application_credits_top_up", top_up, dialect=DIALECT, contract=contracts.MOVED
    )
    routes.add("POST", f"{ROUTE}/bonus", "application_credits_bonus", bonus, dialect=DIALECT, contract=contracts.MOVED)
    routes.add("POST", f"{ROUTE}/spend", "application_credits_spend", spend, dialect=DIALECT, contract=contracts.MOVED)


async def balance(call: Call) -> web.StreamResponse:
    """A user's balance in an asset."""
    asset = _asset_asked_for(call)
    ledger, name = call.engine.ledger, call.parameters["external_user_id"]
    user = holder(call, name, Scope.READ)
    posted, wallet = balance_of(ledger, user, asset)
    account_id = None if wallet is None else wallet.number
    return call.answer(BalanceAnswer(decimal_text(posted, asset.scale), account_id, asset.id, name, asset.code))


async def top_up(call: Call) -> web.StreamResponse:
    """Credits that the user bought."""
    call.principal.require(Scope.WRITE)
    return await _move(call, "topup")


async def bonus(call: Call) -> web.StreamResponse:
    """Credits that the user was given."""
    call.principal.require(Scope.WRITE)
    return await _move(call, "bonus")


async def spend(call: Call) -> web.StreamResponse:
    """Credits that the user pays with."""
    return await _move(call, SPEND)


async def _move(call: Call, kind: Kind) -> web.StreamResponse:
    request = await call.body(_MOVEMENT)
    ledger, name = call.engine.ledger, call.parameters["external_user_id"]
    asset = ledger.asset_by_id(request.asset_type_id)
    amount = major_units(request.amount, asset.scale)
    user = holder(call, name, Scope.WRITE)
    members = {"external_user_id": name, "asset_type_id": asset.id, "amount": str(amount)}
    key = call.idempotency_key(dict, members, request.idempotency_key)
    outcome = await moved(call, credit_move(kind, asset, Holding(asset.code, user_id=user.id), amount), key)
    transaction = outcome.transaction
    entry = held_side(asset, transaction)
    balance_minor = ledger.wallet_at(entry.wallet).posted if outcome.replayed else entry.balance_after
    answer = MovementAnswer(
        transaction_id=transaction.id,
        new_balance=decimal_text(balance_minor, asset.scale),
        transaction_type=kind.upper(),
        external_user_id=name,
        asset_type_id=asset.id,
        amount=decimal_text(amount, asset.scale),
        idempotency_key=transaction.key,
    )
    return call.answer(answer, replayed=outcome.replayed)


def _asset_asked_for(call: Call) -> Asset:
    """The asset that the query names. Raises Refusal."""
    text = call.query(("asset_type_id",), others=True).get("asset_type_id")
    if text is None:
        raise refuse_fields([("/asset_type_id", "is missing")])
    return call.engine.ledger.asset_by_id(integer_in(text, "asset_type_id"))
