"""The coordinator: the first phase of a movement, and the only place that knows more than one wallet.

It finds the wallets of all legs, judges the movement, and reserves on each wallet in order of its number. The whole
phase is one synchronous turn, so nobody ever sees half of it. Either every leg is reserved in the draft, or none is and a
Refusal or Undecided is raised.

The ladder, in order: shape, wallets, same wallet, assets, sums, asset active, transferable, limits; then for each wallet closed,
frozen, balance, overflow. Below that nothing can fail.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Final

from .commands import Batch, Holding, Move, WalletRef
from .draft import Draft, Name, Undecided
from .ledger import Ledger, User
from .limits import AMOUNT_MAX, BATCH_MAX, LEGS_MAX
from .records import MOVED, OPENED_AND_MOVED, UserCreated, WalletOpened
from .refusals import Refusal, RefusalCode
from .wallet import UNDECIDED, Asset, Verdict, Wallet

Leg = tuple[Wallet, int]

UNTOUCHED: Final = (0, 0)
"""What a draft knows of a wallet before its first leg there."""


class Coordinator:
    """Reserves movements. `claimed` holds the names that records in flight will make."""

    def __init__(self, ledger: Ledger, claimed: Collection[Name], new_id: Callable[[], str]) -> None:
        self._ledger = ledger
        self._claimed = claimed
        self._new_id = new_id
        self._find = ledger.find_at_once

    def reserve(self, move: Move, turn_at: Wallet | None) -> Draft:
        """The draft of one movement. `turn_at` is the wallet whose mailbox gave this operation its turn.

        Raises Refusal, Undecided.
        """
        draft = Draft(MOVED)
        self._reserve(draft, move, turn_at)
        if draft.wallets:
            draft.kind = OPENED_AND_MOVED
        return draft

    def reserve_batch(self, batch: Batch, turn_at: Wallet | None) -> Draft:
        """The draft of a batch: its items one after another, each seeing the ones before it. Raises Refusal, Undecided.

        What an item brings into a wallet, a later item of the same batch may take out: both are one record.
        """
        if not 0 < len(batch.moves) <= BATCH_MAX:
            raise Refusal(RefusalCode.INVALID_REQUEST, f"A batch has 1 to {BATCH_MAX} items, not {len(batch.moves)}.")
        draft = Draft(MOVED)
        try:
            for index, move in enumerate(batch.moves):
                try:
                    self._reserve(draft, move, turn_at)
                except Refusal as refusal:
                    if batch.atomic:
                        refusal.facts["index"] = index
                        raise
                    # The frames it was raised through hold the draft, which is not tracked: the circle would never be collected.
                    refusal.__traceback__ = refusal.__context__ = None
                    draft.refused.append((index, refusal))
        except (Refusal, Undecided):
            draft.settle()
            raise
        if draft.wallets:
            draft.kind = OPENED_AND_MOVED
        return draft

    def _reserve(self, draft: Draft, move: Move, turn_at: Wallet | None) -> None:
        if self._reserve_plainly(draft, move, turn_at):
            return
        if not 2 <= len(move.legs) <= LEGS_MAX:
            raise Refusal(RefusalCode.INVALID_REQUEST, f"A movement has 2 to {LEGS_MAX} legs, not {len(move.legs)}.")
        openings = len(draft.users), len(draft.wallets), len(draft.names)
        try:
            legs = [(self._resolve(draft, ref, amount), amount) for ref, amount in move.legs]
            check_assets(legs)
            self._hold(draft, legs, turn_at)
        except (Refusal, Undecided):
            self._forget_openings(draft, *openings)
            raise
        draft.add(move, movement_type(move.type, legs), legs)

    def _reserve_plainly(self, draft: Draft, move: Move, turn_at: Wallet | None) -> bool:
        """Reserve a movement of two legs that nothing stands against: two thirds of a reservation are saved.

        False, with nothing done, where anything does or may: then the ladder decides, and says why.
        """
        if len(move.legs) != 2:
            return False
        (first_ref, first_amount), (second_ref, second_amount) = move.legs
        find, find_holding = self._find, self._ledger.find_holding
        first = find(first_ref) if isinstance(first_ref, str) else find_holding(first_ref)
        second = find(second_ref) if isinstance(second_ref, str) else find_holding(second_ref)
        if first is None or second is None or first is second or first_amount + second_amount != 0:
            return False
        source, destination, amount = (first, second, second_amount)
        if amount < 0:
            source, destination, amount = (second, first, first_amount)
        asset = source.asset
        if (
            asset is not destination.asset
            or not asset.active
            or not asset.min_amount <= amount <= asset.max_amount
            or not (asset.transferable or source.user_id == 0 or destination.user_id == 0)
            or source.restrictions is not None
            or destination.restrictions is not None
        ):
            return False
        local = draft.local
        sent, lowest = local.get(source, UNTOUCHED)
        received, lowest_received = local.get(destination, UNTOUCHED)
        sent -= amount
        received += amount
        if source.appended + sent < -AMOUNT_MAX or destination.appended + received > AMOUNT_MAX:
            return False
        if sent < lowest:
            if source.user_id:
                draw = lowest - sent
                if draw > source.posted - source.held or (source.mailbox and source is not turn_at):
                    return False
                source.held += draw
                draft.holds.append((source, draw))
            lowest = sent
        local[source] = (sent, lowest)
        local[destination] = (received, lowest_received)
        name = move.type
        if name == "transfer" and not (source.user_id and destination.user_id):
            name = "debit" if source.user_id else "credit"
        draft.add(move, name, ((first, first_amount), (second, second_amount)))
        return True

    def _hold(self, draft: Draft, legs: list[Leg], turn_at: Wallet | None) -> None:
        """Reserve on each wallet in order of number; on a refusal release the earlier ones."""
        local = draft.local
        before: list[tuple[Wallet, tuple[int, int] | None]] = []
        held_before = len(draft.holds)
        undecided: Wallet | None = None
        try:
            for wallet, amount in sorted(legs, key=_number):
                known = local.get(wallet)
                total, lowest = known or (0, 0)
                before_leg = total
                total += amount
                draw = lowest - total if total < lowest and wallet.user_id else 0
                verdict = wallet.judge(amount, draw, total, -lowest)
                if verdict is None and draw and wallet.mailbox and wallet is not turn_at:
                    verdict = UNDECIDED  # others came first for this money; what comes in need not queue
                if verdict is UNDECIDED:
                    undecided = undecided or wallet
                    if wallet.changing:
                        break  # whether it is frozen comes before what the later wallets would refuse
                    continue  # a later wallet may refuse at once
                if verdict is not None:
                    raise _refusal(verdict, wallet, amount, wallet.posted + before_leg)
                before.append((wallet, known))
                local[wallet] = (total, min(total, lowest))
                if draw:
                    wallet.held += draw
                    draft.holds.append((wallet, draw))
            if undecided is not None:
                raise Undecided(undecided)
        except (Refusal, Undecided):
            for wallet, draw in draft.holds[held_before:]:
                wallet.held -= draw
            del draft.holds[held_before:]
            for wallet, known in reversed(before):
                if known is None:
                    del local[wallet]
                else:
                    local[wallet] = known
            raise

    # -------------------------------------------------------------------------------------------------- openings

    def _resolve(self, draft: Draft, ref: WalletRef, amount: int) -> Wallet:
        if isinstance(ref, str):
            return self._ledger.wallet(ref)
        asset = self._ledger.asset(ref.asset)
        user = self._find_user(ref)
        if user is not None:
            wallet = self._ledger.wallet_of(user.id, asset)
            if wallet is not None:
                return wallet
            name: Name = ("wallet", (user.id, asset.id))
        else:
            name = ("wallet", (ref.external_id, asset.id))
        opened = draft.opened.get(name)
        if opened is not None:
            return opened
        if name in self._claimed or (user is None and ("external_id", ref.external_id) in self._claimed):
            raise Undecided(None)
        if amount < 0:
            raise insufficient(asset, None, 0, -amount)
        return self._open(draft, name, asset, user, ref)

    def _find_user(self, ref: Holding) -> User | None:
        if ref.user_id is not None:
            return self._ledger.user(ref.user_id)
        assert ref.external_id is not None
        if not ref.open_user:
            return self._ledger.find_user(ref.external_id)
        try:
            return self._ledger.find_user(ref.external_id)
        except Refusal:
            return None

    def _open(self, draft: Draft, name: Name, asset: Asset, user: User | None, ref: Holding) -> Wallet:
        if user is not None:
            user_id = user.id
        else:
            user_id = self._new_user(draft, ref)
        number = self._ledger.next_wallet + len(draft.wallets)
        opened = WalletOpened(number, self._new_id(), user_id, asset.id)
        wallet = Wallet(number, opened.id, user_id, asset, 0, 0)
        draft.wallets.append(opened)
        draft.opened[name] = wallet
        draft.names.append(name)
        return wallet

    def _new_user(self, draft: Draft, ref: Holding) -> int:
        assert ref.external_id is not None
        known = draft.new_users.get(ref.external_id)
        if known is not None:
            return known
        user_id = self._ledger.next_user + len(draft.users)
        draft.users.append(UserCreated(user_id, external_id=ref.external_id))
        draft.new_users[ref.external_id] = user_id
        draft.names.append(("external_id", ref.external_id))
        return user_id

    def _forget_openings(self, draft: Draft, users: int, wallets: int, names: int) -> None:
        for name in draft.names[names:]:
            draft.opened.pop(name, None)
        for user in draft.users[users:]:
            assert user.external_id is not None
            del draft.new_users[user.external_id]
        del draft.users[users:], draft.wallets[wallets:], draft.names[names:]


def _number(leg: Leg) -> int:
    return leg[0].number


def _refusal(verdict: RefusalCode | Verdict, wallet: Wallet, amount: int, balance: int) -> Refusal:
    assert isinstance(verdict, RefusalCode)
    if verdict is RefusalCode.INSUFFICIENT_BALANCE:
        return insufficient(wallet.asset, wallet, balance, -amount)
    return Refusal(verdict, wallet=wallet)  # the reason of a freeze is its operator's: whoever pays is not told


def insufficient(asset: Asset, wallet: Wallet | None, available_minor: int, required_minor: int) -> Refusal:
    """The refusal of a debit that the wallet cannot pay; `wallet` is None where none is open yet."""
    return Refusal(
        RefusalCode.INSUFFICIENT_BALANCE,
        wallet=wallet,
        asset=asset.code,
        scale=asset.scale,
        available_minor=available_minor,
        required_minor=required_minor,
    )


def check_assets(legs: Sequence[Leg]) -> None:
    """The part of the ladder that needs no balance: zero amounts, same wallet, assets, sums, policies. Raises Refusal."""
    if len(legs) == 2:
        (first, amount), (second, other) = legs
        if first is second:
            raise Refusal(RefusalCode.SAME_WALLET)
        if first.asset is not second.asset:
            raise Refusal(RefusalCode.ASSET_MISMATCH)
        if amount + other != 0:
            raise Refusal(RefusalCode.LEGS_UNBALANCED)
        check_policy(first.asset, legs)
        return
    by_asset: dict[int, list[Leg]] = {}
    for leg in legs:
        by_asset.setdefault(leg[0].asset.id, []).append(leg)
    for of_asset in by_asset.values():
        if sum(amount for _, amount in of_asset) != 0:
            raise Refusal(RefusalCode.LEGS_UNBALANCED, f"The legs in {of_asset[0][0].asset.code} do not sum to zero.")
    for of_asset in by_asset.values():
        check_policy(of_asset[0][0].asset, of_asset)


def check_policy(asset: Asset, legs: Sequence[Leg]) -> None:
    """What an asset allows: whether it is active, moves between users, and how much of it at once. Raises Refusal."""
    if not asset.active:
        raise Refusal(RefusalCode.ASSET_INACTIVE, f"{asset.code} is not active.")
    paid = received = False
    for wallet, amount in legs:
        if amount == 0:
            raise Refusal(RefusalCode.AMOUNT_NOT_POSITIVE, "A leg's amount is zero.")
        if wallet.user_id:
            paid = paid or amount < 0
            received = received or amount > 0
    if paid and received and not asset.transferable:
        raise Refusal(RefusalCode.ASSET_NOT_TRANSFERABLE, f"{asset.code} does not move between users.")
    for wallet, amount in legs:
        if wallet.user_id:
            size = amount if amount > 0 else -amount
            if size < asset.min_amount:
                raise Refusal(
                    RefusalCode.AMOUNT_BELOW_MINIMUM, f"{asset.code} moves at least {asset.min_amount} minor units."
                )
            if size > asset.max_amount:
                raise Refusal(
                    RefusalCode.AMOUNT_ABOVE_MAXIMUM, f"{asset.code} moves at most {asset.max_amount} minor units."
                )


def movement_type(type: str, legs: Sequence[Leg]) -> str:  # noqa: A002
    """A `transfer` out of a Treasury is a `credit`, one into it a `debit`; every other type stands as given."""
    if type == "transfer":
        for wallet, amount in legs:
            if wallet.user_id == 0:
                return "credit" if amount < 0 else "debit"
    return type
