"""Questions to the image: a movement, a page of a wallet's entries, a list of wallets.

A wallet's entries are a list from the newest to the oldest, each naming the one before. A page steps in at the nearest
milestone above where it begins, walks at most MILESTONE_EVERY entries to it and then on; one that filters gives up
after WALK_MAX entries and says where to go on. Nothing depends on the length of the history but the search among the
milestones, which halves.
"""

from collections.abc import Sequence
from typing import Any, Final

import aiosqlite
import msgspec

from ..engine.ports import (
    Entry,
    HistoryEntry,
    HistoryPage,
    HistoryQuery,
    NumberedPage,
    NumberedQuery,
    Transaction,
    WalletQuery,
)
from .fold import MILESTONE_EVERY

WALK_MAX: Final = 5_000
"""Entries that one page looks at."""

assert WALK_MAX > MILESTONE_EVERY, "a page gets past the entries above it, or paging would never end"

# Numbers come as one JSON array, so that each statement is prepared once.
TRANSACTIONS: Final = """
SELECT id, seq, at, type, description, category, reference, metadata
FROM transactions WHERE id IN (SELECT value FROM json_each(?))"""

ENTRIES: Final = """
SELECT t.id, e.id, e.wallet, e.amount, e.balance_after, e.ordinal
FROM transactions AS t JOIN entries AS e ON e.id >= t.first_entry AND e.id < t.first_entry + t.entry_count
WHERE t.id IN (SELECT value FROM json_each(?)) ORDER BY e.id"""

# A key outlives its row of idempotency_keys in the record that bound it.
KEYS: Final = """
SELECT seq, json_extract(body, '$.key.key') FROM journal.journal WHERE seq IN (SELECT value FROM json_each(?))"""

TRANSACTION_OF_ENTRY: Final = "SELECT transaction_id FROM entries WHERE id = ?"

# `entry_type` of records.py in SQL.
_ENTRY_TYPE: Final = """
t.type || CASE WHEN t.type NOT IN ('transfer', 'transaction') THEN '' WHEN w.amount > 0 THEN '_in' ELSE '_out' END"""

# `span` halves until :at_to falls between the milestones low and low + 1. `walk` begins at the lower of two milestones, the
# one above that time and the one above :below, or else at the newest entry.
# The row of the last step comes back even if it does not match: the page was cut short there.
HISTORY: Final = f"""
WITH RECURSIVE
newest AS (SELECT entry_count, last_entry FROM balances WHERE wallet = :wallet),
span (low, high) AS (
    SELECT 0, entry_count / {MILESTONE_EVERY} FROM newest
    UNION ALL
    SELECT iif(m.at < :at_to, m.ordinal / {MILESTONE_EVERY}, low),
           iif(m.at < :at_to, high, m.ordinal / {MILESTONE_EVERY} - 1)
    FROM span JOIN milestones AS m
        ON m.wallet = :wallet AND m.ordinal = (low + high + 1) / 2 * {MILESTONE_EVERY}
    WHERE low < high
),
start (entry) AS (
    SELECT coalesce(
        (SELECT entry FROM milestones
         WHERE wallet = :wallet
           AND ordinal >= min(:below - 1, (SELECT low * {MILESTONE_EVERY} + 1 FROM span WHERE low = high))
         ORDER BY ordinal LIMIT 1),
        last_entry
    ) FROM newest
),
walk (step, id, transaction_id, amount, balance_after, ordinal, previous, at) AS (
    SELECT 1, e.id, e.transaction_id, e.amount, e.balance_after, e.ordinal, e.previous, e.at
    FROM start JOIN entries AS e ON e.id = start.entry
    UNION ALL
    SELECT step + 1, e.id, e.transaction_id, e.amount, e.balance_after, e.ordinal, e.previous, e.at
    FROM walk JOIN entries AS e ON e.id = walk.previous
    WHERE step < {WALK_MAX} AND e.at >= :at_from
)
SELECT w.id, w.amount, w.balance_after, w.ordinal, w.transaction_id, t.seq, w.at,
       {_ENTRY_TYPE} AS entry_type, t.description, t.category, t.reference, t.metadata, w.step,
       w.ordinal < :below AND w.at < :at_to AND w.at >= :at_from AND abs(w.amount) BETWEEN :min_amount AND :max_amount
           AS within
FROM walk AS w CROSS JOIN transactions AS t ON t.id = w.transaction_id
WHERE w.step = {WALK_MAX}
   OR within
      AND (:category IS NULL OR t.category = :category)
      AND (:types IS NULL OR entry_type IN (SELECT value FROM json_each(:types)))
LIMIT :limit"""

