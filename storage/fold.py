"""The fold: how records become rows of the image, as SQL that runs inside SQLite.

Nothing is decoded by the host program: a step of thousands of records is some ten statements, which hold the
interpreter's lock for microseconds. The kinds of a step say which statements it needs (see KINDS in records.py).
Most records are pairs, one movement of two legs; they are parsed once, into a temporary table that the rest reads.
Parameters: `:after` and `:last` bound the step, `:entries` is the highest entry before it.
"""

from typing import Final, NamedTuple

from ..engine.records import (
    ASSET_CREATED,
    KINDS,
    MOVED,
    OPENED_AND_MOVED,
    USER_CREATED,
    USER_UPDATED,
    WALLET_CLOSED,
    WALLET_FROZEN,
    WALLET_OPENED,
    WALLET_UNFROZEN,
)

MILESTONE_EVERY: Final = 64
"""A wallet's entries from one milestone to the next: the most that a page has to walk before it begins."""

MOVES: Final = frozenset({MOVED, OPENED_AND_MOVED})

_STEP: Final = "j.seq > :after AND j.seq <= :last"
_IS_MOVE: Final = f"j.kind IN ('{MOVED}', '{OPENED_AND_MOVED}')"
_IS_PAIR: Final = "json_array_length(j.body, '$.legs') = 2 AND json_array_length(j.body, '$.movements') = 1"

PAIRS_TABLE: Final = """
CREATE TEMP TABLE pairs (
    seq INTEGER PRIMARY KEY, at, first_transaction, first_entry, type, description, category, reference, metadata,
    wallet_0, amount_0, balance_0, ordinal_0, previous_0, wallet_1, amount_1, balance_1, ordinal_1, previous_1,
    scope, key
)"""

LEGS_BEFORE_LAST_MOVE: Final = f"""
SELECT json_extract(j.body, '$.first_entry') - 1 - :entries FROM journal.journal AS j
WHERE {_STEP} AND {_IS_MOVE} ORDER BY j.seq DESC LIMIT 1"""
"""How many legs the step has before its last move, which entry numbers tell without reading the records between."""

KINDS_IN_STEP: Final = f"SELECT kind, count(*) FROM journal.journal AS j WHERE {_STEP} GROUP BY kind"

_ASSETS: Final = f"""
INSERT INTO assets
SELECT json_extract(a.value, '$.id'), json_extract(a.value, '$.code'), json_extract(a.value, '$.name'),
       json_extract(a.value, '$.scale'), json_extract(a.value, '$.transferable'),
       json_extract(a.value, '$.min_amount'), json_extract(a.value, '$.max_amount'),
       json_extract(a.value, '$.treasury'), coalesce(json_extract(a.value, '$.aliases'), '[]'),
       coalesce(json_extract(a.value, '$.active'), 1), j.at
FROM journal.journal AS j, json_each(j.body, '$.assets') AS a
WHERE {_STEP} AND j.kind = '{ASSET_CREATED}'"""

_USERS: Final = f"""
INSERT INTO users
SELECT json_extract(u.value, '$.id'), json_extract(u.value, '$.external_id'), json_extract(u.value, '$.username'),
       json_extract(u.value, '$.email'), json_extract(u.value, '$.phone_number'), json_extract(u.value, '$.name'),
       j.at, j.at
FROM journal.journal AS j, json_each(j.body, '$.users') AS u
WHERE {_STEP} AND j.kind IN ('{USER_CREATED}', '{OPENED_AND_MOVED}')"""

# Of several changes of a user in one step the latest counts: columns beside max() come from the row that has it.
_USER_CHANGES: Final = f"""
UPDATE users
SET username = c.username, email = c.email, phone_number = c.phone_number, name = c.name, updated_at = c.at
FROM (
    SELECT json_extract(u.value, '$.id') AS id, json_extract(u.value, '$.username') AS username,
           json_extract(u.value, '$.email') AS email, json_extract(u.value, '$.phone_number') AS phone_number,
           json_extract(u.value, '$.name') AS name, j.at AS at, max(j.seq)
    FROM journal.journal AS j, json_each(j.body, '$.user_changes') AS u
    WHERE {_STEP} AND j.kind = '{USER_UPDATED}'
    GROUP BY 1
) AS c
WHERE users.id = c.id"""

_WALLETS: Final = f"""
INSERT INTO wallets
SELECT json_extract(w.value, '$.number'), json_extract(w.value, '$.id'), json_extract(w.value, '$.user_id'),
       json_extract(w.value, '$.asset'), 0, 0, 0, NULL, 0, j.at, j.at
FROM journal.journal AS j, json_each(j.body, '$.wallets') AS w
WHERE {_STEP} AND j.kind IN ('{ASSET_CREATED}', '{USER_CREATED}', '{WALLET_OPENED}', '{OPENED_AND_MOVED}')"""

