"""Credits: movements between an asset's Treasury and a user's wallet, as services make them that hand credits out and take them back.

Every such request may bring its idempotency key in its body as well as in the header.
"""

from typing import Annotated, Any, Final, Literal

import msgspec

from ..engine.commands import Holding, Move, transfer
from ..engine.limits import IDEMPOTENCY_KEY_LENGTH_MAX
from ..engine.ports import Entry, Transaction
from ..engine.wallet import Asset

KeyText = Annotated[
    str,
    msgspec.Meta(
        max_length=IDEMPOTENCY_KEY_LENGTH_MAX,
        pattern=r"^[!-~]+\Z",
        description="1 to 255 visible ASCII characters; the header Idempotency-Key may say the same.",
    ),
]
"""An idempotency key in a body."""

Kind = Literal["topup", "bonus", "spend"]
"""What a movement of credits is for; it is the movement's type in every history."""

SPEND: Final = "spend"


def credit_move(
    kind: Kind,
    asset: Asset,
    holding: Holding,
    amount_minor: int,
    *,
    description: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> Move:
    """The movement of credits to a holding, or from it when they are spent."""
    treasury = asset.treasury.id
    return transfer(
        holding if kind == SPEND else treasury,
        treasury if kind == SPEND else holding,
        amount_minor,
        type=kind,
        description=description,
        metadata=metadata,
    )


def held_side(asset: Asset, transaction: Transaction) -> Entry:
    """The user's entry of a movement of credits."""
    first, second = transaction.entries
    return second if first.wallet == asset.treasury.number else first
