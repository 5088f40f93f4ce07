"""What the endpoints of the internal wallet service promise."""

from typing import Any, Final, Literal

from ...engine.refusals import RefusalCode
from ..contract import MOVEMENT_REFUSALS, OFFSET, Answer, Contract, Parameter, limit_parameter
from ..v1.wire import AssetName
from .wire import (
    AccountAnswer,
    BalancesAnswer,
    NewUserAnswer,
    TransactionAnswer,
    TransactionRequest,
    UserAnswer,
    UserRequest,
)

LIMIT_DEFAULT: Final = 50

_USER: Final = Parameter(
    name="user_id", kind=str, description="The caller's own id of a user.", example="user_001", place="path"
)
_ASSET: Final = Parameter(name="asset_type", kind=AssetName, description="This asset only, by code or alias.")
_TYPE: Final = Parameter(
    name="type",
    kind=Literal["TOPUP", "BONUS", "SPEND", "CREDIT", "DEBIT", "TRANSFER", "TRANSACTION"],
    description="Transactions of this type.",
)


def _listed(body: Any, *parameters: Parameter, refuses: tuple[RefusalCode, ...] = ()) -> Contract:
    page = Answer(body=body, description="A page, newest first.", headers=("X-Total-Count",))
    return Contract(
        answers={200: page}, parameters=(*parameters, limit_parameter(LIMIT_DEFAULT), OFFSET), refuses=refuses
    )


MOVED: Final = Contract(
    answers={201: TransactionAnswer},
    takes=TransactionRequest,
    refuses=(*MOVEMENT_REFUSALS, RefusalCode.ASSET_NOT_FOUND),
    keyed=True,
)
TRANSACTION: Final = Contract(
    answers={200: Answer(body=TransactionAnswer, description="Found.")},
    parameters=(
        Parameter(name="transaction_id", kind=str, description="A transaction's id.", example="txn_12", place="path"),
    ),
    refuses=(RefusalCode.TRANSACTION_NOT_FOUND,),
)
BALANCES: Final = Contract(
    answers={200: Answer(body=BalancesAnswer, description="Found.")},
    parameters=(_USER, _ASSET),
    refuses=(RefusalCode.USER_NOT_FOUND, RefusalCode.ASSET_NOT_FOUND),
)
TRANSACTIONS: Final = _listed(
    list[TransactionAnswer],
    _USER,
    _ASSET,
    _TYPE,
    refuses=(RefusalCode.USER_NOT_FOUND, RefusalCode.ASSET_NOT_FOUND),
)
USERS: Final = _listed(list[UserAnswer])
CREATED: Final = Contract(
    answers={201: Answer(body=NewUserAnswer, description="Made.")},
    takes=UserRequest,
    refuses=(RefusalCode.USER_EXISTS,),
)
ACCOUNTS: Final = Contract(
    answers={200: Answer(body=list[AccountAnswer], description="Found.")},
    parameters=(_USER,),
    refuses=(RefusalCode.USER_NOT_FOUND,),
)
