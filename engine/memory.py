"""The ports in memory: for tests, for examples, and as the plainest statement of what a store must do. Nothing survives the process."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from .draft import each_transaction
from .engine import Engine
from .idempotency import key_digest
from .journal import within_bytes
from .limits import AMOUNT_MAX, FOLD_STEP_MAX, LOAD_CHUNK, SEARCH_STEP_MAX
from .ports import (
    AssetState,
    Chunk,
    Entry,
    Fenced,
    Head,
    HistoryEntry,
    HistoryPage,
    HistoryQuery,
    ImageCounters,
    JournalFull,
    KeyState,
    NumberedPage,
    NumberedQuery,
    StorageUnusable,
    Transaction,
    UserState,
    WalletQuery,
    WalletState,
)
from .records import GENESIS, Record, Row, decode, entry_type


class MemoryJournal:
    """A JournalStore in a list. `rows_max` makes it full; it may be raised at any time."""

    def __init__(self, rows_max: int = AMOUNT_MAX) -> None:
        self.rows: list[Row] = []
        self.rows_max = rows_max
        self._epoch = 0

    async def claim(self) -> tuple[int, Head]:
        """See JournalStore."""
        self._epoch += 1
        last = self.rows[-1] if self.rows else None
        return self._epoch, Head(last.seq, last.at, last.chain) if last else Head(0, 0, GENESIS)

    async def append(self, epoch: int, group: Sequence[Row]) -> None:
        """See JournalStore."""
        await asyncio.sleep(0)
        if epoch != self._epoch:
            raise Fenced(f"epoch {epoch} was followed by {self._epoch}")
        if len(self.rows) + len(group) > self.rows_max:
            raise JournalFull(f"{self.rows_max} rows are the most")
        assert group[0].seq == len(self.rows) + 1
        self.rows.extend(group)

    async def read(self, after: int, limit: int) -> list[Row]:
        """See JournalStore."""
        return within_bytes(self.rows[after : after + limit])

    async def search(self, after: int, through: int, kinds: tuple[str, ...], mark: bytes, limit: int) -> list[Row]:
        """See RecordSearch."""
        assert through - after <= SEARCH_STEP_MAX
        return [row for row in self.rows[after:through] if row.kind in kinds and mark in row.body][:limit]

    async def has_room(self) -> bool:
        """See JournalStore."""
        return len(self.rows) < self.rows_max

    async def close(self) -> None:
        """See JournalStore."""


class MemoryImage:
    """Image and Queries over a MemoryJournal, as plain lists and dicts."""

    def __init__(self, journal: MemoryJournal) -> None:
        self._journal = journal
        self._empty()

    def _empty(self) -> None:
        self._head = Head(0, 0, GENESIS)
        self._assets: list[AssetState] = []
        self._users: list[UserState] = []
        self._wallets: list[WalletState] = []
        self._transactions: list[Transaction] = []
        self._histories: dict[int, list[HistoryEntry]] = {}
        self._keys: dict[bytes, KeyState] = {}

    async def open(self) -> tuple[Head, ImageCounters]:
        """See Image."""
        entries = sum(len(history) for history in self._histories.values())
        return self._head, ImageCounters(len(self._users), len(self._wallets), len(self._transactions), entries)

    async def load(self, keys_since: int) -> AsyncIterator[Chunk]:
        """See Image."""
        keys = [key for key in self._keys.values() if key.at >= keys_since]
        sections: tuple[Any, ...] = (self._assets, self._users, self._wallets, keys)
        for section in sections:
            for start in range(0, len(section), LOAD_CHUNK):
                yield section[start : start + LOAD_CHUNK]

    async def fold(self, through: int) -> Head:
        """See Image."""
        await asyncio.sleep(0)
        for row in self._journal.rows[self._head.seq : min(through, self._head.seq + FOLD_STEP_MAX)]:
            try:
                self._apply(decode(row, self._head.chain))
            except Exception as error:
                raise StorageUnusable(f"the image in memory: {error}") from error
            self._head = Head(row.seq, row.at, row.chain)
        return self._head

    def _apply(self, record: Record) -> None:
        body, at = record.body, record.at
        self._assets += [AssetState(asset, at) for asset in body.assets]
        self._users += [
            UserState(user.id, user.external_id, user.username, user.email, user.phone_number, user.name, at, at)
            for user in body.users
        ]
        for change in body.user_changes:
            self._users[change.id - 1] = self._users[change.id - 1]._replace(
                username=change.username,
                email=change.email,
                phone_number=change.phone_number,
                name=change.name,
                updated_at=at,
            )
        for new in body.wallets:
            self._wallets.append(
                WalletState(new.number, new.id, new.user_id, new.asset, False, False, False, None, 0, 0, 0, 0, at, at)
            )
        for what in body.wallet_changes:
            self._update(
                what.number,
                at,
                debits_frozen=what.debits_frozen,
                credits_frozen=what.credits_frozen,
                closed=what.closed,
                reason=what.reason,
            )
        for transaction in each_transaction(record):
            self._transactions.append(transaction)
            for entry in transaction.entries:
                self._post(transaction, entry)
        if body.key is not None:
            digest = key_digest(body.key.scope, body.key.key)
            self._keys.pop(digest, None)
            self._keys[digest] = KeyState(digest, record.seq, at)

    def _update(self, number: int, at: int, **members: Any) -> None:
        wallet = self._wallets[number - 1]
        self._wallets[number - 1] = wallet._replace(version=wallet.version + 1, updated_at=at, **members)

    def _post(self, transaction: Transaction, entry: Entry) -> None:
        self._update(
            entry.wallet, transaction.at, posted=entry.balance_after, entry_count=entry.ordinal, last_entry=entry.id
        )
        history = self._histories.setdefault(entry.wallet, [])
        history.append(
            HistoryEntry(
                entry,
                transaction.id,
                transaction.seq,
                transaction.at,
                entry_type(transaction.type, entry.amount),
                transaction.description,
                transaction.category,
                transaction.reference,
                transaction.metadata,
            )
        )

    async def expire_keys(self, before: int) -> bool:
        """See Image."""
        self._keys = {digest: key for digest, key in self._keys.items() if key.at >= before}
        return False

    async def reset(self) -> None:
        """See Image."""
        self._empty()

    async def close(self) -> None:
        """See Image."""

    async def transaction(self, number: int) -> Transaction | None:
        """See Queries."""
        return self._transactions[number - 1] if 0 < number <= len(self._transactions) else None

    async def transactions(self, numbers: Sequence[int]) -> list[Transaction]:
        """See Queries."""
        return [self._transactions[number - 1] for number in numbers if 0 < number <= len(self._transactions)]

    async def transaction_of_entry(self, entry: int) -> Transaction | None:
        """See Queries."""
        for transaction in self._transactions:
            if transaction.entries[0].id <= entry <= transaction.entries[-1].id:
                return transaction
        return None

    async def numbered(self, query: NumberedQuery) -> NumberedPage:
        """See Queries."""
        found = [
            item
            for wallet in query.wallets
            for item in self._histories.get(wallet, [])
            if query.types is None or item.type in query.types
        ]
        found.sort(key=lambda item: item.entry.id, reverse=True)
        return NumberedPage(found[query.offset : query.offset + query.limit], len(found))

    async def history(self, query: HistoryQuery) -> HistoryPage:
        """See Queries."""
        found = [
            item
            for item in reversed(self._histories.get(query.wallet, []))
            if (query.below is None or item.entry.ordinal < query.below) and _matches(item, query)
        ]
        page = found[: query.limit]
        return HistoryPage(page, page[-1].entry.ordinal if len(found) > len(page) else None)

    async def wallets(self, query: WalletQuery) -> list[int]:
        """See Queries."""
        found = [
            wallet.number
            for wallet in self._wallets[query.after :]
            if query.user_id in (None, wallet.user_id)
            and query.asset in (None, wallet.asset)
            and query.status in (None, _status(wallet))
        ]
        return found[: query.limit]

    async def key(self, digest: bytes) -> int | None:
        """See Queries."""
        key = self._keys.get(digest)
        return key.seq if key else None


def _status(wallet: WalletState) -> str:
    if wallet.closed:
        return "closed"
    return "frozen" if wallet.debits_frozen or wallet.credits_frozen else "active"


def _matches(item: HistoryEntry, query: HistoryQuery) -> bool:
    return (
        (query.types is None or item.type in query.types)
        and query.category in (None, item.category)
        and (query.at_from is None or item.at >= query.at_from)
        and (query.at_to is None or item.at < query.at_to)
        and (query.min_amount is None or abs(item.entry.amount) >= query.min_amount)
        and (query.max_amount is None or abs(item.entry.amount) <= query.max_amount)
    )


def open_in_memory() -> AbstractAsyncContextManager[Engine]:
    """An engine without a disk, to be used as `async with open_in_memory() as engine`. It stops at the end, and everything is gone."""
    return _opened()


@asynccontextmanager
async def _opened() -> AsyncIterator[Engine]:
    journal = MemoryJournal()
    image = MemoryImage(journal)
    async with await Engine.start(journal, image, image) as engine:
        yield engine