_WALLET_CHANGES: Final = f"""
UPDATE wallets
SET debits_frozen = c.debits_frozen, credits_frozen = c.credits_frozen, closed = c.closed, reason = c.reason,
    changes = wallets.changes + c.changes, changed_at = c.at
FROM (
    SELECT json_extract(w.value, '$.number') AS number,
           coalesce(json_extract(w.value, '$.debits_frozen'), 0) AS debits_frozen,
           coalesce(json_extract(w.value, '$.credits_frozen'), 0) AS credits_frozen,
           coalesce(json_extract(w.value, '$.closed'), 0) AS closed,
           json_extract(w.value, '$.reason') AS reason, count(*) AS changes, j.at AS at, max(j.seq)
    FROM journal.journal AS j, json_each(j.body, '$.wallet_changes') AS w
    WHERE {_STEP} AND j.kind IN ('{WALLET_FROZEN}', '{WALLET_UNFROZEN}', '{WALLET_CLOSED}')
    GROUP BY 1
) AS c
WHERE wallets.number = c.number"""


def _of_leg(index: int) -> str:
    return ", ".join(f"json_extract(j.body, '$.legs[{index}][{member}]')" for member in (1, 2, 3, 4, 5))


_PAIRS: Final = f"""
INSERT INTO temp.pairs
SELECT j.seq, j.at, json_extract(j.body, '$.first_transaction'), json_extract(j.body, '$.first_entry'),
       json_extract(j.body, '$.movements[0].type'), json_extract(j.body, '$.movements[0].description'),
       json_extract(j.body, '$.movements[0].category'), json_extract(j.body, '$.movements[0].reference'),
       json_extract(j.body, '$.movements[0].metadata'),
       {_of_leg(0)}, {_of_leg(1)},
       json_extract(j.body, '$.key.scope'), json_extract(j.body, '$.key.key')
FROM journal.journal AS j
WHERE {_STEP} AND {_IS_MOVE} AND {_IS_PAIR}"""

_ENTRIES_OF_PAIRS: Final = """
INSERT INTO entries
SELECT first_entry + leg, first_transaction,
       iif(leg, wallet_1, wallet_0), iif(leg, amount_1, amount_0), iif(leg, balance_1, balance_0),
       iif(leg, ordinal_1, ordinal_0), iif(leg, previous_1, previous_0), at
FROM temp.pairs CROSS JOIN (SELECT 0 AS leg UNION ALL SELECT 1)"""

_TRANSACTIONS_OF_PAIRS: Final = """
INSERT INTO transactions
SELECT first_transaction, seq, at, type, description, category, reference, metadata, first_entry, 2 FROM temp.pairs"""

_KEYS_OF_PAIRS: Final = """
INSERT INTO idempotency_keys SELECT seq, at, scope, key FROM temp.pairs WHERE key IS NOT NULL"""

_NO_PAIRS: Final = "DELETE FROM temp.pairs"

# The other moves, with what is said once in a body taken out of it once: SQLite compares the whole body with the one it
# parsed last each time it is asked, which for each leg of a batch would cost the square of its size.
_OTHERS: Final = f"""
others AS MATERIALIZED (
    SELECT j.seq AS seq, j.at AS at, json_extract(j.body, '$.first_transaction') AS first_transaction,
           json_extract(j.body, '$.first_entry') AS first_entry
    FROM journal.journal AS j
    WHERE {_STEP} AND {_IS_MOVE} AND NOT ({_IS_PAIR})
)"""

_ENTRIES: Final = f"""
INSERT INTO entries
WITH {_OTHERS}
SELECT o.first_entry + l.key, o.first_transaction + json_extract(l.value, '$[0]'),
       json_extract(l.value, '$[1]'), json_extract(l.value, '$[2]'), json_extract(l.value, '$[3]'),
       json_extract(l.value, '$[4]'), json_extract(l.value, '$[5]'), o.at
FROM others AS o CROSS JOIN journal.journal AS j ON j.seq = o.seq CROSS JOIN json_each(j.body, '$.legs') AS l"""

# Both sides are materialised: a side that is a view of json_each would be walked again for every row of the other.
_TRANSACTIONS: Final = f"""
INSERT INTO transactions
WITH {_OTHERS},
t AS MATERIALIZED (
    SELECT o.first_transaction + m.key AS id, o.seq AS seq, o.at AS at,
           json_extract(m.value, '$.type') AS type, json_extract(m.value, '$.description') AS description,
           json_extract(m.value, '$.category') AS category, json_extract(m.value, '$.reference') AS reference,
           json_extract(m.value, '$.metadata') AS metadata
    FROM others AS o CROSS JOIN journal.journal AS j ON j.seq = o.seq CROSS JOIN json_each(j.body, '$.movements') AS m
),
e AS MATERIALIZED (
    SELECT transaction_id, min(id) AS first_entry, count(*) AS entry_count
    FROM entries WHERE id > :entries GROUP BY transaction_id
)
SELECT t.id, t.seq, t.at, t.type, t.description, t.category, t.reference, t.metadata, e.first_entry, e.entry_count
FROM t CROSS JOIN e ON e.transaction_id = t.id"""

