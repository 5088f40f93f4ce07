"""A ledger's history written by hand: rows as the engine would write them, one call a record."""

import random
import uuid
from typing import Any

from walletd.engine.records import (
    ASSET_CREATED,
    GENESIS,
    MOVED,
    OPENED_AND_MOVED,
    USER_CREATED,
    USER_UPDATED,
    WALLET_CLOSED,
    WALLET_FROZEN,
    WALLET_OPENED,
    WALLET_UNFROZEN,
    AssetCreated,
    Body,
    ItemRefused,
    KeyBound,
    Leg,
    Movement,
    Record,
    Row,
    UserCreated,
    UserUpdated,
    WalletChanged,
    WalletOpened,
    encode,
)

START_AT = 1_700_000_000_000_000
STEP_AT = 10
"""Microseconds from one record to the next."""

Legs = tuple[tuple[int, int], ...]
"""(wallet, amount) of each leg."""


class Script:
    """Rows in order, and the balances they lead to."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.posted: dict[int, int] = {}
        self.ordinals: dict[int, int] = {}
        self.latest: dict[int, int] = {}
        self.users = self.wallets = self.transactions = self.entries = 0

    @property
    def head(self) -> Row:
        return self.rows[-1]

    def asset(self, code: str = "USD", *, number: int = 1, **members: Any) -> int:
        """A new asset; returns its Treasury."""
        wallet = self._opened(0, number)
        values: dict[str, Any] = {
            "name": code.title(),
            "scale": 2,
            "transferable": True,
            "min_amount": 1,
            "max_amount": 10**15,
        }
        asset = AssetCreated(id=number, code=code, treasury=wallet.number, **(values | members))
        self._append(ASSET_CREATED, Body(assets=(asset,), wallets=(wallet,)))
        return wallet.number

    def user(self, *, asset: int | None = 1, **members: Any) -> int:
        """A new user, with a wallet in `asset` unless that is None; returns the user's number."""
        self.users += 1
        wallets = () if asset is None else (self._opened(self.users, asset),)
        self._append(USER_CREATED, Body(users=(UserCreated(id=self.users, **members),), wallets=wallets))
        return self.users

    def change_user(self, user: int, **members: str | None) -> None:
        values: dict[str, str | None] = {"username": None, "email": None, "phone_number": None, "name": None}
        self._append(USER_UPDATED, Body(user_changes=(UserUpdated(id=user, **(values | members)),)))

    def wallet(self, user: int, asset: int = 1) -> int:
        wallet = self._opened(user, asset)
        self._append(WALLET_OPENED, Body(wallets=(wallet,)))
        return wallet.number

    def freeze(self, wallet: int, reason: str, *, debits_frozen: bool = True, credits_frozen: bool = False) -> None:
        change = WalletChanged(wallet, debits_frozen=debits_frozen, credits_frozen=credits_frozen, reason=reason)
        self._append(WALLET_FROZEN, Body(wallet_changes=(change,)))

    def unfreeze(self, wallet: int) -> None:
        self._append(WALLET_UNFROZEN, Body(wallet_changes=(WalletChanged(wallet),)))

    def close(self, wallet: int) -> None:
        self._append(WALLET_CLOSED, Body(wallet_changes=(WalletChanged(wallet, closed=True),)))

    def move(self, *legs: tuple[int, int], key: str | None = None, type_: str = "transfer", **members: Any) -> int:
        """One movement; returns its transaction's number."""
        return self.batch((legs, Movement(type_, **members)), key=key)

    def batch(
        self, *moves: tuple[Legs, Movement], key: str | None = None, refusals: tuple[ItemRefused, ...] = ()
    ) -> int:
        """Many movements in one record; returns the first transaction's number."""
        self._append(MOVED, self._moved(moves, key, refusals=refusals))
        return self.transactions - len(moves) + 1

    def open_and_move(self, treasury: int, amount: int, *, asset: int = 1, **members: Any) -> int:
        """A credit that makes a user and its wallet; returns the wallet."""
        self.users += 1
        user = UserCreated(id=self.users, **members)
        wallet = self._opened(self.users, asset)
        legs = ((treasury, -amount), (wallet.number, amount))
        body = self._moved([(legs, Movement("credit"))], None, users=(user,), wallets=(wallet,))
        self._append(OPENED_AND_MOVED, body)
        return wallet.number

    def random_moves(self, count: int, *, seed: int, key_every: int = 3) -> None:
        """Movements between random wallets of asset 1, whose Treasury is wallet 1, some of them with a key."""
        dice = random.Random(seed)
        for index in range(count):
            source, destination = dice.sample(range(1, self.wallets + 1), 2)
            amount = dice.randint(1, 100)
            if source != 1 and self.posted[source] < amount:
                source, destination = (1, destination) if destination != 1 else (1, source)
            key = f"key-{seed}-{index}" if index % key_every == 0 else None
            self.move((source, -amount), (destination, amount), key=key)

    def _moved(self, moves: Any, key: str | None, **members: Any) -> Body:
        first_entry = self.entries + 1
        legs = tuple(
            self._leg(offset, wallet, amount)
            for offset, (movement_legs, _) in enumerate(moves)
            for wallet, amount in movement_legs
        )
        first_transaction = self.transactions + 1
        self.transactions += len(moves)
        return Body(
            first_transaction=first_transaction,
            first_entry=first_entry,
            movements=tuple(movement for _, movement in moves),
            legs=legs,
            key=None if key is None else KeyBound("ops POST /v1/transfers", key, {"amount": "1"}),
            **members,
        )

    def _leg(self, movement: int, wallet: int, amount: int) -> Leg:
        self.entries += 1
        self.posted[wallet] += amount
        self.ordinals[wallet] += 1
        leg = Leg(movement, wallet, amount, self.posted[wallet], self.ordinals[wallet], self.latest[wallet])
        self.latest[wallet] = self.entries
        return leg

    def _opened(self, user: int, asset: int) -> WalletOpened:
        self.wallets += 1
        self.posted[self.wallets] = self.ordinals[self.wallets] = self.latest[self.wallets] = 0
        return WalletOpened(self.wallets, str(uuid.UUID(int=self.wallets)), user, asset)

    def _append(self, kind: str, body: Body) -> None:
        previous = self.rows[-1].chain if self.rows else GENESIS
        seq = len(self.rows) + 1
        self.rows.append(encode(Record(seq, START_AT + seq * STEP_AT, kind, body), previous))
