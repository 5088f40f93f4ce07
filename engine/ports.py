"""Ports: what the engine needs of storage, written from its side. Storage implements them; `memory.py` does too.

Two of them: the journal, which is the truth, and the image, a queryable copy of the ledger as of one sequence number,
folded forward from the journal. Every method may be awaited by one caller at a time unless it says otherwise.
Sequence numbers count from 1 without gaps; ranges are half-open as written: `after` is excluded, `through` included.
Times are microseconds since 1970 UTC. What a method returns belongs to the caller.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from .records import AssetCreated, Row


class Head(msgspec.Struct, frozen=True, gc=False):
    """The last record that a store holds: its number, time and chain value; (0, 0, GENESIS) when empty."""

    seq: int
    at: int
    chain: bytes


class JournalFull(Exception):
    """No room: nothing of the group was written, and the store is as it was before."""


class OutcomeUnknown(Exception):
    """The store failed while it wrote: the group may or may not be durable. Reading the head back resolves it, after a restart."""


class Fenced(Exception):
    """Another writer with a higher epoch has taken over: nothing was written, and this writer must never write again."""


class StorageUnusable(Exception):
    """A store cannot be opened or read; the message says which file, and why. Never raised for a busy or full one."""


class StorageForeign(StorageUnusable):
    """A file is another program's, or a newer walletd's: it must not be touched, not even to be made anew."""


class JournalStore(Protocol):
    """An append-only log of rows with one writer at a time."""

    async def claim(self) -> tuple[int, Head]:
        """Become the only writer. Returns (epoch, head): the epoch is higher than that of any writer before, and every earlier one is fenced.

        Whatever outcome an earlier writer left unknown is resolved by the head returned. Raises StorageUnusable.
        """
        ...

    async def append(self, epoch: int, group: Sequence[Row]) -> None:
        """Make a group durable, all of it or nothing. `group` is not empty, and its first `seq` is the head's + 1.

        When it returns, the group survives a power cut. Raises JournalFull, OutcomeUnknown, Fenced. After OutcomeUnknown
        the only valid call is `close`. At most one append is under way.
        """
        ...

    async def read(self, after: int, limit: int) -> list[Row]:
        """Durable rows with seq > after, oldest first, at most `limit`, fewer where they are large: none after READ_BYTES_MAX of bodies.

        Empty only if there are none. Any number of calls may run beside `append`.
        """
        ...

    async def has_room(self) -> bool:
        """Whether an append is likely to find room again after JournalFull. Cheap: asked about once a second."""
        ...

    async def close(self) -> None:
        """Release everything. Safe to call twice."""
        ...


class WalletState(NamedTuple):
    """A wallet as the image holds it. `last_entry` is the number of its latest entry, 0 for none."""

    number: int
    id: str
    user_id: int
    asset: int
    debits_frozen: bool
    credits_frozen: bool
    closed: bool
    reason: str | None
    posted: int
    version: int
    entry_count: int
    last_entry: int
    created_at: int
    updated_at: int


class AssetState(msgspec.Struct, frozen=True, gc=False):
    """An asset as the image holds it."""

    asset: AssetCreated
    created_at: int


class UserState(NamedTuple):
    """A user as the image holds it, with the current values of its members."""

    id: int
    external_id: str | None
    username: str | None
    email: str | None
    phone_number: str | None
    name: str | None
    created_at: int
    updated_at: int


class KeyState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A bound idempotency key: its digest (see idempotency.py), the record it is bound to, and that record's time."""

    digest: bytes
    seq: int
    at: int


class ImageCounters(msgspec.Struct, frozen=True, gc=False):
    """How far the ledger's numbering has come in the image: the highest number given out, 0 for none."""

    users: int
    wallets: int
    transactions: int
    entries: int


Chunk = list[AssetState] | list[UserState] | list[WalletState] | list[KeyState]


