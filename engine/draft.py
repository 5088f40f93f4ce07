"""A draft: a record in the making, with what was reserved for it. It becomes a record when appended, or nothing at all."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

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


class Draft(msgspec.Struct, gc=False, eq=False):
    """What one operation will write. A Struct, whose members are set from C: each operation makes one.

    `legs`: (wallet, amount, movement's offset) in the caller's order. `holds`: (wallet, amount held for this draft).
    `local`: wallet → (sum of its legs here, the lowest that sum has been). `refused`: the index of each item of a batch that was refused, and why.
    """

    kind: str
    assets: Sequence[AssetCreated] = NONE
    users: list[UserCreated] = []
    user_changes: Sequence[UserUpdated] = NONE
    wallets: list[WalletOpened] = []
    wallet_changes: Sequence[WalletChanged] = NONE
    changing: Wallet | None = None
    movements: list[Movement] = []
    legs: list[tuple[Wallet, int, int]] = []
    holds: list[tuple[Wallet, int]] = []
    local: dict[Wallet, tuple[int, int]] = {}
    opened: dict[Name, Wallet] = {}
    new_users: dict[str, int] = {}
    names: list[Name] = []
    refused: list[tuple[int, Refusal]] = []
    projected: tuple[Leg, ...] = NONE
    first_transaction: int = 0
    first_entry: int = 0

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


def each_transaction(record: Record) -> Iterator[Transaction]:
    """The record's movements as they will be read back, in order."""
    legs = record.body.legs
    first = 0
    for offset in range(len(record.body.movements)):
        after = first + 2
        while after < len(legs) and legs[after].movement == offset:
            after += 1
        yield _transaction(record, offset, first, legs[first:after])
        first = after


def only_transaction(record: Record) -> Transaction:
    """The movement of a record that has exactly one. Raises ValueError for any other."""
    [_] = record.body.movements
    return _transaction(record, 0, 0, record.body.legs)


def _transaction(record: Record, offset: int, first: int, legs: Sequence[Leg]) -> Transaction:
    """The movement at `offset`; `first` is the offset of its first leg."""
    body = record.body
    movement = body.movements[offset]
    entries = [
        Entry(entry, leg.wallet, leg.amount, leg.balance_after, leg.ordinal)
        for entry, leg in enumerate(legs, body.first_entry + first)
    ]
    return Transaction(
        body.first_transaction + offset,
        record.seq,
        record.at,
        movement.type,
        movement.description,
        movement.category,
        movement.reference,
        movement.metadata,
        tuple(entries),
        None if body.key is None else body.key.key,
    )
