"""What a start reads of the image: quick checks of its structure, then everything that the engine keeps in memory.

Rows come in order of their number, a page a query, so that no cursor is held open and no list grows with the ledger.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import cycle
from typing import Any, Final

import aiosqlite
import msgspec

from ..engine.idempotency import key_digest
from ..engine.limits import IDEMPOTENCY_KEYS_IN_MEMORY_MAX, LOAD_CHUNK
from ..engine.ports import AssetState, Chunk, ImageCounters, KeyState, UserState, WalletState
from ..engine.records import AssetCreated
from .fold import BALANCES_SUM, RESTRICTED, RESTRICTIONS_SUM

ASSETS: Final = f"""
SELECT id, code, name, scale, transferable, min_amount, max_amount, treasury, aliases, active, created_at
FROM assets WHERE id > ? ORDER BY id LIMIT {LOAD_CHUNK}"""

# Users and wallets come as one text a page, which is decoded at once: SQLite makes it beside the event loop, without the
# interpreter's lock, while the page before is taken in. A row of values would need the lock twice for each row.
USERS: Final = f"""
SELECT max(id), json_group_array(
    json_array(id, external_id, username, email, phone_number, name, created_at, updated_at))
FROM (SELECT * FROM users WHERE id > ? ORDER BY id LIMIT {LOAD_CHUNK})"""

WALLETS: Final = f"""
SELECT max(number), json_group_array(
    json_array(number, id, user_id, asset, debits_frozen, credits_frozen, closed, reason,
               posted, version, entry_count, last_entry, created_at, updated_at))
