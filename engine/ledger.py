"""The ledger: every asset, user and wallet as the durable records make them, and the one function that applies a record.

Live traffic and replay apply records with the same function; it looks nothing up and decides nothing. Reading is synchronous and
sees durable state only.
"""

from collections.abc import Callable, Sequence
from itertools import repeat

from .commands import Holding
from .limits import AMOUNT_MAX
from .ports import AssetState, ImageCounters, UserState, WalletState
from .records import AssetCreated, Record, WalletChanged, WalletOpened
from .refusals import Refusal, RefusalCode
from .users import SYSTEM, User, Users, email_key
from .wallet import Asset, InvariantBroken, Restrictions, Wallet

__all__ = ["SYSTEM", "Ledger", "User", "email_key"]


class Ledger:
    """Assets, users and wallets in memory, as of the durable record `seq`.

    `next_*` number what the next record makes: they run ahead with the records in flight and fall back when those are released.
    """

    def __init__(self) -> None:
        self.seq = 0
        self.next_user = 1
        self.next_wallet = 1
        self.next_transaction = 1
        self.next_entry = 1
        self._assets: dict[int, Asset] = {}
        self._assets_by_name: dict[str, Asset] = {}
        self._users = Users()
        self._wallets: list[Wallet] = []
        self._by_id: dict[str, Wallet] = {}
        self._numbers = [SYSTEM]
        """While the image is loaded: the ids of its users, to be shared with the numbers of wallets."""
        self.find_at_once: Callable[[str], Wallet | None] = self._by_id.get
        """The wallet whose id is exactly that; None also where `wallet` looks further. The hot path's: no call of Python's."""

    # ---------------------------------------------------------------------------------------------------- reading

    @property
    def user_count(self) -> int:
        """Users, the system not counted."""
        return len(self._users)

    @property
    def wallet_count(self) -> int:
        """Wallets, Treasuries included."""
        return len(self._wallets)

    def wallet(self, id: str) -> Wallet:  # noqa: A002
        """The wallet of that id, in any case. Raises Refusal WALLET_NOT_FOUND."""
        wallet = self.find_wallet(id)
        if wallet is None:
            raise Refusal(RefusalCode.WALLET_NOT_FOUND, f"There is no wallet {id!r}.")
        return wallet

    def find_wallet(self, id: str) -> Wallet | None:  # noqa: A002
        """The wallet of that id, in any case, if there is one."""
        return self._by_id.get(id) or self._by_id.get(id.lower())

    def wallet_at(self, number: int) -> Wallet:
        """The wallet of that number, which must exist."""
        assert 0 < number <= len(self._wallets)
        return self._wallets[number - 1]

    def asset(self, name: str) -> Asset:
        """The asset of that code or alias. Raises Refusal ASSET_NOT_FOUND."""
        asset = self._assets_by_name.get(name)
        if asset is None:
            raise Refusal(RefusalCode.ASSET_NOT_FOUND, f"There is no asset {name!r}.")
        return asset

    def asset_by_id(self, id: int) -> Asset:  # noqa: A002
        """The asset of that id. Raises Refusal ASSET_NOT_FOUND."""
        asset = self._assets.get(id)
        if asset is None:
            raise Refusal(RefusalCode.ASSET_NOT_FOUND, f"There is no asset {id}.")
        return asset

    def has_asset(self, id: int) -> bool:  # noqa: A002
        """Whether an asset has that id."""
        return id in self._assets

    def has_asset_name(self, name: str) -> bool:
        """Whether an asset has that code or alias."""
        return name in self._assets_by_name

    def assets(self) -> list[Asset]:
        """All assets in order of id."""
        return sorted(self._assets.values(), key=lambda asset: asset.id)

    def user(self, id: int) -> User:  # noqa: A002
        """The user of that id. Raises Refusal USER_NOT_FOUND."""
        return self._users.user(self._existing(id))

    def check_user(self, user_id: int) -> None:
        """Raises Refusal USER_NOT_FOUND unless there is a user of that id."""
        if user_id not in self._users:
            raise Refusal(RefusalCode.USER_NOT_FOUND, f"There is no user {user_id}.")

    def _existing(self, user_id: int) -> int:
        self.check_user(user_id)
        return user_id

    def user_with_external_id(self, external_id: str) -> User | None:
        """The user of that external id."""
        return self._users.with_external_id(external_id)

    def user_with_username(self, username: str) -> User | None:
        """The user of that name."""
        return self._users.with_username(username)

    def user_with_email(self, email: str) -> User | None:
        """The user of that e-mail address, in any case."""
        return self._users.with_email(email)

    def find_user(self, text: str) -> User:
        """The user whose external id is `text`; else the one without external id whose decimal id it is. Raises Refusal USER_NOT_FOUND."""
        user = self._users.with_external_id(text)
        if user is not None:
            return user
        if text.isascii() and text.isdigit() and text[0] != "0" and len(text) < 19 and int(text) in self._users:
            user = self._users.user(int(text))
            if user.external_id is None:
                return user
        raise Refusal(RefusalCode.USER_NOT_FOUND, f"There is no user {text!r}.")

    def users(self, after: int, limit: int) -> list[User]:
        """At most `limit` users with id > `after`, in order of id."""
        return [self._users.user(number) for number in range(after + 1, min(after + limit, len(self._users)) + 1)]

    def wallets_of(self, user_id: int) -> list[Wallet]:
        """A user's wallets in order of number. Raises Refusal USER_NOT_FOUND."""
        return list(self._users.wallets(self._existing(user_id)))

    def wallet_of(self, user_id: int, asset: Asset) -> Wallet | None:
        """A user's wallet in an asset, None before it is opened. Raises Refusal USER_NOT_FOUND."""
        return self._users.wallet(self._existing(user_id), asset)

    def find_holding(self, holding: Holding) -> Wallet | None:
        """The wallet of a holding, None where there is none or a slower look may find one. The hot path's: nothing is refused."""
        number = holding.user_id
        if number is None:
            assert holding.external_id is not None
            number = self._users.number(holding.external_id)
        asset = self._assets_by_name.get(holding.asset)
        return None if asset is None else self._users.wallet(number, asset)

    # --------------------------------------------------------------------------------------------------- applying

    def apply(self, record: Record) -> None:
        """Bring the ledger to a durable record, the one after `seq`. Raises InvariantBroken if it does not fit."""
        body = record.body
        if record.seq != self.seq + 1:
            raise InvariantBroken(f"record {record.seq} after record {self.seq}")
        if body.assets or body.users or body.user_changes or body.wallets or body.wallet_changes:
            self._apply_openings(record)
        if body.legs:
            wallets = self._wallets
            entry = body.first_entry
            at = record.at
            for leg in body.legs:
                wallets[leg.wallet - 1].apply(leg, entry, at)
                entry += 1
            self.next_entry = max(self.next_entry, entry)
            self.next_transaction = max(self.next_transaction, body.first_transaction + len(body.movements))
        self.seq = record.seq

    def replay(self, record: Record) -> None:
        """`apply` with the checks that live traffic has made before it appended. Raises InvariantBroken."""
        body = record.body
        if body.legs or body.movements:
            if self._replay_pair(record):
                return
            self._check_movements(record)
        self.apply(record)

    def _replay_pair(self, record: Record) -> bool:
        """Replay one movement between two wallets, as most records are, in a third of the time. False, with nothing done, where anything is
        unusual: then the long way decides, and says what is wrong."""
        body = record.body
        if (
            len(body.legs) != 2
            or len(body.movements) != 1
            or body.wallets
            or body.users
            or body.assets
            or body.user_changes
            or body.wallet_changes
        ):
            return False
        first, second = body.legs
        wallets, entry = self._wallets, body.first_entry
        first_number, second_number, amount = first.wallet, second.wallet, first.amount
        if (
            not (0 < first_number <= len(wallets) and 0 < second_number <= len(wallets))
            or first_number == second_number
            or first.movement
            or second.movement
            or second.amount != -amount
            or entry != self.next_entry
            or body.first_transaction != self.next_transaction
            or record.seq != self.seq + 1
        ):
            return False
        one, other = wallets[first_number - 1], wallets[second_number - 1]
        one_posted, other_posted = one.posted + amount, other.posted - amount
        if (
            one.asset is not other.asset
            or one.restrictions is not None
            or other.restrictions is not None
            or one.in_flight
            or other.in_flight
            or one_posted != first.balance_after
            or other_posted != second.balance_after
            or not (0 <= one_posted <= AMOUNT_MAX or (one.user_id == SYSTEM and -AMOUNT_MAX <= one_posted <= 0))
            or not (0 <= other_posted <= AMOUNT_MAX or (other.user_id == SYSTEM and -AMOUNT_MAX <= other_posted <= 0))
            or first.ordinal != one.entry_count + 1
            or second.ordinal != other.entry_count + 1
            or first.previous != one.last_entry
            or second.previous != other.last_entry
        ):
            return False
        # Nothing below can fail.
        one.posted = one.appended = one_posted
        other.posted = other.appended = other_posted
        one.entry_count, other.entry_count = first.ordinal, second.ordinal
        one.last_entry, other.last_entry = entry, entry + 1
        one.updated_at = other.updated_at = record.at
        self.next_entry = entry + 2
        self.next_transaction += 1
        self.seq = record.seq
        return True

    def _check_movements(self, record: Record) -> None:
        """What a record's legs must be, whatever wrote them."""
        body = record.body
        if body.first_entry != self.next_entry or body.first_transaction != self.next_transaction:
            raise InvariantBroken(
                f"numbering starts at entry {body.first_entry} and transaction {body.first_transaction}, "
                f"not at {self.next_entry} and {self.next_transaction}"
            )
        wallets, movements = self._wallets, len(body.movements)
        opened = {wallet.number: wallet.asset for wallet in body.wallets}
        sums: dict[tuple[int, int], int] = {}  # (movement, asset) → sum of its legs
        for leg in body.legs:
            if 0 < leg.wallet <= len(wallets):
                wallet = wallets[leg.wallet - 1]
                if wallet.closed:
                    raise InvariantBroken(f"wallet {leg.wallet} is closed and moves")
                asset = wallet.asset.id
            elif leg.wallet in opened:
                asset = opened[leg.wallet]
            else:
                raise InvariantBroken(f"a leg names wallet {leg.wallet}: unknown")
            if not -AMOUNT_MAX <= leg.balance_after <= AMOUNT_MAX:
                raise InvariantBroken(f"wallet {leg.wallet}: balance {leg.balance_after} is beyond the largest")
            key = (leg.movement, asset)
            sums[key] = sums.get(key, 0) + leg.amount
        if any(sums.values()):
            raise InvariantBroken("legs do not sum to zero")
        if {movement for movement, _ in sums} != set(range(movements)):
            raise InvariantBroken(f"the legs are not those of {movements} movements")

    def _apply_openings(self, record: Record) -> None:
        body, at = record.body, record.at
        for asset in body.assets:
            self._add_asset(asset, at)
        for user in body.users:
            self._users.add(user, at)
            self.next_user = max(self.next_user, user.id + 1)
        for change in body.user_changes:
            self._users.change(change, at)
        for wallet in body.wallets:
            self._add_wallet(wallet, at)
        for wallet_change in body.wallet_changes:
            self._change_wallet(wallet_change, at)
        self.attach_treasuries({asset.id: asset.treasury for asset in body.assets})

    def _add_asset(self, created: AssetCreated, at: int) -> Asset:
        asset = Asset(
            id=created.id,
            code=created.code,
            name=created.name,
            scale=created.scale,
            transferable=created.transferable,
            min_amount=created.min_amount,
            max_amount=created.max_amount,
            aliases=created.aliases,
            active=created.active,
            created_at=at,
        )
        names = (asset.code, *asset.aliases)
        if asset.id in self._assets or any(name in self._assets_by_name for name in names):
            raise InvariantBroken(f"asset {asset.id} ({asset.code}) exists already")
        self._assets[asset.id] = asset
        for name in names:
            self._assets_by_name[name] = asset
        return asset

    def _add_wallet(self, opened: WalletOpened, at: int) -> None:
        if opened.number != len(self._wallets) + 1 or opened.asset not in self._assets:
            raise InvariantBroken(f"wallet {opened.number} of asset {opened.asset} after {len(self._wallets)} wallets")
        if opened.id in self._by_id:
            raise InvariantBroken(f"wallet id {opened.id} is taken")
        user_id = opened.user_id
        if 0 < user_id <= len(self._wallets):
            user_id = self._wallets[user_id - 1].number  # one int object of 32 bytes for both
        wallet = Wallet(opened.number, opened.id, user_id, self._assets[opened.asset], at, at)
        self._users.link((wallet,))
        self._wallets.append(wallet)
        self._by_id[wallet.id] = wallet
        self.next_wallet = max(self.next_wallet, wallet.number + 1)

    def _change_wallet(self, change: WalletChanged, at: int) -> None:
        if not 0 < change.number <= len(self._wallets):
            raise InvariantBroken(f"wallet {change.number} does not exist")
        wallet = self._wallets[change.number - 1]
        if change.closed and wallet.posted != 0:
            raise InvariantBroken(f"wallet {wallet.number} closes with a balance of {wallet.posted}")
        wallet.restrictions = wallet.restricted(change)
        wallet.updated_at = at

    # ---------------------------------------------------------------------------------------------------- loading

    def load_assets(self, states: Sequence[AssetState]) -> dict[int, int]:
        """Take assets over from the image; returns asset id → number of its Treasury, for `attach_treasuries`."""
        return {self._add_asset(state.asset, state.created_at).id: state.asset.treasury for state in states}

    def load_users(self, states: Sequence[UserState]) -> None:
        """Take users over from the image, in order of id. Raises InvariantBroken."""
        self._users.load(states)
        self._numbers += [state[0] for state in states]

    def load_wallets(self, states: Sequence[WalletState]) -> None:
        """Take wallets over from the image, in order of number. Raises InvariantBroken.

        Column by column, for there may be millions, and with one object for integers that are equal, each of which takes 32 bytes.
        """
        first = len(self._wallets) + 1
        columns = zip(*states, strict=True)
        (
            numbers,
            ids,
            user_ids,
            assets,
            debits,
            credits_,
            closed,
            _,
            posted,
            versions,
            counts,
            last,
            created,
            updated,
        ) = columns
        if numbers != tuple(range(first, first + len(states))):
            raise InvariantBroken(f"wallets {numbers[0]} to {numbers[-1]} after {first - 1} wallets, with gaps")
        if not self._assets.keys() >= set(assets) or not 0 <= min(user_ids) <= max(user_ids) < len(self._numbers):
            raise InvariantBroken(f"wallets {numbers[0]} to {numbers[-1]}: an asset or user does not exist")
        if min(posted) < 0:
            self._check_balances(states)
        once: dict[int, int] = {}
        created, updated, posted = (tuple(map(once.setdefault, each, each)) for each in (created, updated, posted))
        shared = self._numbers
        wallets = list(
            map(
                Wallet,
                (*shared[first : first + len(states)], *numbers[max(0, len(shared) - first) :]),
                ids,
                map(shared.__getitem__, user_ids),
                map(self._assets.__getitem__, assets),
                created,
                updated,
                posted,
                repeat(0),
                posted,
                counts,
                last,
            )
        )
        if versions != counts or any(debits) or any(credits_) or any(closed):
            _restrict(wallets, states)
        self._users.link(wallets)
        self._wallets += wallets
        self._by_id.update(zip(ids, wallets, strict=True))
        if len(self._by_id) != len(self._wallets):
            raise InvariantBroken(f"wallets {numbers[0]} to {numbers[-1]}: an id is taken")

    def _check_balances(self, states: Sequence[WalletState]) -> None:
        for state in states:
            if state.posted < 0 and state.user_id != SYSTEM:
                raise InvariantBroken(f"wallet {state.number}: balance {state.posted} is below zero")

    def attach_treasuries(self, treasuries: dict[int, int]) -> None:
        """Give each of those assets its Treasury, by number. Raises InvariantBroken."""
        for asset_id, number in treasuries.items():
            asset = self._assets[asset_id]
            treasury = self._wallets[number - 1] if 0 < number <= len(self._wallets) else None
            if treasury is None or treasury.user_id != SYSTEM or treasury.asset is not asset:
                raise InvariantBroken(f"asset {asset_id}: wallet {number} is not its Treasury")
            asset.treasury = treasury

    def resume(self, seq: int, counters: ImageCounters) -> None:
        """Go on from the image's head. Raises InvariantBroken if what was loaded is not what the image counted."""
        if (counters.users, counters.wallets) != (len(self._users), len(self._wallets)):
            raise InvariantBroken(
                f"{len(self._users)} users and {len(self._wallets)} wallets where {counters.users} and {counters.wallets} are counted"
            )
        sums: dict[int, int] = {}
        entries = 0
        for wallet in self._wallets:
            sums[wallet.asset.id] = sums.get(wallet.asset.id, 0) + wallet.posted
            entries += wallet.entry_count
        if any(sums.values()) or entries != counters.entries:
            raise InvariantBroken(
                f"the wallets do not balance: sums by asset {sums}, {entries} entries of {counters.entries}"
            )
        self._numbers = [SYSTEM]
        self.seq = seq
        self.next_user = counters.users + 1
        self.next_wallet = counters.wallets + 1
        self.next_transaction = counters.transactions + 1
        self.next_entry = counters.entries + 1


def _restrict(wallets: Sequence[Wallet], states: Sequence[WalletState]) -> None:
    """Give wallets that were ever frozen or closed what the image says of it."""
    for wallet, state in zip(wallets, states, strict=True):
        changes = state.version - state.entry_count
        if changes or state.debits_frozen or state.credits_frozen or state.closed:
            wallet.restrictions = Restrictions(
                False, state.debits_frozen, state.credits_frozen, state.closed, state.reason, changes
            )
