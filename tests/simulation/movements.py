"""Movements in the model: the ladder that each one climbs, over balances that the earlier ones of the same batch have changed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from walletd.engine import Holding, Move, RefusalCode
from walletd.engine.limits import AMOUNT_MAX
from walletd.engine.records import AssetCreated

if TYPE_CHECKING:
    from .model import State

Why = tuple[RefusalCode, dict[str, Any]]
Answer = tuple[Why, ...]
"""Nothing where it is done; else why not. Several where several wallets stand in the way: any of them may be named."""

FREE = (False, False, False)


class Side:
    """One leg's wallet: a place of the book, or one that this trial opens. Money is in and out of it by number."""

    __slots__ = ("asset", "number", "user_id")

    def __init__(self, number: int, user_id: int, asset: AssetCreated) -> None:
        self.number = number
        self.user_id = user_id
        self.asset = asset


class _NotPossibleError(Exception):
    def __init__(self, code: RefusalCode, **facts: Any) -> None:
        self.answer: Answer = ((code, facts),)


class Trial:
    """Movements tried one after another on a state, which stays as it is."""

    def __init__(self, state: "State") -> None:
        self._state = state
        self._changed: dict[int, int] = {}
        self._opened: dict[tuple[str, int], Side] = {}

    def move(self, move: Move) -> Answer:
        """Try one. Where it is not done, nothing of it has changed anything."""
        opened = dict(self._opened)
        try:
            if not 2 <= len(move.legs) <= 1_000:
                raise _NotPossibleError(RefusalCode.INVALID_REQUEST)
            legs = [(self._side(ref, amount), amount) for ref, amount in move.legs]
            _check(legs)
            answer = self._post(legs)
        except _NotPossibleError as error:
            answer = error.answer
        if answer:
            self._opened = opened
        return answer

    def _side(self, ref: str | Holding, amount: int) -> Side:
        state = self._state
        if isinstance(ref, str):
            place = state.place(ref)
            if place is None:
                raise _NotPossibleError(RefusalCode.WALLET_NOT_FOUND)
            return Side(place.number, place.user_id, place.asset)
        asset = state.asset(ref.asset)
        if asset is None:
            raise _NotPossibleError(RefusalCode.ASSET_NOT_FOUND)
        user = self._user(ref)
        held = None if user is None else state.held_by(user, asset.id)
        if held is not None:
            return Side(held.number, held.user_id, held.asset)
        name = (f"#{user}" if user is not None else str(ref.external_id), asset.id)
        side = self._opened.get(name)
        if side is None:
            if amount < 0:
                raise _NotPossibleError(RefusalCode.INSUFFICIENT_BALANCE, available_minor=0, required_minor=-amount)
            side = self._opened[name] = Side(len(state.balances) + 1 + len(self._opened), user or -1, asset)
        return side

    def _user(self, ref: Holding) -> int | None:
        if ref.user_id is not None:
            if not 0 < ref.user_id <= self._state.user_count:
                raise _NotPossibleError(RefusalCode.USER_NOT_FOUND)
            return ref.user_id
        user = self._state.user_named(str(ref.external_id))
        if user is None and not ref.open_user:
            raise _NotPossibleError(RefusalCode.USER_NOT_FOUND)
        return user

    def _post(self, legs: Sequence[tuple[Side, int]]) -> Answer:
        changed = dict(self._changed)
        reasons = []
        for side, amount in sorted(legs, key=lambda leg: leg[0].number):
            before = changed.get(side.number, self._state.balances.get(side.number, 0))
            why = self._judge(side, amount, before)
            if why is None:
                changed[side.number] = before + amount
            else:
                reasons.append(why)
        if not reasons:
            self._changed = changed
        return tuple(reasons)

    def _judge(self, side: Side, amount: int, before: int) -> Why | None:
        debits_frozen, credits_frozen, closed = self._state.stopped.get(side.number, FREE)
        if closed:
            return RefusalCode.WALLET_CLOSED, {}
        if debits_frozen if amount < 0 else credits_frozen:
            return RefusalCode.WALLET_FROZEN, {}
        if amount < 0 and before + amount < 0 and side.user_id:
            return RefusalCode.INSUFFICIENT_BALANCE, {"available_minor": before, "required_minor": -amount}
        if not -AMOUNT_MAX <= before + amount <= AMOUNT_MAX:
            return RefusalCode.BALANCE_OVERFLOW, {}
        return None


def _check(legs: Sequence[tuple[Side, int]]) -> None:
    """What needs no balance."""
    if len(legs) == 2:
        (first, amount), (second, other) = legs
        if first.number == second.number:
            raise _NotPossibleError(RefusalCode.SAME_WALLET)
        if first.asset.id != second.asset.id:
            raise _NotPossibleError(RefusalCode.ASSET_MISMATCH)
        if amount + other:
            raise _NotPossibleError(RefusalCode.LEGS_UNBALANCED)
    by_asset: dict[int, list[tuple[Side, int]]] = {}
    for side, amount in legs:
        by_asset.setdefault(side.asset.id, []).append((side, amount))
    if any(sum(amount for _, amount in of_asset) for of_asset in by_asset.values()):
        raise _NotPossibleError(RefusalCode.LEGS_UNBALANCED)
    for of_asset in by_asset.values():
        _check_policy(of_asset[0][0].asset, of_asset)


def _check_policy(asset: AssetCreated, legs: Sequence[tuple[Side, int]]) -> None:
    if not asset.active:
        raise _NotPossibleError(RefusalCode.ASSET_INACTIVE)
    if any(amount == 0 for _, amount in legs):
        raise _NotPossibleError(RefusalCode.AMOUNT_NOT_POSITIVE)
    amounts = [amount for side, amount in legs if side.user_id]
    if not asset.transferable and any(amount < 0 for amount in amounts) and any(amount > 0 for amount in amounts):
        raise _NotPossibleError(RefusalCode.ASSET_NOT_TRANSFERABLE)
    for amount in amounts:
        if abs(amount) < asset.min_amount:
            raise _NotPossibleError(RefusalCode.AMOUNT_BELOW_MINIMUM)
        if abs(amount) > asset.max_amount:
            raise _NotPossibleError(RefusalCode.AMOUNT_ABOVE_MAXIMUM)