_KEYS: Final = f"""
INSERT INTO idempotency_keys
SELECT j.seq, j.at, json_extract(j.body, '$.key.scope'), json_extract(j.body, '$.key.key')
FROM journal.journal AS j
WHERE {_STEP} AND {_IS_MOVE} AND NOT ({_IS_PAIR}) AND json_type(j.body, '$.key') IS NOT NULL"""

# A sum over the rows of balances, each weighted by its wallet, so that two changes do not cancel out. It follows the rows
# that a step touches, and every factor stays below 2^63.
BALANCES_SUM: Final = """coalesce(sum(
    ((posted % 1000000007) * 31 + (posted / 1000000007) * 131 + entry_count * 7919 + last_entry * 1049 + last_at * 13)
    % 2147483647 * (wallet % 65521 + 1) % 2147483629
), 0)"""

RESTRICTIONS_SUM: Final = """
coalesce(sum(number % 2147483647 * (debits_frozen + 2 * credits_frozen + 4 * closed)), 0)"""

RESTRICTED: Final = "debits_frozen OR credits_frozen OR closed"


def _balances_sum(sign: str) -> str:
    return f"""
UPDATE head SET balances_sum = balances_sum {sign} (
    SELECT {BALANCES_SUM} FROM balances WHERE wallet IN (SELECT wallet FROM entries WHERE id > :entries)
)"""


_RESTRICTIONS_SUM: Final = f"""
UPDATE head SET restrictions_sum = (SELECT {RESTRICTIONS_SUM} FROM wallets WHERE {RESTRICTED})"""

# In order of entry, so that a wallet's latest one stays.
_BALANCES: Final = """
INSERT OR REPLACE INTO balances
SELECT wallet, balance_after, ordinal, id, at FROM entries WHERE id > :entries ORDER BY id"""

_MILESTONES: Final = f"""
INSERT INTO milestones
SELECT wallet, ordinal, id, at FROM entries WHERE id > :entries AND ordinal % {MILESTONE_EVERY} = 0"""

HEAD_OF_STEP: Final = """
UPDATE head
SET seq = j.seq, at = j.at, chain = j.chain,
    users = coalesce((SELECT max(id) FROM users), 0),
    wallets = coalesce((SELECT max(number) FROM wallets), 0),
    transactions = coalesce((SELECT max(id) FROM transactions), 0),
    entries = coalesce((SELECT max(id) FROM entries), 0)
FROM (SELECT seq, at, chain FROM journal.journal WHERE seq = :last) AS j
WHERE head.id = 1"""


class Statement(NamedTuple):
    """One statement of a step. `numbers` names the counter of the rows it makes, if they are numbered without gaps."""

    sql: str
    kinds: frozenset[str]
    numbers: str | None = None


_OPENINGS: Final = frozenset({ASSET_CREATED, USER_CREATED, WALLET_OPENED, OPENED_AND_MOVED})

_CHANGES: Final = frozenset({WALLET_FROZEN, WALLET_UNFROZEN, WALLET_CLOSED})

PAIRS: Final = Statement(_PAIRS, MOVES)

BEFORE_MOVES: Final = (
    Statement(_ASSETS, frozenset({ASSET_CREATED})),
    Statement(_USERS, frozenset({USER_CREATED, OPENED_AND_MOVED}), "users"),
    Statement(_USER_CHANGES, frozenset({USER_UPDATED})),
    Statement(_WALLETS, _OPENINGS, "wallets"),
    Statement(_WALLET_CHANGES, _CHANGES),
    Statement(_RESTRICTIONS_SUM, _CHANGES),
)

OF_PAIRS: Final = (
    Statement(_ENTRIES_OF_PAIRS, MOVES, "entries"),
    Statement(_TRANSACTIONS_OF_PAIRS, MOVES, "transactions"),
    Statement(_KEYS_OF_PAIRS, MOVES),
    Statement(_NO_PAIRS, MOVES),
)

OF_OTHER_MOVES: Final = (
    Statement(_ENTRIES, MOVES, "entries"),
    Statement(_TRANSACTIONS, MOVES, "transactions"),
    Statement(_KEYS, MOVES),
)

AFTER_MOVES: Final = (
    Statement(_balances_sum("-"), MOVES),
    Statement(_BALANCES, MOVES),
    Statement(_balances_sum("+"), MOVES),
    Statement(_MILESTONES, MOVES),
)

assert frozenset[str]().union(*(step.kinds for step in BEFORE_MOVES), MOVES) == KINDS, "each kind of record is folded"
