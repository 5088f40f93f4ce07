"""What the endpoints of the digital wallet promise."""

from typing import Any, Final

from ...engine.refusals import RefusalCode
from ..contract import MOVEMENT_REFUSALS, PAGE, Answer, Contract, Parameter, limit_parameter
from .wire import (
    Balance,
    MoneyRequest,
    Profile,
    TransactionDetail,
    TransactionList,
    TransactionMade,
    TransactionRequest,
    TransferDetail,
    TransferMade,
    TransferRequest,
    UserChange,
    UserRequest,
)

LIMIT_DEFAULT: Final = 10

_INVALID: Final = RefusalCode.INVALID_REQUEST
_USER_ID: Final = Parameter(name="user_id", kind=int, description="A user's id.", example=1, place="path")


def _read(body: Any, missing: RefusalCode, *parameters: Parameter) -> Contract:
    return Contract(
        answers={200: Answer(body=body, description="Found.")}, parameters=parameters, refuses=(missing, _INVALID)
    )


def _moved(takes: type, *parameters: Parameter) -> Contract:
    return Contract(
        answers={201: TransactionMade},
        takes=takes,
        parameters=parameters,
        refuses=(*MOVEMENT_REFUSALS, RefusalCode.USER_NOT_FOUND),
        keyed=True,
    )


REGISTERED: Final = Contract(
    answers={201: Answer(body=Profile, description="Registered.")},
    takes=UserRequest,
    refuses=(RefusalCode.USER_EXISTS,),
)
PROFILE: Final = _read(Profile, RefusalCode.USER_NOT_FOUND, _USER_ID)
CHANGED: Final = Contract(
    answers={200: Answer(body=Profile, description="Changed.")},
    takes=UserChange,
    parameters=(_USER_ID,),
    refuses=(RefusalCode.USER_NOT_FOUND, RefusalCode.USER_EXISTS),
)
BALANCE: Final = _read(Balance, RefusalCode.USER_NOT_FOUND, _USER_ID)
MONEY_MOVED: Final = _moved(MoneyRequest, _USER_ID)
TRANSACTED: Final = _moved(TransactionRequest)
TRANSACTIONS: Final = _read(TransactionList, RefusalCode.USER_NOT_FOUND, _USER_ID, PAGE, limit_parameter(LIMIT_DEFAULT))
TRANSACTION: Final = _read(
    TransactionDetail,
    RefusalCode.TRANSACTION_NOT_FOUND,
    Parameter(name="transaction_id", kind=int, description="A transaction's id.", example=23, place="path"),
)
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
TRANSFER: Final = _read(
    TransferDetail,
    RefusalCode.TRANSFER_NOT_FOUND,
    Parameter(name="transfer_id", kind=int, description="A transfer's id.", example=12, place="path"),
)
