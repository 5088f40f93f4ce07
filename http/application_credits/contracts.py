"""What the endpoints of the application credits promise."""

from typing import Final

from ...engine.refusals import RefusalCode
from ..contract import MOVEMENT_REFUSALS, Answer, Contract, Parameter
from .wire import BalanceAnswer, MovementAnswer, MovementRequest

_UNKNOWN: Final = (RefusalCode.USER_NOT_FOUND, RefusalCode.ASSET_NOT_FOUND)
_USER: Final = Parameter(
    name="external_user_id", kind=str, description="The caller's own id of a user.", example="user_alice", place="path"
)
_ASSET: Final = Parameter(name="asset_type_id", kind=int, description="An asset's id.", example=1, required=True)

BALANCE: Final = Contract(
    answers={200: Answer(body=BalanceAnswer, description="Found.")}, parameters=(_USER, _ASSET), refuses=_UNKNOWN
)
MOVED: Final = Contract(
    answers={200: MovementAnswer},
    takes=MovementRequest,
    parameters=(_USER,),
    refuses=(*MOVEMENT_REFUSALS, *_UNKNOWN),
    keyed=True,
)