FROM (SELECT * FROM wallet_states WHERE number > ? ORDER BY number LIMIT {LOAD_CHUNK})"""

KEYS: Final = f"""
SELECT seq, at, scope, key FROM idempotency_keys WHERE seq > ? AND at >= ? ORDER BY seq LIMIT {LOAD_CHUNK}"""


def not_zero(amount: str) -> str:
    """The condition that amounts do not sum to zero, in halves: their sum in between may be beyond 64 bits."""
    low, high = f"sum({amount} % 4294967296)", f"sum({amount} / 4294967296)"
    return f"({low} % 4294967296 <> 0 OR {high} + {low} / 4294967296 <> 0)"


SUM_NOT_ZERO: Final = f"""
SELECT count(*) FROM (SELECT asset FROM wallet_states GROUP BY asset HAVING {not_zero("posted")})"""
BALANCES_CHANGED: Final = f"SELECT balances_sum - (SELECT {BALANCES_SUM} FROM balances) FROM head"
RESTRICTIONS_CHANGED: Final = f"""
SELECT restrictions_sum - (SELECT {RESTRICTIONS_SUM} FROM wallets WHERE {RESTRICTED}) FROM head"""
# The newest ones, which memory may hold. A journal that is not the one that was folded, or a body that cannot be read, is no doubt in the image.
KEYS_CHANGED: Final = f"""
SELECT count(*) FROM (
    SELECT seq, at, scope, key FROM idempotency_keys ORDER BY seq DESC LIMIT {IDEMPOTENCY_KEYS_IN_MEMORY_MAX}
) AS k LEFT JOIN journal.journal AS j ON j.seq = k.seq
WHERE EXISTS (SELECT 1 FROM head JOIN journal.journal AS folded ON folded.seq = head.seq AND folded.chain = head.chain)
AND (j.at IS NOT k.at OR iif(json_valid(j.body),
    json_extract(j.body, '$.key.scope') IS NOT k.scope OR json_extract(j.body, '$.key.key') IS NOT k.key, 0))"""
NEGATIVE: Final = "SELECT count(*) FROM balances JOIN wallets ON number = wallet WHERE posted < 0 AND user_id <> 0"
WITHOUT_WALLET: Final = "SELECT count(*) FROM balances LEFT JOIN wallets ON number = wallet WHERE number IS NULL"

HIGHEST: Final = """
SELECT coalesce((SELECT max(id) FROM users), 0), coalesce((SELECT max(number) FROM wallets), 0),
       coalesce((SELECT max(id) FROM transactions), 0), coalesce((SELECT max(id) FROM entries), 0)"""

COUNTS: Final = """
SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM wallets),
       (SELECT coalesce(sum(entry_count), 0) FROM balances)"""


# Not strict: SQLite has no booleans, so a flag is 0 or 1.
_users: Final = msgspec.json.Decoder(list[UserState], strict=False).decode
_wallets: Final = msgspec.json.Decoder(list[WalletState], strict=False).decode


# What must be zero, and what is wrong with the image where it is not.
ZERO: Final = {
    SUM_NOT_ZERO: "{} assets whose balances do not sum to zero",
    NEGATIVE: "{} wallets of users have a negative balance",
    WITHOUT_WALLET: "{} balances belong to no wallet",
    BALANCES_CHANGED: "its balances are not the ones that were folded (checksum off by {})",
    KEYS_CHANGED: "{} of its idempotency keys are not those of the journal",
    RESTRICTIONS_CHANGED: "its frozen and closed wallets are not the ones that were folded (checksum off by {})",
}


async def findings(connections: Sequence[aiosqlite.Connection], counters: ImageCounters) -> list[str]:
    """Why the image cannot be trusted, as sentences; none if the quick checks pass. The connections share the work: they look beside each other."""
    turns = zip((*ZERO, HIGHEST, COUNTS), cycle(connections), strict=False)
    asked = (_row(connection, statement) for statement, connection in turns)
    answers: list[tuple[Any, ...]] = []
    for answer in await asyncio.gather(*asked, return_exceptions=True):
        if isinstance(answer, BaseException):
            raise answer
        answers.append(answer)
    *numbers, highest, counts = answers
    found = [sentence.format(number) for sentence, (number,) in zip(ZERO.values(), numbers, strict=True) if number]
    if ImageCounters(*highest) != counters:
        found.append(f"its highest numbers are {ImageCounters(*highest)}, its head says {counters}")
    if counts != (counters.users, counters.wallets, counters.entries):
        found.append(f"it has (users, wallets, entries of wallets) {counts}, its head says {counters}")
    return found


async def chunks(connection: aiosqlite.Connection, keys_since: int) -> AsyncIterator[Chunk]:
    """See `Image.load`."""
    async for rows in _pages(connection, ASSETS):
        yield [_asset(*row) for row in rows]
    async for page in _texts(connection, USERS, _users):
        yield page
    async for page in _texts(connection, WALLETS, _wallets):
        yield page
    async for rows in _pages(connection, KEYS, keys_since):
        yield [KeyState(key_digest(scope, key), seq, at) for seq, at, scope, key in rows]


async def _texts(
    connection: aiosqlite.Connection, statement: str, decode: Callable[[str], Chunk]
) -> AsyncIterator[Chunk]:
    """The pages of a statement that answers (highest number, page); each is made while the one before is taken in."""
    page = asyncio.create_task(_row(connection, statement, 0))
    try:
        while (row := await page)[0] is not None:
            page = asyncio.create_task(_row(connection, statement, row[0]))
            await asyncio.sleep(0)  # it begins at once
            yield decode(row[1])
    finally:
        page.cancel()


async def _pages(connection: aiosqlite.Connection, statement: str, *values: int) -> AsyncIterator[list[Any]]:
    after = 0
    while rows := list(await connection.execute_fetchall(statement, (after, *values))):
        yield rows
        after = rows[-1][0]


def _asset(
    number: int,
    code: str,
    name: str,
    scale: int,
    transferable: int,
    min_amount: int,
    max_amount: int,
    treasury: int,
    aliases: str,
    active: int,
    created_at: int,
) -> AssetState:
    asset = AssetCreated(
        id=number,
        code=code,
        name=name,
        scale=scale,
        transferable=transferable != 0,
        min_amount=min_amount,
        max_amount=max_amount,
        treasury=treasury,
        aliases=msgspec.json.decode(aliases, type=tuple[str, ...]),
        active=active != 0,
    )
    return AssetState(asset, created_at)


async def _row(connection: aiosqlite.Connection, statement: str, *values: int) -> tuple[Any, ...]:
    rows = list(await connection.execute_fetchall(statement, values))
    return tuple(rows[0])