# The histories of several wallets as one: what is next is always the newest entry that is waiting (ORDER BY makes the
# recursion's queue a heap). It is lazy, so a page costs as many steps as there are entries above its end. LIMIT -1 keeps the
# ORDER BY in force: SQLite drops it from a subquery that has no limit.
_MERGED: Final = """
WITH RECURSIVE walk (id, wallet, transaction_id, amount, balance_after, ordinal, previous, at) AS (
    SELECT e.id, e.wallet, e.transaction_id, e.amount, e.balance_after, e.ordinal, e.previous, e.at
    FROM balances AS b JOIN entries AS e ON e.id = b.last_entry
    WHERE b.wallet IN (SELECT value FROM json_each(:wallets))
    UNION ALL
    SELECT e.id, e.wallet, e.transaction_id, e.amount, e.balance_after, e.ordinal, e.previous, e.at
    FROM walk JOIN entries AS e ON e.id = walk.previous
    ORDER BY 1 DESC LIMIT -1
)"""

_OF_TYPES: Final = f"""
FROM walk AS w CROSS JOIN transactions AS t ON t.id = w.transaction_id
WHERE :types IS NULL OR {_ENTRY_TYPE} IN (SELECT value FROM json_each(:types))"""

NUMBERED: Final = f"""
{_MERGED}
SELECT w.wallet, w.id, w.amount, w.balance_after, w.ordinal, w.transaction_id, t.seq, w.at,
       {_ENTRY_TYPE} AS entry_type, t.description, t.category, t.reference, t.metadata
{_OF_TYPES}
LIMIT :limit OFFSET :offset"""

COUNT_OF_TYPES: Final = f"{_MERGED} SELECT count(*) {_OF_TYPES}"

COUNT: Final = """
SELECT coalesce(sum(entry_count), 0) FROM balances WHERE wallet IN (SELECT value FROM json_each(:wallets))"""

STATUS: Final = {
    "active": "NOT (debits_frozen OR credits_frozen OR closed)",
    "frozen": "(debits_frozen OR credits_frozen OR closed) AND NOT closed",
    "closed": "(debits_frozen OR credits_frozen OR closed) AND closed",
}
"""Conditions by status; the bracket is the one of the index over restricted wallets."""

_INTEGER_MAX: Final = 2**63 - 1


async def transactions(connection: aiosqlite.Connection, numbers: Sequence[int]) -> list[Transaction]:
    """See `Queries.transactions`."""
    asked = (_json(numbers),)
    rows = list(await connection.execute_fetchall(TRANSACTIONS, asked))
    entries: dict[int, list[Entry]] = {row[0]: [] for row in rows}
    for number, *entry in await connection.execute_fetchall(ENTRIES, asked):
        entries[number].append(Entry(*entry))
    seqs = sorted({row[1] for row in rows})
    keys: dict[int, str | None] = {seq: key for seq, key in await connection.execute_fetchall(KEYS, (_json(seqs),))}  # noqa: C416
    found = {
        number: Transaction(
            id=number,
            seq=seq,
            at=at,
            type=type_,
            description=description,
            category=category,
            reference=reference,
            metadata=_metadata(metadata),
            entries=tuple(entries[number]),
            key=keys.get(seq),
        )
        for number, seq, at, type_, description, category, reference, metadata in rows
    }
    return [found[number] for number in numbers if number in found]


async def transaction_of_entry(connection: aiosqlite.Connection, entry: int) -> Transaction | None:
    """See `Queries.transaction_of_entry`."""
    rows = await connection.execute_fetchall(TRANSACTION_OF_ENTRY, (entry,))
    found = await transactions(connection, [number for (number,) in rows])
    return found[0] if found else None


