"""A draft: a record in the making, with what was reserved for it. It becomes a record when appended, or nothing at all."""

from collections.abc import Sequence
from typing import Any, Final

from .ledger import Ledger
from .ports import Entry, Transaction
from .records import (
    AssetCreated,
    Body,
    ItemRefused,
    KeyBound,
    Leg,
    Movement,
    Record,
    UserCreated,
    UserUpdated,
    WalletChanged,
    WalletOpened,
)
from .refusals import Refusal
from .wallet import Wallet

Name = tuple[str, object]
"""A thing that must be unique, as (what, value): two records that claim one name may not be in flight together."""

NONE: Final = ()


class Undecided(Exception):
    """The decision rests on records in flight: wait at that wallet, or, without one, for whatever opens users, wallets and assets."""

    def __init__(self, wallet: Wallet | None) -> None:
        self.wallet = wallet


class Draft:
    """What one operation will write.

    `legs`: (wallet, amount, movement's offset) in the caller's order. `holds`: (wallet, amount held for this draft).
    `local`: wallet → [sum of its legs here, the lowest that sum has been]. `items`: for each item of a batch its movement's offset, or its refusal.
    """

    __slots__ = (
        "assets",
        "changing",
        "first_entry",
        "first_transaction",
        "holds",
        "items",
        "kind",
        "legs",
        "local",
        "movements",
        "names",
        "new_users",
        "opened",
        "projected",
        "user_changes",
        "users",
        "wallet_changes",
        "wallets",
    )

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.assets: Sequence[AssetCreated] = NONE
        self.users: list[UserCreated] = []
        self.user_changes: Sequence[UserUpdated] = NONE
        self.wallets: list[WalletOpened] = []
        self.wallet_changes: Sequence[WalletChanged] = NONE
        self.changing: Wallet | None = None
        self.movements: list[Movement] = []
        self.legs: list[tuple[Wallet, int, int]] = []
        self.holds: list[tuple[Wallet, int]] = []
        self.local: dict[Wallet, tuple[int, int]] = {}
        self.opened: dict[Name, Wallet] = {}
        self.new_users: dict[str, int] = {}
        self.names: list[Name] = []
        self.items: list[int | Refusal] = []
        self.projected: tuple[Leg, ...] = NONE
        self.first_transaction = 0
        self.first_entry = 0

    def project(self, ledger: Ledger) -> None:
        """Number everything and take the appended views forward. Nothing in here can fail."""
        ledger.next_user += len(self.users)
        ledger.next_wallet += len(self.wallets)
        if self.changing is not None:
            self.changing.changing = True
        if self.legs:
            entry = self.first_entry = ledger.next_entry
            self.first_transaction = ledger.next_transaction
            projected = []
            for wallet, amount, movement in self.legs:
                projected.append(wallet.project(movement, amount, entry))
                entry += 1
            self.projected = tuple(projected)
            ledger.next_entry = entry
            ledger.next_transaction += len(self.movements)

    def unproject(self, ledger: Ledger) -> None:
        """Undo `project` and give back what was held. Drafts are taken back in the reverse order of their projection."""
        for (wallet, _, _), leg in zip(reversed(self.legs), reversed(self.projected), strict=True):
            wallet.unproject(leg)
        if self.legs:
            ledger.next_entry = self.first_entry
            ledger.next_transaction = self.first_transaction
        ledger.next_user -= len(self.users)
        ledger.next_wallet -= len(self.wallets)
        self.settle()

    def settle(self) -> None:
        """Give back what was held: its record is durable, or will never be."""
        for wallet, amount in self.holds:
            wallet.held -= amount
            assert wallet.held >= 0
        if self.changing is not None:
            self.changing.changing = False

    def body(self, key: KeyBound | None) -> Body:
        """The record's body, after `project`."""
        if not (self.assets or self.users or self.user_changes or self.wallets or self.wallet_changes or self.items):
            return Body(
                first_transaction=self.first_transaction,
                first_entry=self.first_entry,
                movements=tuple(self.movements),
                legs=self.projected,
                key=key,
            )
        refused = [
            ItemRefused(index, item.code, item.detail, plain_facts(item))
            for index, item in enumerate(self.items)
            if isinstance(item, Refusal)
        ]
        return Body(
            assets=tuple(self.assets),
            users=tuple(self.users),
            user_changes=tuple(self.user_changes),
            wallets=tuple(self.wallets),
            wallet_changes=tuple(self.wallet_changes),
            first_transaction=self.first_transaction,
            first_entry=self.first_entry,
            movements=tuple(self.movements),
            legs=self.projected,
            refusals=tuple(refused),
            key=key,
        )

    def touched(self) -> list[Wallet]:
        """The wallets at which an operation may be waiting for this draft to settle."""
        wallets = [wallet for wallet, _, _ in self.legs if wallet.mailbox]
        if self.changing is not None and self.changing.mailbox:
            wallets.append(self.changing)
        return wallets


def plain_facts(refusal: Refusal) -> dict[str, Any]:
    """A refusal's facts as JSON values: wallets by id."""
    return {name: fact.id if isinstance(fact, Wallet) else fact for name, fact in refusal.facts.items()}


def transactions_of(record: Record) -> tuple[Transaction, ...]:
    """The record's movements as they will be read back, in order."""
    body = record.body
    entries: list[list[Entry]] = [[] for _ in body.movements]
    number = body.first_entry
    for leg in body.legs:
        entries[leg.movement].append(Entry(number, leg.wallet, leg.amount, leg.balance_after, leg.ordinal))
        number += 1
    return tuple(
        Transaction(
            body.first_transaction + offset,
            record.seq,
            record.at,
            movement.type,
            movement.description,
            movement.category,
            movement.reference,
            movement.metadata,
            tuple(entries[offset]),
            None if body.key is None else body.key.key,
        )
        for offset, movement in enumerate(body.movements)
    )
