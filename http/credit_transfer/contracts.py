"""What the endpoints of the credit transfer promise."""

from typing import Final, Literal

from ...engine.refusals import RefusalCode
from ..contract import MOVEMENT_REFUSALS, Answer, Contract, Parameter
from .wire import Balance, ReceiptPending, TransferMade, TransferRequest

PDF: Final = "application/pdf"
TEXT: Final = "text/plain; charset=utf-8"

TRANSFERRED: Final = Contract(
    answers={201: TransferMade},
    takes=TransferRequest,
    refuses=(
        *MOVEMENT_REFUSALS,
        RefusalCode.SAME_WALLET,
        RefusalCode.ASSET_NOT_TRANSFERABLE,
        RefusalCode.USER_NOT_FOUND,
    ),
    keyed=True,
)
BALANCE: Final = Contract(answers={200: Answer(body=Balance, description="Found.")})
RECEIPT: Final = Contract(
    answers={
        200: Answer(body=bytes, description="The receipt.", media_type=PDF, also=(TEXT,)),
        202: Answer(body=ReceiptPending, description="It is being made.", headers=("Retry-After",)),
    },
    parameters=(
        Parameter(
            name="transaction_id", kind=int, description="Either side's transaction id.", example=23, place="path"
        ),
        Parameter(name="format", kind=Literal["pdf", "txt"], description="pdf by default.", example="txt"),
    ),
    refuses=(RefusalCode.TRANSACTION_NOT_FOUND,),
)