async def numbered(connection: aiosqlite.Connection, query: NumberedQuery) -> NumberedPage:
    """See `Queries.numbered`. Counting by type walks the wallets' whole histories; the rest is O(1) and O(offset)."""
    values = {
        "wallets": _json(sorted(set(query.wallets))),
        "types": None if query.types is None else _json(query.types),
        "limit": query.limit,
        "offset": query.offset,
    }
    count = COUNT if query.types is None else COUNT_OF_TYPES
    total = next(iter(await connection.execute_fetchall(count, values)))[0]
    if query.offset >= total:
        return NumberedPage([], total)
    if query.types is None and len(query.wallets) == 1:  # its ordinals say where the page is
        below = total - query.offset + 1
        found = await page(connection, HistoryQuery(wallet=query.wallets[0], limit=query.limit, below=below))
        return NumberedPage(found.entries, total)
    rows = await connection.execute_fetchall(NUMBERED, values)
    return NumberedPage([_history_entry(*row) for row in rows], total)


async def page(connection: aiosqlite.Connection, query: HistoryQuery) -> HistoryPage:
    """See `Queries.history`."""
    rows = list(
        await connection.execute_fetchall(
            HISTORY,
            {
                "wallet": query.wallet,
                "limit": query.limit,
                "below": _or(query.below, _INTEGER_MAX),
                "at_from": _or(query.at_from, 0),
                "at_to": _or(query.at_to, _INTEGER_MAX),
                "min_amount": _or(query.min_amount, 0),
                "max_amount": _or(query.max_amount, _INTEGER_MAX),
                "category": query.category,
                "types": None if query.types is None else _json(query.types),
            },
        )
    )
    entries = [_history_entry(query.wallet, *row[:12]) for row in rows if _matches(row, query)]
    if not rows:
        return HistoryPage(entries, None)
    last_ordinal, last_step = rows[-1][3], rows[-1][12]
    more = last_ordinal > 1 and (len(rows) == query.limit or last_step == WALK_MAX)
    return HistoryPage(entries, last_ordinal if more else None)


async def wallets(connection: aiosqlite.Connection, query: WalletQuery) -> list[int]:
    """See `Queries.wallets`."""
    conditions = ["number > :after"]
    if query.user_id is not None:
        conditions.append("user_id = :user_id")
    if query.asset is not None:
        conditions.append("asset = :asset")
    if query.status is not None:
        conditions.append(STATUS[query.status])
    rows = await connection.execute_fetchall(
        f"SELECT number FROM wallets WHERE {' AND '.join(conditions)} ORDER BY number LIMIT :limit",
        {"after": query.after, "user_id": query.user_id, "asset": query.asset, "limit": query.limit},
    )
    return [number for (number,) in rows]


def _matches(row: Any, query: HistoryQuery) -> bool:
    """Whether a row is of the page, and not only the place where a walk was cut short."""
    if row[12] < WALK_MAX:
        return True
    return bool(
        row[13]
        and (query.category is None or row[9] == query.category)
        and (query.types is None or row[7] in query.types)
    )


def _history_entry(
    wallet: int,
    number: int,
    amount: int,
    balance_after: int,
    ordinal: int,
    transaction: int,
    seq: int,
    at: int,
    entry_type: str,
    description: str | None,
    category: str | None,
    reference: str | None,
    metadata: str | None,
) -> HistoryEntry:
    return HistoryEntry(
        entry=Entry(number, wallet, amount, balance_after, ordinal),
        transaction=transaction,
        seq=seq,
        at=at,
        type=entry_type,
        description=description,
        category=category,
        reference=reference,
        metadata=_metadata(metadata),
    )


def _json(values: Sequence[int] | Sequence[str]) -> str:
    return msgspec.json.encode(values).decode()


def _metadata(text: str | None) -> dict[str, Any] | None:
    return None if text is None else msgspec.json.decode(text, type=dict[str, Any])


def _or(value: int | None, default: int) -> int:
    return default if value is None else value
