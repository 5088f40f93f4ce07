"""The sequential model: what the ledger is after each record, and what each command would be answered there. One command at a time.

It is written from the documented ladder and knows nothing of holds, flushes or mailboxes. `Book` is what only grows (who owns which wallet, in
which asset); a `State` sees as much of it as its counts allow.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from walletd.engine import (
    Batch,
    Close,
    Command,
    CreateAsset,
    CreateUser,
    Freeze,
    Move,
    OpenWallet,
    RefusalCode,
    Unfreeze,
    UpdateUser,
)
from walletd.engine.limits import AMOUNT_MAX
from walletd.engine.records import AssetCreated, Record, UserCreated, UserUpdated

from .movements import Answer, Trial

DONE: Answer = ()


@dataclass(frozen=True, slots=True)
class Place:
    """A wallet as it was opened."""

    number: int
    id: str
    user_id: int
    asset: AssetCreated


@dataclass(slots=True)
class Book:
    """What only grows, in order: assets, users and wallets."""

    assets: list[AssetCreated] = field(default_factory=list)
    asset_names: dict[str, int] = field(default_factory=dict)
    external_ids: dict[str, int] = field(default_factory=dict)
    places: list[Place] = field(default_factory=list)
    by_id: dict[str, int] = field(default_factory=dict)
    by_holding: dict[tuple[int, int], int] = field(default_factory=dict)

    def copy(self) -> "Book":
        """One that may grow on its own."""
        return Book(
            [*self.assets],
            dict(self.asset_names),
            dict(self.external_ids),
            [*self.places],
            dict(self.by_id),
            dict(self.by_holding),
        )

    def grow(self, record: Record) -> None:
        """Take in what a record makes."""
        body = record.body
        for asset in body.assets:
            for name in (asset.code, *asset.aliases):
                self.asset_names[name] = len(self.assets)
            self.assets.append(asset)
        for user in body.users:
            if user.external_id is not None:
                self.external_ids[user.external_id] = user.id
        for wallet in body.wallets:
            asset = next(asset for asset in self.assets if asset.id == wallet.asset)
            self.places.append(Place(wallet.number, wallet.id, wallet.user_id, asset))
            self.by_id[wallet.id] = wallet.number
            if wallet.user_id:
                self.by_holding[wallet.user_id, asset.id] = wallet.number


@dataclass(frozen=True, slots=True)
class State:
    """The ledger after record `seq`. `stopped` holds the wallets that do not move freely: (debits frozen, credits frozen, closed)."""

    book: Book
    seq: int = 0
    asset_count: int = 0
    user_count: int = 0
    balances: dict[int, int] = field(default_factory=dict)
    entry_counts: dict[int, int] = field(default_factory=dict)
    transaction_count: int = 0
    stopped: dict[int, tuple[bool, bool, bool]] = field(default_factory=dict)
    usernames: dict[str, int] = field(default_factory=dict)
    names_of: dict[int, str | None] = field(default_factory=dict)

    # --------------------------------------------------------------------------------------------------- looking

    def asset(self, name: str) -> AssetCreated | None:
        """The asset of a code or alias."""
        index = self.book.asset_names.get(name)
        return None if index is None or index >= self.asset_count else self.book.assets[index]

    def place(self, wallet_id: str) -> Place | None:
        """A wallet by its id."""
        number = self.book.by_id.get(wallet_id.lower())
        return None if number is None or number not in self.balances else self.book.places[number - 1]

    def user_named(self, external_id: str) -> int | None:
        """The user of an external id."""
        user = self.book.external_ids.get(external_id)
        return None if user is None or user > self.user_count else user

    def held_by(self, user_id: int, asset_id: int) -> Place | None:
        """The wallet of a user in an asset."""
        number = self.book.by_holding.get((user_id, asset_id))
        return None if number is None or number not in self.balances else self.book.places[number - 1]

    def shown(self) -> dict[str, Any]:
        """What a reader of the whole ledger sees."""
        return {
            "seq": self.seq,
            "balances": self.balances,
            "stopped": self.stopped,
            "users": self.user_count,
            "assets": self.asset_count,
        }

    # --------------------------------------------------------------------------------------------------- stepping

    def after(self, record: Record) -> "State":
        """The ledger after the next record, taken at its word; the book has taken it in already."""
        body = record.body
        changes: dict[str, Any] = {"seq": record.seq}
        if body.assets:
            changes["asset_count"] = self.asset_count + len(body.assets)
        if body.users or body.user_changes:
            changes["user_count"] = self.user_count + len(body.users)
            changes["usernames"], changes["names_of"] = self._renamed(record)
        if body.wallets or body.legs:
            balances, entries = dict(self.balances), dict(self.entry_counts)
            for wallet in body.wallets:
                balances[wallet.number] = entries[wallet.number] = 0
            for leg in body.legs:
                balances[leg.wallet] = balances.get(leg.wallet, 0) + leg.amount
                entries[leg.wallet] = entries.get(leg.wallet, 0) + 1
            changes |= {"balances": balances, "entry_counts": entries}
            changes["transaction_count"] = self.transaction_count + len(body.movements)
        if body.wallet_changes:
            stopped = dict(self.stopped)
            for change in body.wallet_changes:
                stopped.pop(change.number, None)
                if change.debits_frozen or change.credits_frozen or change.closed:
                    stopped[change.number] = (change.debits_frozen, change.credits_frozen, change.closed)
            changes["stopped"] = stopped
        return replace(self, **changes)

    def _renamed(self, record: Record) -> tuple[dict[str, int], dict[int, str | None]]:
        usernames, names_of = dict(self.usernames), dict(self.names_of)
        users: tuple[UserCreated | UserUpdated, ...] = (*record.body.users, *record.body.user_changes)
        for user in users:
            before = names_of.get(user.id)
            if before is not None:
                del usernames[before]
            names_of[user.id] = user.username
            if user.username is not None:
                usernames[user.username] = user.id
        return usernames, names_of

    # --------------------------------------------------------------------------------------------------- answering

    def answer(self, command: Command) -> list[Answer]:
        """What a command is answered here: one answer, or one for each item of a batch up to where an atomic one ends."""
        match command:
            case Move():
                return [Trial(self).move(command)]
            case Batch():
                return self._batch(command)
            case CreateAsset():
                return [self._create_asset(command)]
            case CreateUser():
                return [self._create_user(command)]
            case UpdateUser():
                return [self._update_user(command)]
            case OpenWallet():
                return [self._open_wallet(command)]
            case Freeze() | Unfreeze() | Close():
                return [self._change(command)]

    def _batch(self, batch: Batch) -> list[Answer]:
        if not batch.moves:
            return [because(RefusalCode.INVALID_REQUEST)]
        trial = Trial(self)
        answers: list[Answer] = []
        for move in batch.moves:
            answers.append(trial.move(move))
            if batch.atomic and answers[-1]:
                break
        return answers

    def _create_asset(self, command: CreateAsset) -> Answer:
        highest = 10**15 if command.max_amount is None else command.max_amount
        if not 0 <= command.scale <= 18 or not 1 <= command.min_amount <= highest <= AMOUNT_MAX:
            return because(RefusalCode.INVALID_REQUEST)
        known = self.book.assets[: self.asset_count]
        if self.asset(command.code) is not None or command.id in [asset.id for asset in known]:
            return because(RefusalCode.ASSET_EXISTS)
        return DONE

    def _create_user(self, command: CreateUser) -> Answer:
        if command.wallet_asset is not None and self.asset(command.wallet_asset) is None:
            return because(RefusalCode.ASSET_NOT_FOUND)
        if command.external_id is not None and self.user_named(command.external_id) is not None:
            return because(RefusalCode.USER_EXISTS)
        if command.username is not None and command.username in self.usernames:
            return because(RefusalCode.USER_EXISTS)
        return DONE

    def _update_user(self, command: UpdateUser) -> Answer:
        if not 0 < command.user_id <= self.user_count:
            return because(RefusalCode.USER_NOT_FOUND)
        wanted = command.username
        taken = isinstance(wanted, str) and self.usernames.get(wanted) not in (None, command.user_id)
        return because(RefusalCode.USER_EXISTS) if taken else DONE

    def _open_wallet(self, command: OpenWallet) -> Answer:
        asset = self.asset(command.asset)
        if asset is None:
            return because(RefusalCode.ASSET_NOT_FOUND)
        if not 0 < command.user_id <= self.user_count:
            return because(RefusalCode.USER_NOT_FOUND)
        if self.held_by(command.user_id, asset.id) is not None:
            return because(RefusalCode.WALLET_EXISTS)
        return DONE

    def _change(self, command: Freeze | Unfreeze | Close) -> Answer:
        if isinstance(command, Freeze) and not (command.debits or command.credits):
            return because(RefusalCode.INVALID_REQUEST)
        place = self.place(command.wallet_id)
        if place is None:
            return because(RefusalCode.WALLET_NOT_FOUND)
        if place.user_id == 0:
            return because(RefusalCode.WALLET_IS_TREASURY)
        if self.stopped.get(place.number, (False, False, False))[2]:
            return because(RefusalCode.WALLET_CLOSED)
        if isinstance(command, Close) and self.balances[place.number] != 0:
            return because(RefusalCode.WALLET_NOT_EMPTY)
        return DONE


def because(code: RefusalCode) -> Answer:
    """The answer with that one reason."""
    return ((code, {}),)


def fits(answers: list[Answer], told: dict[int, str]) -> bool:
    """Whether the items told to be refused, by index, are those that the model refuses, for reasons that it sees."""
    return {index for index, answer in enumerate(answers) if answer} == told.keys() and all(
        code in [reason for reason, _ in answers[index]] for index, code in told.items()
    )
