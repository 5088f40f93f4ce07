"""Commands: what a caller may ask of the engine.

Amounts are integers in minor units. Wallets are named by their id, or as the holding of a user in an asset, which the
first credit opens. `Engine.execute` checks the meaning of a command; its types and text lengths are the caller's duty.
"""

from typing import Any

import msgspec

from .refusals import Refusal, RefusalCode


class Holding(msgspec.Struct, frozen=True, gc=False):
    """A user's wallet in an asset, whether it is open yet or not.

    Exactly one of `user_id` and `external_id` is given. A credit opens a missing wallet; with `open_user`, a credit also
    makes an unknown `external_id` a user.
    """

    asset: str
    user_id: int | None = None
    external_id: str | None = None
    open_user: bool = False


WalletRef = str | Holding
"""A wallet's id (UUID text), or a holding."""


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """Move money between any number of wallets, all or nothing: the legs sum to zero per asset.

    `type` is the movement's name in histories: `transfer`, `transaction`, `credit`, `debit`, `topup`, ... Between two
    users' wallets the asset must be transferable. `receipt` asks for a receipt to be written once it is durable.
    """

    legs: tuple[tuple[WalletRef, int], ...]
    type: str = "transaction"
    description: str | None = None
    category: str | None = None
    reference: str | None = None
    metadata: dict[str, Any] | None = None
    receipt: bool = False


def transfer(
    source: WalletRef,
    destination: WalletRef,
    amount: int,
    *,
    type: str = "transfer",  # noqa: A002 - the field's own name
    description: str | None = None,
    category: str | None = None,
    reference: str | None = None,
    metadata: dict[str, Any] | None = None,
    receipt: bool = False,
) -> Move:
    """The movement of `amount` minor units from one wallet to another: a debit leg, then a credit leg.

    Raises Refusal AMOUNT_NOT_POSITIVE: the direction is said by source and destination alone.
    """
    if amount <= 0:
        raise Refusal(RefusalCode.AMOUNT_NOT_POSITIVE)
    return Move(
        legs=((source, -amount), (destination, amount)),
        type=type,
        description=description,
        category=category,
        reference=reference,
        metadata=metadata,
        receipt=receipt,
    )


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Many movements in one record, as if sent one after another: each sees the ones before it.

    `atomic`: all of them, or none and the refusal of the first that fails, with `index` among its facts.
    """

    moves: tuple[Move, ...]
    atomic: bool = False


class CreateAsset(msgspec.Struct, frozen=True, kw_only=True):
    """Make an asset and its Treasury. Without an `id` the engine takes the smallest free one outside the reserved ids."""

    code: str
    id: int | None = None
    name: str | None = None
    aliases: tuple[str, ...] = ()
    scale: int = 2
    transferable: bool = True
    min_amount: int = 1
    max_amount: int | None = None
    active: bool = True


class CreateUser(msgspec.Struct, frozen=True, kw_only=True):
    """Make a user, and a wallet for it in `wallet_asset` if one is named."""

    external_id: str | None = None
    username: str | None = None
    email: str | None = None
    phone_number: str | None = None
    name: str | None = None
    wallet_asset: str | None = None


class UpdateUser(msgspec.Struct, frozen=True, kw_only=True):
    """Change the named members of a user; UNSET leaves one as it is, None clears it."""

    user_id: int
    username: str | msgspec.UnsetType | None = msgspec.UNSET
    email: str | msgspec.UnsetType | None = msgspec.UNSET
    phone_number: str | msgspec.UnsetType | None = msgspec.UNSET
    name: str | msgspec.UnsetType | None = msgspec.UNSET


class OpenWallet(msgspec.Struct, frozen=True, kw_only=True):
    """Open a user's wallet in an asset."""

    user_id: int
    asset: str


class Freeze(msgspec.Struct, frozen=True, kw_only=True):
    """Stop a wallet's debits, its credits, or both. Freezing again replaces what was frozen and why."""

    wallet_id: str
    reason: str
    debits: bool = True
    credits: bool = False


class Unfreeze(msgspec.Struct, frozen=True, kw_only=True):
    """Let a frozen wallet move again."""

    wallet_id: str


class Close(msgspec.Struct, frozen=True, kw_only=True):
    """Close an empty wallet for ever."""

    wallet_id: str


Command = Move | Batch | CreateAsset | CreateUser | UpdateUser | OpenWallet | Freeze | Unfreeze | Close


class IdempotencyKey(msgspec.Struct, frozen=True):
    """A caller's key for one effect.

    `scope` names the caller, method and route; `request` is the request as parsed, member by member, in one form for equal requests
    (`10`, `10.0` and `"10.00"` are one amount): it is compared when the key comes again.
    """

    scope: str
    key: str
    request: dict[str, Any]
