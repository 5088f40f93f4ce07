"""Contracts that the native API's endpoints have in common: creations and changes with their dry runs, single reads, and lists by cursor."""

from typing import Annotated, Any, Final

import msgspec

from ...engine.limits import EVENTS_PAGE_MAX, PAGE_MAX
from ...engine.refusals import RefusalCode
from ..contract import MOVEMENT_REFUSALS, Answer, Contract, Parameter
from ..cursors import CURSOR_LENGTH_MAX
from .wire import AssetName, UserId, WalletId

_INVALID: Final = RefusalCode.INVALID_REQUEST

MOVES: Final = (
    *MOVEMENT_REFUSALS,
    RefusalCode.SAME_WALLET,
    RefusalCode.ASSET_MISMATCH,
    RefusalCode.ASSET_NOT_TRANSFERABLE,
    RefusalCode.WALLET_NOT_FOUND,
)
"""What a movement between wallets that are named by their ids can be refused with."""

DRY_RUN: Final = Parameter(
    name="dry_run",
    kind=bool,
    description="With `true` the same checks are made, the answer says what would happen, and nothing changes.",
    example=False,
)
LIMIT: Final = Parameter(
    name="limit",
    kind=Annotated[int, msgspec.Meta(ge=1, le=PAGE_MAX)],
    description="Rows of a page; 20 by default.",
    example=20,
)
LIMIT_EVENTS: Final = Parameter(
    name="limit",
    kind=Annotated[int, msgspec.Meta(ge=1, le=EVENTS_PAGE_MAX)],
    description="Events of a page; 20 by default.",
    example=20,
)
CURSOR: Final = Parameter(
    name="cursor",
    kind=Annotated[str, msgspec.Meta(max_length=CURSOR_LENGTH_MAX)],
    description="The `next` of the page before, with the same filters.",
)
USER_ID: Final = Parameter(name="id", kind=UserId, description="A user's id.", example=1, place="path")
ASSET_CODE: Final = Parameter(
    name="code", kind=AssetName, description="An asset's code or alias.", example="USD", place="path"
)
WALLET_ID: Final = Parameter(
    name="id",
    kind=WalletId,
    description="A wallet's id: a UUID, in any case.",
    example="6f1c1d9e-8f0b-4c53-9d2a-0a4f5b7c8d11",
    place="path",
)


def created(body: Any, takes: type[msgspec.Struct], *, refuses: tuple[str, ...] = (), keyed: bool = False) -> Contract:
    """A creation: 201 and the Location of what was made; of a dry run, 200."""
    return Contract(
        answers={
            201: Answer(body=body, description="Made."),
            200: Answer(body=body, description="What would be made: the answer of a dry run."),
        },
        takes=takes,
        parameters=(DRY_RUN,),
        refuses=refuses,
        keyed=keyed,
    )


def changed(
    body: Any,
    takes: type[msgspec.Struct],
    subject: Parameter,
    *,
    refuses: tuple[str, ...],
    body_optional: bool = False,
) -> Contract:
    """A change of what `subject` names: 200 and what is now, or would be in a dry run."""
    return Contract(
        answers={200: Answer(body=body, description="Changed, or in a dry run what it would become.")},
        takes=takes,
        body_optional=body_optional,
        parameters=(subject, DRY_RUN),
        refuses=refuses,
    )


def read(body: Any, subject: Parameter, missing: RefusalCode) -> Contract:
    """A read of what `subject` names."""
    return Contract(
        answers={200: Answer(body=body, description="Found.")}, parameters=(subject,), refuses=(missing, _INVALID)
    )


def listed(body: Any, *parameters: Parameter, limit: Parameter = LIMIT, refuses: tuple[str, ...] = ()) -> Contract:
    """A page of a list, with its filters."""
    return Contract(
        answers={200: Answer(body=body, description="A page; its `next` is null on the last one.")},
        parameters=(*parameters, limit, CURSOR),
        refuses=refuses,
    )
