"""A draft: a record in the making, with what was reserved for it. It becomes a record when appended, or nothing at all."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from .commands import Move
from .ledger import Ledger
from .ports import Entry, Transaction
from .records import (
    MOVED,
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
    `local`: wallet → (sum of its legs here, the lowest that sum has been). `refused`: the index of each item of a batch that was refused, and why.
    """

    __slots__ = (
        "assets",
        "changing",
        "first_entry",
        "first_transaction",
        "holds",
        "kind",
        "legs",
        "local",
        "movements",
        "names",
        "new_users",
        "opened",
        "projected",
        "refused",
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
        self.refused: list[tuple[int, Refusal]] = []
        self.projected: tuple[Leg, ...] = NONE
        self.first_transaction = 0
        self.first_entry = 0

    def add(self, move: Move, name: str, legs: Iterable[tuple[Wallet, int]]) -> None:
        """Add a movement whose legs are reserved; `name` is its type."""
        offset = len(self.movements)
        self.movements.append(
            Movement(name, move.description, move.category, move.reference, move.metadata, move.receipt)
        )
        for wallet, amount in legs:
            self.legs.append((wallet, amount, offset))

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
        if self.kind == MOVED and not self.refused:
            return Body(
                first_transaction=self.first_transaction,
                first_entry=self.first_entry,
                movements=tuple(self.movements),
                legs=self.projected,
                key=key,
            )
        refusals = tuple(
            ItemRefused(index, refusal.code, refusal.detail, plain_facts(refusal)) for index, refusal in self.refused
        )
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
            refusals=refusals,
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
    body, seq, at = record.body, record.seq, record.at
    key = None if body.key is None else body.key.key
    entries = [
        Entry(number, leg.wallet, leg.amount, leg.balance_after, leg.ordinal)
        for number, leg in enumerate(body.legs, body.first_entry)
    ]
    transactions = []
    first = 0
    for offset, movement in enumerate(body.movements):
        after = first + 2
        while after < len(entries) and body.legs[after].movement == offset:
            after += 1
        transactions.append(
            Transaction(
                body.first_transaction + offset,
                seq,
                at,
                movement.type,
                movement.description,
                movement.category,
                movement.reference,
                movement.metadata,
                tuple(entries[first:after]),
                key,
            )
        )
        first = after
    return tuple(transactions)
