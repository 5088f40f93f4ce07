"""What the endpoints of the wallet service promise."""

from typing import Any, Final

from ...engine.refusals import RefusalCode
from ..contract import MOVEMENT_REFUSALS, PAGE, Answer, Contract, Parameter, limit_parameter
from ..dialects import TypeName
from .wire import (
    MoneyRequest,
    TransactionAnswer,
    TransactionList,
    TransferAnswer,
    TransferRequest,
    WalletAnswer,
    WalletId,
    WalletRequest,
)

LIMIT_DEFAULT: Final = 20

_MISSING: Final = (RefusalCode.WALLET_NOT_FOUND, RefusalCode.INVALID_REQUEST)
_ID: Final = Parameter(
    name="id",
    kind=WalletId,
    description="A wallet's id.",
    example="6f1c1d9e-8f0b-4c53-9d2a-0a4f5b7c8d11",
    place="path",
)


def _moved(body: Any, takes: type, *refuses: RefusalCode) -> Contract:
    return Contract(
        answers={201: body},
        takes=takes,
        refuses=(*MOVEMENT_REFUSALS, RefusalCode.WALLET_NOT_FOUND, *refuses),
        keyed=True,
    )


OPENED: Final = Contract(
    answers={201: Answer(body=WalletAnswer, description="Opened.")},
    takes=WalletRequest,
    refuses=(RefusalCode.WALLET_EXISTS, RefusalCode.ASSET_INACTIVE),
)
WALLET: Final = Contract(
    answers={200: Answer(body=WalletAnswer, description="Found.")}, parameters=(_ID,), refuses=_MISSING
)
TRANSACTIONS: Final = Contract(
    answers={200: Answer(body=TransactionList, description="A page.")},
    parameters=(
        _ID,
        Parameter(name="type", kind=TypeName, description="Transactions of this type."),
        PAGE,
        limit_parameter(LIMIT_DEFAULT),
    ),
    refuses=_MISSING,
)
MONEY_MOVED: Final = _moved(TransactionAnswer, MoneyRequest)
TRANSFERRED: Final = _moved(
    TransferAnswer,
    TransferRequest,
    RefusalCode.SAME_WALLET,
    RefusalCode.ASSET_MISMATCH,
    RefusalCode.ASSET_NOT_TRANSFERABLE,
)
