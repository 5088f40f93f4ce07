"""What each table of the image must hold after some records: a second derivation, in plain Python, that shares nothing with the fold.

While it follows the records it checks the laws of money: each asset's legs sum to zero in every record, a balance is the one before plus
the leg, and only a Treasury is below zero. So whatever equals these tables keeps them too.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec

from walletd.engine.limits import IDEMPOTENCY_KEY_LIFE_US
from walletd.engine.records import Record

Row = tuple[Any, ...]

MILESTONE: Final = 64

TABLES: Final = {
    "assets": "SELECT * FROM assets ORDER BY id",
    "users": "SELECT * FROM users ORDER BY id",
    "wallets": "SELECT * FROM wallets ORDER BY number",
    "balances": "SELECT * FROM balances ORDER BY wallet",
    "transactions": "SELECT * FROM transactions ORDER BY id",
    "entries": "SELECT * FROM entries ORDER BY id",
    "milestones": "SELECT * FROM milestones ORDER BY wallet, ordinal",
    "idempotency_keys": "SELECT * FROM idempotency_keys ORDER BY seq",
    "head": "SELECT seq, at, users, wallets, transactions, entries FROM head",
}


class Tables:
    """The tables after the records given to `follow`, each by its key."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[Any, list[Any]]] = {name: {} for name in TABLES if name != "head"}
        self._head = (0, 0)

    def copy(self) -> "Tables":
        """Tables to go on from without touching these."""
        other = Tables()
        other.rows = {name: {key: [*row] for key, row in rows.items()} for name, rows in self.rows.items()}
        other._head = self._head
        return other

    def follow(self, record: Record) -> None:
        """Take one more record in."""
        body, at, rows = record.body, record.at, self.rows
        assert record.seq == self._head[0] + 1, record.seq
        assert at >= self._head[1], "time falls"
        self._head = (record.seq, at)
        for asset in body.assets:
            aliases = msgspec.json.encode(asset.aliases).decode()
            values = [asset.id, asset.code, asset.name, asset.scale, int(asset.transferable), asset.min_amount]
            values += [asset.max_amount, asset.treasury, aliases, int(asset.active), at]
            rows["assets"][asset.id] = values
        for user in body.users:
            rows["users"][user.id] = [*msgspec.structs.astuple(user), at, at]
        for change in body.user_changes:
            rows["users"][change.id][2:6] = [change.username, change.email, change.phone_number, change.name]
            rows["users"][change.id][7] = at
        for wallet in body.wallets:
            opened = [wallet.number, wallet.id, wallet.user_id, wallet.asset]
            rows["wallets"][wallet.number] = [*opened, 0, 0, 0, None, 0, at, at]
        for frozen in body.wallet_changes:
            row = rows["wallets"][frozen.number]
            row[4:8] = [int(frozen.debits_frozen), int(frozen.credits_frozen), int(frozen.closed), frozen.reason]
            row[8], row[10] = row[8] + 1, at
        self._follow_movements(record)
        if body.key is not None:
            rows["idempotency_keys"][record.seq] = [record.seq, at, body.key.scope, body.key.key]

    def _follow_movements(self, record: Record) -> None:
        body, at, rows = record.body, record.at, self.rows
        sums: dict[tuple[int, int], int] = {}
        counts = [0] * len(body.movements)
        for offset, leg in enumerate(body.legs):
            wallet = rows["wallets"][leg.wallet]
            before = rows["balances"].get(leg.wallet, [leg.wallet, 0, 0, 0, 0])
            assert leg.balance_after == before[1] + leg.amount, f"record {record.seq}: a balance that does not follow"
            assert leg.balance_after >= 0 or wallet[2] == 0, f"record {record.seq}: wallet {leg.wallet} is below zero"
            assert (leg.ordinal, leg.previous) == (before[2] + 1, before[3]), f"record {record.seq}: a leg out of order"
            asset = (leg.movement, wallet[3])
            sums[asset] = sums.get(asset, 0) + leg.amount
            entry = body.first_entry + offset
            transaction = body.first_transaction + leg.movement
            values = [entry, transaction, leg.wallet, leg.amount, leg.balance_after, leg.ordinal, leg.previous, at]
            rows["entries"][entry] = values
            rows["balances"][leg.wallet] = [leg.wallet, leg.balance_after, leg.ordinal, entry, at]
            if leg.ordinal % MILESTONE == 0:
                rows["milestones"][leg.wallet, leg.ordinal] = [leg.wallet, leg.ordinal, entry, at]
            counts[leg.movement] += 1
        assert not any(sums.values()), f"record {record.seq}: money does not sum to zero"
        entry = body.first_entry
        for offset, movement in enumerate(body.movements):
            number = body.first_transaction + offset
            metadata = None if movement.metadata is None else msgspec.json.encode(movement.metadata).decode()
            said = [movement.type, movement.description, movement.category, movement.reference, metadata]
            rows["transactions"][number] = [number, record.seq, at, *said, entry, counts[offset]]
            entry += counts[offset]

    def dump(self) -> dict[str, list[Row]]:
        """As `dump` reads an image."""
        tables = {name: [tuple(row) for _, row in sorted(rows.items())] for name, rows in self.rows.items()}
        highest = [max(self.rows[name], default=0) for name in ("users", "wallets", "transactions", "entries")]
        return tables | {"head": [(*self._head, *highest)]}


def dump(path: Path) -> dict[str, list[Row]]:
    """Everything that an image says."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return {name: connection.execute(statement).fetchall() for name, statement in TABLES.items()}


def difference(found: dict[str, list[Row]], expected: dict[str, list[Row]]) -> str | None:
    """The first difference, as a sentence. Keys that expired may be gone from the front."""
    for name, rows in expected.items():
        other, wanted = found[name], rows
        if name == "idempotency_keys":
            gone = max(0, len(rows) - len(other))
            wanted = rows[gone:]
            if gone and rows[gone - 1][1] >= expected["head"][0][1] - IDEMPOTENCY_KEY_LIFE_US:
                return f"{name}: a key that lives is gone: {rows[gone - 1]}"
        if other == wanted:
            continue
        for index, row in enumerate(wanted):
            if index >= len(other) or other[index] != row:
                return f"{name}: {other[index] if index < len(other) else 'nothing'} where the journal gives {row}"
        return f"{name}: {len(other)} rows where the journal gives {len(wanted)}"
    return None
