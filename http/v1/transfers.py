"""`/v1/transfers`: money from one wallet to another of the same asset."""

import msgspec
from aiohttp import web

from ...engine.commands import Move
from ...engine.refusals import Refusal, RefusalCode
from ..amounts import minor_units
from ..call import Call, transaction_of
from ..contract import Parameter
from ..decoding import Body
from ..routes import Routes
from . import contracts
from .answers import is_transfer, transfer_answer, transfer_json
from .guards import check_move, check_sight
from .wire import TransferAnswer, TransferRequest

_TRANSFER = Body(TransferRequest)
_ID = Parameter(name="id", kind=str, description="A transfer's id.", example="tfr_12", place="path")
_MADE = contracts.created(TransferAnswer, TransferRequest, refuses=contracts.MOVES, keyed=True)
_FOUND = contracts.read(TransferAnswer, _ID, RefusalCode.TRANSFER_NOT_FOUND)


def register(routes: Routes) -> None:
    """Add the transfers."""
    routes.add("POST", "/v1/transfers", "transfer_create", create, contract=_MADE)
    routes.add("GET", "/v1/transfers/{id}", "transfer_get", get, no_store=True, contract=_FOUND)


def move_of(request: TransferRequest, pointer: str = "") -> Move:
    """The command that a transfer asks for. Raises Refusal for an amount that is none."""
    amount = minor_units(request.amount, f"{pointer}/amount")
    return Move(
        legs=((request.source, -amount), (request.destination, amount)),
        type="transfer",
        description=request.description,
        category=request.category,
        reference=request.reference,
        metadata=request.metadata,
    )


def members_of(move: Move) -> dict[str, object]:
    """A transfer in the form in which repetitions are compared."""
    (source, _), (destination, amount) = move.legs
    assert isinstance(source, str)
    assert isinstance(destination, str)
    return {
        "source": source.lower(),
        "destination": destination.lower(),
        "amount": str(amount),
        "description": move.description,
        "category": move.category,
        "reference": move.reference,
        "metadata": move.metadata,
    }


async def create(call: Call) -> web.StreamResponse:
    """Move money."""
    move = move_of(await call.body(_TRANSFER))
    check_move(call.principal, call.engine.ledger, move)
    key = call.idempotency_key(members_of, move)
    outcome = await call.engine.execute(move, key=key, dry_run=call.dry_run())
    reader = call.principal.user_id
    transaction = outcome.transaction
    body = transfer_json(call.engine.ledger, transaction, outcome.dry_run, reader)
    return call.made(msgspec.Raw(body), outcome, f"/v1/transfers/tfr_{transaction.id}")


async def get(call: Call) -> web.StreamResponse:
    """One transfer: a transaction of exactly two legs of one asset."""
    call.query()
    transaction = await transaction_of(call, "tfr_", RefusalCode.TRANSFER_NOT_FOUND)
    check_sight(call.principal, call.engine.ledger, transaction, RefusalCode.TRANSFER_NOT_FOUND)
    if not is_transfer(call.engine.ledger, transaction):
        raise Refusal(RefusalCode.TRANSFER_NOT_FOUND)
    return call.answer(transfer_answer(call.engine.ledger, transaction, reader=call.principal.user_id))
