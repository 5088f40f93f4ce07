"""`/api/wallet/transfer/` and `/api/wallet/balance/`: the logged-in user's money."""

from typing import Any, Final

from aiohttp import web

from ...engine.commands import Holding, transfer
from ..amounts import decimal_text, major_units
from ..call import Call
from ..decoding import Body
from ..dialects import moved
from ..holders import balance_of, default_asset
from ..instants import rfc3339
from ..routes import Routes
from . import contracts
from .dialect import CREDIT_TRANSFER
from .wire import Balance, TransferMade, TransferRequest

MESSAGE: Final = "Transfer successful."

_TRANSFER = Body(TransferRequest)


def register(routes: Routes) -> None:
    """Add the transfer and the balance."""
    routes.add(
        "POST",
        "/api/wallet/transfer/",
        "credit_transfer_create",
        create,
        dialect=CREDIT_TRANSFER,
        always_authenticated=True,
        contract=contracts.TRANSFERRED,
        also="/api/wallet/transfer",
    )
    routes.add(
        "GET",
        "/api/wallet/balance/",
        "credit_transfer_balance",
        balance,
        dialect=CREDIT_TRANSFER,
        no_store=True,
        always_authenticated=True,
        contract=contracts.BALANCE,
        also="/api/wallet/balance",
    )


async def create(call: Call) -> web.StreamResponse:
    """Send money to another user. A receipt of it is made."""
    sender_id = call.principal.require_login()
    request = await call.body(_TRANSFER)
    asset = default_asset(call)
    amount = major_units(request.amount, asset.scale)
    receiver = call.engine.ledger.user(request.receiver_id)  # said before that the sender has too little
    move = transfer(
        Holding(asset.code, user_id=sender_id), Holding(asset.code, user_id=receiver.id), amount, receipt=True
    )
    outcome = await moved(call, move, call.idempotency_key(_members, (receiver.id, amount)))
    transaction = outcome.transaction
    debit = transaction.entries[0]
    path = receipt_path(debit.id)
    answer = TransferMade(
        message=MESSAGE,
        transaction_id=debit.id,
        sender_id=sender_id,
        receiver_id=receiver.id,
        amount=decimal_text(amount, asset.scale),
        sender_balance=decimal_text(debit.balance_after, asset.scale),
        status="completed",
        receipt_url=call.services.options.public_url + path,
        timestamp=rfc3339(transaction.at),
    )
    return call.made(answer, outcome, path)


def receipt_path(transaction_id: int) -> str:
    """Where a transfer's receipt is."""
    return f"/api/wallet/receipts/{transaction_id}/"


def _members(asked: tuple[int, int]) -> dict[str, Any]:
    """A transfer in the form in which repetitions are compared."""
    receiver_id, amount = asked
    return {"receiver_id": str(receiver_id), "amount": str(amount)}


async def balance(call: Call) -> web.StreamResponse:
    """What the logged-in user has."""
    user = call.engine.ledger.user(call.principal.require_login())
    asset = default_asset(call)
    posted, _ = balance_of(call.engine.ledger, user, asset)
    return call.answer(Balance(user.id, user.username, decimal_text(posted, asset.scale)))
