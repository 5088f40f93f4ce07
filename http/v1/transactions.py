"""`/v1/transactions`: movements of any number of legs, all or nothing."""

from aiohttp import web

from ...engine.commands import Move
from ...engine.refusals import RefusalCode
from ..amounts import signed_minor_units
from ..call import Call, transaction_of
from ..contract import Parameter
from ..decoding import Body
from ..routes import Routes
from . import contracts
from .answers import transaction_answer
from .guards import check_move, check_sight
from .wire import TransactionAnswer, TransactionRequest

_TRANSACTION = Body(TransactionRequest)
_ID = Parameter(name="id", kind=str, description="A transaction's id.", example="txn_12", place="path")
_MADE = contracts.created(
    TransactionAnswer, TransactionRequest, refuses=(*contracts.MOVES, RefusalCode.LEGS_UNBALANCED), keyed=True
)
_FOUND = contracts.read(TransactionAnswer, _ID, RefusalCode.TRANSACTION_NOT_FOUND)


def register(routes: Routes) -> None:
    """Add the transactions."""
    routes.add("POST", "/v1/transactions", "transaction_create", create, contract=_MADE)
    routes.add("GET", "/v1/transactions/{id}", "transaction_get", get, no_store=True, contract=_FOUND)


def members_of(move: Move) -> dict[str, object]:
    """A transaction in the form in which repetitions are compared."""
    return {
        "legs": [[wallet, str(amount)] for wallet, amount in move.legs],
        "description": move.description,
        "category": move.category,
        "reference": move.reference,
        "metadata": move.metadata,
    }


async def create(call: Call) -> web.StreamResponse:
    """Move money between any number of wallets and assets."""
    request = await call.body(_TRANSACTION)
    legs = [
        (leg.wallet_id.lower(), signed_minor_units(leg.amount, f"/legs/{index}/amount"))
        for index, leg in enumerate(request.legs)
    ]
    move = Move(
        legs=tuple(legs),
        description=request.description,
        category=request.category,
        reference=request.reference,
        metadata=request.metadata,
    )
    check_move(call.principal, call.engine.ledger, move)
    outcome = await call.engine.execute(move, key=call.idempotency_key(members_of, move), dry_run=call.dry_run())
    reader = call.principal.user_id
    transaction = transaction_answer(call.engine.ledger, outcome.transaction, outcome.dry_run, reader)
    return call.made(transaction, outcome, f"/v1/transactions/{transaction.id}")


async def get(call: Call) -> web.StreamResponse:
    """One transaction."""
    call.query()
    transaction = await transaction_of(call, "txn_", RefusalCode.TRANSACTION_NOT_FOUND)
    check_sight(call.principal, call.engine.ledger, transaction, RefusalCode.TRANSACTION_NOT_FOUND)
    return call.answer(transaction_answer(call.engine.ledger, transaction, reader=call.principal.user_id))
