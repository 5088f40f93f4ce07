"""`/api/wallet/receipts/{transaction_id}/`: the receipts of transfers, for the two who made them and for operators."""

from typing import Final

import msgspec
from aiohttp import web

from ...engine.identity import Scope
from ...engine.ports import Transaction
from ...engine.receipts import ReceiptForm, has_receipt
from ...engine.refusals import Refusal, RefusalCode
from ..call import Call, number_in
from ..decoding import refuse_fields
from ..routes import Routes
from . import contracts
from .dialect import CREDIT_TRANSFER
from .wire import ReceiptPending

RETRY_AFTER_S: Final = 1

_MEDIA_TYPES: Final = {ReceiptForm.PDF: contracts.PDF, ReceiptForm.TEXT: contracts.TEXT}
_encode: Final = msgspec.json.Encoder().encode


def register(routes: Routes) -> None:
    """Add the receipts."""
    routes.add(
        "GET",
        "/api/wallet/receipts/{transaction_id}/",
        "credit_transfer_receipt",
        get,
        dialect=CREDIT_TRANSFER,
        no_store=True,
        always_authenticated=True,
        contract=contracts.RECEIPT,
        also="/api/wallet/receipts/{transaction_id}",
    )


async def get(call: Call) -> web.StreamResponse:
    """The receipt of a transfer, as a PDF or as text."""
    form = _form(call.query(("format",)).get("format", "pdf"))
    transaction = await _transaction(call)
    number = int(call.parameters["transaction_id"])
    content = await call.services.receipts.read(transaction, form)
    if content is None:
        detail = "The receipt is being made; ask again in a moment."
        headers = {"Content-Type": "application/json", "Cache-Control": "no-store", "Retry-After": str(RETRY_AFTER_S)}
        return call.page(_encode(ReceiptPending(number, "pending", detail)), headers, 202)
    headers = {
        "Content-Type": _MEDIA_TYPES[form],
        "Content-Disposition": f'inline; filename="receipt-{number}.{form}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return call.page(content, headers)


def _form(text: str) -> ReceiptForm:
    if text not in ("pdf", "txt"):
        raise refuse_fields([("/format", "must be pdf or txt")])
    return ReceiptForm(text)


async def _transaction(call: Call) -> Transaction:
    """The movement that the path names by either side. To anyone but the two and an operator it is as if there were none."""
    number = number_in(call.parameters["transaction_id"])
    principal, ledger = call.principal, call.engine.ledger
    if not principal.is_user:
        principal.require(Scope.READ)
    if number is None:
        raise Refusal(RefusalCode.TRANSACTION_NOT_FOUND)
    transaction = await call.engine.transaction_of_entry(number)
    parties = {ledger.wallet_at(entry.wallet).user_id for entry in transaction.entries}
    if not has_receipt(ledger, transaction) or (principal.is_user and principal.user_id not in parties):
        raise Refusal(RefusalCode.TRANSACTION_NOT_FOUND)
    return transaction