class Image(Protocol):
    """A copy of the whole ledger as of one record. It can always be thrown away and folded again from the journal."""

    async def open(self) -> tuple[Head, ImageCounters]:
        """Make ready; returns the record the image is as of, with that record's chain value. Raises StorageUnusable if it cannot be trusted:
        missing tables, a malformed file, sums that are not zero, counts that do not agree."""
        ...

    def load(self, keys_since: int) -> AsyncIterator[Chunk]:
        """Everything that the engine keeps in memory, in chunks of at most LOAD_CHUNK: first all assets, then all users, then all wallets, each in
        order of number, then the keys with at >= keys_since in order of seq. Not while a fold runs."""
        ...

    async def fold(self, through: int) -> Head:
        """Apply the journal's records after the image's head, at most FOLD_STEP_MAX of them and none after `through`, in one transaction.

        Returns the new head. `through` is durable in the journal. Raises JournalFull when there is no room (the image is as before), StorageUnusable
        when it failed. One fold at a time; queries may run beside it.
        """
        ...

    async def expire_keys(self, before: int) -> bool:
        """Forget keys with at < before; a bounded number a call. Returns whether there may be more."""
        ...

    async def reset(self) -> None:
        """Throw everything away, whatever state it is in, and start empty at (0, 0, GENESIS). Then call `open`. Raises StorageUnusable."""
        ...

    async def close(self) -> None:
        """Release everything. Safe to call twice."""
        ...


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One leg as read back: `id` is the entry's number, `amount` is signed."""

    id: int
    wallet: int
    amount: int
    balance_after: int
    ordinal: int


class Transaction(msgspec.Struct, frozen=True, gc=False):
    """One movement as read back: `id` is the transaction's number, `seq` its record's. Entries in order of number.

    `key` is the idempotency key in words that its record is bound to, None for none.
    """

    id: int
    seq: int
    at: int
    type: str
    description: str | None
    category: str | None
    reference: str | None
    metadata: dict[str, Any] | None
    entries: tuple[Entry, ...]
    key: str | None = None


class HistoryEntry(msgspec.Struct, frozen=True, gc=False):
    """An entry of a wallet's history with what its transaction says. `type` is the entry's (`entry_type` in records.py)."""

    entry: Entry
    transaction: int
    seq: int
    at: int
    type: str
    description: str | None
    category: str | None
    reference: str | None
    metadata: dict[str, Any] | None


class HistoryQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A page of one wallet's entries, newest first: those with ordinal < `below` that match every filter given.

    `types`: the entry's type (`entry_type` in records.py) is one of them; `at_from` is included, `at_to` excluded; `min_amount` and `max_amount`, both
    included, compare the amount without its sign. `below` None starts at the newest.
    """

    wallet: int
    limit: int
    below: int | None = None
    types: tuple[str, ...] | None = None
    category: str | None = None
    at_from: int | None = None
    at_to: int | None = None
    min_amount: int | None = None
    max_amount: int | None = None


class HistoryPage(msgspec.Struct, frozen=True, gc=False):
    """Matching entries, newest first, and the ordinal that the next page starts below; None when there is no more.

    A filter that matches little may give a page shorter than `limit`, even an empty one, with a `next_below`: each page looks at a bounded number of entries.
    """

    entries: list[HistoryEntry]
    next_below: int | None


class NumberedQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A page by its number, for clients that count: of all entries of the `wallets` whose type is one of `types` (None: any), newest first,
    those after the first `offset`, at most `limit`."""

    wallets: tuple[int, ...]
    offset: int
    limit: int
    types: tuple[str, ...] | None = None


class NumberedPage(msgspec.Struct, frozen=True, gc=False):
    """The entries of a page, newest first (in falling order of entry number), and exactly how many match in all."""

    entries: list[HistoryEntry]
    total: int


class WalletQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of wallets > `after` in order, at most `limit`. `status` is active, frozen or closed."""

    limit: int
    after: int = 0
    user_id: int | None = None
    asset: int | None = None
    status: str | None = None


class Queries(Protocol):
    """Questions to the image. They see at least everything folded before the call, and may run beside a fold and each other.

    Raises StorageUnusable if the image cannot be read.
    """

    async def transaction(self, number: int) -> Transaction | None:
        """One movement by its number."""
        ...

    async def transactions(self, numbers: Sequence[int]) -> list[Transaction]:
        """Movements by their numbers, at most PAGE_MAX, in the order asked for; those that do not exist are left out."""
        ...

    async def transaction_of_entry(self, entry: int) -> Transaction | None:
        """The movement that an entry, given by its number, belongs to."""
        ...

    async def numbered(self, query: NumberedQuery) -> NumberedPage:
        """A page by its number, with the exact total."""
        ...

    async def history(self, query: HistoryQuery) -> HistoryPage:
        """A page of a wallet's entries. O(log n) in the wallet's history for any `below`."""
        ...

    async def wallets(self, query: WalletQuery) -> list[int]:
        """Numbers of the wallets that match."""
        ...

    async def key(self, digest: bytes) -> int | None:
        """The record that an idempotency key is bound to, if the image still holds it."""
        ...
