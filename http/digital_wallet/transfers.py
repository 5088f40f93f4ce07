"""`/transfer`: money from one user to another, in the default asset."""

from typing import Any, Final

from aiohttp import web

from ...engine.commands import Holding, transfer
from ...engine.identity import Scope
from ...engine.refusals import Refusal, RefusalCode
from ..amounts import decimal_number, major_units
from ..call import Call, numbered_transaction
from ..decoding import Body
from ..dialects import moved
from ..holders import check_party, default_asset, number_in_path, tells_balance
from ..instants import rfc3339
from ..routes import Routes
from . import contracts
from .dialect import DIGITAL_WALLET
from .wire import TransferDetail, TransferMade, TransferRequest

COMPLETED: Final = "completed"

_TRANSFER = Body(TransferRequest)


def register(routes: Routes) -> None:
    """Add the transfers."""
    routes.add(
        "POST",
        "/transfer",
        "digital_wallet_transfer_create",
        create,
        dialect=DIGITAL_WALLET,
        contract=contracts.TRANSFERRED,
    )
    routes.add(
        "GET",
        "/transfer/{transfer_id}",
        "digital_wallet_transfer_get",
        get,
        dialect=DIGITAL_WALLET,
        no_store=True,
        contract=contracts.TRANSFER,
    )


async def create(call: Call) -> web.StreamResponse:
    """Move money."""
    request = await call.body(_TRANSFER)
    sender, recipient = request.sender_user_id, request.recipient_user_id
    call.principal.require_user(sender, scope=Scope.WRITE)
    asset = default_asset(call)
    amount = major_units(request.amount, asset.scale)
    call.engine.ledger.check_user(recipient)  # that there is none is said before that the sender has too little
    move = transfer(
        Holding(asset.code, user_id=sender),
        Holding(asset.code, user_id=recipient),
        amount,
        description=request.description,
    )
    outcome = await moved(call, move, call.idempotency_key(_members, (sender, recipient, amount, request.description)))
    transaction = outcome.transaction
    debit, credit = transaction.entries
    answer = TransferMade(
        transfer_id=transaction.id,
        sender_transaction_id=debit.id,
        recipient_transaction_id=credit.id,
        amount=decimal_number(amount, asset.scale),
        sender_new_balance=decimal_number(debit.balance_after, asset.scale),
        recipient_new_balance=decimal_number(credit.balance_after, asset.scale)
        if tells_balance(call, recipient)
        else None,
        status=COMPLETED,
    )
    return call.made(answer, outcome, f"/transfer/{transaction.id}")


def _members(asked: tuple[int, int, int, str | None]) -> dict[str, Any]:
    """A transfer in the form in which repetitions are compared."""
    sender, recipient, amount, description = asked
    return {
        "sender_user_id": str(sender),
        "recipient_user_id": str(recipient),
        "amount": str(amount),
        "description": description,
    }


async def get(call: Call) -> web.StreamResponse:
    """One transfer between users."""
    number = number_in_path(call, "transfer_id", RefusalCode.TRANSFER_NOT_FOUND)
    transaction = await numbered_transaction(call, number, RefusalCode.TRANSFER_NOT_FOUND)
    ledger, asset = call.engine.ledger, default_asset(call)
    debit, credit = transaction.entries[0], transaction.entries[-1]
    sender, recipient = ledger.wallet_at(debit.wallet), ledger.wallet_at(credit.wallet)
    if transaction.type != "transfer" or len(transaction.entries) != 2 or sender.asset is not asset:
        raise Refusal(RefusalCode.TRANSFER_NOT_FOUND)
    check_party(call, (sender.user_id, recipient.user_id), RefusalCode.TRANSFER_NOT_FOUND)
    answer = TransferDetail(
        transfer_id=transaction.id,
        sender_user_id=sender.user_id,
        recipient_user_id=recipient.user_id,
        amount=decimal_number(credit.amount, asset.scale),
        description=transaction.description,
        status=COMPLETED,
        created_at=rfc3339(transaction.at),
    )
    return call.answer(answer)
